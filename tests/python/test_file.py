"""Files of a project that are not media."""

import os

import pytest
import requests
from support import NOWHERE, add_media_type, encoded, ids, leaf, refused
from tator.exceptions import ApiException
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
    body = refused(400, admin.get_upload_info, project, media_id=video, file_id=add(admin, project, kind, "f"))
    assert body["message"] == "Both media_id and file_id are specified! Only one of them may be."
    for noun in ("media", "file"):
        body = refused(400, admin.get_upload_info, project, **{f"{noun}_id": 2_000_000_000})
        assert body["message"] == f"{noun.capitalize()} ID 2000000000 does not exist in project {project}!"
    body = refused(400, admin.get_upload_info, project, bucket_id=1)
    assert body["message"] == "A bucket_id may be specified only together with a media_id!"


def test_a_file_under_both_its_names(station, admin, project, kind):
    """The type is called `type`, and also `meta`, as old servers call it."""
    made = add(admin, project, kind, "notes.txt")
    row = station.http("GET", f"/rest/File/{made}", station.admin_token).json()
    assert (row["type"], row["meta"]) == (kind, kind)


def test_changing_what_a_file_is(admin, members, project, kind):
    made = add(admin, project, kind, "notes.txt", Author="Ada", Pages=3)
    refused(400, admin.update_file, made, file_update={"attributes": {"Nonsense": 1}})
    refused(400, admin.update_file, made, file_update={"attributes": {"Pages": "many"}})
    admin.update_file(made, file_update={"null_attributes": ["Author"], "reset_attributes": ["Pages"]})
    assert admin.get_file(made).attributes == {"Author": None, "Pages": None}
    refused(400, admin.update_file, made, file_update={"null_attributes": ["Nonsense"]})
    eid = members.editor.api.whoami().elemental_id
    other = admin.create_file(project, file_spec={"name": "n", "type": kind, "user_elemental_id": eid}).id
    row = admin.get_file(other)
    assert (row.created_by, row.attributes) == (members.editor.id, {})
    assert admin.get_file(made).modified_datetime > admin.get_file(made).created_datetime
    refused(400, admin.create_file, project, file_spec={"name": "n", "type": NOWHERE})


def test_searches_in_files(admin, project, kind):
    made = [add(admin, project, kind, f"{n}.txt", Author="abc"[n], Pages=n) for n in range(3)]
    other = admin.create_file_type(project, file_type_spec={"name": "Other"}).id
    last = add(admin, project, other, "3.txt")
    assert ids(admin.get_file_list(project, encoded_search=encoded(leaf("Pages", "gte", 1)))) == made[1:]
    assert ids(admin.get_file_list(project, type=other)) == [last]
    assert ids(admin.get_file_list(project, sort_by=["-Pages"], type=kind)) == made[::-1]
    assert ids(admin.get_file_list(project, elemental_id=admin.get_file(last).elemental_id)) == [last]
    assert ids(admin.get_file_list(project, attribute_null=["Pages::true"])) == [last]
    assert ids(admin.get_file_list(project, start=1, stop=3)) == made[1:3]


def test_a_path_of_somebody_else(admin, project, kind, organization, tmp_path):
    """A file takes the key of its own upload, and no other."""
    first, second = (add(admin, project, kind, name) for name in "ab")
    (tmp_path / "x.txt").write_text("x")
    key = upload(admin, project, tmp_path / "x.txt", file_id=first, filename="x.txt")
    for wrong in (f"{organization}/{project + 1}/files/{first}/x.txt", "../../etc/passwd", key.replace(f"/{first}/", f"/{NOWHERE}/")):
        with pytest.raises(ApiException) as caught:
            admin.update_file(second, file_update={"path": wrong})
        assert caught.value.status in (400, 403, 404), wrong
    assert admin.get_file(second).path is None
    admin.update_file(first, file_update={"path": key})
    admin.delete_file(first)
    refused(404, admin.get_file, first)
