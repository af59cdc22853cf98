"""Files of a project that are not media."""

import os

import pytest
import requests
from support import add_media_type, ids, refused
from tator.util._upload_file import _upload_file


@pytest.fixture
def kind(admin, project):
    return admin.create_file_type(project, file_type_spec={
        "name": "Report", "attribute_types": [{"name": "Author", "dtype": "string"}, {"name": "Pages", "dtype": "int"}]}).id


def add(api, project, kind, name, **attributes):
    return api.create_file(project, file_spec={"name": name, "type": kind, "description": "d", "attributes": attributes}).id


def upload(api, project, path, **options):
    for _, info in _upload_file(api, project, str(path), **options):
        pass
    return info.key


def test_record(admin, project, kind):
    made = add(admin, project, kind, "notes.txt", Author="Ada", Pages=3)
    row = admin.get_file(made)
    assert (row.name, row.description, row.type, row.path, row.project) == ("notes.txt", "d", kind, None, project)
    assert row.attributes == {"Author": "Ada", "Pages": 3}
    admin.update_file(made, file_update={"name": "n.txt", "attributes": {"Pages": 4}})
    row = admin.get_file(made)
    assert (row.name, row.attributes) == ("n.txt", {"Author": "Ada", "Pages": 4})
    admin.delete_file(made)
    refused(404, admin.get_file, made)


def test_list(admin, project, kind):
    made = [add(admin, project, kind, f"{n}", Author="abc"[n], Pages=n) for n in range(3)]
    assert ids(admin.get_file_list(project)) == made
    assert ids(admin.get_file_list(project, attribute=["Author::b"])) == made[1:2]
    assert ids(admin.get_file_list(project, attribute_gte=["Pages::1"], stop=1)) == made[1:2]
    assert ids(admin.get_file_list(project, after=made[0])) == made[1:]
    assert ids(admin.get_file_list(project, name="2")) == made[2:]


@pytest.mark.parametrize("size, parts", [(1000, 1), (11 << 20, 3)])
def test_bytes_go_up_and_come_back(admin, project, kind, tmp_path, size, parts):
    content = os.urandom(size)
    (tmp_path / "data.bin").write_bytes(content)
    made = add(admin, project, kind, "data.bin")
    key = upload(admin, project, tmp_path / "data.bin", file_id=made, filename="data.bin", chunk_size=5 << 20)
    organization = admin.get_project(project).organization
    assert key.startswith(f"{organization}/{project}/files/{made}/") and key.endswith(".bin")
    admin.update_file(made, file_update={"path": key})
    assert admin.get_file(made).path == key
    link = admin.get_download_info(project, download_info_spec={"keys": [key]})[0]
    assert (link.key, requests.get(link.url, timeout=60).content == content) == (key, True)
    assert parts == -(-size // (5 << 20))


def test_upload_for_two_things_at_once(admin, project, kind):
    video = admin.create_media_list(project, body={"type": add_media_type(admin, project), "name": "v.mp4", "md5": ""}).id
    refused(400, admin.get_upload_info, project, media_id=video, file_id=add(admin, project, kind, "f"))
    body = refused(400, admin.get_upload_info, project, media_id=2_000_000_000)
    assert body["message"] == f"Media ID 2000000000 does not exist in project {admin.get_project(project).name}!" or (
        body["message"] == f"Media ID 2000000000 does not exist in project {project}!")
