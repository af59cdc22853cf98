"""Archiving into a bucket whose store has cold classes: moto plays Amazon's store, and boto3 looks at what is in it."""

import json
import types

import boto3
import barcode
import botocore.config
import pytest
import requests
import tator
from cold import cold_store
from station import Station, wait_for
from support import add_media_type, add_video, unique
from test_upload import link
from tator.util._upload_file import _upload_file

REGION = "eu-north-1"
ACCESS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "none-of-it-is-checked"}


@pytest.fixture(scope="module")
def amazon(tmp_path_factory):
    """The store: `amazon.s3`, and `amazon.config` for a bucket of the station."""
    with cold_store(tmp_path_factory.mktemp("moto") / "log") as endpoint:
        style = botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1})
        s3 = boto3.client("s3", endpoint_url=endpoint, region_name=REGION, config=style, **ACCESS)
        yield types.SimpleNamespace(s3=s3, config={"endpoint_url": endpoint, "region_name": REGION, **ACCESS})


def class_of(store, bucket, key):
    return store.s3.head_object(Bucket=bucket, Key=key).get("StorageClass", "STANDARD")


def test_archive_and_restore(tmp_path, amazon, corpus):
    """What is archived is refused with words that say what to do; thumbnails stay; a restore takes as long as the store does."""
    station = Station(tmp_path / "data").start()
    try:
        token = station.add_user("admin", "--admin")
        api = tator.get_api(station.url, token)
        organization = api.create_organization(organization_spec={"name": unique("Reef")}).id
        name = unique("cold").lower().replace(" ", "-").replace("_", "-")
        amazon.s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        spec = {"name": name, "store_type": "AWS", "config": amazon.config, "live_sc": "STANDARD", "archive_sc": "DEEP_ARCHIVE"}
        bucket = api.create_bucket(organization, bucket_spec=spec).id
        project = api.create_project(project_spec={"name": unique("Dive"), "organization": organization, "bucket": bucket}).id
        media = add_video(api, project, add_media_type(api, project, "video"))
        for _, info in _upload_file(api, project, corpus["h264_cfr25"]["path"], media_id=media, filename="dive.mp4"):
            pass
        key = info.key
        definition = {"path": key, "codec": "h264", "resolution": [240, 320]}
        api.create_video_file(media, role="archival", video_definition=definition)

        def state():
            return api.get_media(media).archive_state

        def picture(frame):
            return station.http("GET", f"/rest/FramePicture/{media}/{frame}", token)

        def forget():
            for file in (station.data / "fetched").rglob("*"):
                if file.is_file():
                    file.unlink()

        thumbnails = wait_for("the thumbnail", lambda: (api.get_media(media).media_files.to_dict() or {}).get("thumbnail"))
        thumbnail = thumbnails[0]["path"]
        wait_for("the thumbnail to move", lambda: thumbnail in keys_in(amazon, name))
        assert barcode.read_file(picture(7).content) == 7
        original = amazon.s3.get_object(Bucket=name, Key=key)["Body"].read()

        api.update_media(media, media_update={"archive_state": "to_archive"})
        wait_for("the media to be archived", lambda: state() == "archived")
        assert class_of(amazon, name, key) == "DEEP_ARCHIVE" and class_of(amazon, name, thumbnail) == "STANDARD"
        # What is still at hand is shown; what must come from the store is not there.
        assert barcode.read_file(picture(7).content) == 7
        station.kill()
        forget()
        station.start()
        api = tator.get_api(station.url, token)
        answer = picture(8)
        assert answer.status_code == 403 and "archive_state" in answer.json()["message"], answer.text
        answer = requests.get(link(api, project, key), timeout=20)
        assert answer.status_code == 403 and "archive" in answer.text, answer.text
        assert requests.get(link(api, project, thumbnail), timeout=20).ok

        api.update_media(media, media_update={"archive_state": "to_live"})
        wait_for("the store to be asked", lambda: "ongoing-request" in restored(amazon, name, key))
        assert state() == "to_live"
        # The station asks again from time to time; a start is such a time.
        station.kill()
        station.start()
        api = tator.get_api(station.url, token)
        wait_for("the media to be live", lambda: state() == "live")
        assert class_of(amazon, name, key) == "STANDARD"
        assert barcode.read_file(picture(9).content) == 9
        assert requests.get(link(api, project, key), timeout=20).content == original
        changes = station.http("GET", f"/rest/ChangeLog/{project}?entity_type=media&entity_id={media}", token)
        assert changes.ok and json.dumps(changes.json()).count("archive_state") >= 2
    finally:
        station.remove()


def keys_in(store, name):
    return {row["Key"] for row in store.s3.list_objects_v2(Bucket=name).get("Contents", [])}


def restored(store, bucket, key):
    return store.s3.head_object(Bucket=bucket, Key=key).get("Restore", "")
