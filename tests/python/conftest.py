"""What every test gets: one station for the whole run, an administrator, people of every level, a project of its own."""

import json
import pathlib
import subprocess
import sys
import types

import pytest
import requests

HERE = pathlib.Path(__file__).resolve().parent
FIXTURES = HERE.parent / "fixtures"
sys.path[:0] = [str(HERE), str(FIXTURES)]

import tator  # noqa: E402
from sinks import MailServer, running  # noqa: E402
from station import PASSWORD, Station  # noqa: E402
from support import unique  # noqa: E402

LEVELS = {"viewer": "View Only", "editor": "Can Edit", "transferrer": "Can Transfer", "executor": "Can Execute",
          "owner": "Full Control"}


@pytest.fixture(scope="session")
def station(tmp_path_factory):
    """A running station with an administrator. Ending it must go well, too."""
    station = Station(tmp_path_factory.mktemp("s") / "data")
    try:
        station.start()
        station.admin_token = station.add_user("admin", "--admin")
        yield station
        assert station.alive, f"the station died during the tests; its log ends:\n{station.log_tail()}"
        assert station.stop() == 0, f"SIGTERM must drain and end with 0; its log ends:\n{station.log_tail()}"
    finally:
        station.remove()


@pytest.fixture
def new_station(tmp_path):
    """Makes stations for one test: `new_station(folder, environment)`; they start with an administrator."""
    made = []

    def make(folder=None, environment=None, options=()):
        station = Station(folder or tmp_path / f"data{len(made)}", environment, options)
        made.append(station)
        station.start()
        station.admin_token = station.add_user("admin", "--admin")
        return station

    yield make
    for station in made:
        station.remove()


@pytest.fixture(scope="session")
def mail_server():
    """A mail server that keeps letters instead of delivering them."""
    with running(MailServer()) as server:
        yield server


@pytest.fixture(scope="session")
def mailing(tmp_path_factory, mail_server):
    """A station that sends letters, with an administrator whose client is `mailing.api`."""
    station = Station(tmp_path_factory.mktemp("m") / "data", {"TRANSECT_MAIL_URL": mail_server.url})
    try:
        station.start()
        station.admin_token = station.add_user("admin", "--admin", "--email", "admin@example.org")
        station.api = tator.get_api(station.url, station.admin_token)
        yield station
        assert station.stop() == 0, f"its log ends:\n{station.log_tail()}"
    finally:
        station.remove()


@pytest.fixture(scope="session")
def admin(station):
    """The stock client, signed in as the administrator."""
    return tator.get_api(station.url, station.admin_token)


@pytest.fixture(scope="session")
def organization(admin):
    return admin.create_organization(organization_spec={"name": unique("Institute")}).id


@pytest.fixture(scope="session")
def people(station, admin):
    """One account for every level, plus a stranger: `people.viewer.api`, `.token`, `.id`, `.name`, `.level`."""
    made = {}
    for name in [*LEVELS, "stranger"]:
        account = unique(name)
        token = station.add_user(account)
        api = tator.get_api(station.url, token)
        made[name] = types.SimpleNamespace(api=api, token=token, id=api.whoami().id, name=account,
                                           level=LEVELS.get(name), password=PASSWORD)
    return types.SimpleNamespace(**made, station=station)


@pytest.fixture
def project(admin, organization):
    """The id of a project that no other test sees. The administrator made it."""
    return admin.create_project(project_spec={"name": unique("Dive"), "organization": organization}).id


@pytest.fixture
def members(admin, project, people):
    """`people`, after giving each their level in this test's project."""
    for name, level in LEVELS.items():
        admin.create_membership(project, membership_spec={"user": getattr(people, name).id, "permission": level})
    return people


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    """The bar-coded clips: name → entry of corpus.json, with `path` absolute."""
    folder = tmp_path_factory.mktemp("corpus")
    subprocess.run([sys.executable, FIXTURES / "corpus.py", folder], check=True)
    clips = json.loads((folder / "corpus.json").read_text())["clips"]
    return {clip["name"]: {**clip, "path": str(folder / clip["path"])} for clip in clips}


@pytest.fixture
def http():
    with requests.Session() as session:
        yield session


@pytest.fixture
def web(tmp_path):
    """A web server of its own on this machine: `web.origin`, `web.add(name, path)`, `web.asked` (paths)."""
    import http.server
    import shutil
    import threading

    folder = tmp_path / "web"
    folder.mkdir()
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(folder))

        def log_message(self, *_):
            asked.append(self.path)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_port}"
    yield types.SimpleNamespace(origin=origin, asked=asked, add=lambda name, path: shutil.copy(path, folder / name))
    server.shutdown()
    server.server_close()
