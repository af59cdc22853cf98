"""Whatever anybody sends: no answer is a 5xx, and the station goes on. `make soak` does the same for longer."""

import os
import pathlib
import re
import subprocess
import sys
import types

import pytest
import requests
import tator
from conftest import LEVELS
from support import unique
from test_role_matrix import NOUNS, PROJECT, Ground

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = os.environ.get("TRANSECT_FUZZ_EXAMPLES", "1")
# What would take the ground away from under everything after it, or the token that it signs in with; and Notify, whose 503
# is the specified answer where no channel is set.
SPARED = ["DeleteProject", "DeleteOrganization", "DeleteAffiliation", "DeleteMembership", "UpdateMembership", "UpdateUser",
          "UpdateAffiliation", "Notify"]


def person(station, name):
    token = station.add_user(unique(name))
    api = tator.get_api(station.url, token)
    return types.SimpleNamespace(api=api, id=api.whoami().id, level=LEVELS[name], token=token)


@pytest.fixture
def ground(new_station):
    """A station with two of everything that a path may name."""
    station = new_station()  # loopback has no rate limit
    people = types.SimpleNamespace(**{name: person(station, name) for name in PROJECT})
    ground = Ground(tator.get_api(station.url, station.admin_token), people)
    ground.station = station
    for noun in NOUNS:
        for _ in range(1 if noun == "Affiliation" else 2):
            ground.thing(noun)
    ground.job()
    return ground


@pytest.mark.parametrize(("who", "phases", "least"), [("admin", "coverage,fuzzing", 5000), ("editor", "fuzzing", 200)])
def test_no_request_makes_the_station_fail(ground, tmp_path, who, phases, least):
    station = ground.station
    token = station.admin_token if who == "admin" else ground.people.editor.token
    schema = tmp_path / "schema.json"
    schema.write_bytes(requests.get(f"{station.url}/schema", timeout=60).content)
    # One worker: CPython's parser, which the fuzzer has read functions, keeps count of its depth for all threads together.
    command = [sys.executable, "-m", "schemathesis.cli", "run", schema, "--url", station.url, "--header",
               f"Authorization: Token {token}", "--checks", "not_a_server_error", "--phases", phases,
               "--max-examples", EXAMPLES, "--seed", "1", "--workers", "1", "--no-color", "--request-timeout", "120", "--request-retries", "2",
               *(word for name in SPARED for word in ("--exclude-operation-id", name))]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "fuzz_hooks", "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=3000)
    errors = done.stdout.find("= ERRORS =")
    report = (done.stdout[errors:][:3000] if errors >= 0 else "") + done.stdout[-4000:] + done.stderr[-2000:]
    assert done.returncode == 0, report
    generated = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert generated and generated[1] == generated[2] and int(generated[1]) > least, report
    assert station.alive and ground.api.get_project(ground.project).id == ground.project
