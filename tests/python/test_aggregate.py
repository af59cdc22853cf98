"""Aggregates: what is counted is what lists show, cold and warm, before and after every kind of change."""

import collections
import datetime
import json
import random

import pytest
import tator
from support import NOWHERE, Scene, add_box_type, add_leaf_type, add_media_type, add_state_type, add_video, box, encoded, leaf, \
    refused, unique

SPECIES = ["cod", "eel", "ray", None]


@pytest.fixture
def scene(admin, project):
    """Two videos in two folders with 60 boxes of two types."""
    scene = Scene(admin, project, videos=2)
    scene.folders = [admin.create_section(project, section_spec={"name": f"Folder {n}"}).id for n in range(2)]
    for video, folder in zip(scene.videos, scene.folders):
        admin.update_media(video, media_update={"primary_section": folder})
    scene.other_type = add_box_type(admin, project, [scene.video_type], [{"name": "Species", "dtype": "string"}])
    dice = random.Random(7)
    specs = []
    for n in range(60):
        kind = scene.box_type if n % 3 else scene.other_type
        attributes = {"Species": dice.choice(SPECIES)}
        if kind == scene.box_type:
            attributes |= {"Count": dice.randrange(4), "Length": dice.random() * 10, "Certain": dice.random() < 0.5,
                           "Stage": dice.choice(["egg", "adult"]), "Seen": f"2024-0{1 + n // 3 % 3}-15T12:00:00Z"}
        attributes = {name: value for name, value in attributes.items() if value is not None}
        specs.append(box(scene.videos[n % 2], kind, frame=n // 2, attributes=attributes))
    scene.boxes = admin.create_localization_list(project, body=specs).id
    return scene


def groups(api, project, *keys, noun="localization", filters=None, **more):
    """Aggregated counts: {(values…): count}."""
    call = getattr(api, f"get_{noun}_aggregate")
    body = {"group_by": list(keys), **more}
    rows = call(project, **{f"{noun}_aggregate_query": body}, **(filters or {}))
    return {tuple(row.group[key] for key in keys): row.count for row in rows}


def value(row, key):
    columns = {"$type": "type", "$media": "media", "$version": "version", "$user": "created_by", "$frame": "frame", "$id": "id"}
    return row[columns[key]] if key in columns else row["attributes"].get(key)


def listed(api, project, *keys, filters=None):
    """The same from the list, row by row."""
    rows = api.get_localization_list(project, **(filters or {}))
    return dict(collections.Counter(tuple(value(row.to_dict(), key) for key in keys) for row in rows))


KEYS = [("Species",), ("$type",), ("$media",), ("$user",), ("$version",), ("Count",), ("Certain",), ("Length",), ("$frame",),
        ("Species", "Stage"), ("$type", "Species", "$media"), ("Certain", "Count")]


@pytest.mark.parametrize("keys", KEYS)
def test_groups_are_those_of_the_list(admin, project, scene, keys):
    assert groups(admin, project, *keys) == listed(admin, project, *keys)


@pytest.mark.parametrize("filters", [
    {"attribute": ["Species::cod"]}, {"attribute_gt": ["Count::1"]}, {"frame": 4}, {"start": 5, "stop": 17},
    {"encoded_search": encoded(leaf("Length", "lt", 5))}, {"attribute_null": ["Stage::true"]},
    {"attribute_lte": ["Length::5"], "attribute_gte": ["Count::1", "Length::0.5"]}, {"attribute_contains": ["Species::E"]},
    {"attribute": ["Certain::false"], "frame": 7}, {"attribute": ["Certain::yes"]}, {"attribute_lt": ["Seen::2024-02-20"]},
    {"attribute": ["Stage::egg", "Species::cod"]}, {"attribute": ["Unknown::1"]}, {"attribute_gt": ["$frame::20"]},
    {"attribute": ["Species::Cod"]}, {"attribute_distance": ["Where::1::2::3"]},
])
def test_filters_are_those_of_the_list(admin, project, scene, filters):
    for keys in (("Species",), ("$type", "Stage")):
        found = groups(admin, project, *keys, filters=filters)
        assert found == listed(admin, project, *keys, filters=filters)
        assert found or "Species::Cod" in str(filters) or "Where" in str(filters)


@pytest.mark.parametrize("filters", [{"attribute": ["Count"]}, {"attribute_gt": ["Count::many"]}, {"attribute_lt": ["Species::a"]},
                                     {"section": NOWHERE}])
def test_refused_filters_are_those_of_the_list(admin, project, scene, filters):
    calls = [lambda: groups(admin, project, "Species", filters=filters), lambda: admin.get_localization_list(project, **filters)]
    bodies = []
    for call in calls:
        with pytest.raises(tator.exceptions.ApiException) as caught:
            call()
        body = json.loads(caught.value.body)
        bodies.append((caught.value.status, body["message"]))
    assert bodies[0] == bodies[1]


def test_limits_of_columns(admin, project, scene):
    version = admin.create_version(project, version_spec={"name": "second"}).id
    admin.update_localization_list(project, type=scene.box_type,
                                   localization_bulk_update={"ids": scene.boxes[:5], "new_version": version, "in_place": 1})
    for filters in ({"type": scene.box_type}, {"media_id": [scene.videos[1]]}, {"version": [version]},
                    {"type": scene.other_type, "media_id": [scene.videos[0]]}, {"media_id": scene.videos}):
        assert groups(admin, project, "Species", filters=filters) == listed(admin, project, "Species", filters=filters)
    assert groups(admin, project, "$type", filters={"type": NOWHERE}) == {}
    by_body = groups(admin, project, "$media", media_ids=[scene.videos[1]])
    assert by_body == {(scene.videos[1],): 30}


def test_bodies_select_rows(admin, project, scene):
    assert groups(admin, project, "$type", ids=scene.boxes[:4]) == {(scene.other_type,): 2, (scene.box_type,): 2}
    assert groups(admin, project, "$id", ids=[]) == {(one,): 1 for one in scene.boxes}
    condition = leaf("Count", "gte", 2)
    found = groups(admin, project, "Count", object_search=condition)
    assert set(found) == {(2,), (3,)}


def test_labels_name_what_ids_mean(admin, project, scene):
    keys = ["$type", "$media", "$version", "$user", "$section"]
    rows = []
    for key in keys:
        body = {"group_by": [key]}
        rows.append(admin.get_localization_aggregate(project, localization_aggregate_query=body)[0].to_dict())
    assert set(rows[0]) == {"group", "labels", "count"}
    labels = [row["labels"][key] for row, key in zip(rows, keys)]
    assert labels[0] == admin.get_localization_type(scene.box_type).name
    assert labels[1] in ("clip 00.mp4", "clip 01.mp4")
    assert labels[2:] == ["Baseline", "admin", labels[4]]
    assert labels[4] in ("Folder 0", "Folder 1")
    species = admin.get_localization_aggregate(project, localization_aggregate_query={"group_by": ["Species"]})
    assert all(row.labels == {} for row in species)


def test_sections_follow_their_media(admin, project, scene):
    assert groups(admin, project, "$section") == {(folder,): 30 for folder in scene.folders}
    admin.update_media(scene.videos[0], media_update={"primary_section": scene.folders[1]})
    assert groups(admin, project, "$section") == {(scene.folders[1],): 60}
    assert groups(admin, project, "$section", noun="media") == {(scene.folders[1],): 2}


def test_order_and_limit(admin, project, scene):
    def asked(**how):
        body = {"group_by": ["Species"], **how}
        rows = admin.get_localization_aggregate(project, localization_aggregate_query=body)
        return [(row.group["Species"], row.count) for row in rows]

    falling = asked()
    assert [count for _, count in falling] == sorted((count for _, count in falling), reverse=True)
    assert asked(order="count")[0][1] == falling[-1][1]
    assert [name for name, _ in asked(order="value")] == ["cod", "eel", "ray", None]
    assert [name for name, _ in asked(order="-value")] == [None, "ray", "eel", "cod"]
    assert asked(limit=2) == falling[:2]


def test_every_change_shows_at_once(admin, project, scene):
    """The columns are warm here: each change must find its way into them."""
    def same():
        for keys in (("Species",), ("$type", "Count"), ("$media",), ("$version", "Certain")):
            assert groups(admin, project, *keys) == listed(admin, project, *keys), keys

    same()
    one, two, three = scene.boxes[1], scene.boxes[2], scene.boxes[4]
    new = admin.update_localization(one, localization_update={"attributes": {"Species": "shark", "Count": 9}}).id
    same()
    admin.update_localization(two, localization_update={"attributes": {"Species": "whale"}, "in_place": 1})
    same()
    assert groups(admin, project, "Species")[("whale",)] == 1
    admin.delete_localization(three)
    same()
    admin.delete_localization(new, localization_delete={"prune": 1})
    same()
    scene.add({"attributes": {"Species": "squid"}}, {"frame": 9})
    same()
    search = {"attribute": ["Species::cod"], "type": scene.box_type}
    admin.update_localization_list(project, localization_bulk_update={"attributes": {"Species": "haddock"}}, **search)
    same()
    admin.delete_localization_list(project, attribute=["Species::eel"])
    same()
    version = admin.create_version(project, version_spec={"name": "second"}).id
    admin.update_localization_list(project, localization_bulk_update={"new_version": version, "in_place": 1},
                                   attribute=["Species::ray"], type=scene.box_type)
    same()
    admin.delete_media(scene.videos[1])
    same()
    assert ("haddock",) in groups(admin, project, "Species")


def test_changed_definitions_show_at_once(admin, project, scene):
    before = groups(admin, project, "Species", filters={"type": scene.box_type})
    rename = {"entity_type": "LocalizationType", "current_name": "Species", "attribute_type_update": {"name": "Kind", "dtype": "string"}}
    admin.update_attribute_type(scene.box_type, attribute_type_update=rename)
    assert groups(admin, project, "Kind", filters={"type": scene.box_type}) == before
    admin.delete_attribute_type(scene.box_type, attribute_type_delete={"entity_type": "LocalizationType", "name": "Stage"})
    assert "neither an attribute" in refused(
        400, admin.get_localization_aggregate, project, localization_aggregate_query={"group_by": ["Stage"]})["message"]
    admin.delete_localization_type(scene.other_type)
    assert groups(admin, project, "$type") == {(scene.box_type,): 40}


def test_rows_that_lists_hide(admin, project, scene):
    admin.update_localization(scene.boxes[1], localization_update={"attributes": {"Species": "shark"}})
    admin.delete_localization(scene.boxes[2])
    for filters in ({"show_all_marks": 1}, {"show_deleted": 1}, {"show_deleted": 1, "show_all_marks": 1},
                    {"show_all_marks": 1, "sort_by": ["-$id"], "start": 3, "stop": 20}):
        for keys in (("$type",), ("$type", "$frame"), ("Species",)):
            assert groups(admin, project, *keys, filters=filters) == listed(admin, project, *keys, filters=filters)


def test_a_histogram(admin, project, scene):
    rows = [row.attributes.get("Length") for row in admin.get_localization_list(project)]
    lengths = [length for length in rows if length is not None]
    found = admin.get_localization_histogram(project, localization_histogram_query={"key": "Length", "bins": 7}).to_dict()
    assert set(found) == {"bins", "count", "below", "above", "missing", "minimum", "maximum"}
    assert (found["count"], found["missing"], found["below"], found["above"]) == (40, 20, 0, 0)
    assert (found["minimum"], found["maximum"]) == (min(lengths), max(lengths))
    assert len(found["bins"]) == 7
    for n, one in enumerate(found["bins"]):
        last = n == 6
        assert one["count"] == sum(one["start"] <= length < one["end"] or (last and length == one["end"]) for length in lengths)
    edges = admin.get_localization_histogram(project, localization_histogram_query={"key": "Length", "edges": [2, 4, 8]}).to_dict()
    assert [(one["start"], one["end"]) for one in edges["bins"]] == [(2, 4), (4, 8)]
    assert edges["below"] == sum(length < 2 for length in lengths)
    assert edges["below"] + edges["above"] + edges["count"] == 40
    counts = admin.get_localization_histogram(project, localization_histogram_query={
        "key": "Count", "bins": 4, "minimum": 0, "maximum": 4}, type=scene.box_type).to_dict()
    assert [one["count"] for one in counts["bins"]] == [groups(admin, project, "Count").get((n,), 0) for n in range(4)]
    frames = admin.get_localization_histogram(project, localization_histogram_query={"key": "$frame", "bins": 2}).to_dict()
    assert [one["count"] for one in frames["bins"]] == [30, 30]


def test_a_timeline_of_frames(admin, project, scene):
    video = scene.videos[0]
    moments = admin.get_localization_timeline(project, localization_timeline_query={"frames": 10}, media_id=[video])
    assert [set(row.to_dict()) for row in moments] == [{"start", "end", "group", "labels", "count"}] * len(moments)
    counted = {(row.start, row.end, row.group["$type"]): row.count for row in moments}
    rows = admin.get_localization_list(project, media_id=[video])
    wanted = collections.Counter((row.frame // 10 * 10, row.frame // 10 * 10 + 10, row.type) for row in rows)
    assert counted == wanted
    assert [row.start for row in moments] == sorted(row.start for row in moments)
    assert moments[0].labels["$type"] == admin.get_localization_type(moments[0].group["$type"]).name
    whole = admin.get_localization_timeline(project, localization_timeline_query={"split_by": []}, media_id=[video])
    assert [(row.start, row.end, row.count) for row in whole] == [(n, n + 1, 1) for n in range(30)]
    refusal = refused(400, admin.get_localization_timeline, project, localization_timeline_query={})
    assert "about one media" in refusal["message"]


def test_a_timeline_of_days(admin, project, scene):
    query = {"over": "$created_datetime", "split_by": ["$media"], "interval": "day"}
    moments = admin.get_localization_timeline(project, localization_timeline_query=query)
    today = admin.get_localization(scene.boxes[0]).created_datetime
    day = str(today)[:10]
    assert {str(row.start)[:10] for row in moments} == {day}
    assert {(row.group["$media"], row.count) for row in moments} == {(video, 30) for video in scene.videos}
    query = {"over": "Seen", "split_by": [], "interval": "month"}
    months = admin.get_localization_timeline(project, localization_timeline_query=query)
    assert [str(row.start) for row in months] == [f"2024-0{n}-01T00:00:00.000Z" for n in (1, 2, 3)]
    assert [str(row.end)[:7] for row in months] == ["2024-02", "2024-03", "2024-04"]
    assert sum(row.count for row in months) == 40
    years = admin.get_localization_timeline(project, localization_timeline_query={**query, "interval": "year"})
    assert [row.count for row in years] == [40]


def test_states(admin, project, scene):
    track = add_state_type(admin, project, [scene.video_type], "Localization")
    event = add_state_type(admin, project, [scene.video_type], "Frame", [{"name": "Sea", "dtype": "int"}])
    specs = [{"type": event, "media_ids": [scene.video], "frame": n, "attributes": {"Sea": n % 3}} for n in range(12)]
    specs += [{"type": track, "media_ids": scene.videos, "localization_ids": scene.boxes[:2]}]
    made = admin.create_state_list(project, body=specs).id
    assert groups(admin, project, "$type", noun="state") == {(event,): 12, (track,): 1}
    assert groups(admin, project, "Sea", noun="state") == {(0,): 4, (1,): 4, (2,): 4, (None,): 1}
    # A state counts for each of its media, and once for a folder of both.
    assert groups(admin, project, "$media", noun="state") == {(scene.videos[0],): 13, (scene.videos[1],): 1}
    assert groups(admin, project, "$section", noun="state") == {(scene.folders[0],): 13, (scene.folders[1],): 1}
    admin.update_state(made[0], state_update={"attributes": {"Sea": 7}})
    admin.delete_state(made[1])
    assert groups(admin, project, "Sea", noun="state") == {(0,): 3, (1,): 3, (2,): 4, (7,): 1, (None,): 1}
    assert groups(admin, project, "Sea", noun="state", filters={"media_id": [scene.videos[1]]}) == {(None,): 1}
    moments = admin.get_state_timeline(project, state_timeline_query={"frames": 6}, media_id=[scene.video])
    assert sum(row.count for row in moments) == 11
    numbers = admin.get_state_histogram(project, state_histogram_query={"key": "Sea", "bins": 2})
    assert (numbers.count, numbers.missing) == (11, 1)


def test_media(admin, project, scene):
    assert groups(admin, project, "$type", noun="media") == {(scene.video_type,): 2}
    add_video(admin, project, scene.video_type, attributes={"Camera": "left"}, width=640, height=480)
    assert groups(admin, project, "Camera", noun="media") == {("left",): 1, (None,): 2}
    assert groups(admin, project, "Camera", noun="media", filters={"section": scene.folders[0]}) == {(None,): 1}
    admin.update_media(scene.video, media_update={"attributes": {"Camera": "left"}})
    assert groups(admin, project, "Camera", noun="media") == {("left",): 2, (None,): 1}
    admin.delete_media(scene.video)
    assert groups(admin, project, "$type", noun="media") == {(scene.video_type,): 2}
    widths = admin.get_media_histogram(project, media_histogram_query={"key": "$width", "bins": 1})
    assert (widths.count, widths.missing, widths.minimum) == (1, 1, 640)
    days = admin.get_media_timeline(project, media_timeline_query={"interval": "year"})
    assert [(row.group["$type"], row.count) for row in days] == [(scene.video_type, 2)]


def test_leaves_and_files(admin, project):
    kind = add_leaf_type(admin, project, [{"name": "Rank", "dtype": "string"}])
    specs = [{"name": f"leaf {n}", "type": kind, "attributes": {"Rank": "genus" if n % 2 else "species"}} for n in range(5)]
    made = admin.create_leaf_list(project, body=specs).id
    assert groups(admin, project, "Rank", noun="leaf") == {("species",): 3, ("genus",): 2}
    assert groups(admin, project, "Rank", noun="leaf", ids=made[:1]) == {("species",): 1}
    assert groups(admin, project, "Rank", noun="leaf", ids=[]) == {}
    admin.delete_leaf(made[0])
    assert groups(admin, project, "Rank", noun="leaf") == {("species",): 2, ("genus",): 2}
    depths = admin.get_leaf_histogram(project, leaf_histogram_query={"key": "$depth", "bins": 1})
    assert depths.count == 4
    assert sum(row.count for row in admin.get_leaf_timeline(project, leaf_timeline_query={})) == 4
    of_file = admin.create_file_type(project, file_type_spec={"name": unique("file"), "attribute_types": [
        {"name": "Pages", "dtype": "int"}]}).id
    for pages in (3, 3, 40):
        admin.create_file(project, file_spec={"type": of_file, "name": unique("f"), "description": "", "attributes": {"Pages": pages}})
    assert groups(admin, project, "Pages", noun="file") == {(3,): 2, (40,): 1}
    assert groups(admin, project, "Pages", noun="file", filters={"attribute_lt": ["Pages::10"]}) == {(3,): 2}
    pages = admin.get_file_histogram(project, file_histogram_query={"key": "Pages", "bins": 2})
    assert [one["count"] for one in pages.to_dict()["bins"]] == [2, 1]
    assert len(admin.get_file_timeline(project, file_timeline_query={"interval": "year"})) == 1


@pytest.mark.parametrize("body, words", [
    ({"group_by": ["Nothing"]}, "neither an attribute nor a column"), ({"group_by": ["$nothing"]}, "neither an attribute nor a column"),
    ({"group_by": ["Where"]}, "dtype geopos"), ({"group_by": ["Count", "Count"]}, "named twice"), ({"group_by": []}, "validation"),
    ({}, "validation"), ({"group_by": ["$type"] * 4}, "validation"), ({"group_by": ["$type"], "limit": 0}, "validation"),
    ({"group_by": ["$type"], "order": "size"}, "validation"),
])
def test_groups_that_make_no_sense(admin, project, scene, body, words):
    assert words in refused(400, admin.get_localization_aggregate, project, localization_aggregate_query=body)["message"]


def test_bins_that_make_no_sense(admin, project, scene):
    def histogram(**body):
        return refused(400, admin.get_localization_histogram, project, localization_histogram_query=body)["message"]

    assert "has no numbers" in histogram(key="Species")
    assert "has no numbers" in histogram(key="$section")
    assert "edges must be" in histogram(key="Length", edges=[3, 2])
    assert "nothing between" in histogram(key="Length", minimum=3, maximum=2)
    assert "validation" in histogram(key="Length", bins=0)
    over = refused(400, admin.get_localization_timeline, project, localization_timeline_query={"over": "Species"})
    assert "is no time" in over["message"]


def test_an_empty_project_has_empty_aggregates(admin, project):
    kind = add_media_type(admin, project)
    add_box_type(admin, project, [kind], [{"name": "Length", "dtype": "float"}])
    assert groups(admin, project, "$type", "Length") == {}
    found = admin.get_localization_histogram(project, localization_histogram_query={"key": "Length"}).to_dict()
    assert (found["bins"], found["count"], found["minimum"]) == ([], 0, None)
    query = {"over": "$created_datetime"}
    assert admin.get_localization_timeline(project, localization_timeline_query=query) == []


def test_rights(station, admin, project, members):
    paths = [f"/rest/{noun}{what}/{project}" for noun in ("Localization", "State", "Media", "Leaf", "File")
             for what in ("Aggregate", "Histogram", "Timeline")]
    body = {"group_by": ["$type"], "key": "$id", "over": "$created_datetime"}
    for path in paths:
        assert station.http("PUT", path, members.viewer.token, json=body).status_code == 200, path
        assert station.http("PUT", path, members.stranger.token, json=body).status_code == 403, path
        assert station.http("PUT", path, json=body).status_code == 400, path
    assert station.http("PUT", f"/rest/MediaAggregate/{NOWHERE}", members.viewer.token, json=body).status_code == 404


def test_as_a_table(station, project, scene):
    path = f"/rest/LocalizationAggregate/{project}?format=csv"
    answer = station.http("PUT", path, station.admin_token, json={"group_by": ["Species", "$type"]})
    lines = answer.text.strip().split("\r\n")
    assert (answer.status_code, len(lines) > 4) == (200, True)
    assert datetime.date.today().year > 2000 and "count" in lines[0]
