"""What was deleted goes for good once its time is over, with the bytes that nobody else needs."""

import contextlib
import os
import sqlite3
import time

import barcode
import pytest
import requests
import tator
from station import wait_for
from support import Scene, add_media_type, add_video, ids, refused
from tator.util._upload_file import _upload_file


def upload(api, project, path, **options):
    for _, info in _upload_file(api, project, str(path), **options):
        pass
    return info.key


def bytes_of(station):
    """Stored bytes: those of the files, and those of small objects that are packed in one."""
    folder = station.data / "objects"
    packed = sqlite3.connect(f"file:{folder / 'pack.sqlite'}?mode=ro", uri=True)
    with contextlib.closing(packed):
        small, = packed.execute("select coalesce(sum(length(bytes)), 0) from small").fetchone()
    files = (file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("pack.sqlite"))
    return small + sum(file.stat().st_size for file in files)


def swept(station, condition=None):
    """Starts a station again, which removes what was deleted, and waits for it; returns a client."""
    time.sleep(0.01)
    station.stop()
    before = station.log.stat().st_size
    station.start()
    done = condition or (lambda: "gone for good" in station.log.read_bytes()[before:].decode(errors="replace"))
    wait_for("the sweep", done, secs=20)
    return tator.get_api(station.url, station.admin_token)


@pytest.fixture
def cloned(new_station, corpus):
    """(station, original, clone in another project) of a video that is ready, where nothing deleted stays for long."""
    station = new_station(environment={"EXPIRATION_AGE_DAYS": "0"})
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "o"}).id
    first, second = (api.create_project(project_spec={"name": name, "organization": organization}).id for name in "ab")
    kind, _ = add_media_type(api, first), add_media_type(api, second)
    made = add_video(api, first, kind)
    key = upload(api, first, corpus["h264_cfr30"]["path"], media_id=made, filename="a.mp4")
    api.create_video_file(made, role="archival", video_definition={"path": key, "codec": "h264", "resolution": [240, 320]})
    wait_for("the frames", lambda: api.get_media(made).media_files.thumbnail)
    spec = {"dest_project": second, "dest_type": -1, "dest_section": ""}
    return station, made, api.clone_media_list(first, clone_media_spec=spec).id[0]


def check_clone(station, clone, path):
    """A clone is read in every way that there is."""
    api = tator.get_api(station.url, station.admin_token)
    plain, signed = api.get_media(clone), api.get_media(clone, presigned=3600)
    record = plain.media_files.archival[0]
    keys = [record.path, plain.media_files.thumbnail[0].path]
    links = [row.url for row in api.get_download_info(plain.project, download_info_spec={"keys": keys})]
    answer = station.http("GET", f"/rest/Permalink/{clone}", station.admin_token, allow_redirects=False)
    assert answer.status_code == 301, answer.text
    content = [requests.get(link, timeout=60).content
               for link in (signed.media_files.archival[0].path, links[0], answer.headers["Location"])]
    with open(path, "rb") as file:
        assert set(content) == {file.read()}
    for link in (signed.media_files.thumbnail[0].path, links[1]):
        assert requests.get(link, timeout=60).content[:2] == b"\xff\xd8"
    assert barcode.read_file(api.get_frame(clone, frames=[59])) == 59
    api.create_video_file(clone, role="archival", video_definition=record.to_dict())  # a key of the family still
    api.delete_video_file(clone, role="archival", index=1)


def test_a_clone_outlives_its_original(cloned, corpus):
    station, made, clone = cloned
    path = corpus["h264_cfr30"]["path"]
    api = tator.get_api(station.url, station.admin_token)
    api.delete_media(made)
    api = swept(station)
    check_clone(station, clone, path)
    project = api.get_media(clone).project
    second = api.clone_media_list(project, clone_media_spec={"dest_project": project, "dest_type": -1}).id[0]
    assert api.get_cloned_media(clone).ids == [second]
    api.delete_media(clone)
    api = swept(station)
    check_clone(station, second, path)
    api.delete_media(second)
    swept(station, lambda: bytes_of(station) == 0)


def test_a_deleted_clone_comes_back_whole(cloned, corpus):
    """What a clone that may be undone needs stays, also when nobody else is left."""
    station, made, clone = cloned
    station.environment["EXPIRATION_AGE_DAYS"] = "30"
    station.stop()
    station.start()
    api = tator.get_api(station.url, station.admin_token)
    project = api.get_media(clone).project
    api.delete_media(clone)
    entry = api.get_journal(project, newest=True, limit=1)[0].id
    api.delete_video_file(made, role="archival", index=0)
    api.undo(project, undo_spec={"entries": [entry]})
    check_clone(station, clone, corpus["h264_cfr30"]["path"])


def test_the_media_of_a_deleted_project_are_buried(cloned, corpus):
    station, made, clone = cloned
    api = tator.get_api(station.url, station.admin_token)
    first, second = api.get_media(made).project, api.get_media(clone).project
    api.delete_project(first)
    refused(404, api.get_media, made)
    swept(station)
    check_clone(station, clone, corpus["h264_cfr30"]["path"])
    tator.get_api(station.url, station.admin_token).delete_project(second)
    swept(station, lambda: bytes_of(station) == 0)


def test_the_dead_are_buried(new_station, tmp_path):
    station = new_station(environment={"EXPIRATION_AGE_DAYS": "0"})
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "o"}).id
    project = api.create_project(project_spec={"name": "p", "organization": organization}).id
    scene = Scene(api, project, videos=2)
    (tmp_path / "a.bin").write_bytes(os.urandom(300_000))
    keys = [upload(api, project, tmp_path / "a.bin", media_id=video, filename="a.mp4") for video in scene.videos]
    for video, key in zip(scene.videos, keys):
        record = {"path": key, "codec": "h264", "resolution": [1, 1]}
        api.create_video_file(video, role="archival", video_definition=record)
    gone, kept = scene.add({}, {"frame": 1})
    api.delete_localization(gone, localization_delete={"prune": 1})
    clone = api.clone_media_list(project, clone_media_spec={"dest_project": project, "dest_type": scene.video_type,
                                                            "dest_section": ""}, media_id=[scene.videos[1]]).id[0]
    assert bytes_of(station) >= 600_000
    api.delete_media(scene.videos[1])
    entry = api.get_journal(project, newest=True, limit=1)[0].id
    time.sleep(0.01)
    station.stop()
    station.start()
    api = tator.get_api(station.url, station.admin_token)
    until = time.monotonic() + 20
    while time.monotonic() < until and "gone for good" not in station.log.read_text():
        time.sleep(0.1)
    assert "removed for good" in refused(400, api.undo, project, undo_spec={"entries": [entry]})["message"]
    # The clone still has its bytes, and what was not deleted is there.
    link = api.get_download_info(project, download_info_spec={"keys": [keys[1]]})[0].url
    assert requests.get(link, timeout=30).content == (tmp_path / "a.bin").read_bytes()
    assert ids(api.get_localization_list(project)) == [kept]
    api.delete_media(clone)
    api.delete_media(scene.videos[0])
    station.stop()
    station.start()
    until = time.monotonic() + 20
    while time.monotonic() < until and bytes_of(station) >= 300_000:
        time.sleep(0.2)
    assert bytes_of(station) < 300_000

