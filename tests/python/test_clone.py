"""Clones of media: rows of their own that share stored objects."""

import barcode
import pytest
import requests
import tator
from station import wait_for
from support import MD5, NOWHERE, add_media_type, add_video, ids, refused, unique
from test_rendition import exists, stored, upload

CAMERA = [{"name": "Camera", "dtype": "string"}]


@pytest.fixture
def kind(admin, project):
    return add_media_type(admin, project, attributes=CAMERA)


@pytest.fixture
def other(admin, organization):
    return admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id


@pytest.fixture
def other_kind(admin, other):
    return add_media_type(admin, other, attributes=CAMERA)


def clone(api, project, dest, kind=-1, **more):
    filters = more.pop("filters", {})
    return api.clone_media_list(project, clone_media_spec={"dest_project": dest, "dest_type": kind, **more}, **filters)


def ready(api, media):
    return wait_for("the frames", lambda: (row := api.get_media(media)).num_frames and row)


def test_rows(admin, project, kind, other, other_kind):
    made = [add_video(admin, project, kind, name=name, attributes={"Camera": name}, section="Leg", fps=25.0, num_frames=9,
                      width=4, height=3, summary_level=2, gid="g", uid="u") for name in ("b", "a", "c")]
    response = clone(admin, project, other, other_kind, dest_section="Copies", filters={"media_id": made[:2]})
    assert response.message == "Successfully cloned 2 medias!"
    new = [admin.get_media(one) for one in response.id]
    assert [row.name for row in new] == ["a", "b"]  # in the order of the list
    old = admin.get_media(made[1])
    section, = admin.get_section_list(other)
    assert section.name == "Copies"
    one = new[0]
    assert (one.project, one.type, one.primary_section) == (other, other_kind, section.id)
    assert one.attributes == {"Camera": "a", "tator_user_sections": section.tator_user_sections}
    for key in ("md5", "fps", "num_frames", "width", "height", "codec", "summary_level", "archive_state", "media_files"):
        assert getattr(one, key) == getattr(old, key), key
    assert (one.gid, one.uid, one.created_by) == (None, None, admin.whoami().id)
    assert one.elemental_id != old.elemental_id
    again = clone(admin, project, other, other_kind, dest_section="COPIES", filters={"name": "c"})
    assert admin.get_media(again.id[0]).primary_section == section.id
    assert len(ids(admin.get_media_list(other, attribute=["Camera::c"]))) == 1
    log = admin.get_change_log_list(other, entity_type="media", entity_id=one.id)
    assert len(log) == 1
    assert clone(admin, project, other, filters={"name": "nothing"}).id == []


def test_destination(admin, project, kind, other, other_kind, members):
    made = add_video(admin, project, kind, attributes={"Camera": "x"})
    image_kind = add_media_type(admin, other, "image")
    same = clone(admin, project, project).id[0]
    assert (admin.get_media(same).type, admin.get_media(same).primary_section) == (kind, None)
    assert admin.get_media(same).attributes["tator_user_sections"] == ""
    only = {"filters": {"media_id": [made]}}
    assert admin.get_media(clone(admin, project, other, **only).id[0]).type == other_kind
    refused(400, clone, admin, project, other, kind, **only)  # of the source project
    assert admin.get_media(clone(admin, project, other, image_kind, **only).id[0]).type == other_kind  # the first that fits
    refused(400, clone, admin, project, other, NOWHERE, **only)
    refused(404, clone, admin, project, NOWHERE, **only)
    refused(400, clone, admin, project, other, dest_section_id=NOWHERE, **only)
    folder = admin.create_section(other, section_spec={"name": "F"}).id
    assert admin.get_media(clone(admin, project, other, dest_section_id=folder, **only).id[0]).primary_section == folder
    empty = admin.create_project(project_spec={"name": unique("Empty"), "organization": admin.get_project(project).organization}).id
    refused(400, clone, admin, project, empty, **only)
    strict = add_media_type(admin, other, attributes=[{"name": "Camera", "dtype": "int"}])
    refused(400, clone, admin, project, other, strict, **only)


def test_levels(admin, project, kind, other, other_kind, members):
    add_video(admin, project, kind)
    api = members.transferrer.api
    refused(403, clone, api, project, other)  # no member there
    admin.create_membership(other, membership_spec={"user": members.transferrer.id, "permission": "Can Edit"})
    refused(403, clone, api, project, other)
    assert admin.get_media_count(other) == 0
    assert len(clone(api, project, project).id) == 1
    admin.create_membership(other, membership_spec={"user": members.editor.id, "permission": "Full Control"})
    refused(403, clone, members.editor.api, project, other)


def test_limit(admin, project, organization):
    kind = add_media_type(admin, project, "image")
    for start in (0, 300):
        admin.create_media_list(project, body=[
            {"type": kind, "name": f"{start + n:04d}.png", "md5": MD5, "url": "https://h.example/x.png", "reference_only": 1}
            for n in range(300)])
    body = refused(400, clone, admin, project, project)
    assert "500" in body["message"] and "600" in body["message"]
    assert admin.get_media_count(project) == 600
    response = clone(admin, project, project, filters={"start": 0, "stop": 500})
    assert len(set(response.id)) == 500 and admin.get_media_count(project) == 1100


def test_shared_objects(admin, project, kind, other, other_kind, members, tmp_path):
    made = add_video(admin, project, kind)
    key = stored(admin, made, tmp_path)
    spare = stored(admin, made, tmp_path)
    admin.create_auxiliary_file(made, auxiliary_file_definition={"path": key})
    copy = clone(admin, project, other).id[0]
    second = clone(admin, other, other, filters={"media_id": [copy]}).id[0]
    assert admin.get_auxiliary_file(copy, index=0).path == key  # the key stays the original's
    response = admin.get_cloned_media(made)
    assert response.ids == [copy, second]
    assert response.message == f"Found 2 medias that share files with media {made}."
    assert admin.get_cloned_media(second).ids == [made, copy]
    assert admin.get_cloned_media(add_video(admin, project, kind)).ids == []
    refused(403, members.stranger.api.get_cloned_media, made)
    refused(404, admin.get_cloned_media, NOWHERE)
    # Members of the other project alone read it, but nothing else of the original.
    admin.create_membership(other, membership_spec={"user": members.stranger.id, "permission": "Can Transfer"})
    reader = members.stranger.api
    url = reader.get_media(copy, presigned=3600).media_files.attachment[0].path
    assert len(requests.get(url, timeout=60).content) == 1000
    assert exists(reader, other, key)
    refused(403, reader.get_download_info, other, download_info_spec={"keys": [spare]})
    refused(403, reader.get_download_info, project, download_info_spec={"keys": [key]})
    refused(403, reader.create_audio_file, copy, audio_definition={"path": spare, "codec": "aac"})
    refused(403, reader.create_audio_file, add_video(admin, other, other_kind), audio_definition={"path": key, "codec": "aac"})
    reader.create_audio_file(copy, audio_definition={"path": key, "codec": "aac"})  # a key of the family
    reader.delete_audio_file(copy, index=0)
    # The bytes stay until the last of the family lets go.
    admin.delete_auxiliary_file(made, index=0)
    assert exists(admin, other, key)
    admin.delete_auxiliary_file(copy, index=0)
    assert exists(admin, other, key)
    admin.delete_media(made)
    assert admin.get_cloned_media(copy).ids == [second]
    admin.delete_auxiliary_file(second, index=0)
    url = admin.get_download_info(project, download_info_spec={"keys": [key]})[0].url
    assert requests.get(url, timeout=60).status_code == 404


def test_frames_outlive_the_original(admin, project, kind, other, other_kind, corpus):
    clip = corpus["h264_cfr30"]
    for _, response in tator.util.upload_media(admin, kind, clip["path"]):
        pass
    made, = ids(admin.get_media_list(project))
    old = ready(admin, made)
    copy = clone(admin, project, other).id[0]
    new = admin.get_media(copy)  # ready at once
    assert (new.num_frames, new.media_files.archival[0].path) == (clip["frames"], old.media_files.archival[0].path)
    assert barcode.read_file(admin.get_frame(copy, frames=[7])) == 7
    admin.delete_media(made)
    for frame in (0, 59, clip["frames"] - 1):
        assert barcode.read_file(admin.get_frame(copy, frames=[frame])) == frame
    url = admin.get_media(copy, presigned=3600).media_files.archival[0].path
    assert requests.get(url, timeout=60).status_code == 200


def test_a_new_file_of_the_original_leaves_the_clone_alone(admin, project, kind, corpus, tmp_path):
    made = add_video(admin, project, kind)
    key = upload(admin, made, corpus["h264_cfr30"]["path"], "a.mp4")
    admin.create_video_file(made, role="archival", video_definition={"path": key, "codec": "h264", "resolution": [240, 320]})
    thumbnail = wait_for("a thumbnail", lambda: admin.get_media(made).media_files.thumbnail)[0].path
    copy = clone(admin, project, project, filters={"media_id": [made]}).id[0]
    admin.delete_video_file(made, role="archival", index=0)
    second = stored(admin, made, tmp_path, "t.jpg")
    admin.create_image_file(made, role="thumbnail", image_definition={"path": second, "resolution": [1, 1]})
    assert exists(admin, project, thumbnail) and exists(admin, project, key)
    assert barcode.read_file(admin.get_frame(copy, frames=[12])) == 12


def test_a_clone_of_a_deleted_project(admin, organization, other, other_kind, tmp_path):
    project = admin.create_project(project_spec={"name": unique("Gone"), "organization": organization}).id
    made = add_video(admin, project, add_media_type(admin, project))
    key = stored(admin, made, tmp_path)
    admin.create_auxiliary_file(made, auxiliary_file_definition={"path": key})
    copy = clone(admin, project, other).id[0]
    admin.delete_project(project)
    url = admin.get_media(copy, presigned=3600).media_files.attachment[0].path
    assert len(requests.get(url, timeout=60).content) == 1000
    assert admin.get_cloned_media(copy).ids == []


def test_composites(admin, project, kind, other, other_kind):
    multi_kind = add_media_type(admin, project, "multi")
    add_media_type(admin, other, "multi")
    videos = [add_video(admin, project, kind, name=f"v{n}") for n in range(2)]
    multi = admin.create_media_list(project, body={"type": multi_kind, "name": "quad", "md5": ""}).id
    admin.update_media(multi, media_update={"multi": {"ids": videos, "layout": [1, 2]}})
    joined = add_video(admin, project, kind, name="joined")
    admin.update_media(joined, media_update={"concat": [{"id": videos[0], "timestampOffset": 0}]})
    body = refused(400, clone, admin, project, other, filters={"media_id": [multi]})
    assert str(videos[0]) in body["message"]
    new = {row.name: row for row in (admin.get_media(one) for one in clone(admin, project, other).id)}
    assert new["quad"].media_files.ids == [new["v0"].id, new["v1"].id]
    assert new["joined"].media_files.concat[0].id == new["v0"].id
    again = admin.get_media(clone(admin, project, other, filters={"media_id": [multi]}).id[0])
    assert again.media_files.ids == [new["v0"].id, new["v1"].id]  # which were cloned before
    same = clone(admin, project, project, filters={"media_id": [multi]}).id[0]
    assert admin.get_media(same).media_files.ids == videos


def test_the_clients_own_function_takes_the_first_type(admin, project, kind, other):
    first = add_media_type(admin, other, "image")
    second, _ = add_media_type(admin, other, attributes=CAMERA), add_media_type(admin, other, attributes=CAMERA)
    made = [add_video(admin, project, kind), admin.create_media_list(
        project, body={"type": add_media_type(admin, project, "image"), "name": "i.png", "md5": ""}).id]
    *_, (_, _, _, mapping) = tator.util.clone_media_list(admin, {"project": project, "media_id": made}, other)
    assert sorted(admin.get_media(new).type for new in mapping.values()) == [first, second]


def test_the_clients_own_function(admin, project, kind, other, other_kind):
    made = [add_video(admin, project, kind, name=f"{n}") for n in range(3)]
    *_, (count, total, response, mapping) = tator.util.clone_media_list(
        admin, {"project": project, "media_id": made}, other, dest_section="S")
    assert (count, total) == (3, 3)
    for old, new in mapping.items():
        assert admin.get_media(old).name == admin.get_media(new).name
