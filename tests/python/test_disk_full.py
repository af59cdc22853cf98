"""A full disk: writes are refused in words, reading goes on, and freed space is enough to go on."""

import os
import subprocess

import pytest
import tator
from botocore.exceptions import ClientError
from station import PASSWORD, wait_for
from support import Scene, box
from test_s3 import KIB, MIB, body, client_of, make_key

SIZE_MIB = 128
# tests/run.py knows this reason, too: every other skip counts as a failure there.
NOT_PERMITTED = "mounting a file system is not permitted"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own, small enough to fill."""
    if os.environ.get("TRANSECT_DATABASE_URL", "sqlite:").startswith("postgres"):
        pytest.skip("the database is not on this disk")
    if os.geteuid() != 0:
        pytest.skip(NOT_PERMITTED)
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", folder], check=False,
                             stderr=subprocess.PIPE, text=True)
    if "permission denied" in mounted.stderr.lower():
        pytest.skip(NOT_PERMITTED)
    assert mounted.returncode == 0, mounted.stderr
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(path):
    """Writes until nothing more fits, down to the last byte."""
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 20, 4096, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError as error:
                assert error.errno == 28, error


def test_full_and_free_again(new_station, small_disk):
    station = new_station(small_disk / "data")
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "Full"}).id
    scene = Scene(api, api.create_project(project_spec={"name": "Full", "organization": organization}).id)
    kept = scene.add(*({"frame": n} for n in range(100)))
    path = f"/rest/Localizations/{scene.project}"
    specs = [box(scene.video, scene.box_type, frame=n, attributes={"Species": "x" * 200}) for n in range(500)]

    def write():
        return station.http("POST", path, station.admin_token, json=specs)

    fill(small_disk / "ballast")
    answers = []
    while not answers or (answers[-1].status_code == 201 and len(answers) < 1000):
        answers.append(write())  # what a database keeps in reserve takes some requests
    refused = answers[-1]
    assert refused.status_code == 507, refused.text
    assert "disk" in refused.json()["message"].lower() or "space" in refused.json()["message"].lower()
    accepted = [made for answer in answers[:-1] for made in answer.json()["id"]]

    for _ in range(3):
        assert write().status_code == 507
        assert scene.found() == kept + accepted
    assert station.http("GET", f"/rest/Localization/{kept[0]}", station.admin_token).status_code == 200
    said = {row["check"]: row["level"] for row in station.lines("doctor", check=False, secs=60)}
    assert said["disk"] == "failed" and said["database"] == "ok" and "search" in said
    token = station.http("POST", "/rest/Token", json={"username": "admin", "password": PASSWORD})
    assert (token.status_code, token.json()["token"]) == (201, station.admin_token)
    assert station.alive

    (small_disk / "ballast").unlink()
    answer = wait_for("writes to be taken again", lambda: (lambda a: a if a.status_code == 201 else None)(write()))
    assert scene.found() == kept + accepted + answer.json()["id"]
    assert station.stop() == 0
    station.start()
    assert station.http("GET", f"/rest/LocalizationCount/{scene.project}", station.admin_token).json() == (
        len(kept) + len(accepted) + 500)


def test_objects_are_refused_too_and_none_is_lost(new_station, small_disk):
    station = new_station(small_disk / "data")
    s3 = client_of(make_key(station))
    s3.create_bucket(Bucket="full")
    kept = {f"{size}": os.urandom(size) for size in (100, 300 * KIB, 6 * MIB)}
    for name, data in kept.items():
        s3.put_object(Bucket="full", Key=name, Body=data)
    upload = {"Bucket": "full", "Key": "parts"}
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    first = s3.upload_part(**upload, PartNumber=1, Body=bytes(5 * MIB))["ETag"]
    fill(small_disk / "ballast")
    for size in (KIB, 40 * KIB, 5 * MIB):
        for call in (lambda: s3.put_object(Bucket="full", Key="100", Body=bytes(size)),
                     lambda: s3.upload_part(**upload, PartNumber=2, Body=bytes(size))):
            with pytest.raises(ClientError) as caught:
                call()
            answer = caught.value.response
            assert answer["ResponseMetadata"]["HTTPStatusCode"] == 507 and "full" in answer["Error"]["Message"].lower(), answer
    same = lambda: [body(s3.get_object(Bucket="full", Key=name)) == data for name, data in kept.items()]
    assert same() == [True] * 3
    (small_disk / "ballast").unlink()
    second = wait_for("room", lambda: s3.upload_part(**upload, PartNumber=2, Body=b"end"))["ETag"]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [
        {"PartNumber": number, "ETag": etag} for number, etag in ((1, first), (2, second))]})
    assert body(s3.get_object(Bucket="full", Key="parts")) == bytes(5 * MIB) + b"end" and same() == [True] * 3
    assert [row["level"] for row in station.lines("doctor", "--scrub") if row["check"] == "objects"] == ["ok"]


def test_a_full_second_disk_holds_nobody_up(new_station, small_disk):
    station = new_station(environment={"TRANSECT_OBJECTS_COPY": f"file:{small_disk}/second"})
    s3 = client_of(make_key(station))
    s3.create_bucket(Bucket="full")
    copies = lambda: next(row for row in station.lines("doctor", check=False) if row["check"] == "copies")
    wait_for("the second copy", lambda: copies()["level"] == "ok")
    fill(small_disk / "ballast")
    data = os.urandom(6 * MIB)
    s3.put_object(Bucket="full", Key="k", Body=data)
    assert "full" in wait_for("a warning", lambda: (lambda row: row["message"] if row["level"] == "warning" else "")(copies()))
    assert body(s3.get_object(Bucket="full", Key="k")) == data
    (small_disk / "ballast").unlink()
    wait_for("the second copy", lambda: copies()["level"] == "ok")
    assert any(path.read_bytes() == data for path in (small_disk / "second").glob("??/??/*"))
