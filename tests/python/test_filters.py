"""Filters beyond the tables of test_search: built-in columns, names of two meanings, media queries, what changes select."""

import uuid

import pytest
from support import (
    NOWHERE,
    Scene,
    add_box_type,
    add_boxes,
    add_media_type,
    add_state_type,
    add_video,
    box,
    encoded,
    ids,
    leaf,
    refused,
)


@pytest.fixture
def scene(admin, project):
    return Scene(admin, project, videos=2)



def test_built_in_columns(admin, scene, project, members):
    layer = admin.create_version(project, version_spec={"name": "Layer"}).id
    dot_type = add_box_type(admin, project, [scene.video_type], dtype="dot")
    mine, = scene.add({"frame": 7})
    theirs, = add_boxes(members.editor.api, project, [box(scene.video, scene.box_type, version=layer)])
    dot, = add_boxes(admin, project, [{"media_id": scene.video, "type": dot_type, "frame": 0, "x": 0.5, "y": 0.5}])
    row = admin.get_localization(theirs)
    for key, value, expected in [
            ("$id", mine, [mine]), ("$type", dot_type, [dot]), ("$version", layer, [theirs]), ("$frame", 7, [mine]),
            ("$user", members.editor.id, [theirs]), ("$created_by", members.editor.id, [theirs]),
            ("$modified_by", members.editor.id, [theirs]), ("$elemental_id", row.elemental_id, [theirs])]:
        assert scene.found(attribute=[f"{key}::{value}"]) == expected, key
        assert scene.search(leaf(key, "eq", value)) == expected, key
        assert scene.search(leaf(key, "in", [value])) == expected, key
    assert scene.found(attribute_null=["$width::true"]) == [dot]
    assert scene.search(leaf("$elemental_id", "istartswith", row.elemental_id[:13].upper())) == [theirs]
    for key in ("created_datetime", "modified_datetime"):
        since = [one.id for one in scene.list() if one[key] >= row[key]]
        assert scene.found(attribute_gte=[f"${key}::{row[key]}"]) == since
        assert scene.search(leaf(f"${key}", "date_gte", row[key])) == since
        assert scene.found(attribute_lt=[f"${key}::2020"]) == []
    for filters in ({"attribute_contains": ["$frame::7"]}, {"attribute_gt": ["$elemental_id::a"]},
                    {"attribute_distance": ["$x::1::2::3"]}):
        refused(400, scene.list, **filters)
    refused(400, scene.list, encoded_search=encoded(leaf("$frame", "icontains", "7")))


def test_texts_compare_in_a_search(admin, project):
    long = "x" * 230
    scene = Scene(admin, project)
    made = scene.add(*({"attributes": {"Species": name, "Stage": stage}} for name, stage in [
        ("cod", "egg"), ("eel", "larva"), ("Eel", "adult"), (long + "a", "egg"), (long + "b", "egg"), ("", "egg")]), {})

    def found(operation, value, name="Species"):
        return [made.index(one) for one in scene.search(leaf(name, operation, value))]

    assert found("gt", "cod") == [1, 3, 4]
    assert found("gte", "cod") == [0, 1, 3, 4]
    assert found("lt", "cod") == [2, 5]
    assert found("lte", "cod") == [0, 2, 5]
    assert found("gt", long + "a") == [4] and found("lte", long + "a") == [0, 1, 2, 3, 5]
    assert found("gt", long) == [3, 4] and found("lt", long) == [0, 1, 2, 5]
    assert found("gte", "egg", "Stage") == [0, 1, 3, 4, 5]


@pytest.mark.parametrize("condition", [
    leaf("Count", "icontains", "1"), leaf("Certain", "gt", True), leaf("Species", "distance_lte", [1, 2, 3]), leaf("Where", "eq", 1),
    leaf("Count", "descendants", "a"), leaf("Count", "gt", "many"), leaf("Seen", "date_gt", "someday")])
def test_searches_that_do_not_fit_the_kind(admin, scene, condition):
    refused(400, scene.list, encoded_search=encoded(condition))


def test_one_name_for_a_number_and_a_text(admin, scene, project):
    other = add_box_type(admin, project, [scene.video_type], [{"name": "Count", "dtype": "string"}])
    number, = scene.add({"attributes": {"Count": 5}})
    text, = add_boxes(admin, project, [box(scene.video, other, attributes={"Count": "many"})])
    assert scene.found(attribute=["Count::many"]) == [text]
    assert scene.found(attribute_gt=["Count::4"]) == [number]
    assert scene.search(leaf("Count", "eq", "many")) == [text]
    assert scene.search(leaf("Count", "icontains", "AN")) == [text]
    refused(400, scene.list, attribute=["Count::many"], type=scene.box_type)
    assert scene.found(attribute=["Count::many"], type=other) == [text]


def test_a_name_that_only_another_type_knows(admin, scene, project):
    other = add_box_type(admin, project, [scene.video_type], [{"name": "Girth", "dtype": "int"}])
    plain, = scene.add({})
    wide, = add_boxes(admin, project, [box(scene.video, other, attributes={"Girth": 3})])
    assert scene.found(attribute=["Girth::3"]) == [wide]
    assert scene.found(attribute=["Girth::3"], type=other) == [wide]
    assert scene.found(attribute=["Girth::3"], type=scene.box_type) == [plain]  # unknown there, hence ignored
    refused(400, admin.delete_localization_list, project, attribute=["Girth::3"], type=scene.box_type)
    assert scene.found() == [plain, wide]


@pytest.mark.parametrize("sign", [1, -1])
def test_large_integers_are_told_apart(admin, scene, project, sign):
    kind = add_box_type(admin, project, [scene.video_type], [{"name": "Big", "dtype": "int"}])
    values = [sign * ((1 << 53) + n) for n in range(4)]
    made = add_boxes(admin, project, [box(scene.video, kind, attributes={"Big": value}) for value in values])
    compare = {"attribute": (lambda a, b: a == b, "eq"), "attribute_lt": (lambda a, b: a < b, "lt"),
               "attribute_lte": (lambda a, b: a <= b, "lte"), "attribute_gt": (lambda a, b: a > b, "gt"),
               "attribute_gte": (lambda a, b: a >= b, "gte")}
    for wanted in values:
        for key, (fits, operation) in compare.items():
            expected = [one for one, value in zip(made, values) if fits(value, wanted)]
            assert scene.found(**{key: [f"Big::{wanted}"]}) == expected, (key, wanted)
            assert scene.found(**{key: [f"Big::{wanted}"], "media_id": [scene.video], "type": kind}) == expected
            assert scene.search(leaf("Big", operation, wanted)) == expected, (operation, wanted)


def test_times_are_ordered_as_times(admin, scene, project):
    kind = add_box_type(admin, project, [scene.video_type], [{"name": "At", "dtype": "datetime"}, {"name": "N", "dtype": "int"}])
    times = ["2026-01-01T10:00:00+00:00", "2026-01-01T11:00:00+02:00", "2026-01-01T09:30:00", "2026-01-01T09:30:00.5", None]
    made = add_boxes(admin, project, [box(scene.video, kind, attributes={"At": at, "N": 1}) for at in times])
    rising = [made[n] for n in (1, 2, 3, 0, 4)]
    assert scene.found(sort_by=["At"]) == rising
    assert scene.found(sort_by=["N", "At"]) == rising
    assert scene.found(sort_by=["At"], media_id=[scene.video]) == rising
    assert scene.found(sort_by=["-At"], media_id=[scene.video]) == rising[::-1]


class TestFoldersByUuid:
    @pytest.fixture
    def tags(self, admin, scene, project):
        scene.videos.append(add_video(admin, project, scene.video_type, name="clip 02.mp4"))
        folder, stray = str(uuid.uuid4()), str(uuid.uuid4())
        made = admin.create_section(project, section_spec={"name": "Folder", "tator_user_sections": folder}).id
        admin.update_media(scene.videos[0], media_update={"primary_section": made})
        admin.update_media(scene.videos[1], media_update={"attributes": {"tator_user_sections": stray}})
        return folder, stray

    def test_as_a_text(self, admin, scene, project, tags):
        folder, stray = tags
        inside, outside = scene.add({"media_id": scene.videos[0]}, {"media_id": scene.videos[1]})
        for tag, video, one in ((folder, scene.videos[0], inside), (stray, scene.videos[1], outside)):
            for filters in ({"attribute": [f"tator_user_sections::{tag}"]}, {"attribute_contains": [f"tator_user_sections::{tag[4:20].upper()}"]}):
                assert ids(admin.get_media_list(project, **filters)) == [video]
                assert scene.found(**filters) == [one]
        refused(400, admin.get_media_list, project, attribute_contains=["$section::1"])
        refused(400, admin.get_media_list, project, attribute_gt=["tator_user_sections::1"])

    def test_in_a_search(self, admin, scene, project, tags):
        find = lambda tag: admin.get_media_list(project, encoded_search=encoded(leaf("tator_user_sections", "eq", tag)))  # noqa: E731
        assert ids(find(tags[0])) == scene.videos[:1]
        refused(404, find, str(uuid.uuid4()))


def test_section_and_sections_both_restrict(admin, scene, project):
    folders = [admin.create_section(project, section_spec={"name": name, "tator_user_sections": str(uuid.uuid4())}).id for name in "AB"]
    for video, folder in zip(scene.videos, folders):
        admin.update_media(video, media_update={"primary_section": folder})
    first, second = scene.add({"media_id": scene.videos[0]}, {"media_id": scene.videos[1]})
    assert scene.found(section=folders[0], multi_section=folders) == [first]
    assert scene.found(section=folders[0], multi_section=folders[1:]) == []


class TestRelated:
    @pytest.fixture
    def two(self, admin, scene, project):
        """A name of boxes alone, one of states alone, and one of both. The first video has a box, the second an event."""
        event = add_state_type(admin, project, [scene.video_type], "Frame", [
            {"name": "Kind", "dtype": "string"}, {"name": "Species", "dtype": "string"}, {"name": "Count", "dtype": "bool"}])
        scene.add({"media_id": scene.videos[0], "attributes": {"Species": "cod", "Stage": "egg", "Count": 3}})
        admin.create_state_list(project, body={"type": event, "media_ids": scene.videos[1:], "frame": 0,
                                               "attributes": {"Species": "cod", "Kind": "dive", "Count": True}})
        return scene

    def test_what_one_kind_does_not_know_holds_for_none_of_it(self, admin, two, project):
        find = lambda *items: ids(admin.get_media_list(project, related_attribute=list(items)))  # noqa: E731
        assert find("Species::cod") == two.videos
        assert find("Species::cod", "Stage::egg") == two.videos[:1]
        assert find("Species::cod", "Kind::dive") == two.videos[1:]
        assert find("Stage::egg", "Kind::dive") == []
        assert find("Species::cod", "Nonsense::1") == two.videos
        assert find("$x::0.1") == two.videos[:1]

    def test_a_comparison_need_fit_one_kind_only(self, admin, two, project):
        assert ids(admin.get_media_list(project, related_attribute_gt=["Count::2"])) == two.videos[:1]
        hits = admin.get_media_list(project, encoded_related_search=encoded(leaf("Count", "gt", 2)))
        assert {row.id: row.incident for row in hits} == {two.videos[0]: 1}
        refused(400, admin.get_media_list, project, related_attribute_gt=["Species::2"])

    def test_of_annotations(self, admin, two, project):
        admin.update_media(two.videos[0], media_update={"attributes": {"Camera": "bow"}})
        boxes = two.found()
        assert two.found(encoded_related_search=encoded(leaf("Camera", "eq", "bow"))) == boxes
        assert two.found(encoded_related_search=encoded(leaf("Camera", "eq", "stern"))) == []
        assert two.found(encoded_related_search=encoded(leaf("Nonsense", "eq", 1))) == []
        assert two.found(encoded_related_search=encoded(leaf("$name", "iendswith", "00.MP4"))) == boxes

    def test_hits_are_counted(self, admin, two, project):
        two.add(*({"media_id": two.videos[1], "attributes": {"Species": "cod"}} for _ in range(3)))
        hits = admin.get_media_list(project, encoded_related_search=encoded(leaf("Species", "eq", "cod")))
        assert [(row.id, row.incident) for row in hits] == [(two.videos[0], 1), (two.videos[1], 4)]


class TestChangesRefuseNamesThatThereAreNot:
    WRONG = leaf("Speceis", "eq", "cod")
    QUESTIONS = [
        {"attribute": ["Speceis::cod"]}, {"related_attribute": ["Camrea::bow"]}, {"related_attribute_null": ["Camrea::true"]},
        {"encoded_search": encoded({"method": "not", "operations": [WRONG]})}, {"encoded_search": encoded({**WRONG, "inverse": True})},
        {"encoded_search": encoded(leaf("$related_media", "search", leaf("Camrea", "eq", 1, inverse=True)))},
        {"encoded_related_search": encoded(leaf("Camrea", "eq", "bow", inverse=True))}]

    @pytest.mark.parametrize("filters", QUESTIONS)
    def test_of_queries(self, admin, scene, project, filters):
        made = scene.add({"attributes": {"Species": "eel"}})
        refused(400, admin.delete_localization_list, project, **filters)
        refused(400, admin.update_localization_list, project, localization_bulk_update={"attributes": {"Count": 1}}, **filters)
        refused(400, admin.delete_state_list, project, **filters)
        assert scene.found() == made and scene.found(attribute=["Count::1"]) == []

    def test_of_bodies(self, admin, scene, project):
        made = scene.add({})
        search = {"method": "or", "operations": [leaf("Species", "eq", "cod"), {"method": "not", "operations": [self.WRONG]}]}
        refused(400, admin.delete_localization_list, project, localization_bulk_delete={"object_search": search})
        assert scene.found() == made
        known = {"method": "not", "operations": [leaf("Species", "eq", "cod")]}
        admin.delete_localization_list(project, localization_bulk_delete={"object_search": known})
        assert scene.found() == []

    def test_a_reader_sees_nothing_by_such_a_name(self, admin, scene):
        scene.add({})
        assert scene.search(self.WRONG) == scene.search({**self.WRONG, "inverse": True}) == []


class TestMediaQuery:
    @pytest.fixture
    def camera(self, admin, scene, project):
        admin.update_media(scene.videos[0], media_update={"attributes": {"Camera": "bow"}})
        event = add_state_type(admin, project, [scene.video_type], "Frame")
        scene.made = scene.add({"media_id": scene.videos[0]}, {"media_id": scene.videos[1]})
        scene.events = admin.create_state_list(project, body=[
            {"type": event, "media_ids": [video], "frame": 0} for video in scene.videos]).id
        return scene

    @pytest.mark.parametrize("query, expected", [
        ("?attribute=Camera::bow", [0]), ("attribute_null=Camera::true", [1]), ("?name=CLIP%2001.mp4", [1]), ("?attribute=Camera::stern", []),
        ("?media_id={0},{1}&attribute_contains=$name::clip", [0, 1]), (f"?type={NOWHERE}", [])])
    def test_lists_and_counts(self, admin, camera, project, query, expected):
        query = {"media_query": query.format(*camera.videos)}
        found = [camera.made[n] for n in expected]
        assert ids(admin.get_localization_list_by_id(project, localization_id_query=query)) == found
        assert admin.get_localization_count_by_id(project, localization_id_query=query) == len(found)
        found = [camera.events[n] for n in expected]
        assert ids(admin.get_state_list_by_id(project, state_id_query=query)) == found
        assert admin.get_state_count_by_id(project, state_id_query=query) == len(found)

    def test_with_media_ids_both_hold(self, admin, camera, project):
        query = {"media_query": "?attribute=Camera::bow", "media_ids": camera.videos[1:]}
        assert admin.get_localization_list_by_id(project, localization_id_query=query) == []

    def test_changes(self, admin, camera, project):
        nothing, bow = {"media_query": "?attribute=Camera::stern"}, {"media_query": "?attribute=Camera::bow"}
        change = {"attributes": {"Count": 4}, "in_place": 1}
        message = admin.update_localization_list(project, localization_bulk_update={**nothing, **change}).message
        assert message == "Successfully updated 0 localizations!"
        admin.update_localization_list(project, localization_bulk_update={**bow, **change})
        assert camera.found(attribute=["Count::4"]) == camera.made[:1]
        assert admin.delete_state_list(project, state_bulk_delete=nothing).message == "Successfully deleted 0 states!"
        assert admin.delete_localization_list(project, localization_bulk_delete=nothing).message.startswith("Successfully deleted 0 ")
        admin.delete_localization_list(project, localization_bulk_delete=bow)
        assert camera.found() == camera.made[1:]
        admin.delete_state_list(project, state_bulk_delete=bow)
        assert ids(admin.get_state_list(project)) == camera.events[1:]

    def test_mistyped_names_change_nothing(self, admin, camera, project):
        typo = "?attribute=Camrea::bow"
        refused(400, admin.delete_localization_list, project, localization_bulk_delete={"media_query": typo})
        refused(400, admin.update_state_list, project, state_bulk_update={"media_query": typo, "frame": 3})
        refused(400, admin.delete_media_list, project, related_attribute=["Speceis::cod"])
        refused(400, admin.clone_media_list, project, attribute=["Camrea::bow"], clone_media_spec={
            "dest_project": project, "dest_type": -1, "dest_section": "copies"})
        refused(400, admin.delete_transcode_list, project, attribute=["Camrea::bow"])
        assert camera.found() == camera.made and len(admin.get_media_list(project)) == 2

    def test_one_that_does_not_parse(self, admin, camera, project):
        refused(400, admin.get_localization_list_by_id, project, localization_id_query={"media_query": "?type=x"})


class TestSimilarity:
    VECTORS = [{"name": "V", "dtype": "float_array", "size": 2}, {"name": "W", "dtype": "float_array", "size": 1},
               {"name": "N", "dtype": "int"}]
    ROWS = [{"V": [n, 0], "W": [n % 2]} for n in range(4)] + [{"V": [0, 0]}]
    NEAR = {"float_array": [{"name": "V", "center": [3, 0], "upper_bound": 1}]}

    def test_every_query_limits_and_the_first_one_orders(self, admin, scene, project):
        kind = add_box_type(admin, project, [scene.video_type], self.VECTORS)
        made = add_boxes(admin, project, [box(scene.video, kind, attributes=row) for row in self.ROWS])

        def near(*queries):
            body = {"float_array": list(queries)}
            assert admin.get_localization_count_by_id(project, localization_id_query=body, type=kind) is not None
            return [made.index(row.id) for row in admin.get_localization_list_by_id(project, localization_id_query=body, type=kind)]

        by_v, by_w = {"name": "V", "center": [3, 0]}, {"name": "W", "center": [0]}
        assert near(by_v) == [3, 2, 1, 0, 4]
        assert near(by_v, by_w) == [3, 2, 1, 0]
        assert near(by_v, {**by_w, "upper_bound": 0}) == [2, 0]
        assert near({**by_v, "order": "desc"}, {**by_w, "upper_bound": 0}) == [0, 2]
        assert near({**by_w, "lower_bound": 1}, {**by_v, "upper_bound": 1}) == [3]

    def test_selects_boxes_to_change(self, admin, scene, project):
        kind = add_box_type(admin, project, [scene.video_type], self.VECTORS)
        made = add_boxes(admin, project, [box(scene.video, kind, attributes=row) for row in self.ROWS])
        change = {**self.NEAR, "attributes": {"N": 7}, "in_place": 1}
        admin.update_localization_list(project, localization_bulk_update=change, type=kind, count=2)
        assert scene.found(attribute=["N::7"]) == made[2:4]
        refused(400, admin.delete_localization_list, project, localization_bulk_delete=self.NEAR)
        admin.delete_localization_list(project, localization_bulk_delete=self.NEAR, type=kind)
        assert scene.found() == [*made[:2], made[4]]

    def test_of_states(self, admin, scene, project):
        kind = add_state_type(admin, project, [scene.video_type], "Media", self.VECTORS)
        made = admin.create_state_list(project, body=[
            {"type": kind, "media_ids": [scene.video], "attributes": row} for row in self.ROWS]).id
        assert ids(admin.get_state_list_by_id(project, state_id_query=self.NEAR, type=kind)) == made[3:1:-1]
        assert admin.get_state_count_by_id(project, state_id_query=self.NEAR, type=kind) == 2
        admin.update_state_list(project, state_bulk_update={**self.NEAR, "attributes": {"N": 7}, "in_place": 1}, type=kind)
        assert ids(admin.get_state_list(project, attribute=["N::7"])) == made[2:4]
        admin.delete_state_list(project, state_bulk_delete=self.NEAR, type=kind)
        assert ids(admin.get_state_list(project)) == [*made[:2], made[4]]

    def test_of_media(self, admin, project):
        kind = add_media_type(admin, project, attributes=self.VECTORS)
        made = [add_video(admin, project, kind, name=f"{n}.mp4", attributes=row) for n, row in enumerate(self.ROWS)]
        assert ids(admin.get_media_list_by_id(project, media_id_query=self.NEAR, type=kind)) == made[3:1:-1]
        admin.update_media_list(project, media_bulk_update={**self.NEAR, "attributes": {"N": 7}}, type=kind)
        assert ids(admin.get_media_list(project, attribute=["N::7"])) == made[2:4]
        admin.delete_media_list(project, media_id_query=self.NEAR, type=kind)
        assert ids(admin.get_media_list(project)) == [*made[:2], made[4]]
