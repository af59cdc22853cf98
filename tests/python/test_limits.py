"""How fast anybody may ask, where the settings count them."""

import concurrent.futures
import time

import pytest
from support import plain_name


@pytest.fixture
def slow(new_station):
    return new_station(environment={"TRANSECT_LIMITS_LOOPBACK": "true", "TRANSECT_LIMITS_ANONYMOUS_PER_SECOND": "1",
                                    "TRANSECT_LIMITS_USER_PER_SECOND": "2", "TRANSECT_LIMITS_BURST_SECS": "3"})


def statuses(station, path, token=None, count=12, method="GET", **options):
    return [station.http(method, path, token, **options) for _ in range(count)]


def codes(answers):
    return [answer.status_code for answer in answers]


def test_each_is_counted_alone(slow):
    answers = statuses(slow, "/rest/User/Exists?username=x")
    assert codes(answers)[:3] == [200] * 3 and 429 in codes(answers)
    refusal = answers[-1]
    assert int(refusal.headers["Retry-After"]) >= 1
    assert set(refusal.json()) == {"message", "details", "code", "request_id"}
    assert refusal.json()["code"] == "too_many"
    one, other = (slow.add_user(plain_name(name)) for name in ("one", "other"))
    answers = codes(statuses(slow, "/rest/User/GetCurrent", one, 20))
    assert answers[:6] == [200] * 6 and 429 in answers
    assert slow.http("GET", "/rest/User/GetCurrent", other).status_code == 200
    # What carries a wrong token counts as nobody's.
    assert codes(statuses(slow, "/rest/User/GetCurrent", "0" * 40, 1)) == [429]


def test_forms_count_too(slow):
    answers = codes(statuses(slow, "/accounts/login/", method="POST", data={"username": "x", "password": "y"}))
    assert 429 in answers and set(answers) <= {403, 429}
    assert slow.http("GET", "/check-login/").status_code == 200


def test_scripts_on_this_machine_run_freely(station):
    assert set(codes(statuses(station, "/rest/User/GetCurrent", station.admin_token, 400))) == {200}


def test_what_a_proxy_passes_on_is_counted(new_station):
    station = new_station(environment={"TRANSECT_LIMITS_ANONYMOUS_PER_SECOND": "1", "TRANSECT_LIMITS_BURST_SECS": "2"})
    path = "/rest/User/Exists?username=x"
    for address in ("203.0.113.7", "203.0.113.8"):
        answers = codes(statuses(station, path, headers={"X-Forwarded-For": f"1.2.3.4, {address}"}))
        assert answers[:2] == [200, 200] and 429 in answers
    assert set(codes(statuses(station, path, count=50))) == {200}


def test_limits_unless_the_settings_say_otherwise(new_station):
    """10 requests a second without credentials and 100 of an account; what may come at once is a second's worth here."""
    station = new_station(environment={"TRANSECT_LIMITS_LOOPBACK": "true", "TRANSECT_LIMITS_BURST_SECS": "1"})
    for path, token, most in (("/rest/User/Exists?username=x", None, 10), ("/rest/User/GetCurrent", station.admin_token, 100)):
        began = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _, path=path, token=token: station.http("GET", path, token).status_code, range(4 * most)))
        assert set(answers) == {200, 429}
        assert most <= answers.count(200) <= most * (1 + time.monotonic() - began) + 1
