"""Whatever anybody sends: no answer is a 5xx, and the station goes on. `make soak` does the same for longer."""

import os
import pathlib
import re
import subprocess
import sys

import requests
import tator
from test_state import Tracks

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLES = os.environ.get("TRANSECT_FUZZ_EXAMPLES", "1")
# What would take the ground away from under everything after it, or the token that it signs in with; and Notify, whose 503
# is the specified answer where no channel is set.
SPARED = ["DeleteProject", "DeleteOrganization", "DeleteAffiliation", "DeleteMembership", "UpdateMembership", "UpdateUser",
          "UpdateAffiliation", "Notify"]


def test_no_request_makes_the_station_fail(new_station, tmp_path):
    station = new_station()  # loopback has no rate limit
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "Institute"}).id
    project = api.create_project(project_spec={"name": "Survey", "organization": organization}).id
    scene = Tracks(api, project)
    scene.track([1, 2, 3])
    schema = tmp_path / "schema.json"
    schema.write_bytes(requests.get(f"{station.url}/schema", timeout=60).content)
    command = [sys.executable, "-m", "schemathesis.cli", "run", schema, "--url", station.url, "--header",
               f"Authorization: Token {station.admin_token}", "--checks", "not_a_server_error", "--phases", "coverage,fuzzing",
               "--max-examples", EXAMPLES, "--seed", "1", "--workers", "2", "--no-color",
               *(word for name in SPARED for word in ("--exclude-operation-id", name))]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": "fuzz_hooks", "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, timeout=3000)
    report = done.stdout[-6000:] + done.stderr[-2000:]
    assert done.returncode == 0, report
    generated = re.search(r"(\d+) generated, (\d+) passed", done.stdout)
    assert generated and generated[1] == generated[2] and int(generated[1]) > 5000, report
    assert station.alive and tator.get_api(station.url, station.admin_token).get_project(project).id == project
