"""Job clusters of an organization."""

import pytest
from support import NOWHERE, ids, refused, unique

SPEC = {"name": "Argo", "host": "argo.example.org", "port": 2746, "token": "hidden", "cert": "-----BEGIN CERTIFICATE-----"}


@pytest.fixture
def lab(admin):
    return admin.create_organization(organization_spec={"name": unique("Lab")}).id


def test_life_of_a_cluster(admin, lab):
    made = admin.create_job_cluster(lab, job_cluster_spec=SPEC)
    row = admin.get_job_cluster(made.id)
    assert dict(row) == {**SPEC, "id": made.id, "organization": lab, "effective_permission": 0}
    second = admin.create_job_cluster(lab, job_cluster_spec={**SPEC, "name": "Second"}).id
    assert ids(admin.get_job_cluster_list(lab)) == [made.id, second]
    answer = admin.update_job_cluster(made.id, job_cluster_spec={**SPEC, "name": "Argo II", "port": 443})
    assert answer.message == f"Job Cluster {made.id} successfully updated!"
    row = admin.get_job_cluster(made.id)
    assert (row.name, row.port, row.host) == ("Argo II", 443, SPEC["host"])
    assert admin.delete_job_cluster(made.id).message == "Job cluster deleted successfully!"
    refused(404, admin.get_job_cluster, made.id)
    assert ids(admin.get_job_cluster_list(lab)) == [second]


@pytest.mark.parametrize("wrong", [{"port": 0}, {"port": 65536}, {"port": "x"}, {"name": ""}, {"cert": None}])
def test_wrong_clusters(admin, lab, wrong):
    refused(400, admin.create_job_cluster, lab, job_cluster_spec={**SPEC, **wrong})
    made = admin.create_job_cluster(lab, job_cluster_spec=SPEC).id
    refused(400, admin.update_job_cluster, made, job_cluster_spec={**SPEC, **wrong})
    assert admin.get_job_cluster(made).name == "Argo"


def test_patch_needs_all_fields(admin, lab):
    made = admin.create_job_cluster(lab, job_cluster_spec=SPEC).id
    for key in SPEC:
        refused(400, admin.update_job_cluster, made, job_cluster_spec={name: SPEC[name] for name in SPEC if name != key})


def test_admins_only(admin, lab, people):
    made = admin.create_job_cluster(lab, job_cluster_spec=SPEC).id
    admin.create_affiliation(lab, affiliation_spec={"user": people.viewer.id, "permission": "Member"})
    for api in (people.viewer.api, people.stranger.api):
        refused(403, api.get_job_cluster_list, lab)
        refused(403, api.create_job_cluster, lab, job_cluster_spec=SPEC)
        refused(403, api.get_job_cluster, made)
        refused(403, api.update_job_cluster, made, job_cluster_spec=SPEC)
        refused(403, api.delete_job_cluster, made)
    refused(404, admin.get_job_cluster, NOWHERE)
    refused(404, admin.get_job_cluster_list, NOWHERE)
