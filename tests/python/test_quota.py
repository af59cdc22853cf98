"""Quotas of buckets and projects: what would be more is refused in words, everything that goes makes room."""

import contextlib
import http.server
import os
import threading

import pytest
import requests
import tator
from botocore.exceptions import ClientError
from station import wait_for
from support import add_media_type, add_video, refused, unique
from test_s3 import KIB, MIB, body, client_of, make_key
from test_s3 import refused as s3_refused


@pytest.fixture(scope="module")
def s3(station):
    return client_of(make_key(station))


@pytest.fixture
def bucket(s3, station):
    """A bucket that may hold a MiB."""
    name = unique("quota").lower().replace(" ", "-")
    s3.create_bucket(Bucket=name)
    station.command("quota", "set", "--bucket", name, "1MiB")
    return name


def held(row):
    """`row` without its number and whether it is deleted."""
    row = row if isinstance(row, dict) else row.to_dict()
    assert row["id"] > 0 and row["deleted"] is False
    return {key: value for key, value in row.items() if key not in ("id", "deleted")}


def use(station, kind, name):
    found = [row for row in station.lines("quota", "list") if (row["kind"], row["name"]) == (kind, name)]
    return found[0] if found else {"used_bytes": 0, "quota_bytes": None}


def used(station, bucket):
    return use(station, "bucket", bucket)["used_bytes"]


def too_much(call, **words):
    answer = s3_refused("QuotaExceeded", call, **words)
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 507
    return answer["Error"]["Message"]


def test_more_is_refused_and_what_goes_makes_room(station, s3, bucket):
    s3.put_object(Bucket=bucket, Key="a", Body=bytes(700 * KIB))
    message = too_much(s3.put_object, Bucket=bucket, Key="b", Body=bytes(400 * KIB))
    assert bucket in message and "1.0 MiB" in message and "700.0 KiB" in message and "quota set" in message
    s3_refused("NoSuchKey", s3.get_object, Bucket=bucket, Key="b")
    s3.put_object(Bucket=bucket, Key="a", Body=bytes(900 * KIB))  # in place of the other
    assert held(use(station, "bucket", bucket)) == {"kind": "bucket", "name": bucket, "used_bytes": 900 * KIB, "quota_bytes": MIB}
    too_much(s3.copy_object, Bucket=bucket, Key="b", CopySource=f"{bucket}/a")
    s3.delete_object(Bucket=bucket, Key="a")
    assert used(station, bucket) == 0
    s3.put_object(Bucket=bucket, Key="b", Body=bytes(MIB))
    assert len(body(s3.get_object(Bucket=bucket, Key="b"))) == MIB
    station.command("quota", "set", "--bucket", bucket, "none")
    s3.put_object(Bucket=bucket, Key="c", Body=bytes(MIB))
    assert used(station, bucket) == 2 * MIB


def test_versions_count(station, s3, bucket):
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = s3.put_object(Bucket=bucket, Key="k", Body=bytes(500 * KIB))["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=bytes(400 * KIB))
    too_much(s3.put_object, Bucket=bucket, Key="k", Body=bytes(200 * KIB))
    s3.delete_object(Bucket=bucket, Key="k")  # a marker takes no room, and gives none
    assert used(station, bucket) == 900 * KIB
    s3.delete_object(Bucket=bucket, Key="k", VersionId=first)
    assert used(station, bucket) == 400 * KIB
    listed = s3.list_object_versions(Bucket=bucket)
    for row in [*listed["Versions"], *listed["DeleteMarkers"]]:
        s3.delete_object(Bucket=bucket, Key="k", VersionId=row["VersionId"])
    assert used(station, bucket) == 0


def test_parts_count_while_they_wait(station, s3, bucket):
    station.command("quota", "set", "--bucket", bucket, "11MiB")
    where = {"Bucket": bucket, "Key": "k", "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]}
    etag = s3.upload_part(**where, PartNumber=1, Body=bytes(5 * MIB))["ETag"]
    s3.upload_part(**where, PartNumber=1, Body=bytes(5 * MIB))  # in place of the first
    assert used(station, bucket) == 5 * MIB
    too_much(s3.upload_part, **where, PartNumber=2, Body=bytes(7 * MIB))
    last = s3.upload_part(**where, PartNumber=2, Body=bytes(MIB))["ETag"]
    s3.complete_multipart_upload(**where, MultipartUpload={"Parts": [
        {"PartNumber": 1, "ETag": etag}, {"PartNumber": 2, "ETag": last}]})
    assert used(station, bucket) == 6 * MIB
    where["UploadId"] = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    s3.upload_part(**where, PartNumber=1, Body=bytes(5 * MIB))
    assert used(station, bucket) == 11 * MIB
    s3.abort_multipart_upload(**where)
    assert used(station, bucket) == 6 * MIB


def test_many_at_once_overshoot_nothing(station, s3, bucket):
    key = make_key(station)
    outcomes = []

    def put(number):
        try:
            client_of(key).put_object(Bucket=bucket, Key=f"{number}", Body=bytes(100 * KIB))
            outcomes.append("kept")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])

    threads = [threading.Thread(target=put, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (outcomes.count("kept"), outcomes.count("QuotaExceeded")) == (10, 10), outcomes
    assert used(station, bucket) == 1000 * KIB
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 10


def test_projects(station, admin, project, corpus, tmp_path):
    name = admin.get_project(project).name
    station.command("quota", "set", "--project", name, "1MiB")

    def upload(size):
        info = admin.get_upload_info(project)
        return requests.put(info.urls[0], data=bytes(size), timeout=60)

    assert upload(900 * KIB).status_code == 200
    answer = upload(1100 * KIB)
    assert answer.status_code == 507 and "<Code>QuotaExceeded</Code>" in answer.text and name in answer.text
    info = admin.get_upload_info(project, num_parts=2)
    assert requests.put(info.urls[0], data=bytes(1100 * KIB), timeout=60).status_code == 507
    assert use(station, "project", name)["used_bytes"] == 0  # uploads that nobody has taken over go within a day
    # What is imported in place takes no room, but for its thumbnails; a copy does.
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(open(corpus["h264_cfr25"]["path"], "rb").read())
    assert station.lines("import", clip, "--project", name)[0]["state"] == "ready"
    assert 0 < (thumbnails := use(station, "project", name)["used_bytes"]) < 500 * KIB
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(clip.read_bytes())
    station.command("quota", "set", "--project", name, str(thumbnails + clip.stat().st_size - 1))
    done = station.command("import", copy, "--copy", "--project", name, check=False)
    assert done.returncode == 1 and "quota" in done.stderr + done.stdout
    assert use(station, "project", name)["used_bytes"] == thumbnails
    station.command("quota", "set", "--project", name, "none")
    assert station.lines("import", copy, "--copy", "--project", name)[0]["state"] == "ready"
    assert use(station, "project", name)["used_bytes"] >= thumbnails + clip.stat().st_size


def upload_into(api, project, size):
    """The answer to bytes that are put under a key of a media of its own."""
    media = add_video(api, project, add_media_type(api, project, "video"))
    info = api.get_upload_info(project, media_id=media, filename="a.bin")
    return requests.put(info.urls[0], data=bytes(size), timeout=60)


def test_an_organization_holds_what_its_projects_hold_together(station, admin):
    name = unique("Lab")
    organization = admin.create_organization(organization_spec={"name": name}).id
    first, second = (admin.create_project(project_spec={"name": unique("Dive"), "organization": organization}).id for _ in range(2))
    station.command("quota", "set", "--organization", name, "1MiB")
    assert upload_into(admin, first, 600 * KIB).ok and upload_into(admin, second, 300 * KIB).ok
    assert held(use(station, "organization", name)) == {"kind": "organization", "name": name, "used_bytes": 900 * KIB, "quota_bytes": MIB}
    answer = upload_into(admin, second, 300 * KIB)
    assert answer.status_code == 507 and f"the organization {name} has a quota" in answer.text, answer.text
    assert admin.get_organization_quota(organization).used_bytes == 900 * KIB
    assert held(admin.get_project_quota(second)) == {
        "kind": "project", "name": admin.get_project(second).name, "used_bytes": 300 * KIB, "quota_bytes": None}
    # What a project keeps below /media/ counts, too, and goes with it.
    info = admin.get_upload_info(second)
    requests.put(info.urls[0], data=bytes(50 * KIB), timeout=60).raise_for_status()
    url = admin.get_download_info(second, download_info_spec={"keys": [info.key]})[0].url
    admin.save_generic_file(second, generic_file_spec={"name": "a.html", "upload_url": url})
    assert admin.get_organization_quota(organization).used_bytes == 950 * KIB


def test_quotas_over_the_api(station, admin, people, s3, bucket):
    organization = admin.create_organization(organization_spec={"name": unique("Lab")}).id
    project = admin.create_project(project_spec={"name": unique("Dive"), "organization": organization}).id
    member = people.viewer.api
    for read in (member.get_project_quota, member.update_project_quota):
        words = {"quota_update": {"quota_bytes": 1}} if read == member.update_project_quota else {}
        refused(403, read, project, **words)
    refused(403, member.get_organization_quota, organization)
    refused(404, member.get_store_bucket_quota, bucket)
    admin.create_membership(project, membership_spec={"user": people.viewer.id, "permission": "View Only"})
    answer = admin.update_project_quota(project, quota_update={"quota_bytes": MIB})
    assert answer.object["quota_bytes"] == MIB and member.get_project_quota(project).quota_bytes == MIB
    refused(403, member.update_project_quota, project, quota_update={"quota_bytes": None})
    assert upload_into(admin, project, 2 * MIB).status_code == 507
    admin.update_organization_quota(organization, quota_update={"quota_bytes": 3 * MIB})
    admin.update_project_quota(project, quota_update={"quota_bytes": None})
    assert member.get_project_quota(project).quota_bytes is None
    assert upload_into(admin, project, 2 * MIB).ok and upload_into(admin, project, 2 * MIB).status_code == 507
    assert held(admin.get_store_bucket_quota(bucket)) == {
        "kind": "bucket", "name": bucket, "used_bytes": 0, "quota_bytes": MIB}
    admin.update_store_bucket_quota(bucket, quota_update={"quota_bytes": 100 * KIB})
    too_much(s3.put_object, Bucket=bucket, Key="k", Body=bytes(200 * KIB))
    for name in ("nowhere", "transect"):
        refused(404, admin.get_store_bucket_quota, name)
    refused(404, admin.update_project_quota, 10**9, quota_update={"quota_bytes": 1})
    refused(400, admin.update_project_quota, project, quota_update={"quota_bytes": -1})
    # A deleted project may come back, so what it holds goes on counting.
    admin.update_project_quota(project, quota_update={"quota_bytes": 9 * MIB})
    row = admin.get_project_quota(project).to_dict()
    assert row["id"] == project and not row["deleted"] and row["used_bytes"] == 2 * MIB
    admin.delete_project(project)
    listed = lambda: next(one for one in station.lines("quota", "list") if (one["kind"], one["id"]) == ("project", project))  # noqa: E731
    assert listed() == {**row, "deleted": True}
    assert "(deleted)" in station.command("quota", "list").stdout


@pytest.fixture
def web():
    """A web server that gives 64 MiB, at `/announced` with their length, elsewhere without; `sent` is what went out of it."""
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            announced = self.path == "/announced"
            self.send_response(200)
            self.send_header(*(("Content-Length", str(64 * MIB)) if announced else ("Transfer-Encoding", "chunked")))
            self.end_headers()
            with contextlib.suppress(OSError):
                for _ in range(64):
                    self.wfile.write(bytes(MIB) if announced else b"%x\r\n%b\r\n" % (MIB, bytes(MIB)))
                    server.sent += MIB
                self.wfile.write(b"" if announced else b"0\r\n\r\n")

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads, server.sent = True, 0
    server.origin = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_what_is_fetched_is_refused_before_it_is_stored(new_station, web):
    station = new_station(environment={"TRANSECT_SERVER_REQUEST_ORIGINS": web.origin})
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "Lab"}).id
    project = api.create_project(project_spec={"name": "Dive", "organization": organization}).id
    kind = add_media_type(api, project, "image")
    api.update_project_quota(project, quota_update={"quota_bytes": MIB})
    for path in ("announced", "unknown"):
        url = f"{web.origin}/{path}"
        for call, words in (
            (api.create_temporary_file, {"temporary_file_spec": {"name": "n", "url": url, "lookup": "l", "hours": 1}}),
            (api.save_generic_file, {"generic_file_spec": {"name": "a.bin", "upload_url": url}}),
        ):
            web.sent = 0
            assert "quota of 1.0 MiB" in refused(507, call, project, **words)["message"]
            assert web.sent < 32 * MIB, (path, web.sent)
        web.sent = 0
        made = api.create_media_list(project, body={"type": kind, "name": "a.png", "md5": "", "url": url}).id
        index = f"/rest/FrameIndex/{made if isinstance(made, int) else made[0]}"
        wait_for("the verdict", lambda index=index: "quota of 1.0 MiB" in station.http("GET", index, station.admin_token).json().get("message", ""))
        assert web.sent < 32 * MIB, (path, web.sent)
    assert api.get_project_quota(project).used_bytes == 0


def test_the_doctor_tells_what_is_nearly_full(station, s3, bucket):
    s3.put_object(Bucket=bucket, Key="k", Body=os.urandom(1000 * KIB))
    found = [row for row in station.lines("doctor", check=False) if row["check"] == "quotas"]
    assert found[0]["level"] == "warning" and f"bucket {bucket}: 1000.0 KiB of 1.0 MiB" in found[0]["message"]


@pytest.mark.parametrize("words, told", [
    (("--bucket", "nowhere", "1GiB"), "no bucket of S3 clients named nowhere"), (("--project", "nothing", "1GiB"), "no project named nothing"),
    (("--bucket", "transect", "1GiB"), "no bucket"), (("--bucket", "b", "some"), "write a number"), (("1GiB",), "--bucket"),
    (("--organization", "nobody", "1GiB"), "no organization named nobody"), (("--organization", "o", "--project", "p", "1GiB"), "cannot be used"),
])
def test_what_cannot_be_limited(station, words, told):
    done = station.command("quota", "set", *words, check=False)
    assert done.returncode in (1, 2) and told in done.stderr
