"""Filters and search objects: every operator, on values of every kind, nulls included."""

import uuid

import pytest
from support import (
    NOWHERE,
    Scene,
    add_box_type,
    add_leaf_type,
    add_media_type,
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
    {"Species": "Gadus morhua", "Count": 1, "Length": 0.5, "Certain": True, "Stage": "egg", "Seen": "2026-01-01T00:00:00Z",
     "Where": [10.0, 54.0]},
    {"Species": "gadus macrocephalus", "Count": 5, "Length": 1.5, "Certain": False, "Stage": "larva",
     "Seen": "2026-01-02T12:00:00Z", "Where": [10.1, 54.0]},
    {"Species": "Anguilla anguilla", "Count": 10, "Length": 2.5, "Certain": True, "Stage": "adult",
     "Seen": "2026-02-01T00:00:00Z", "Where": [20.0, 54.0]},
    {"Species": "100% sure_thing", "Count": 100, "Length": 10.5, "Stage": "adult"},
    {},
]


@pytest.fixture(scope="module")
def scene(admin, organization):
    """Five boxes with the attributes above, on frames 0 to 4 of two videos. Nothing here changes them."""
    project = admin.create_project(project_spec={"name": unique("Search"), "organization": organization}).id
    scene = Scene(admin, project, videos=2)
    scene.made = scene.add(*({"frame": n, "x": n / 10, "media_id": scene.videos[n % 2], "attributes": row}
                             for n, row in enumerate(ROWS)))
    return scene


def numbers(scene, found):
    return [scene.made.index(one) for one in found]


FILTERS = [
    ({"attribute": ["Species::Gadus morhua"]}, [0]),
    ({"attribute": ["Species::gadus morhua"]}, []),
    ({"attribute": ["Count::5"]}, [1]),
    ({"attribute": ["Length::2.5"]}, [2]),
    ({"attribute": ["Certain::false"]}, [1]),
    ({"attribute": ["Certain::FALSE"]}, [1]),
    ({"attribute": ["Certain::0"]}, [0, 2]),
    ({"attribute": ["Stage::adult"]}, [2, 3]),
    ({"attribute": ["Stage::adult", "Count::10"]}, [2]),
    ({"attribute_lt": ["Count::10"]}, [0, 1]),
    ({"attribute_lte": ["Count::10"]}, [0, 1, 2]),
    ({"attribute_gt": ["Length::2.5"]}, [3]),
    ({"attribute_gte": ["Length::2.5"]}, [2, 3]),
    ({"attribute_gt": ["Seen::2026-01-01T12:00:00Z"]}, [1, 2]),
    ({"attribute_contains": ["Species::GADUS"]}, [0, 1]),
    ({"attribute_contains": ["Species::0% s"]}, [3]),
    ({"attribute_contains": ["Species::sure_t"]}, [3]),
    ({"attribute_contains": ["Species::s__e"]}, []),
    ({"attribute_contains": ["Stage::arv"]}, [1]),
    ({"attribute_distance": ["Where::50::54.0::10.0"]}, [0, 1]),
    ({"attribute_distance": ["Where::5::54.0::10.0"]}, [0]),
    ({"attribute_null": ["Certain::true"]}, [3, 4]),
    ({"attribute_null": ["Certain::false"]}, [0, 1, 2]),
    ({"attribute": ["Nonsense::1"]}, [0, 1, 2, 3, 4]),
    ({"attribute_gt": ["$frame::2"]}, [3, 4]),
    ({"attribute_lte": ["$x::0.15"]}, [0, 1]),
    ({"frame": 3}, [3]),
]


@pytest.mark.parametrize("typed", [False, True])
@pytest.mark.parametrize("filters, expected", FILTERS)
def test_simple_filters(scene, filters, expected, typed):
    more = {"type": scene.box_type} if typed else {}
    assert numbers(scene, scene.found(**filters, **more)) == expected


@pytest.mark.parametrize("parameter, dtype", [
    ("attribute_lt=Species::a", "string"), ("attribute_gte=Certain::true", "bool"), ("attribute_contains=Count::1", "int"),
    ("attribute_distance=Count::1::2::3", "int"), ("attribute=Where::1", "geopos")])
def test_filters_that_do_not_fit_the_kind(station, scene, parameter, dtype):
    answer = station.http("GET", f"/rest/Localizations/{scene.project}?type={scene.box_type}&{parameter}", station.admin_token)
    operation = parameter.split("=")[0]
    assert answer.status_code == 400
    assert answer.json()["message"] == f"Filter operation '{operation}' not allowed for dtype '{dtype}'!"


SEARCHES = [
    (leaf("Species", "eq", "Gadus morhua"), [0]),
    (leaf("Count", "eq", 5), [1]),
    (leaf("Count", "gt", 5), [2, 3]),
    (leaf("Count", "gte", 5), [1, 2, 3]),
    (leaf("Count", "lt", 5), [0]),
    (leaf("Count", "lte", 5), [0, 1]),
    (leaf("Length", "gt", 9), [3]),
    (leaf("Certain", "eq", True), [0, 2]),
    (leaf("Certain", "eq", False), [1]),
    (leaf("Species", "icontains", "GADUS"), [0, 1]),
    (leaf("Species", "istartswith", "GAD"), [0, 1]),
    (leaf("Species", "iendswith", "A"), [0, 2]),
    (leaf("Species", "iendswidth", "A"), [0, 2]),
    (leaf("Species", "icontains", "%"), [3]),
    (leaf("Stage", "in", ["egg", "larva"]), [0, 1]),
    (leaf("Count", "in", [1, 100]), [0, 3]),
    (leaf("Certain", "isnull", True), [3, 4]),
    (leaf("Certain", "isnull", "false"), [0, 1, 2]),
    (leaf("Seen", "date_eq", "2026-02-01T00:00:00Z"), [2]),
    (leaf("Seen", "date_gt", "2026-01-02"), [1, 2]),
    (leaf("Seen", "date_gte", "2026-01-02T12:00:00Z"), [1, 2]),
    (leaf("Seen", "date_lt", "2026-02"), [0, 1]),
    (leaf("Seen", "date_lte", "2026-01-01"), [0]),
    (leaf("Seen", "date_range", ["2026-01-01", "2026-01-31"]), [0, 1]),
    (leaf("Where", "distance_lte", [50, 54.0, 10.0]), [0, 1]),
    (leaf("Stage", "eq", "adult", inverse=True), [0, 1, 4]),
    (leaf("$frame", "gte", 3), [3, 4]),
    (leaf("$x", "lt", 0.15), [0, 1]),
    (leaf("Nonsense", "eq", 1), []),
    ({"method": "and", "operations": [leaf("Stage", "eq", "adult"), leaf("Count", "lt", 50)]}, [2]),
    ({"method": "OR", "operations": [leaf("Count", "eq", 1), leaf("Count", "eq", 100)]}, [0, 3]),
    ({"method": "not", "operations": [leaf("Stage", "eq", "adult")]}, [0, 1, 4]),
    ({"method": "and", "operations": []}, [0, 1, 2, 3, 4]),
    ({"method": "and", "operations": [
        {"method": "or", "operations": [leaf("Stage", "eq", "egg"), leaf("Stage", "eq", "adult")]},
        {"method": "not", "operations": [leaf("Species", "icontains", "gadus")]}]}, [2, 3]),
]


@pytest.mark.parametrize("condition, expected", SEARCHES)
def test_search_objects(scene, condition, expected):
    assert numbers(scene, scene.search(condition)) == expected


def test_search_and_filters_both_hold(scene):
    assert numbers(scene, scene.search(leaf("Stage", "eq", "adult"), attribute_lt=["Count::50"])) == [2]
    assert numbers(scene, scene.search(leaf("Stage", "eq", "adult"), media_id=[scene.videos[1]])) == [3]


@pytest.mark.parametrize("search", ["%%%", "bm90IGpzb24=", encoded([1]), encoded({"attribute": "Count"}),
                                    encoded({"attribute": "Count", "operation": "explode", "value": 1}),
                                    encoded({"method": "not", "operations": []})])
def test_broken_searches(admin, scene, search):
    refused(400, admin.get_localization_list, scene.project, encoded_search=search)


def test_relations(admin, scene):
    admin.update_media(scene.videos[0], media_update={"attributes": {"Camera": "bow"}})
    track_type = add_state_type(admin, scene.project, [scene.video_type], "Localization", [{"name": "Sure", "dtype": "bool"}])
    event_type = add_state_type(admin, scene.project, [scene.video_type], "Frame", [{"name": "Kind", "dtype": "string"}])
    admin.create_state_list(scene.project, body=[
        {"type": track_type, "media_ids": [scene.videos[0]], "localization_ids": [scene.made[0], scene.made[2]],
         "attributes": {"Sure": True}},
        {"type": event_type, "media_ids": [scene.videos[1]], "frame": 3, "attributes": {"Kind": "landing"}}])

    def nested(name, condition):
        return scene.search(leaf(name, "search", condition))

    assert numbers(scene, nested("$related_media", leaf("Camera", "eq", "bow"))) == [0, 2, 4]
    assert numbers(scene, nested("$track_membership", leaf("Sure", "eq", True))) == [0, 2]
    assert numbers(scene, nested("$coincident_states", leaf("Kind", "eq", "landing"))) == [3]
    media = admin.get_media_list(scene.project, encoded_search=encoded(
        leaf("$related_localizations", "search", leaf("Stage", "eq", "larva"))))
    assert ids(media) == [scene.videos[1]]
    media = admin.get_media_list(scene.project, encoded_search=encoded(
        leaf("$related_states", "search", leaf("Sure", "eq", True))))
    assert ids(media) == [scene.videos[0]]
    refused(400, admin.get_media_list, scene.project, encoded_search=encoded(
        leaf("$track_membership", "search", leaf("Sure", "eq", True))))
    refused(400, admin.get_localization_list, scene.project, encoded_search=encoded(leaf("$related_media", "eq", 1)))


def test_coincident_localizations(admin, project):
    scene = Scene(admin, project, videos=2)
    egg, beside, _, _ = scene.add({"frame": 5, "attributes": {"Stage": "egg"}}, {"frame": 5}, {"frame": 6},
                                  {"frame": 5, "media_id": scene.videos[1]})
    found = scene.search(leaf("$coincident_localizations", "search", leaf("Stage", "eq", "egg")))
    assert found == [beside]  # nothing coincides with itself


def test_related_attributes(admin, scene):
    admin.update_media(scene.videos[0], media_update={"attributes": {"Camera": "bow"}})
    assert ids(admin.get_media_list(scene.project, related_attribute=["Stage::larva"])) == [scene.videos[1]]
    assert ids(admin.get_media_list(scene.project, related_attribute_gt=["Count::50"])) == [scene.videos[1]]
    assert numbers(scene, scene.found(related_attribute=["Camera::bow"])) == [0, 2, 4]
    hits = admin.get_media_list(scene.project, encoded_related_search=encoded(leaf("Count", "gte", 5)))
    assert {row.id: row.incident for row in hits} == {scene.videos[0]: 1, scene.videos[1]: 2}
    assert admin.get_media_list(scene.project, encoded_related_search=encoded(leaf("Nonsense", "eq", 1))) == []
    assert len(admin.get_media_list(scene.project, related_attribute=["Nonsense::1"])) == 2


def test_section_as_a_search_term(admin, project):
    scene = Scene(admin, project, videos=2)
    tag = str(uuid.uuid4())
    folder = admin.create_section(project, section_spec={"name": "Folder", "tator_user_sections": tag}).id
    admin.update_media(scene.videos[1], media_update={"primary_section": folder})
    inside, _ = scene.add({"media_id": scene.videos[1]}, {"media_id": scene.videos[0]})
    assert scene.search(leaf("$section", "eq", folder)) == [inside]
    assert scene.search(leaf("tator_user_sections", "eq", tag)) == [inside]
    refused(404, admin.get_localization_list, project, encoded_search=encoded(leaf("$section", "eq", NOWHERE)))


def test_folders_as_simple_filters(admin, project):
    scene = Scene(admin, project, videos=2)
    tag = str(uuid.uuid4())
    folder = admin.create_section(project, section_spec={"name": "Folder", "tator_user_sections": tag}).id
    admin.update_media(scene.videos[1], media_update={"primary_section": folder})
    outside, inside = scene.add({"media_id": scene.videos[0]}, {"media_id": scene.videos[1]})
    for key in (f"$section::{folder}", f"tator_user_sections::{tag}"):
        assert ids(admin.get_media_list(project, attribute=[key])) == [scene.videos[1]]
        assert scene.found(attribute=[key]) == [inside]
        assert scene.found(related_attribute=[key]) == [inside]
    assert scene.found(attribute=[f"$section::{NOWHERE}"]) == []
    assert ids(admin.get_media_list(project, attribute_null=["$section::true"])) == [scene.videos[0]]
    assert scene.found(attribute_null=["tator_user_sections::false"]) == [inside]
    assert scene.found() == [outside, inside]
    refused(400, admin.get_media_list, project, attribute=["$section::Folder"])
    refused(400, admin.get_media_list, project, attribute_gt=["$section::1"])


def test_subtrees_of_paths(admin, project):
    kind = add_leaf_type(admin, project)

    def add(name, parent):
        return admin.create_leaf_list(project, body={"name": name, "type": kind, "parent": parent, "attributes": {}}).id[0]

    fishes = add("Fish", None)
    cod = add("Cod", fishes)
    add("Fishery", None)
    path = admin.get_leaf(fishes).path
    found = admin.get_leaf_list(project, encoded_search=encoded(leaf("$path", "descendants", path)))
    assert ids(found) == [fishes, cod]
    below = admin.get_leaf_list(project, encoded_search=encoded(leaf("$path", "descendants", f"{path}.Cod")))
    assert ids(below) == [cod]
    scene = Scene(admin, project)
    scene.made = scene.add(*({"attributes": {"Species": name}} for name in ("a.b", "a.b.c", "a.bc", "a")))
    assert numbers(scene, scene.search(leaf("Species", "descendants", "a.b"))) == [0, 1]
    refused(400, admin.get_leaf_list, project, encoded_search=encoded(leaf("$path", "descendants", 5)))


def test_ranges_of_dates_hold_both_ends(admin, project):
    scene = Scene(admin, project)
    scene.made = scene.add(*({"attributes": {"Seen": seen}} for seen in (
        "2026-01-01T00:00:00Z", "2026-01-31T00:00:00Z", "2026-01-31T00:00:01Z", "2026-01-01T01:00:00+02:00")))
    assert numbers(scene, scene.search(leaf("Seen", "date_range", ["2026-01-01", "2026-01-31"]))) == [0, 1]
    assert numbers(scene, scene.search(leaf("Seen", "date_range", ["2025-12-31T23:00:00Z", "2026-01"]))) == [0, 3]
    refused(400, admin.get_localization_list, project, encoded_search=encoded(leaf("Seen", "date_range", ["2026-01-01"])))
    refused(400, admin.get_localization_list, project, encoded_search=encoded(leaf("Seen", "date_range", ["a", "b"])))


def test_distances_on_the_spheroid(admin, project):
    scene = Scene(admin, project)
    places = {"Kiel": [10.135, 54.323], "pole": [0.0, 90.0], "date line": [179.9, 0.0], "beyond it": [-179.9, 0.0],
              "north of the equator": [0.0, 1.0], "east on the equator": [1.0, 0.0]}
    scene.made = scene.add(*({"attributes": {"Where": place}} for place in places.values()))

    def within(km, latitude, longitude):
        return [list(places)[n] for n in numbers(scene, scene.search(leaf("Where", "distance_lte", [km, latitude, longitude])))]

    # A degree of latitude at the equator is 110.574 km long, one of longitude 111.320 km.
    assert within(110.9, 0, 0) == ["north of the equator"]
    assert within(111.4, 0, 0) == ["north of the equator", "east on the equator"]
    assert within(110.5, 0, 0) == []
    assert within(22.3, 0, 179.9) == ["date line", "beyond it"]
    assert within(22.2, 0, 179.9) == ["date line"]
    assert within(120, 89, 123) == ["pole"]
    assert within(0, 54.323, 10.135) == ["Kiel"]
    assert len(within(20_100, 10, 10)) == len(places)


def test_coincident_annotations_of_states(admin, project):
    scene = Scene(admin, project, videos=2)
    event = add_state_type(admin, project, [scene.video_type], "Frame", [{"name": "Kind", "dtype": "string"}])

    def state(frame, media, kind):
        return admin.create_state_list(project, body=[
            {"type": event, "media_ids": [media], "frame": frame, "attributes": {"Kind": kind}}]).id[0]

    landing, calm, elsewhere = state(3, scene.video, "landing"), state(3, scene.video, "calm"), state(3, scene.videos[1], "calm")
    state(4, scene.video, "calm")
    scene.add({"frame": 3, "attributes": {"Stage": "egg"}}, {"frame": 4, "attributes": {"Stage": "larva"}})

    def found(name, condition):
        return ids(admin.get_state_list(project, encoded_search=encoded(leaf(name, "search", condition))))

    assert found("$coincident_states", leaf("Kind", "eq", "landing")) == [calm]
    assert found("$coincident_localizations", leaf("Stage", "eq", "egg")) == [landing, calm]
    assert found("$related_media", leaf("$id", "eq", scene.videos[1])) == [elsewhere]
    for name in ("$track_membership", "$related_states", "$related_localizations"):
        refused(400, admin.get_state_list, project, encoded_search=encoded(leaf(name, "search", leaf("Kind", "eq", "calm"))))


def test_the_same_name_in_two_types_of_different_kind(admin, project):
    scene = Scene(admin, project)
    other = add_box_type(admin, project, [scene.video_type], [{"name": "Count", "dtype": "string"}])
    as_number, = scene.add({"attributes": {"Count": 5}})
    as_text = admin.create_localization_list(project, body=box(scene.video, other, attributes={"Count": "5"})).id[0]
    assert scene.found(attribute=["Count::5"]) == [as_number, as_text]


def test_letters_beyond_ascii_match_in_any_case(admin, project):
    species = ["Plötze", "ÅL", "ΟΔΥΣΣΕΥΣ", "Ёрш", "coté " + "x" * 300 + " ÉTÉ"]
    scene = Scene(admin, project)
    scene.made = scene.add(*({"frame": n, "attributes": {"Species": name}} for n, name in enumerate(species)))
    for text, expected in [("PLÖ", [0]), ("ål", [1]), ("Ål", [1]), ("οδυσσ", [2]), ("ЁРШ", [3]), ("COTÉ", [4]), ("été", [4]),
                           ("ete", [])]:
        assert numbers(scene, scene.found(attribute_contains=[f"Species::{text}"])) == expected, text
        assert numbers(scene, scene.search(leaf("Species", "icontains", text))) == expected, text
    assert numbers(scene, scene.search(leaf("Species", "istartswith", "åL"))) == [1]
    assert numbers(scene, scene.search(leaf("Species", "iendswith", "Été"))) == [4]

    names = ["ÉTÉ.png", "Århus.png", "naïve.png"]
    media = [add_video(admin, project, scene.video_type, name=name) for name in names]
    for made, name in zip(media, names):
        for asked in (name, name.upper(), name.lower()):
            assert ids(admin.get_media_list(project, name=asked)) == [made], asked
        search = encoded(leaf("$name", "icontains", name.upper()[:4]))
        assert ids(admin.get_media_list(project, encoded_search=search)) == [made], name

    kind = add_leaf_type(admin, project)
    parent = admin.create_leaf_list(project, body={"name": "Fische", "type": kind, "parent": None, "attributes": {}}).id[0]
    admin.create_leaf_list(project, body={"name": "Äsche", "type": kind, "parent": parent, "attributes": {}})
    path = admin.get_leaf(parent).path
    for asked in ("äSCH", "ÄSCH"):
        assert [row["value"] for row in admin.leaf_suggestion(path, project, query=asked)] == ["Äsche"], asked


def test_sorting_by_a_name_that_is_a_number_here_and_a_text_there(admin, project):
    scene = Scene(admin, project)
    other = add_box_type(admin, project, [scene.video_type], [{"name": "Count", "dtype": "string"}])
    ten, two, none = scene.add({"attributes": {"Count": 10}}, {"attributes": {"Count": 2}}, {})
    pear, apple, empty = admin.create_localization_list(project, body=[
        box(scene.video, other, attributes=row) for row in ({"Count": "pear"}, {"Count": "apple"}, {"Count": ""})]).id
    ascending = [two, ten, empty, apple, pear, none]
    assert scene.found(sort_by=["Count"]) == ascending
    assert scene.found(sort_by=["-Count"]) == ascending[::-1]
    assert scene.found(sort_by=["Count"], type=other) == [empty, apple, pear]
    assert scene.found(sort_by=["Count"], start=1, stop=3) == ascending[1:3]


def test_saved_searches_that_refer_to_each_other(admin, project):
    scene = Scene(admin, project)

    def save(name, search):
        return admin.create_section(project, section_spec={"name": name, "object_search": search}).id

    first = save("first", leaf("$id", "gt", 0))
    second = save("second", leaf("$section", "eq", first))
    assert ids(admin.get_media_list(project, section=second)) == [scene.video]
    admin.update_section(first, section_update={"object_search": leaf("$section", "eq", second)})
    assert "refers to itself" in refused(400, admin.get_media_list, project, section=first)["message"]
    grown = save("grown 0", leaf("$id", "gt", 0))
    for n in range(1, 9):
        grown = save(f"grown {n}", {"method": "or", "operations": [leaf("$section", "eq", grown)] * 3})
    assert "at most 2000 conditions" in refused(400, admin.get_media_list, project, section=grown)["message"]


def test_similarity(admin, project):
    video_type = add_media_type(admin, project)
    kind = add_box_type(admin, project, [video_type], [{"name": "Vector", "dtype": "float_array", "size": 3}])
    video = add_video(admin, project, video_type)
    vectors = [[1, 0, 0], [0, 2, 0], [3, 4, 0], [0, 0, 10]]
    made = admin.create_localization_list(
        project, body=[box(video, kind, attributes={"Vector": vector}) for vector in vectors]).id

    def near(center, **more):
        query = {"float_array": [{"name": "Vector", "center": center, **more}]}
        return [made.index(row.id) for row in
                admin.get_localization_list_by_id(project, localization_id_query=query, type=kind)]

    assert near([0, 0, 0]) == [0, 1, 2, 3]
    assert near([0, 0, 0], order="desc") == [3, 2, 1, 0]
    assert near([0, 0, 0], upper_bound=5) == [0, 1, 2]
    assert near([0, 0, 0], lower_bound=2, upper_bound=5) == [1, 2]
    assert near([0, 1, 0], metric="cosine", upper_bound=0.5) == [1, 2]
    # The negative inner product: nearest is what points most in the same direction; bounds are limits on it.
    inner = [-sum(a * b for a, b in zip(vector, [1, 0, 0])) for vector in vectors]
    order = sorted(range(len(vectors)), key=lambda n: (inner[n], n))
    assert near([1, 0, 0], metric="ip") == order
    for low, high in ((inner[order[1]], None), (None, inner[order[1]]), (inner[order[1]], inner[order[2]])):
        bounds = {**({} if low is None else {"lower_bound": low}), **({} if high is None else {"upper_bound": high})}
        wanted = [n for n in order if (low is None or inner[n] >= low) and (high is None or inner[n] <= high)]
        assert near([1, 0, 0], metric="ip", **bounds) == wanted and 0 < len(wanted) < 4
    query = {"float_array": [{"name": "Vector", "center": [0, 0, 0]}]}
    rows = admin.get_localization_list_by_id(project, localization_id_query=query, type=kind, sort_by=["-Vector"])
    assert ids(rows) == made  # similarity wins
    refused(400, admin.get_localization_list_by_id, project,
            localization_id_query={"float_array": [{"name": "Vector", "center": [0, 0, 0]}]})
    refused(400, admin.create_localization_list, project, body=box(video, kind, attributes={"Vector": [1, 2]}))
    refused(400, admin.create_localization_list, project, body=box(video, kind, attributes={"Vector": [1, "a", 3]}))


def test_values_with_colons_and_numbers_as_texts(admin, project):
    scene = Scene(admin, project)
    scene.made = scene.add({"attributes": {"Species": "a::b", "Count": 5}}, {"attributes": {"Species": "a", "Count": 50}})
    assert numbers(scene, scene.found(attribute=["Species::a::b"])) == [0]
    assert numbers(scene, scene.found(attribute_contains=["Species::::b"])) == [0]
    assert numbers(scene, scene.search(leaf("Count", "eq", "5"))) == [0]
    assert numbers(scene, scene.search(leaf("Count", "gt", "5"))) == [1]
    for wrong in ("Species", "Count:5"):
        refused(400, scene.list, attribute=[wrong])
    refused(400, scene.list, encoded_search=encoded({"method": "not", "operations": [leaf("Count", "eq", 5)] * 2}))
    refused(400, scene.list, encoded_search=encoded({"method": "xor", "operations": [leaf("Count", "eq", 5)]}))


def test_built_in_columns_of_media(admin, project):
    kind = add_media_type(admin, project)
    numbered = [add_video(admin, project, kind, name=f"{n}.mp4", num_frames=100 * n, fps=10.0 * n, width=100 * n, height=50 * n)
                for n in range(1, 4)]

    def found(**filters):
        return ids(admin.get_media_list(project, **filters))

    for key, value in (("$num_frames", 200), ("$fps", 20), ("$width", 200), ("$height", 100), ("$id", numbered[1])):
        assert found(attribute=[f"{key}::{value}"]) == numbered[1:2], key
        assert found(attribute_gt=[f"{key}::{value}"]) == numbered[2:], key
        assert found(encoded_search=encoded(leaf(key, "lte", value))) == numbered[:2], key
        assert found(sort_by=[f"-{key}"]) == numbered[::-1], key
    assert found(attribute=["$archive_state::live"]) == numbered
    assert found(attribute_contains=["$name::2.M"]) == numbered[1:2]
    assert found(encoded_search=encoded(leaf("$name", "in", ["1.mp4", "3.mp4"]))) == numbered[::2]
    eid = admin.get_media(numbered[0]).elemental_id
    assert found(attribute=[f"$elemental_id::{eid}"]) == numbered[:1]
    assert found(encoded_search=encoded(leaf("$type", "eq", kind, inverse=True))) == []
    assert found(sort_by=["$fps", "-$id"], start=1, stop=2) == numbered[1:2]


def test_values_that_are_not_there(admin, project):
    """They fit no comparison, and every comparison turned around."""
    scene = Scene(admin, project)
    scene.made = scene.add({"attributes": {"Count": 1, "Length": 1.0, "Species": "a"}}, {})
    for name, operation, value in (("Count", "gt", 0), ("Length", "lte", 5), ("Species", "icontains", "a"), ("Count", "in", [1]),
                                   ("Species", "istartswith", ""), ("Species", "iendswith", "a"), ("Count", "eq", 1)):
        assert numbers(scene, scene.search(leaf(name, operation, value))) == [0], operation
        assert numbers(scene, scene.search(leaf(name, operation, value, inverse=True))) == [1], operation
    scene.api.update_localization(scene.made[0], localization_update={"null_attributes": ["Count"], "in_place": 1})
    assert scene.search(leaf("Count", "gte", -10)) == []
    assert numbers(scene, scene.search(leaf("Count", "isnull", True))) == [0, 1]
