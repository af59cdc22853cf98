"""Buckets: what is shown of them, what never is, and who uses them."""

import pytest
from support import NOWHERE, ids, refused, unique

S3 = {"endpoint_url": "https://s3.example.org", "region_name": "eu", "aws_access_key_id": "key",
      "aws_secret_access_key": "very-hidden"}
OCI = {"boto3_config": S3, "native_config": dict.fromkeys(("user", "key_content", "fingerprint", "tenancy", "region"), "very-hidden")}
GCP = dict.fromkeys(("type", "project_id", "private_key_id", "private_key", "client_email", "client_id", "auth_uri", "token_uri",
                     "auth_provider_x509_cert_url", "client_x509_cert_url"), "very-hidden")
AZURE = {"connection_string": "DefaultEndpointsProtocol=https;AccountName=lab;AccountKey=very-hidden;EndpointSuffix=core.windows.net"}
KEYS = {"id", "organization", "endpoint_url", "name", "archive_sc", "live_sc", "store_type", "external_host", "effective_permission"}


@pytest.fixture
def lab(admin):
    return admin.create_organization(organization_spec={"name": unique("Lab")}).id


def add(api, organization, store_type="MINIO", config=S3, **more):
    return api.create_bucket(organization, bucket_spec={"name": "clips", "store_type": store_type, "config": config, **more})


@pytest.mark.parametrize(("store_type", "config", "endpoint", "archive"), [
    ("AWS", S3, "https://s3.example.org", "DEEP_ARCHIVE"), ("MINIO", S3, "https://s3.example.org", "STANDARD"),
    ("VAST", S3, "https://s3.example.org", "STANDARD"), ("S3BASIC", S3, "https://s3.example.org", "STANDARD"),
    ("OCI", OCI, "https://s3.example.org", "STANDARD"), ("GCP", GCP, "https://storage.googleapis.com", "COLDLINE"),
    ("AZURE", AZURE, "https://lab.blob.core.windows.net", "STANDARD")])
def test_every_kind_of_store(station, admin, lab, store_type, config, endpoint, archive):
    made = add(admin, lab, store_type, config)
    assert made.message.startswith("Bucket clips created successfully!")
    row = admin.get_bucket(made.id)
    assert set(row) == KEYS
    assert (row.organization, row.name, row.store_type, row.endpoint_url) == (lab, "clips", store_type, endpoint)
    assert (row.archive_sc, row.live_sc, row.external_host, row.effective_permission) == (archive, "STANDARD", None, 0)
    for path in (f"/rest/Bucket/{made.id}", f"/rest/Buckets/{lab}"):
        assert "very-hidden" not in station.http("GET", path, station.admin_token).text
    assert "very-hidden" not in str(made.object)


def test_a_config_that_does_not_fit(admin, lab):
    for store_type, config in (("AWS", AZURE), ("GCP", S3), ("OCI", S3), ("AZURE", S3), ("AZURE", {"connection_string": "x"})):
        body = refused(400, add, admin, lab, store_type, config)
        assert store_type in body["message"] and "very-hidden" not in str(body)
    refused(400, add, admin, lab, "FLOPPY")
    refused(400, add, admin, lab, config={"endpoint_url": "x"})
    refused(400, admin.create_bucket, lab, bucket_spec={"name": "x" * 64, "store_type": "MINIO", "config": S3})
    refused(400, admin.create_bucket, lab, bucket_spec={"name": "clips", "store_type": "MINIO"})
    assert admin.get_bucket_list(lab) == []


def test_changing_a_bucket(admin, lab):
    first, second = add(admin, lab).id, add(admin, lab, archive_sc="DEEP_ARCHIVE", external_host="https://cdn.example.org").id
    assert ids(admin.get_bucket_list(lab)) == [first, second]
    row = admin.get_bucket(second)
    assert (row.archive_sc, row.external_host) == ("DEEP_ARCHIVE", "https://cdn.example.org")
    answer = admin.update_bucket(second, bucket_update={"name": "films", "config": {**S3, "endpoint_url": "https://other.example.org"}})
    assert answer.message.startswith(f"Bucket {second} updated successfully!")
    row = admin.get_bucket(second)
    assert (row.name, row.endpoint_url, row.archive_sc) == ("films", "https://other.example.org", "DEEP_ARCHIVE")
    refused(400, admin.update_bucket, second, bucket_update={"store_type": "AZURE"})  # the config is another store's
    refused(400, admin.update_bucket, second, bucket_update={"config": AZURE})
    refused(400, admin.update_bucket, second, bucket_update={"name": ""})
    admin.update_bucket(second, bucket_update={"store_type": "AZURE", "config": AZURE})
    assert admin.get_bucket(second).store_type == "AZURE" and admin.get_bucket(first).store_type == "MINIO"


def test_projects_name_their_buckets(admin, lab):
    live, backup = add(admin, lab).id, add(admin, lab).id
    spec = {"name": unique("Dive"), "organization": lab, "bucket": live, "backup_bucket": backup}
    project = admin.create_project(project_spec=spec).id
    row = admin.get_project(project)
    assert (row.bucket, row.upload_bucket, row.backup_bucket) == (live, None, backup)
    for bucket in (live, backup):
        assert spec["name"] in refused(400, admin.delete_bucket, bucket)["message"]
    spare = add(admin, lab).id
    admin.update_project(project, project_update={"bucket": spare})
    assert admin.delete_bucket(live).message == f"Bucket {live} deleted successfully!"
    refused(404, admin.get_bucket, live)
    refused(404, admin.update_project, project, project_update={"bucket": live})
    other = admin.create_organization(organization_spec={"name": unique("Other")}).id
    foreign = add(admin, other).id
    refused(403, admin.update_project, project, project_update={"bucket": foreign})
    admin.delete_project(project)
    admin.delete_bucket(spare)


def test_admins_only(admin, lab, people):
    bucket = add(admin, lab).id
    admin.create_affiliation(lab, affiliation_spec={"user": people.viewer.id, "permission": "Member"})
    for api in (people.viewer.api, people.stranger.api):
        refused(403, api.get_bucket_list, lab)
        refused(403, add, api, lab)
        refused(403, api.get_bucket, bucket)
        refused(403, api.update_bucket, bucket, bucket_update={"name": "mine"})
        refused(403, api.delete_bucket, bucket)
    refused(404, admin.get_bucket, NOWHERE)
    refused(404, admin.get_bucket_list, NOWHERE)
