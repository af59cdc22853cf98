"""What a script of the generated client (tator 1.6.14) does: run by `test_old_client.py` with that client's own Python.

    python old_client.py HOST TOKEN SCENARIO FOLDER
"""

import json
import pathlib
import sys
import uuid

import tator

MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def unique(name):
    return f"{name} {uuid.uuid4().hex[:8]}"


class Scene:
    def __init__(self, api):
        self.api = api
        organization = api.create_organization(organization_spec=tator.models.OrganizationSpec(name=unique("Institute"))).id
        self.organization = organization
        self.project = api.create_project(project_spec={"name": unique("Survey"), "summary": "s", "organization": organization}).id
        self.media_type = api.create_media_type(self.project, media_type_spec={
            "name": "Video", "dtype": "video", "attribute_types": [{"name": "Camera", "dtype": "string"}]}).id
        self.box_type = api.create_localization_type(self.project, localization_type_spec={
            "name": "Box", "dtype": "box", "media_types": [self.media_type], "attribute_types": [
                {"name": "Species", "dtype": "string"}, {"name": "Count", "dtype": "int", "default": 0}]}).id
        self.track_type = api.create_state_type(self.project, state_type_spec={
            "name": "Track", "association": "Localization", "media_types": [self.media_type],
            "attribute_types": [{"name": "Name", "dtype": "string"}]}).id
        self.media = [self.add_media(f"dive {n}.mp4") for n in range(2)]

    def add_media(self, name):
        answer = self.api.create_media_list(self.project, body={"type": self.media_type, "name": name, "md5": MD5, "section": "New"})
        return answer.id if isinstance(answer.id, int) else answer.id[0]

    def boxes(self, count, **more):
        specs = [{"media_id": self.media[0], "type": self.box_type, "frame": n, "x": 0.1, "y": 0.1, "width": 0.2, "height": 0.2,
                  "attributes": {"Species": "cod", "Count": n}, **more} for n in range(count)]
        made = []
        for answer in tator.util.chunked_create(self.api.create_localization_list, self.project, body=specs):
            made += answer.id
        return made


def whoami(api, folder):
    user = api.whoami()
    assert isinstance(user, tator.models.User) and user.username == "admin"
    assert [row.id for row in api.get_user_list(username="admin")] == [user.id]
    assert api.user_exists(username="nobody at all") is False


def types_are_models(api, folder):
    scene = Scene(api)
    row = api.get_localization_type(scene.box_type)
    assert isinstance(row, tator.models.LocalizationType) and row.dtype == "box" and row.media == [scene.media_type]
    assert {a.name: a.dtype for a in row.attribute_types} == {"Species": "string", "Count": "int"}
    api.create_attribute_type(scene.box_type, attribute_type_spec={
        "entity_type": "LocalizationType", "addition": {"name": "Length", "dtype": "float"}})
    api.update_attribute_type(scene.box_type, attribute_type_update={
        "entity_type": "LocalizationType", "current_name": "Length", "attribute_type_update": {"name": "Size", "dtype": "float"}})
    names = {a.name for a in api.get_localization_type(scene.box_type).attribute_types}
    assert names == {"Species", "Count", "Size"}
    assert isinstance(api.delete_attribute_type(scene.box_type, attribute_type_delete={
        "entity_type": "LocalizationType", "name": "Size"}), tator.models.MessageResponse)


def localizations(api, folder):
    scene = Scene(api)
    made = scene.boxes(1203)
    assert len(made) == 1203 == api.get_localization_count(scene.project)
    rows = api.get_localization_list(scene.project, attribute=["Species::cod"], attribute_gte=["Count::1200"])
    assert [row.id for row in rows] == made[1200:] and isinstance(rows[0], tator.models.Localization)
    assert [row.id for row in api.get_localization_list(scene.project, start=10, stop=13)] == made[10:13]
    assert [row.id for row in api.get_localization_list(scene.project, after=made[1200])] == made[1201:]
    update = {"attributes": {"Species": "eel"}, "in_place": 1}
    answer = api.update_localization_list(scene.project, localization_bulk_update=update, attribute_lt=["Count::3"])
    assert answer.message == "Successfully updated 3 localizations!"
    assert [row.id for row in api.get_localization_list(scene.project, attribute=["Species::eel"])] == made[:3]
    answer = api.update_localization(made[5], localization_update={"x": 0.5})
    assert "successfully updated!" in answer.message
    latest = api.get_localization_list_by_id(scene.project, localization_id_query={"ids": []}, attribute=["Count::5"])
    assert [(row.x, row.mark) for row in latest] == [(0.5, 1)] and latest[0].id != made[5]
    try:
        api.delete_localization_list(scene.project, count=7)
        raise AssertionError("deleted with a wrong count")
    except tator.openapi.tator_openapi.exceptions.ApiException as error:
        assert error.status == 400 and "Safety check failed - expected 7 but would delete 1203" in error.body
    api.delete_localization_list(scene.project)
    assert api.get_localization_count(scene.project) == 0


def tracks(api, folder):
    scene = Scene(api)
    members = scene.boxes(6)
    one, other = (api.create_state_list(scene.project, body={
        "type": scene.track_type, "media_ids": [scene.media[0]], "localization_ids": part, "attributes": {"Name": "n"}}).id[0]
        for part in (members[:3], members[3:]))
    row = api.get_state(one)
    assert isinstance(row, tator.models.State) and row.segments == [[0, 2]] and row.localizations == members[:3]
    assert f"Localizations from state {other} has been merged into {one}" in api.merge_states(
        one, state_merge_update={"merge_state_id": other}).message
    assert api.get_state(one).segments == [[0, 5]]
    assert "Deleted 2 localizations" in api.trim_state_end(one, state_trim_update={"frame": 3, "endpoint": "end"}).message
    assert api.get_state(one).segments == [[0, 3]]
    assert [row.id for row in api.get_state_list(scene.project, media_id=[scene.media[0]])] == [one]


def media(api, folder):
    scene = Scene(api)
    row = api.get_media(scene.media[0])
    assert isinstance(row, tator.models.Media) and row.name == "dive 0.mp4" and row.primary_section
    api.update_media(row.id, media_update={"attributes": {"Camera": "bow"}})
    assert [m.id for m in api.get_media_list(scene.project, attribute_contains=["Camera::BO"])] == [row.id]
    assert api.get_media_count(scene.project) == 2
    assert api.get_media_next(row.id).next == scene.media[1]
    assert api.get_media_prev(scene.media[1]).prev == row.id
    section = api.get_section_list(scene.project)[0]
    assert section.name == "New" and [m.id for m in api.get_media_list(scene.project, section=section.id)] == scene.media
    api.delete_media(row.id)
    assert api.get_media_count(scene.project) == 1


def files(api, folder):
    scene = Scene(api)
    kind = api.create_file_type(scene.project, file_type_spec={"name": "Report"}).id
    path = pathlib.Path(folder) / "report.txt"
    path.write_bytes(b"depth 12 m\n" * 1000)
    made = api.create_file(scene.project, file_spec={"name": "report.txt", "type": kind, "description": "d"}).id
    for progress, info in tator.util._upload_file._upload_file(api, scene.project, str(path), file_id=made, filename="report.txt"):
        pass
    api.update_file(made, file_update={"path": info.key})
    link = api.get_download_info(scene.project, download_info_spec={"keys": [info.key]})[0].url
    import requests
    assert requests.get(link, timeout=30).content == path.read_bytes()


def upload(api, folder):
    """A clip, from its file to its pictures."""
    scene = Scene(api)
    clip = next(pathlib.Path(folder).glob("*.mp4"))
    for progress in tator.util.upload_media(api, scene.media_type, str(clip), section="Uploads"):
        pass
    import time
    until = time.time() + 120
    while time.time() < until:
        rows = [row for row in api.get_media_list(scene.project) if row.name == clip.name]
        if rows and rows[0].num_frames:
            break
        time.sleep(0.3)
    row = rows[0]
    assert row.num_frames and row.media_files is not None
    picture = pathlib.Path(api.get_frame(row.id, frames=[3]))
    assert picture.stat().st_size > 100
    out = pathlib.Path(folder) / "copy.mp4"
    for progress in tator.util.download_media(api, row, str(out)):
        pass
    assert out.stat().st_size > 1000


def sections_versions_leaves(api, folder):
    scene = Scene(api)
    section = api.create_section(scene.project, section_spec={"name": "Deep", "path": "Deep"}).id
    api.update_section(section, section_update={"name": "Deeper"})
    assert isinstance(api.get_section(section), tator.models.Section) and api.get_section(section).name == "Deeper"
    version = api.create_version(scene.project, version_spec={"name": "Review", "bases": []}).id
    made = scene.boxes(2)
    answer = api.update_localization_list(scene.project, localization_bulk_update={"new_version": version})
    assert answer.message == "Successfully updated 2 localizations!"
    assert len(api.get_localization_list(scene.project, version=[version])) == 2
    assert made == [row.id for row in api.get_localization_list(scene.project, version=[api.get_localization(made[0]).version])]
    kind = api.create_leaf_type(scene.project, leaf_type_spec={"name": "Taxon"}).id
    top = api.create_leaf_list(scene.project, body={"name": "Fish", "type": kind}).id[0]
    api.create_leaf_list(scene.project, body=[{"name": name, "type": kind, "parent": top} for name in ("Cod", "Eel")])
    assert api.get_leaf_count(scene.project) == 3
    ancestor = api.get_leaf(top).path
    found = api.leaf_suggestion(project=scene.project, ancestor=ancestor, query="C")
    assert [row.value for row in found] == ["Cod"]


def errors(api, folder):
    scene = Scene(api)
    ApiException = tator.openapi.tator_openapi.exceptions.ApiException
    for call, status in ((lambda: api.get_media(2_000_000_000), 404),
                         (lambda: api.create_localization_list(scene.project, body={"media_id": 1}), 400),
                         (lambda: tator.get_api(sys.argv[1], "0" * 40).whoami(), 400)):
        try:
            call()
            raise AssertionError("was not refused")
        except ApiException as error:
            assert error.status == status and "message" in json.loads(error.body), error


if __name__ == "__main__":
    host, token, scenario, folder = sys.argv[1:]
    globals()[scenario](tator.get_api(host, token), folder)
