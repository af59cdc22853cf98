"""Free text: every part of the query language, facets, permissions, and that a write is found by the next request."""

import concurrent.futures
import json
import shutil
import types

import pytest
import tator
from station import wait_for
from support import (
    NOWHERE,
    Scene,
    add_box_type,
    add_leaf_type,
    add_state_type,
    add_video,
    box,
    encoded,
    ids,
    leaf,
    refused,
    unique,
)

ROWS = [
    {"Species": "Gadus morhua", "Count": 1, "Length": 0.5, "Certain": True, "Stage": "egg", "Seen": "2026-01-01T00:00:00Z"},
    {"Species": "Gadus macrocephalus", "Count": 5, "Length": 1.5, "Certain": False, "Stage": "larva",
     "Seen": "2026-01-02T12:00:00Z"},
    {"Species": "Plötze (Rutilus rutilus), große", "Count": 10, "Length": -2.5, "Certain": True, "Stage": "adult",
     "Seen": "2026-02-01T00:00:00Z"},
    {"Species": "黒鮪の卵", "Count": 100, "Stage": "adult"},
    {},
]
HIT = {"noun", "id", "project", "type", "type_name", "name", "path", "media", "frame", "version", "section", "elemental_id",
       "created_datetime", "modified_datetime", "score", "snippets"}


class Texts:
    """Asks one project, or all of them."""

    def __init__(self, station, token, project=None):
        self.station, self.token = station, token
        self.path = "/rest/TextSearch" + (f"/{project}" if project else "")

    def __call__(self, query="", status=200, **more):
        answer = self.station.http("PUT", self.path, self.token, json={"query": query, **more})
        assert answer.status_code == status, answer.text
        return answer.json()

    def ids(self, query="", **more):
        return sorted(hit["id"] for hit in self(query, **more)["hits"])


@pytest.fixture(scope="module")
def scene(station, admin, organization):
    """Five boxes with the attributes above on frames 0 to 4, two videos, leaves and a file. Nothing here changes them."""
    project = admin.create_project(project_spec={"name": unique("Texts"), "organization": organization}).id
    scene = Scene(admin, project, videos=2)
    scene.made = scene.add(*({"frame": n, "attributes": row} for n, row in enumerate(ROWS)))
    scene.leaf_type = add_leaf_type(admin, project, [{"name": "Common name", "dtype": "string"}])
    scene.leaf = admin.create_leaf_list(project, body={
        "name": "Gadiformes", "type": scene.leaf_type, "parent": None, "attributes": {"Common name": "cod relatives"}}).id[0]
    scene.file_type = admin.create_file_type(project, file_type_spec={"name": "report", "attribute_types": []}).id
    scene.file = admin.create_file(project, file_spec={
        "name": "dive_07-report.pdf", "description": "What the Polarstern saw", "type": scene.file_type, "attributes": {}}).id
    scene.texts = Texts(station, station.admin_token, project)
    return scene


def numbers(scene, query, **more):
    return [scene.made.index(one) for one in scene.texts.ids(query, nouns=["localization"], **more)]


QUERIES = [
    ("gadus", [0, 1]),
    ("GADUS morhua", [0]),
    ("morhua gadus", [0]),
    ('"gadus morhua"', [0]),
    ('"morhua gadus"', []),
    ("gad*", [0, 1]),
    ("macroc*", [1]),
    ('"gadus mac"*', [1]),
    ("gadus OR rutilus", [0, 1, 2]),
    ("gadus AND NOT morhua", [1]),
    ("gadus -morhua", [1]),
    ("(gadus OR rutilus) AND NOT (morhua OR grosse)", [1]),
    ("plotze", [2]),
    ("PLÖTZE", [2]),
    ("große", [2]),
    ("鮪", [3]),
    ("黒鮪", [3]),
    ("鮪黒", []),
    ("Species:gadus", [0, 1]),
    ("species:GADUS", [0, 1]),
    ("Stage:gadus", []),
    ("Species:gad*", [0, 1]),
    ("Species:(morhua OR rutilus)", [0, 2]),
    ('Species:="Gadus morhua"', [0]),
    ('Species:="gadus morhua"', []),
    ("Species:*", [0, 1, 2, 3]),
    ("-Species:*", [4]),
    ("Stage:adult", [2, 3]),
    ("Certain:true", [0, 2]),
    ("Certain:FALSE", [1]),
    ("Count:5", [1]),
    ("Count:>=10", [2, 3]),
    ("Count:>10", [3]),
    ("Count:<5", [0]),
    ("Count:1..10", [0, 1, 2]),
    ("Count:..5", [0, 1]),
    ("Count:[5 TO 100}", [1, 2]),
    ("Count:[10 TO *]", [2, 3]),
    ("Length:-2.5", [2]),
    ("Length:<1", [0, 2]),
    ("Seen:2026-01", [0, 1]),
    ("Seen:2026-01-02", [1]),
    ("Seen:>2026-01-01", [1, 2]),
    ("Seen:<=2026-01-02", [0, 1]),
    ("Seen:2026-01-02..2026-03", [1, 2]),
    ("Count:5 OR Certain:true", [0, 1, 2]),
    ("gadus Count:>1", [1]),
    ("", [0, 1, 2, 3, 4]),
    ("*", [0, 1, 2, 3, 4]),
    ("!!!", []),
    ("gadus &", [0, 1]),
    ("nothing", []),
]


@pytest.mark.parametrize("query, expected", QUERIES)
def test_queries(scene, query, expected):
    assert numbers(scene, query) == expected
    # The same words as a condition of a list.
    search = leaf("$text", "matches", query)
    assert [scene.made.index(one) for one in scene.search(search)] == expected


def test_names_paths_and_descriptions(scene):
    texts = scene.texts
    assert texts.ids("clip", nouns=["media"]) == scene.videos
    assert texts.ids("clip_01.mp4", nouns=["media"]) == [scene.videos[1]]
    assert texts.ids("name:clip") == scene.videos
    assert texts.ids("$name:dive") == [scene.file]
    assert texts.ids("polarstern") == [scene.file]
    assert texts.ids("description:polarstern") == [scene.file]
    assert texts.ids("$name:polarstern") == []
    assert texts.ids('"Common name":cod') == [scene.leaf]
    assert texts.ids("path:gadiformes") == [scene.leaf]


def test_built_in_fields(scene, admin):
    texts = scene.texts
    assert texts.ids("$noun:media") == scene.videos
    assert texts.ids("noun:file") == [scene.file]
    assert texts.ids(f"$media:{scene.videos[1]} $noun:media") == [scene.videos[1]]
    assert numbers(scene, f"$media:{scene.video} Count:5") == [1]
    assert texts.ids(f"$type:{scene.file_type} noun:file") == [scene.file]
    assert texts.ids("type:report") == [scene.file]
    assert texts.ids(f"$id:{scene.leaf} $noun:leaf") == [scene.leaf]
    assert texts.ids("$created:>=2020 noun:file") == [scene.file]
    assert texts.ids("$created:<2020") == []
    assert texts.ids("$user:admin noun:leaf") == [scene.leaf]
    assert texts.ids("$user:nobody-of-that-name") == []
    assert texts.ids("version:Baseline Count:5") == [scene.made[1]]


def test_an_answer_has_every_key(scene):
    answer = scene.texts("morhua")
    assert set(answer) == {"total", "complete", "hits", "facets", "warnings"}
    assert (answer["total"], answer["complete"], answer["facets"], answer["warnings"]) == (1, True, {}, [])
    hit, = answer["hits"]
    row = scene.api.get_localization(scene.made[0])
    assert set(hit) == HIT
    assert hit["score"] > 0
    assert {key: hit[key] for key in ("noun", "id", "project", "type", "media", "frame", "version", "name", "section", "path")} == {
        "noun": "localization", "id": row.id, "project": scene.project, "type": scene.box_type, "media": [scene.video],
        "frame": 0, "version": row.version, "name": None, "section": None, "path": None}
    assert hit["elemental_id"] == row.elemental_id
    assert hit["created_datetime"].endswith("Z")
    assert hit["snippets"] == [{"field": "Species", "parts": [{"text": "Gadus ", "hit": False}, {"text": "morhua", "hit": True}]}]
    assert scene.texts("morhua", highlight=False)["hits"][0]["snippets"] == []
    plotze, = scene.texts("Species:plotze")["hits"]
    assert plotze["snippets"][0]["parts"][0] == {"text": "Plötze", "hit": True}
    report, = scene.texts("report polarstern")["hits"]
    assert [snippet["field"] for snippet in report["snippets"]] == ["$name", "$description"]


def test_filters_of_the_body(scene):
    texts = scene.texts
    assert texts.ids(nouns=["leaf", "file"]) == sorted([scene.leaf, scene.file])
    assert texts.ids(types=[scene.box_type], nouns=["localization"]) == scene.made
    assert texts.ids("clip", media=[scene.videos[1]]) == [scene.videos[1]]
    version = scene.api.get_localization(scene.made[0]).version
    assert texts.ids("gadus", versions=[version]) == scene.made[:2]
    assert texts.ids("gadus", versions=[NOWHERE]) == []
    me = scene.api.whoami().id
    assert texts.ids("polarstern", users=[me]) == [scene.file]
    assert texts.ids("polarstern", users=[NOWHERE]) == []
    assert texts.ids("gadus", projects=[scene.project]) == scene.made[:2]


def test_pages_orders_and_totals(scene):
    texts = scene.texts
    everything = texts(nouns=["localization"], sort="$id")
    assert [hit["id"] for hit in everything["hits"]] == scene.made
    assert all(hit["score"] is None for hit in everything["hits"])
    page = texts(nouns=["localization"], sort="-$id", start=1, stop=3)
    assert [hit["id"] for hit in page["hits"]] == scene.made[::-1][1:3]
    assert page["total"] == 5
    assert texts(start=3, stop=3)["hits"] == []
    by_name = [hit["name"] for hit in texts(nouns=["media"], sort="-$name")["hits"]]
    assert by_name == ["clip 01.mp4", "clip 00.mp4"]
    for sort in ("$created_datetime", "-$created_datetime", "$modified_datetime", "score", "-score"):
        assert sorted(hit["id"] for hit in texts(nouns=["localization"], sort=sort)["hits"]) == scene.made
    assert "there is no order" in texts(sort="color", status=400)["message"]
    assert "at most 100000" in texts(start=100_000, stop=100_001, status=400)["message"]
    assert "at most 10000 hits" in texts(stop=20_000, status=400)["message"]


def test_better_fits_come_first(scene, admin, project, station):
    media_type = admin.create_media_type(project, media_type_spec={
        "name": "video", "dtype": "video", "attribute_types": [{"name": "Note", "dtype": "string"}]}).id
    noted = add_video(admin, project, media_type, "one.mp4", attributes={"Note": "long ago there was an octopus in the net"})
    named = add_video(admin, project, media_type, "octopus.mp4", attributes={"Note": ""})
    found = Texts(station, station.admin_token, project)("octopus")["hits"]
    assert [hit["id"] for hit in found] == [named, noted]
    assert found[0]["score"] > found[1]["score"]


def test_facets(scene):
    facets = scene.texts(nouns=["localization"], facets=["Stage", "Certain", "Count", "$noun", "$type", "$user"])["facets"]
    assert facets["Stage"][0] == {"value": "adult", "name": None, "noun": None, "count": 2}
    assert {row["value"]: row["count"] for row in facets["Stage"]} == {"adult": 2, "egg": 1, "larva": 1}
    assert {row["value"]: row["count"] for row in facets["Certain"]} == {"true": 2, "false": 1}
    assert {row["value"]: row["count"] for row in facets["Count"]} == {1: 1, 5: 1, 10: 1, 100: 1}
    assert facets["$noun"] == [{"value": "localization", "name": None, "noun": None, "count": 5}]
    type_name = scene.api.get_localization_type(scene.box_type).name
    assert facets["$type"] == [{"value": scene.box_type, "name": type_name, "noun": "localization", "count": 5}]
    assert facets["$user"] == [{"value": scene.api.whoami().id, "name": "admin", "noun": None, "count": 5}]
    assert scene.texts("gadus", facets=["Stage"], facet_size=1)["facets"]["Stage"][0]["count"] == 1
    assert len(scene.texts(facets=["Stage"], facet_size=1)["facets"]["Stage"]) == 1
    nouns = scene.texts(facets=["$noun"])["facets"]["$noun"]
    assert {row["value"]: row["count"] for row in nouns} == {"localization": 5, "media": 2, "leaf": 1, "file": 1}
    unknown = scene.texts(facets=["Color"])
    assert unknown["facets"] == {"Color": []}
    assert unknown["warnings"] == ["No type has an attribute named 'Color': it has no counts."]


@pytest.mark.parametrize("query, place", [
    ("cod (eel", 5), ("cod )", 5), ('cod "open', 5), ("AND cod", 1), ("cod OR", 7), ("Species:", 9), ("Count:[1 5]", 10)])
def test_mistakes_are_pointed_at(scene, query, place):
    answer = scene.texts(query, status=400)
    assert answer["message"].startswith(f"Invalid query at character {place}: ")
    assert answer["details"] == f"{query}\n{' ' * (place - 1)}^"
    refused(400, scene.api.get_localization_list, scene.project, encoded_search=encoded(leaf("$text", "matches", query)))


def test_unknown_fields_are_told_of(scene):
    answer = scene.texts("Speces:cod OR morhua")
    assert ids_of(answer) == [scene.made[0]]
    assert answer["warnings"] == ["No type has an attribute named 'Speces': this part of the query finds nothing."]
    assert "is a time" in scene.texts("$created:cod", status=400)["message"]
    assert "bounds go with numbers" in scene.texts("$name:>5", status=400)["message"]
    assert scene.texts(nouns=["color"], status=400)["message"] == "Request body validation error"


def ids_of(answer):
    return [hit["id"] for hit in answer["hits"]]


def test_text_as_a_condition_is_checked(scene):
    for wrong in (leaf("$text", "eq", "cod"), leaf("$text", "matches", 5)):
        refused(400, scene.api.get_localization_list, scene.project, encoded_search=encoded(wrong))
    inverse = leaf("$text", "matches", "gadus", inverse=True)
    assert [scene.made.index(one) for one in scene.search(inverse)] == [2, 3, 4]
    both = {"method": "and", "operations": [leaf("$text", "matches", "gadus"), leaf("Count", "gt", 1)]}
    assert [scene.made.index(one) for one in scene.search(both)] == [1]
    leaves = scene.api.get_leaf_list(scene.project, encoded_search=encoded(leaf("$text", "matches", "cod")))
    assert ids(leaves) == [scene.leaf]
    files = scene.api.get_file_list(scene.project, encoded_search=encoded(leaf("$text", "matches", "polarstern")))
    assert ids(files) == [scene.file]


def test_sections_save_text_searches(admin, project):
    scene = Scene(admin, project, videos=2)
    bow = admin.update_media(scene.videos[0], media_update={"attributes": {"Camera": "bow camera"}})
    assert bow.message
    boxes = scene.add({"attributes": {"Species": "Gadus morhua"}}, {"media_id": scene.videos[1]})

    def save(**search):
        return admin.create_section(project, section_spec={"name": unique("saved"), **search}).id

    own = save(object_search=leaf("$text", "matches", "camera:bow"))
    related = save(related_search=leaf("$text", "matches", "gadus"))
    for section in (own, related):
        assert ids(admin.get_media_list(project, section=section)) == [scene.videos[0]]
        assert admin.get_media_count(project, section=section) == 1
        assert ids(admin.get_localization_list(project, section=section)) == [boxes[0]]
    assert ids(admin.get_media_list(project, encoded_related_search=encoded(leaf("$text", "matches", "gadus")))) == [
        scene.videos[0]]
    nested = leaf("$related_media", "search", leaf("$text", "matches", "bow"))
    assert scene.search(nested) == [boxes[0]]
    # A bulk change sees what it changes.
    admin.update_media_list(project, section=own, media_bulk_update={"attributes": {"Camera": "stern"}})
    assert admin.get_media_count(project, section=own) == 0
    admin.update_localization_list(project, localization_bulk_update={
        "object_search": leaf("$text", "matches", "gadus"), "attributes": {"Species": "Pollachius"}}, count=1)
    assert admin.get_media_count(project, section=related) == 0
    admin.delete_localization_list(project, localization_bulk_delete={
        "object_search": leaf("$text", "matches", "pollachius")}, count=1)
    assert scene.found() == [boxes[1]]


def test_who_may_find_what(station, members, project, scene):
    made, = Scene(members.owner.api, project).add({"attributes": {"Species": "Secret squid"}})
    people = {name: person for name, person in vars(members).items() if hasattr(person, "level")}
    assert len(people) > 3
    for name, person in people.items():
        texts = Texts(station, person.token)
        inside = Texts(station, person.token, project)
        if person.level in (None, "No Access"):
            assert texts.ids("squid") == [], name
            assert inside("squid", status=403)["message"] == "You do not have permission to perform this action."
            texts("squid", projects=[project], status=403)
        else:
            assert texts.ids("squid") == [made], name
            assert inside.ids("squid") == [made], name
            assert texts.ids("squid", projects=[project]) == [made], name
            # The administrator's project is nobody else's.
            assert texts.ids("polarstern") == [], name
            facets = texts(facets=["$project"])["facets"]["$project"]
            assert scene.project not in [row["value"] for row in facets]
    assert Texts(station, station.admin_token, NOWHERE)("squid", status=404)["message"]
    assert Texts(station, None)("squid", status=400)["message"] == "Authentication credentials were not provided."
    other = Texts(station, station.admin_token, project)("squid", projects=[scene.project], status=400)
    assert "another project" in other["message"]


def test_everywhere_finds_all_projects(station, admin, organization):
    word = unique("nautilus").split()[1].replace("-", "")
    projects = [admin.create_project(project_spec={"name": unique("Dive"), "organization": organization}).id for _ in range(2)]
    made = []
    for project in projects:
        made += Scene(admin, project).add({"attributes": {"Species": f"Argonauta {word}"}})
    texts = Texts(station, station.admin_token)
    assert texts.ids(word) == made
    assert {row["value"]: row["count"] for row in texts(word, facets=["$project"])["facets"]["$project"]} == {
        projects[0]: 1, projects[1]: 1}
    admin.delete_project(projects[0])
    assert texts.ids(word) == made[1:]


# ---------------------------------------------------------------- every write is found by the next request

def test_writes_are_found_at_once(station, admin, project):
    scene = Scene(admin, project)
    texts = Texts(station, station.admin_token, project)
    for round_ in range(20):
        made, = scene.add({"attributes": {"Species": f"first{round_}"}})
        assert texts.ids(f"first{round_}") == [made]
        admin.update_localization(made, localization_update={"attributes": {"Species": f"second{round_}"}})
        revised, = texts.ids(f"second{round_}")
        assert revised != made
        assert texts.ids(f"first{round_}") == []
        admin.update_localization(revised, localization_update={"attributes": {"Species": f"third{round_}"}, "in_place": 1})
        assert texts.ids(f"third{round_}") == [revised]
        assert texts.ids(f"second{round_}") == []
        admin.delete_localization(revised)
        assert texts.ids(f"third{round_}") == []
    assert texts(nouns=["localization"])["total"] == 0


def test_pruning_brings_back_the_revision_before(station, admin, project):
    scene = Scene(admin, project)
    texts = Texts(station, station.admin_token, project)
    made, = scene.add({"attributes": {"Species": "before"}})
    admin.update_localization(made, localization_update={"attributes": {"Species": "after"}})
    revised, = texts.ids("after")
    admin.delete_localization(revised, localization_delete={"prune": 1})
    assert texts.ids("before") == [made]
    assert texts.ids("after") == []


def test_every_noun_follows_its_changes(station, admin, project):
    scene = Scene(admin, project)
    texts = Texts(station, station.admin_token, project)
    admin.update_media(scene.video, media_update={"name": "renamed.mp4"})
    assert texts.ids("renamed") == [scene.video]
    assert texts.ids("clip") == []
    state_type = add_state_type(admin, project, [scene.video_type], "Frame", [{"name": "Event", "dtype": "string"}])
    state = admin.create_state_list(project, body=[
        {"type": state_type, "media_ids": [scene.video], "frame": 3, "attributes": {"Event": "landing"}}]).id[0]
    hit, = texts("landing")["hits"]
    assert (hit["noun"], hit["id"], hit["media"], hit["frame"]) == ("state", state, [scene.video], 3)
    leaf_type = add_leaf_type(admin, project)
    parent = admin.create_leaf_list(project, body={"name": "Fishes", "type": leaf_type, "parent": None, "attributes": {}}).id[0]
    child = admin.create_leaf_list(project, body={"name": "Cods", "type": leaf_type, "parent": parent, "attributes": {}}).id[0]
    assert texts.ids("$path:fishes") == [parent, child]
    admin.update_leaf(parent, leaf_update={"name": "Pisces"})
    assert texts.ids("$path:pisces") == ids(row for row in admin.get_leaf_list(project) if "Pisces" in row.path)
    box_id, = scene.add({"attributes": {"Species": "bycatch"}})
    # Annotations go with their media.
    admin.delete_media(scene.video)
    assert texts.ids("renamed OR landing OR bycatch") == []
    admin.delete_leaf(child)
    assert texts.ids("cods") == []
    assert box_id


def test_changes_of_types_reach_their_rows(station, admin, project):
    scene = Scene(admin, project)
    texts = Texts(station, station.admin_token, project)
    made = scene.add(*({"frame": n, "attributes": {"Species": "cod"}} for n in range(30)))
    assert texts.ids("Species:cod") == made
    admin.update_attribute_type(scene.box_type, attribute_type_update={
        "entity_type": "LocalizationType", "current_name": "Species", "attribute_type_update": {"name": "Taxon"}})
    assert texts.ids("Taxon:cod") == made
    assert texts("Species:cod")["hits"] == []
    admin.create_attribute_type(scene.box_type, attribute_type_spec={"entity_type": "LocalizationType", "addition": {
        "name": "Reviewer", "dtype": "string", "default": "nobody yet"}})
    assert texts.ids("reviewer:nobody") == made
    assert texts(facets=["Reviewer"])["facets"]["Reviewer"][0]["count"] == 30
    admin.delete_attribute_type(scene.box_type, attribute_type_delete={"entity_type": "LocalizationType", "name": "Taxon"})
    assert texts.ids("cod") == []
    other = add_box_type(admin, project, [scene.video_type], [{"name": "Species", "dtype": "string"}])
    stays = admin.create_localization_list(project, body=box(scene.video, other, attributes={"Species": "eel"})).id[0]
    admin.delete_localization_type(scene.box_type)
    assert texts.ids(nouns=["localization"]) == [stays]
    admin.delete_media_type(scene.video_type)
    assert texts.ids() == []


def test_many_writers_and_readers_at_once(station, admin, project):
    scene = Scene(admin, project)
    texts = Texts(station, station.admin_token, project)

    def write(number):
        word = f"writer{number}x"
        made = scene.add(*({"frame": n, "attributes": {"Species": word}} for n in range(50)))
        found = texts(word, stop=100)
        assert (found["total"], sorted(ids_of(found))) == (50, made)
        admin.update_localization_list(project, localization_bulk_update={
            "ids": made[:25], "attributes": {"Species": f"{word}changed"}}, count=25)
        assert texts(word)["total"] == 25
        assert texts(f"{word}changed")["total"] == 25
        return len(made)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(write, range(24))) == 1200
    assert texts(nouns=["localization"])["total"] == 1200
    assert texts("writer*")["total"] == 1200


def test_large_changes_are_found_too(station, admin, project):
    """More rows than a question reads itself: it waits for the indexer."""
    scene = Scene(admin, project)
    texts = Texts(station, station.admin_token, project)
    for part in range(6):
        scene.add(*({"frame": n, "attributes": {"Species": f"bulk part{part}"}} for n in range(500)))
    answer = texts("bulk", facets=["Species"])
    assert (answer["total"], answer["complete"]) == (3000, True)
    assert {row["count"] for row in answer["facets"]["Species"]} == {500}
    assert admin.get_localization_count(project, encoded_search=encoded(leaf("$text", "matches", "part3"))) == 500
    admin.update_localization_list(project, localization_bulk_update={"attributes": {"Species": "changed"}}, count=3000)
    assert texts("changed")["total"] == 3000
    assert texts("bulk")["total"] == 0


# ---------------------------------------------------------------- the index may be lost

@pytest.fixture
def own(new_station):
    """A station of its own, with a project of some boxes."""
    station = new_station()
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "Own"}).id
    scene = Scene(api, api.create_project(project_spec={"name": "Own", "organization": organization}).id)
    made = scene.add(*({"frame": n, "attributes": {"Species": f"cod number{n}"}} for n in range(100)))
    return types.SimpleNamespace(station=station, scene=scene, made=made,
                                 texts=Texts(station, station.admin_token, scene.project))


def doctor(station, *options, check=True):
    return {finding["check"]: finding for finding in station.lines("doctor", *options, check=check)}


def test_the_index_survives_a_restart_and_its_own_loss(own):
    assert own.texts("cod")["total"] == 100
    own.station.stop()
    own.station.start()
    assert own.texts("cod")["total"] == 100
    own.station.stop()
    shutil.rmtree(own.station.data / "search")
    own.station.start()
    answer = own.texts("number7")
    assert (ids_of(answer), answer["complete"]) == ([own.made[7]], True)
    own.station.stop()
    for path in (own.station.data / "search").glob("*"):
        path.write_bytes(b"not an index")
    own.station.start()
    assert own.texts("cod")["total"] == 100
    assert doctor(own.station)["search"]["level"] == "ok"
    # Half of it.
    own.station.stop()
    for path in list((own.station.data / "search").glob("*.idx")) + list((own.station.data / "search").glob("*.fast")):
        path.write_bytes(path.read_bytes()[:10])
    own.station.start()
    assert own.texts("cod")["total"] == 100


def test_killing_the_station_loses_nothing(own):
    for round_ in range(5):
        made = own.scene.add(*({"frame": n, "attributes": {"Species": f"round{round_}"}} for n in range(400)))
        own.scene.api.update_localization_list(own.scene.project, localization_bulk_update={
            "ids": made[:100], "attributes": {"Species": f"edited{round_}"}, "in_place": 1}, count=100)
        if round_ % 2:
            assert own.texts(f"edited{round_}")["total"] == 100
        listen = own.station.listen
        own.station.kill()
        own.station.start(listen)
        assert own.texts(f"round{round_}")["total"] == 300
        assert own.texts(f"edited{round_}")["total"] == 100
    findings = doctor(own.station)
    assert findings["search"]["level"] == "ok", findings
    assert own.texts(nouns=["localization"])["total"] == 2100


def test_the_doctor_compares_and_repairs(own):
    message = doctor(own.station)["search"]["message"]
    assert "100 localizations" in message and "1 media" in message
    own.station.stop()
    own.station.start()
    wait_for("the index to be written", lambda: own.texts("cod")["total"] == 100)
    own.station.stop()
    assert doctor(own.station)["search"]["level"] == "ok"
    own.station.behind_the_back(f"update localization set deleted = true where id = {own.made[3]}; update media set deleted = true")
    finding = doctor(own.station, check=False)["search"]
    assert finding["level"] == "failed"
    assert "--repair" in finding["message"] and f"localization {own.made[3]}" in finding["message"]
    own.station.start()
    # A hit whose row is gone is never shown.
    assert own.texts.ids("number3") == []
    assert doctor(own.station, "--repair")["search"]["level"] == "ok"
    assert doctor(own.station)["search"]["level"] == "ok"


def test_the_doctor_says_at_once_that_the_index_can_not_be_opened(new_station):
    station = new_station()
    assert station.stop() == 0
    station.environment["TRANSECT_SEARCH_URL"] = "foo:"
    done = station.command("doctor", "--json", check=False, secs=60)
    finding = {one["check"]: one for one in map(json.loads, done.stdout.splitlines())}["search"]
    assert finding["level"] == "failed" and "use tantivy:" in finding["message"]
