"""Buckets of other stores: a second station plays the store, and boto3 looks at what is in it."""

import hashlib
import os
import socket
import types

import pytest
import requests
import tator
from PIL import Image
from cold import cold_store
from station import Station, wait_for
from support import add_media_type, add_video, refused, unique
from test_s3 import client_of, make_key
from test_upload import link, query_of, temporary, upload_media
from tator.util._upload_file import _upload_file

MIB = 1 << 20


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    """A station that is somebody's object store: `remote.s3` and `remote.key`."""
    store = Station(tmp_path_factory.mktemp("r") / "data")
    try:
        store.start()
        store.add_user("admin", "--admin")
        store.key = make_key(store)
        store.s3 = client_of(store.key)
        yield store
    finally:
        store.remove()


def config_of(key, **more):
    return {"endpoint_url": key["endpoint"], "region_name": "us-east-1", "aws_access_key_id": key["access_key"],
            "aws_secret_access_key": key["secret_key"], **more}


def register(api, organization, store, name=None, **more):
    """Makes a bucket in the store and registers it."""
    name = name or unique("clips").lower().replace(" ", "-").replace("_", "-")
    store.s3.create_bucket(Bucket=name)
    spec = {"name": name, "store_type": "MINIO", "config": config_of(store.key), **more}
    return types.SimpleNamespace(id=api.create_bucket(organization, bucket_spec=spec).id, name=name)


@pytest.fixture
def bucket(admin, organization, remote):
    return register(admin, organization, remote)


@pytest.fixture
def project(admin, organization, bucket):
    spec = {"name": unique("Dive"), "organization": organization, "bucket": bucket.id}
    return admin.create_project(project_spec=spec).id


@pytest.fixture
def clip(admin, project, corpus):
    """A video that was uploaded into the project with the client's function, and its kind."""
    kind = add_media_type(admin, project, "video")
    response = upload_media(admin, kind, corpus["h264_cfr25"]["path"])
    media = wait_for("the transcode", lambda: transcoded(admin, project, response))
    return media


def transcoded(api, project, response):
    """The media of a transcode, once the job is done and its thumbnail is there."""
    if api.get_transcode(response.id).job.status != "succeeded":
        return None
    media = next(media for media in api.get_media_list(project) if response.id in media.attributes.get("_tator_import_workflow", ()))
    return media if media.media_files.thumbnail else None


def keys_in(store, name):
    pages = store.s3.get_paginator("list_objects_v2").paginate(Bucket=name)
    return {row["Key"] for page in pages for row in page.get("Contents", [])}


def paths_of(media):
    files = media.media_files.to_dict()
    records = [record for role in files.values() for record in role or []]
    return {record[name] for record in records for name in ("path", "segment_info") if record.get(name)}


def body(store, name, key):
    return store.s3.get_object(Bucket=name, Key=key)["Body"].read()


def put(info, data):
    return requests.put(info.urls[0], data=data, timeout=60)


def empty(api, project):
    """A media that has no file yet."""
    return add_video(api, project, add_media_type(api, project, "video"))


def test_an_upload_is_in_the_bucket_under_its_key(admin, project, bucket, remote):
    media = empty(admin, project)
    data = os.urandom(3 * MIB + 7)
    info = admin.get_upload_info(project, media_id=media, filename="dive é (1).bin")
    answer = put(info, data)
    assert answer.ok and answer.headers["ETag"].strip('"') == hashlib.md5(data).hexdigest()
    assert body(remote, bucket.name, info.key) == data
    admin.create_auxiliary_file(media, role="attachment", auxiliary_file_definition={"path": info.key, "name": "dive"})
    assert admin.get_media(media).media_files.attachment[0].size == len(data)
    url = link(admin, project, info.key)
    assert url.startswith(admin.api_client.configuration.host) and f"/objects/{bucket.name}/" in url
    assert query_of(url)["X-Amz-Expires"] == "86400"
    assert requests.get(url, timeout=60).content == data
    part = requests.get(url, headers={"Range": "bytes=1000000-1000009"}, timeout=60)
    assert (part.status_code, part.content) == (206, data[1000000:1000010])
    tail = requests.get(url, headers={"Range": "bytes=-5"}, timeout=60)
    assert tail.content == data[-5:] and tail.headers["Content-Range"] == f"bytes {len(data) - 5}-{len(data) - 1}/{len(data)}"
    head = requests.head(url, timeout=60)
    assert head.headers["Content-Length"] == str(len(data)) and head.headers["ETag"] == answer.headers["ETag"]
    assert requests.get(url, headers={"If-None-Match": head.headers["ETag"]}, timeout=60).status_code == 304
    assert requests.get(url, headers={"Range": f"bytes={len(data)}-"}, timeout=60).status_code == 416
    # The same bytes again are a missed answer; others are refused, and nothing of what is there changes.
    assert put(info, data).ok
    assert put(info, b"other").status_code == 403
    assert requests.get(url, timeout=60).content == data
    wait_for("nothing else to be left", lambda: keys_in(remote, bucket.name) == {info.key})


def test_an_upload_in_parts(admin, project, bucket, remote, tmp_path):
    media = empty(admin, project)
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(21 * MIB + 3))
    for _, info in _upload_file(admin, project, str(path), media_id=media, filename="large.bin", chunk_size=2 * MIB):
        pass
    assert body(remote, bucket.name, info.key) == path.read_bytes()
    assert requests.get(link(admin, project, info.key), timeout=60).content == path.read_bytes()
    assert not remote.s3.list_multipart_uploads(Bucket=bucket.name).get("Uploads")


def test_an_empty_file(admin, project, bucket, remote):
    media = empty(admin, project)
    info = admin.get_upload_info(project, media_id=media, filename="empty.txt")
    assert put(info, b"").ok and body(remote, bucket.name, info.key) == b""
    assert requests.get(link(admin, project, info.key), timeout=60).content == b""


def test_a_video_lives_in_the_bucket(station, admin, project, bucket, remote, clip):
    files = paths_of(clip)
    assert len(files) >= 4
    wait_for("its files to be in the bucket", lambda: files <= keys_in(remote, bucket.name))
    for path in files:
        assert path.startswith(f"{clip_prefix(admin, project, clip.id)}")
        assert requests.get(link(admin, project, path), timeout=60).content == body(remote, bucket.name, path)
    # Its pictures come from there, also when the station has forgotten everything that it had fetched.
    picture = Image.open(admin.get_frame(clip.id, frames=[3]))
    station_has = station.data / "fetched"
    for file in station_has.iterdir():
        if file.is_file():
            file.unlink()
    again = Image.open(admin.get_frame(clip.id, frames=[3]))
    assert again.tobytes() == picture.tobytes() and any(file.is_file() for file in station_has.iterdir())
    # And nothing is left of them in the station's own store.
    listed = {path for path in (station.data / "objects").rglob("*") if path.is_file() and path.stat().st_size > 100_000}
    sizes = {file.stat().st_size for file in listed}
    assert not sizes & {record.size for record in clip.media_files.streaming if record.size > 100_000}


def clip_prefix(api, project, media):
    return f"{api.get_project(project).organization}/{project}/{media}/"


def test_deletion_and_clones(station, admin, organization, project, bucket, remote, clip):
    files = paths_of(clip)
    wait_for("its files to be in the bucket", lambda: files <= keys_in(remote, bucket.name))
    elsewhere = admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id
    kind = add_media_type(admin, elsewhere, "video")
    spec = {"dest_project": elsewhere, "dest_type": kind}
    clone = admin.clone_media_list(project, clone_media_spec=spec, media_id=[clip.id]).id[0]
    assert paths_of(admin.get_media(clone)) == files
    url = admin.get_media(clone, presigned=3600).media_files.streaming[0].path
    path = clip.media_files.streaming[0].path
    assert requests.get(url, timeout=60).content == body(remote, bucket.name, path)
    Image.open(admin.get_frame(clone, frames=[1])).verify()
    # A file that is taken out of its media goes from the bucket, unless the clone has it.
    media = add_video(admin, project, clip.type)
    info = admin.get_upload_info(project, media_id=media, filename="note.txt")
    assert put(info, b"a note").ok
    admin.create_auxiliary_file(media, role="attachment", auxiliary_file_definition={"path": info.key, "name": "note"})
    assert info.key in keys_in(remote, bucket.name)
    admin.delete_auxiliary_file(media, role="attachment", index=0)
    wait_for("the note to go", lambda: info.key not in keys_in(remote, bucket.name))
    message = refused(400, admin.delete_bucket, bucket.id)["message"]
    assert "is used by" in message
    assert files <= keys_in(remote, bucket.name)


def test_attachments_files_and_pictures_move(admin, project, bucket, remote, tmp_path, clip, corpus):
    note = tmp_path / "note.txt"
    note.write_text("a note")
    for _ in tator.util.upload_attachment(admin, clip.id, str(note)):
        pass
    path = admin.get_media(clip.id).media_files.attachment[0].path
    assert body(remote, bucket.name, path) == b"a note"
    kind = add_media_type(admin, project, "image")
    response = upload_media(admin, kind, corpus["image_png"]["path"])
    made = response.id if isinstance(response.id, int) else response.id[0]

    def fetched():
        media = admin.get_media(made)
        return media if media.media_files and media.media_files.image and media.media_files.thumbnail else None

    media = wait_for("the image", fetched)
    wait_for("the image to move", lambda: paths_of(media) <= keys_in(remote, bucket.name))
    with open(corpus["image_png"]["path"], "rb") as file:
        assert body(remote, bucket.name, media.media_files.image[0].path) == file.read()


def test_the_upload_bucket_and_a_named_bucket(admin, organization, remote, tmp_path):
    uploads, named = register(admin, organization, remote), register(admin, organization, remote, "tator-alt")
    spec = {"name": unique("Dive"), "organization": organization, "upload_bucket": uploads.id}
    project = admin.create_project(project_spec=spec).id
    path = tmp_path / "a.bin"
    path.write_bytes(os.urandom(70_000))
    key = temporary(admin, project, path)
    assert key.startswith("_uploads/") and body(remote, uploads.name, key) == path.read_bytes()
    media = empty(admin, project)
    for chunk in (40_000, 100_000):  # in parts, and in one piece
        for _, info in _upload_file(admin, project, str(path), media_id=media, filename="a.bin", bucket_id=named.id, chunk_size=chunk):
            pass
        assert body(remote, "tator-alt", info.key) == path.read_bytes()
        definition = {"path": info.key, "name": "a"}
        admin.create_auxiliary_file(media, role="attachment", auxiliary_file_definition=definition, bucket_id=named.id)
    shown = admin.get_media(media, presigned=3600).media_files.attachment[0].path
    assert "tator-alt" in shown and requests.get(shown, timeout=60).content == path.read_bytes()
    refused(400, admin.get_upload_info, project, media_id=media, bucket_id=10**9)


def used(station, api, project):
    """Bytes that the quota of a project counts."""
    name = api.get_project(project).name
    found = [row for row in station.lines("quota", "list") if (row["kind"], row["name"]) == ("project", name)]
    return found[0]["used_bytes"] if found else 0


def test_a_quota_counts_what_is_on_the_disk_of_the_station(station, admin, project, bucket, remote, tmp_path, corpus):
    name = admin.get_project(project).name
    station.command("quota", "set", "--project", name, "1MiB")
    media, data = empty(admin, project), os.urandom(3 * MIB)
    info = admin.get_upload_info(project, media_id=media, filename="large.bin")
    assert put(info, data).ok and body(remote, bucket.name, info.key) == data
    assert used(station, admin, project) == 0
    # A temporary upload comes to the station, and its generic files stay there.
    assert put(admin.get_upload_info(project), bytes(2 * MIB)).status_code == 507
    path = tmp_path / "page.html"
    path.write_bytes(bytes(600_000))
    spec = {"name": "page.html", "upload_url": link(admin, project, temporary(admin, project, path))}
    admin.save_generic_file(project, generic_file_spec=spec)
    assert used(station, admin, project) == 600_000
    refusal = refused(507, admin.save_generic_file, project, generic_file_spec=spec)
    assert name in refusal["message"], refusal
    # What moves away gives its room back.
    station.command("quota", "set", "--project", name, "none")
    kind = add_media_type(admin, project, "image")
    clip = corpus["image_png"]["path"]
    url = link(admin, project, temporary(admin, project, clip))
    made = admin.create_media_list(project, body={"type": kind, "name": "a.png", "md5": "", "url": url}).id
    made = wait_for("the image", lambda: (lambda row: row if row.media_files and row.media_files.thumbnail else None)(admin.get_media(made)))
    wait_for("its files to be in the bucket", lambda: paths_of(made) <= keys_in(remote, bucket.name))
    wait_for("the station to hold the page alone", lambda: used(station, admin, project) == 600_000)


def test_a_quota_counts_what_is_on_its_way_to_the_station(station, admin, organization, remote, tmp_path):
    uploads = register(admin, organization, remote)
    spec = {"name": unique("Dive"), "organization": organization, "upload_bucket": uploads.id}
    project = admin.create_project(project_spec=spec).id
    name = admin.get_project(project).name
    kind = add_media_type(admin, project, "image")
    path = tmp_path / "a.bin"
    path.write_bytes(os.urandom(2 * MIB))
    station.command("quota", "set", "--project", name, "1MiB")
    url = link(admin, project, temporary(admin, project, path))  # takes no room of the station
    spec = {"type": kind, "name": "a.bin", "md5": "", "url": url}
    assert "quota" in refused(507, admin.create_media_list, project, body=spec)["message"]
    assert used(station, admin, project) == 0
    station.command("quota", "set", "--project", name, "3MiB")
    made = admin.create_media_list(project, body=spec).id
    assert used(station, admin, project) == 2 * MIB
    name = f"bucket {uploads.id} ("
    waiting = lambda: [row for row in station.lines("doctor", check=False)
                       if row["check"] == "bucket" and name in row["message"] and "wait" in row["message"]]
    wait_for("the file to be here", lambda: not waiting())
    assert used(station, admin, project) == 2 * MIB
    admin.delete_media(made)


def test_links_with_another_host_lead_to_the_store_itself(admin, organization, remote, tmp_path):
    host = remote.key["endpoint"].split("://")[1]
    direct = register(admin, organization, remote, external_host=host)
    project = admin.create_project(project_spec={"name": unique("Dive"), "organization": organization, "bucket": direct.id}).id
    media = empty(admin, project)
    info = admin.get_upload_info(project, media_id=media, filename="a b.txt")
    assert put(info, b"straight").ok
    url = link(admin, project, info.key)
    assert url.startswith(f"http://{host}/{direct.name}/") and query_of(url)["X-Amz-Expires"] == "86400"
    assert requests.get(url, timeout=60).content == b"straight"


def test_what_the_store_refuses(admin, organization, remote):
    name = unique("x").lower().replace(" ", "-").replace("_", "-")
    spec = {"name": name, "store_type": "S3BASIC"}
    wrong = config_of(remote.key, aws_secret_access_key="wrong-and-secret")
    body_ = refused(400, admin.create_bucket, organization, bucket_spec={**spec, "config": wrong})
    assert "SignatureDoesNotMatch" in str(body_) and "wrong-and-secret" not in str(body_), body_
    body_ = refused(400, admin.create_bucket, organization, bucket_spec={**spec, "config": config_of(remote.key)})
    assert "has none with the name" in str(body_) and name in str(body_), body_
    # What is no address at all is kept, as one that does not answer is, and says so when it is used.
    for endpoint in ("u", "ftp://a.org", "http://", "http://a b", "http://a.org/b c", "https://a.org/?x", "file:///etc/passwd"):
        made = admin.create_bucket(organization, bucket_spec={**spec, "config": config_of({**remote.key, "endpoint": endpoint})}).id
        nowhere = admin.create_project(project_spec={"name": unique("Dive"), "organization": organization, "bucket": made}).id
        info = admin.get_upload_info(nowhere, media_id=empty(admin, nowhere), filename="a.txt")
        answer = put(info, b"x")
        assert answer.status_code == 503 and "no http:// or https:// address" in answer.text, (endpoint, answer.text)
    for odd in ({"region_name": "a\nb"}, {"region_name": "é"}, {"aws_access_key_id": "a b"}):
        admin.create_bucket(organization, bucket_spec={**spec, "config": config_of(remote.key, **odd)})
    admin.create_bucket(organization, bucket_spec={**spec, "name": "../ é?", "config": config_of(remote.key)})
    remote.s3.create_bucket(Bucket=name)
    made = admin.create_bucket(organization, bucket_spec={**spec, "config": config_of(remote.key)}).id
    refused(400, admin.update_bucket, made, bucket_update={"config": wrong})
    refused(400, admin.update_bucket, made, bucket_update={"name": name + "-not"})


def test_a_store_that_does_not_answer_is_registered_and_told_of(station, admin, organization):
    """Who prepares a station at sea may; but is told at once, by the doctor too, in one sentence."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = {"endpoint": f"http://127.0.0.1:{free.getsockname()[1]}", "access_key": "a", "secret_key": "b"}
    spec = {"name": "far-away", "store_type": "MINIO", "config": config_of(nobody)}
    answer = admin.create_bucket(organization, bucket_spec=spec)
    begun = "Bucket far-away created successfully! It cannot be used yet, though: it does not answer as it should ("
    assert answer.message.startswith(begun) and "see that its store runs" in answer.message, answer.message
    answer = admin.update_bucket(answer.id, bucket_update={"name": "further-away"})
    assert "It cannot be used yet" in answer.message and "further-away" not in answer.message, answer.message
    told = [row for row in station.lines("doctor", check=False) if row["check"] == "bucket" and "further-away" in row["message"]]
    assert [row["level"] for row in told] == ["warning"] and "no project uses it" in told[0]["message"], told
    assert told[0]["message"].count("bucket ") == 1 and "transect doctor" not in told[0]["message"], told
    assert told[0]["message"].endswith(nobody["endpoint"]), told


def test_only_administrators_of_the_station_lead_into_its_network(admin, people, organization, remote):
    name = unique("y").lower().replace(" ", "-").replace("_", "-")
    remote.s3.create_bucket(Bucket=name)
    admin.create_affiliation(organization, affiliation_spec={"user": people.executor.id, "permission": "Admin"})
    spec = {"name": name, "store_type": "MINIO", "config": config_of(remote.key)}
    made = people.executor.api.create_bucket(organization, bucket_spec=spec).id
    project = admin.create_project(project_spec={"name": unique("Dive"), "organization": organization, "bucket": made}).id
    media = empty(admin, project)
    info = admin.get_upload_info(project, media_id=media, filename="a.txt")
    answer = put(info, b"x")
    assert answer.status_code == 503 and "server.request_origins" in answer.text
    admin.update_bucket(made, bucket_update={"config": config_of(remote.key)})
    assert put(info, b"x").ok
    # What was refused before it reached the store holds no name.
    assert keys_in(remote, name) == {info.key} and body(remote, name, info.key) == b"x"


def test_nothing_tells_the_secrets(station, admin, organization, project, bucket, remote):
    secrets = {remote.key["secret_key"]}
    shown = station.http("GET", f"/rest/Bucket/{bucket.id}", station.admin_token).text
    shown += station.http("GET", f"/rest/Buckets/{organization}", station.admin_token).text
    shown += str(admin.get_journal(project, newest=True, limit=100))
    shown += station.log.read_text(errors="replace")
    assert not [secret for secret in secrets if secret in shown]
    for file in station.data.rglob("*"):
        if file.is_file() and "sqlite" in file.name:
            assert remote.key["secret_key"].encode() not in file.read_bytes(), file


def test_a_store_that_is_away(new_station, tmp_path, corpus):
    """Clear refusals instead of waiting; what the station made itself waits, also over a restart, and moves in the end."""
    store = new_station(tmp_path / "store")
    store.key = make_key(store)
    store.s3 = client_of(store.key)
    station = new_station(tmp_path / "station")
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "Lab"}).id
    bucket = register(api, organization, store)
    project = api.create_project(project_spec={"name": "Dive", "organization": organization, "bucket": bucket.id}).id
    kind = add_media_type(api, project, "video")
    media = add_video(api, project, kind)
    info = api.get_upload_info(project, media_id=media, filename="a.txt")
    assert put(info, b"kept").ok
    url = link(api, project, info.key)

    store.kill()
    answer = requests.get(url, timeout=30)
    assert answer.status_code == 503 and f"bucket {bucket.id} ({bucket.name}) does not answer" in answer.text, answer.text
    late = api.get_upload_info(project, media_id=media, filename="b.txt")
    answer = put(late, b"refused")
    assert answer.status_code == 503 and "transect doctor" in answer.text
    told = [row for row in station.lines("doctor", check=False) if row["check"] == "bucket"]
    assert [row["level"] for row in told] == ["failed"] and bucket.name in told[0]["message"], told

    # What is damaged here is found beside what cannot be read there.
    own = client_of(make_key(station))
    own.create_bucket(Bucket="own")
    data = os.urandom(300_000)
    own.put_object(Bucket="own", Key="k", Body=data)
    blob = next(path for path in (station.data / "objects").glob("??/??/*") if path.read_bytes() == data)
    blob.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    found = next(row for row in station.lines("doctor", "--scrub", check=False) if row["check"] == "objects")
    assert found["level"] == "failed" and "damaged: own/k" in found["message"], found
    assert f"1 in bucket {bucket.id} could not be read" in found["message"], found
    own.delete_object(Bucket="own", Key="k")

    # A video that is uploaded meanwhile is worked on all the same.
    response = upload_media(api, kind, corpus["h264_cfr25"]["path"])
    clip = wait_for("the transcode", lambda: transcoded(api, project, response))
    Image.open(api.get_frame(clip.id, frames=[0])).verify()
    station.stop()
    store.start()
    station.start(station.listen)
    api = tator.get_api(station.url, station.admin_token)
    endpoint = make_key(store)["endpoint"]
    store.key["endpoint"] = endpoint
    store.s3 = client_of(store.key)
    api.update_bucket(bucket.id, bucket_update={"config": config_of(store.key)})

    def arrived():
        # Where a station ended in the middle of a write, and others may be at theirs (PostgreSQL), the next one takes a name
        # beside the key.
        there = keys_in(store, bucket.name)
        return all(any(key == path or key.startswith(path + ".") for key in there) for path in paths_of(clip))

    wait_for("its files to be in the bucket", arrived, secs=60)
    # What is sent again has the plain name.
    answer = put(late, b"again")
    assert answer.ok and body(store, bucket.name, late.key) == b"again", answer.text
    assert [key for key in keys_in(store, bucket.name) if key.startswith(late.key)] == [late.key]
    assert requests.get(link(api, project, info.key), timeout=60).content == b"kept"
    wait_for("the doctor to be content", lambda: [row["level"] for row in station.lines("doctor", check=False)
                                                  if row["check"] == "bucket"] == ["ok"])
    # Whoever takes an object away behind the station's back is found out.
    store.s3.delete_object(Bucket=bucket.name, Key=info.key)
    found = [row for row in station.lines("doctor", "--scrub", check=False) if row["check"] == "objects"]
    assert found[0]["level"] == "failed" and info.key in found[0]["message"]


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    """A store with storage classes: `moto.s3` and `moto.key`."""
    with cold_store(tmp_path_factory.mktemp("moto") / "log") as endpoint:
        key = {"endpoint": endpoint, "access_key": "a", "secret_key": "b"}
        yield types.SimpleNamespace(key=key, s3=client_of(key))


def test_large_objects_change_their_class_in_parts(new_station, moto):
    station = new_station(environment={"TRANSECT_OBJECTS_LARGEST_COPY_BYTES": str(5 * MIB)})
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "Lab"}).id
    bucket = register(api, organization, moto, store_type="AWS", archive_sc="DEEP_ARCHIVE")
    project = api.create_project(project_spec={"name": "Dive", "organization": organization, "bucket": bucket.id}).id
    media, data = empty(api, project), os.urandom(12 * MIB + 5)
    info = api.get_upload_info(project, media_id=media, filename="dive é +&.bin")
    assert put(info, data).ok
    api.create_auxiliary_file(media, role="attachment", auxiliary_file_definition={"path": info.key, "name": "a"})

    def is_now(state, storage_class):
        wait_for(f"the media to be {state}", lambda: api.get_media(media).archive_state == state)
        head = moto.s3.head_object(Bucket=bucket.name, Key=info.key)
        assert head.get("StorageClass", "STANDARD") == storage_class
        assert head["ETag"].endswith('-3"') and head["ContentLength"] == len(data), head

    api.update_media(media, media_update={"archive_state": "to_archive"})
    is_now("archived", "DEEP_ARCHIVE")
    moto.s3.restore_object(Bucket=bucket.name, Key=info.key, RestoreRequest={"Days": 1})
    api.update_media(media, media_update={"archive_state": "to_live"})
    is_now("live", "STANDARD")
    assert requests.get(link(api, project, info.key), timeout=60).content == data
    assert not moto.s3.list_multipart_uploads(Bucket=bucket.name).get("Uploads")


def test_archiving_where_the_store_has_no_such_classes(station, admin, organization, remote):
    """The request stands until the store was asked, and is done when it declines; the bytes stay at hand."""
    bucket = register(admin, organization, remote, archive_sc="DEEP_ARCHIVE")
    project = admin.create_project(project_spec={"name": unique("Dive"), "organization": organization, "bucket": bucket.id}).id
    media = empty(admin, project)
    info = admin.get_upload_info(project, media_id=media, filename="a.txt")
    assert put(info, b"a note").ok
    admin.create_auxiliary_file(media, role="attachment", auxiliary_file_definition={"path": info.key, "name": "a"})

    def state():
        return admin.get_media(media).archive_state

    admin.update_media(media, media_update={"archive_state": "to_archive"})
    wait_for("the media to be archived", lambda: state() == "archived")
    assert admin.get_media(media).archive_status_date
    assert "has no such storage class" in station.log.read_text(errors="replace")
    assert requests.get(link(admin, project, info.key), timeout=60).content == b"a note"
    admin.update_media(media, media_update={"archive_state": "to_live"})
    wait_for("the media to be live", lambda: state() == "live")
