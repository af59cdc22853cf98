"""Groups of an organization's people."""

import pytest
from support import NOWHERE, ids, refused, unique


@pytest.fixture
def lab(admin):
    return admin.create_organization(organization_spec={"name": unique("Lab")}).id


def test_life_of_a_group(admin, lab, people):
    viewer, editor = people.viewer.id, people.editor.id
    made = admin.create_group(lab, group_spec={"name": "Divers", "initial_members": [editor, viewer, editor]})
    assert made.message == "Group Divers created successfully!"
    row = admin.get_group(made.id)
    assert set(row) >= {"id", "name", "organization", "members", "organization__id"}
    assert (row.name, row.organization, row.members) == ("Divers", lab, sorted([viewer, editor]))
    empty = admin.create_group(lab, group_spec={"name": "Nobody"}).id
    rows = admin.get_group_list(lab)
    assert ids(rows) == [made.id, empty] and rows[0]["organization__id"] == lab and rows[1].members == []
    assert ids(admin.get_group_list(lab, user=viewer)) == [made.id]
    assert admin.get_group_list(lab, user=people.owner.id) == []
    patch = {"name": "Swimmers", "add_members": [people.owner.id, viewer], "remove_members": [editor, NOWHERE]}
    assert admin.update_group(made.id, group_update_spec=patch).message == f"Group {made.id} successfully updated!"
    row = admin.get_group(made.id)
    assert (row.name, row.members) == ("Swimmers", sorted([viewer, people.owner.id]))
    assert admin.delete_group(made.id).message == f"Group {made.id} successfully deleted!"
    refused(404, admin.get_group, made.id)
    assert ids(admin.get_group_list(lab)) == [empty]


def test_wrong_groups(admin, lab):
    refused(400, admin.create_group, lab, group_spec={"name": ""})
    refused(400, admin.create_group, lab, group_spec={"name": "x" * 129})
    refused(400, admin.create_group, lab, group_spec={})
    body = refused(404, admin.create_group, lab, group_spec={"name": "Ghosts", "initial_members": [NOWHERE]})
    assert body["message"] == "User matching query does not exist."
    assert admin.get_group_list(lab) == []
    group = admin.create_group(lab, group_spec={"name": "Divers"}).id
    refused(404, admin.update_group, group, group_update_spec={"name": "Ghosts", "add_members": [NOWHERE]})
    assert admin.get_group(group).name == "Divers"
    refused(404, admin.get_group_list, NOWHERE)


def test_admins_only(admin, lab, people):
    group = admin.create_group(lab, group_spec={"name": "Divers", "initial_members": [people.viewer.id]}).id
    admin.create_affiliation(lab, affiliation_spec={"user": people.viewer.id, "permission": "Member"})
    for api in (people.viewer.api, people.stranger.api):
        refused(403, api.get_group_list, lab)
        refused(403, api.create_group, lab, group_spec={"name": "Mine"})
        refused(403, api.get_group, group)
        refused(403, api.update_group, group, group_update_spec={"name": "Mine"})
        refused(403, api.delete_group, group)


def test_groups_go_with_their_organization(admin, lab):
    group = admin.create_group(lab, group_spec={"name": "Divers"}).id
    admin.delete_organization(lab)
    refused(404, admin.get_group, group)
