"""Row protections: kept for whoever brings them along; they decide nothing."""

import pytest
from support import NOWHERE, ids, refused, unique
from test_role_matrix import Ground

TARGETS = ["project", "media", "localization", "state", "file", "section", "algorithm", "version", "target_organization",
           "target_group", "job_cluster", "bucket", "hosted_template"]
GRANTEES = ["user", "organization", "group"]


@pytest.fixture
def lab(admin, project):
    return admin.get_project(project).organization


@pytest.fixture
def things(admin, people):
    """One of every kind of target that there is: key → id."""
    scene = Ground(admin, people)
    project, lab = scene.project, scene.organization
    kind = admin.create_file_type(project, file_type_spec={"name": "file"}).id
    cluster = {"name": "Argo", "host": "h", "port": 1, "token": "t", "cert": "c"}
    s3 = {"endpoint_url": "u", "region_name": "r", "aws_access_key_id": "k", "aws_secret_access_key": "s"}
    return {
        "project": project,
        "media": scene.videos[0],
        "file": admin.create_file(project, file_spec={"name": "notes", "type": kind}).id,
        "section": admin.create_section(project, section_spec={"name": "Leg"}).id,
        "version": admin.get_version_list(project)[0].id,
        "algorithm": scene.algorithm(),
        "hosted_template": scene.thing("HostedTemplate"),
        "target_organization": lab,
        "target_group": admin.create_group(lab, group_spec={"name": "Divers"}).id,
        "job_cluster": admin.create_job_cluster(lab, job_cluster_spec=cluster).id,
        "bucket": admin.create_bucket(lab, bucket_spec={"name": "b", "store_type": "MINIO", "config": s3}).id,
    }


def grant(api, permission=255, **spec):
    return api.create_row_protection(row_protection_spec={"permission": permission, **spec})


def test_every_target(admin, things, people):
    for key, target in things.items():
        made = grant(admin, user=people.viewer.id, **{key: target})
        row = admin.get_row_protection(made.id)
        assert {name for name in TARGETS if row[name] is not None} == {key} and row[key] == target
        assert {name: row[name] for name in GRANTEES} == {"user": people.viewer.id, "organization": None, "group": None}
        assert (row.permission, row.created_by) == (255, admin.whoami().id)
        assert str(row.created_datetime).endswith("Z")
        assert set(row) == {"id", "created_datetime", "created_by", "permission", *TARGETS, *GRANTEES}
        assert ids(admin.get_row_protection_list(**{key: target})) == [made.id]


def test_every_grantee(admin, project, lab, people):
    group = admin.create_group(lab, group_spec={"name": "Divers"}).id
    for key, who in (("user", people.viewer.id), ("organization", lab), ("group", group)):
        made = grant(admin, project=project, **{key: who}).id
        assert ids(admin.get_row_protection_list(project=project, **{key: who})) == [made]
        body = refused(404, grant, admin, project=project, **{key: NOWHERE})
        assert body["message"].endswith("matching query does not exist.")
    assert len(admin.get_row_protection_list(project=project)) == 3
    admin.delete_group(group)
    assert admin.get_row_protection_list(group=group) == []
    assert len(admin.get_row_protection_list(project=project)) == 2


def test_exactly_one_of_each(admin, project, things, people):
    user = people.viewer.id
    refused(400, grant, admin, user=user)
    refused(400, grant, admin, user=user, project=project, media=things["media"])
    refused(400, grant, admin, project=project)
    refused(400, grant, admin, project=project, user=user, organization=things["target_organization"])
    refused(400, grant, admin, user=user, localization=1)
    refused(400, grant, admin, -1, user=user, project=project)
    refused(400, admin.create_row_protection, row_protection_spec={"project": project, "user": user})
    for key in ("project", "media", "section", "algorithm", "bucket", "target_organization"):
        refused(404, grant, admin, user=user, **{key: NOWHERE})
    assert admin.get_row_protection_list(user=user, project=project) == []


def test_changing_and_deleting(admin, project, people):
    made = grant(admin, project=project, user=people.viewer.id).id
    answer = admin.update_row_protection(made, row_protection_update_spec={"permission": 0x3F9FDFBFFF})
    assert answer.message == f"Row Protection {made} successfully updated!"
    assert admin.get_row_protection(made).permission == 0x3F9FDFBFFF
    refused(400, admin.update_row_protection, made, row_protection_update_spec={"permission": -1})
    admin.delete_row_protection(made)
    refused(404, admin.get_row_protection, made)
    for person in (people.viewer, people.editor):
        grant(admin, project=project, user=person.id)
    refused(400, admin.row_protection_list_a_p_i)
    assert admin.row_protection_list_a_p_i(project=project, media=1).message == "Successfully deleted 0 row protections!"
    assert admin.row_protection_list_a_p_i(project=project).message == "Successfully deleted 2 row protections!"
    assert admin.get_row_protection_list(project=project) == []


def test_only_whom_the_target_belongs_to(admin, project, lab, members):
    made = grant(admin, project=project, user=members.viewer.id).id
    of_lab = grant(admin, target_organization=lab, user=members.viewer.id).id
    for person in (members.viewer, members.executor, members.stranger):
        api = person.api
        refused(403, grant, api, project=project, user=person.id)
        refused(403, api.get_row_protection, made)
        refused(403, api.update_row_protection, made, row_protection_update_spec={"permission": 1})
        refused(403, api.delete_row_protection, made)
        refused(403, api.row_protection_list_a_p_i, project=project)
        assert api.get_row_protection_list(project=project) == []
        assert api.get_row_protection_list() == []
    owner = members.owner.api  # Full Control holds the ACL bit
    assert ids(owner.get_row_protection_list(project=project, user=members.viewer.id)) == [made]
    refused(403, owner.get_row_protection, of_lab)
    refused(403, owner.row_protection_list_a_p_i, user=members.viewer.id)  # one of them is not theirs: all stay
    assert admin.get_row_protection(made).permission == 255
    owner.delete_row_protection(made)


def test_they_decide_nothing(admin, project, people):
    grant(admin, 0xFFFFFFFFFF, project=project, user=people.stranger.id)
    refused(403, people.stranger.api.get_project, project)
    admin.create_membership(project, membership_spec={"user": people.editor.id, "permission": "Can Edit"})
    grant(admin, 0, project=project, user=people.editor.id)
    assert people.editor.api.get_project(project).name


def test_they_go_with_their_project(admin, organization, people):
    project = admin.create_project(project_spec={"name": unique("Gone"), "organization": organization}).id
    made = grant(admin, project=project, user=people.viewer.id).id
    admin.delete_project(project)
    refused(404, admin.get_row_protection, made)
