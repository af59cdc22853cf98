"""Pictures of organizations, projects and people: uploaded, shown by link, replaced, removed."""

import pytest
import requests
import tator
from support import plain_name, refused, unique
from tator.util._upload_file import _upload_file


@pytest.fixture
def lab(admin):
    return admin.create_organization(organization_spec={"name": unique("Lab")}).id


def put(info, content):
    assert requests.put(info.urls[0], data=content, timeout=60).ok
    return info.key


def fetch(url):
    return requests.get(url, timeout=60)


def test_a_thumbnail_of_an_organization(admin, lab, people):
    assert admin.get_organization(lab).thumb is None
    info = admin.get_organization_upload_info(lab)
    assert isinstance(info, tator.models.UploadInfo) and info.upload_id == ""
    key = put(info, b"first")
    answer = admin.update_organization(lab, organization_update={"thumb": key})
    first = admin.get_organization(lab).thumb
    assert fetch(first).content == b"first" and answer["object"]["thumb"].startswith("http")
    assert [row.thumb for row in admin.get_organization_list() if row.id == lab] == [first]
    admin.create_affiliation(lab, affiliation_spec={"user": people.viewer.id, "permission": "Member"})
    assert fetch(people.viewer.api.get_organization(lab).thumb).content == b"first"
    admin.update_organization(lab, organization_update={"thumb": put(admin.get_organization_upload_info(lab), b"second")})
    assert fetch(admin.get_organization(lab).thumb).content == b"second"
    assert fetch(first).status_code == 404  # the picture before is gone
    made = admin.create_organization(organization_spec={"name": unique("Lab"), "thumb": key})
    assert fetch(admin.get_organization(made.id).thumb).content == b"first"


def test_a_thumbnail_in_parts(admin, lab, organization, project):
    info = admin.get_organization_upload_info(lab, num_parts=2)
    parts = []
    for number, (url, content) in enumerate(zip(info.urls, (b"a" * (5 << 20), b"b"), strict=True), 1):
        parts.append({"ETag": requests.put(url, data=content, timeout=60).headers["ETag"], "PartNumber": number})
    spec = {"key": info.key, "upload_id": info.upload_id, "parts": parts}
    refused(403, admin.complete_upload, project, upload_completion_spec=spec)  # a project of another organization
    mine = admin.create_project(project_spec={"name": unique("Dive"), "organization": lab}).id
    admin.complete_upload(mine, upload_completion_spec=spec)
    admin.update_organization(lab, organization_update={"thumb": info.key})
    assert len(fetch(admin.get_organization(lab).thumb).content) == (5 << 20) + 1


def test_a_thumbnail_of_a_project(admin, members, project):
    assert admin.get_project(project).thumb is None
    key = put(admin.get_upload_info(project), b"first")
    answer = admin.update_project(project, project_update={"thumb": key})
    first = admin.get_project(project).thumb
    assert fetch(first).content == b"first" and fetch(answer["object"]["thumb"]).content == b"first"
    assert [row.thumb for row in admin.get_project_list() if row.id == project] == [first]
    assert fetch(members.viewer.api.get_project(project).thumb).content == b"first"
    admin.update_project(project, project_update={"thumb": put(admin.get_upload_info(project), b"second")})
    assert fetch(admin.get_project(project).thumb).content == b"second"
    assert fetch(first).status_code == 404  # the picture before is gone
    # An upload of one's own for this project, and nothing else.
    theirs = put(members.executor.api.get_upload_info(project), b"theirs")
    for wrong in (theirs, "1/2/3/x.mp4", "http://127.0.0.1/x", key.replace("_uploads", "uploads")):
        refused(403, admin.update_project, project, project_update={"thumb": wrong})
    refused(404, admin.update_project, project, project_update={"thumb": admin.get_upload_info(project).key})
    mine = put(members.executor.api.get_upload_info(project), b"mine")
    refused(403, members.executor.api.update_project, project, project_update={"thumb": mine})
    assert fetch(admin.get_project(project).thumb).content == b"second"


def test_whose_picture(admin, lab, people, project):
    admin.create_affiliation(lab, affiliation_spec={"user": people.viewer.id, "permission": "Member"})
    for api in (people.viewer.api, people.stranger.api):
        refused(403, api.get_organization_upload_info, lab)
    key = put(admin.get_organization_upload_info(lab), b"mine")
    admin.create_affiliation(lab, affiliation_spec={"user": people.owner.id, "permission": "Admin"})
    refused(403, people.owner.api.update_organization, lab, organization_update={"thumb": key})  # somebody else's upload
    for wrong in ("1/2/3/x.mp4", f"{lab}/thumb/x", "http://127.0.0.1/x", key.replace("_uploads", "uploads")):
        refused(403, admin.update_organization, lab, organization_update={"thumb": wrong})
    refused(404, admin.update_organization, lab, organization_update={"thumb": admin.get_organization_upload_info(lab).key})
    assert admin.get_organization(lab).thumb is None
    # What is uploaded for an organization is no object of any project.
    refused(403, admin.get_download_info, project, download_info_spec={"keys": [key]})


@pytest.fixture
def me(station, admin, project):
    """Somebody who may upload."""
    api = tator.get_api(station.url, station.add_user(plain_name("face")))
    admin.create_membership(project, membership_spec={"user": api.whoami().id, "permission": "Can Transfer"})
    return api


def upload(api, project, path, content):
    path.write_bytes(content)
    for _, info in _upload_file(api, project, str(path)):
        pass
    return info.key


def test_an_avatar(admin, me, project, tmp_path):
    user = me.whoami().id
    key = upload(me, project, tmp_path / "face.png", b"a face")
    me.update_user(user, user_update={"new_avatar": key, "set_profile_keys": {"theme": "dark"}})
    plain = me.get_user(user).profile
    assert not plain["avatar"].startswith("http") and plain["theme"] == "dark"
    name = me.whoami().username
    for row in (me.get_user(user, presigned=3600), me.whoami(presigned=3600), admin.get_user(user, presigned=60),
                admin.get_user_list(username=name, presigned=60)[0]):
        assert fetch(row.profile["avatar"]).content == b"a face"
    shown = me.get_user(user, presigned=3600).profile["avatar"]
    me.update_user(user, user_update={"new_avatar": upload(me, project, tmp_path / "b.png", b"another")})
    assert fetch(me.get_user(user, presigned=3600).profile["avatar"]).content == b"another"
    assert fetch(shown).status_code == 404
    me.update_user(user, user_update={"clear_avatar": 1})
    assert me.get_user(user, presigned=60).profile == {"theme": "dark"}


def test_an_avatar_is_no_way_to_other_objects(admin, me, project, people, tmp_path):
    user = me.whoami().id
    theirs = upload(admin, project, tmp_path / "face.png", b"a face")
    for wrong in (theirs, "1/2/3/secret.mp4", "users/1/avatar/x"):
        refused(403, me.update_user, user, user_update={"new_avatar": wrong})
        refused(400, me.update_user, user, user_update={"set_profile_keys": {"avatar": wrong}})
    assert "avatar" not in me.get_user(user).profile
    refused(403, people.stranger.api.update_user, user, user_update={"clear_avatar": 1})
