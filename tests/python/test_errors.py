"""Every way to ask wrongly, and the exact words of the answer."""

import base64
import json

import pytest
import tator
from support import NOWHERE, Scene, box, refused, unique


def call(station, method, path, **options):
    return station.http(method, path, station.admin_token, **options)


def test_missing_object(admin, station):
    body = refused(404, admin.get_media, NOWHERE)
    assert body["message"] == "No Media matches the given query."
    for path in ("Project", "Localization", "State", "Section", "Version", "MediaType", "LocalizationType", "Leaf", "File"):
        answer = call(station, "GET", f"/rest/{path}/{NOWHERE}")
        assert answer.status_code == 404, path
        assert answer.headers["Content-Type"].startswith("application/json"), path


def test_missing_project(admin):
    refused(404, admin.get_media_list, NOWHERE)
    refused(404, admin.create_localization_list, NOWHERE, body=[])


@pytest.mark.parametrize("path", ["/rest/Nothing", "/rest/Media/abc", "/rest/Localizations/1.5"])
def test_unknown_path_is_html_404(station, path):
    answer = call(station, "GET", path)
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("text/html")


def test_undefined_method_is_400(station, project):
    answer = call(station, "PUT", f"/rest/Project/{project}", json={})
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Operation put not found for")
    assert call(station, "OPTIONS", f"/rest/Project/{project}").status_code == 400
    assert call(station, "HEAD", f"/rest/Project/{project}").status_code == 400


def test_missing_body(station, project):
    answer = call(station, "POST", f"/rest/Sections/{project}")
    assert (answer.status_code, answer.json()["message"]) == (400, "Missing required request body")


def test_body_that_fails_the_schema(station, project):
    answer = call(station, "POST", f"/rest/Versions/{project}", json={"description": 5})
    body = answer.json()
    assert (answer.status_code, body["message"]) == (400, "Request body validation error")
    assert "name" in body["details"]
    assert call(station, "POST", f"/rest/Versions/{project}", data="{", headers={"Content-Type": "application/json"}).status_code == 400
    assert call(station, "POST", f"/rest/Versions/{project}", data="name=x",
                headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code == 400


def test_more_than_500_items(admin, project):
    scene = Scene(admin, project)
    body = refused(400, admin.create_localization_list, project, body=[box(scene.video, scene.box_type)] * 501)
    assert body["message"] == "Request body validation error"
    assert admin.get_localization_count(project) == 0


@pytest.mark.parametrize("query, message", [
    ("start=-1", "Query parameter error: start"),
    ("start=abc", "Query parameter error: start"),
    ("dtype=hologram", "Invalid query parameter: dtype"),
])
def test_bad_query_value(station, project, query, message):
    answer = call(station, "GET", f"/rest/Medias/{project}?{query}")
    assert (answer.status_code, answer.json()["message"]) == (400, message)


def test_missing_query_value(station, admin, project):
    video = Scene(admin, project).video
    answer = call(station, "GET", f"/rest/Leaves/Suggestion/Nowhere/{project}")
    assert (answer.status_code, answer.json()["message"]) == (400, "Missing required query parameter: query")
    assert admin.get_media(video).id == video


def test_unknown_parameters_and_keys_are_ignored(station, admin, project):
    assert call(station, "GET", f"/rest/Medias/{project}?force_es=1&nonsense=x").json() == []
    made = call(station, "POST", f"/rest/Versions/{project}", json={"name": "Extra", "nonsense": [1, 2]})
    assert made.status_code == 201
    assert "nonsense" not in admin.get_version(made.json()["id"])


def test_null_for_an_optional_key_equals_absence(admin, project):
    made = admin.create_version(project, version_spec={"name": "Nulls", "description": None, "bases": None})
    version = admin.get_version(made.id)
    assert (version.description, version.bases) == ("", [])


def test_defaults_are_filled_in(admin, project):
    scene = Scene(admin, project)
    definition = admin.get_localization_type(scene.box_type).attribute_types[0]
    assert definition == {"name": "Species", "dtype": "string", "order": 0, "required": False, "description": ""}


def test_unknown_format_is_404(station, project):
    answer = call(station, "GET", f"/rest/Medias/{project}?format=papyrus")
    assert answer.status_code == 404 and answer.headers["Content-Type"] == "application/json"
    assert answer.json()["message"] == "No format papyrus; this operation knows json, jsonl, csv, pprint."
    assert call(station, "GET", f"/rest/Medias/{project}?format=csv").status_code == 200


def test_permission(members, project):
    body = refused(403, members.viewer.api.create_version, project, version_spec={"name": "No"})
    assert body["message"] == "You do not have permission to perform this action."
    body = refused(403, members.stranger.api.get_project, project)
    assert body["message"] == "You do not have permission to perform this action."


def test_long_urls_are_taken(admin, project):
    scene = Scene(admin, project)
    rows = admin.get_media_list(project, media_id=[scene.video, *range(NOWHERE, NOWHERE + 5000)])
    assert [row.id for row in rows] == [scene.video]


def test_every_error_carries_our_own_keys(station, project):
    body = call(station, "GET", f"/rest/Medias/{project}?start=-1").json()
    assert body["code"] and body["request_id"]


def test_a_body_that_is_too_large(new_station):
    station = new_station(environment={"TRANSECT_SERVER_MAX_BODY_BYTES": "20000"})
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "O"}).id
    project = api.create_project(project_spec={"name": "P", "organization": organization}).id
    path = f"/rest/Versions/{project}"
    for body in (json.dumps({"name": "V", "nonsense": "x" * 20_000}), "[" * 30_000, "x" * 200_000):
        answer = call(station, "POST", path, data=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, answer.text
        assert answer.json()["message"] and answer.json()["code"]
    # What says no length is counted as it comes.
    stream = (b"x" * 1000 for _ in range(100))
    assert call(station, "POST", path, data=stream, headers={"Content-Type": "application/json"}).status_code == 400
    assert [row.name for row in api.get_version_list(project)] == ["Baseline"]
    assert call(station, "POST", path, json={"name": "V", "nonsense": "x" * 15_000}).status_code == 201


@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}"), ('{"method":"not","operations":[', "]}")])
def test_bodies_nested_without_end(station, admin, project, opening, closing):
    """Whatever is nested a hundred thousand times is refused, and the station goes on."""
    deep = opening * 100_000 + "1" + closing * 100_000
    for path, method, body in ((f"/rest/Versions/{project}", "POST", deep),
                               (f"/rest/Medias/{project}", "PUT", '{"object_search":%s}' % deep),
                               (f"/rest/Sections/{project}", "POST", '{"name":"S","object_search":%s}' % deep),
                               (f"/rest/Localizations/{project}", "POST", deep), (f"/rest/Medias/{project}", "POST", deep)):
        answer = call(station, method, path, data=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400 and answer.json()["message"], (path, answer.text[:300])
    text = base64.b64encode((opening * 1000 + "1" + closing * 1000).encode()).decode()
    answer = call(station, "GET", f"/rest/Medias/{project}", params={"encoded_search": text})
    assert answer.status_code == 400 and answer.json()["message"]
    assert admin.get_media_list(project) == [] and admin.get_section_list(project) == []


def test_references_that_lead_nowhere(admin, project, organization):
    scene = Scene(admin, project)
    for name, call, arguments, keywords in (
            ("Version", admin.create_version, [project], {"version_spec": {"name": "V", "bases": [NOWHERE]}}),
            ("MediaType", admin.create_localization_type, [project], {"localization_type_spec": {
                "name": "B", "dtype": "box", "media_types": [NOWHERE]}}),
            ("User", admin.create_membership, [project], {"membership_spec": {"user": NOWHERE, "permission": "View Only"}}),
            ("User", admin.create_affiliation, [organization], {"affiliation_spec": {"user": NOWHERE, "permission": "Member"}}),
            ("Bucket", admin.create_project, [], {"project_spec": {"name": "P", "organization": organization, "bucket": NOWHERE}}),
            ("LeafType", admin.create_leaf_list, [project], {"body": {"name": "L", "type": NOWHERE}}),
            ("StateType", admin.create_favorite, [project], {"favorite_spec": {
                "name": "F", "type": NOWHERE, "values": {}, "entity_type_name": "State"}})):
        body = refused(404, call, *arguments, **keywords)
        assert body["message"] == f"{name} matching query does not exist.", call
    for name, call in (("Project", admin.get_project), ("Localization", admin.get_localization), ("State", admin.get_state),
                       ("Section", admin.get_section), ("Version", admin.get_version), ("Leaf", admin.get_leaf), ("File", admin.get_file),
                       ("MediaType", admin.get_media_type), ("Membership", admin.get_membership), ("Bookmark", admin.get_bookmark)):
        assert refused(404, call, NOWHERE)["message"] == f"No {name} matches the given query."
    assert scene.found() == []


@pytest.mark.parametrize("path", ["States", "Leaves"])
def test_more_than_500_of_other_things(station, project, path):
    specs = [{"name": "x", "type": 1, "media_ids": []}] * 501
    answer = call(station, "POST", f"/rest/{path}/{project}", json=specs)
    assert (answer.status_code, answer.json()["message"]) == (400, "Request body validation error")


@pytest.mark.parametrize("path, parameter", [
    ("UploadInfo", "num_parts=0"), ("UploadInfo", "num_parts=10001"), ("UploadInfo", "expiration=0"), ("UploadInfo", "expiration=604801"),
    ("Medias", "presigned=0"), ("Medias", "presigned=604801"), ("Medias", "stop=-1"), ("Medias", "media_id=a"),
    ("Medias", "section=x"), ("Localizations", "merge=2"), ("Localizations", "show_deleted=2"), ("Localizations", "version=x"),
    ("Localizations", "frame=x"), ("States", "show_all_marks=-1"), ("Leaves", "depth=x"), ("Files", "after=x"),
    ("ChangeLog", "entity_type=fish")])
def test_values_beyond_what_is_declared(station, project, path, parameter):
    answer = call(station, "GET", f"/rest/{path}/{project}?{parameter}")
    assert answer.status_code == 400, answer.text
    assert parameter.split("=")[0] in answer.json()["message"]


def test_a_conditional_change_needs_a_count_that_can_be(station, project):
    answer = call(station, "DELETE", f"/rest/Localizations/{project}?count=-1")
    assert (answer.status_code, answer.json()["message"]) == (400, "Query parameter error: count")


@pytest.mark.parametrize("path, method", [
    ("Medias", "PUT"), ("Localizations", "PUT"), ("States", "PUT"), ("Leaves", "PUT"), ("Transcodes", "PUT"), ("MediaCount", "PUT"),
    ("LocalizationCount", "PUT"), ("StateCount", "PUT"), ("LeafCount", "PUT"), ("Medias", "PATCH"), ("Localizations", "PATCH"),
    ("States", "PATCH"), ("Leaves", "PATCH"), ("Sections", "PATCH"), ("Localizations", "POST"), ("Jobs", "POST"), ("Transcodes", "POST"),
    ("DownloadInfo", "POST")])
def test_bodies_that_must_be_there(station, project, path, method):
    answer = call(station, method, f"/rest/{path}/{project}")
    assert (answer.status_code, answer.json()["message"], answer.json()["details"]) == (400, "Missing required request body", "None")


@pytest.mark.parametrize("path", ["/rest/", "/rest/Medias", "/rest/Medias/1/", "/rest/Media/1.5",
                                  "/rest/Media/99999999999999999999", "/rest/media/1"])
def test_paths_that_there_are_not(station, path):
    answer = call(station, "GET", path)
    assert answer.status_code == 404 and answer.headers["Content-Type"].startswith("text/html")


def test_streams_and_tables_say_what_they_are(station, admin, project):
    Scene(admin, project).add({})
    for form, kind in (("json", "application/json"), ("jsonl", "text/plain"), ("csv", "text/csv")):
        for path in ("Medias", "Localizations", "States"):
            answer = call(station, "GET", f"/rest/{path}/{project}?format={form}")
            assert answer.status_code == 200 and answer.headers["Content-Type"].startswith(kind), (path, form)


def test_what_is_longer_than_the_model_allows(admin, organization, project):
    spec = {"name": unique("Long"), "organization": organization}
    assert "1024" in refused(400, admin.create_project, project_spec={**spec, "summary": "x" * 1025})["message"]
    assert "1024" in refused(400, admin.update_project, project, project_update={"summary": "x" * 1025})["message"]
    admin.update_project(project, project_update={"summary": "x" * 1024})
    me = admin.whoami().id
    for key in ("first_name", "last_name"):
        assert "150" in refused(400, admin.update_user, me, user_update={key: "x" * 151})["message"]
    kind = Scene(admin, project).video_type
    for key in ("gid", "uid"):
        spec = {"type": kind, "name": "a.mp4", "md5": "", key: "x" * 37}
        assert "36" in refused(400, admin.create_media_list, project, body=spec)["message"]


def test_what_bodies_refer_to_is_named_as_such(admin, project):
    answer = refused(404, admin.create_project, project_spec={"name": unique("Lost"), "organization": NOWHERE})
    assert answer["message"] == "Organization matching query does not exist."
    answer = refused(404, admin.clone_media_list, project, clone_media_spec={"dest_project": NOWHERE, "dest_type": -1})
    assert answer["message"] == "Project matching query does not exist."
