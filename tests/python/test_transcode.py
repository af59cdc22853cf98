"""Transcodes: an upload becomes a media with renditions, in the background, through crashes, or not at all."""

import hashlib
import os
import pathlib
import struct
import subprocess
import sys
import time
import uuid

import barcode
import pytest
import requests
import tator
from renditions import (STREAMING_KEYS, blobs, check_segments, downloaded, finished, link_to, make_clip, numbers, spec,
                        transcoded, work_files)
from station import wait_for
from support import add_box_type, add_boxes, add_media_type, add_video, box, refused, unique
from test_rendition import exists, upload

SLOW = [{"resolution": height, "vcodec": "h264", "crf": 23, "preset": "veryslow", "pixel_format": "yuv420p"}
        for height in (144, 240, 360, 480)]


@pytest.fixture(scope="session")
def clip720(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clips") / "dive 7.mp4", 1280, 720, frames=60, sound=True)


@pytest.fixture(scope="session")
def clip480(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clips") / "long.mp4", 640, 480, frames=600)


@pytest.fixture(scope="session")
def idle(tmp_path_factory):
    """A station that starts no transcodes: jobs stay as they are."""
    from station import Station
    station = Station(tmp_path_factory.mktemp("idle") / "data", {"TRANSECT_JOBS_TRANSCODES": "0"})
    try:
        station.start()
        station.admin_token = station.add_user("admin", "--admin")
        station.viewer_token = station.add_user("viewer")
        yield station
        assert station.stop() == 0
    finally:
        station.remove()


@pytest.fixture
def waiting(idle, corpus):
    """(api, project, kind, url) on the station where jobs wait."""
    return ground(idle, corpus["h264_cfr25"]["path"])


def ground(station, path, **more):
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": unique("Institute")}).id
    project = api.create_project(project_spec={"name": unique("Dive"), "organization": organization}).id
    kind = add_media_type(api, project, "video", **more)
    return api, project, kind, link_to(api, project, path)


def test_a_720p_clip_gets_the_renditions_that_clients_know(admin, project, clip720, tmp_path):
    kind = add_media_type(admin, project, "video", [{"name": "Camera", "dtype": "string"}])
    media, done = transcoded(admin, kind, clip720, section="Leg 2", attributes={"Camera": "bow"})
    files = media.media_files
    assert [one.resolution for one in files.streaming] == [[144, 256], [360, 640], [480, 854], [720, 1280]]
    assert [len(files.archival), len(files.audio), len(files.thumbnail), len(files.thumbnail_gif)] == [1, 1, 1, 1]
    assert (media.num_frames, media.width, media.height, media.fps) == (60, 1280, 720, 30.0)
    assert media.attributes["_tator_import_workflow"] == [done.job.uid]
    assert media.attributes["Camera"] == "bow" and admin.get_section(media.primary_section).name == "Leg 2"
    organization = admin.get_project(project).organization
    for n, one in enumerate(files.streaming):
        assert {key for key, value in one.to_dict().items() if value is not None} - {"reference_only"} == STREAMING_KEYS
        assert (one.codec, one.codec_mime[:21]) == ("h264", 'video/mp4; codecs="av'[:21])
        for key in (one.path, one.segment_info):
            assert key.split("/")[:3] == [str(organization), str(project), str(media.id)]
        stem, letters = pathlib.PurePath(one.path).stem.rsplit("_", 1)
        assert stem == str(one.resolution[0]) and len(letters) == 10 and letters.isalpha()
        video = downloaded(admin, media, one.path, tmp_path / f"{n}.mp4")
        assert video.stat().st_size == one.size
        check_segments(video, downloaded(admin, media, one.segment_info, tmp_path / f"{n}.json"), 60)
        assert numbers(video, one.resolution[1], one.resolution[0]) == list(range(60))
    assert files.audio[0].codec == "aac" and files.audio[0].path.endswith(".m4a")
    assert [files.thumbnail[0].resolution[1], files.thumbnail_gif[0].resolution[1]] == [256, 256]
    assert files.thumbnail_gif[0].mime == "image/gif"
    original = downloaded(admin, media, files.archival[0].path, tmp_path / "original.mp4")
    assert original.read_bytes() == pathlib.Path(clip720).read_bytes()


def test_a_transcode_as_clients_see_it(station, admin, project, clip720):
    kind = add_media_type(admin, project, "video")
    wanted = spec(kind, link_to(admin, project, clip720), name="dive 7.mp4", attributes={}, size=1)
    answer = admin.transcode(project, transcode_spec=wanted)
    name = admin.get_project(project).name
    assert answer.message == f"Transcode job {wanted['uid']} started for file dive 7.mp4 on project {name}"
    assert answer.id == wanted["uid"]
    assert set(answer.object) == {"spec", "job"}
    assert answer.object["spec"]["size"] == pathlib.Path(clip720).stat().st_size  # the store knows better
    row, = admin.get_media_list(project)
    assert (row.gid, row.uid) == (wanted["gid"], wanted["uid"])
    done = finished(admin, wanted["uid"])
    assert done.job.status == "succeeded"
    assert (done.job.id, done.job.uid, done.job.gid, done.job.project) == (wanted["uid"], wanted["uid"], wanted["gid"], project)
    assert done.job.user == admin.whoami().id and done.job.media_ids == [row.id]
    assert done.job.start_time <= done.job.stop_time
    one = station.http("GET", f"/rest/Transcode/{wanted['uid']}", station.admin_token).json()
    assert set(one["spec"]) == {"type", "gid", "uid", "url", "size", "section", "section_id", "name", "md5", "attributes",
                                "email_spec", "media_id"}
    job = one["job"]
    assert set(job) == {"id", "uid", "gid", "user", "project", "nodes", "status", "start_time", "stop_time", "media_ids"}
    for node, after in zip(job["nodes"], [*job["nodes"][1:], None]):
        assert set(node) == {"id", "children", "task", "status", "start_time", "stop_time", "progress", "message"}
        assert (node["status"], node["progress"], node["message"]) == ("succeeded", 100, "")
        assert node["children"] == ([after["id"]] if after else [])
    assert len(job["nodes"]) == 1 + 4 + 1 + 1  # index; streams; sound; animation (the thumbnail comes with the index)


@pytest.mark.parametrize("name", ["h264_vfr", "h264_vfr_mkv", "h264_edit_list", "h264_start_offset", "h264_open_gop", "vp8",
                                  "truncated_ts", "rotated", "mirrored", "h264_audio"])
def test_frame_n_is_frame_n_in_every_rendition(admin, project, corpus, tmp_path, name):
    clip = corpus[name]
    kind = add_media_type(admin, project, "video")
    media, _ = transcoded(admin, kind, clip["path"])
    shown = list(range(clip["first"], clip["first"] + clip["frames"]))
    if not clip.get("damaged"):
        assert media.num_frames == clip["frames"]
    assert [one.resolution for one in media.media_files.streaming] == [[144, 192], [240, 320]]
    for one in media.media_files.streaming:
        video = downloaded(admin, media, one.path, tmp_path / "video.mp4")
        check_segments(video, downloaded(admin, media, one.segment_info, tmp_path / "video.json"), media.num_frames)
        assert numbers(video, one.resolution[1], one.resolution[0])[:len(shown)] == shown
    for frame in (0, media.num_frames // 2):
        assert barcode.read_file(admin.get_frame(media.id, frames=[frame])) == clip["first"] + frame
    assert bool(media.media_files.audio) == bool(clip.get("audio"))


def test_frames_that_do_not_decode_are_said(admin, project, corpus, tmp_path):
    data, at, places = bytearray(pathlib.Path(corpus["mjpeg"]["path"]).read_bytes()), 0, []
    at = data.index(b"movi") + 4
    while data[at:at + 4] == b"00dc":
        size, = struct.unpack("<I", data[at + 4:at + 8])
        places.append((at + 8, size))
        at += 8 + size + size % 2
    assert len(places) == 120
    for broken in (60, 61):
        start, size = places[broken]
        data[start:start + size] = bytes(size)
    path = tmp_path / "broken.avi"
    path.write_bytes(data)
    media, done = transcoded(admin, add_media_type(admin, project, "video"), path)
    said = {node.task: node.message for node in done.job.nodes}
    encoded = [message for task, message in said.items() if task.startswith("encode")]
    assert encoded and set(encoded) == {"2 frames do not decode: those before them are shown in their place"}, said
    assert media.num_frames == 120
    streaming = downloaded(admin, media, media.media_files.streaming[0].path, tmp_path / "streaming.mp4")
    assert numbers(streaming, 192, 144) == [59 if n in (60, 61) else n for n in range(120)]


def test_the_clients_media_util_reads_segments(admin, project, corpus, tmp_path):
    kind = add_media_type(admin, project, "video")
    media, _ = transcoded(admin, kind, corpus["h264_vfr"]["path"])
    util = tator.util.MediaUtil(str(tmp_path))
    util.load_from_media_object(admin.get_media(media.id, presigned=3600), quality=144)
    path, info = util.get_clip([(30, 60)])
    assert [(part["frame_start"], part["num_frames"]) for part in info] == [(25, 25), (50, 25)]
    assert numbers(path, 192, 144) == list(range(25, 75))


def test_a_small_or_odd_video_keeps_its_height(admin, project, tmp_path):
    kind = add_media_type(admin, project, "video")
    media, _ = transcoded(admin, kind, make_clip(tmp_path / "small.mp4", 160, 100, frames=10))
    assert [one.resolution for one in media.media_files.streaming] == [[100, 160]]
    assert media.num_frames == 10 and not media.media_files.audio


def test_the_media_type_says_which_renditions_and_copies(admin, project, clip720, tmp_path):
    streams = [{"resolution": 360, "vcodec": "h264", "crf": 30}, {"resolution": 144, "preset": "ultrafast"}, {"resolution": 2000}]
    copies = [{"name": "small", "encode": {"vcodec": "hevc", "crf": 35, "preset": "ultrafast"}}]
    kind = add_media_type(admin, project, "video", streaming_config=streams, archive_config=copies)
    media, _ = transcoded(admin, kind, clip720)
    files = media.media_files
    assert [one.resolution[0] for one in files.streaming] == [360, 144, 720]
    copy, = files.archival
    assert (copy.codec, copy.resolution) == ("hevc", [720, 1280])
    assert numbers(downloaded(admin, media, copy.path, tmp_path / "copy.mp4"), 1280, 720) == list(range(60))
    assert barcode.read_file(admin.get_frame(media.id, frames=[17])) == 17


def test_the_original_may_be_named_as_a_copy(admin, project, corpus, tmp_path):
    copies = [{"name": "original", "encode": {"vcodec": "copy"}}]
    kind = add_media_type(admin, project, "video", archive_config=copies)
    media, _ = transcoded(admin, kind, corpus["mpeg4"]["path"])
    copy, = media.media_files.archival
    assert copy.codec_mime.startswith("video/mp4")
    original = downloaded(admin, media, copy.path, tmp_path / "copy")
    assert original.read_bytes() == pathlib.Path(corpus["mpeg4"]["path"]).read_bytes()


def test_annotation_waits_for_no_rendition(waiting, idle):
    api, project, kind, url = waiting
    wanted = spec(kind, url)
    api.transcode(project, transcode_spec=wanted)
    row, = api.get_media_list(project)
    media = wait_for("the index", lambda: (lambda row: row if row.num_frames else None)(api.get_media(row.id)))
    assert media.media_files.archival and not media.media_files.streaming
    assert barcode.read_file(api.get_frame(media.id, frames=[7])) == 7
    box_type = add_box_type(api, project, [kind])
    assert add_boxes(api, project, [box(media.id, box_type, frame=7)])
    assert api.get_transcode(wanted["uid"]).job.status == "pending"


def test_lists_by_group_media_and_body(waiting):
    api, project, kind, url = waiting
    gid = str(uuid.uuid1())
    first = spec(kind, url, gid=gid, name="a.mp4", section="One")
    second = spec(kind, url, gid=gid, name="b.mp4")
    third = spec(kind, url, name="c.mp4")
    for wanted in (first, second, third):
        api.transcode(project, transcode_spec=wanted)
    def uids(rows):
        return [row.job.uid for row in rows]
    everything = [first["uid"], second["uid"], third["uid"]]
    assert uids(api.get_transcode_list(project)) == everything
    assert uids(api.get_transcode_list(project, gid=gid)) == everything[:2]
    assert uids(api.get_transcode_list(project, name="b.mp4")) == [second["uid"]]
    assert uids(api.get_transcode_list(project, gid=gid, name="c.mp4")) == []
    media = {row.name: row.id for row in api.get_media_list(project)}
    assert uids(api.get_transcode_list(project, media_id=[media["a.mp4"], media["c.mp4"]])) == [first["uid"], third["uid"]]
    assert uids(api.get_transcode_list_by_id(project, media_id_query={"ids": [media["c.mp4"]]})) == [third["uid"]]
    assert uids(api.get_transcode_list_by_id(project, media_id_query={})) == everything
    row = api.get_transcode_list(project, gid=gid)[0]
    assert (row.spec.name, row.spec.section, row.spec.type, row.job.status) == ("a.mp4", "One", kind, "pending")
    assert row.job.stop_time is None


def test_canceled_transcodes_disappear(waiting, idle):
    api, project, kind, url = waiting
    wanted = [spec(kind, url) for _ in range(4)]
    for one in wanted:
        api.transcode(project, transcode_spec=one)
    gone = wanted[0]["uid"]
    assert api.delete_transcode(gone).message == "Successfully canceled 1 jobs!"
    refused(404, api.get_transcode, gone)
    refused(404, api.delete_transcode, gone)
    refused(404, api.delete_transcode, str(uuid.uuid1()))
    assert len(api.get_transcode_list(project)) == 3
    assert api.delete_transcode_list(project, gid=wanted[1]["gid"]).message == "Successfully canceled 1 jobs!"
    row = next(row for row in api.get_media_list(project) if row.uid == wanted[2]["uid"])
    answer = api.delete_transcode_list(project, media_id_query={"ids": [row.id]})
    assert answer.message == "Successfully canceled 1 jobs!"
    assert [row.job.uid for row in api.get_transcode_list(project)] == [wanted[3]["uid"]]
    assert api.delete_transcode_list(project).message == "Successfully canceled 1 jobs!"
    assert api.delete_transcode_list(project).message == "Successfully canceled 0 jobs!"
    assert api.get_media_count(project) == 4  # what was uploaded stays


def test_who_may_do_what(waiting, idle):
    api, project, kind, url = waiting
    viewer = tator.get_api(idle.url, idle.viewer_token)
    wanted = spec(kind, url)
    refused(403, viewer.get_transcode_list, project)
    refused(403, viewer.transcode, project, transcode_spec=wanted)
    api.transcode(project, transcode_spec=wanted)
    refused(403, viewer.get_transcode, wanted["uid"])
    membership = api.create_membership(project, membership_spec={"user": viewer.whoami().id, "permission": "Can Edit"}).id
    assert viewer.get_transcode(wanted["uid"]).job.uid == wanted["uid"]
    assert len(viewer.get_transcode_list(project)) == len(viewer.get_transcode_list_by_id(project, media_id_query={})) == 1
    refused(403, viewer.transcode, project, transcode_spec=spec(kind, url))
    refused(403, viewer.delete_transcode, wanted["uid"])
    refused(403, viewer.delete_transcode_list, project)
    api.update_membership(membership, membership_update={"permission": "Can Transfer"})
    viewer.transcode(project, transcode_spec=spec(kind, url))
    assert viewer.delete_transcode_list(project).message == "Successfully canceled 2 jobs!"


def test_wrong_input(waiting):
    api, project, kind, url = waiting
    image = add_media_type(api, project, "image")
    refused(400, api.transcode, project, transcode_spec=spec(image, url))
    refused(400, api.transcode, project, transcode_spec=spec(kind, ""))
    refused(400, api.transcode, project, transcode_spec=spec(-1, ""))
    body = refused(403, api.transcode, project, transcode_spec=spec(kind, "http://169.254.169.254/latest/meta-data"))
    assert "not from an allowed origin" in body["message"].lower()
    refused(403, api.transcode, project, transcode_spec=spec(image, "file:///etc/passwd"))
    missing = {key: value for key, value in spec(kind, url).items() if key != "name"}
    refused(400, api.transcode, project, transcode_spec=missing)
    refused(404, api.transcode, project, transcode_spec=spec(kind, url, media_id=2_000_000_000))
    assert "UUID" in refused(400, api.transcode, project, transcode_spec=spec(kind, url, gid="dive 7"))["message"]
    refused(400, api.transcode, project, transcode_spec=spec(kind, url, section_id=2_000_000_000))
    twice = spec(kind, url)
    api.transcode(project, transcode_spec=twice)
    refused(400, api.transcode, project, transcode_spec=twice)
    assert api.get_media_count(project) == len(api.get_transcode_list(project)) == 1


def test_a_file_that_is_no_video_fails_and_says_why(admin, project, tmp_path):
    kind = add_media_type(admin, project, "video")
    path = tmp_path / "noise.mp4"
    path.write_bytes(bytes(range(256)) * 200)
    wanted = spec(kind, link_to(admin, project, path))
    admin.transcode(project, transcode_spec=wanted)
    done = finished(admin, wanted["uid"])
    assert done.job.status == "failed" and done.job.stop_time
    failed, = [node for node in done.job.nodes if node.status == "failed"]
    assert failed.task == "index the frames" and len(failed.message) > 10
    row, = admin.get_media_list(project)
    assert not row.media_files


def test_a_file_in_place_gets_renditions_when_asked(station, admin, corpus, tmp_path):
    path = tmp_path / "disk" / "h264_cfr25.mp4"
    path.parent.mkdir()
    path.write_bytes(pathlib.Path(corpus["h264_cfr25"]["path"]).read_bytes())
    before = (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
    name = unique("In place")
    media = station.lines("import", path, "--project", name)[0]["media"]
    row = admin.get_media(media)
    assert not row.media_files.streaming and admin.get_transcode_list(row.project) == []
    for _ in range(2):  # the second time nothing is missing
        wanted = spec(row.type, "", media_id=media)
        answer = admin.transcode(row.project, transcode_spec=wanted)
        assert answer.object["spec"]["section_id"] == -1 and answer.object["spec"]["media_id"] == media
        assert finished(admin, wanted["uid"]).job.status == "succeeded"
        files = admin.get_media(media).media_files
        assert [one.resolution for one in files.streaming] == [[144, 192], [240, 320]]
        assert [len(files.archival), len(files.thumbnail), len(files.thumbnail_gif)] == [1, 1, 1]
    assert before == (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
    assert len(admin.get_media(media).attributes["_tator_import_workflow"]) == 2
    bare = admin.create_media_list(row.project, body={"type": row.type, "name": "bare.mp4", "md5": ""}).id
    refused(400, admin.transcode, row.project, transcode_spec=spec(row.type, "", media_id=bare))


def recorded(api, media, role, path, segments=None):
    """Uploads a clip of 320 by 240 pixels and records it, as a client's own transcoder does; returns its key once it is indexed."""
    key = upload(api, media, path, "a.mp4")
    record = {"path": key, "codec": "h264", "resolution": [240, 320]}
    if role == "streaming":
        record["segment_info"] = upload(api, media, segments, "a.json")
    api.create_video_file(media, role=role, video_definition=record)
    wait_for("the index", lambda: api.get_media(media).media_files.thumbnail)
    return key


@pytest.mark.parametrize("there", ["nothing", "archival", "streaming"])
def test_an_upload_for_a_media_brings_what_is_missing(admin, project, corpus, tmp_path, there):
    clip = corpus["h264_cfr25"]
    encode = {"vcodec": "hevc", "crf": 35, "preset": "ultrafast"}
    kind = add_media_type(admin, project, "video", archive_config=[{"name": "small", "encode": encode}] if there == "archival" else [])
    media = add_video(admin, project, kind)
    (tmp_path / "a.json").write_text("{}")
    key = None if there == "nothing" else recorded(admin, media, there, clip["path"], tmp_path / "a.json")
    row, _ = transcoded(admin, kind, clip["path"], media_id=media)
    files = row.media_files
    assert row.id == media and admin.get_media_count(project) == 1
    assert sorted(one.resolution for one in files.streaming) == [[144, 192], [240, 320]]
    assert [len(files.archival), len(files.thumbnail), len(files.thumbnail_gif)] == [1, 1, 1]
    assert (there == "archival") == (files.archival[0].path == key)
    assert (there == "streaming") == (key in [one.path for one in files.streaming])
    for one in (*files.archival, *files.streaming, *files.thumbnail, *files.thumbnail_gif):
        assert exists(admin, project, one.path), one
    assert barcode.read_file(admin.get_frame(media, frames=[7])) == 7
    before = {one.path for one in (*files.archival, *files.streaming)}
    row, _ = transcoded(admin, kind, clip["path"], media_id=media)  # a second time nothing is
    assert {one.path for one in (*row.media_files.archival, *row.media_files.streaming)} == before


def test_an_upload_takes_the_place_of_one_that_failed(admin, project, corpus, tmp_path):
    kind = add_media_type(admin, project, "video")
    media = add_video(admin, project, kind)
    (tmp_path / "noise.mp4").write_bytes(b"no film " * 1000)
    wanted = spec(kind, link_to(admin, project, tmp_path / "noise.mp4"), media_id=media)
    admin.transcode(project, transcode_spec=wanted)
    assert finished(admin, wanted["uid"]).job.status == "failed"
    row, _ = transcoded(admin, kind, corpus["h264_cfr25"]["path"], media_id=media)
    assert (row.num_frames, len(row.media_files.archival), len(row.media_files.streaming)) == (120, 1, 2)


def progress(transcode):
    return max((node.progress for node in transcode.job.nodes if node.task.startswith("encode")), default=0)


def progress_of(api, uid):
    return progress(api.get_transcode(uid))


def test_kill_minus_nine_in_the_middle(new_station, clip480):
    station = new_station()
    api, project, kind, url = ground(station, clip480, streaming_config=SLOW)
    wanted = spec(kind, url)
    api.transcode(project, transcode_spec=wanted)
    wait_for("the middle", lambda: progress_of(api, wanted["uid"]) >= 20, secs=120)
    assert work_files(station)
    station.kill()
    station.start()
    api = tator.get_api(station.url, station.admin_token)
    seen = set()
    done = finished(api, wanted["uid"], watch=lambda one: seen.add(progress(one)))
    assert done.job.status == "succeeded", [(node.task, node.message) for node in done.job.nodes]
    assert min(seen) >= 10, "it began anew instead of going on"
    media = api.get_media(done.job.media_ids[0])
    files = media.media_files
    assert [one.resolution[0] for one in files.streaming] == [144, 240, 360, 480]
    assert [len(files.archival), len(files.thumbnail), len(files.thumbnail_gif)] == [1, 1, 1]
    assert len(blobs(station)) == 4 * 2 + 3
    assert [path for path in work_files(station) if path.is_file()] == []
    folder = station.data.parent
    for one in files.streaming:
        video = downloaded(api, media, one.path, folder / "video.mp4")
        check_segments(video, downloaded(api, media, one.segment_info, folder / "video.json"), 600)
        assert numbers(video, one.resolution[1], one.resolution[0]) == list(range(600))
    assert station.stop() == 0


def test_canceling_what_runs_leaves_nothing_behind(new_station, clip480):
    station = new_station()
    api, project, kind, url = ground(station, clip480, streaming_config=SLOW)
    wanted = spec(kind, url)
    api.transcode(project, transcode_spec=wanted)
    wait_for("some of it", lambda: progress_of(api, wanted["uid"]) >= 5, secs=120)
    api.delete_transcode(wanted["uid"])
    assert api.get_transcode_list(project) == []
    wait_for("the work files to go", lambda: not [path for path in work_files(station) if path.is_file()])
    row, = api.get_media_list(project)
    assert not row.media_files.streaming and row.num_frames == 600
    assert len(blobs(station)) == 2  # the file and its thumbnail
    time.sleep(1)
    assert not [pid for pid in station.processes()[1:] if b"--solo" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()]
    again = spec(kind, "", media_id=row.id)
    api.transcode(project, transcode_spec=again)
    wait_for("a new job", lambda: progress_of(api, again["uid"]) >= 1, secs=120)
    api.delete_transcode(again["uid"])


def test_a_canceled_job_stays_canceled_after_a_restart(new_station, corpus):
    station = new_station(environment={"TRANSECT_JOBS_TRANSCODES": "0"})
    api, project, kind, url = ground(station, corpus["h264_cfr25"]["path"])
    wanted = spec(kind, url)
    api.transcode(project, transcode_spec=wanted)
    api.delete_transcode(wanted["uid"])
    assert station.stop() == 0
    station.environment.pop("TRANSECT_JOBS_TRANSCODES")
    station.start()
    api = tator.get_api(station.url, station.admin_token)
    assert api.get_transcode_list(project) == []
    time.sleep(2)
    row, = api.get_media_list(project)
    assert not row.media_files.streaming


def test_hosted_files_are_fetched_from_allowed_origins(new_station, web, corpus):
    web.add("dive.mp4", corpus["h264_cfr25"]["path"])
    station = new_station(environment={"TRANSECT_SERVER_REQUEST_ORIGINS": web.origin})
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "Hosted"}).id
    project = api.create_project(project_spec={"name": "Hosted", "organization": organization}).id
    kind = add_media_type(api, project, "video")
    response = tator.util.import_media(api, kind, f"{web.origin}/dive.mp4")
    done = finished(api, response.id)
    assert done.job.status == "succeeded" and done.spec.size == pathlib.Path(corpus["h264_cfr25"]["path"]).stat().st_size
    assert done.job.nodes[0].task == "fetch the file"
    media = api.get_media(done.job.media_ids[0])
    assert media.name == "dive.mp4" and media.num_frames == 120 and len(media.media_files.streaming) == 2
    asked = len(web.asked)
    stranger = tator.get_api(station.url, station.add_user("stranger"))
    refused(403, stranger.transcode, project, transcode_spec=spec(kind, f"{web.origin}/dive.mp4"))
    assert len(web.asked) == asked  # nobody looks at a URL for them
    missing = spec(kind, f"{web.origin}/nothing.mp4", size=5)
    api.transcode(project, transcode_spec=missing)
    failed = finished(api, missing["uid"])
    assert failed.job.status == "failed" and "404" in failed.job.nodes[0].message
    refused(400, api.transcode, project, transcode_spec=spec(kind, f"{web.origin}/nothing.mp4"))


def test_letters_say_how_it_ended(mailing, mail_server, corpus, tmp_path):
    name = unique("ann").replace(" ", "")
    token = mailing.add_user(name, "--email", f"{name}@example.org")
    api, project, kind, url = ground(mailing, corpus["h264_cfr25"]["path"])
    person = tator.get_api(mailing.url, token)
    api.create_membership(project, membership_spec={"user": person.whoami().id, "permission": "View Only"})
    letter = {"recipients": [f"{name}@example.org"], "subject": "Dive 3", "text": "It is there."}
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(b"no film " * 1000)
    for link in (url, link_to(api, project, noise)):
        wanted = spec(kind, link, email_spec=letter)
        api.transcode(project, transcode_spec=wanted)
        finished(api, wanted["uid"])
    good, bad = wait_for("both letters", lambda: (lambda got: got if len(got) == 2 else None)(mail_server.to(f"{name}@example.org")))
    assert good["Subject"] == "Dive 3" and good.get_body().get_content().strip() == "It is there."
    assert bad["Subject"] == "Failed: Dive 3" and "clip.mp4 failed: " in bad.get_body().get_content()
    stranger = spec(kind, url, email_spec={**letter, "recipients": ["somebody@example.org"]})
    api.transcode(project, transcode_spec=stranger)
    assert finished(api, stranger["uid"]).job.status == "succeeded"  # the letter is not what matters


MP4DUMP = '''#!{python}
"""Stands in for Bento4's mp4dump --format json: top-level boxes, and the runs within fragments."""
import json, struct, sys

def boxes(data, start, end):
    while start < end:
        size, name = struct.unpack(">I4s", data[start:start + 8])
        box = {{"name": name.decode(), "size": size}}
        if name in (b"moof", b"traf"):
            box["children"] = list(boxes(data, start + 8, start + size))
        if name == b"trun":
            box["sample count"] = struct.unpack(">I", data[start + 12:start + 16])[0]
        yield box
        start += size

content = open(sys.argv[-1], "rb").read()
print(json.dumps(list(boxes(content, 0, len(content)))))
'''


@pytest.fixture
def tools(tmp_path):
    """A folder with the programs that the client's transcoder runs beside ffmpeg."""
    folder = tmp_path / "tools"
    folder.mkdir()
    (folder / "mp4dump").write_text(MP4DUMP.format(python=sys.executable))
    (folder / "mp4dump").chmod(0o755)
    return folder


@pytest.fixture
def transcode_locally(station, project, tools):
    """Runs `python -m tator.transcode` with these words."""
    def run(kind, *words):
        command = [sys.executable, "-m", "tator.transcode", *map(str, words), "--host", station.url, "--token", station.admin_token,
                   "--project", str(project), "--type", str(kind)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False,
                              env={**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"})
        assert done.returncode == 0, done.stderr[-3000:]

    return run


def test_the_clients_own_transcoder(admin, project, tmp_path, transcode_locally):
    """`python -m tator.transcode` makes the renditions itself and records them one by one."""
    kind = add_media_type(admin, project, "video", archive_config=[{"name": "original", "encode": {"vcodec": "copy"}}])
    work = tmp_path / "work"
    work.mkdir()
    transcode_locally(kind, make_clip(work / "dive.mp4", 640, 480, frames=50, sound=True), "--section", "Local")
    row, = admin.get_media_list(project)
    files = row.media_files
    assert [one.resolution for one in files.streaming] == [[144, 192], [360, 480], [480, 640]]
    assert [len(files.archival), len(files.audio), len(files.thumbnail), len(files.thumbnail_gif)] == [1, 1, 1, 1]
    assert files.audio[0].codec == "aac" and (row.width, row.height) == (640, 480)
    assert 50 < row.num_frames <= 53  # it appends black pictures, and counts by duration
    assert admin.get_section(row.primary_section).name == "Local" and admin.get_transcode_list(project) == []


def test_the_clients_own_transcoder_of_a_url(admin, project, corpus, tmp_path, transcode_locally):
    """It reads the file from a link, which the media that it makes names as its url."""
    kind = add_media_type(admin, project, "video", archive_config=[{"name": "original", "encode": {"vcodec": "copy"}}])
    link = link_to(admin, project, corpus["h264_cfr25"]["path"])
    transcode_locally(kind, "--url", link, "--name", "dive.mp4", "--work_dir", tmp_path, "--section", "Local")
    row, = admin.get_media_list(project)
    files = row.media_files
    assert row.name == "dive.mp4" and [one.resolution for one in files.streaming] == [[144, 192], [240, 320]]
    assert [len(files.archival), len(files.thumbnail), len(files.thumbnail_gif)] == [1, 1, 1]
    content = downloaded(admin, row, files.archival[0].path, tmp_path / "back").read_bytes()
    assert content == pathlib.Path(corpus["h264_cfr25"]["path"]).read_bytes()


def test_the_clients_own_transcoder_for_a_media(admin, project, corpus, tmp_path, transcode_locally):
    kind = add_media_type(admin, project, "video")
    media = add_video(admin, project, kind)
    key = recorded(admin, media, "archival", corpus["h264_cfr25"]["path"])
    link = link_to(admin, project, corpus["h264_cfr25"]["path"])
    transcode_locally(kind, "--url", link, "--name", "dive.mp4", "--work_dir", tmp_path, "--media_id", media)
    row, = admin.get_media_list(project)
    assert row.id == media and [one.path for one in row.media_files.archival] == [key]
    assert [one.resolution for one in row.media_files.streaming] == [[144, 192], [240, 320]]


def test_the_client_adds_a_rendition(admin, project, corpus, tools, monkeypatch):
    """One more height of a video, made by the client of the file that it was uploaded from, and of no other."""
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    path = corpus["h264_cfr25"]["path"]
    media = add_video(admin, project, add_media_type(admin, project, "video"), md5=tator.util.md5sum(path))
    config = tator.models.ResolutionConfig(resolution=120, vcodec="h264", crf=30)
    with pytest.raises(Exception, match="safety check"):
        tator.util.supplement_video_to_media(admin, media, "streaming", config, corpus["h264_cfr30"]["path"])
    tator.util.supplement_video_to_media(admin, media, "streaming", config, path)
    one, = admin.get_media(media).media_files.streaming
    assert (one.resolution, one.codec) == ([120, 160], "h264") and one.size > 1000
    link = admin.get_download_info(project, download_info_spec={"keys": [one.segment_info]})[0].url
    assert requests.get(link, timeout=60).json()["segments"][0]["name"] == "ftyp"


def test_av1_is_a_choice_of_the_media_type(admin, project, corpus, tmp_path):
    """By SVT-AV1, beside H.264: the same pictures at the same times, also of a variable rate."""
    config = [{"resolution": 120, "vcodec": "av1", "crf": 40, "preset": "12"}, {"resolution": 120, "vcodec": "h264", "crf": 30}]
    kind = add_media_type(admin, project, "video", streaming_config=config)
    clip = corpus["h264_vfr"]
    media, _ = transcoded(admin, kind, clip["path"])
    by_codec = {one.codec: one for one in media.media_files.streaming if one.resolution == [120, 160]}
    assert set(by_codec) == {"av1", "h264"} and by_codec["av1"].codec_mime.startswith('video/mp4; codecs="av01.')
    for codec, one in by_codec.items():
        video = downloaded(admin, media, one.path, tmp_path / f"{codec}.mp4")
        check_segments(video, downloaded(admin, media, one.segment_info, tmp_path / f"{codec}.json"), clip["frames"])
        assert numbers(video, 160, 120) == list(range(clip["frames"]))
