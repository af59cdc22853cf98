"""Every way to ask wrongly, and the exact words of the answer."""

import pytest
from support import NOWHERE, Scene, box, refused


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
    assert call(station, "GET", f"/rest/Medias/{project}?format=papyrus").status_code == 404


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
