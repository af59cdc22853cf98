"""The S3 service, as boto3, aws, rclone and s3cmd use it: bytes that come back, rights, races, crashes, damage."""

import datetime
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import urllib.parse

import boto3
import botocore.config
import pytest
import requests
from botocore.exceptions import ClientError
from station import wait_for
from support import unique

KIB, MIB = 1 << 10, 1 << 20
CONFIG = botocore.config.Config(signature_version="s3v4", retries={"max_attempts": 1}, s3={"addressing_style": "path"})


def make_key(station, *words):
    return json.loads(station.command("s3", "key", "create", *words).stdout)


def client_of(key, config=CONFIG):
    return boto3.client("s3", endpoint_url=key["endpoint"], region_name="us-east-1", config=config,
                        aws_access_key_id=key["access_key"], aws_secret_access_key=key["secret_key"])


@pytest.fixture(scope="module")
def key(station):
    return make_key(station)


@pytest.fixture(scope="module")
def s3(key):
    return client_of(key)


@pytest.fixture
def bucket(s3):
    name = unique("bucket").lower().replace(" ", "-").replace("_", "-")
    s3.create_bucket(Bucket=name)
    return name


def refused(code, call, **words):
    with pytest.raises(ClientError) as caught:
        call(**words)
    assert caught.value.response["Error"]["Code"] == code, caught.value
    return caught.value.response


def body(answer):
    return answer["Body"].read()


def test_the_command_prints_one_line(station):
    made = make_key(station)
    assert set(made) == {"access_key", "secret_key", "endpoint"} and made["endpoint"].startswith("http://127.0.0.1:")
    listed = station.lines("s3", "key", "list")
    assert made["access_key"] in [row["access_key"] for row in listed] and made["secret_key"] not in str(listed)
    station.command("s3", "key", "remove", made["access_key"])
    refused("InvalidAccessKeyId", client_of(made).list_buckets)


@pytest.mark.parametrize("size", [0, 1, 32 * KIB - 1, 32 * KIB, 32 * KIB + 1, 256 * KIB, 3 * MIB + 5])
def test_every_size_comes_back(s3, bucket, size):
    data = os.urandom(size)
    etag = s3.put_object(Bucket=bucket, Key="a/b c+é", Body=data, ContentType="x/y", Metadata={"depth": "12"})["ETag"]
    assert etag.strip('"') == hashlib.md5(data).hexdigest()
    answer = s3.get_object(Bucket=bucket, Key="a/b c+é")
    assert body(answer) == data
    assert (answer["ETag"], answer["ContentType"], answer["Metadata"]) == (etag, "x/y", {"depth": "12"})
    for text, part in (("bytes=0-0", slice(0, 1)), (f"bytes={size // 2}-", slice(size // 2, None)), ("bytes=-7", slice(-7, None))):
        if size:
            answer = s3.get_object(Bucket=bucket, Key="a/b c+é", Range=text)
            assert (answer["ResponseMetadata"]["HTTPStatusCode"], body(answer)) == (206, data[part])
    assert refused("InvalidRange", s3.get_object, Bucket=bucket, Key="a/b c+é", Range=f"bytes={size}-")


def test_parts(s3, bucket):
    parts = [os.urandom(5 * MIB), os.urandom(3 * MIB + 1), b"end"]
    started = s3.create_multipart_upload(Bucket=bucket, Key="k", Metadata={"a": "b"})
    named = {"Bucket": bucket, "Key": "k", "UploadId": started["UploadId"]}
    sent = [s3.upload_part(PartNumber=number, Body=data, **named)["ETag"] for number, data in ((1, parts[0]), (9, parts[1]))]
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="k")
    listed = s3.list_parts(**named)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in listed] == [(1, 5 * MIB), (9, 3 * MIB + 1)]
    chosen = [{"PartNumber": 1, "ETag": sent[0]}, {"PartNumber": 9, "ETag": sent[1]}]
    refused("InvalidPartOrder", s3.complete_multipart_upload, MultipartUpload={"Parts": chosen[::-1]}, **named)
    whole = s3.complete_multipart_upload(MultipartUpload={"Parts": chosen}, **named)
    assert whole["ETag"].endswith('-2"')
    assert body(s3.get_object(Bucket=bucket, Key="k")) == parts[0] + parts[1]
    answer = s3.get_object(Bucket=bucket, Key="k", PartNumber=9)
    assert (body(answer), answer["PartsCount"]) == (parts[1], 2)
    assert s3.complete_multipart_upload(MultipartUpload={"Parts": chosen}, **named)["ETag"] == whole["ETag"]


def test_what_is_aborted_leaves_nothing(new_station):
    station = new_station()
    s3 = client_of(make_key(station))
    s3.create_bucket(Bucket="parts")
    started = s3.create_multipart_upload(Bucket="parts", Key="k")
    named = {"Bucket": "parts", "Key": "k", "UploadId": started["UploadId"]}
    for number in (1, 2):
        s3.upload_part(PartNumber=number, Body=os.urandom(MIB), **named)
    assert len(blobs(station)) == 2
    s3.abort_multipart_upload(**named)
    refused("NoSuchUpload", s3.list_parts, **named)
    wait_for("the parts to go", lambda: not blobs(station))
    s3.delete_bucket(Bucket="parts")


def blobs(station):
    """The files of large blobs."""
    folder = station.data / "objects"
    return [path for path in folder.glob("??/??/*") if path.is_file()]


def test_conditions_are_decided_where_it_is_written(s3, bucket):
    outcomes = []

    def create(number):
        try:
            s3.put_object(Bucket=bucket, Key="once", Body=str(number).encode(), IfNoneMatch="*")
            outcomes.append(number)
        except ClientError as error:
            assert error.response["Error"]["Code"] == "PreconditionFailed"

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 1
    assert body(s3.get_object(Bucket=bucket, Key="once")) == str(outcomes[0]).encode()
    etag = s3.head_object(Bucket=bucket, Key="once")["ETag"]
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="once", IfNoneMatch=etag)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 304
    refused("PreconditionFailed", s3.put_object, Bucket=bucket, Key="once", Body=b"", IfMatch='"0"')


@pytest.mark.parametrize("size", [4 * KIB, 300 * KIB])
def test_readers_see_one_version(s3, key, bucket, size):
    versions = [bytes([letter]) * size for letter in b"abc"]
    s3.put_object(Bucket=bucket, Key="k", Body=versions[0])
    stop, problems = threading.Event(), []

    def read():
        own = client_of(key)
        while not stop.is_set():
            found = body(own.get_object(Bucket=bucket, Key="k"))
            if found not in versions:
                problems.append((len(found), set(found)))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(60):
        s3.put_object(Bucket=bucket, Key="k", Body=versions[number % 3])
    stop.set()
    for reader in readers:
        reader.join()
    assert problems == []


def test_listings(s3, bucket):
    keys = [f"{folder}/{name}" for folder in ("a", "b", "ü") for name in range(70)] + ["a", "z"]
    for name in keys:
        s3.put_object(Bucket=bucket, Key=name, Body=b"")
    ordered = sorted(keys, key=lambda name: name.encode())
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 17})
    assert [row["Key"] for page in pages for row in page.get("Contents", [])] == ordered
    found = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [row["Prefix"] for row in found["CommonPrefixes"]] == ["a/", "b/", "ü/"]
    assert [row["Key"] for row in found["Contents"]] == ["a", "z"]
    rolled = []
    for page in s3.get_paginator("list_objects").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1}):
        rolled += [row["Key"] for row in page.get("Contents", [])] + [row["Prefix"] for row in page.get("CommonPrefixes", [])]
    assert rolled == ["a", "a/", "b/", "z", "ü/"]


def test_versions(s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    made = [s3.put_object(Bucket=bucket, Key="k", Body=text)["VersionId"] for text in (b"one", b"two")]
    marker = s3.delete_object(Bucket=bucket, Key="k")
    assert marker["DeleteMarker"] is True
    refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="k")
    listed = s3.list_object_versions(Bucket=bucket)
    assert [row["VersionId"] for row in listed["Versions"]] == [*made[::-1], "null"]
    assert listed["DeleteMarkers"][0]["IsLatest"]
    assert body(s3.get_object(Bucket=bucket, Key="k", VersionId=made[0])) == b"one"
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker["VersionId"])
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"two"
    s3.delete_object(Bucket=bucket, Key="k", VersionId=made[1])
    s3.delete_object(Bucket=bucket, Key="k", VersionId=made[0])
    assert body(s3.get_object(Bucket=bucket, Key="k")) == b"before"


def test_links_and_hosts(s3, key, bucket):
    s3.put_object(Bucket=bucket, Key="a b", Body=b"hello")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b"}, ExpiresIn=60)
    assert requests.get(url, timeout=30).content == b"hello"
    assert requests.get(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"), timeout=30).status_code == 403
    assert requests.get(url.split("?")[0], timeout=30).status_code == 403
    port = urllib.parse.urlsplit(key["endpoint"]).port
    virtual = boto3.client("s3", endpoint_url=f"http://localhost:{port}", region_name="us-east-1",
                           aws_access_key_id=key["access_key"], aws_secret_access_key=key["secret_key"],
                           config=botocore.config.Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))
    link = virtual.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b"})
    assert urllib.parse.urlsplit(link).netloc == f"{bucket}.localhost:{port}"
    answer = requests.get(link.replace(f"{bucket}.localhost", "127.0.0.1", 1), headers={"Host": f"{bucket}.localhost:{port}"}, timeout=30)
    assert answer.content == b"hello"


def test_what_a_key_may(station, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    other = unique("other").lower().replace(" ", "-").replace("_", "-")
    s3.create_bucket(Bucket=other)
    bound = client_of(make_key(station, "--bucket", bucket))
    assert body(bound.get_object(Bucket=bucket, Key="k")) == b"x"
    bound.put_object(Bucket=bucket, Key="k2", Body=b"y")
    assert [row["Name"] for row in bound.list_buckets()["Buckets"]] == [bucket]
    refused("AccessDenied", bound.put_object, Bucket=other, Key="k", Body=b"")
    refused("AccessDenied", bound.list_objects_v2, Bucket=other)
    refused("AccessDenied", bound.create_bucket, Bucket=other + "-more")
    reader = client_of(make_key(station, "--read-only"))
    assert body(reader.get_object(Bucket=bucket, Key="k")) == b"x"
    refused("AccessDenied", reader.put_object, Bucket=bucket, Key="k", Body=b"")
    refused("AccessDenied", reader.delete_object, Bucket=bucket, Key="k")
    refused("AccessDenied", reader.copy_object, Bucket=bucket, Key="k3", CopySource=f"{bucket}/k")
    station.add_user(name := unique("swimmer"))
    stranger = client_of(make_key(station, "--user", name))
    refused("AccessDenied", stranger.get_object, Bucket=bucket, Key="k")
    refused("AccessDenied", stranger.list_objects_v2, Bucket=bucket)
    refused("BucketAlreadyExists", stranger.create_bucket, Bucket=bucket)
    assert stranger.list_buckets()["Buckets"] == []


def test_a_refused_put_leaves_the_connection_in_order(s3, key, bucket):
    """Clients that wait for `100 Continue` go on with the next request on the same connection."""
    for size in (1, 300, 70 * KIB):
        for _ in range(5):
            refused("AccessDenied", s3.put_object, Bucket="transect", Key="x", Body=bytes(size))
            s3.put_object(Bucket=bucket, Key="k", Body=b"next")
            assert body(s3.get_object(Bucket=bucket, Key="k")) == b"next"
    parts = urllib.parse.urlsplit(key["endpoint"])
    for _ in range(10):
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as connection:
            connection.sendall(f"PUT /{bucket}/k HTTP/1.1\r\nHost: {parts.netloc}\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"
                               .encode())
            answer = b""
            while piece := connection.recv(4096):
                answer += piece  # until the station closes
            head = answer.lower()
            assert head.startswith(b"http/1.1 403") and b"\r\nconnection: close\r\n" in head and b"100 continue" not in head


def test_a_key_for_a_bucket_that_is_not_there(station):
    done = station.command("s3", "key", "create", "--bucket", "nowhere", check=False)
    assert done.returncode == 1 and "no bucket named nowhere" in done.stderr


def test_media_in_place_are_read_only_objects(station, s3, corpus, project, admin):
    path = pathlib.Path(corpus["h264_cfr25"]["path"])
    name = admin.get_project(project).name
    station.lines("import", path, "--project", name)
    prefix = f"{admin.get_project(project).organization}/{project}/"
    listed = s3.list_objects_v2(Bucket="transect", Prefix=prefix)["Contents"]
    found = [row for row in listed if row["Key"].endswith(path.suffix)]
    key = found[0]["Key"]
    assert body(s3.get_object(Bucket="transect", Key=key)) == path.read_bytes()
    assert body(s3.get_object(Bucket="transect", Key=key, Range="bytes=100-199")) == path.read_bytes()[100:200]
    before = path.read_bytes()
    refused("AccessDenied", s3.put_object, Bucket="transect", Key=key, Body=b"")
    refused("AccessDenied", s3.delete_object, Bucket="transect", Key=key)
    refused("AccessDenied", s3.put_object, Bucket="transect", Key="new", Body=b"")
    refused("AccessDenied", s3.delete_bucket, Bucket="transect")
    assert path.read_bytes() == before


def not_offered():
    """Operations of every row of the README's table, by row: name, and words beside the bucket and perhaps an object."""
    secret = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "0" * 32}
    until = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": datetime.datetime(2100, 1, 1)}
    sse = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}
    there = {"S3BucketDestination": {"Bucket": "arn:aws:s3:::x", "Format": "CSV"}}
    inventory = {"Destination": there, "IsEnabled": True, "Id": "i", "IncludedObjectVersions": "All", "Schedule": {"Frequency": "Daily"}}
    moves = {"Status": "Enabled", "Filter": {"Prefix": ""}, "Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]}
    tiers = {"Id": "i", "Status": "Enabled", "Tierings": [{"Days": 90, "AccessTier": "ARCHIVE_ACCESS"}]}
    replication = {"Role": "r", "Rules": [{"Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "arn:aws:s3:::x"}}]}
    queues = {"QueueConfigurations": [{"QueueArn": "arn:aws:sqs:us-east-1:1:q", "Events": ["s3:ObjectCreated:*"]}]}
    point = "arn:aws:s3:us-east-1:123456789012:accesspoint/point"
    rows = {
        "encryption": [
            ("put_object", {"Key": "n", "ServerSideEncryption": "AES256"}), ("put_object", {"Key": "n", "ServerSideEncryption": "aws:kms"}),
            ("put_object", {"Key": "n", **secret}), ("get_object", {"Key": "o", **secret}),
            ("copy_object", {"Key": "n", "CopySource": "{bucket}/o", "ServerSideEncryption": "AES256"}),
            ("create_multipart_upload", {"Key": "n", "ServerSideEncryption": "AES256"}), ("create_multipart_upload", {"Key": "n", **secret}),
            ("put_bucket_encryption", {"ServerSideEncryptionConfiguration": sse}), ("get_bucket_encryption", {}), ("delete_bucket_encryption", {})],
        "locks": [
            ("create_bucket", {"Bucket": "locked-bucket", "ObjectLockEnabledForBucket": True}),
            ("put_object_lock_configuration", {"ObjectLockConfiguration": {"ObjectLockEnabled": "Enabled"}}),
            ("get_object_lock_configuration", {}), ("put_object_legal_hold", {"Key": "o", "LegalHold": {"Status": "ON"}}),
            ("get_object_legal_hold", {"Key": "o"}), ("get_object_retention", {"Key": "o"}), ("put_object", {"Key": "n", **until}),
            ("put_object_retention", {"Key": "o", "Retention": {"Mode": "GOVERNANCE", "RetainUntilDate": datetime.datetime(2100, 1, 1)}}),
            ("put_object", {"Key": "n", "ObjectLockLegalHoldStatus": "ON"}), ("create_multipart_upload", {"Key": "n", **until})],
        "classes": [
            ("restore_object", {"Key": "o", "RestoreRequest": {"Days": 1}}),
            ("put_bucket_lifecycle_configuration", {"LifecycleConfiguration": {"Rules": [moves]}}),
            ("put_bucket_intelligent_tiering_configuration", {"Id": "i", "IntelligentTieringConfiguration": tiers})],
        "services": [
            ("put_bucket_replication", {"ReplicationConfiguration": replication}), ("get_bucket_replication", {}), ("delete_bucket_replication", {}),
            ("put_bucket_inventory_configuration", {"Id": "i", "InventoryConfiguration": inventory}),
            ("get_bucket_inventory_configuration", {"Id": "i"}), ("list_bucket_inventory_configurations", {}),
            ("put_bucket_analytics_configuration", {"Id": "i", "AnalyticsConfiguration": {"Id": "i", "StorageClassAnalysis": {}}}),
            ("get_bucket_analytics_configuration", {"Id": "i"}), ("list_bucket_analytics_configurations", {}),
            ("put_bucket_metrics_configuration", {"Id": "i", "MetricsConfiguration": {"Id": "i"}}),
            ("get_bucket_metrics_configuration", {"Id": "i"}), ("list_bucket_metrics_configurations", {}),
            ("put_bucket_logging", {"BucketLoggingStatus": {"LoggingEnabled": {"TargetBucket": "x", "TargetPrefix": "l"}}}),
            ("get_bucket_logging", {}), ("put_bucket_notification_configuration", {"NotificationConfiguration": queues}),
            ("get_bucket_notification_configuration", {}),
            ("put_bucket_accelerate_configuration", {"AccelerateConfiguration": {"Status": "Enabled"}}),
            ("get_bucket_accelerate_configuration", {})],
        "products": [
            ("put_bucket_website", {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "i"}}}), ("get_bucket_website", {}),
            ("delete_bucket_website", {}), ("get_object_torrent", {"Key": "o"}), ("create_session", {}),
            ("select_object_content", {"Key": "o", "Expression": "select", "ExpressionType": "SQL", "InputSerialization": {"CSV": {}},
                                       "OutputSerialization": {"CSV": {}}}),
            ("copy_object", {"Key": "n", "CopySource": {"Bucket": point, "Key": "o"}}),
            ("put_bucket_abac", {"AbacStatus": {"Status": "Enabled"}})],
        "pieces": [
            ("put_object", {"Key": "o", "Body": b"y", "WriteOffsetBytes": 1}), ("rename_object", {"Key": "n", "RenameSource": "/{bucket}/o"}),
            ("rename_object", {"Key": "o", "RenameSource": "/{bucket}/n"})],
    }
    return [pytest.param(calls, id=row) for row, calls in rows.items()]


@pytest.mark.parametrize("calls", not_offered())
def test_what_is_not_offered_says_so(s3, bucket, calls):
    """And changes nothing."""
    s3.put_object(Bucket=bucket, Key="o", Body=b"x")
    for name, words in calls:
        named = {key: value.format(bucket=bucket) if isinstance(value, str) else value for key, value in words.items()}
        answer = refused("NotImplemented", getattr(s3, name), **{"Bucket": bucket, **named})
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 501, name
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["o"]
    assert body(s3.get_object(Bucket=bucket, Key="o")) == b"x"
    assert not s3.list_multipart_uploads(Bucket=bucket).get("Uploads")
    refused("NoSuchLifecycleConfiguration", s3.get_bucket_lifecycle_configuration, Bucket=bucket)
    refused("404", s3.head_bucket, Bucket="locked-bucket")


def test_other_storage_classes_are_refused(s3, bucket):
    s3.put_object(Bucket=bucket, Key="o", Body=b"x", StorageClass="STANDARD")
    for kind in ("GLACIER", "STANDARD_IA"):
        where = {"Bucket": bucket, "Key": "n", "StorageClass": kind}
        for call, words in ((s3.put_object, {}), (s3.create_multipart_upload, {}), (s3.copy_object, {"CopySource": f"{bucket}/o"})):
            assert refused("InvalidStorageClass", call, **where, **words)["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert [row["Key"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["o"]


def test_signature_v2(s3, key, bucket):
    """Old clients reach objects with it, and links; buckets they do not. A wrong signature and a link whose time is over get nothing."""
    old = botocore.config.Config(signature_version="s3", retries={"max_attempts": 1}, s3={"addressing_style": "path"})
    client = client_of(key, old)
    client.put_object(Bucket=bucket, Key="o", Body=b"x", Metadata={"a": "b"})
    assert body(client.get_object(Bucket=bucket, Key="o")) == b"x"
    assert refused("SignatureDoesNotMatch", client.list_objects, Bucket=bucket)["ResponseMetadata"]["HTTPStatusCode"] == 403
    refused("SignatureDoesNotMatch", client.get_bucket_acl, Bucket=bucket)
    stranger = client_of({**key, "secret_key": "no"}, old)
    refused("SignatureDoesNotMatch", stranger.get_object, Bucket=bucket, Key="o")
    refused("SignatureDoesNotMatch", stranger.put_object, Bucket=bucket, Key="n", Body=b"y")
    link = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "o"}, ExpiresIn=60)
    assert "AWSAccessKeyId=" in link and requests.get(link, timeout=20).content == b"x"
    assert requests.get(link.replace("/o?", "/n?"), timeout=20).status_code == 403
    over = client.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "o"}, ExpiresIn=-60)
    answer = requests.get(over, timeout=20)
    assert answer.status_code == 403 and "expired" in answer.text
    refused("404", s3.head_object, Bucket=bucket, Key="n")


# ---------------------------------------------------------------- nothing lost


class Putter(threading.Thread):
    """Puts objects of every size until the station is gone, and remembers what was acknowledged."""

    def __init__(self, key, name):
        super().__init__(daemon=True)
        self.s3, self.name_, self.acknowledged, self.begun = client_of(key), name, {}, {}

    def run(self):
        number = 0
        while True:
            number += 1
            size = (100, 20 * KIB, 40 * KIB, 700 * KIB, 5 * MIB + 4)[number % 5]
            name = f"{self.name_}/{number % 10}"
            data = number.to_bytes(4, "big") * (size // 4)
            self.begun.setdefault(name, []).append(data)
            try:
                (self.put_in_parts if size > 5 * MIB else self.put)(name, data)
            except Exception:
                return
            self.acknowledged[name] = data

    def put(self, name, data):
        self.s3.put_object(Bucket="crash", Key=name, Body=data)

    def put_in_parts(self, name, data):
        where = {"Bucket": "crash", "Key": name, "UploadId": self.s3.create_multipart_upload(Bucket="crash", Key=name)["UploadId"]}
        parts = [{"PartNumber": number, "ETag": self.s3.upload_part(**where, PartNumber=number, Body=part)["ETag"]}
                 for number, part in ((1, data[:5 * MIB]), (2, data[5 * MIB:]))]
        self.s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})


def test_kill_minus_nine_while_objects_are_put(new_station):
    rounds = int(os.environ.get("TRANSECT_CRASH_OBJECT_ROUNDS", "5"))
    station = new_station()
    station.options = []
    key = make_key(station)
    client_of(key).create_bucket(Bucket="crash")
    last, begun = {}, {}
    for number in range(rounds):
        crew = [Putter(key, f"{number}.{n}") for n in range(4)]
        for putter in crew:
            putter.start()
        wait_for("some objects", lambda: sum(len(putter.acknowledged) for putter in crew) >= 8)
        station.kill()
        for putter in crew:
            putter.join(60)
            last.update(putter.acknowledged)
            begun.update(putter.begun)
        station.start()
        key = {**key, "endpoint": make_key(station)["endpoint"]}
        s3 = client_of(key)
        for name, data in last.items():
            found = body(s3.get_object(Bucket="crash", Key=name))
            # What was under way when the station died may be there, too, but whole.
            assert found == data or found in begun[name][begun[name].index(data):], name
    findings = station.lines("doctor", "--scrub")
    stored = [row for row in findings if row["check"] == "objects"]
    assert stored and stored[0]["level"] == "ok", stored


def certificate(folder, name):
    """A certificate for 127.0.0.1 that nobody but this test trusts: (its file, its key's file)."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"],
                   check=True, stderr=subprocess.DEVNULL)
    return folder / f"{name}.pem", folder / f"{name}.key"


def test_tls(new_station, tmp_path):
    trusted, private = certificate(tmp_path, "station")
    station = new_station(environment={"TRANSECT_STORAGE_S3_CERTIFICATE": str(trusted), "TRANSECT_STORAGE_S3_PRIVATE_KEY": str(private)})
    key = make_key(station)
    assert key["endpoint"].startswith("https://127.0.0.1:")
    s3 = boto3.client("s3", endpoint_url=key["endpoint"], region_name="us-east-1", config=CONFIG, verify=str(trusted),
                      aws_access_key_id=key["access_key"], aws_secret_access_key=key["secret_key"])
    s3.create_bucket(Bucket="closed")
    data = os.urandom(7 * MIB)
    s3.put_object(Bucket="closed", Key="k", Body=data)
    assert body(s3.get_object(Bucket="closed", Key="k")) == data
    assert body(s3.get_object(Bucket="closed", Key="k", Range="bytes=1000-2999")) == data[1000:3000]
    link = s3.generate_presigned_url("get_object", Params={"Bucket": "closed", "Key": "k"})
    assert link.startswith("https:") and requests.get(link, verify=str(trusted), timeout=60).content == data
    secure_only = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject",
                   "Resource": "arn:aws:s3:::closed/*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}
    s3.put_bucket_policy(Bucket="closed", Policy=json.dumps(secure_only))
    assert body(s3.get_object(Bucket="closed", Key="k")) == data
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(link, timeout=60)
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(link.replace("https:", "http:"), timeout=60)
    assert body(s3.get_object(Bucket="closed", Key="k")) == data  # nobody is held up by those who fail
    for text, level in ((trusted.read_text(), "ok"), ("no certificate", "failed")):
        trusted.write_text(text)
        findings = {row["check"]: row for row in station.lines("doctor", check=False)}
        assert findings["certificate"]["level"] == level and str(trusted) in findings["certificate"]["message"]


@pytest.mark.parametrize("settings, words", [
    ({"CERTIFICATE": "/nowhere.pem"}, "needs both"),
    ({"CERTIFICATE": "/nowhere.pem", "PRIVATE_KEY": "/nowhere.key"}, "cannot be used"),
])
def test_a_wrong_certificate_is_named(new_station, settings, words):
    with pytest.raises(Exception) as caught:
        new_station(environment={f"TRANSECT_STORAGE_S3_{name}": value for name, value in settings.items()})
    assert words in str(caught.value)


@pytest.mark.parametrize("size", [1000, 900 * KIB])
def test_a_flipped_byte_is_never_an_answer(new_station, size):
    station = new_station()
    s3 = client_of(make_key(station))
    s3.create_bucket(Bucket="damage")
    data = os.urandom(size)
    s3.put_object(Bucket="damage", Key="k", Body=data)
    assert body(s3.get_object(Bucket="damage", Key="k")) == data
    station.stop()
    flipped = 0
    for path in (station.data / "objects").rglob("*"):
        if path.is_file():
            content = bytearray(path.read_bytes())
            at = content.find(data[:64])
            if at >= 0:
                content[at + 10] ^= 1
                path.write_bytes(content)
                flipped += 1
    assert flipped
    station.start()
    s3 = client_of(make_key(station))
    refused("InternalError", s3.get_object, Bucket="damage", Key="k")
    findings = {row["check"]: row for row in station.lines("doctor", "--scrub", check=False)}
    assert findings["objects"]["level"] == "failed" and "damage/k" in findings["objects"]["message"]


class Unbuffered:
    """Takes from a connection only what an answer needs, so that the next answer finds its beginning."""

    def __init__(self, connection):
        self.connection = connection

    def read(self, size):
        got = b""
        while len(got) < size and (piece := self.connection.recv(size - len(got))):
            got += piece
        return got

    def readline(self, _limit):
        line = b""
        while not line.endswith(b"\n") and (byte := self.connection.recv(1)):
            line += byte
        return line

    def close(self):
        pass

    flush = close


def test_many_answers_on_one_connection(s3, key, bucket):
    """Pieces of files, small objects, ranges and errors between each other, asked for before the first is answered."""
    data = {"large": os.urandom(5 * MIB + 3), "middle": os.urandom(300 * KIB), "small": os.urandom(100)}
    for name, content in data.items():
        s3.put_object(Bucket=bucket, Key=name, Body=content)
        assert body(s3.get_object(Bucket=bucket, Key=name)) == content  # from now on it was read lately
    parts = urllib.parse.urlsplit(key["endpoint"])
    asked = [("large", None), ("small", None), ("large", (MIB - 7, 3 * MIB + 11)), ("middle", None), ("large", (5, 6)), ("none", None),
             ("middle", (KIB, 300 * KIB - 1)), ("large", (5 * MIB, 5 * MIB + 2)), ("large", None)]
    wanted = b""
    for name, span in asked:
        url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": name})
        span = f"Range: bytes={span[0]}-{span[1]}\r\n" if span else ""
        wanted += f"GET {url.split(parts.netloc)[1]} HTTP/1.1\r\nHost: {parts.netloc}\r\n{span}\r\n".encode()
    for piece in (len(wanted), 700):
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
            for start in range(0, len(wanted), piece):
                connection.sendall(wanted[start:start + piece])
            for name, span in asked:
                answer = http.client.HTTPResponse(connection)
                answer.fp.close()
                answer.fp = Unbuffered(connection)
                answer.begin()
                got = answer.read()
                if name == "none":
                    assert answer.status == 404 and b"NoSuchKey" in got
                else:
                    assert got == (data[name][span[0]:span[1] + 1] if span else data[name]), (name, span)
    for _ in range(5):  # somebody who leaves in the middle disturbs nobody
        with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
            connection.sendall(wanted)
            connection.recv(100_000)
    assert body(s3.get_object(Bucket=bucket, Key="large")) == data["large"]


def http2(address, authority, path, headers):
    """The bytes of an answer over HTTP/2 without TLS; none from a port that does not speak it. Source: RFC 9113, RFC 7541."""
    def text(value):
        size, rest = len(value), b""
        if size >= 127:
            size, rest = 127, b""
            left = len(value) - 127
            while left >= 128:
                rest += bytes([left % 128 + 128])
                left //= 128
            rest += bytes([left])
        return bytes([size]) + rest + value.encode()

    fields = {":method": "GET", ":scheme": "http", ":authority": authority, ":path": path, **headers}
    block = b"".join(b"\0" + text(name) + text(value) for name, value in fields.items())
    frame = lambda kind, flags, stream, payload: len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b"") + frame(1, 5, 1, block))
        reader, got = connection.makefile("rb"), b""
        while len(head := reader.read(9)) == 9 and not head.startswith(b"HTTP/"):
            payload = reader.read(int.from_bytes(head[:3], "big"))
            if head[3] == 0:
                got += payload
                if head[4] & 1:
                    return got
    return None


def test_other_protocols_get_the_bytes_as_well(s3, key, bucket):
    """HTTP/2 cuts bodies up, so pieces of files must not go that way as they go over HTTP/1."""
    data = os.urandom(300 * KIB)
    s3.put_object(Bucket=bucket, Key="k", Body=data)
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    parts = urllib.parse.urlsplit(url)
    for _ in range(2):  # the second time it was read lately
        assert requests.get(url, timeout=60).content == data
        for start, end in ((0, 9), (5, 68), (1000, 1299), (2000, 22_000)):
            got = http2((parts.hostname, parts.port), parts.netloc, f"{parts.path}?{parts.query}", {"range": f"bytes={start}-{end}"})
            assert got in (None, data[start:end + 1]), (start, end)


@pytest.mark.parametrize("how", ["in place", "another file"])
def test_damage_is_seen_where_the_bytes_were_read_lately(new_station, how):
    station = new_station()
    s3 = client_of(make_key(station))
    s3.create_bucket(Bucket="lately")
    data = os.urandom(3 * MIB)
    s3.put_object(Bucket="lately", Key="k", Body=data)
    for _ in range(3):
        assert body(s3.get_object(Bucket="lately", Key="k")) == data
    paths = [path for path in (station.data / "objects").rglob("*") if path.is_file() and path.stat().st_size == len(data)]
    assert len(paths) == 1
    if how == "another file":
        shutil.copy(paths[0], tmp := paths[0].with_suffix(".new"))
        os.replace(tmp, paths[0])
    with open(paths[0], "r+b") as file:
        file.seek(100)
        file.write(bytes([data[100] ^ 1]))
    refused("InternalError", s3.get_object, Bucket="lately", Key="k")
    assert body(s3.get_object(Bucket="lately", Key="k", Range=f"bytes={MIB}-")) == data[MIB:]


# ---------------------------------------------------------------- other clients


def files_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "source"
    (source / "in ner").mkdir(parents=True)
    for name, size in (("empty", 0), ("small", 5), ("in ner/file é.bin", 40 * KIB), ("large", 20 * MIB)):
        (source / name).write_bytes(os.urandom(size))
    return source


def run(*words, **environment):
    # Settings of the machine for other stores mean nothing here.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run([str(word) for word in words], env={**clean, **environment}, text=True, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    return done.stdout


def test_aws(key, bucket, folder, tmp_path):
    aws = shutil.which("aws", path=f"{pathlib.Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    environment = {"AWS_ACCESS_KEY_ID": key["access_key"], "AWS_SECRET_ACCESS_KEY": key["secret_key"],
                   "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": key["endpoint"]}
    run(aws, "s3", "sync", folder, f"s3://{bucket}/x", **environment)
    run(aws, "s3", "sync", f"s3://{bucket}/x", tmp_path / "back", **environment)
    assert files_of(tmp_path / "back") == files_of(folder)
    run(aws, "s3", "rm", "--recursive", f"s3://{bucket}", **environment)
    run(aws, "s3", "rb", f"s3://{bucket}", **environment)


def test_rclone(key, bucket, folder, tmp_path):
    remote = f":s3,provider=Other,access_key_id={key['access_key']},secret_access_key={key['secret_key']},endpoint='{key['endpoint']}':{bucket}"
    run("rclone", "--config", tmp_path / "none", "copy", folder, f"{remote}/x")
    run("rclone", "--config", tmp_path / "none", "check", folder, f"{remote}/x")
    run("rclone", "--config", tmp_path / "none", "copy", f"{remote}/x", tmp_path / "back")
    assert files_of(tmp_path / "back") == files_of(folder)
    run("rclone", "--config", tmp_path / "none", "purge", f"{remote}/x")


def test_s3cmd(key, bucket, folder, tmp_path):
    host = urllib.parse.urlsplit(key["endpoint"]).netloc
    words = ["s3cmd", f"--access_key={key['access_key']}", f"--secret_key={key['secret_key']}", f"--host={host}",
             f"--host-bucket={host}/%(bucket)", "--no-ssl", "--config", tmp_path / "none", "--no-progress", "--region=us-east-1"]
    (tmp_path / "none").write_text("[default]\n")
    run(*words, "sync", f"{folder}/", f"s3://{bucket}/x/")
    (tmp_path / "back").mkdir()
    run(*words, "sync", f"s3://{bucket}/x/", f"{tmp_path}/back/")
    assert files_of(tmp_path / "back") == files_of(folder)
    assert "x/small" in run(*words, "ls", "--recursive", f"s3://{bucket}")
    run(*words, "del", "--recursive", "--force", f"s3://{bucket}")


# ---------------------------------------------------------------- the public suite


def test_the_public_suite(new_station, tmp_path):
    """Every case that ever passed goes on passing; tests/s3/suite.py --write makes the list anew."""
    station = new_station()
    station.command("user", "create", "main", "--email", "main@example.org", "--password-stdin", text="x yz 12345\n")
    station.command("user", "create", "alt", "--email", "alt@example.org", "--password-stdin", text="x yz 12345\n")
    keys = [make_key(station, "--user", name) for name in ("main", "alt")]
    suite = pathlib.Path(__file__).resolve().parent.parent / "s3"
    words = [os.environ["TRANSECT_S3_PYTHON"], suite / "suite.py", keys[0]["endpoint"], tmp_path,
             *(f"{key['access_key']}:{key['secret_key']}" for key in keys), "--passing", suite / "passing.txt"]
    done = subprocess.run([str(word) for word in words], text=True, capture_output=True, timeout=1200, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
