"""Temporary files, manifests and pages, and what is served below /media/."""

import datetime
import os
import re

import pytest
import requests
from support import NOWHERE, refused, unique
from tator.util import download_temporary_file, upload_temporary_file
from tator.util._upload_file import _upload_file

KEYS = ["id", "project", "user", "path", "created_datetime", "eol_datetime", "name", "lookup"]
FOREIGN = ["http://169.254.169.254/x", "file:///etc/passwd", "https://elsewhere.example/x"]


@pytest.fixture
def blob(tmp_path):
    path = tmp_path / "blob.bin"
    path.write_bytes(os.urandom(10_000))
    return path


def link(api, project, path):
    for _, info in _upload_file(api, project, str(path)):
        pass
    return api.get_download_info(project, download_info_spec={"keys": [info.key]})[0].url


def link_to(api, project, tmp_path, text, name="x.txt"):
    path = tmp_path / name
    path.write_text(text)
    return link(api, project, path)


def headers(token):
    return {"Authorization": f"Token {token}"}


def test_a_file_is_made_read_and_deleted(admin, station, project, blob, tmp_path):
    url = link(admin, project, blob)
    spec = {"name": "clip 1.MP4", "url": url, "lookup": "abc", "hours": 2}
    response = admin.create_temporary_file(project, temporary_file_spec=spec)
    assert response.message == f"Temporary file {response.id} created successfully!"
    row = admin.get_temporary_file(response.id)
    raw = station.http("GET", f"/rest/TemporaryFile/{response.id}", station.admin_token).json()
    assert list(raw) == KEYS and raw == response.object
    assert (row.project, row.user, row.name, row.lookup) == (project, admin.whoami().id, "clip 1.MP4", "abc")
    assert re.fullmatch(rf"{re.escape(station.url)}/media/{project}/[0-9a-f-]{{36}}\.MP4", row.path), row.path
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00", raw["created_datetime"])
    assert list(download_temporary_file(admin, row, str(tmp_path / "back")))[-1] == 100
    assert (tmp_path / "back").read_bytes() == blob.read_bytes()
    assert admin.delete_temporary_file(response.id).message == f"Temporary file {response.id} successfully deleted!"
    refused(404, admin.get_temporary_file, response.id)
    assert requests.get(row.path, headers=headers(station.admin_token), timeout=60).status_code == 404


def test_a_file_lives_for_a_day_unless_it_says_otherwise(admin, project, blob):
    spec = {"name": "n", "url": link(admin, project, blob), "lookup": "l"}
    for more, hours in (({}, 24), ({"hours": 3}, 3)):
        row = admin.get_temporary_file(admin.create_temporary_file(project, temporary_file_spec={**spec, **more}).id)
        made, end = (datetime.datetime.fromisoformat(text) for text in (row.created_datetime, row.eol_datetime))
        assert end - made == datetime.timedelta(hours=hours)


def test_list(admin, project, blob):
    made = []
    for _ in range(3):
        before = len(admin.get_temporary_file_list(project))
        for _, response in upload_temporary_file(admin, project, str(blob)):
            pass
        made.append(response.id)
        assert len(admin.get_temporary_file_list(project)) == before + 1
    rows = admin.get_temporary_file_list(project)
    assert [row.id for row in rows] == made and rows[0].name == rows[0].lookup == "blob.bin"
    assert admin.get_temporary_file_list(project, expired=1) == []
    assert admin.delete_temporary_file_list(project, expired=1).message == "Successfully deleted 0 temporary files!"
    assert admin.delete_temporary_file_list(project).message == "Successfully deleted 3 temporary files!"
    assert admin.get_temporary_file_list(project) == []


def test_what_is_refused(admin, project, blob):
    spec = {"name": "n", "url": link(admin, project, blob), "lookup": "l"}
    for hours in (0, 25):
        refused(400, admin.create_temporary_file, project, temporary_file_spec={**spec, "hours": hours})
    for key in spec:
        part = {name: value for name, value in spec.items() if name != key}
        refused(400, admin.create_temporary_file, project, temporary_file_spec=part)
    refused(400, admin.create_temporary_file, project, temporary_file_spec={**spec, "lookup": "l" * 257})
    for url in FOREIGN:
        body = refused(403, admin.create_temporary_file, project, temporary_file_spec={**spec, "url": url})
        assert "not from an allowed origin" in body["message"]
    gone = admin.get_download_info(project, download_info_spec={
        "keys": [f"{admin.get_project(project).organization}/{project}/1/x"]})[0].url
    refused(400, admin.create_temporary_file, project, temporary_file_spec={**spec, "url": gone})
    refused(404, admin.create_temporary_file, NOWHERE, temporary_file_spec=spec)
    assert admin.get_temporary_file_list(project) == []


def test_levels(admin, members, project, blob):
    url = link(admin, project, blob)
    spec = {"name": "n", "url": url, "lookup": "l"}
    refused(403, members.viewer.api.create_temporary_file, project, temporary_file_spec=spec)
    # The right comes before the origin.
    refused(403, members.stranger.api.create_temporary_file, project, temporary_file_spec={**spec, "url": FOREIGN[0]})
    made = members.editor.api.create_temporary_file(project, temporary_file_spec=spec).id
    row = members.viewer.api.get_temporary_file(made)
    assert members.viewer.api.get_temporary_file_list(project)[0].id == made
    assert requests.get(row.path, headers=headers(members.viewer.token), timeout=60).content == blob.read_bytes()
    for call in (lambda: members.stranger.api.get_temporary_file(made),
                 lambda: members.stranger.api.get_temporary_file_list(project),
                 lambda: members.viewer.api.delete_temporary_file(made),
                 lambda: members.viewer.api.delete_temporary_file_list(project)):
        refused(403, call)
    for token in (members.stranger.token, "0" * 40):
        assert requests.get(row.path, headers=headers(token), timeout=60).status_code == 403
    assert requests.get(row.path, timeout=60).status_code == 403
    members.editor.api.delete_temporary_file(made)


def test_ranges_and_heads(admin, station, project, blob):
    made = admin.create_temporary_file(project, temporary_file_spec={
        "name": "a.mp4", "url": link(admin, project, blob), "lookup": "l"}).id
    path, mine = admin.get_temporary_file(made).path, headers(station.admin_token)
    whole = requests.get(path, headers=mine, timeout=60)
    assert (whole.headers["Content-Type"], whole.headers["Content-Length"]) == ("video/mp4", "10000")
    assert whole.headers["X-Content-Type-Options"] == "nosniff" and "no-cache" in whole.headers["Cache-Control"]
    some = requests.get(path, headers={**mine, "Range": "bytes=10-19"}, timeout=60)
    assert (some.status_code, some.content) == (206, blob.read_bytes()[10:20])
    assert requests.get(path, headers={**mine, "Range": "bytes=10000-"}, timeout=60).status_code == 416
    head = requests.head(path, headers=mine, timeout=60)
    assert (head.status_code, head.headers["Content-Length"], head.content) == (200, "10000", b"")
    assert requests.get(path, headers={**mine, "If-None-Match": whole.headers["ETag"]}, timeout=60).status_code == 304
    assert requests.put(path, headers=mine, data=b"x", timeout=60).status_code == 400
    assert requests.get(path, headers=mine, timeout=60).content == blob.read_bytes()


def test_files_of_a_session(admin, station, people, members, project, blob):
    made = admin.create_temporary_file(project, temporary_file_spec={
        "name": "a.bin", "url": link(admin, project, blob), "lookup": "l"}).id
    path = admin.get_temporary_file(made).path
    with requests.Session() as session:
        session.get(f"{station.url}/check-login/", timeout=60)
        answer = session.post(f"{station.url}/accounts/login/", data={
            "username": members.viewer.name, "password": members.viewer.password},
            headers={"X-CSRFToken": session.cookies["csrftoken"]}, timeout=60)
        assert answer.ok, answer.text
        answer = session.get(path, timeout=60)
        assert (answer.status_code, answer.content) == (200, blob.read_bytes())
        assert answer.headers["Content-Disposition"] == "attachment"


def test_paths_lead_nowhere_else(admin, station, organization, project, blob):
    other = admin.create_project(project_spec={"name": unique("Other"), "organization": organization}).id
    made = admin.create_temporary_file(other, temporary_file_spec={
        "name": "secret", "url": link(admin, other, blob), "lookup": "l"}).id
    name = admin.get_temporary_file(made).path.rsplit("/", 1)[1]
    uploaded = admin.get_upload_info(project).key
    for path in (f"{project}/{name}", f"{project}/../{other}/{name}", f"{project}/%2e%2e/{other}/{name}", f"{project}/",
                 f"{project}", f"{project}//{name}", f"{project}/..%2f{other}/{name}", f"{project}/../../objects/{uploaded}",
                 "x/y", "", f"-{project}/{name}", f"{project}/..%5c{other}%5c{name}", f"{project}/%00", f"{project}/%ff"):
        request = requests.Request("GET", station.url, headers=headers(station.admin_token)).prepare()
        request.url = f"{station.url}/media/{path}"  # as it is, not tidied up
        with requests.Session() as session:
            assert session.send(request, timeout=60).status_code in (403, 404), path


def test_generic_file(admin, station, project, members, tmp_path):
    page = "<script>fetch('/rest/User/GetCurrent')</script>"
    url = link_to(admin, project, tmp_path, page)
    spec = {"name": "my page.html", "upload_url": url}
    rows = [admin.save_generic_file(project, generic_file_spec=spec) for _ in range(2)]
    for row in rows:
        assert (row.name, row.project, row.upload_url) == ("my page.html", project, url)
        assert re.fullmatch(rf"{project}/my page_[0-9a-f]{{16}}\.html", row.url)
    assert rows[0].url != rows[1].url
    answer = requests.get(f"{station.url}/media/{rows[0].url}", headers=headers(members.viewer.token), timeout=60)
    assert (answer.status_code, answer.text) == (200, page)
    assert answer.headers["Content-Type"].startswith("text/html")
    policy = answer.headers["Content-Security-Policy"]
    # It may run, but in an origin of its own, and only our page may frame it.
    assert policy.startswith("sandbox ") and "allow-scripts" in policy and "allow-same-origin" not in policy
    assert "frame-ancestors 'self'" in policy and answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    svg = admin.save_generic_file(project, generic_file_spec={"name": "x.svg", "upload_url": url})
    answer = requests.get(f"{station.url}/media/{svg.url}", headers=headers(station.admin_token), timeout=60)
    assert "allow-scripts" not in answer.headers["Content-Security-Policy"]
    odd = admin.save_generic_file(project, generic_file_spec={"name": "../../x/.html", "upload_url": url})
    assert re.fullmatch(rf"{project}/[^/]+", odd.url), odd.url


def test_generic_file_refused(admin, project, members, tmp_path):
    url = link_to(admin, project, tmp_path, "x")
    for foreign in FOREIGN:
        for call, body in [(admin.save_generic_file, "generic_file_spec"), (admin.save_algorithm_manifest, "algorithm_manifest_spec")]:
            answer = refused(403, call, project, **{body: {"upload_url": foreign}})  # before the missing name
            assert "not from an allowed origin" in answer["message"]
    refused(400, admin.save_generic_file, project, generic_file_spec={"upload_url": url})
    refused(400, admin.save_generic_file, project, generic_file_spec={"name": "x"})
    spec = {"name": "x", "upload_url": url}
    refused(403, members.transferrer.api.save_generic_file, project, generic_file_spec=spec)
    refused(403, members.transferrer.api.save_algorithm_manifest, project, algorithm_manifest_spec=spec)
    refused(403, members.stranger.api.save_generic_file, project, generic_file_spec=spec)
    members.executor.api.save_generic_file(project, generic_file_spec=spec)


def test_manifest(admin, station, project, tmp_path):
    text = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec:\n  templates: []\n"
    spec = {"name": "flow.yaml", "upload_url": link_to(admin, project, tmp_path, text)}
    urls = {admin.save_algorithm_manifest(project, algorithm_manifest_spec=spec).url for _ in range(2)}
    assert len(urls) == 2
    for url in urls:
        assert re.fullmatch(rf"{project}/flow_[0-9a-f]{{16}}\.yaml", url)
        assert requests.get(f"{station.url}/media/{url}", headers=headers(station.admin_token), timeout=60).text == text
    for wrong in ("- a\n- b\n", "just text", "a: [1", ""):
        spec["upload_url"] = link_to(admin, project, tmp_path, wrong or "\n")
        refused(400, admin.save_algorithm_manifest, project, algorithm_manifest_spec=spec)


def test_allowed_origins(new_station, project, tmp_path):
    """What another server gives is fetched where the operator allows that server, and only then."""
    import functools
    import http.server
    import threading

    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "x.html").write_text("from elsewhere")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "www"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        import tator
        place = f"http://127.0.0.1:{server.server_port}"
        station = new_station(environment={"SERVER_SIDE_REQUEST_ORIGINS": f"https://a.example,{place}"})
        admin = tator.get_api(station.url, station.admin_token)
        organization = admin.create_organization(organization_spec={"name": "O"}).id
        project = admin.create_project(project_spec={"name": "P", "organization": organization}).id
        row = admin.save_generic_file(project, generic_file_spec={"name": "x.html", "upload_url": f"{place}/x.html"})
        text = requests.get(f"{station.url}/media/{row.url}", headers=headers(station.admin_token), timeout=60).text
        assert text == "from elsewhere"
        refused(400, admin.save_generic_file, project, generic_file_spec={"name": "x", "upload_url": f"{place}/none"})
        refused(403, admin.save_generic_file, project, generic_file_spec={
            "name": "x", "upload_url": f"http://localhost:{server.server_port}/x.html"})
    finally:
        server.shutdown()


def test_a_project_takes_its_files_along(admin, station, organization, tmp_path):
    project = admin.create_project(project_spec={"name": unique("Gone"), "organization": organization}).id
    spec = {"name": "x.txt", "upload_url": link_to(admin, project, tmp_path, "x")}
    saved = admin.save_generic_file(project, generic_file_spec=spec).url
    admin.create_temporary_file(project, temporary_file_spec={"name": "n", "url": spec["upload_url"], "lookup": "l"})
    admin.delete_project(project)
    answer = requests.get(f"{station.url}/media/{saved}", headers=headers(station.admin_token), timeout=60)
    assert answer.status_code == 403
