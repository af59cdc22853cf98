"""Videos in a bucket of another store, of which only what is read comes here: a gate between station and store counts bytes."""

import contextlib
import hashlib
import os
import pathlib
import socket
import subprocess
import sys
import threading

import barcode
import pytest
import requests
import tator
from station import Station, wait_for
from support import add_media_type, add_video, unique
from test_s3 import client_of, make_key
from test_user_buckets import config_of
from tator.util._upload_file import _upload_file

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
sys.path.insert(0, str(FIXTURES))
import corpus as made  # noqa: E402

MIB = 1 << 20
FRAMES = 2000


class Gate:
    """Leads to a store, counts what comes from there, and can be shut. `left` bytes may still come, where that is a number."""

    def __init__(self, address):
        self.address, self.sent, self.is_open, self.left = address, 0, True, None
        self.pairs, self.lock = set(), threading.Lock()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = "http://127.0.0.1:%d" % self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.server.accept()
                if not self.is_open:
                    near.close()
                    continue
                far = socket.create_connection(self.address)
                self.pairs.update((near, far))
                for source, target, counts in ((near, far, False), (far, near, True)):
                    threading.Thread(target=self.pump, args=(source, target, counts), daemon=True).start()

    def pump(self, source, target, counts):
        with contextlib.suppress(OSError):
            while data := source.recv(64 << 10):
                if counts:
                    with self.lock:
                        self.sent += len(data)
                        if self.left is not None:
                            self.left -= len(data)
                            if self.left < 0:
                                self.shut()
                                return
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def shut(self):
        self.is_open = False
        for end in list(self.pairs):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.pairs.clear()

    def reopen(self):
        self.left, self.is_open = None, True


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A station that is somebody's object store, behind `store.gate`."""
    store = Station(tmp_path_factory.mktemp("r") / "data")
    try:
        store.start()
        store.add_user("admin", "--admin")
        key = make_key(store)
        store.s3 = client_of(key)
        host, _, port = key["endpoint"].split("://")[1].partition(":")
        store.gate = Gate((host, int(port)))
        store.key = {**key, "endpoint": store.gate.url}
        yield store
    finally:
        store.remove()


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Some 100 MB with bar codes, with the tables at the end and at the beginning: filled up to the rate of a camera."""
    folder = tmp_path_factory.mktemp("films")
    rate = ["-b:v", "10M", "-minrate", "10M", "-maxrate", "10M", "-bufsize", "2M", "-x264-params", "nal-hrd=cbr"]
    options = ["-c:v", "libx264", "-threads", "2", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "20", *made.CLOSED, *rate]
    films = {"end": folder / "end.mp4", "front": folder / "front.mp4"}
    made.encode(films["end"], FRAMES, "25", options)
    made.raw.cache_clear()
    front = ["-i", str(films["end"]), "-c", "copy", "-movflags", "+faststart", str(films["front"])]
    subprocess.run([*made.QUIET, *front], check=True)
    return films


@pytest.fixture
def admin_token(station):
    return station.admin_token


def shelf(api, organization, store):
    """A project whose bucket is behind the gate, and the name of the bucket."""
    store.gate.reopen()
    name = unique("films").lower().replace(" ", "-").replace("_", "-")
    store.s3.create_bucket(Bucket=name)
    spec = {"name": name, "store_type": "MINIO", "config": config_of(store.key)}
    bucket = api.create_bucket(organization, bucket_spec=spec).id
    return api.create_project(project_spec={"name": unique("Dive"), "organization": organization, "bucket": bucket}).id, name


def put_film(api, project, film):
    """Uploads a film for a media, which does not have it yet; returns both."""
    media = add_video(api, project, add_media_type(api, project, "video"))
    for _, info in _upload_file(api, project, str(film), media_id=media, filename=film.name):
        pass
    return media, info.key


def give(api, media, key):
    api.create_video_file(media, role="archival", video_definition={"path": key, "codec": "h264", "resolution": [240, 320]})


def index_of(station, media, token):
    return station.http("GET", f"/rest/FrameIndex/{media}", token).json()


def ready(station, media, token):
    wait_for("the index", lambda: index_of(station, media, token)["state"] != "indexing")
    index = index_of(station, media, token)
    assert (index["state"], index["num_frames"]) == ("ready", FRAMES), index


def picture(station, media, token, frame):
    return station.http("GET", f"/rest/FramePicture/{media}/{frame}", token)


def right(station, media, token, frame):
    answer = picture(station, media, token, frame)
    assert answer.status_code == 200, answer.content[:500]
    assert barcode.read_file(answer.content) == frame


@pytest.mark.parametrize("tables", ["end", "front"])
def test_the_first_picture_takes_a_small_part_of_the_file(station, admin, admin_token, organization, store, films, tables):
    project, _ = shelf(admin, organization, store)
    film = films[tables]
    size = film.stat().st_size
    assert size > 90 * MIB
    media, key = put_film(admin, project, film)
    before = store.gate.sent
    give(admin, media, key)
    ready(station, media, admin_token)
    right(station, media, admin_token, 0)
    right(station, media, admin_token, 215)
    first = store.gate.sent - before
    assert first < size / 10, f"{first} of {size} bytes"
    # Several at once share what comes; one who goes on is followed.
    threads = [threading.Thread(target=picture, args=(station, media, admin_token, 1700)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for frame in (1999, 1, 1200, 1201, 1202, 300):
        right(station, media, admin_token, frame)
    assert store.gate.sent - before < size / 3
    # Who needs the whole file gets what is missing, and it is compared.
    station.command("doctor", "frames", media, secs=170)
    whole = store.gate.sent - before
    assert size <= whole < size * 1.05, f"{whole} of {size} bytes"
    digests = [hashlib.md5(path.read_bytes()).hexdigest() for path in (station.data / "fetched").iterdir() if path.is_file()]
    assert hashlib.md5(film.read_bytes()).hexdigest() in digests
    before = store.gate.sent
    right(station, media, admin_token, 77)
    assert store.gate.sent == before


def test_a_store_that_fails_in_between(station, admin, admin_token, organization, store, films):
    project, _ = shelf(admin, organization, store)
    media, key = put_film(admin, project, films["end"])
    give(admin, media, key)
    ready(station, media, admin_token)
    right(station, media, admin_token, 0)
    # In the middle of an answer, and then altogether.
    store.gate.left = 100_000
    answer = picture(station, media, admin_token, 1515)
    assert answer.status_code == 503 and "bucket" in answer.json()["message"], answer.content[:500]
    answer = picture(station, media, admin_token, 800)
    assert answer.status_code == 503 and "does not answer as it should" in answer.json()["message"], answer.content[:500]
    # What is here is shown all the same.
    right(station, media, admin_token, 1)
    store.gate.reopen()
    for frame in (1515, 800, 0, 1999):
        right(station, media, admin_token, frame)


def test_an_object_that_somebody_overwrites(station, admin, admin_token, organization, store, films):
    """Parts of two objects never stand in one file; whoever puts the right one back is believed after the whole was compared."""
    project, bucket = shelf(admin, organization, store)
    media, key = put_film(admin, project, films["end"])
    give(admin, media, key)
    ready(station, media, admin_token)
    right(station, media, admin_token, 0)
    data = films["end"].read_bytes()
    store.s3.put_object(Bucket=bucket, Key=key, Body=data[:MIB] + os.urandom(60 * MIB) + data[61 * MIB:])
    for frame in (700, 0, 700):
        answer = picture(station, media, admin_token, frame)
        assert answer.status_code == 503 and "is not what the station wrote there" in answer.json()["message"], answer.content[:500]
    store.s3.put_object(Bucket=bucket, Key=key, Body=data)
    right(station, media, admin_token, 700)
    right(station, media, admin_token, 0)


def test_a_crash_costs_the_parts_and_nothing_else(tmp_path, store, films):
    """Also where the store does not answer while a media is indexed: it goes on waiting."""
    station = Station(tmp_path / "data").start()
    try:
        token = station.add_user("admin", "--admin")
        api = tator.get_api(station.url, token)
        organization = api.create_organization(organization_spec={"name": unique("Reef")}).id
        project, _ = shelf(api, organization, store)
        media, key = put_film(api, project, films["front"])
        give(api, media, key)
        ready(station, media, token)
        right(station, media, token, 33)
        parts = station.data / "fetched" / "parts"
        [part] = parts.iterdir()
        assert part.stat().st_size == films["front"].stat().st_size > part.stat().st_blocks * 512 * 5
        other, key = put_film(api, project, films["end"])
        store.gate.shut()
        give(api, other, key)
        wait_for("it to be tried", lambda: f"media.id={other}" in station.log.read_text(errors="replace"))
        assert index_of(station, other, token)["state"] == "indexing"
        station.kill()
        store.gate.reopen()
        station.start()
        ready(station, other, token)
        right(station, other, token, 5)
        right(station, media, token, 33)
        assert part not in parts.iterdir()
    finally:
        station.remove()
