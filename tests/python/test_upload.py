"""Uploads and downloads with the client's own functions, and the links they ride on."""

import base64
import datetime
import email.utils
import hashlib
import os
import pathlib
import re
import urllib.parse

import barcode
import pytest
import requests
import tator
from station import wait_for
from support import add_media_type, refused, unique
from tator.util._upload_file import _upload_file


def upload_media(api, kind, path, **options):
    """Uploads with the client's function and returns its last answer."""
    progress = []
    for done, response in tator.util.upload_media(api, kind, str(path), **options):
        progress.append(done)
    assert progress[-1] == 100
    return response


def temporary(api, project, path, **options):
    for _, info in _upload_file(api, project, str(path), **options):
        pass
    return info.key


def link(api, project, key, **options):
    return api.get_download_info(project, download_info_spec={"keys": [key]}, **options)[0].url


def query_of(url):
    return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))


@pytest.fixture
def blob(tmp_path):
    path = tmp_path / "blob.bin"
    path.write_bytes(os.urandom(100_000))
    return path


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tiff"])
def test_image(admin, project, corpus, tmp_path, suffix):
    clip = corpus[f"image_{suffix}"]
    kind = add_media_type(admin, project, "image", [{"name": "Camera", "dtype": "string"}])
    response = upload_media(admin, kind, clip["path"], attributes={"Camera": "bow"}, section="Stills")
    made = response.id if isinstance(response.id, int) else response.id[0]
    media = wait_for("the image to be fetched", lambda: ready_image(admin, made))
    assert (media.width, media.height, media.name) == (clip["width"], clip["height"], pathlib.Path(clip["path"]).name)
    assert media.attributes["Camera"] == "bow"
    assert admin.get_section(media.primary_section).name == "Stills"
    image = media.media_files.image[0]
    assert image.resolution == [clip["height"], clip["width"]]
    assert image.path.split("/")[:3] == [str(admin.get_project(project).organization), str(project), str(made)]
    assert image.mime == {"jpg": "image/jpeg"}.get(suffix, "image/png")
    stored = tmp_path / "back"
    assert list(tator.util.download_media(admin, media, str(stored)))[-1] == 100
    assert barcode.read_file(stored) == clip["first"]
    assert stored.stat().st_size == image.size
    if suffix in ("jpg", "png"):
        assert stored.read_bytes() == pathlib.Path(clip["path"]).read_bytes()
    assert media.media_files.thumbnail[0].resolution[1] == 256


def ready_image(api, media):
    row = api.get_media(media)
    return row if row.media_files and row.media_files.image and row.media_files.thumbnail else None


def test_video(admin, project, corpus, tmp_path):
    clip = corpus["h264_cfr30"]
    kind = add_media_type(admin, project, "video", [{"name": "Camera", "dtype": "string"}])
    response = upload_media(admin, kind, clip["path"], attributes={"Camera": "stern"}, section="Leg 2")
    assert isinstance(response.id, str)  # of the transcode
    row, = admin.get_media_list(project)  # listed at once
    media = wait_for("the video to be ready", lambda: ready_video(admin, row.id))
    assert media.name == pathlib.Path(clip["path"]).name
    assert (media.num_frames, media.width, media.height, round(media.fps, 3)) == (clip["frames"], 320, 240, 30.0)
    assert media.attributes["Camera"] == "stern"
    assert admin.get_section(media.primary_section).name == "Leg 2"
    for frame in (0, 1, 59, clip["frames"] - 1):
        assert barcode.read_file(admin.get_frame(media.id, frames=[frame])) == frame
    stored = tmp_path / "back.mp4"
    assert list(tator.util.download_media(admin, media, str(stored)))[-1] == 100
    rendition = (media.media_files.archival or media.media_files.streaming)[0]
    assert stored.stat().st_size == rendition.size
    if media.media_files.archival:
        assert stored.read_bytes() == pathlib.Path(clip["path"]).read_bytes()


def ready_video(api, media):
    row = api.get_media(media)
    files = row.media_files
    return row if row.num_frames and files and (files.archival or files.streaming) else None


def test_temporary_upload_in_one_piece(admin, project, blob):
    info = admin.get_upload_info(project)
    assert (len(info.urls), info.upload_id) == (1, "")
    assert info.key.startswith("_uploads/")
    assert "sig" not in query_of(info.urls[0])
    assert requests.put(info.urls[0], data=blob.read_bytes(), timeout=60).status_code == 200  # without a token
    assert requests.get(link(admin, project, info.key), timeout=60).content == blob.read_bytes()


def test_parts_arrive_in_any_order(admin, project):
    content = os.urandom((5 << 20) * 2 + 17)
    pieces = [content[at:at + (5 << 20)] for at in range(0, len(content), 5 << 20)]
    info = admin.get_upload_info(project, num_parts=3, filename="x.bin")
    parts = []
    for number in (2, 3, 1):
        answer = requests.put(info.urls[number - 1], data=pieces[number - 1], timeout=60)
        assert answer.status_code == 200
        parts.append({"ETag": answer.headers["ETag"], "PartNumber": number})
    spec = {"key": info.key, "upload_id": info.upload_id, "parts": sorted(parts, key=lambda p: p["PartNumber"]), "bucket_id": None}
    assert isinstance(admin.complete_upload(project, upload_completion_spec=spec), tator.models.MessageResponse)
    assert requests.get(link(admin, project, info.key), timeout=60).content == content


def test_a_completion_is_of_the_project_and_of_parts(admin, project, organization, members):
    other = admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id
    info = admin.get_upload_info(project, num_parts=2)
    parts = [{"ETag": requests.put(url, data=b"x", timeout=60).headers["ETag"], "PartNumber": n}
             for n, url in enumerate(info.urls, 1)]
    spec = {"key": info.key, "upload_id": info.upload_id, "parts": parts, "bucket_id": None}
    refused(403, admin.complete_upload, other, upload_completion_spec=spec)
    refused(403, members.editor.api.complete_upload, project, upload_completion_spec=spec)
    refused(400, admin.complete_upload, project, upload_completion_spec={**spec, "parts": parts[:1]})
    admin.complete_upload(project, upload_completion_spec=spec)
    assert requests.get(link(admin, project, info.key), timeout=60).content == b"xx"


def test_links_come_from_one_cache(admin, project, blob):
    """DownloadInfo and presigned lists give each other's links."""
    media = admin.create_media_list(project, body={"type": add_media_type(admin, project), "name": "a.mp4", "md5": ""}).id
    for _, info in _upload_file(admin, project, str(blob), media_id=media, filename="a.bin"):
        pass
    admin.create_auxiliary_file(media, auxiliary_file_definition={"path": info.key})
    first = link(admin, project, info.key, expiration=7200)
    assert query_of(first)["X-Amz-Expires"] == "7200"
    assert admin.get_media(media, presigned=86400).media_files.attachment[0].path == first
    fresh = admin.get_media(media, presigned=86400, no_cache=True).media_files.attachment[0].path
    assert query_of(fresh)["X-Amz-Expires"] == "86400" and link(admin, project, info.key) == first


def test_what_was_announced_is_compared_first(admin, project):
    info = admin.get_upload_info(project)

    def put(content, digest):
        return requests.put(info.urls[0], data=content, headers={"Content-MD5": digest}, timeout=60)

    def md5(content):
        return base64.b64encode(hashlib.md5(content).digest()).decode()

    assert put(b"old", md5(b"old")).status_code == 200
    answer = put(b"new", md5(b"another"))
    assert answer.status_code == 400 and "<Code>BadDigest</Code>" in answer.text
    assert "<Code>InvalidDigest</Code>" in put(b"new", "nonsense").text
    assert requests.get(link(admin, project, info.key), timeout=60).content == b"old"
    many = admin.get_upload_info(project, num_parts=2)
    answer = requests.put(many.urls[0], data=b"x", headers={"Content-MD5": md5(b"y")}, timeout=60)
    assert answer.status_code == 400 and "<Code>BadDigest</Code>" in answer.text


def test_what_has_not_changed_is_not_sent_again(admin, project, blob):
    url = link(admin, project, temporary(admin, project, blob))
    seen = requests.get(url, timeout=60).headers["Last-Modified"]
    at = email.utils.parsedate_to_datetime(seen)

    def status(name, value, **more):
        return requests.get(url, headers={name: value, **more}, timeout=60).status_code

    def shown(at):
        return email.utils.format_datetime(at, usegmt=True)

    later, sooner = shown(at + datetime.timedelta(hours=1)), shown(at - datetime.timedelta(seconds=1))
    assert [status("If-Modified-Since", when) for when in (seen, later, sooner, "yesterday")] == [304, 304, 200, 200]
    assert status("If-Modified-Since", at.strftime("%A, %d-%b-%y %H:%M:%S GMT")) == 304  # as old programs write it
    assert [status("If-Range", when, Range="bytes=0-9") for when in (seen, sooner, later)] == [206, 200, 200]


def test_links_are_signed_and_expire_as_asked(admin, project, blob):
    key = temporary(admin, project, blob)
    url = link(admin, project, key, expiration=1234)
    query = query_of(url)
    assert query["X-Amz-Expires"] == "1234"
    assert {"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"} <= set(query)
    assert requests.get(url, timeout=60).status_code == 200
    forged = url.replace("X-Amz-Expires=1234", "X-Amz-Expires=604800")
    assert requests.get(forged, timeout=60).status_code == 403
    assert requests.get(url.split("?")[0], timeout=60).status_code == 403
    assert requests.put(url, data=b"overwritten", timeout=60).status_code == 403
    assert requests.get(url, timeout=60).content == blob.read_bytes()


def test_ranges(admin, project, blob):
    content, url = blob.read_bytes(), link(admin, project, temporary(admin, project, blob))
    whole = requests.get(url, timeout=60)
    assert int(whole.headers["Content-Length"]) == len(content)
    some = requests.get(url, headers={"Range": "bytes=100-199"}, timeout=60)
    assert (some.status_code, some.content) == (206, content[100:200])
    assert some.headers["Content-Range"] == f"bytes 100-199/{len(content)}"
    assert requests.get(url, headers={"Range": "bytes=-10"}, timeout=60).content == content[-10:]
    assert requests.get(url, headers={"Range": f"bytes={len(content)}-"}, timeout=60).status_code == 416


def test_answers_keep_the_order_of_the_keys(admin, project, blob):
    keys = [temporary(admin, project, blob) for _ in range(3)][::-1]
    rows = admin.get_download_info(project, download_info_spec={"keys": keys})
    assert [row.key for row in rows] == keys


def test_keys_of_other_projects_are_refused(admin, project, organization, blob):
    key = temporary(admin, project, blob)
    other = admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id
    refused(403, admin.get_download_info, other, download_info_spec={"keys": [key]})
    refused(403, admin.get_download_info, project, download_info_spec={"keys": [f"{organization}/{other}/1/x.mp4"]})
    refused(403, admin.get_download_info, project, download_info_spec={"keys": ["../../etc/passwd"]})


def test_presigned_media(admin, project, corpus):
    clip = corpus["image_png"]
    kind = add_media_type(admin, project, "image")
    response = upload_media(admin, kind, clip["path"])
    made = response.id if isinstance(response.id, int) else response.id[0]
    plain = wait_for("the image to be fetched", lambda: ready_image(admin, made))
    first = admin.get_media(made, presigned=7200)
    url = first.media_files.image[0].path
    assert query_of(url)["X-Amz-Expires"] == "7200"
    assert requests.get(url, timeout=60).content == pathlib.Path(clip["path"]).read_bytes()
    assert admin.get_media(made, presigned=86400).media_files.image[0].path == url  # still in the cache
    fresh = admin.get_media(made, presigned=86400, no_cache=True).media_files.image[0].path
    assert query_of(fresh)["X-Amz-Expires"] == "86400"
    assert urllib.parse.urlsplit(fresh).path == urllib.parse.urlsplit(url).path
    row, = admin.get_media_list(project, presigned=3600, presign_only=["thumbnail"])
    assert row.media_files.image[0].path == plain.media_files.image[0].path
    assert row.media_files.thumbnail[0].path.startswith("http")


def test_foreign_urls_are_not_fetched(admin, project):
    kind = add_media_type(admin, project, "image")
    for url in ("http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "http://localhost:1/x.png"):
        body = refused(403, admin.create_media_list, project, body={"type": kind, "name": "x.png", "md5": "", "url": url})
        assert "not from an allowed origin" in (body["message"] + body.get("details", "")).lower()
    assert admin.get_media_count(project) == 0


def test_where_uploads_lie(admin, project, organization):
    """Keys say whose they are; random letters come before the extension."""
    me, today = admin.whoami().id, datetime.datetime.now(datetime.UTC)
    video = admin.create_media_list(project, body={"type": add_media_type(admin, project), "name": "v.mp4", "md5": ""}).id
    kind = admin.create_file_type(project, file_type_spec={"name": "Report"}).id
    file = admin.create_file(project, file_spec={"name": "f", "type": kind}).id
    first, place, *parts = admin.get_upload_info(project).key.split("/")
    assert first == "_uploads" and parts[:3] == [str(organization), str(project), str(me)] and len(parts) == 4
    assert re.fullmatch(r"[0-9a-f-]{36}", parts[3].split(".")[0]) and str(today.year) in place
    key = admin.get_upload_info(project, media_id=video, filename="my clip.tar.MP4").key
    assert re.fullmatch(rf"{organization}/{project}/{video}/my[ _]clip\.tar_[A-Za-z]{{10}}\.MP4", key), key
    assert key != admin.get_upload_info(project, media_id=video, filename="my clip.tar.MP4").key
    key = admin.get_upload_info(project, file_id=file, filename="notes.txt").key
    assert key.startswith(f"{organization}/{project}/files/{file}/notes") and key.endswith(".txt")
    for name in ("../../1/2/3/x.mp4", "/etc/passwd", "..", "a\\..\\b.mp4"):
        key = admin.get_upload_info(project, media_id=video, filename=name).key
        assert key.startswith(f"{organization}/{project}/{video}/") and key.count("/") == 3 and "/.." not in key, key


def test_uploads_for_what_is_not_there(admin, project, organization):
    other = admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id
    foreign = admin.create_media_list(other, body={"type": add_media_type(admin, other), "name": "v.mp4", "md5": ""}).id
    assert "does not exist in project" in refused(400, admin.get_upload_info, project, media_id=foreign)["message"]
    refused(400, admin.get_upload_info, project, file_id=2_000_000_000)
    video = admin.create_media_list(project, body={"type": add_media_type(admin, project), "name": "v.mp4", "md5": ""}).id
    refused(400, admin.get_upload_info, project, bucket_id=1)
    assert admin.get_upload_info(project, media_id=video).key.startswith(f"{organization}/{project}/{video}/")


def test_links_are_made_anew(station, project, admin):
    """Asking for links answers 201, and for no keys with none."""
    answer = station.http("POST", f"/rest/DownloadInfo/{project}", station.admin_token, json={"keys": []})
    assert (answer.status_code, answer.json()) == (201, [])
    assert station.http("POST", f"/rest/DownloadInfo/{project}", station.admin_token, json={}).status_code == 400
    key = admin.get_upload_info(project).key
    refused(400, admin.get_download_info, project, download_info_spec={"keys": [key]}, expiration=604801)
    one, = admin.get_download_info(project, download_info_spec={"keys": [key]})
    assert query_of(one.url)["X-Amz-Expires"] == "86400"


def test_short_links_are_not_kept(admin, project, blob, members):
    """Links live in the cache for an hour less than they are good for, and for one person each."""
    key = temporary(admin, project, blob)
    assert [query_of(link(admin, project, key, expiration=secs))["X-Amz-Expires"] for secs in (600, 3600, 1200)] == ["600", "3600", "1200"]
    kept = link(admin, project, key, expiration=7200)
    assert link(admin, project, key, expiration=600) == kept == link(admin, project, key)
    theirs = link(members.owner.api, project, key, expiration=9000)
    assert query_of(theirs)["X-Amz-Expires"] == "9000"
