"""Disabling, enabling and deleting accounts on the command line."""

import pytest
import tator
from station import PASSWORD
from support import Scene, ids, plain_name, refused, sign_in, unique


@pytest.fixture
def somebody(station):
    name = plain_name("leaver")
    return name, station.add_user(name)


def ask_token(station, name):
    return station.http("POST", "/rest/Token", json={"username": name, "password": PASSWORD})


def test_a_disabled_account_stays_out_until_it_is_enabled(station, somebody, http):
    name, token = somebody
    link = station.command("user", "sign-in-link", name).stdout.strip()
    sign_in(station, http, name, PASSWORD)
    assert station.command("user", "disable", name).stdout.strip() == f"{name} cannot sign in any more"
    answer = station.http("GET", "/rest/User/GetCurrent", token)
    assert (answer.status_code, answer.json()["message"]) == (400, "User inactive or deleted.")
    answer = ask_token(station, name)
    assert answer.status_code == 400 and "disabled" in answer.json()["message"]
    assert station.http("POST", "/rest/Token", json={"username": name, "password": "wrong"}).json()["message"] == \
        "Could not authenticate with provided credentials!"
    assert http.get(f"{station.url}/check-login/", timeout=60).json() == {"is_authenticated": False}
    assert station.http("GET", link.removeprefix(station.url), allow_redirects=False).status_code == 403
    assert station.command("user", "sign-in-link", name, check=False).returncode == 1
    row, = [row for row in station.lines("user", "list") if row["username"] == name]
    assert row["status"] == "disabled"
    assert f"{name}" in station.command("user", "list").stdout
    station.command("user", "enable", name)
    assert station.http("GET", "/rest/User/GetCurrent", token).json()["username"] == name
    assert http.get(f"{station.url}/check-login/", timeout=60).json() == {"is_authenticated": False}  # its sessions ended
    assert ask_token(station, name).status_code == 201


def test_a_deleted_account_leaves_what_it_annotated(station, admin, project, organization, somebody, people):
    name, token = somebody
    api = tator.get_api(station.url, token)
    user = api.whoami().id
    admin.create_membership(project, membership_spec={"user": user, "permission": "Can Edit"})
    admin.create_affiliation(organization, affiliation_spec={"user": user, "permission": "Member"})
    group = admin.create_group(organization, group_spec={"name": "Divers", "initial_members": [user, people.viewer.id]}).id
    grant = admin.create_row_protection(row_protection_spec={"project": project, "user": user, "permission": 1}).id
    scene = Scene(admin, project)
    made = api.create_localization_list(project, body=[{
        "media_id": scene.videos[0], "type": scene.box_type, "frame": 0, "x": 0.1, "y": 0.1, "width": 0.1, "height": 0.1}]).id
    api.create_bookmark(project, bookmark_spec={"name": "here", "uri": "/1"})
    assert station.command("user", "delete", name).stdout.strip() == f"{name} is deleted"
    assert station.http("GET", "/rest/User/GetCurrent", token).json()["message"] == "Invalid token."
    assert ask_token(station, name).status_code == 400
    assert admin.user_exists(username=name) is False
    refused(404, admin.get_user, user)
    assert user not in [row.user for row in admin.get_membership_list(project)]
    assert user not in [row.user_id for row in admin.get_affiliation_list(organization)]
    assert admin.get_group(group).members == [people.viewer.id]
    refused(404, admin.get_row_protection, grant)
    row, = admin.get_localization_list(project)
    assert (ids([row]), row.created_by) == (made, user)
    assert station.http("GET", f"/rest/Localizations/{project}?format=csv", station.admin_token).status_code == 200
    assert station.command("user", "delete", name, check=False).returncode == 1
    again = tator.get_api(station.url, station.add_user(name))
    assert again.whoami().id != user and again.get_project_list() == []


def test_nothing_is_left_without_somebody_who_looks_after_it(station, admin, people):
    name = plain_name("boss")
    api = tator.get_api(station.url, station.add_user(name, "--admin"))
    lab = api.create_organization(organization_spec={"name": unique("Lab")}).id
    project = api.create_project(project_spec={"name": unique("Dive"), "organization": lab})
    done = station.command("user", "delete", name, check=False)
    assert done.returncode == 1 and project.object["name"] in done.stderr and "the organization Lab" in done.stderr
    assert api.get_project(project.id).permission == "Creator"
    api.create_membership(project.id, membership_spec={"user": people.owner.id, "permission": "Full Control"})
    api.create_affiliation(lab, affiliation_spec={"user": people.owner.id, "permission": "Admin"})
    refused(403, people.owner.api.delete_project, project.id)
    station.command("user", "delete", name)
    people.owner.api.delete_project(project.id)  # its creator is gone
    people.owner.api.delete_organization(lab)


def test_an_organization_of_nobody_else_goes_too(station):
    name = plain_name("loner")
    api = tator.get_api(station.url, station.add_user(name, "--admin"))
    lab = api.create_organization(organization_spec={"name": unique("Alone")}).id
    station.command("user", "delete", name)
    root = tator.get_api(station.url, station.admin_token)
    refused(404, root.get_organization, lab)


def test_who_is_not_there(station):
    for task in ("disable", "enable", "delete"):
        done = station.command("user", task, "nobody at all", check=False)
        assert done.returncode == 1 and "no user named nobody at all" in done.stderr
