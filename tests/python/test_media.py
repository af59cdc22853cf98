"""Videos and images as records: making, listing, neighbours, statistics, changing, folders, deleting."""

import csv
import io
import uuid

import pytest
import tator
from support import MD5, NOWHERE, Scene, add_media_type, add_state_type, add_video, encoded, ids, leaf, refused, unique
from test_rendition import stored

KEYS = ["name", "media_files", "last_edit_start", "last_edit_end", "attributes", "elemental_id", "primary_section", "id",
        "project", "type", "created_datetime", "created_by", "modified_datetime", "modified_by", "md5", "num_frames", "fps",
        "codec", "width", "height", "summary_level", "gid", "uid", "archive_state", "archive_status_date",
        "effective_permission", "master_section"]


@pytest.fixture
def kind(admin, project):
    return add_media_type(admin, project, attributes=[
        {"name": "Camera", "dtype": "string"}, {"name": "Depth", "dtype": "float"}, {"name": "Site", "dtype": "int", "default": 7}])


@pytest.fixture
def videos(admin, project, kind):
    """b.mp4, a.mp4, C.mp4, a.mp4: made in this order."""
    return [add_video(admin, project, kind, name=name, attributes={"Camera": name[0], "Depth": n * 10},
                      num_frames=100 * (n + 1), fps=25.0, width=1920, height=1080)
            for n, name in enumerate(("b.mp4", "a.mp4", "C.mp4", "a.mp4"))]


def test_a_new_video(admin, project, kind):
    gid, uid = str(uuid.uuid4()), str(uuid.uuid4())
    response = admin.create_media_list(project, body={
        "type": kind, "name": "dive 1.mp4", "md5": MD5, "gid": gid, "uid": uid, "attributes": {"Camera": "bow", "Nonsense": 1}})
    made = response.id
    assert response.message.startswith(f"Media object {made} created for video dive 1.mp4 on project ")
    assert response.object["id"] == made
    row = admin.get_media(made)
    assert isinstance(row, tator.models.Media)
    assert set(KEYS) <= set(row)
    assert (row.name, row.type, row.project, row.md5, row.gid, row.uid) == ("dive 1.mp4", kind, project, MD5, gid, uid)
    assert (row.media_files, row.num_frames, row.fps, row.primary_section, row.archive_state) == (None, None, None, None, "live")
    assert row.attributes == {"Camera": "bow", "Site": 7, "tator_user_sections": ""}


def test_a_new_image_has_no_files_yet(admin, project):
    images = add_media_type(admin, project, "image")
    made = admin.create_media_list(project, body=[{"type": images, "name": "a.png", "md5": ""}])
    assert made.id == [made.object[0]["id"]]
    assert admin.get_media(made.id[0])["media_files"] == {}


def test_a_video_is_not_fetched_from_its_url(admin, project, kind):
    """Only images are: a video may name where it came from."""
    images = add_media_type(admin, project, "image")
    for url in ("https://elsewhere.example/a.mp4", "http://127.0.0.1:1/a.mp4", "the third shelf"):
        made = add_video(admin, project, kind, url=url)
        assert (admin.get_media(made).media_files, admin.get_media(made).project) == (None, project)
        index = admin.get_frame_index(made)
        assert index.state == "failed" and "has no file" in index.message
        made = add_video(admin, project, kind, url="https://elsewhere.example/a.mp4", reference_only=1)
        assert admin.get_media(made).media_files is None
        refused(403, admin.create_media_list, project,
                body={"type": images, "name": "a.png", "md5": "", "url": url})


def test_many_at_once_are_images(admin, project, kind):
    images = add_media_type(admin, project, "image")
    specs = [{"type": images, "name": f"{n:03d}.png", "md5": ""} for n in range(30)]
    response = admin.create_media_list(project, body=specs)
    assert response.message == "Started import of 30 images!"
    assert [row.name for row in admin.get_media_list(project)] == [spec["name"] for spec in specs]
    assert sorted(response.id) == response.id and len(response.id) == 30
    refused(400, admin.create_media_list, project, body=[{"type": kind, "name": "a.mp4", "md5": ""}] * 2)
    refused(400, admin.create_media_list, project, body=[])
    assert admin.get_media_count(project) == 30


def test_type_minus_one_goes_by_name(admin, project, kind):
    images = add_media_type(admin, project, "image")
    made = [admin.create_media_list(project, body={"type": -1, "name": name, "md5": ""}).id for name in ("x.mp4", "x.jpg")]
    assert [admin.get_media(one).type for one in made] == [kind, images]


def test_order_is_by_name_then_id(admin, project, videos):
    b, a, capital, second_a = videos
    assert ids(admin.get_media_list(project)) == [capital, a, second_a, b]
    assert list(admin.get_media_list(project)[0])[:len(KEYS)] == KEYS


def test_neighbours(admin, project, videos):
    b, a, capital, second_a = videos
    assert [admin.get_media_next(one)["next"] for one in (capital, a, second_a, b)] == [a, second_a, b, -1]
    assert [admin.get_media_prev(one)["prev"] for one in (capital, a, second_a, b)] == [-1, capital, a, second_a]
    assert admin.get_media_next(a, attribute=["Camera::b"])["next"] == b
    assert admin.get_media_prev(b, attribute=["Camera::C"])["prev"] == capital


def test_filters(admin, project, kind, videos):
    b, a, capital, second_a = videos

    def found(**filters):
        rows = admin.get_media_list(project, **filters)
        assert admin.get_media_count(project, **filters) == len(rows)
        return ids(rows)

    assert found(name="A.MP4") == [a, second_a]
    assert found(media_id=[b, capital]) == [capital, b]
    assert found(type=kind) == [capital, a, second_a, b] and found(type=NOWHERE) == []
    assert found(dtype="image") == []
    assert found(md5=MD5, attribute_gt=["Depth::5"]) == [capital, a, second_a]
    assert found(attribute=["Site::7", "Camera::b"]) == [b]
    assert found(attribute_gte=["$num_frames::300"]) == [capital, second_a]
    assert found(elemental_id=admin.get_media(a).elemental_id) == [a]
    assert sorted(found(after=a)) == [capital, second_a]
    assert found(after_name="a.mp4") == [b]
    assert found(encoded_search=encoded(leaf("Depth", "gte", 20))) == [capital, second_a]
    assert found(archive_lifecycle="live") == [capital, a, second_a, b] and found(archive_lifecycle="archived") == []
    assert ids(admin.get_media_list(project, start=1, stop=3)) == [a, second_a]
    assert ids(admin.get_media_list(project, sort_by=["-Depth"])) == [second_a, capital, a, b]
    assert ids(admin.get_media_list(project, sort_by=["-$id"])) == videos[::-1]


def test_body_queries(admin, project, videos):
    scene = Scene(admin, project, videos=1)
    inside, = scene.add({})
    rows = admin.get_media_list_by_id(project, media_id_query={"localization_ids": [inside]})
    assert ids(rows) == [scene.video]
    rows = admin.get_media_list_by_id(project, media_id_query={"ids": videos[:1]}, media_id=videos[1:2])
    assert ids(rows) == [videos[1], videos[0]]  # united
    assert admin.get_media_count_by_id(project, media_id_query={"ids": videos[:3]}) == 3


def test_statistics(admin, project, videos):
    stats = admin.get_media_stats(project)
    assert (stats["count"], stats["duration"]) == (4, (100 + 200 + 300 + 400) / 25)
    assert (stats["total_size"], stats["download_size"]) == (0, 0)
    assert admin.get_media_stats(project, attribute=["Camera::a"])["count"] == 2


def test_patch(admin, videos):
    one = videos[0]
    response = admin.update_media(one, media_update={"name": "new.mp4", "attributes": {"Depth": 1.5}, "num_frames": 5, "fps": 12.5})
    assert isinstance(response, tator.models.MessageResponse)
    row = admin.get_media(one)
    assert (row.name, row.num_frames, row.fps) == ("new.mp4", 5, 12.5)
    assert row.attributes == {"Camera": "b", "Depth": 1.5, "Site": 7, "tator_user_sections": ""}
    admin.update_media(one, media_update={})
    refused(400, admin.update_media, one, media_update={"attributes": {"Nonsense": 1}})
    refused(400, admin.update_media, one, media_update={"attributes": {"Depth": "deep"}})
    admin.update_media(one, media_update={"reset_attributes": ["Site"], "null_attributes": ["Depth"]})
    assert admin.get_media(one).attributes["Depth"] is None
    assert admin.get_media(one).modified_datetime > row.created_datetime


def test_bulk_patch(admin, project, videos):
    response = admin.update_media_list(project, attribute=["Camera::a"], media_bulk_update={"attributes": {"Depth": 99}})
    assert response.message == "Successfully patched 2 medias!"
    assert sorted(ids(admin.get_media_list(project, attribute=["Depth::99"]))) == sorted([videos[1], videos[3]])
    refused(400, admin.update_media_list, project, media_bulk_update={})
    body = refused(400, admin.update_media_list, project, count=3, media_bulk_update={"attributes": {"Depth": 0}})
    assert body["message"] == "Safety check failed - expected 3 but would update 4"
    assert admin.get_media_count(project, attribute=["Depth::99"]) == 2
    add_video(admin, project, add_media_type(admin, project, attributes=[{"name": "Depth", "dtype": "float"}]))
    body = refused(400, admin.update_media_list, project, media_bulk_update={"attributes": {"Depth": 1}})
    assert body["message"] == "When doing a bulk patch the type id of all objects must be the same."


def test_bulk_patch_of_one_thing_alone(admin, project, videos, members):
    b, a, capital, second_a = videos
    admin.update_media_list(project, media_id=[a], media_bulk_update={"null_attributes": ["Depth"]})
    assert [admin.get_media(one).attributes["Depth"] for one in (a, capital)] == [None, 20]
    admin.update_media_list(project, media_id=[capital], media_bulk_update={"attributes": {"Site": 1}})
    admin.update_media_list(project, media_bulk_update={"reset_attributes": ["Site"]})
    assert {row.attributes["Site"] for row in admin.get_media_list(project)} == {7}
    eid = members.editor.api.whoami().elemental_id
    admin.update_media_list(project, media_id=[b, second_a], media_bulk_update={"user_elemental_id": eid})
    assert ids(row for row in admin.get_media_list(project) if row.created_by == members.editor.id) == [second_a, b]
    refused(403, members.editor.api.update_media_list, project, media_bulk_update={"user_elemental_id": eid})


def test_folder_and_attribute_follow_each_other(admin, project, videos):
    tag = str(uuid.uuid4())
    folder = admin.create_section(project, section_spec={"name": "Folder", "tator_user_sections": tag}).id
    one = videos[0]

    def state():
        row = admin.get_media(one)
        return row.primary_section, row.attributes["tator_user_sections"]

    assert state() == (None, "")
    admin.update_media(one, media_update={"primary_section": folder})
    assert state() == (folder, tag)
    admin.update_media(one, media_update={"primary_section": -1})
    assert state() == (None, "")
    admin.update_media(one, media_update={"attributes": {"tator_user_sections": tag}})
    assert state() == (folder, tag)
    admin.update_media(one, media_update={"attributes": {"tator_user_sections": ""}})
    assert state() == (None, "")
    stray = str(uuid.uuid4())
    admin.update_media(one, media_update={"attributes": {"tator_user_sections": stray}})
    assert state() == (None, stray)
    admin.update_media_list(project, media_id=[one], media_bulk_update={"primary_section": folder})
    assert state() == (folder, tag)
    admin.update_media_list(project, media_id=[one], media_bulk_update={"attributes": {"tator_user_sections": ""}})
    assert state() == (None, "")


def test_a_folder_that_nobody_knows_is_refused(admin, project, organization, videos):
    other = admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id
    foreign = admin.create_section(other, section_spec={"name": "Folder"}).id
    for section in (foreign, NOWHERE):
        refused(404, admin.update_media, videos[0], media_update={"primary_section": section})
        refused(404, admin.update_media_list, project, media_bulk_update={"primary_section": section})
    assert [row.primary_section for row in admin.get_media_list(project)] == [None] * 4


def test_a_master_section_is_the_folder_unless_another_is_named(admin, project, kind, videos):
    first, second = (admin.create_section(project, section_spec={"name": name}).id for name in ("One", "Two"))
    one = videos[0]

    def state():
        row = admin.get_media(one)
        listed, = admin.get_media_list(project, media_id=[one], fields="master_section")
        assert listed["master_section"] == row.master_section
        return row.primary_section, row.master_section

    def patch(**change):
        admin.update_media(one, media_update=change)
        return state()

    assert state() == (None, None)
    assert patch(primary_section=first) == (first, first)
    assert patch(master_section=second) == (first, second)
    assert patch(primary_section=-1) == (None, second)
    assert patch(primary_section=first, master_section=-1) == (first, first)
    refused(404, admin.update_media, one, media_update={"master_section": NOWHERE})
    assert admin.get_media(add_video(admin, project, kind, section_id=first)).master_section == first
    assert admin.get_media(add_video(admin, project, kind, section_id=first, master_section=second)).master_section == second
    patch(master_section=second)
    admin.update_section(first, section_update={"master_section": second})
    assert admin.get_section(first).master_section == second
    third = admin.create_section(project, section_spec={"name": "Three", "master_section": second}).id
    assert [row.master_section for row in admin.get_section_list(project)] == [second, second, None]
    admin.delete_section(second)
    assert state() == (first, first)
    assert admin.get_section(third).master_section is None


def test_folders_named_at_creation(admin, project, kind):
    first = add_video(admin, project, kind, section="Leg 1")
    second = add_video(admin, project, kind, section="LEG 1")
    folder = admin.get_media(first).primary_section
    assert admin.get_media(second).primary_section == folder
    row = admin.get_section(folder)
    assert (row.name, row.dtype, row.path, row.created_by) == ("Leg 1", "folder", None, None)
    assert admin.get_media(first).attributes["tator_user_sections"] == row.tator_user_sections
    assert uuid.UUID(row.tator_user_sections)
    third = add_video(admin, project, kind, section_id=folder)
    assert sorted(ids(admin.get_media_list(project, section=folder))) == [first, second, third]
    body = refused(400, admin.create_media_list, project, body={
        "type": kind, "name": "x.mp4", "md5": "", "section_id": NOWHERE})
    assert f"Folder with ID {NOWHERE} does not exist" in body["message"] + body["details"]


def test_archive_states(admin, videos):
    one = videos[0]

    def ask(wanted):
        admin.update_media(one, media_update={"archive_state": wanted})
        return admin.get_media(one).archive_state

    assert ask("to_live") == "live"
    # There is one storage tier: what is asked for is done at once.
    assert ask("to_archive") == "archived" and ask("to_archive") == "archived"
    assert admin.get_media(one).archive_status_date is not None
    assert ask("to_live") == "live"
    refused(400, admin.update_media, one, media_update={"archive_state": "archived"})


def test_delete(admin, project, videos):
    admin.delete_media(videos[0])
    refused(404, admin.get_media, videos[0])
    assert videos[0] not in ids(admin.get_media_list(project))
    body = refused(400, admin.delete_media_list, project, count=1)
    assert body["message"] == "Safety check failed - expected 1 but would delete 3"
    assert admin.delete_media_list(project, name="A.mp4").message == "Successfully deleted 2 medias!"
    assert ids(admin.get_media_list(project)) == [videos[2]]


def test_fields(admin, project, videos):
    rows = admin.get_media_list(project, fields="id,attributes.Camera", name="b.mp4")
    assert rows == [{"id": videos[0], "attributes": {"Camera": "b"}}]


def test_formats(admin, station, project, videos):
    lines = list(admin.get_media_list(project, format="jsonl"))
    assert [line["id"] for line in lines] == ids(admin.get_media_list(project))
    text = station.http("GET", f"/rest/Medias/{project}?format=csv", station.admin_token).text
    assert text.splitlines()[0].count("Camera") == 1 and len(text.splitlines()) == 5


def test_multi(admin, project, videos):
    multi_type = add_media_type(admin, project, "multi")
    made = admin.create_media_list(project, body={"type": multi_type, "name": "quad", "md5": ""}).id
    admin.update_media(made, media_update={"multi": {"ids": videos[:2], "layout": [1, 2], "quality": 720}})
    assert {key: admin.get_media(made)["media_files"][key] for key in ("ids", "layout", "quality")} == {
        "ids": videos[:2], "layout": [1, 2], "quality": 720}
    refused(400, admin.update_media, made, media_update={"multi": {"ids": [NOWHERE], "layout": [1, 1]}})


def test_composite_rules(admin, project, kind, videos, organization):
    """A media has files of its own, or consists of others, or of streams: one of these."""
    def patch(media, **change):
        admin.update_media(media, media_update=change)
        return admin.get_media(media).media_files

    def own(media):
        return {"path": f"{organization}/{project}/{media}/a.mp4", "codec": "h264", "resolution": [1, 1]}

    multi = {"ids": videos[:2], "layout": [1, 2], "quality": 0, "frameOffset": []}
    concat = [{"id": videos[0], "timestampOffset": 0.0}, {"id": videos[1], "timestampOffset": 1.5}]
    feed = {"url": "https://h.example/live", "feeds": [{"name": "hd", "resolution": [1080, 1920]}]}
    live = {"streams": [feed], "layout": [1, 1]}
    compositions = {"multi": multi, "concat": concat, "live": live}
    made = {name: add_video(admin, project, kind, name=name) for name in compositions}

    files = patch(made["multi"], multi=multi)
    assert (files.ids, files.layout, files.quality, files.frameOffset) == (videos[:2], [1, 2], None, None)
    files = patch(made["multi"], multi={"ids": videos[1:3], "quality": 360, "frameOffset": [0, 5]})
    assert (files.ids, files.layout, files.quality, files.frameOffset) == (videos[1:3], [1, 2], 360, [0, 5])
    files = patch(made["concat"], concat=concat)
    assert [(part.id, part.timestampOffset) for part in files.concat] == [(videos[0], 0.0), (videos[1], 1.5)]
    files = patch(made["live"], live=live)
    assert (files.live[0].url, files.live[0].feeds[0].resolution, files.layout) == (feed["url"], [1080, 1920], [1, 1])
    for name, media in made.items():
        for other in set(compositions) - {name}:
            refused(400, admin.update_media, media, media_update={other: compositions[other]})
        refused(400, admin.create_video_file, media, role="archival", video_definition=own(media))
        picture = {"path": own(media)["path"], "resolution": [1, 1]}
        admin.create_image_file(media, role="thumbnail", image_definition=picture)  # every media may have one
        assert admin.get_media(media).media_files.thumbnail[0].path == picture["path"]

    plain = add_video(admin, project, kind)
    admin.create_video_file(plain, role="archival", video_definition=own(plain))
    for name in compositions:
        refused(400, admin.update_media, plain, media_update={name: compositions[name]})
    admin.delete_video_file(plain, role="archival", index=0)
    assert patch(plain, concat=concat).concat
    fresh = add_video(admin, project, kind)
    refused(400, admin.update_media, fresh, media_update={"concat": [{"id": NOWHERE, "timestampOffset": 0}]})
    refused(400, admin.update_media, fresh, media_update={"concat": [{"id": fresh, "timestampOffset": 0}]})
    refused(400, admin.update_media, fresh, media_update={"multi": multi, "concat": concat})
    refused(400, admin.update_media, fresh, media_update={"live": {"streams": [{"url": "x"}], "layout": [1, 1]}})
    assert admin.get_media(fresh).media_files is None


def test_archive_of_a_multi(admin, project, videos):
    made = admin.create_media_list(project, body={"type": add_media_type(admin, project, "multi"), "name": "two", "md5": ""}).id
    admin.update_media(made, media_update={"multi": {"ids": videos[:2]}})

    def states():
        return [admin.get_media(one).archive_state for one in (made, *videos)]

    untouched = admin.get_media(videos[2])
    assert admin.get_media(made).archive_status_date is None
    admin.update_media(made, media_update={"archive_state": "to_archive"})
    assert states()[:4] == ["archived"] * 3 + ["live"]
    assert admin.get_media(videos[0]).archive_status_date is not None
    assert admin.get_media(videos[2]) == untouched
    stamp = admin.get_media(made).archive_status_date
    admin.update_media(made, media_update={"archive_state": "to_archive"})  # nothing changes, nor does the date
    assert admin.get_media(made).archive_status_date == stamp
    assert set(ids(admin.get_media_list(project, archive_lifecycle="archived"))) == {made, *videos[:2]}
    admin.update_media_list(project, media_bulk_update={"archive_state": "to_live"}, name="two")
    assert set(states()) == {"live"}


def test_author_override(admin, project, kind, members):
    eid = members.editor.api.whoami().elemental_id
    made = add_video(admin, project, kind, user_elemental_id=eid)
    assert admin.get_media(made).created_by == members.editor.id


def test_similar_types_and_names_stay_apart(admin, project, videos, organization):
    other = admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id
    refused(400, admin.create_media_list, other, body={"type": admin.get_media(videos[0]).type, "name": "x.mp4", "md5": ""})
    assert admin.get_media_list(other) == []


def test_what_a_creation_says(admin, project, kind):
    images = add_media_type(admin, project, "image")
    for made, dtype, name in ((admin.create_media_list(project, body={"type": kind, "name": "a.mp4", "md5": MD5}), "video", "a.mp4"),
                              (admin.create_media_list(project, body=[{"type": kind, "name": "b.mp4", "md5": MD5}]), "video", "b.mp4"),
                              (admin.create_media_list(project, body={"type": images, "name": "c.png", "md5": ""}), "image", "c.png")):
        media = made.id if isinstance(made.id, int) else made.id[0]
        assert made.message == f"Media object {media} created for {dtype} {name} on project {project}"
        row = made.object if isinstance(made.object, dict) else made.object[0]
        assert (row["id"], row["name"]) == (media, name)


def test_only_folders_are_filled(admin, project, kind):
    """A playlist or a saved search is no place for a new media."""
    playlist = admin.create_section(project, section_spec={"name": "P", "explicit_listing": True, "media": []}).id
    search = admin.create_section(project, section_spec={"name": "S", "object_search": leaf("Camera", "eq", "bow")}).id
    for section in (playlist, search):
        body = refused(400, admin.create_media_list, project, body={"type": kind, "name": "x.mp4", "md5": "", "section_id": section})
        assert f"Folder with ID {section} does not exist" in body["message"] + body["details"]
    # A folder of this name is another one than the playlist.
    made = admin.get_media(add_video(admin, project, kind, section="P"))
    assert made.primary_section not in (playlist, None)


def test_media_of_tracks_and_boxes(admin, project):
    scene = Scene(admin, project, videos=3)
    kind = add_state_type(admin, project, [scene.video_type], "Media")
    state, = admin.create_state_list(project, body={"type": kind, "media_ids": scene.videos[:2]}).id
    box, = scene.add({"media_id": scene.videos[2]})

    def found(query, **filters):
        rows = ids(admin.get_media_list_by_id(project, media_id_query=query, **filters))
        assert admin.get_media_count_by_id(project, media_id_query=query, **filters) == len(rows)
        return rows

    assert found({"state_ids": [state]}) == scene.videos[:2]
    assert found({"state_ids": [state]}, name="clip 01.mp4") == scene.videos[1:2]
    assert found({"localization_ids": [box]}) == scene.videos[2:]
    assert found({"ids": []}) == scene.videos and found({}) == scene.videos
    assert found({"object_search": leaf("$name", "iendswith", "2.mp4")}) == scene.videos[2:]
    admin.update_media_list(project, media_bulk_update={"state_ids": [state], "attributes": {"Camera": "bow"}})
    assert ids(admin.get_media_list(project, attribute=["Camera::bow"])) == scene.videos[:2]
    admin.delete_media_list(project, media_id_query={"state_ids": [state]})
    assert ids(admin.get_media_list(project)) == scene.videos[2:]


def test_links_in_a_few_fields(admin, station, project, kind, organization, tmp_path):
    one = add_video(admin, project, kind)
    key = stored(admin, one, tmp_path)
    admin.create_auxiliary_file(one, auxiliary_file_definition={"path": key})
    row, = admin.get_media_list(project, fields="id,media_files", presigned=3600)
    assert set(row) == {"id", "media_files"}
    url = row["media_files"]["attachment"][0]["path"]
    assert url.startswith("http") and "X-Amz-Expires=3600" in url and url.split("?")[0].endswith(key)


def test_empty_folders_hold_nothing(admin, project, kind, videos):
    folders = [admin.create_section(project, section_spec={"name": name}).id for name in "AB"]
    assert admin.get_media_list(project, multi_section=folders) == []
    assert admin.get_media_count(project, multi_section=folders) == 0
    admin.update_media(videos[0], media_update={"primary_section": folders[1]})
    assert ids(admin.get_media_list(project, multi_section=folders)) == videos[:1]
    refused(404, admin.get_media_list, project, multi_section=[folders[0], NOWHERE])


def test_statistics_of_files(admin, project, kind, tmp_path):
    one = add_video(admin, project, kind)
    key = stored(admin, one, tmp_path, size=1234)
    admin.create_video_file(one, role="archival", video_definition={"path": key, "codec": "h264", "resolution": [1, 1]})
    stats = admin.get_media_stats(project)
    assert {key: stats[key] for key in ("count", "total_size", "download_size", "duration")} == {
        "count": 1, "total_size": 1234, "download_size": 1234, "duration": 0}
    # What is downloaded is the original, or the streaming copies where there is none; a thumbnail never.
    two = add_video(admin, project, kind)
    for size, role in ((500, "streaming"), (70, "streaming")):
        key = stored(admin, two, tmp_path, size=size)
        admin.create_video_file(two, role=role, video_definition={"path": key, "codec": "h264", "resolution": [1, 1], "segment_info": key})
    admin.create_image_file(two, role="thumbnail", image_definition={"path": stored(admin, two, tmp_path, size=9), "resolution": [1, 1]})
    stats = admin.get_media_stats(project)
    assert (stats["total_size"], stats["download_size"]) == (1234 + 579, 1234 + 570)
    assert admin.get_media_stats(project, name="nothing")["total_size"] == 0


def test_a_table_of_media(admin, station, project, members, kind):
    made = members.transferrer.api.create_media_list(project, body={
        "type": kind, "name": "a,b.mp4", "md5": MD5, "attributes": {"Camera": "bow"}}).id
    text = station.http("GET", f"/rest/Medias/{project}?format=csv", station.admin_token).text
    row, = csv.DictReader(io.StringIO(text))
    who = members.transferrer.api.whoami()
    assert (row["id"], row["name"], row["Camera"], row["Site"], row["Depth"]) == (str(made), "a,b.mp4", "bow", "7", "")
    assert row["created_by"] == (who.email or who.username) and "attributes" not in row
    assert set(KEYS) - {"attributes"} <= set(row)


def test_a_media_holds_its_numbers(admin, project, kind):
    one = add_video(admin, project, kind, summary_level=3, codec="h264", num_frames=None, fps=None)
    stamp = "2026-01-02T03:04:05.678Z"
    admin.update_media(one, media_update={"last_edit_start": stamp, "last_edit_end": stamp, "summary_level": 4, "codec": "av1",
                                          "width": 10, "height": 20})
    row = admin.get_media(one)
    assert (row.last_edit_start, row.last_edit_end, row.summary_level, row.codec) == (stamp, stamp, 4, "av1")
    assert (row.width, row.height, row.num_frames, row.fps) == (10, 20, None, None)
    for wrong in ({"num_frames": -1}, {"num_frames": "many"}, {"fps": "fast"}, {"width": 1.5}, {"last_edit_start": "yesterday"},
                  {"elemental_id": "no uuid"}, {"attributes": []}, {"archive_state": "live"}):
        refused(400, admin.update_media, one, media_update=wrong)
    assert admin.get_media(one) == row


def test_one_media_is_one_kind(admin, project, kind, organization):
    """-1 needs a type that fits, and a name tells of what kind it is."""
    refused(400, admin.create_media_list, project, body={"type": -1, "name": "x.jpg", "md5": ""})
    refused(400, admin.create_media_list, project, body={"type": -2, "name": "x.mp4", "md5": ""})
    refused(400, admin.create_media_list, project, body={"type": NOWHERE, "name": "x.mp4", "md5": ""})
    for missing in ("type", "name", "md5"):
        spec = {"type": kind, "name": "x.mp4", "md5": MD5}
        del spec[missing]
        assert refused(400, admin.create_media_list, project, body=spec)["message"] == "Request body validation error"
    assert admin.get_media_count(project) == 0


def test_a_group_of_uploads(admin, project, kind):
    made = [add_video(admin, project, kind, gid="g1", uid=f"u{n}") for n in range(3)]
    other = add_video(admin, project, kind, gid="g2", uid="u0")
    assert set(ids(admin.get_media_list(project, gid="g1"))) == set(made)
    assert ids(admin.get_media_list(project, gid="g1", uid="u2")) == made[2:]
    assert set(ids(admin.get_media_list(project, uid="u0"))) == {made[0], other}
    assert admin.get_media_list(project, gid="G1") == []
