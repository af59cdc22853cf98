"""Killing the station without warning, again and again: what was acknowledged is there, and nothing is half there.

TRANSECT_CRASH_ROUNDS sets the number of rounds (20), TRANSECT_CRASH_IMPORT_ROUNDS that of imports (4), TRANSECT_CRASH_SEED repeats
a run.
"""

import json
import os
import random
import shutil
import subprocess
import threading

import pytest
import requests
import tator
from station import program, wait_for
from support import Scene, add_box_type, box

ROUNDS = int(os.environ.get("TRANSECT_CRASH_ROUNDS", "20"))
IMPORT_ROUNDS = int(os.environ.get("TRANSECT_CRASH_IMPORT_ROUNDS", "4"))
SEED = int(os.environ.get("TRANSECT_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
BATCH = 20
ATTRIBUTES = [{"name": "Value", "dtype": "int"}, {"name": "Batch", "dtype": "string"}]


class Writer(threading.Thread):
    """Sends batches and edits until the station is gone; remembers what was acknowledged and what was under way."""

    def __init__(self, station, scene, kind, name, acknowledged):
        super().__init__(daemon=True)
        self.url, self.scene, self.kind, self.acknowledged = station.url, scene, kind, acknowledged
        self.name_ = name
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Token {station.admin_token}"
        self.created = {}  # id → value
        self.batches = set()  # names of acknowledged batches
        self.edited = {}  # id → (acknowledged value, value under way)
        self.problem = None

    def run(self):
        number = 0
        try:
            while True:
                number += 1
                made = self.create(f"{self.name_}/{number}")
                for value in range(3):
                    self.edit(made[0], value + 1000)
        except requests.ConnectionError:
            pass  # killed: what we wait for
        except Exception as error:
            self.problem = error

    def send(self, method, path, body):
        answer = self.session.request(method, self.url + path, json=body, timeout=60)
        assert answer.status_code in (200, 201), (answer.status_code, answer.text)
        return answer.json()

    def create(self, batch):
        specs = [box(self.scene.video, self.kind, frame=n, attributes={"Value": n, "Batch": batch}) for n in range(BATCH)]
        made = self.send("POST", f"/rest/Localizations/{self.scene.project}", specs)["id"]
        self.created.update(zip(made, range(BATCH)))
        self.batches.add(batch)
        self.acknowledged.release()
        return made

    def edit(self, row, value):
        last = self.edited.get(row, (self.created[row], None))[0]
        self.edited[row] = (last, value)
        self.send("PATCH", f"/rest/Localization/{row}", {"attributes": {"Value": value}, "in_place": 1})
        self.edited[row] = (value, None)
        self.acknowledged.release()


@pytest.fixture
def ground(new_station):
    """(station, scene, kind): a project whose boxes have a value and the name of their batch."""
    station = new_station()
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "Crash"}).id
    scene = Scene(api, api.create_project(project_spec={"name": "Crash", "organization": organization}).id)
    return station, scene, add_box_type(api, scene.project, [scene.video_type], ATTRIBUTES)


def check(station, scene, writers):
    """Compares what is there with what was acknowledged; returns the number of rows."""
    url = f"/rest/Localizations/{scene.project}?fields=id,frame,attributes.Value,attributes.Batch"
    rows = {row["id"]: row for row in station.http("GET", url, station.admin_token).json()}
    sizes = {}
    for row in rows.values():
        batch = row["attributes"]["Batch"]
        sizes[batch] = sizes.get(batch, 0) + 1
    assert set(sizes.values()) <= {BATCH}, "half a batch is there"
    for writer in writers:
        assert writer.problem is None, writer.problem
        assert writer.batches <= set(sizes), "an acknowledged batch is gone"
        for made, value in writer.created.items():
            possible = [v for v in writer.edited.get(made, (value, None)) if v is not None]
            assert rows[made]["attributes"]["Value"] in possible, (made, rows[made], possible)
    counted = station.http("GET", f"/rest/LocalizationCount/{scene.project}", station.admin_token).json()
    assert counted == len(rows)
    return len(rows)


def kill_again_and_again(ground, rounds):
    """Returns the number of rows that are there in the end."""
    station, scene, kind = ground
    dice = random.Random(SEED)
    print(f"TRANSECT_CRASH_SEED={SEED}")
    writers, total = [], 0
    for number in range(rounds):
        acknowledged = threading.Semaphore(0)
        crew = [Writer(station, scene, kind, f"{number}.{n}", acknowledged) for n in range(3)]
        for writer in crew:
            writer.start()
        for _ in range(dice.randint(1, 60)):
            assert acknowledged.acquire(timeout=60), [writer.problem for writer in crew]
        station.kill()
        for writer in crew:
            writer.join(60)
            assert not writer.is_alive()
        writers += crew
        station.start()
        total = check(station, scene, writers)
    return total


def test_kill_minus_nine(ground):
    assert kill_again_and_again(ground, ROUNDS) >= ROUNDS * BATCH
    assert ground[0].stop() == 0


def test_change_log_keeps_step_with_the_rows(ground):
    """A row and its entry in the change log are written together or not at all."""
    kill_again_and_again(ground, 3)
    station, scene, _ = ground
    api = tator.get_api(station.url, station.admin_token)
    last = max(row.id for row in api.get_localization_list(scene.project, fields="id"))
    created = api.get_change_log_list(scene.project, entity_type="localization", entity_id=last)
    assert created, "a row without its entry"
    assert api.get_change_log_list(scene.project, entity_type="localization", entity_id=last + 1) == [], "an entry without its row"


@pytest.mark.parametrize("copied", [False, True], ids=["in place", "copied"])
def test_kill_minus_nine_during_an_import(new_station, corpus, tmp_path, copied):
    """What was imported stays what it is, and the same import goes on where it was: every file is one media."""
    station = new_station()
    dice = random.Random(SEED)
    print(f"TRANSECT_CRASH_SEED={SEED}")
    clip, flags = corpus["vp8"], ["--copy"] if copied else []
    for number in range(IMPORT_ROUNDS):
        folder = tmp_path / f"disk{number}"
        folder.mkdir()
        for name in range(12):
            shutil.copy(clip["path"], folder / f"dive {name}.webm")
        words = ["import", str(folder), "--project", f"Dive {number}", *flags]
        importing = subprocess.Popen([program(), *words, "--json", "--data", str(station.data)], stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL, text=True, env=station.environment)
        told = [json.loads(importing.stdout.readline()) for _ in range(dice.randint(1, 8))]
        station.kill()
        told += [json.loads(line) for line in importing.stdout if line.endswith("\n")]
        assert importing.wait(60) != 0, "an import that was cut off says so"
        station.start()
        again = station.lines(*words)
        assert {row["state"] for row in again} <= {"ready", "skipped"} and len(again) == 12, again
        api = tator.get_api(station.url, station.admin_token)
        project = next(one.id for one in api.get_project_list() if one.name == f"Dive {number}")
        rows = wait_for("every media", lambda: ready(api.get_media_list(project)))
        assert sorted(row.name for row in rows) == sorted(path.name for path in folder.iterdir())
        assert {row.num_frames for row in rows} == {clip["frames"]}
        ids = {row.id: row.name for row in rows}
        for row in told:
            assert ids[row["media"]] == os.path.basename(row["path"]), "what was imported is another media now"
        for row in rows:
            picture = station.http("GET", f"/rest/FramePicture/{row.id}/{clip['frames'] - 1}", station.admin_token)
            assert picture.status_code == 200, picture.text
    findings = station.lines("doctor", "--scrub", check=False)
    assert [row for row in findings if row["check"] == "objects"][0]["level"] == "ok", findings
    assert station.stop() == 0


def ready(rows):
    return rows if all(row.num_frames for row in rows) else None


def test_workers_end_with_the_station(new_station, corpus):
    station = new_station()
    made = station.lines("import", corpus["h264_cfr25"]["path"], "--project", "P")[0]["media"]
    assert station.http("GET", f"/rest/GetFrame/{made}?frames=3", station.admin_token).status_code == 200
    workers = station.processes()[1:]
    assert workers, "pictures are decoded by another process"
    station.kill()
    wait_for("the workers to end", lambda: not any(os.path.exists(f"/proc/{pid}/exe") and running(pid) for pid in workers))


def running(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_a_killed_worker_is_replaced(new_station, corpus):
    station = new_station()
    made = station.lines("import", corpus["h264_cfr25"]["path"], "--project", "P")[0]["media"]
    path = f"/rest/GetFrame/{made}?frames="
    assert station.http("GET", path + "3", station.admin_token).status_code == 200
    for pid in station.processes()[1:]:
        os.kill(pid, 9)
    wait_for("a picture from a new worker", lambda: station.http("GET", path + "97", station.admin_token).status_code == 200)
    assert station.alive
    assert station.stop() == 0
