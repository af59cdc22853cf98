"""The records of a media's files, one by one, and what becomes of the objects behind them."""

import os
import pathlib
import urllib.parse

import barcode
import pytest
import requests
import tator
from renditions import make_clip
from station import wait_for
from support import NOWHERE, add_media_type, add_video, refused
from test_bucket import S3
from tator.util._upload_file import _upload_file


@pytest.fixture
def video(admin, project):
    return add_video(admin, project, add_media_type(admin, project))


@pytest.fixture
def own(admin, project, video):
    """Makes keys of the video that stand for nothing."""
    organization = admin.get_project(project).organization
    return lambda name, media=video: f"{organization}/{project}/{media}/{name}"


def upload(api, media, path, name):
    for _, info in _upload_file(api, api.get_media(media).project, str(path), media_id=media, filename=name):
        pass
    return info.key


def stored(api, media, tmp_path, name="x.bin", size=1000):
    path = tmp_path / name
    path.write_bytes(os.urandom(size))
    return upload(api, media, path, name)


def exists(api, project, key):
    link = api.get_download_info(project, download_info_spec={"keys": [key]})[0].url
    return requests.get(link, timeout=60).status_code == 200


def streaming(path, **more):
    return {"path": path, "codec": "h264", "resolution": [720, 1280], "segment_info": path + ".json", **more}


def test_video_files(admin, video, own):
    assert admin.get_video_file_list(video, role="streaming") == []
    response = admin.create_video_file(video, role="streaming", video_definition=streaming(own("a.mp4"), size=7, bit_rate=9))
    assert response.message == f"Media file in media object {video} created!"
    admin.create_video_file(video, role="streaming", video_definition=streaming(own("b.mp4")))
    admin.create_video_file(video, role="streaming", index=1, video_definition=streaming(own("c.mp4")))
    paths = [row.path for row in admin.get_video_file_list(video, role="streaming")]
    assert paths == [own("a.mp4"), own("c.mp4"), own("b.mp4")]
    one = admin.get_video_file(video, role="streaming", index=0)
    assert isinstance(one, tator.models.VideoDefinition)
    assert (one.size, one.bit_rate, one.resolution, one.segment_info) == (7, 9, [720, 1280], own("a.mp4.json"))
    response = admin.update_video_file(video, role="streaming", index=0, video_definition=streaming(own("d.mp4"), codec="av1"))
    assert response.message == f"Media file in media object {video} successfully updated!"
    one = admin.get_video_file(video, role="streaming", index=0)
    assert (one.path, one.codec, one.bit_rate) == (own("d.mp4"), "av1", None)  # another record, not a mixture
    response = admin.delete_video_file(video, role="streaming", index=1)
    assert response.message == f"Media file in media object {video} successfully deleted!"
    assert [row.path for row in admin.get_media(video).media_files.streaming] == [own("d.mp4"), own("b.mp4")]
    assert admin.get_video_file_list(video, role="archival") == []
    admin.create_video_file(video, role="archival", video_definition={"path": own("r.mov"), "codec": "hevc", "resolution": [9, 9]})
    assert admin.get_video_file(video, role="archival", index=0).path == own("r.mov")


def test_image_audio_and_attachment(admin, video, own):
    image = {"path": own("i.jpg"), "resolution": [256, 100], "mime": "image/jpeg"}
    for role in ("image", "thumbnail", "thumbnail_gif"):
        admin.create_image_file(video, role=role, image_definition=image)
        assert admin.get_image_file_list(video, role=role)[0].resolution == [256, 100]
        admin.update_image_file(video, role=role, index=0, image_definition={**image, "mime": "image/png"})
        assert admin.get_image_file(video, role=role, index=0).mime == "image/png"
        admin.delete_image_file(video, role=role, index=0)
        assert admin.get_image_file_list(video, role=role) == []
    audio = {"path": own("s.m4a"), "codec": "aac"}
    admin.create_audio_file(video, audio_definition=audio)
    admin.update_audio_file(video, index=0, audio_definition={**audio, "bit_rate": 5})
    assert admin.get_audio_file(video, index=0).bit_rate == admin.get_audio_file_list(video)[0].bit_rate == 5
    admin.delete_audio_file(video, index=0)
    assert admin.get_audio_file_list(video, role="audio") == []
    note = {"path": own("n.txt"), "name": "notes.txt"}
    admin.create_auxiliary_file(video, auxiliary_file_definition=note)
    admin.update_auxiliary_file(video, index=0, auxiliary_file_definition={**note, "mime": "text/plain"})
    assert admin.get_auxiliary_file(video, role="attachment", index=0).mime == "text/plain"
    assert admin.get_auxiliary_file_list(video)[0].name == "notes.txt"
    admin.delete_auxiliary_file(video, index=0)
    assert admin.get_auxiliary_file_list(video) == []


def test_what_is_refused(admin, project, video, own, organization):
    good = streaming(own("a.mp4"))
    other = add_video(admin, project, admin.get_media(video).type)
    refused(403, admin.create_video_file, video, role="streaming", video_definition=streaming(own("a.mp4", other)))
    refused(403, admin.create_video_file, video, role="streaming", video_definition={**good, "segment_info": own("a.json", other)})
    refused(403, admin.create_video_file, video, role="archival", video_definition=streaming(f"{organization + 1}/{project}/{video}/a"))
    for path in ("a.mp4", "/etc/passwd", "https://elsewhere/a.mp4"):
        refused(400, admin.create_video_file, video, role="archival", video_definition=streaming(path))
    body = refused(400, admin.create_video_file, video, role="streaming", video_definition={
        "path": own("a.mp4"), "codec": "h264", "resolution": [1, 1]})
    assert "segment_info" in body["message"]
    for missing in ("path", "codec", "resolution"):
        spec = {key: value for key, value in good.items() if key != missing}
        refused(400, admin.create_video_file, video, role="archival", video_definition=spec)
    refused(400, admin.create_video_file, video, role="streaming", video_definition={**good, "resolution": [720]})
    assert admin.get_media(video).media_files is None
    admin.create_video_file(video, role="streaming", video_definition=good)
    for call, more in [(admin.get_video_file, {}), (admin.update_video_file, {"video_definition": good}), (admin.delete_video_file, {})]:
        refused(400, call, video, role="streaming", index=1, **more)
        refused(404, call, NOWHERE, role="streaming", index=0, **more)
    refused(400, admin.create_video_file, video, role="streaming", bucket_id=NOWHERE, video_definition=good)
    refused(400, admin.create_video_file, video, role="streaming", video_definition={**good, "bucket_id": NOWHERE})
    assert len(admin.get_video_file_list(video, role="streaming")) == 1


def test_query_values(station, admin, video):
    def status(path, method="GET"):
        return station.http(method, path, station.admin_token, json={} if method != "GET" else None).status_code

    assert status(f"/rest/VideoFiles/{video}") == 400  # role is required
    assert status(f"/rest/VideoFiles/{video}?role=image") == 400
    assert status(f"/rest/ImageFiles/{video}?role=streaming") == 400
    assert status(f"/rest/VideoFile/{video}?role=streaming") == 400  # index is required
    assert status(f"/rest/VideoFile/{video}?role=streaming&index=-1") == 400
    assert status(f"/rest/AudioFiles/{video}") == status(f"/rest/AuxiliaryFiles/{video}") == 200


def test_reference(admin, video):
    spec = {"path": "https://elsewhere.example/a.mp4", "codec": "h264", "resolution": [1, 1], "reference_only": 1}
    admin.create_video_file(video, role="streaming", video_definition=spec)
    assert admin.get_media(video, presigned=3600).media_files.streaming[0].path == "https://elsewhere.example/a.mp4"
    admin.delete_video_file(video, role="streaming", index=0)


def test_bytes_of_another_host_pass_through(admin, video):
    spec = {"path": "/data/raw/a.mp4", "codec": "h264", "resolution": [1, 1], "host": "https://old.example", "http_auth": "Token x"}
    admin.create_video_file(video, role="archival", video_definition=spec)
    row = admin.get_media(video, presigned=3600).media_files.archival[0]
    assert (row.path, row.host, row.http_auth) == ("/data/raw/a.mp4", "https://old.example", "Token x")


def test_objects_go_with_their_last_record(admin, project, video, tmp_path):
    first, second, kept = (stored(admin, video, tmp_path) for _ in range(3))
    segments = stored(admin, video, tmp_path, "s.json", 50)
    admin.create_auxiliary_file(video, auxiliary_file_definition={"path": first})
    assert admin.get_auxiliary_file(video, index=0).size == 1000  # completed from the object
    admin.create_auxiliary_file(video, auxiliary_file_definition={"path": kept, "size": 3})
    assert admin.get_auxiliary_file(video, index=1).size == 3
    admin.create_audio_file(video, audio_definition={"path": kept, "codec": "aac"})
    admin.update_auxiliary_file(video, index=0, auxiliary_file_definition={"path": second})
    assert (exists(admin, project, first), exists(admin, project, second)) == (False, True)
    admin.delete_auxiliary_file(video, index=0)
    admin.delete_auxiliary_file(video, index=0)
    assert (exists(admin, project, second), exists(admin, project, kept)) == (False, True)  # the audio names it still
    admin.create_video_file(video, role="streaming", video_definition={
        "path": kept, "codec": "h264", "resolution": [1, 1], "segment_info": segments})
    admin.update_media(video, media_update={"media_files": {"audio": [{"path": kept, "codec": "aac"}]}})
    assert (exists(admin, project, segments), exists(admin, project, kept)) == (False, True)
    admin.delete_audio_file(video, index=0)
    assert not exists(admin, project, kept)


def test_a_bucket_in_the_body(admin, video, own, organization):
    bucket = admin.create_bucket(organization, bucket_spec={"name": "b", "store_type": "MINIO", "config": S3}).id
    admin.create_video_file(video, role="streaming", video_definition=streaming(own("a.mp4"), bucket_id=bucket))
    assert "bucket_id" not in admin.get_video_file(video, role="streaming", index=0)


def test_sizes_are_completed_by_patch(admin, video, own, tmp_path):
    key, segments = stored(admin, video, tmp_path), stored(admin, video, tmp_path, "s.json", 50)
    record = {"path": key, "codec": "h264", "resolution": [1, 1], "segment_info": segments}
    files = {"streaming": [record], "audio": [{"path": key, "codec": "aac", "size": 7}],
             "attachment": [{"path": own("nothing.bin"), "name": "n"}]}
    admin.update_media(video, media_update={"media_files": files})
    files = admin.get_media(video).media_files
    assert (files.streaming[0].size, files.audio[0].size, files.attachment[0].size) == (1000, 7, None)


def test_a_recorded_object_is_not_overwritten(admin, project, video, tmp_path):
    info = admin.get_upload_info(project, media_id=video, filename="a.bin")

    def put(content):
        return requests.put(info.urls[0], data=content, timeout=60).status_code

    assert (put(b"first"), put(b"second"), put(b"second")) == (200, 200, 200)
    admin.create_auxiliary_file(video, auxiliary_file_definition={"path": info.key})
    assert put(b"second") == 200  # who missed the answer sends it again
    answer = requests.put(info.urls[0], data=b"third", timeout=60)
    assert answer.status_code == 403 and "is recorded" in answer.text
    link = admin.get_download_info(project, download_info_spec={"keys": [info.key]})[0].url
    assert requests.get(link, timeout=60).content == b"second"
    admin.delete_auxiliary_file(video, index=0)
    assert put(b"third") == 200


def test_a_recorded_video_can_be_looked_at(admin, project, video, corpus):
    clip = corpus["h264_cfr30"]
    key = upload(admin, video, clip["path"], "clip.mp4")
    admin.update_media(video, media_update={"num_frames": 77})
    admin.create_video_file(video, role="archival", video_definition={"path": key, "codec": "h264", "resolution": [240, 320]})
    media = wait_for("the frames", lambda: (row := admin.get_media(video)).media_files.thumbnail and row)
    assert barcode.read_file(admin.get_frame(video, frames=[59])) == 59
    assert (media.num_frames, media.width, media.height) == (77, 320, 240)  # what was said stays, the rest is filled in
    assert [row.path for row in media.media_files.archival] == [key] and media.media_files.streaming is None
    made = media.media_files.thumbnail[0].path
    own = upload(admin, video, pathlib.Path(corpus["image_jpg"]["path"]), "t.jpg")
    admin.create_image_file(video, role="thumbnail", image_definition={"path": own, "resolution": [1, 1]})
    assert [row.path for row in admin.get_media(video).media_files.thumbnail] == [own]  # in place of the station's own
    assert not exists(admin, project, made)
    admin.delete_video_file(video, role="archival", index=0)
    assert not exists(admin, project, key)
    with pytest.raises(tator.exceptions.ApiException):
        admin.get_frame(video, frames=[0])


def test_levels(members, video, own):
    audio = {"path": own("s.m4a"), "codec": "aac"}
    refused(403, members.editor.api.create_audio_file, video, audio_definition=audio)
    refused(403, members.stranger.api.get_audio_file_list, video)
    members.transferrer.api.create_audio_file(video, audio_definition=audio)
    assert members.viewer.api.get_audio_file(video, index=0).path == own("s.m4a")
    refused(403, members.editor.api.update_audio_file, video, index=0, audio_definition=audio)
    refused(403, members.editor.api.delete_audio_file, video, index=0)
    members.transferrer.api.delete_audio_file(video, index=0)


def test_changes_are_found_by_the_client(admin, project, video):
    admin.update_media(video, media_update={"name": "b"})
    admin.update_media(video, media_update={"name": "c"})
    admin.update_media(video, media_update={"name": "b"})
    find = tator.util.find_single_change
    rows = admin.get_change_log_list(project, entity_id=video)
    assert find(admin, project, video, "_name", new_value="b") == rows[1]
    assert find(admin, project, video, "_name", new_value="b", find_last_change=True) == rows[3]
    assert find(admin, project, video, "_name", old_value="b", new_value="c") == rows[2]
    assert find(admin, project, video, "_name", old_value="c", new_value="d") is None
    change = find(admin, project, video, "_name", old_value="b").description_of_change
    assert isinstance(change.old[0], tator.models.ChangeLogDescriptionOfChangeNew)
    admin.delete_media(video)
    assert find(admin, project, video, "_deleted", new_value=True).user == admin.whoami().id


def test_changes_are_logged(admin, project, video, own):
    admin.create_audio_file(video, audio_definition={"path": own("s.m4a"), "codec": "aac"})
    log = admin.get_change_log_list(project, entity_type="media", entity_id=video)
    names = {change.name for entry in log for change in entry.description_of_change.new}
    assert "_media_files" in names


def test_permalink(admin, station, members, project, video, tmp_path):
    def ask(query="", token=None, media=video):
        return station.http("GET", f"/rest/Permalink/{media}{query}", token or station.admin_token, allow_redirects=False)

    answer = ask()
    assert (answer.status_code, answer.json()) == (404, {"Message": "Bad Request"})
    keys = {}
    for height in (144, 480, 1080):
        keys[height] = stored(admin, video, tmp_path, f"v{height}.mp4", height)
        admin.create_video_file(video, role="streaming", video_definition={
            "path": keys[height], "codec": "h264", "resolution": [height, height], "segment_info": keys[height]})
    for query, height in [("", 480), ("?quality=100", 144), ("?quality=2000", 1080), ("?element=streaming&quality=500", 480)]:
        answer = ask(query, members.viewer.token)
        assert answer.status_code == 301, answer.text
        url = answer.headers["Location"]
        assert dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))["X-Amz-Expires"] == "86400"
        assert len(requests.get(url, timeout=60).content) == height
        assert answer.headers["Cache-Control"] == "no-store"
    # The link is good for the whole day, whatever this person got before.
    old = admin.get_media(video, presigned=7200).media_files.streaming[1].path
    assert old != ask().headers["Location"] and "X-Amz-Expires=86400" in ask().headers["Location"]
    assert ask("?element=archival").status_code == 404
    assert ask("?element=thumb").status_code == 400
    assert ask("?element=audio&quality=-1").status_code == 400
    assert ask(token=members.stranger.token).status_code == 403
    assert ask(media=NOWHERE).status_code == 404
    nobody = requests.get(f"{station.url}/rest/Permalink/{video}", allow_redirects=False, timeout=60)
    assert nobody.status_code == 400


def test_permalink_for_whoever_is_not_signed_in(new_station):
    station = new_station()
    admin = tator.get_api(station.url, station.admin_token)
    organization = admin.create_organization(organization_spec={"name": "O"}).id
    project = admin.create_project(project_spec={"name": "P", "organization": organization}).id
    image = admin.create_media_list(project, body={
        "type": add_media_type(admin, project, "image"), "name": "i.png", "md5": "", "url": "https://elsewhere.example/i.png",
        "reference_only": 1}).id
    token = station.add_user("anonymous")

    def ask():
        return requests.get(f"{station.url}/rest/Permalink/{image}", allow_redirects=False, timeout=60)

    assert ask().status_code == 403
    anonymous = tator.get_api(station.url, token).whoami().id
    admin.create_membership(project, membership_spec={"user": anonymous, "permission": "View Only"})
    answer = ask()
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://elsewhere.example/i.png")
    station.command("user", "disable", "anonymous")
    assert ask().status_code == 400


def test_a_file_of_another_length(admin, project, corpus, tmp_path):
    """What the station counted is counted again with the next file, and what somebody said stays."""
    kind = add_media_type(admin, project)
    short = make_clip(tmp_path / "short.mp4", 160, 120, frames=12)
    long = corpus["h264_cfr25"]
    own, said = (add_video(admin, project, kind) for _ in range(2))
    admin.update_media(said, media_update={"num_frames": 1000, "width": 7})
    record = {"codec": "h264", "resolution": [1, 1]}
    for media in (own, said):
        admin.create_video_file(media, role="archival", video_definition={"path": upload(admin, media, short, "a.mp4"), **record})
        wait_for("the index", lambda media=media: admin.get_media(media).fps)
    rows = [admin.get_media(media) for media in (own, said)]
    assert [(row.num_frames, row.fps, row.width, row.height) for row in rows] == [(12, 30, 160, 120), (1000, 30, 7, 120)]
    for media in (own, said):
        key = upload(admin, media, long["path"], "b.mp4")
        admin.update_video_file(media, role="archival", index=0, video_definition={"path": key, **record})
        wait_for("the index", lambda media=media: admin.get_media(media).fps == 25)
    rows = [admin.get_media(media) for media in (own, said)]
    frames = len(long["frames"]) if isinstance(long["frames"], list) else long["frames"]
    assert [(row.num_frames, row.width, row.height) for row in rows] == [(frames, 320, 240), (1000, 7, 240)]


def test_another_file_after_the_only_one_went(station, admin, project, corpus, tmp_path):
    """What the station counted and made of a file stays while there is none, and gives way to the next one's."""
    kind = add_media_type(admin, project)
    short, long = make_clip(tmp_path / "short.mp4", 160, 120, frames=12), corpus["h264_cfr25"]
    frames = len(long["frames"]) if isinstance(long["frames"], list) else long["frames"]
    record = {"codec": "h264", "resolution": [1, 1]}
    own, said = (add_video(admin, project, kind) for _ in range(2))
    admin.update_media(said, media_update={"num_frames": 1000})
    seen = lambda media: (row := admin.get_media(media)) and (row.num_frames, row.fps, row.width, row.height)
    picture = lambda media: [row.path for row in admin.get_media(media).media_files.thumbnail or []]
    for media in (own, said):
        admin.create_video_file(media, role="archival", video_definition={"path": upload(admin, media, short, "a.mp4"), **record})
        wait_for("the index", lambda media=media: picture(media))
    before = [seen(media) for media in (own, said)]
    assert before == [(12, 30, 160, 120), (1000, 30, 160, 120)]
    size = admin.get_project(project).size
    for media in (own, said):
        admin.delete_video_file(media, role="archival", index=0)
        assert station.http("GET", f"/rest/GetFrame/{media}?frames=0", station.admin_token).status_code == 404
    assert [seen(media) for media in (own, said)] == before
    assert 0 < admin.get_project(project).size < size
    for media in (own, said):
        old = picture(media)
        key = upload(admin, media, long["path"], "b.mp4")
        admin.create_video_file(media, role="archival", video_definition={"path": key, **record})
        wait_for("the index", lambda media=media: admin.get_media(media).fps == 25)
        assert len(picture(media)) == len(old) == 1
        assert admin.get_media(media).media_files.thumbnail[0].resolution == [192, 256]
    assert [seen(media) for media in (own, said)] == [(frames, 25, 320, 240), (1000, 25, 320, 240)]
