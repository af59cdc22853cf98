"""Boxes, lines, dots and polygons: making, listing, formats, counting, changing many."""

import csv
import io
import json
import re

import pytest
import tator
from support import NOWHERE, Scene, add_box_type, add_media_type, box, ids, leaf, refused, unique

KEYS = {"id", "project", "type", "media", "version", "attributes", "created_by", "created_datetime", "modified_datetime",
        "modified_by", "user", "variant_deleted", "x", "y", "width", "height", "u", "v", "points", "frame", "parent",
        "elemental_id", "mark", "thumbnail_image", "effective_permission"}


@pytest.fixture
def scene(admin, project):
    return Scene(admin, project)


def test_a_new_box(admin, scene, project):
    response = admin.create_localization_list(project, body=[box(scene.video, scene.box_type, frame=7)])
    assert isinstance(response, tator.models.CreateListResponse)
    assert response.message == "Successfully created 1 localizations!"
    row = admin.get_localization(response.id[0])
    assert isinstance(row, tator.models.Localization)
    assert set(row) >= KEYS
    assert (row.x, row.y, row.width, row.height, row.frame) == (0.1, 0.2, 0.3, 0.4, 7)
    assert (row.u, row.v, row.points, row.parent, row.mark, row.variant_deleted) == (None, None, None, None, 0, False)
    assert (row.project, row.media, row.type, row.attributes) == (project, scene.video, scene.box_type, {})
    assert row.created_by == row.modified_by == row.user == admin.whoami().id
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row.created_datetime)


def test_one_object_instead_of_a_list(admin, scene, project):
    made = admin.create_localization_list(project, body=box(scene.video, scene.box_type))
    assert scene.found() == made.id


@pytest.mark.parametrize("dtype, geometry", [
    ("line", {"x": 0.5, "y": 0.5, "u": -0.25, "v": 0.125}), ("dot", {"x": 0.5, "y": 0.75}),
    ("poly", {"points": [[0.1, 0.1], [0.5, 0.1], [0.3, 0.9]]})])
def test_geometry_of_other_kinds(admin, scene, project, dtype, geometry):
    kind = add_box_type(admin, project, [scene.video_type], dtype=dtype)
    made = admin.create_localization_list(project, body={"media_id": scene.video, "type": kind, "frame": 0, **geometry}).id[0]
    row = admin.get_localization(made)
    seen = {key: row[key] for key in ("x", "y", "width", "height", "u", "v", "points")}
    assert seen == {**dict.fromkeys(seen), **geometry}


@pytest.mark.parametrize("change", [{"x": 1.1}, {"width": -0.1}, {"x": "left"}, {"frame": None}, {"media_id": None}])
def test_bad_geometry(admin, scene, project, change):
    refused(400, admin.create_localization_list, project, body=[box(scene.video, scene.box_type), {
        **box(scene.video, scene.box_type), **change}])
    assert scene.found() == []  # all or nothing


def test_foreign_types_and_media(admin, scene, project):
    for change in ({"type": NOWHERE}, {"media_id": NOWHERE}, {"version": NOWHERE}):
        refused(400, scene.add, {}, change)
    assert scene.found() == []


VALUES = [
    ("Certain", "TRUE", True), ("Certain", False, False), ("Count", 3, 3), ("Count", 3.9, 3), ("Count", "12", 12),
    ("Length", "2.5", 2.5), ("Length", 4, 4.0), ("Stage", "larva", "larva"), ("Species", "Gadus morhua", "Gadus morhua"),
    ("Where", [10.5, 54.25], [10.5, 54.25]), ("Where", "54.25_10.5", [10.5, 54.25]),
]


@pytest.mark.parametrize("name, given, stored", VALUES)
def test_values_are_converted(admin, scene, name, given, stored):
    one, = scene.add({"attributes": {name: given}})
    value = admin.get_localization(one).attributes[name]
    assert (value, type(value)) == (stored, type(stored))


@pytest.mark.parametrize("name, given, message", [
    ("Certain", "maybe", "Invalid attribute value maybe for boolean attribute Certain"),
    ("Count", "many", "Invalid attribute value many for integer attribute Count"),
    ("Count", 10001, "above maximum"), ("Count", -1, "below minimum"),
    ("Length", "long", "Invalid attribute value long for float attribute Length"),
    ("Stage", "Larva", "Invalid attribute value Larva for enum attribute Stage. Valid choices are:"),
    ("Seen", "the other day at noonish", "for datetime attribute Seen"),
    ("Where", [200, 0], "longitude"), ("Where", [0, 91], "latitude"),
])
def test_values_that_do_not_fit(admin, scene, name, given, message):
    body = refused(400, scene.add, {"attributes": {name: given}})
    assert message.lower() in (body["message"] + body["details"]).lower()
    assert scene.found() == []


def test_unknown_attributes(admin, scene):
    one, = scene.add({"attributes": {"Nonsense": 1, "Count": 2}})
    assert admin.get_localization(one).attributes == {"Count": 2}
    body = refused(400, admin.update_localization, one, localization_update={"attributes": {"Nonsense": 1}})
    assert "Invalid attribute Nonsense for entity type" in body["message"] + body["details"]


def test_required_and_default_attributes(admin, scene, project):
    kind = add_box_type(admin, project, [scene.video_type], [
        {"name": "Must", "dtype": "int", "required": True}, {"name": "Given", "dtype": "string", "default": "yes"},
        {"name": "Now", "dtype": "datetime", "use_current": True}])
    refused(400, admin.create_localization_list, project, body=box(scene.video, kind))
    one = admin.create_localization_list(project, body=box(scene.video, kind, attributes={"Must": 1})).id[0]
    attributes = admin.get_localization(one).attributes
    assert (attributes["Must"], attributes["Given"]) == (1, "yes")
    assert re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d", attributes["Now"])


class TestMany:
    """5,000 boxes, made with the client's own chunking."""

    COUNT = 5000

    @pytest.fixture(scope="class")
    @classmethod
    def many(cls, admin, organization):
        project = admin.create_project(project_spec={"name": unique("Many"), "organization": organization}).id
        scene = Scene(admin, project, videos=5)
        specs = [box(scene.videos[n % 5], scene.box_type, frame=n // 5, x=n / cls.COUNT,
                     attributes={"Count": n, "Length": n / 2, "Species": f"species {n % 7}", "Certain": n % 2 == 0})
                 for n in range(cls.COUNT)]
        scene.sizes = []
        scene.made = []
        for response in tator.util.chunked_create(admin.create_localization_list, project, body=specs):
            scene.sizes.append(len(response.id))
            scene.made += response.id
        return scene

    def test_ids_come_back_in_input_order(self, many):
        assert many.sizes == [500] * 10
        assert many.made == sorted(many.made) == ids(many.list())
        assert [row.attributes["Count"] for row in many.list()] == list(range(self.COUNT))

    def test_counts(self, admin, many):
        assert admin.get_localization_count(many.project) == self.COUNT
        assert admin.get_localization_count(many.project, media_id=[many.videos[1], many.videos[2]]) == 2000
        assert admin.get_localization_count(many.project, attribute=["Species::species 3"]) == 714
        assert admin.get_localization_count(many.project, attribute_gte=["Count::100"], attribute_lt=["Count::200"]) == 100
        assert admin.get_localization_count(many.project, frame=10) == 5

    def test_pages(self, many):
        assert ids(many.list(start=10, stop=20)) == many.made[10:20]
        assert ids(many.list(start=4995)) == many.made[4995:]
        assert ids(many.list(stop=3)) == many.made[:3]
        assert many.list(start=6000) == many.list(start=20, stop=20) == many.list(start=20, stop=10) == []
        assert ids(many.list(after=many.made[4989])) == many.made[4990:]
        assert ids(many.list(after=many.made[99], start=0, stop=5)) == many.made[100:105]

    def test_paginator(self, admin, many):
        pages = tator.util.get_paginator(admin, "get_localization_list", 1500).paginate(project=many.project)
        sizes, seen = [], []
        for page in pages:
            sizes.append(len(page))
            seen += ids(page)
        assert (sizes, seen) == ([1500, 1500, 1500, 500], many.made)

    def test_sort(self, many):
        descending = many.list(sort_by=["-$id"], stop=3)
        assert ids(descending) == many.made[:-4:-1]
        assert [row.attributes["Count"] for row in many.list(sort_by=["-Count"], stop=3)] == [4999, 4998, 4997]
        assert ids(many.list(sort_by=["-$x"], stop=2)) == many.made[:-3:-1]
        rows = many.list(sort_by=["Species", "-Count"], stop=2)
        assert [row.attributes["Count"] for row in rows] == [4998, 4991]  # the last two of "species 0"

    def test_fields(self, many):
        row = many.list(fields="id,attributes.Count", start=42, stop=43)[0]
        assert row == {"id": many.made[42], "attributes": {"Count": 42}}
        assert many.list(fields="frame", stop=1) == [{"frame": 0}]
        assert many.list(fields="id,attributes.Stage", stop=1)[0]["attributes"] == {"Stage": None}
        refused(400, many.list, fields="nonsense")

    def test_jsonl(self, admin, many):
        lines = admin.get_localization_list(many.project, format="jsonl", attribute_lt=["Count::250"])
        assert [line["id"] for line in lines] == many.made[:250]

    def test_csv(self, station, many):
        text = station.http("GET", f"/rest/Localizations/{many.project}?format=csv&stop=3", station.admin_token).text
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [row["Species"] for row in rows] == ["species 0", "species 1", "species 2"]
        assert [int(row["id"]) for row in rows] == many.made[:3]
        assert rows[1]["media"] == "clip 01.mp4"

    def test_ids_in_the_body(self, admin, many):
        chosen = [many.made[3], many.made[1]]
        rows = admin.get_localization_list_by_id(many.project, localization_id_query={"ids": chosen})
        assert ids(rows) == sorted(chosen)
        rows = admin.get_localization_list_by_id(
            many.project, localization_id_query={"media_ids": [many.videos[0]]}, attribute_lt=["Count::20"])
        assert ids(rows) == [many.made[n] for n in (0, 5, 10, 15)]
        everything = admin.get_localization_count_by_id(many.project, localization_id_query={"ids": []})
        assert everything == self.COUNT

    def test_elemental_ids_in_the_body(self, admin, many):
        eids = [admin.get_localization(one).elemental_id for one in many.made[5:8]]
        rows = admin.get_localization_list_by_id(many.project, localization_id_query={"elemental_ids": eids})
        assert ids(rows) == many.made[5:8]
        assert ids(many.list(elemental_id=eids[0])) == [many.made[5]]

    def test_put_needs_a_body(self, station, many):
        answer = station.http("PUT", f"/rest/Localizations/{many.project}", station.admin_token)
        assert (answer.status_code, answer.json()["message"]) == (400, "Missing required request body")

    def test_nothing_is_packed_over_loopback(self, station, many):
        """There it costs time alone; what others get is a test of `http/form.rs`."""
        url = f"/rest/Localizations/{many.project}?stop=100"
        plain, packed = (station.http("GET", url, station.admin_token, headers={"Accept-Encoding": form}) for form in ("identity", "gzip"))
        for answer in (plain, packed):
            assert "Content-Encoding" not in answer.headers and len(answer.json()) == 100
        assert plain.content == packed.content


def test_bulk_update(admin, scene, project):
    made = scene.add(*({"frame": n, "attributes": {"Count": n}} for n in range(10)))
    response = admin.update_localization_list(
        project, attribute_gte=["Count::6"], localization_bulk_update={"attributes": {"Species": "eel"}, "in_place": 1})
    assert response.message == "Successfully updated 4 localizations!"
    assert scene.found(attribute=["Species::eel"]) == made[6:]
    assert [row.attributes["Count"] for row in scene.list(attribute=["Species::eel"])] == [6, 7, 8, 9]


def test_nothing_matches(admin, scene, project):
    response = admin.update_localization_list(
        project, attribute=["Count::5"], localization_bulk_update={"attributes": {"Species": "eel"}})
    assert response.message == "Successfully updated 0 localizations!"
    assert admin.delete_localization_list(project, attribute=["Count::5"]).message == "Successfully deleted 0 localizations!"


def test_safety_count(admin, scene, project):
    made = scene.add({}, {}, {})
    body = refused(400, admin.update_localization_list, project, count=2,
                   localization_bulk_update={"attributes": {"Count": 1}, "in_place": 1})
    assert body["message"] == "Safety check failed - expected 2 but would update 3"
    body = refused(400, admin.delete_localization_list, project, count=4)
    assert body["message"] == "Safety check failed - expected 4 but would delete 3"
    assert scene.found() == made and scene.found(attribute=["Count::1"]) == []
    admin.update_localization_list(project, count=3, localization_bulk_update={"attributes": {"Count": 1}, "in_place": 1})
    assert scene.found(attribute=["Count::1"]) == made
    assert admin.delete_localization_list(project, count=3).message == "Successfully deleted 3 localizations!"
    assert scene.found() == []


def test_bulk_update_of_two_types(admin, scene, project):
    scene.add({})
    other = add_box_type(admin, project, [scene.video_type], dtype="box")
    admin.create_localization_list(project, body=box(scene.video, other))
    body = refused(400, admin.update_localization_list, project, localization_bulk_update={"attributes": {"Count": 1}})
    assert body["message"] == "When doing a bulk patch the type id of all objects must be the same."


def test_null_and_reset_attributes(admin, project, scene):
    kind = add_box_type(admin, project, [scene.video_type], [
        {"name": "A", "dtype": "int", "default": 5}, {"name": "B", "dtype": "string"}, {"name": "G", "dtype": "geopos"}])
    one = admin.create_localization_list(
        project, body=box(scene.video, kind, attributes={"A": 1, "B": "x", "G": [1, 2]})).id[0]

    def patch(**update):
        admin.update_localization(one, localization_update={**update, "in_place": 1})
        return admin.get_localization(one).attributes

    assert patch(null_attributes=["A", "G"]) == {"A": None, "B": "x", "G": [-1, -1]}
    assert patch(reset_attributes=["A", "B"]) == {"A": 5, "B": None, "G": [-1, -1]}
    refused(400, admin.update_localization, one, localization_update={"null_attributes": ["Nothing"]})
    refused(400, admin.update_localization, one, localization_update={"reset_attributes": ["Nothing"]})


def test_zero_is_a_value(admin, scene):
    one, = scene.add({})
    admin.update_localization(one, localization_update={"x": 0, "width": 0, "height": 0, "in_place": 1})
    row = admin.get_localization(one)
    assert (row.x, row.y, row.width, row.height) == (0, 0.2, 0, 0)


def test_deleting_media_takes_its_boxes(admin, project):
    scene = Scene(admin, project, videos=2)
    gone, kept = scene.add({"media_id": scene.videos[0]}, {"media_id": scene.videos[1]})
    admin.delete_media(scene.videos[0])
    assert scene.found() == [kept]
    refused(404, admin.get_localization, gone)


def test_order_of_wire_keys_is_stable(station, scene, project):
    scene.add({}, {})
    rows = json.loads(station.http("GET", f"/rest/Localizations/{project}", station.admin_token).text)
    assert list(rows[0]) == list(rows[1])


def test_zero_is_a_value_of_a_line(admin, scene, project):
    kind = add_box_type(admin, project, [scene.video_type], dtype="line")
    one = admin.create_localization_list(project, body={
        "media_id": scene.video, "type": kind, "frame": 0, "x": 0.5, "y": 0.5, "u": 0.25, "v": 0.25}).id[0]
    row = admin.update_localization(one, localization_update={"u": 0, "v": 0}).object
    assert (row["x"], row["y"], row["u"], row["v"]) == (0.5, 0.5, 0, 0)


def test_queries_with_a_body_come_as_lines(station, admin, scene, project):
    made = scene.add(*({"attributes": {"Count": n}} for n in range(3)))
    wanted = {"ids": made[:2]}
    lines = admin.get_localization_list_by_id(project, localization_id_query=wanted, format="jsonl", attribute=["Count::1"])
    assert [line["id"] for line in lines] == made[1:2]
    answer = station.http("PUT", f"/rest/Localizations/{project}?format=jsonl", station.admin_token, json=wanted)
    assert [json.loads(line)["id"] for line in answer.text.splitlines()] == made[:2]
    media = admin.get_media_list_by_id(project, media_id_query={"localization_ids": made[:1]}, format="jsonl")
    assert [line["id"] for line in media] == [scene.video]
    assert list(admin.get_state_list_by_id(project, state_id_query={}, format="jsonl")) == []
    assert list(admin.get_leaf_list_by_id(project, leaf_id_query={}, format="jsonl")) == []


def test_flags_in_the_words_of_python(admin, scene, project):
    one, = scene.add({})
    stone = admin.delete_localization(one).id
    assert ids(admin.get_localization_list(project, show_deleted=True)) == [stone]
    assert ids(admin.get_localization_list(project, show_deleted=True, show_all_marks=True, merge=False)) == [one, stone]
    assert ids(admin.get_localization_list(project, show_deleted=False)) == []


def test_people_in_tables(station, admin, project, members, scene):
    made = members.editor.api.create_localization_list(project, body=box(scene.video, scene.box_type)).id
    admin.update_localization(made[0], localization_update={"x": 0.5, "in_place": 1})
    text = station.http("GET", f"/rest/Localizations/{project}?format=csv", station.admin_token).text
    row, = csv.DictReader(io.StringIO(text))
    shown = [who.email or who.username for who in (members.editor.api.whoami(), admin.whoami())]
    assert [row["user"], row["created_by"], row["modified_by"]] == [shown[0], shown[0], shown[1]]
    assert (row["media"], row["x"], row["Species"], row["variant_deleted"]) == ("clip 00.mp4", "0.5", "", "false")


def test_columns_of_a_table(station, admin, scene, project):
    """The keys of a row, with one column for each attribute of the types of the rows."""
    other = add_box_type(admin, project, [scene.video_type], [{"name": "Count", "dtype": "int"}, {"name": "Depth", "dtype": "float"}])
    one, = scene.add({"attributes": {"Species": 'a "b", c', "Count": 1}})
    two = admin.create_localization_list(project, body=box(scene.video, other, attributes={"Depth": 2.5, "Count": 7})).id[0]

    def table(query=""):
        text = station.http("GET", f"/rest/Localizations/{project}?format=csv{query}", station.admin_token).text
        return csv.DictReader(io.StringIO(text))

    columns = [column for column in table().fieldnames]
    assert len(columns) == len(set(columns)) and "attributes" not in columns
    assert KEYS - {"attributes"} <= set(columns)
    assert {definition["name"] for definition in Scene.ATTRIBUTES} | {"Depth"} <= set(columns)
    rows = list(table())
    assert [(row["id"], row["Species"], row["Count"], row["Depth"]) for row in rows] == [
        (str(one), 'a "b", c', "1", ""), (str(two), "", "7", "2.5")]
    columns = table(f"&type={other}").fieldnames
    assert "Depth" in columns and "Species" not in columns


def test_media_of_another_type(admin, scene, project):
    """A type lists the media types that it is meant for; nobody holds them against it."""
    image = add_media_type(admin, project, "image")
    picture = admin.create_media_list(project, body={"type": image, "name": "i.png", "md5": ""}).id
    made, = scene.add({"media_id": picture})
    assert admin.get_localization(made).media == picture


def test_values_that_are_kept_as_they_are(admin, scene, project):
    kind = add_box_type(admin, project, [scene.video_type], [
        {"name": "Text", "dtype": "string"}, {"name": "Blob", "dtype": "blob"}, {"name": "At", "dtype": "datetime"}])

    def stored(**attributes):
        made = admin.create_localization_list(project, body=box(scene.video, kind, attributes=attributes)).id[0]
        return admin.get_localization(made).attributes

    for value in ("x" * 100_000, "5", ["a", "b"], [1.5, 2], True):
        assert stored(Blob=value) == {"Blob": value}
    assert stored(Text="") == {"Text": ""}
    refused(400, scene.list, attribute=["Blob::x"], type=kind)
    # A time keeps its zone, or its lack of one.
    for given, kept in (("2026-01-02T03:04:05", "2026-01-02T03:04:05"), ("2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05+02:00"),
                        ("Jan 2 2026 3:04:05", "2026-01-02T03:04:05"), ("2026-01-02", "2026-01-02T00:00:00")):
        assert stored(At=given) == {"At": kept}


def test_a_null_is_no_value(admin, scene):
    one, = scene.add({"attributes": {"Species": "cod", "Count": None}})
    assert admin.get_localization(one).attributes.get("Count") is None
    assert scene.found(attribute_null=["Count::true"]) == [one]
    row = admin.update_localization(one, localization_update={"attributes": {"Species": None}}).object
    assert row["attributes"]["Species"] is None
    assert scene.found(attribute=["Species::cod"]) == []


def test_bodies_choose_what_changes(admin, scene, project):
    """Marks, elemental ids and media of a body all select; those of the query besides."""
    made = scene.add(*({"frame": n, "attributes": {"Count": n}} for n in range(6)))
    eids = [admin.get_localization(one).elemental_id for one in made]
    change = {"attributes": {"Species": "eel"}, "in_place": 1}
    body = {"elemental_ids": eids[:3], "object_search": leaf("Count", "gt", 0), **change}
    message = admin.update_localization_list(project, localization_bulk_update=body, frame=2).message
    assert message == "Successfully updated 1 localizations!"
    assert scene.found(attribute=["Species::eel"]) == made[2:3]
    admin.delete_localization_list(project, localization_bulk_delete={"elemental_ids": eids[4:], "media_ids": [scene.video]})
    assert scene.found() == made[:4]
    assert admin.delete_localization_list(
        project, localization_bulk_delete={"media_ids": [NOWHERE]}).message == "Successfully deleted 0 localizations!"


def test_counts_are_bare_numbers(station, scene, project):
    scene.add({}, {})
    for noun, count in (("Localization", 2), ("Media", 1), ("State", 0), ("Leaf", 0)):
        path = f"/rest/{noun}Count/{project}"
        assert station.http("GET", path, station.admin_token).text.strip() == str(count)
        assert station.http("PUT", path, station.admin_token, json={}).text.strip() == str(count)


def test_who_changed_what(admin, members, scene):
    one, = scene.add({})
    before = admin.get_localization(one)
    row = members.editor.api.update_localization(one, localization_update={"x": 0.5}).object
    assert (row["created_by"], row["modified_by"]) == (before.created_by, members.editor.id)
    assert row["created_datetime"] == before.created_datetime and row["modified_datetime"] >= before.modified_datetime
    assert admin.get_localization(one) == before


@pytest.mark.parametrize("dtype, wrong", [
    ("line", {"u": 1.1}), ("line", {"v": -1.1}), ("dot", {"y": -0.1}), ("poly", {"points": [[0.1, 1.1]]}), ("poly", {"points": [[0.1]]}),
    ("poly", {"points": [[0.1, 0.2, 0.3]]}), ("poly", {"points": "all over"})])
def test_geometry_beyond_its_bounds(admin, scene, project, dtype, wrong):
    kind = add_box_type(admin, project, [scene.video_type], dtype=dtype)
    good = {"line": {"x": 0, "y": 0, "u": -1.0, "v": 1.0}, "dot": {"x": 0, "y": 1.0}, "poly": {"points": [[0, 0], [1, 1], [0, 1]]}}[dtype]
    made = admin.create_localization_list(project, body={"media_id": scene.video, "type": kind, "frame": 0, **good}).id[0]
    body = refused(400, admin.create_localization_list, project, body={"media_id": scene.video, "type": kind, "frame": 0, **good, **wrong})
    assert body["message"] == "Request body validation error"
    refused(400, admin.update_localization, made, localization_update=wrong)
    assert scene.found() == [made]


def test_lists_of_values_come_joined_or_one_by_one(station, scene, project):
    made = scene.add({"attributes": {"Count": 2}}, {"attributes": {"Count": 1}}, {"attributes": {"Count": 1, "Species": "cod"}})

    def found(query):
        return ids_of(station.http("GET", f"/rest/Localizations/{project}?{query}", station.admin_token).json())

    def ids_of(rows):
        return [row["id"] for row in rows]

    assert found("sort_by=Count,-$id") == found("sort_by=Count&sort_by=-$id") == [made[2], made[1], made[0]]
    assert found("attribute=Count::1,Species::cod") == found("attribute=Count::1&attribute=Species::cod") == made[2:]
    path = f"/rest/Medias/{project}"
    for query in (f"media_id={scene.video},{NOWHERE}", f"media_id={scene.video}&media_id={NOWHERE}"):
        assert ids_of(station.http("GET", f"{path}?{query}", station.admin_token).json()) == [scene.video]


def test_fields_of_a_query_with_a_body(admin, scene, project):
    made = scene.add({"attributes": {"Count": 1}}, {"attributes": {"Count": 2}})
    rows = admin.get_localization_list_by_id(project, localization_id_query={"ids": made[1:]}, fields="id,attributes.Count")
    assert rows == [{"id": made[1], "attributes": {"Count": 2}}]
    refused(400, admin.get_localization_list_by_id, project, localization_id_query={}, fields="nonsense")
    rows = admin.get_media_list_by_id(project, media_id_query={"ids": scene.videos}, fields="name")
    assert rows == [{"name": "clip 00.mp4"}]


def test_ids_by_the_thousand(admin, scene, project):
    made = scene.add({}, {})
    query = {"ids": [*range(NOWHERE, NOWHERE + 50_000), made[1]]}
    assert ids(admin.get_localization_list_by_id(project, localization_id_query=query)) == made[1:]
    assert admin.get_localization_count_by_id(project, localization_id_query=query) == 1
    admin.delete_localization_list(project, localization_bulk_delete=query, count=1)
    assert scene.found() == made[:1]


def test_a_broken_body_deletes_nothing(station, scene, project):
    made = scene.add({}, {})
    for body in ("{", "[]", '"all"', '{"ids": "all"}', '{"prune": 2}'):
        answer = station.http("DELETE", f"/rest/Localizations/{project}", station.admin_token, data=body,
                              headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, (body, answer.text)
    assert scene.found() == made


@pytest.mark.parametrize("attributes, message", [
    ({"Certain": "maybe"}, "Invalid attribute value maybe for boolean attribute Certain"),
    ({"Count": "many"}, "Invalid attribute value many for integer attribute Count"),
    ({"Count": -5}, "-5 is below minimum 0.0 for int attribute Count!"),
    ({"Count": 10001}, "10001 is above maximum 10000.0 for int attribute Count!"),
    ({"Length": "long"}, "Invalid attribute value long for float attribute Length"),
    ({"Stage": "Egg"}, "Invalid attribute value Egg for enum attribute Stage. Valid choices are: ['egg', 'larva', 'adult']"),
    ({"Seen": "at noonish"}, "Invalid attribute value at noonish for datetime attribute Seen"),
    ({"Where": "91_0"}, "Invalid latitude 91"), ({"Where": "0_181"}, "Invalid longitude 181"),
    ({"Where": "north"}, "Invalid lat/lon string north"),
])
def test_what_a_bad_value_is_told(scene, attributes, message):
    assert refused(400, scene.add, {"attributes": attributes})["message"].startswith(message)


def test_a_value_that_is_required(admin, scene, project):
    kind = add_box_type(admin, project, [scene.video_type], [{"name": "Must", "dtype": "int", "required": True}])
    for attributes in ({}, {"Must": None}):
        body = refused(400, admin.create_localization_list, project, body=box(scene.video, kind, attributes=attributes))
        assert "Must" in body["message"]
    body = refused(400, admin.update_localization, scene.add({})[0], localization_update={"attributes": {"Nope": 1}})
    name = admin.get_localization_type(scene.box_type).name
    assert body["message"] == f"Invalid attribute Nope for entity type {name}"


def test_vectors(admin, scene, project):
    kind = add_box_type(admin, project, [scene.video_type], [{"name": "V", "dtype": "float_array", "size": 2}])
    one = admin.create_localization_list(project, body=box(scene.video, kind, attributes={"V": [1, 2.5]})).id[0]
    assert admin.get_localization(one).attributes == {"V": [1.0, 2.5]}
    for wrong in ("x", ["a", "b"], [1, "a"], [1], [1, 2, 3], [], True):
        refused(400, admin.create_localization_list, project, body=box(scene.video, kind, attributes={"V": wrong}))
        refused(400, admin.update_localization, one, localization_update={"attributes": {"V": wrong}})
    assert scene.found() == [one]


def test_what_is_of_another_project(station, admin, scene, project, organization):
    other = admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id
    version = admin.get_version_list(other)[0].id
    made = scene.add({})
    body = refused(400, admin.update_localization_list, project, localization_bulk_update={"new_version": version})
    assert str(version) in body["message"]
    for update in ({"new_elemental_id": "zzz"}, {"in_place": 2}, {"ids": "all"}):
        refused(400, admin.update_localization_list, project, localization_bulk_update=update)
    for path in (f"/rest/Localization/{version}/zzz", f"/rest/State/{version}/zzz"):
        answer = station.http("GET", path, station.admin_token)
        assert (answer.status_code, answer.json()["message"]) == (400, "Could not convert 'zzz' into a UUID")
    assert scene.found() == made and admin.get_localization_list(project, type=NOWHERE) == []


@pytest.mark.parametrize("name, given, stored", [
    ("Species", 5, 5), ("Species", True, True), ("Species", 1.5, 1.5), ("Count", True, 1), ("Count", " 7 ", 7), ("Count", -0.9, 0),
    ("Length", True, 1.0), ("Length", " 1e3 ", 1000.0), ("Certain", "False", False), ("Where", [1, 2], [1.0, 2.0]),
    ("Where", "2_1", [1.0, 2.0]),
    ("Seen", "2026-01-02 03:04", "2026-01-02T03:04:00"), ("Seen", "1/2/2026", "2026-01-02T00:00:00"),
    ("Seen", "2026-01-02T03:04:05.123456Z", "2026-01-02T03:04:05.123456+00:00")])
def test_values_are_taken_leniently(admin, scene, name, given, stored):
    one, = scene.add({"attributes": {name: given}})
    value = admin.get_localization(one).attributes[name]
    assert (value, type(value)) == (stored, type(stored))
    row = admin.update_localization(scene.add({})[0], localization_update={"attributes": {name: given}}).object
    assert row["attributes"] == {name: stored}


@pytest.mark.parametrize("name, given", [
    ("Count", "3.9"), ("Count", "1e3"), ("Count", 1e300), ("Count", ""), ("Length", "nan"), ("Length", "inf"), ("Length", ""),
    ("Certain", 1),
    ("Certain", "yes"), ("Where", [1, 2, 3]), ("Where", [1]), ("Where", "1"), ("Seen", 20260102), ("Seen", ""), ("Stage", 1)])
def test_values_that_nobody_understands(admin, scene, name, given):
    refused(400, scene.add, {"attributes": {name: given}})
    one, = scene.add({})
    refused(400, admin.update_localization, one, localization_update={"attributes": {name: given}})
    assert admin.get_localization(one).attributes == {}
