"""What was deleted goes for good once its time is over, with the bytes that nobody else needs."""

import os
import time

import requests
import tator
from support import Scene, ids, refused
from tator.util._upload_file import _upload_file


def upload(api, project, path, **options):
    for _, info in _upload_file(api, project, str(path), **options):
        pass
    return info.key


def bytes_of(station):
    return sum(file.stat().st_size for file in (station.data / "objects").rglob("*") if file.is_file())


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

