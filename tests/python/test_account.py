"""Tokens, signing in from a browser, the lock after wrong passwords, and who may read which user."""

import re

import pytest
import tator
from station import PASSWORD
from support import NOWHERE, plain_name, refused, sign_in, unique


@pytest.fixture(scope="module")
def somebody(station):
    """An account for tests that sign in: (name, token)."""
    name = unique("somebody").replace(" ", "_")
    return name, station.add_user(name)


def ask_token(station, **body):
    return station.http("POST", "/rest/Token", json=body)


def test_token_is_forty_hex_digits_and_the_same_each_time(station, somebody):
    name, token = somebody
    assert re.fullmatch("[0-9a-f]{40}", token)
    answer = ask_token(station, username=name, password=PASSWORD)
    assert (answer.status_code, answer.json()) == (201, {"token": token})
    assert ask_token(station, username=name.upper(), password=PASSWORD).json() == {"token": token}


def test_refresh_replaces_the_token(station):
    name = unique("rotates").replace(" ", "_")
    old = station.add_user(name)
    new = ask_token(station, username=name, password=PASSWORD, refresh=True).json()["token"]
    assert new != old
    assert station.http("GET", "/rest/User/GetCurrent", new).json()["username"] == name
    answer = station.http("GET", "/rest/User/GetCurrent", old)
    assert (answer.status_code, answer.json()["message"]) == (400, "Invalid token.")


def test_wrong_password(station, somebody):
    # Success resets the count: three in a row would lock the account.
    for _ in range(3):
        for _ in range(2):
            answer = ask_token(station, username=somebody[0], password="wrong")
            assert (answer.status_code, answer.json()["message"]) == (400, "Could not authenticate with provided credentials!")
        assert ask_token(station, username=somebody[0], password=PASSWORD).json()["token"] == somebody[1]
    nobody = ask_token(station, username="nobody at all", password="wrong")
    assert (nobody.status_code, nobody.json()["message"]) == (400, "Could not authenticate with provided credentials!")


def test_asking_a_token_as_somebody_else_is_refused(station, somebody):
    answer = station.http("POST", "/rest/Token", station.admin_token, json={"username": somebody[0], "password": PASSWORD})
    assert answer.status_code == 400


def test_three_wrong_passwords_lock_only_that_account(station, somebody):
    name = unique("locked").replace(" ", "_")
    token = station.add_user(name)
    for _ in range(3):
        assert ask_token(station, username=name, password="wrong").status_code == 400
    assert ask_token(station, username=name, password=PASSWORD).status_code == 400
    assert station.http("GET", "/rest/User/GetCurrent", token).status_code == 200  # who is in stays in
    assert ask_token(station, username=somebody[0], password=PASSWORD).status_code == 201


@pytest.mark.parametrize("word", ["Token", "token", "TOKEN"])
def test_header_word_is_case_insensitive(station, somebody, word):
    answer = station.http("GET", "/rest/User/GetCurrent", headers={"Authorization": f"{word} {somebody[1]}"})
    assert answer.json()["username"] == somebody[0]


def test_bearer_counts_as_anonymous(station, somebody):
    answer = station.http("GET", "/rest/Projects", headers={"Authorization": f"Bearer {somebody[1]}"})
    assert (answer.status_code, answer.json()["message"]) == (400, "Authentication credentials were not provided.")


def test_anonymous(station):
    answer = station.http("GET", "/rest/Projects")
    body = answer.json()
    assert answer.status_code == 400
    assert (body["message"], body["details"]) == ("Authentication credentials were not provided.", "None")
    current = station.http("GET", "/rest/User/GetCurrent")
    assert (current.status_code, current.json()["message"]) == (404, "User matching query does not exist.")
    assert tator.get_api(station.url).user_exists(username="admin") is True
    assert tator.get_api(station.url).user_exists(username="nobody at all") is False


def test_session_signs_in_and_out(station, somebody, http):
    assert http.get(f"{station.url}/check-login/", timeout=60).json() == {"is_authenticated": False}
    assert sign_in(station, http, somebody[0], PASSWORD).status_code in (200, 302)
    assert http.get(f"{station.url}/check-login/", timeout=60).json() == {"is_authenticated": True}
    assert http.get(f"{station.url}/rest/User/GetCurrent", timeout=60).json()["username"] == somebody[0]
    http.post(f"{station.url}/accounts/logout/", headers={"X-CSRFToken": http.cookies["csrftoken"]}, timeout=60)
    assert http.get(f"{station.url}/check-login/", timeout=60).json() == {"is_authenticated": False}


def test_session_with_a_wrong_password_stays_out(station, somebody, http):
    sign_in(station, http, somebody[0], "wrong")
    assert http.get(f"{station.url}/check-login/", timeout=60).json() == {"is_authenticated": False}
    assert ask_token(station, username=somebody[0], password=PASSWORD).status_code == 201


def test_session_writes_need_the_csrf_token(station, http, people, project, admin):
    admin.create_membership(project, membership_spec={"user": people.editor.id, "permission": "Can Edit"})
    sign_in(station, http, people.editor.name, PASSWORD)
    url, spec = f"{station.url}/rest/Bookmarks/{project}", {"name": "here", "uri": "/1"}
    assert http.post(url, json=spec, timeout=60).status_code == 403
    assert http.post(url, json=spec, headers={"X-CSRFToken": "0" * 32}, timeout=60).status_code == 403
    assert people.editor.api.get_bookmark_list(project) == []
    assert http.post(url, json=spec, headers={"X-CSRFToken": http.cookies["csrftoken"]}, timeout=60).status_code == 201
    assert [row.name for row in people.editor.api.get_bookmark_list(project)] == ["here"]


@pytest.mark.parametrize("header", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                                    {"Origin": "https://evil.example"}])
def test_other_sites_cannot_use_a_session(station, http, people, project, admin, header):
    admin.create_membership(project, membership_spec={"user": people.editor.id, "permission": "Can Edit"})
    sign_in(station, http, people.editor.name, PASSWORD)
    url, spec = f"{station.url}/rest/Bookmarks/{project}", {"name": "here", "uri": "/1"}
    token = {"X-CSRFToken": http.cookies["csrftoken"]}
    assert http.post(url, json=spec, headers={**token, **header}, timeout=60).status_code == 403
    same = {"Sec-Fetch-Site": "same-origin", "Origin": station.url}
    assert http.post(url, json=spec, headers={**token, **same}, timeout=60).status_code == 201


def test_asking_for_the_sign_in_page(station, somebody, http):
    def asked(path):
        answer = http.get(station.url + path, allow_redirects=False, timeout=60)
        return answer.status_code, answer.headers.get("Location")

    for path in ("/accounts/login/", "/redirect/login/"):
        assert asked(f"{path}?next=/project/3") == (302, "/sign-in?next=%2Fproject%2F3")
        assert asked(f"{path}?next=//evil.example") == (302, "/sign-in?next=%2F")
    sign_in(station, http, somebody[0], PASSWORD)
    assert asked("/accounts/login/?next=/project/3") == (302, "/project/3")


def test_registration_is_closed_unless_it_is_opened(station, new_station):
    spec = {"username": plain_name("stranger"), "first_name": "A", "last_name": "B", "email": "", "password": "long enough"}
    body = refused(400, tator.get_api(station.url).create_user, user_spec=spec)
    assert body["message"] == "Registration token must be supplied in URL!"
    opened = new_station(environment={"ANONYMOUS_REGISTRATION_ENABLED": "true", "AUTOCREATE_ORGANIZATIONS": "True"})
    api = tator.get_api(opened.url)
    made = api.create_user(user_spec=spec)
    assert (made.message, made.object["username"], made.object["is_staff"]) == ("User created successfully!", spec["username"], False)
    assert refused(400, api.create_user, user_spec=spec)["message"] == "Username is already taken!"
    mine = tator.get_api(opened.url, opened.token(spec["username"]))
    assert [row.name for row in mine.get_organization_list()] == [f"{spec['username']}'s Team"]


def test_anonymous_gateway(station, new_station, http):
    path = "/anonymous-gateway?redirect=/project/3"
    answer = station.http("GET", path, allow_redirects=False)
    assert answer.status_code == 403 and "not enabled" in answer.json()["message"]
    opened = new_station(environment={"TRANSECT_ACCOUNT_ANONYMOUS_GATEWAY": "true"})
    assert opened.http("GET", path, allow_redirects=False).status_code == 404
    token = opened.add_user("anonymous")
    answer = http.get(opened.url + path, allow_redirects=False, timeout=60)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/project/3")
    assert http.get(f"{opened.url}/rest/User/GetCurrent", timeout=60).json()["username"] == "anonymous"
    for elsewhere in ("//evil.example", "https://evil.example/"):
        answer = http.get(f"{opened.url}/anonymous-gateway", params={"redirect": elsewhere}, allow_redirects=False, timeout=60)
        assert answer.headers["Location"] == "/"
    api = tator.get_api(opened.url, token)
    refused(403, api.update_user, api.whoami().id, user_update={"first_name": "Nobody"})
    root = tator.get_api(opened.url, opened.admin_token)
    refused(403, root.update_user, api.whoami().id, user_update={"first_name": "Nobody"})


def test_user_row(admin, somebody):
    user = admin.get_user_list(username=somebody[0].upper())[0]
    assert {"id", "is_staff", "username", "first_name", "last_name", "email", "elemental_id", "profile"} <= set(user)
    assert (user.username, user.is_staff) == (somebody[0], False)
    assert admin.whoami().is_staff is True
    assert admin.get_user_list(username="nobody at all") == []
    refused(400, admin.get_user_list)


def test_changing_oneself(station, people):
    me = people.viewer
    me.api.update_user(me.id, user_update={"first_name": "Ada", "set_profile_keys": {"theme": "dark"}})
    after = me.api.get_user(me.id)
    assert (after.first_name, after.profile["theme"]) == ("Ada", "dark")
    me.api.update_user(me.id, user_update={"clear_profile_keys": ["theme"]})
    assert "theme" not in me.api.get_user(me.id).profile
    refused(400, me.api.update_user, me.id, user_update={"password": "without a reset token"})
    refused(403, me.api.update_user, people.editor.id, user_update={"first_name": "Eve"})
    refused(404, me.api.get_user, NOWHERE)


def test_a_proxy_asks_who_may_read_a_file(station, http, people, project, admin):
    admin.create_membership(project, membership_spec={"user": people.viewer.id, "permission": "View Only"})

    def ask(token=None, uri=f"/media/{project}/a.mp4", send=station.http):
        headers = {"X-Original-URI": uri} if uri is not None else {}
        answer = send("GET", "/auth-project", token, headers=headers)
        assert answer.content == b"" and "no-store" in answer.headers["Cache-Control"]
        return answer.status_code

    assert [ask(token) for token in (people.viewer.token, station.admin_token)] == [200, 200]
    assert [ask(token) for token in (people.stranger.token, "0" * 40, None)] == [403, 403, 403]
    for uri in (None, "", "/", f"/rest/Project/{project}", f"/media/{NOWHERE}/a.mp4", "/media/x/a.mp4",
                f"/media/{project}/../{project}/a.mp4", f"/media/{project}/%2e%2e/x"):
        assert ask(people.viewer.token, uri) == 403, uri
    assert ask(people.viewer.token, f"/media/{project}/a%20b.mp4?x=1") == 200
    sign_in(station, http, people.viewer.name, PASSWORD)

    def by_session(method, path, _, headers):
        return http.request(method, station.url + path, headers=headers, timeout=60)

    assert ask(send=by_session) == 200
    http.post(f"{station.url}/accounts/logout/", headers={"X-CSRFToken": http.cookies["csrftoken"]}, timeout=60)
    assert ask(send=by_session) == 403


def test_a_proxy_asks_who_administers(station, http, somebody):
    def ask(token=None):
        return station.http("GET", "/auth-admin", token, headers={"X-Original-URI": "/metrics"}).status_code

    assert [ask(token) for token in (station.admin_token, somebody[1], "0" * 40, None)] == [200, 403, 403, 403]
    sign_in(station, http, "admin", PASSWORD)
    assert http.get(f"{station.url}/auth-admin", timeout=60).status_code == 200


def test_people_are_found_by_one_thing(station, admin):
    names = [plain_name("found") for _ in range(3)]
    for name in names:
        station.add_user(name, "--email", f"{name}@Example.org")
    one, two, three = (admin.get_user_list(username=name)[0] for name in names)

    def found(**question):
        return [row.id for row in admin.get_user_list(**question)]

    assert found(elemental_id=one.elemental_id, username=two.username, email=three.email) == [one.id]
    assert found(username=two.username.upper(), email=three.email) == [two.id]
    assert found(email=three.email) == [three.id] and found(email=three.email.upper()) == []
    assert [admin.user_exists(**question) for question in (
        {"elemental_id": one.elemental_id}, {"email": two.email}, {"email": "nobody@example.org"})] == [True, True, False]


def test_an_address_that_somebody_has(station, admin):
    names = [plain_name("address") for _ in range(2)]
    for name in names:
        station.add_user(name, "--email", f"{name}@example.org")
    first, second = (admin.get_user_list(username=name)[0] for name in names)
    refused(400, admin.update_user, second.id, user_update={"email": first.email})
    assert admin.get_user(second.id).email == second.email
    admin.update_user(second.id, user_update={"email": second.email, "last_name": "Staff may"})
    assert admin.get_user(second.id).last_name == "Staff may"


def test_an_account_names_its_own_elemental_id(new_station):
    station = new_station(environment={"ANONYMOUS_REGISTRATION_ENABLED": "true"})
    api = tator.get_api(station.url)
    eid = "c0ffee00-0000-4000-8000-00000000beef"
    spec = {"username": "ann", "first_name": "A", "last_name": "B", "email": "ann@example.org", "password": "long enough",
            "elemental_id": eid, "profile": {"theme": "dark"}}
    for wrong in ({"elemental_id": "no uuid"}, {"username": "n" * 151}):
        refused(400, api.create_user, user_spec={**spec, **wrong})
    made = api.create_user(user_spec=spec)
    mine = tator.get_api(station.url, station.token("ann"))
    row = mine.whoami()
    assert (row.id, row.elemental_id, row.profile) == (made.id, eid, {"theme": "dark"})
    refused(400, mine.update_user, row.id, user_update={"elemental_id": "no uuid"})
    assert mine.get_organization_list() == []
    assert refused(400, api.create_user, user_spec={**spec, "username": "ANN"})["message"] == "Username is already taken!"


def test_how_many_failures_lock_an_account_is_a_setting(new_station):
    station = new_station(environment={"TRANSECT_ACCOUNT_LOCKOUT_FAILURES": "1"})
    station.add_user("ann")
    assert ask_token(station, username="ann", password=PASSWORD).status_code == 201
    assert ask_token(station, username="ann", password="wrong").status_code == 400
    assert ask_token(station, username="ANN", password=PASSWORD).status_code == 400
    assert ask_token(station, username="admin", password=PASSWORD).status_code == 201


def test_who_may_look_at_whom(station, admin, people, project):
    """Oneself, whoever shares a project, and staff at everybody."""
    one, other = people.viewer, people.stranger
    refused(403, other.api.get_user, one.id)
    assert admin.get_user(one.id).username == one.name and one.api.get_user(one.id).id == one.id
    for person in (one, other):
        admin.create_membership(project, membership_spec={"user": person.id, "permission": "View Only"})
    assert other.api.get_user(one.id).username == one.name
    refused(403, other.api.update_user, one.id, user_update={"last_name": "Mine"})
    assert [row.id for row in other.api.get_user_list(username=one.name)] == [one.id]
    assert station.http("GET", f"/rest/User/{one.id}").status_code == 400
    assert station.http("GET", f"/rest/Users?username={one.name}").status_code == 400


def test_forms_lock_an_account_too(station, http):
    name = plain_name("locked")
    station.add_user(name)
    for _ in range(3):
        sign_in(station, http, name, "wrong")
    sign_in(station, http, name, PASSWORD)
    assert http.get(f"{station.url}/check-login/", timeout=60).json() == {"is_authenticated": False}
    assert ask_token(station, username=name, password=PASSWORD).status_code == 400


def test_a_short_password_is_refused_wherever_one_is_set(new_station):
    """On the command line, at registration and on its page; the setting says how short."""
    station = new_station(environment={"TRANSECT_ACCOUNT_ANONYMOUS_REGISTRATION": "true"})
    told = "a password has at least 8 characters"
    for task in (("create", "ann"), ("password", "admin")):
        done = station.command("user", *task, "--password-stdin", text="1234567\n", check=False)
        assert done.returncode == 1 and told in done.stderr, done
    spec = {"username": "bob", "first_name": "B", "last_name": "B", "email": "", "password": "1234567"}
    assert told in station.http("POST", "/rest/Users", json=spec).json()["message"]
    assert station.http("POST", "/rest/Users", json={**spec, "password": "zwölf 12"}).status_code == 201
    station.stop()
    station.environment["TRANSECT_ACCOUNT_PASSWORD_CHARACTERS"] = "12"
    station.start(station.listen)
    refused = station.http("POST", "/rest/Users", json={**spec, "username": "eve", "password": "zwölf 12"})
    assert refused.status_code == 400 and "at least 12 characters" in refused.text
    # What was set before goes on working.
    assert ask_token(station, username="bob", password="zwölf 12").status_code == 201


@pytest.mark.parametrize("body", [{}, {"username": "admin"}, {"password": PASSWORD}, {"username": 1, "password": PASSWORD}, []])
def test_what_is_no_credential(station, body):
    answer = station.http("POST", "/rest/Token", json=body)
    assert (answer.status_code, answer.json()["message"]) == (400, "Request body validation error")
