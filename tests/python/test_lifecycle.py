"""What rules of a bucket let expire, and what they leave: rows are made older than they are, and a starting station sweeps."""

import datetime
import threading

import pytest
from botocore.exceptions import ClientError
from station import wait_for
from test_s3 import MIB, client_of, make_key

DAY_MS = 24 * 3_600_000
RACED = 300


class Shelves:
    """Buckets with rules, and statements that make rows older."""

    def __init__(self, s3):
        self.s3, self.aging = s3, []

    def bucket(self, name, rule, versions=False):
        self.s3.create_bucket(Bucket=name)
        if versions:
            self.s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        rule = {"Status": "Enabled", "Filter": {"Prefix": ""}, **rule}
        self.s3.put_bucket_lifecycle_configuration(Bucket=name, LifecycleConfiguration={"Rules": [rule]})
        return name

    def put(self, bucket, key, days=0, body=b"x", **more):
        version = self.s3.put_object(Bucket=bucket, Key=key, Body=body, **more).get("VersionId")
        if days:
            self.age("object", "created_at", bucket, days, f"and key = '{key}'")
        return version

    def age(self, table, column, bucket, days, which=""):
        self.aging.append(f"update {table} set {column} = {column} - {days * DAY_MS} "
                          f"where bucket = (select id from store_bucket where name = '{bucket}') {which};")

    def keys(self, bucket):
        return [row["Key"] for row in self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]

    def versions(self, bucket):
        listed = self.s3.list_object_versions(Bucket=bucket)
        return ([row["VersionId"] for row in listed.get("Versions", [])],
                [row["VersionId"] for row in listed.get("DeleteMarkers", [])])


@pytest.fixture
def shelves(new_station):
    station = new_station()
    shelves = Shelves(client_of(make_key(station)))
    shelves.station = station
    return shelves


def sweep(shelves):
    """Ages the rows and starts the station anew, which sweeps at once."""
    station = shelves.station
    assert station.stop() == 0
    station.behind_the_back("\n".join(shelves.aging))
    seen = station.log.stat().st_size
    station.start()
    shelves.s3 = client_of(make_key(station))
    wait_for("the sweep", lambda: b"objects expired by the rules" in station.log.read_bytes()[seen:])


def test_current_versions(shelves):
    today = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    days = {"Expiration": {"Days": 3}}
    prefix = shelves.bucket("prefix", {"Filter": {"Prefix": "logs/"}, **days})
    for key in ("logs/old", "logs/old too", "kept/old"):
        shelves.put(prefix, key, 5)
    shelves.put(prefix, "logs/young", 2)
    shelves.put(prefix, "logs/", 5)
    tags = shelves.bucket("tags", {"Filter": {"And": {"Prefix": "a", "Tags": [{"Key": "k", "Value": "v"}, {"Key": "l", "Value": "w"}]}}, **days})
    for key, tagging in (("a-both", "k=v&l=w&m=x"), ("a-one", "k=v"), ("a-other", "k=v&l=v"), ("a-none", ""), ("b-both", "k=v&l=w")):
        shelves.put(tags, key, 5, **({"Tagging": tagging} if tagging else {}))
    sizes = shelves.bucket("sizes", {"Filter": {"And": {"ObjectSizeGreaterThan": 100, "ObjectSizeLessThan": 1000}}, **days})
    for size in (0, 100, 101, 999, 1000):
        shelves.put(sizes, f"{size:04}", 5, b"x" * size)
    off = shelves.bucket("switched-off", {"Status": "Disabled", **days})
    shelves.put(off, "old", 500)
    past = shelves.bucket("past", {"Expiration": {"Date": today}})
    shelves.put(past, "young")
    future = shelves.bucket("future", {"Expiration": {"Date": today + datetime.timedelta(days=2)}})
    shelves.put(future, "old", 500)
    bare = "without-rules"
    shelves.s3.create_bucket(Bucket=bare)
    shelves.put(bare, "old", 500)
    kept = shelves.bucket("kept-as-versions", days, versions=True)
    version = shelves.put(kept, "k", 5)

    sweep(shelves)
    assert shelves.keys(prefix) == ["kept/old", "logs/young"]
    assert shelves.keys(tags) == ["a-none", "a-one", "a-other", "b-both"]
    assert shelves.keys(sizes) == ["0000", "0100", "1000"]
    assert shelves.keys(off) == ["old"] and shelves.keys(future) == ["old"] and shelves.keys(bare) == ["old"]
    assert shelves.keys(past) == []
    # Where versions are kept, the current one only becomes an old one.
    versions, markers = shelves.versions(kept)
    assert versions == [version] and len(markers) == 1
    with pytest.raises(ClientError):
        shelves.s3.head_object(Bucket=kept, Key="k")
    assert shelves.s3.get_object(Bucket=kept, Key="k", VersionId=version)["Body"].read() == b"x"
    # Bytes that nothing uses go, too, and nothing else does.
    assert not [row for row in shelves.station.lines("doctor", "--scrub", check=False) if row["level"] == "failed"]


def test_old_versions_and_delete_markers(shelves):
    by_days = shelves.bucket("by-days", {"Filter": {"Prefix": "a"}, "NoncurrentVersionExpiration": {"NoncurrentDays": 3}}, versions=True)
    old = {key: [shelves.put(by_days, key) for _ in range(3)] for key in ("a", "b")}
    for key, versions in old.items():
        shelves.age("object_version", "replaced_at", by_days, 5, f"and version = '{versions[0]}'")
        shelves.age("object_version", "replaced_at", by_days, 1, f"and version = '{versions[1]}'")
    # A version counts from when another took its place, however old it is itself.
    shelves.age("object_version", "created_at", by_days, 900)
    by_count = shelves.bucket("by-count", {"NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}}, versions=True)
    many = [shelves.put(by_count, "k") for _ in range(6)]
    shelves.age("object_version", "replaced_at", by_count, 5)
    two = shelves.put(by_count, "two"), shelves.put(by_count, "two")
    marked = shelves.bucket("marked", {"Filter": {"Prefix": "m/"}, "Expiration": {"ExpiredObjectDeleteMarker": True}}, versions=True)
    for key in ("m/alone", "m/hides", "other"):
        version = shelves.put(marked, key)
        shelves.s3.delete_object(Bucket=marked, Key=key)
        if key != "m/hides":
            shelves.s3.delete_object(Bucket=marked, Key=key, VersionId=version)
    unmarked = shelves.bucket("unmarked", {"Expiration": {"Days": 400}}, versions=True)
    shelves.s3.delete_object(Bucket=unmarked, Key="never")

    sweep(shelves)
    assert set(shelves.versions(by_days)[0]) == {*old["a"][1:], *old["b"]}
    # The current one, and the two newest of the others.
    assert set(shelves.versions(by_count)[0]) == {*many[3:], *two}
    listed = shelves.s3.list_object_versions(Bucket=marked)
    assert [row["Key"] for row in listed["DeleteMarkers"]] == ["m/hides", "other"]
    assert [row["Key"] for row in listed["Versions"]] == ["m/hides"]
    assert len(shelves.versions(unmarked)[1]) == 1


def test_unfinished_uploads(shelves):
    rule = {"Filter": {"Prefix": "u/"}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}
    name = shelves.bucket("uploads", rule)
    uploads = {}
    for key in ("u/old", "u/young", "v/old"):
        where = {"Bucket": name, "Key": key}
        uploads[key] = shelves.s3.create_multipart_upload(**where)["UploadId"]
        shelves.s3.upload_part(**where, UploadId=uploads[key], PartNumber=1, Body=b"p" * MIB)
        if "old" in key:
            shelves.age("multipart_upload", "created_at", name, 4, f"and key = '{key}'")
    shelves.put(name, "u/object", 400)

    sweep(shelves)
    assert [row["Key"] for row in shelves.s3.list_multipart_uploads(Bucket=name)["Uploads"]] == ["u/young", "v/old"]
    assert shelves.keys(name) == ["u/object"]
    with pytest.raises(ClientError) as caught:
        shelves.s3.list_parts(Bucket=name, Key="u/old", UploadId=uploads["u/old"])
    assert caught.value.response["Error"]["Code"] == "NoSuchUpload"
    parts = shelves.s3.list_parts(Bucket=name, Key="v/old", UploadId=uploads["v/old"])["Parts"]
    done = {"Parts": [{"PartNumber": 1, "ETag": parts[0]["ETag"]}]}
    shelves.s3.complete_multipart_upload(Bucket=name, Key="v/old", UploadId=uploads["v/old"], MultipartUpload=done)
    assert shelves.s3.get_object(Bucket=name, Key="v/old")["Body"].read() == b"p" * MIB


def test_what_is_renewed_while_the_sweep_runs_stays(shelves):
    """Every put that was acknowledged is there, whether it came before its old version expired or after."""
    name = shelves.bucket("raced", {"Expiration": {"Days": 1}})
    keys = [f"{number:04}" for number in range(RACED)]
    in_turns(keys, lambda key: shelves.put(name, key))
    shelves.age("object", "created_at", name, 5)
    station = shelves.station
    assert station.stop() == 0
    station.behind_the_back("\n".join(shelves.aging))
    station.start()
    shelves.s3 = client_of(make_key(station))
    renewed = keys[::2]
    in_turns(renewed, lambda key: shelves.put(name, key, body=key.encode()))
    wait_for("the others to go", lambda: shelves.keys(name) == renewed)
    for key in renewed[::10]:
        assert shelves.s3.get_object(Bucket=name, Key=key)["Body"].read() == key.encode()


def in_turns(keys, do, threads=6):
    failed = []

    def some(first):
        try:
            for key in keys[first::threads]:
                do(key)
        except Exception as error:
            failed.append(error)

    running = [threading.Thread(target=some, args=(first,)) for first in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert not failed, failed[0]
