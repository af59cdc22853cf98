"""Algorithms: what may be registered, by whom, and what a manifest must say."""

import pytest
import tator
from flows import ended, launch, log_of, manifest, save, shell
from support import NOWHERE, add_media_type, add_video, ids, refused, unique
from tator.util import register_algorithm

KEYS = {"id", "project", "rendered", "name", "user", "description", "manifest", "cluster", "files_per_job", "categories",
        "parameters", "template", "tparams", "extended_info"}


@pytest.fixture
def path(admin, project, tmp_path):
    return save(admin, project, tmp_path, shell("true"))


@pytest.fixture
def spec(admin, path):
    return {"name": unique("Count fish"), "user": admin.whoami().id, "manifest": path, "files_per_job": 3}


def cluster_of(api, organization):
    return api.create_job_cluster(organization, job_cluster_spec={
        "name": unique("c"), "host": "h", "port": 1, "token": "t", "cert": "c"}).id


def test_life_of_an_algorithm(station, admin, project, spec):
    full = {**spec, "description": "counts", "categories": ["annotator-view"], "cluster": None, "template": None,
            "parameters": [{"name": "threshold", "value": 0.5}, {"name": "model", "value": "a"}], "tparams": [],
            "extended_info": {"a": {"b": 1}}}
    answer = station.http("POST", f"/rest/Algorithms/{project}", station.admin_token, json=full)
    assert answer.status_code == 201 and answer.json()["message"] == f"Successfully registered algorithm {spec['name']}!"
    made = answer.json()["id"]
    row = station.http("GET", f"/rest/Algorithm/{made}", station.admin_token).json()
    assert set(row) == KEYS and row == {"id": made, "project": project, "rendered": None, **full}
    assert answer.json()["object"] == row
    other = admin.register_algorithm(project, algorithm_spec={**spec, "name": "Another"}).id
    plain = station.http("GET", f"/rest/Algorithm/{other}", station.admin_token).json()
    assert (plain["description"], plain["categories"], plain["parameters"], plain["extended_info"]) == (None, [], [], {})
    assert ids(admin.get_algorithm_list(project)) == [made, other]
    patch = tator.models.AlgorithmUpdateSpec(files_per_job=7, description="new")
    assert admin.update_algorithm(made, algorithm_update_spec=patch).message == f"Algorithm {made} successfully updated!"
    after = station.http("GET", f"/rest/Algorithm/{made}", station.admin_token).json()
    assert after == {**row, "files_per_job": 7, "description": "new"}, "what is not given stays"
    nothing = dict.fromkeys(["name", "description", "cluster", "categories", "template", "manifest"])
    assert station.http("PATCH", f"/rest/Algorithm/{made}", station.admin_token, json=nothing).status_code == 200
    assert station.http("GET", f"/rest/Algorithm/{made}", station.admin_token).json() == after, "null means nothing"
    assert admin.delete_algorithm(made).message == f"Algorithm {made} successfully deleted!"
    refused(404, admin.get_algorithm, made)
    refused(404, admin.update_algorithm, made, algorithm_update_spec={"name": "x"})
    refused(404, admin.delete_algorithm, made)


def test_wrong_algorithms(admin, project, organization, spec):
    made = admin.register_algorithm(project, algorithm_spec=spec).id
    answer = refused(400, admin.register_algorithm, project, algorithm_spec=spec)
    assert answer["message"] == f"Algorithm with name {spec['name']} already exists in project {project}!"
    other = {**spec, "name": unique("Other")}
    for key in ("name", "user", "files_per_job"):
        refused(400, admin.register_algorithm, project, algorithm_spec={k: v for k, v in other.items() if k != key})
    for wrong in ({"files_per_job": 0}, {"name": ""}, {"name": "n" * 129}, {"description": "d" * 1025}, {"manifest": None},
                  {"manifest": f"{project}/nothing.yaml"}, {"manifest": "../x"}, {"parameters": [{"name": "a"}]}):
        refused(400, admin.register_algorithm, project, algorithm_spec={**other, **wrong})
    for missing in ({"user": NOWHERE}, {"cluster": NOWHERE}, {"template": NOWHERE}):
        refused(404, admin.register_algorithm, project, algorithm_spec={**other, **missing})
    refused(404, admin.register_algorithm, NOWHERE, algorithm_spec=other)
    elsewhere = admin.create_organization(organization_spec={"name": unique("Elsewhere")}).id
    foreign = cluster_of(admin, elsewhere)
    refused(404, admin.register_algorithm, project, algorithm_spec={**other, "cluster": foreign})
    second = admin.register_algorithm(project, algorithm_spec=other).id
    refused(400, admin.update_algorithm, second, algorithm_update_spec={"name": spec["name"]})
    refused(400, admin.update_algorithm, second, algorithm_update_spec={"manifest": f"{project}/nothing.yaml"})
    refused(404, admin.update_algorithm, second, algorithm_update_spec={"cluster": foreign})
    assert ids(admin.get_algorithm_list(project)) == [made, second]


def test_levels(admin, project, members, spec, organization, tmp_path):
    # The manifest is there; whoever may edit registers it.
    made = members.editor.api.register_algorithm(project, algorithm_spec=spec).id
    members.editor.api.update_algorithm(made, algorithm_update_spec={"description": "d"})
    assert members.viewer.api.get_algorithm(made).description == "d"
    assert ids(members.viewer.api.get_algorithm_list(project)) == [made]
    other = {**spec, "name": "Other"}
    for call, *arguments in (("register_algorithm", project), ("update_algorithm", made), ("delete_algorithm", made)):
        body = {"algorithm_spec": other} if call[0] == "r" else {"algorithm_update_spec": {}} if call[0] == "u" else {}
        for person in (members.viewer, members.stranger):
            refused(403, getattr(person.api, call), *arguments, **body)
    refused(403, members.stranger.api.get_algorithm, made)
    refused(403, members.stranger.api.get_algorithm_list, project)
    # Without a cluster the user must be staff; who registers need not be.
    answer = refused(403, admin.register_algorithm, project, algorithm_spec={**other, "user": members.owner.id})
    assert "staff" in answer["message"]
    refused(403, admin.update_algorithm, made, algorithm_update_spec={"user": members.owner.id})
    cluster = cluster_of(admin, organization)
    on_cluster = admin.register_algorithm(project, algorithm_spec={**other, "user": members.owner.id, "cluster": cluster}).id
    refused(403, admin.update_algorithm, on_cluster, algorithm_update_spec={"cluster": 0})
    # A template needs an Admin of its organization.
    url = admin.get_download_info(project, download_info_spec={"keys": [upload(admin, project)]})[0].url
    template = admin.create_hosted_template(organization, hosted_template_spec={"name": "t", "url": url}).id
    refused(403, members.owner.api.register_algorithm, project, algorithm_spec={**spec, "name": "Third", "template": template})
    members.editor.api.delete_algorithm(made)


def upload(api, project):
    import requests
    info = api.get_upload_info(project)
    requests.put(info.urls[0], data=shell("true").encode(), timeout=60).raise_for_status()
    return info.key


def test_job_clusters(admin, project, organization, spec):
    cluster = cluster_of(admin, organization)
    made = admin.register_algorithm(project, algorithm_spec={**spec, "cluster": cluster}).id
    assert admin.get_algorithm(made).cluster == cluster
    video = add_video(admin, project, add_media_type(admin, project))
    # The station runs it itself.
    assert ended(admin, launch(admin, project, spec["name"], [video])[0]).status == "Succeeded"
    answer = refused(400, admin.delete_job_cluster, cluster)
    assert "1 algorithms" in answer["message"]
    admin.update_algorithm(made, algorithm_update_spec={"cluster": 0})
    assert admin.get_algorithm(made).cluster is None
    admin.delete_job_cluster(cluster)
    assert ended(admin, launch(admin, project, spec["name"], [video])[0]).status == "Succeeded"


def test_manifests_that_would_be_run_differently(admin, project, organization, tmp_path, spec):
    wrong = manifest("""
        entrypoint: main
        templates:
        - name: main
          suspend: {}
        - name: other
          container: {image: any, command: [x], envFrom: [{secretRef: {name: s}}]}
    """)
    saved = save(admin, project, tmp_path, wrong)
    answer = refused(400, admin.register_algorithm, project, algorithm_spec={**spec, "manifest": saved})
    assert "spec.templates[0].suspend is not supported" in answer["message"]
    assert "spec.templates[1].container.envFrom is not supported" in answer["details"]
    made = admin.register_algorithm(project, algorithm_spec=spec).id
    refused(400, admin.update_algorithm, made, algorithm_update_spec={"manifest": saved})
    # Another engine may know more.
    cluster = cluster_of(admin, organization)
    admin.update_algorithm(made, algorithm_update_spec={"manifest": saved, "cluster": cluster})
    refused(400, admin.update_algorithm, made, algorithm_update_spec={"cluster": 0})
    no_workflow = save(admin, project, tmp_path, "kind: Pod\n")
    refused(400, admin.register_algorithm, project, algorithm_spec={**spec, "name": "n", "manifest": no_workflow})


def test_the_clients_own_function(station, admin, project, tmp_path):
    file = tmp_path / "fish.yaml"
    file.write_text(shell("echo fish of {{workflow.parameters.media_ids}}"))
    register_algorithm(station.url, station.admin_token, project, str(file), "Fish", 2, ["fish"], "finds fish")
    row, = admin.get_algorithm_list(project)
    assert (row.name, row.files_per_job, row.categories, row.description) == ("Fish", 2, ["fish"], "finds fish")
    video = add_video(admin, project, add_media_type(admin, project))
    job = ended(admin, launch(admin, project, "Fish", [video])[0])
    assert f"fish of {video}" in log_of(station, job.uid)


def test_a_project_takes_its_algorithms_and_jobs_along(admin, organization, tmp_path):
    project = admin.create_project(project_spec={"name": unique("Gone"), "organization": organization}).id
    saved = save(admin, project, tmp_path, shell("sleep 600"))
    spec = {"name": "n", "user": admin.whoami().id, "manifest": saved, "files_per_job": 1}
    made = admin.register_algorithm(project, algorithm_spec=spec).id
    video = add_video(admin, project, add_media_type(admin, project))
    uid = launch(admin, project, "n", [video])[0]
    admin.delete_project(project)
    refused(404, admin.get_algorithm, made)
    refused(404, admin.get_job, uid)
