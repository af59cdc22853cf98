"""Organizations and who belongs to them."""

import tator
from support import NOWHERE, ids, refused, unique


def affiliation(api, organization, person):
    return next(row for row in api.get_affiliation_list(organization) if row.user_id == person.id)


def test_life_of_an_organization(admin):
    name = unique("Marine Lab")
    made = admin.create_organization(organization_spec={"name": name})
    row = admin.get_organization(made.id)
    assert (row.name, row.permission, row.default_membership_permission) == (name, "Admin", "No Access")
    assert made.id in ids(admin.get_organization_list())
    admin.update_organization(made.id, organization_update={"name": name + " II"})
    assert admin.get_organization(made.id).name == name + " II"
    admin.delete_organization(made.id)
    refused(404, admin.get_organization, made.id)
    assert made.id not in ids(admin.get_organization_list())


def test_list_is_by_name_and_holds_own_only(admin, people):
    marker = unique("Order")
    made = [admin.create_organization(organization_spec={"name": f"{marker} {letter}"}).id for letter in "cab"]
    names = [row.name for row in admin.get_organization_list() if row.id in made]
    assert names == [f"{marker} {letter}" for letter in "abc"]
    assert not set(made) & set(ids(people.stranger.api.get_organization_list()))


def test_name_taken_by_one_of_mine(admin):
    name = unique("Twice")
    admin.create_organization(organization_spec={"name": name})
    refused(400, admin.create_organization, organization_spec={"name": name.upper()})


def test_only_staff_creates_organizations(people):
    refused(403, people.owner.api.create_organization, organization_spec={"name": unique("Mine")})


def test_affiliations(admin, people):
    organization = admin.create_organization(organization_spec={"name": unique("Crew")}).id
    person = people.viewer
    refused(403, person.api.get_organization, organization)
    admin.create_affiliation(organization, affiliation_spec={"user": person.id, "permission": "Member"})
    row = affiliation(admin, organization, person)
    assert (row.username, row.permission, row.organization_id) == (person.name, "Member", organization)
    assert person.api.get_organization(organization).permission == "Member"
    refused(403, person.api.get_affiliation_list, organization)
    refused(403, person.api.update_organization, organization, organization_update={"name": "Mutiny"})
    admin.update_affiliation(row.id, affiliation_update={"permission": "Admin"})
    assert admin.get_affiliation(row.id).permission == "Admin"
    assert len(person.api.get_affiliation_list(organization)) == 2
    admin.delete_affiliation(row.id)
    refused(403, person.api.get_organization, organization)
    refused(404, admin.get_affiliation, row.id)


def test_projects_need_an_organization_admin(admin, organization, people):
    spec = {"name": unique("Theirs"), "organization": organization}
    refused(403, people.owner.api.create_project, project_spec=spec)


def test_default_membership_reaches_new_projects(admin, people):
    spec = {"name": unique("Open"), "default_membership_permission": "Can Edit"}
    organization = admin.create_organization(organization_spec=spec).id
    assert admin.get_organization(organization).default_membership_permission == "Can Edit"
    admin.create_affiliation(organization, affiliation_spec={"user": people.editor.id, "permission": "Member"})
    project = admin.create_project(project_spec={"name": unique("Dive"), "organization": organization}).id
    levels = {row.username: row.permission for row in admin.get_membership_list(project)}
    assert levels == {"admin": "Full Control", people.editor.name: "Can Edit"}


def test_everybody_creates_organizations_where_the_settings_say_so(new_station):
    station = new_station(environment={"ALLOW_ORGANIZATION_POST": "True"})
    api, other = (tator.get_api(station.url, station.add_user(name)) for name in ("ann", "bob"))
    made = api.create_organization(organization_spec={"name": "Hers"}).id
    assert [(row.id, row.permission) for row in api.get_organization_list()] == [(made, "Admin")]
    for somebody in (other, tator.get_api(station.url, station.admin_token)):
        assert made not in ids(somebody.get_organization_list())
    assert api.create_project(project_spec={"name": "Dive", "organization": made}).id
    refused(403, other.create_project, project_spec={"name": "Dive", "organization": made})
    # The name is taken for her alone.
    refused(400, api.create_organization, organization_spec={"name": "HERS"})
    assert other.create_organization(organization_spec={"name": "Hers"}).id != made


def test_rows_say_who_is_affiliated(admin, people):
    organization = admin.create_organization(organization_spec={"name": unique("Crew")}).id
    made = admin.create_affiliation(organization, affiliation_spec={"user": people.viewer.id, "permission": "Member"})
    row = admin.get_affiliation(made.id)
    assert {"id", "user_id", "username", "first_name", "last_name", "email", "permission", "organization_id"} <= set(row)
    refused(400, admin.create_affiliation, organization, affiliation_spec={"user": people.viewer.id, "permission": "Captain"})
    refused(404, admin.create_affiliation, organization, affiliation_spec={"user": NOWHERE, "permission": "Member"})
    assert len(admin.get_affiliation_list(organization)) == 2


def test_admins_make_projects_and_members_do_not(admin, people):
    organization = admin.create_organization(organization_spec={"name": unique("Crew")}).id
    person = people.owner
    row = admin.create_affiliation(organization, affiliation_spec={"user": person.id, "permission": "Member"}).id
    spec = {"name": unique("Hers"), "organization": organization}
    refused(403, person.api.create_project, project_spec=spec)
    admin.update_affiliation(row, affiliation_update={"permission": "Admin"})
    made = person.api.create_project(project_spec=spec).id
    assert person.api.get_project(made).permission == "Creator"
    assert [(one.username, one.permission) for one in person.api.get_membership_list(made)] == [(person.name, "Full Control")]
    refused(403, admin.get_project, made)  # whoever is no member stays out, whatever they are elsewhere
    assert made not in ids(admin.get_project_list())
    person.api.delete_project(made)


def test_permission_model(station, admin):
    """Rights come from memberships here: the other model is refused, and not passed over."""
    def make(**more):
        return station.http("POST", "/rest/Organizations", station.admin_token, json={"name": unique("Lab"), **more})

    assert make(permission_model="legacy").status_code == 201
    for wrong in ("zerotrust", "anarchy"):
        answer = make(permission_model=wrong)
        assert answer.status_code == 400 and "permission_model" in answer.text
