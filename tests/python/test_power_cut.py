"""The power goes, at any moment: what was acknowledged is there, and nothing is half there.

A station works on a recorded disk (disk.py) while objects are put, overwritten, put in parts and deleted, files imported in place and as copies, and
annotations written. Then the disk is made as it would have been found after a cut at this moment and that, ext4 puts itself
in order, a station starts on it, and everything is compared with what had been acknowledged by then.

TRANSECT_POWER_CUTS sets the number of cuts (6), TRANSECT_POWER_DISK the file system (ext4; xfs and btrfs need their own tools),
TRANSECT_CRASH_SEED repeats the moments.
"""

import contextlib
import os
import random
import shutil
import threading
import time

import barcode
import pytest
import tator
from botocore.exceptions import ClientError
from disk import Disk, Mounted, NotPermitted, Replay
from station import Station, wait_for
from support import Scene, add_box_type, box
from test_s3 import KIB, MIB, body, client_of, make_key

KIND = os.environ.get("TRANSECT_POWER_DISK", "ext4")
CUTS = int(os.environ.get("TRANSECT_POWER_CUTS", "6"))
SEED = int(os.environ.get("TRANSECT_CRASH_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 30)
# tests/run.py knows these reasons, too.
NOT_PERMITTED = "mounting a file system is not permitted"
ELSEWHERE = "the database is not on this disk"
BATCH = 20
ABSENT = "absent"
# How often each kind of work is done before the record is long enough.
ENOUGH = {"large": 6, "small": 30, "overwritten": 30, "parts": 3, "batch": 30, "media": 3}


class Lost(AssertionError):
    """Something that was acknowledged is not there, or something is there by half."""


def insist(condition, *words):
    if not condition:
        raise Lost(*words)


class Ledger:
    """What was asked for, when the disk stood where, and when it was acknowledged."""

    def __init__(self, disk):
        self.disk, self.told = disk, {}  # (kind, name) → [[value, begun at, acknowledged at]]

    @contextlib.contextmanager
    def telling(self, kind, name, value):
        entry = [value, self.disk.position, None]
        self.told.setdefault((kind, name), []).append(entry)
        yield entry
        entry[2] = self.disk.position

    def possible(self, told, position):
        """The values that may be found after a cut: the last that was acknowledged, and what was under way."""
        values = [ABSENT]
        for value, begun, acknowledged in told:
            if acknowledged is not None and acknowledged <= position:
                values = [value]
            elif begun < position:
                values.append(value)
        return values

    def at(self, position, *kinds):
        """Each name of these kinds with its possible values."""
        return {name: self.possible(told, position) for (kind, name), told in self.told.items() if kind in kinds}

    def moments(self, kind):
        return [entry[2] for (this, _), told in self.told.items() if this == kind for entry in told if entry[2] is not None]

    def done(self):
        return all(len(self.moments(kind)) >= count for kind, count in ENOUGH.items())


def content(number, size):
    """Bytes that are not found in any other object."""
    return (number.to_bytes(8, "big") * (size // 8 + 1))[:size]


class Worker(threading.Thread):
    """Does one kind of work again and again until the record is long enough."""

    def __init__(self, ground, work):
        super().__init__(daemon=True)
        self.ground, self.work, self.problem = ground, work, None

    def run(self):
        number = 0
        try:
            while not self.ground.stop.is_set():
                number += 1
                self.work(self.ground, number)
        except Exception as error:
            self.problem = error
            self.ground.stop.set()


class Ground:
    """A station on the disk, with a bucket, a project, and what its workers need."""

    def __init__(self, disk, station, clip, scratch):
        self.disk, self.station, self.clip, self.scratch = disk, station, clip, scratch
        self.ledger, self.stop = Ledger(disk), threading.Event()
        self.key = make_key(station)
        self.s3 = client_of(self.key)
        self.s3.create_bucket(Bucket="cut")
        api = tator.get_api(station.url, station.admin_token)
        organization = api.create_organization(organization_spec={"name": "Cut"}).id
        self.scene = Scene(api, api.create_project(project_spec={"name": "Cut", "organization": organization}).id)
        self.kind = add_box_type(api, self.scene.project, [self.scene.video_type],
                                 [{"name": "Value", "dtype": "int"}, {"name": "Batch", "dtype": "string"}])
        self.start = disk.position

    def send(self, method, path, content):
        answer = self.station.http(method, path, self.station.admin_token, json=content)
        assert answer.status_code in (200, 201), (answer.status_code, answer.text)
        return answer.json()

    def put(self, kind, name, number, size):
        with self.ledger.telling(kind, name, (number, size)):
            self.s3.put_object(Bucket="cut", Key=name, Body=content(number, size))


def put_large(ground, number):
    ground.put("large", f"large/{number}", 1_000_000 + number, (300 * KIB, 3 * MIB + 17, 17 * MIB + 5)[number % 3])


def put_small(ground, number):
    name = f"small/{number}"
    ground.put("small", name, 2_000_000 + number, (100, 8 * KIB, 32 * KIB)[number % 3])
    if number % 7 == 0:
        with ground.ledger.telling("small", name, ABSENT):
            ground.s3.delete_object(Bucket="cut", Key=name)


def overwrite(ground, number):
    ground.put("overwritten", f"over/{number % 3}", 3_000_000 + number, (5 * KIB, 90 * KIB, 400 * KIB)[number % 3])
    # Whoever reads meanwhile sees one of those that were ever put, whole.
    name = f"over/{(number + 1) % 3}"
    with contextlib.suppress(ground.s3.exceptions.NoSuchKey):
        found = body(ground.s3.get_object(Bucket="cut", Key=name))
        assert found in [content(*entry[0]) for entry in ground.ledger.told[("overwritten", name)]], "a mixture"


def put_in_parts(ground, number):
    name = f"parts/{number}"
    where = {"Bucket": "cut", "Key": name, "UploadId": ground.s3.create_multipart_upload(Bucket="cut", Key=name)["UploadId"]}
    whole, size, parts = content(4_000_000 + number, 11 * MIB), 5 * MIB, []
    for part in (1, 2, 3):
        with ground.ledger.telling("part", (where["UploadId"], name, part), None) as entry:
            etag = ground.s3.upload_part(**where, PartNumber=part, Body=whole[(part - 1) * size:part * size])["ETag"]
            entry[0] = etag
        parts.append({"PartNumber": part, "ETag": etag})
    with ground.ledger.telling("parts", name, (4_000_000 + number, 11 * MIB)):
        ground.s3.complete_multipart_upload(**where, MultipartUpload={"Parts": parts})


def annotate(ground, number):
    batch, project = f"batch {number}", ground.scene.project
    boxes = [box(ground.scene.video, ground.kind, frame=n, attributes={"Value": 0, "Batch": batch}) for n in range(BATCH)]
    with ground.ledger.telling("batch", batch, 0):
        made = ground.send("POST", f"/rest/Localizations/{project}", boxes)["id"]
    for value in (1, 2):
        change = {"ids": made, "attributes": {"Value": value}, "in_place": 1}
        with ground.ledger.telling("batch", batch, value):
            ground.send("PATCH", f"/rest/Localizations/{project}", change)


def import_clip(ground, number):
    path = ground.scratch / f"clip{number}.mp4"
    shutil.copy(ground.clip, path)
    with ground.ledger.telling("media", path.name, path.name):
        ground.station.lines("import", path, "--project", "Cut", *(["--copy"] if number % 2 else []))


WORK = (put_large, put_small, put_small, overwrite, put_in_parts, annotate, annotate, import_clip)


@pytest.fixture(scope="module")
def ground(tmp_path_factory, corpus):
    """A record of everything at once, and the disk after it."""
    tmp_path = tmp_path_factory.mktemp("cut")
    if os.environ.get("TRANSECT_DATABASE_URL", "sqlite:").startswith("postgres"):
        pytest.skip(ELSEWHERE)
    scratch = tmp_path / "clips"
    scratch.mkdir()
    try:
        with Disk(tmp_path / "d", KIND) as disk:
            station = Station(disk.folder / "data")
            station.log = tmp_path / "recorded.log"
            try:
                station.start()
                station.admin_token = station.add_user("admin", "--admin")
                known = disk.position
                ground = Ground(disk, station, corpus["h264_cfr25"]["path"], scratch)
                ground.known = known
                record(ground)
            finally:
                station.kill()
        yield ground
        for path in (disk.store, disk.log):
            path.unlink()
    except NotPermitted:
        pytest.skip(NOT_PERMITTED)


def record(ground):
    # Two of a kind have names of their own: each counts by twos.
    crew = [Worker(ground, lambda ground, number, work=work, at=at: work(ground, number * len(WORK) + at))
            if WORK.count(work) > 1 else Worker(ground, work) for at, work in enumerate(WORK)]
    for worker in crew:
        worker.start()
    deadline = time.monotonic() + 120
    while not ground.ledger.done() and not ground.stop.is_set():
        assert time.monotonic() < deadline, {kind: len(ground.ledger.moments(kind)) for kind in ENOUGH}
        time.sleep(0.05)
    ground.stop.set()
    for worker in crew:
        worker.join(60)
        assert worker.problem is None, (worker.problem, ground.station.log_tail())
    ground.end = ground.disk.position


def moments(ground, dice, count):
    """When to cut: at once behind an answer, of every kind in turn, or anywhere."""
    kinds = [*ENOUGH, "part"]
    behind = [dice.choice(ground.ledger.moments(kinds[n % len(kinds)])) for n in range(count - count // 3)]
    return sorted([ground.known] + behind[1:] + [dice.randrange(ground.start, ground.end) for _ in range(count // 3)])


# ---------------------------------------------------------------- after the cut


def check(ground, folder, position):
    """Starts a station on what the cut left, and compares."""
    station = Station(folder / "data")
    station.log, station.admin_token = ground.scratch / "after.log", ground.station.admin_token
    try:
        station.start()
        insist(station.http("GET", "/rest/User/GetCurrent", station.admin_token).status_code == 200, "the account is gone")
        if position < ground.start:
            return
        check_objects(ground, station, position)
        check_annotations(ground, station, position)
        check_media(ground, station, position)
        findings = station.lines("doctor", "--scrub", check=False)
        insist(all(row["level"] != "failed" for row in findings), findings)
        assert station.stop() == 0
    finally:
        station.kill()


def check_objects(ground, station, position):
    s3 = client_of({**ground.key, "endpoint": make_key(station)["endpoint"]})
    for name, values in ground.ledger.at(position, "large", "small", "overwritten", "parts").items():
        try:
            found = body(s3.get_object(Bucket="cut", Key=name))
        except s3.exceptions.NoSuchKey:
            insist(ABSENT in values, name, "is gone")
            continue
        except ClientError as error:
            raise Lost(name, str(error)) from None
        insist(found in [content(*value) for value in values if value != ABSENT], name, len(found), values)
    check_uploads(ground, s3, position)


def check_uploads(ground, s3, position):
    """Parts that were acknowledged are there until the whole is asked for; the upload can be ended with them."""
    whole = ground.ledger.at(position, "parts")
    uploads = {}
    for (upload, name, part), values in ground.ledger.at(position, "part").items():
        if name not in whole or whole[name] == [ABSENT]:
            uploads.setdefault((upload, name), []).extend((part, value) for value in values if value != ABSENT and ABSENT not in values)
    for (upload, name), parts in uploads.items():
        if not parts:
            continue
        where = {"Bucket": "cut", "Key": name, "UploadId": upload}
        chosen = [{"PartNumber": part, "ETag": etag} for part, etag in parts]
        try:
            s3.complete_multipart_upload(**where, MultipartUpload={"Parts": chosen})
        except ClientError as error:
            raise Lost(name, chosen, str(error)) from None
        expected = content(4_000_000 + int(name.split("/")[1]), 11 * MIB)
        insist(body(s3.get_object(Bucket="cut", Key=name)) == expected[:len(parts) * 5 * MIB], name)


def check_annotations(ground, station, position):
    project = ground.scene.project
    path = f"/rest/Localizations/{project}?fields=id,attributes.Value,attributes.Batch"
    rows = station.http("GET", path, station.admin_token).json()
    found = {}
    for row in rows:
        found.setdefault(row["attributes"]["Batch"], []).append(row["attributes"]["Value"])
    for batch, values in ground.ledger.at(position, "batch").items():
        there = found.pop(batch, [])
        insist(len(set(there)) <= 1 and len(there) in (0, BATCH), batch, "is there by half", there)
        insist((there[0] if there else ABSENT) in values, batch, there[:1], values)
    insist(not found, "nobody had written these by then", found)
    insist(station.http("GET", f"/rest/LocalizationCount/{project}", station.admin_token).json() == len(rows))


def check_media(ground, station, position):
    """An imported file is a media that gets ready, and has its pictures."""
    def rows():
        answer = station.http("GET", f"/rest/Medias/{ground.scene.project}", station.admin_token).json()
        return {row["name"]: row for row in answer if row["name"].startswith("clip") and not row["name"].startswith("clip ")}

    found = rows()
    for name, values in ground.ledger.at(position, "media").items():
        insist(ABSENT in values or name in found, name, "is gone")
        if name in found:
            path = f"/rest/FramePicture/{found[name]['id']}/3"
            answer = wait_for("a picture", lambda: shown(station, path), secs=20)
            insist(barcode.read_file(answer) == 3, name, "shows another picture")


def shown(station, path):
    answer = station.http("GET", path, station.admin_token)
    return answer.content if answer.status_code == 200 else None


def test_cuts(ground, tmp_path):
    print(f"TRANSECT_CRASH_SEED={SEED}")
    dice = random.Random(SEED)
    replay = Replay(ground.disk, tmp_path / "r")
    for number, position in enumerate(moments(ground, dice, CUTS)):
        share = (0.0, 0.5, 0.9)[number % 3]
        with Mounted(replay.cut(position, dice, share), tmp_path / "m") as folder:
            try:
                check(ground, folder, position)
            except Lost as lost:
                raise Lost(f"cut {number} at {position} of {ground.start}..{ground.end}, share {share}", *lost.args) from None


def test_a_disk_that_lies_is_found_out(ground, tmp_path):
    """What this file looks for is seen where it happens: on a disk that says that it flushed, and did not."""
    dice = random.Random(SEED)
    for kind in ("small", "batch"):
        (tmp_path / kind).mkdir()
        replay = Replay(ground.disk, tmp_path / kind / "r")
        told = max((entry for (this, _), told in ground.ledger.told.items() if this == kind for entry in told if entry[2]),
                   key=lambda entry: entry[2])
        with Mounted(replay.cut(told[2], dice, believed=told[1]), tmp_path / kind / "m") as folder, pytest.raises(Lost):
            check(ground, folder, told[2])
