"""Hosted templates: rows of an organization, and what is made from them."""

import types

import pytest
import tator
from flows import link_to, manifest, web
from support import NOWHERE, refused, unique

KEYS = {"id", "organization", "effective_permission", "name", "url", "tparams"}
FLOW = manifest("""
    entrypoint: main
    templates: [{name: main, container: {image: any, command: [echo, '{{ word }}', '{% raw %}{{workflow.name}}{% endraw %}']}}]
""")


@pytest.fixture
def url(admin, project, tmp_path):
    """A link of the station itself, to a manifest."""
    return link_to(admin, project, tmp_path, FLOW)


def add(api, organization, url, **more):
    return api.create_hosted_template(organization, hosted_template_spec={"name": unique("T"), "url": url, **more}).id


def test_life_of_a_template(station, admin, organization, url):
    spec = {"name": unique("T"), "url": url, "tparams": [{"name": "word", "value": "one"}],
            "headers": [{"name": "Authorization", "value": "secret"}]}
    answer = station.http("POST", f"/rest/HostedTemplates/{organization}", station.admin_token, json=spec)
    assert answer.status_code == 201 and answer.json()["message"] == f"Hosted template {spec['name']} created successfully!"
    made = answer.json()["id"]
    assert "secret" not in answer.text
    answer = station.http("GET", f"/rest/HostedTemplate/{made}", station.admin_token)
    row = answer.json()
    assert set(row) == KEYS and "secret" not in answer.text
    assert row == {"id": made, "organization": organization, "effective_permission": 0, "name": spec["name"], "url": url,
                   "tparams": spec["tparams"]}
    rows = station.http("GET", f"/rest/HostedTemplates/{organization}", station.admin_token).json()
    assert row in rows and [one["id"] for one in rows] == sorted(one["id"] for one in rows)
    answer = admin.update_hosted_template(made, hosted_template_spec={"name": "Other", "url": url})
    assert answer.message == f"Hosted Template {made} successfully updated!"
    after = admin.get_hosted_template(made)
    assert after.name == "Other" and [one.value for one in after.tparams] == ["one"], "what is not given stays"
    admin.update_hosted_template(made, hosted_template_spec={"name": "Other", "url": url, "tparams": []})
    assert admin.get_hosted_template(made).tparams == []
    assert admin.delete_hosted_template(made).message == "Hosted template deleted successfully!"
    refused(404, admin.get_hosted_template, made)
    refused(404, admin.delete_hosted_template, made)


def test_only_admins_of_the_organization(admin, organization, people, url):
    made = add(admin, organization, url)
    person = people.viewer
    spec = {"name": "n", "url": url}
    own = admin.create_organization(organization_spec={"name": unique("Own")}).id
    admin.create_affiliation(own, affiliation_spec={"user": person.id, "permission": "Member"})
    theirs = add(admin, own, url)
    for where, template in ((organization, made), (own, theirs)):
        refused(403, person.api.get_hosted_template_list, where)
        refused(403, person.api.create_hosted_template, where, hosted_template_spec=spec)
        refused(403, person.api.get_hosted_template, template)
        refused(403, person.api.update_hosted_template, template, hosted_template_spec=spec)
        refused(403, person.api.delete_hosted_template, template)
    refused(404, admin.get_hosted_template_list, NOWHERE)


def test_wrong_templates(admin, organization, url):
    for foreign in ("https://example.org/x.yaml", "http://127.0.0.1:1/x", "file:///etc/passwd", "nonsense"):
        answer = refused(403, admin.create_hosted_template, organization, hosted_template_spec={"name": "n", "url": foreign})
        assert "not from an allowed origin" in answer["message"]
    made = add(admin, organization, url)
    refused(403, admin.update_hosted_template, made, hosted_template_spec={"name": "n", "url": "https://example.org/x.yaml"})
    for spec in ({"name": "n"}, {"url": url}, {"name": "", "url": url}, {"name": "n" * 129, "url": url},
                 {"name": "n", "url": url, "tparams": [{"name": "a"}]}):
        refused(400, admin.create_hosted_template, organization, hosted_template_spec=spec)


@pytest.fixture
def elsewhere(new_station):
    """A station that may fetch from a web server of the test; `pages` are what that serves."""
    pages = {}
    with web(pages) as place:
        station = new_station(environment={"TRANSECT_SERVER_REQUEST_ORIGINS": place})
        api = tator.get_api(station.url, station.admin_token)
        organization = api.create_organization(organization_spec={"name": "O"}).id
        project = api.create_project(project_spec={"name": "P", "organization": organization}).id
        yield types.SimpleNamespace(station=station, api=api, organization=organization, project=project, place=place, pages=pages)


def test_texts_are_fetched_with_headers_and_filled_in(elsewhere):
    api, pages = elsewhere.api, elsewhere.pages
    seen = []

    def page(headers):
        seen.append((headers["X-Key"], headers["X-More"]))
        return FLOW if headers["X-Key"] == "own" else "{{ word }}"

    pages["/flow.yaml"] = page
    template = add(api, elsewhere.organization, f"{elsewhere.place}/flow.yaml", tparams=[
        {"name": "word", "value": "general"}], headers=[{"name": "X-Key", "value": "general"}, {"name": "X-More", "value": "m"}])
    assert seen == [], "a template is not fetched when it is made"
    user = api.whoami().id
    spec = {"name": "A", "user": user, "files_per_job": 1, "template": template, "headers": [{"name": "x-key", "value": "own"}],
            "tparams": [{"name": "word", "value": "particular"}]}
    made = api.register_algorithm(elsewhere.project, algorithm_spec=spec).id
    assert seen == [("own", "m")]
    row = elsewhere.station.http("GET", f"/rest/Algorithm/{made}", elsewhere.station.admin_token).json()
    assert "command: [echo, 'particular', '{{workflow.name}}']" in row["rendered"]
    assert (row["template"], row["manifest"], row["tparams"]) == (template, None, spec["tparams"]) and "headers" not in row
    assert api.get_algorithm_list(elsewhere.project)[0].rendered == row["rendered"]
    # Without its header the page is no manifest.
    refused(400, api.register_algorithm, elsewhere.project, algorithm_spec={**spec, "name": "B", "headers": []})
    del pages["/flow.yaml"]
    answer = refused(400, api.register_algorithm, elsewhere.project, algorithm_spec={**spec, "name": "B"})
    assert "flow.yaml" in answer["message"]
    row = elsewhere.station.http("GET", f"/rest/Algorithm/{made}", elsewhere.station.admin_token).json()
    assert row["rendered"] is None, "what cannot be fetched now does not keep a list from being shown"


def test_applets_from_templates(elsewhere):
    api = elsewhere.api
    elsewhere.pages["/page.html"] = "<h1>{{ title }}</h1>{% for n in range(3) %}<i>{{ n }}</i>{% endfor %}"
    template = add(api, elsewhere.organization, f"{elsewhere.place}/page.html", tparams=[{"name": "title", "value": "Depth"}])
    made = api.register_applet(elsewhere.project, applet_spec={"name": "P", "template": template}).id
    assert api.get_applet(made).rendered == "<h1>Depth</h1><i>0</i><i>1</i><i>2</i>"
    api.update_applet(made, applet_spec={"tparams": [{"name": "title", "value": "Time"}]})
    assert api.get_applet_list(elsewhere.project)[0].rendered.startswith("<h1>Time</h1>")
    elsewhere.pages["/page.html"] = "{{ broken"
    answer = refused(400, api.register_applet, elsewhere.project, applet_spec={"name": "P", "template": template})
    assert "cannot be rendered" in answer["message"]
    elsewhere.pages["/page.html"] = "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}"
    refused(400, api.register_applet, elsewhere.project, applet_spec={"name": "P", "template": template})
    assert api.get_applet(made).rendered is None


def test_a_template_that_goes_away_is_taken_from_what_uses_it(elsewhere):
    api = elsewhere.api
    elsewhere.pages["/flow.yaml"] = FLOW
    template = add(api, elsewhere.organization, f"{elsewhere.place}/flow.yaml")
    spec = {"name": "A", "user": api.whoami().id, "files_per_job": 1, "template": template}
    algorithm = api.register_algorithm(elsewhere.project, algorithm_spec=spec).id
    applet = api.register_applet(elsewhere.project, applet_spec={"name": "P", "template": template}).id
    api.delete_hosted_template(template)
    assert api.get_algorithm(algorithm).template is None and api.get_applet(applet).template is None
    answer = refused(400, api.create_job_list, elsewhere.project, job_spec={"algorithm_name": "A", "media_ids": []})
    assert "neither a manifest nor a template" in answer["message"]
    spec |= {"name": "B", "template": NOWHERE}
    refused(404, api.register_algorithm, elsewhere.project, algorithm_spec=spec)
