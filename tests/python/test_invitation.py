"""Invitations: who is invited how, and what the link is good for."""

import re
import uuid

import pytest
import requests
import tator
from station import PASSWORD
from support import NOWHERE, ids, plain_name, refused, sign_in, unique
from test_mail import post_form

KEYS = {"id", "organization", "organization_id", "created_by", "created_by_id", "created_username", "created_datetime",
        "status", "registration_token", "email", "permission"}


@pytest.fixture
def lab(admin):
    return admin.create_organization(organization_spec={"name": unique("Lab")}).id


def invite(api, organization, email, permission="Member"):
    return api.create_invitation(organization, invitation_spec={"email": email, "permission": permission})


def register(station, token, email, **more):
    spec = {"username": plain_name("guest"), "first_name": "G", "last_name": "T", "email": email, "password": PASSWORD,
            "registration_token": token, **more}
    return tator.get_api(station.url).create_user(user_spec=spec)


def test_an_invitation_row(station, admin, lab):
    made = invite(admin, lab, "ann@example.org", "Admin")
    token = made.object["registration_token"]
    assert str(uuid.UUID(token)) == token
    assert made.message == f"User can register for an account at this link: {station.url}/registration?registration_token={token}"
    row = admin.get_invitation(made.id)
    assert KEYS <= set(row)
    assert (row.organization_id, row.created_by, row.created_username) == (lab, admin.whoami().id, "admin")
    assert (row.status, row.email, row.permission, row.registration_token) == ("Pending", "ann@example.org", "Admin", token)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(row.created_datetime))
    second = invite(admin, lab, "bob@example.org")
    assert ids(admin.get_invitation_list(lab)) == [made.id, second.id]
    body = refused(400, invite, admin, lab, "ANN@example.org")
    assert "already exists" in body["message"]
    refused(400, invite, admin, lab, "no address")
    refused(400, invite, admin, lab, "c@example.org", "Boss")


def test_registering_with_an_invitation(station, admin, lab):
    token = invite(admin, lab, "Ann@example.org", "Admin").object["registration_token"]
    body = refused(400, register, station, token, "eve@example.org")
    assert "another email" in body["message"]
    refused(400, register, station, str(uuid.uuid4()), "ann@example.org")
    made = register(station, token, "ann@EXAMPLE.org")
    mine = tator.get_api(station.url, station.token(made.object["username"]))
    assert [(row.id, row.permission) for row in mine.get_organization_list()] == [(lab, "Admin")]
    row, = admin.get_invitation_list(lab)
    assert row.status == "Accepted"
    body = refused(400, register, station, token, "ann@example.org")
    assert "accepted before" in body["message"]
    assert admin.get_user_list(email="eve@example.org") == []  # a refused registration leaves nothing


def test_accepting_with_an_account(station, admin, lab, http):
    name, other = plain_name("member"), plain_name("other")
    for one in (name, other):
        station.add_user(one, "--email", f"{one}@example.org")
    made = invite(admin, lab, f"{name}@example.org")
    token = made.object["registration_token"]
    link = f"{station.url}/accept?registration_token={token}"
    assert made.message.endswith(link)
    asked = http.get(link, allow_redirects=False, timeout=60)
    assert asked.status_code == 302 and asked.headers["Location"].startswith("/sign-in?next=%2Faccept%3F")
    wrong = tator.get_api(station.url, station.token(other))
    refused(400, wrong.accept_invitation, invitation_acceptance_spec={"registration_token": token})
    sign_in(station, http, name, PASSWORD)
    joined = post_form(http, link)
    assert (joined.status_code, joined.headers["Location"]) == (302, "/")
    mine = tator.get_api(station.url, station.token(name))
    assert mine.get_organization(lab).permission == "Member"
    refused(400, mine.accept_invitation, invitation_acceptance_spec={"registration_token": token})
    assert http.get(link, timeout=60).status_code == 400
    assert admin.get_invitation(made.id).status == "Accepted"
    body = refused(400, invite, admin, lab, f"{name}@example.org")
    assert "already affiliated" in body["message"]
    second = admin.create_organization(organization_spec={"name": unique("Lab")}).id
    token = invite(admin, second, f"{name}@example.org").object["registration_token"]
    answer = mine.accept_invitation(invitation_acceptance_spec={"registration_token": token})
    assert answer.object["organization_id"] == second


def test_an_address_of_several_accounts(station, admin, lab):
    address = f"{plain_name('shared')}@example.org"
    for _ in range(2):
        station.add_user(plain_name("twin"), "--email", address)
    assert "Several users" in refused(400, invite, admin, lab, address)["message"]


def test_changing_and_deleting(station, admin, lab):
    made = invite(admin, lab, "ann@example.org")
    token = made.object["registration_token"]
    assert admin.update_invitation(made.id, invitation_update={"permission": "Admin"}).message == f"Invitation {made.id} successfully updated!"
    assert admin.get_invitation(made.id).permission == "Admin"
    refused(400, admin.update_invitation, made.id, invitation_update={"status": "Expired"})
    admin.update_invitation(made.id, invitation_update={"status": "Accepted"})
    assert admin.get_invitation(made.id).status == "Accepted"
    assert len(admin.get_affiliation_list(lab)) == 1  # nobody was affiliated by that
    refused(400, register, station, token, "ann@example.org")
    assert admin.delete_invitation(made.id).message == f"Invitation {made.id} successfully deleted!"
    refused(404, admin.get_invitation, made.id)
    invite(admin, lab, "ann@example.org")


def test_admins_only(admin, lab, people):
    made = invite(admin, lab, "ann@example.org").id
    admin.create_affiliation(lab, affiliation_spec={"user": people.viewer.id, "permission": "Member"})
    for api in (people.viewer.api, people.stranger.api):
        refused(403, api.get_invitation_list, lab)
        refused(403, invite, api, lab, "eve@example.org")
        refused(403, api.get_invitation, made)
        refused(403, api.update_invitation, made, invitation_update={"permission": "Admin"})
        refused(403, api.delete_invitation, made)
    refused(404, admin.get_invitation_list, NOWHERE)
    refused(404, admin.get_invitation, NOWHERE)


def test_an_invitation_expires(new_station):
    station = new_station(environment={"TRANSECT_ACCOUNT_INVITATION_DAYS": "0"})
    api = tator.get_api(station.url, station.admin_token)
    lab = api.create_organization(organization_spec={"name": "Lab"}).id
    made = invite(api, lab, "ann@example.org")
    assert api.get_invitation(made.id).status == "Expired"
    body = refused(400, register, station, made.object["registration_token"], "ann@example.org")
    assert "expired" in body["message"]
    invite(api, lab, "ann@example.org")  # an expired one is not in the way


def test_an_invitation_is_mailed(mailing, mail_server):
    lab = mailing.api.create_organization(organization_spec={"name": unique("Lab")}).id
    address = f"{plain_name('new')}@example.org"
    made = invite(mailing.api, lab, address)
    assert made.message == f"Invitation sent to {address}!"
    link = mail_server.link_to(address)
    assert link == f"{mailing.url}/registration?registration_token={made.object['registration_token']}"
    name = plain_name("new")
    with requests.Session() as http:
        assert f'value="{address}"' in http.get(link, timeout=60).text
        fields = {"username": name, "email": address, "password": "long enough", "password_again": "long enough"}
        bad = post_form(http, link, **fields | {"username": '"><script>', "password_again": "other"})
        assert bad.status_code == 400 and "<script" not in bad.text
        done = post_form(http, link, **fields)
        assert (done.status_code, done.headers["Location"]) == (302, "/sign-in")
        assert http.get(link, timeout=60).status_code == 400
    assert tator.get_api(mailing.url, mailing.token(name)).get_organization(lab).permission == "Member"
    mail_server.refusal = "550 no"
    try:
        made = invite(mailing.api, lab, "nowhere@example.org")
        assert "could not be mailed" in made.message and made.object["registration_token"] in made.message
    finally:
        mail_server.refusal = None
