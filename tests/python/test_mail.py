"""Letters and notices: what is sent, to whom, and what is refused."""

import pytest
import requests
import tator
from sinks import Webhook, running
from station import PASSWORD, wait_for
from support import plain_name, refused, sign_in, unique
from tator.util._upload_file import _upload_file


@pytest.fixture
def person(mailing):
    """Makes accounts with an address: `person("ann")` → (name, address, client)."""
    def make(word):
        name = plain_name(word)
        token = mailing.add_user(name, "--email", f"{name}@example.org")
        return name, f"{name}@example.org", tator.get_api(mailing.url, token)
    return make


@pytest.fixture
def crew(mailing, person):
    """(project, executor, viewer) on the station that sends letters."""
    organization = mailing.api.create_organization(organization_spec={"name": unique("Lab")}).id
    project = mailing.api.create_project(project_spec={"name": unique("Dive"), "organization": organization}).id
    people = []
    for word, level in (("executor", "Can Execute"), ("viewer", "View Only")):
        people.append(person(word))
        spec = {"user": people[-1][2].whoami().id, "permission": level}
        mailing.api.create_membership(project, membership_spec=spec)
    return project, *people


def letter(*recipients, **more):
    return {"recipients": list(recipients), "subject": "Dive 3 – done", "text": "Grüße\n.\nend", **more}


def test_a_letter_reaches_members_with_its_files(mailing, mail_server, crew, tmp_path):
    project, executor, viewer = crew
    path = tmp_path / "table.csv"
    path.write_bytes(b"a,b\n1,2\n")
    for _, info in _upload_file(executor[2], project, str(path)):
        pass
    spec = letter(viewer[1].upper(), executor[1], attachments=[{"key": info.key, "name": "table.csv"}])
    answer = executor[2].send_email(project, email_spec=spec)
    assert isinstance(answer, tator.models.MessageResponse) and answer.message == "Email sent successfully!"
    got = mail_server.to(executor[1])[-1]
    assert got["Subject"] == "Dive 3 – done" and got["From"] == "Transect <transect@localhost>"
    assert {address.lower() for address in got.recipients} == {viewer[1], executor[1]}
    assert got.get_body().get_content().replace("\r", "").strip() == "Grüße\n.\nend"
    attached, = got.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type()) == ("table.csv", "text/csv")
    assert attached.get_payload(decode=True) == b"a,b\n1,2\n"


def test_who_may_not_get_or_send_a_letter(mailing, mail_server, crew, person):
    project, executor, viewer = crew
    before = len(mail_server.letters)
    stranger = person("stranger")
    refused(403, viewer[2].send_email, project, email_spec=letter(viewer[1]))
    refused(403, stranger[2].send_email, project, email_spec=letter(viewer[1]))
    body = refused(400, executor[2].send_email, project, email_spec=letter(viewer[1], stranger[1]))
    assert stranger[1] in body["message"]
    refused(400, executor[2].send_email, project, email_spec=letter())
    refused(400, executor[2].send_email, project, email_spec=letter(viewer[1]) | {"subject": "Hi\r\nBcc: eve@example.org"})
    foreign = [{"key": f"9/{project + 1}/3/secret.mp4", "name": "x"}]
    refused(403, executor[2].send_email, project, email_spec=letter(viewer[1], attachments=foreign))
    organization = mailing.api.get_project(project).organization
    missing = [{"key": f"{organization}/{project}/3/gone.mp4", "name": "x"}]
    refused(404, executor[2].send_email, project, email_spec=letter(viewer[1], attachments=missing))
    assert len(mail_server.letters) == before


def test_what_the_mail_server_says(mail_server, crew):
    project, executor, viewer = crew
    mail_server.refusal = "550 no such mailbox"
    try:
        body = refused(400, executor[2].send_email, project, email_spec=letter(viewer[1]))
        assert "no such mailbox" in body["details"]
        mail_server.refusal = "451 later"
        refused(503, executor[2].send_email, project, email_spec=letter(viewer[1]))
    finally:
        mail_server.refusal = None
    executor[2].send_email(project, email_spec=letter(viewer[1]))


def test_without_a_mail_server(station, admin, project):
    body = refused(400, admin.send_email, project, email_spec=letter("a@example.org"))
    assert (body["message"], body["details"]) == ("Email not enabled", "None")
    anonymous = tator.get_api(station.url)
    assert refused(400, anonymous.create_password_reset, password_reset_spec={"email": "a@b.c"})["message"] == "Email not enabled"


def test_settings_that_are_no_mail_server(station, tmp_path):
    for environment in ({"TRANSECT_MAIL_URL": "http://user:hidden@host"}, {"TRANSECT_MAIL_FROM": "nobody"}):
        station.environment.update(environment)
        try:
            done = station.command("user", "list", "--data", tmp_path, check=False)
            assert done.returncode != 0
        finally:
            for name in environment:
                del station.environment[name]


def test_notify(station, admin, new_station):
    assert refused(503, admin.notify, notify_spec={"message": "hello"})["code"] == "busy"
    with running(Webhook()) as hook:
        told = new_station(environment={"TRANSECT_SITE_NOTIFY_WEBHOOK": hook.url})
        api = tator.get_api(told.url, told.add_user("reporter"))
        answer = told.http("POST", "/rest/Notify", told.token("reporter"), json={"message": "disk is full"})
        assert (answer.status_code, answer.json()) == (200, {"message": "Notification sent successfully!"})
        api.notify(notify_spec={"message": "line 1\nline 2", "send_as_file": 1})
        assert hook.messages == [{"text": "reporter: disk is full"}, {"text": "reporter: ```\nline 1\nline 2\n```"}]
        assert told.http("POST", "/rest/Notify", json={"message": "x"}).status_code == 400
        hook.status = 500
        refused(503, api.notify, notify_spec={"message": "again"})
        assert "secret" not in told.log_tail()


def reset_parts(link):
    query = dict(part.split("=") for part in link.split("?")[1].split("&"))
    return int(query["user"]), query["reset_token"]


def test_a_new_password_by_letter(mailing, mail_server, person):
    name, address, api = person("forgetful")
    anonymous = tator.get_api(mailing.url)
    answer = anonymous.create_password_reset(password_reset_spec={"email": address.upper()})
    assert isinstance(answer, tator.models.MessageResponse)
    link = mail_server.link_to(address)
    assert link.startswith(f"{mailing.url}/password-reset?")
    user, token = reset_parts(link)
    assert user == api.whoami().id
    # For nobody else, with no other token, and not without a password that is one.
    other = person("other")[2].whoami().id
    for who, key in ((other, token), (user, token[:-1] + "x"), (user, "")):
        body = refused(400, anonymous.update_user, who, user_update={"password": "new one", "reset_token": key})
        assert body["message"] == "Invalid reset token!"
    refused(400, anonymous.update_user, user, user_update={"password": "", "reset_token": token})
    short = refused(400, anonymous.update_user, user, user_update={"password": "1234567", "reset_token": token})
    assert "at least 8 characters" in short["message"]
    refused(400, anonymous.update_user, user, user_update={"first_name": "Eve"})
    anonymous.update_user(user, user_update={"password": "a brand new one", "reset_token": token})
    refused(400, anonymous.update_user, user, user_update={"password": "twice", "reset_token": token})

    def ask(password):
        return mailing.http("POST", "/rest/Token", json={"username": name, "password": password}).status_code

    assert (ask(PASSWORD), ask("a brand new one")) == (400, 201)
    assert api.whoami().username == name  # the API token stays


def test_a_letter_works_for_a_day(mailing, mail_server, person):
    """The clock cannot be moved, but the time that the link was made for can."""
    name, address, api = person("slow")
    anonymous = tator.get_api(mailing.url)
    anonymous.create_password_reset(password_reset_spec={"email": address})
    user, token = reset_parts(mail_server.link_to(address))
    hour_ms = 3_600_000
    mine = f"where purpose = 'password' and account = {user}"
    mailing.behind_the_back(f"update account_link set expires_at = expires_at - {23 * hour_ms} {mine}")
    anonymous.update_user(user, user_update={"password": "in the last hour", "reset_token": token})
    mailing.behind_the_back(f"delete from account_link {mine}")  # or no second letter goes within a minute
    anonymous.create_password_reset(password_reset_spec={"email": address})
    wait_for("the second letter", lambda: len(mail_server.to(address)) == 2)
    user, token = reset_parts(mail_server.link_to(address))
    mailing.behind_the_back(f"update account_link set expires_at = expires_at - {24 * hour_ms} {mine}")
    body = refused(400, anonymous.update_user, user, user_update={"password": "a day later", "reset_token": token})
    assert body["message"] == "Invalid reset token!"
    asked = mailing.http("POST", "/rest/Token", json={"username": name, "password": "in the last hour"})
    assert asked.status_code == 201 and api.whoami().username == name


def test_who_asks_for_nobody_gets_the_same_answer(mailing, mail_server, person):
    _, address, _ = person("known")
    anonymous = tator.get_api(mailing.url)
    known = anonymous.create_password_reset(password_reset_spec={"email": address}).message
    assert anonymous.create_password_reset(password_reset_spec={"email": "nobody@example.org"}).message == known
    assert anonymous.create_password_reset(password_reset_spec={"email": address}).message == known
    assert len(mail_server.to(address)) == 1  # a second one within a minute is not sent
    assert mail_server.to("nobody@example.org") == []
    refused(400, anonymous.create_password_reset, password_reset_spec={"email": " "})


def test_the_name_in_a_request_is_not_the_one_in_the_letter(mailing, mail_server, person):
    _, address, _ = person("victim")
    headers = {"X-Forwarded-Host": "evil.example"}
    assert mailing.http("POST", "/rest/PasswordReset", json={"email": address}, headers=headers).status_code == 201
    assert "evil.example" not in mail_server.to(address)[-1].as_string()


def post_form(http, url, **fields):
    """Opens a form and posts it, as a browser without scripts does."""
    page = http.get(url, timeout=60)
    assert page.headers["Content-Type"].startswith("text/html"), page.text
    fields["csrfmiddlewaretoken"] = http.cookies.get("csrftoken", "")
    assert fields["csrfmiddlewaretoken"] in page.text
    return http.post(url, data=fields, allow_redirects=False, timeout=60)


def test_the_pages_behind_a_letter(mailing, mail_server, person, http):
    name, address, _ = person("browser")
    sent = post_form(http, f"{mailing.url}/password-reset", email=address)
    assert sent.status_code == 200
    link = mail_server.link_to(address)
    assert post_form(http, link, password="one", password_again="other").status_code == 400
    with requests.Session() as elsewhere:
        assert elsewhere.post(link, data={"password": "x", "password_again": "x"}, timeout=60).status_code == 403
    done = post_form(http, link, password="seaweed soup", password_again="seaweed soup")
    assert (done.status_code, done.headers["Location"]) == (302, "/sign-in")
    sign_in(mailing, http, name, "seaweed soup")
    assert http.get(f"{mailing.url}/check-login/", timeout=60).json() == {"is_authenticated": True}
    assert post_form(http, link, password="again", password_again="again").status_code == 400


def test_an_address_is_confirmed_before_signing_in(new_station, mail_server, http):
    station = new_station(environment={"TRANSECT_MAIL_URL": mail_server.url, "EMAIL_CONFIRMATION_REQUIRED": "true",
                                       "ANONYMOUS_REGISTRATION_ENABLED": "true"})
    name = plain_name("newcomer")
    fields = {"username": name, "email": f"{name}@example.org", "password": "long enough", "password_again": "long enough"}
    assert post_form(http, f"{station.url}/registration", **fields).status_code == 200
    ask = {"username": name, "password": "long enough"}
    answer = station.http("POST", "/rest/Token", json=ask)
    assert answer.status_code == 400 and "confirm" in answer.json()["message"]
    assert station.http("GET", "/rest/User/GetCurrent", station.token(name)).json()["message"] == "User inactive or deleted."
    link = mail_server.link_to(fields["email"])
    assert station.http("GET", "/confirm-email?token=nonsense").status_code == 400
    assert station.http("GET", link.removeprefix(station.url)).status_code == 200
    assert station.http("POST", "/rest/Token", json=ask).status_code == 201
    assert station.http("GET", link.removeprefix(station.url)).status_code == 400
