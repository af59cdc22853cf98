"""What must be kept secret stands nowhere in clear: not in the data folder, not in the log, not in the database."""

import base64
import json
import subprocess

import pytest
from station import PASSWORD
from support import unique

HIDDEN = {"bucket": "hidden-key-of-a-bucket", "cluster": "hidden-token-of-a-cluster"}


@pytest.fixture
def planted(new_station):
    """A station that was told secrets; returns it and their texts."""
    station = new_station()
    token = station.add_user("keeper", "--admin")
    post = lambda path, body: station.http("POST", path, token, json=body)  # noqa: E731
    organization = post("/rest/Organizations", {"name": unique("Lab")}).json()["id"]
    config = {"endpoint_url": "https://s3.example.org", "region_name": "eu", "aws_access_key_id": "key",
              "aws_secret_access_key": HIDDEN["bucket"]}
    assert post(f"/rest/Buckets/{organization}", {"name": "b", "store_type": "MINIO", "config": config}).status_code == 201
    cluster = {"name": "c", "host": "h", "port": 1, "token": HIDDEN["cluster"], "cert": ""}
    answer = post(f"/rest/JobClusters/{organization}", cluster)
    assert answer.status_code == 201
    assert station.http("GET", f"/rest/JobCluster/{answer.json()['id']}", token).json()["token"] == HIDDEN["cluster"]
    key = json.loads(station.command("s3", "key", "create").stdout)["secret_key"]
    session = station.http("POST", "/rest/Token", json={"username": "keeper", "password": PASSWORD}).json()["token"]
    assert session == token  # the same every time
    return station, {"token": token, "password": PASSWORD, "S3 key": key, **HIDDEN}


def stored(station):
    """Every byte that the station keeps, by the name of its place."""
    assert station.stop() == 0
    places = {str(file): file.read_bytes() for file in station.data.rglob("*") if file.is_file()}
    places["log"] = station.log.read_bytes()
    if station.database:
        places["database"] = subprocess.run(["pg_dump", station.database.url], check=True, stdout=subprocess.PIPE).stdout
    return places


def test_secrets_stand_nowhere_in_clear(planted):
    station, secrets = planted
    for place, data in stored(station).items():
        for name, text in secrets.items():
            for form in (text.encode(), base64.b64encode(text.encode()).rstrip(b"=")):
                assert form not in data, f"the {name} stands in {place}"


def test_the_secret_is_its_owners_and_needed(planted):
    station, secrets = planted
    assert station.stop() == 0
    file = station.data / "secret"
    assert file.stat().st_mode & 0o777 == 0o600
    kept = file.read_text()
    file.unlink()
    refusal = station.command("user", "token", "keeper", check=False)
    assert refusal.returncode == 1 and "copy the file `secret`" in refusal.stderr
    station.environment["TRANSECT_ACCOUNT_SECRET"] = kept
    station.start()
    assert station.http("GET", "/rest/User/GetCurrent", secrets["token"]).status_code == 200
    assert station.token("keeper") == secrets["token"]
    assert station.stop() == 0
    station.environment["TRANSECT_ACCOUNT_SECRET"] = "another secret, which is as long as it must be"
    assert station.command("user", "token", "keeper", check=False).returncode == 1
