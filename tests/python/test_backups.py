"""The backup bucket of a project: everything it stores is there a second time, and what is lost comes back from it."""

import os
import types

import pytest
import requests
import tator
from cold import cold_store
from station import wait_for
from support import add_media_type, add_video, refused
from test_s3 import client_of, make_key
from test_upload import link, upload_media
from test_user_buckets import body, config_of, empty, keys_in, paths_of, put, register, transcoded
from PIL import Image

KIB, MIB = 1 << 10, 1 << 20


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    """A store that is not of this kind: `moto.s3` and `moto.key`."""
    with cold_store(tmp_path_factory.mktemp("moto") / "log") as endpoint:
        key = {"endpoint": endpoint, "access_key": "a", "secret_key": "b"}
        yield types.SimpleNamespace(key=key, s3=client_of(key))


@pytest.fixture
def lab(new_station, moto):
    """A station with an organization, and a bucket for backups in the other store."""
    station = new_station()
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "Lab"}).id
    return types.SimpleNamespace(station=station, api=api, organization=organization, bucket=register(api, organization, moto))


def project_of(lab, **more):
    return lab.api.create_project(project_spec={"name": "Dive", "organization": lab.organization, **more}).id


def attach(lab, media, project, data, name="a.bin"):
    """Stores bytes as an attachment; returns their key."""
    info = lab.api.get_upload_info(project, media_id=media, filename=name)
    assert put(info, data).ok
    lab.api.create_auxiliary_file(media, role="attachment", auxiliary_file_definition={"path": info.key, "name": name})
    return info.key


def findings(lab, check, *options):
    return [row for row in lab.station.lines("doctor", *options, check=False) if row["check"] == check]


def kept(lab, count):
    """Waits until this many files have their second copy, and no other waits for one."""
    wait_for(f"{count} backups", lambda: [row for row in findings(lab, "backups") if row["level"] == "ok"
                                         and row["message"].startswith(f"{count} stored file")])


def file_of(lab, data):
    return next(path for path in (lab.station.data / "objects").glob("??/??/*") if path.read_bytes() == data)


def got(lab, project, key):
    return requests.get(link(lab.api, project, key), timeout=60).content


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_what_is_lost_or_damaged_is_read_from_the_backup_and_mended(lab, moto):
    project = project_of(lab, backup_bucket=lab.bucket.id)
    media = empty(lab.api, project)
    sizes = {"small": 100, "lost": MIB, "damaged": 3 * MIB}
    content = {name: os.urandom(size) for name, size in sizes.items()}
    keys = {name: attach(lab, media, project, data, f"{name}.bin") for name, data in content.items()}
    kept(lab, 3)
    assert {body(moto, lab.bucket.name, keys[name]) for name in content} == set(content.values())
    lost, damaged = file_of(lab, content["lost"]), file_of(lab, content["damaged"])
    lab.station.stop()
    lost.unlink()
    flip(damaged)
    lab.station.start(lab.station.listen)
    lab.api = tator.get_api(lab.station.url, lab.station.admin_token)
    assert {name: got(lab, project, key) for name, key in keys.items()} == content
    wait_for("both to be mended", lambda: lost.exists() and lost.read_bytes() == content["lost"]
             and damaged.read_bytes() == content["damaged"])
    found = findings(lab, "objects", "--scrub")[0]
    assert found["level"] == "ok" and "damaged" not in found["message"], found


def test_the_doctor_mends_both_sides(lab, moto):
    project = project_of(lab, backup_bucket=lab.bucket.id)
    media = empty(lab.api, project)
    first, second, third = (os.urandom(MIB) for _ in range(3))
    one, two, three = (attach(lab, media, project, data) for data in (first, second, third))
    kept(lab, 3)
    flip(file_of(lab, first))
    moto.s3.put_object(Bucket=lab.bucket.name, Key=two, Body=first)
    moto.s3.delete_object(Bucket=lab.bucket.name, Key=three)
    found = findings(lab, "objects", "--scrub")[0]
    assert found["level"] == "failed" and "--repair" in found["message"], found
    for told in (f"damaged: transect/{one}", f"damaged: transect/{two} (its backup)", f"missing: transect/{three} (its backup)"):
        assert told in found["message"], found
    found = findings(lab, "objects", "--scrub", "--repair")[0]
    assert found["level"] == "ok" and "1 were damaged or missing and were mended" in found["message"], found
    assert "2 second copies were written anew" in found["message"], found
    assert file_of(lab, first) and body(moto, lab.bucket.name, two) == second and body(moto, lab.bucket.name, three) == third
    # What is lost on both sides is named.
    flip(file_of(lab, first))
    moto.s3.delete_object(Bucket=lab.bucket.name, Key=one)
    found = findings(lab, "objects", "--scrub", "--repair")[0]
    assert found["level"] == "failed" and f"damaged: transect/{one}" in found["message"], found


def test_what_was_stored_before_is_backed_up_and_follows(lab, moto):
    project = project_of(lab)
    media = empty(lab.api, project)
    data = os.urandom(200 * KIB)
    key, gone = attach(lab, media, project, data), attach(lab, media, project, b"gone")
    lab.api.update_project(project, project_update={"backup_bucket": lab.bucket.id})
    kept(lab, 2)
    assert keys_in(moto, lab.bucket.name) == {key, gone}
    # What goes here goes there.
    lab.api.delete_auxiliary_file(media, role="attachment", index=1)
    wait_for("the backup to go", lambda: keys_in(moto, lab.bucket.name) == {key})
    assert "is used by" in refused(400, lab.api.delete_bucket, lab.bucket.id)["message"]
    # In another bucket, the copies are made anew; the old ones go then.
    other = register(lab.api, lab.organization, moto)
    lab.api.update_project(project, project_update={"backup_bucket": other.id})
    wait_for("the backup to move", lambda: (keys_in(moto, lab.bucket.name), keys_in(moto, other.name)) == (set(), {key}))
    assert body(moto, other.name, key) == data
    # Taken back, as any change.
    lab.api.undo(project, undo_spec={"last": 1})
    wait_for("the backup to move back", lambda: (keys_in(moto, lab.bucket.name), keys_in(moto, other.name)) == ({key}, set()))
    lab.api.undo(project, undo_spec={"entries": [first_change(lab, project)]})
    wait_for("no backup", lambda: keys_in(moto, lab.bucket.name) == set())
    assert got(lab, project, key) == data and findings(lab, "backups") == []


def first_change(lab, project):
    return next(entry.id for entry in lab.api.get_journal(project, limit=100)
                if entry.noun == "project" and entry.action == "update")


def test_a_video_in_one_store_and_its_backup_in_another(lab, moto, new_station, tmp_path, corpus):
    """The bucket of the project is one of another station; that goes away, and loses a file."""
    store = new_station(tmp_path / "store")
    store.key = make_key(store)
    store.s3 = client_of(store.key)
    live = register(lab.api, lab.organization, store)
    project = project_of(lab, bucket=live.id, backup_bucket=lab.bucket.id)
    kind = add_media_type(lab.api, project, "video")
    response = upload_media(lab.api, kind, corpus["h264_cfr25"]["path"])
    clip = wait_for("the transcode", lambda: transcoded(lab.api, project, response))
    files = paths_of(clip)
    wait_for("both to have everything", lambda: files <= keys_in(store, live.name) & keys_in(moto, lab.bucket.name))
    wait_for("the doctor to be content", lambda: [row["level"] for row in findings(lab, "backups")] == ["ok"])
    path = clip.media_files.streaming[0].path
    data = body(moto, lab.bucket.name, path)
    picture = Image.open(lab.api.get_frame(clip.id, frames=[3])).tobytes()
    # Away: reading goes on.
    store.kill()
    for file in (lab.station.data / "fetched").rglob("*"):
        if file.is_file():
            file.unlink()
    assert got(lab, project, path) == data
    # Lost: it is put back.
    store.start()
    store.s3 = client_of({**store.key, "endpoint": make_key(store)["endpoint"]})
    lab.api.update_bucket(live.id, bucket_update={"config": config_of({**store.key, "endpoint": store.s3.meta.endpoint_url})})
    for file in files:
        store.s3.delete_object(Bucket=live.name, Key=file)
    wait_for("the file to be back", lambda: got(lab, project, path) == data and path in keys_in(store, live.name))
    assert body(store, live.name, path) == data
    found = findings(lab, "objects", "--scrub", "--repair")[0]
    assert found["level"] == "ok" and files <= keys_in(store, live.name), found
    assert Image.open(lab.api.get_frame(clip.id, frames=[3])).tobytes() == picture


def test_a_backup_store_that_is_away_holds_nobody_up(lab, new_station, tmp_path):
    store = new_station(tmp_path / "store")
    store.key = make_key(store)
    store.s3 = client_of(store.key)
    bucket = register(lab.api, lab.organization, store)
    project = project_of(lab, backup_bucket=bucket.id)
    media = add_video(lab.api, project, add_media_type(lab.api, project, "video"))
    store.kill()
    data = os.urandom(MIB)
    key = attach(lab, media, project, data)
    told = wait_for("the warning", lambda: [row for row in findings(lab, "backups") if "1 waits for one and is tried again" in row["message"]])[0]
    assert told["level"] == "warning" and told["message"].count(f"bucket {bucket.id}") == 1, told
    assert got(lab, project, key) == data
    lab.station.kill()
    store.start()
    lab.station.start(lab.station.listen)
    lab.api = tator.get_api(lab.station.url, lab.station.admin_token)
    store.s3 = client_of(make_key(store))
    endpoint = store.s3.meta.endpoint_url
    lab.api.update_bucket(bucket.id, bucket_update={"config": config_of({**store.key, "endpoint": endpoint})})
    wait_for("the backup", lambda: keys_in(store, bucket.name) == {key}, secs=60)
    assert body(store, bucket.name, key) == data
