"""Applets: pages of a project."""

import pytest
import requests
from flows import link_to
from support import NOWHERE, ids, refused, unique

KEYS = {"id", "project", "rendered", "name", "html_file", "description", "categories", "template", "tparams", "extended_info"}


@pytest.fixture
def page(admin, project, tmp_path):
    url = link_to(admin, project, tmp_path, "<p>hello</p>", "page.html")
    return admin.save_generic_file(project, generic_file_spec={"name": "page.html", "upload_url": url}).url


def test_life_of_an_applet(station, admin, project, page):
    spec = {"name": "Depths", "html_file": page, "description": "how deep", "categories": ["annotator-menu"],
            "extended_info": {"a": [1]}}
    answer = station.http("POST", f"/rest/Applets/{project}", station.admin_token, json=spec)
    assert answer.status_code == 201 and answer.json()["message"] == "Successfully registered applet Depths!"
    made = answer.json()["id"]
    row = station.http("GET", f"/rest/Applet/{made}", station.admin_token).json()
    assert set(row) == KEYS
    assert row == {"id": made, "project": project, "rendered": None, "template": None, "tparams": [], **spec}
    assert answer.json()["object"] == row
    page_text = requests.get(f"{station.url}/media/{row['html_file']}", timeout=60,
                             headers={"Authorization": f"Token {station.admin_token}"}).text
    assert page_text == "<p>hello</p>"
    other = admin.register_applet(project, applet_spec={"name": "Other", "html_file": f"/media/{page}"}).id
    assert ids(admin.get_applet_list(project)) == [made, other]
    assert admin.update_applet(made, applet_spec={"name": "Depth"}).message == f"Applet {made} successfully updated!"
    after = station.http("GET", f"/rest/Applet/{made}", station.admin_token).json()
    assert after == {**row, "name": "Depth"}, "what is not given stays"
    admin.update_applet(made, applet_spec={"categories": [], "extended_info": {}})
    after = admin.get_applet(made)
    assert (after.categories, after.extended_info, after.description) == ([], {}, "how deep")
    assert admin.delete_applet(made).message == f"Applet {made} successfully deleted!"
    refused(404, admin.get_applet, made)
    refused(404, admin.update_applet, made, applet_spec={"name": "x"})
    assert ids(admin.get_applet_list(project)) == [other]


def test_wrong_applets(admin, project, organization, page, members):
    other = admin.create_project(project_spec={"name": unique("Dive"), "organization": organization}).id
    for spec in ({"html_file": page}, {"name": "", "html_file": page}, {"name": "n" * 129, "html_file": page}, {"name": "n"},
                 {"name": "n", "html_file": f"{project}/nothing.html"}, {"name": "n", "html_file": "../../etc/passwd"},
                 {"name": "n", "html_file": page, "categories": "x"}):
        refused(400, admin.register_applet, project, applet_spec=spec)
    refused(400, admin.register_applet, other, applet_spec={"name": "n", "html_file": page})
    refused(404, admin.register_applet, project, applet_spec={"name": "n", "template": NOWHERE})
    refused(404, admin.register_applet, NOWHERE, applet_spec={"name": "n", "html_file": page})
    assert admin.get_applet_list(project) == []
    template = admin.create_hosted_template(organization, hosted_template_spec={"name": "t", "url": link_of(admin, project)}).id
    refused(403, members.owner.api.register_applet, project, applet_spec={"name": "n", "template": template})


def link_of(api, project):
    info = api.get_upload_info(project)
    requests.put(info.urls[0], data=b"<p>{{ x }}</p>", timeout=60).raise_for_status()
    return api.get_download_info(project, download_info_spec={"keys": [info.key]})[0].url


def test_levels(project, page, members):
    spec = {"name": "n", "html_file": page}
    made = members.executor.api.register_applet(project, applet_spec=spec).id
    for person in (members.viewer, members.transferrer):
        assert person.api.get_applet(made).name == "n" and ids(person.api.get_applet_list(project)) == [made]
        refused(403, person.api.register_applet, project, applet_spec=spec)
        refused(403, person.api.update_applet, made, applet_spec=spec)
        refused(403, person.api.delete_applet, made)
    refused(403, members.stranger.api.get_applet, made)
    refused(403, members.stranger.api.get_applet_list, project)
    members.executor.api.delete_applet(made)


def test_between_page_and_template(admin, project, organization, page):
    template = admin.create_hosted_template(organization, hosted_template_spec={
        "name": "t", "url": link_of(admin, project), "tparams": [{"name": "x", "value": "y"}]}).id
    made = admin.register_applet(project, applet_spec={"name": "n", "html_file": page}).id
    admin.update_applet(made, applet_spec={"template": template})
    row = admin.get_applet(made)
    assert (row.template, row.rendered, row.html_file) == (template, "<p>y</p>", page)
    admin.update_applet(made, applet_spec={"template": 0})
    assert (admin.get_applet(made).template, admin.get_applet(made).rendered) == (None, None)
    admin.update_applet(made, applet_spec={"template": template})
    admin.update_applet(made, applet_spec={"html_file": page})
    assert admin.get_applet(made).template is None


def test_a_project_takes_its_applets_along(admin, organization, tmp_path):
    project = admin.create_project(project_spec={"name": unique("Gone"), "organization": organization}).id
    url = link_to(admin, project, tmp_path, "<p>hello</p>", "page.html")
    page = admin.save_generic_file(project, generic_file_spec={"name": "page.html", "upload_url": url}).url
    made = admin.register_applet(project, applet_spec={"name": "n", "html_file": page}).id
    admin.delete_project(project)
    refused(404, admin.get_applet, made)
