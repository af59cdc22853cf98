"""`transect import`: files are annotated where they are."""

import hashlib
import os
import pathlib
import shutil

import barcode
import pytest
import tator
from station import wait_for
from support import refused, unique

GOOD = ["h264_cfr25", "h264_vfr_mkv", "vp9", "mpeg4", "image_png", "image_jpg"]


def fingerprints(folder):
    return {path: (path.stat().st_size, path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted(pathlib.Path(folder).rglob("*")) if path.is_file()}


@pytest.fixture
def disk(corpus, tmp_path):
    """A folder as a recorder leaves it: a subfolder, a blank and an umlaut in a name."""
    folder = tmp_path / "disk"
    (folder / "cam 2").mkdir(parents=True)
    for n, name in enumerate(GOOD):
        source = pathlib.Path(corpus[name]["path"])
        target = folder / ("cam 2" if n % 2 else "") / (f"Tauchgang Ü {source.name}" if n == 1 else source.name)
        shutil.copy2(source, target)
    return folder


@pytest.fixture
def broken(disk):
    """Adds what is no video, and returns the paths."""
    good = (disk / "h264_cfr25.mp4").read_bytes()
    files = {"empty.mp4": b"", "noise.mp4": os.urandom(50_000), "half a header.mp4": good[:300],
             "text.mov": b"this is not a film\n" * 100, "noise.jpg": os.urandom(2_000)}
    for name, content in files.items():
        (disk / name).write_bytes(content)
    return [disk / name for name in files]


def import_folder(station, folder, project, *options):
    return station.lines("import", folder, "--project", project, *options, check=False, secs=300)


def project_named(api, name):
    return next(row.id for row in api.get_project_list() if row.name == name)


def test_files_stay_where_and_as_they_are(station, admin, disk, corpus):
    before, there = fingerprints(disk), set(fingerprints(station.data))
    name = unique("Dive 12")
    rows = import_folder(station, disk, name)
    assert {row["path"] for row in rows} == {str(path) for path in before}
    project = project_named(admin, name)
    listed = {row.id: row for row in admin.get_media_list(project)}
    assert {row["media"] for row in rows} == set(listed)
    for row in rows:
        assert row["state"] in ("indexing", "ready")
        assert listed[row["media"]].name == pathlib.Path(row["path"]).name
    for clip in (corpus["h264_cfr25"], corpus["vp9"]):
        made, = [row["media"] for row in rows if pathlib.Path(row["path"]).name == pathlib.Path(clip["path"]).name]
        for frame in (0, 63, clip["frames"] - 1):
            assert barcode.read_file(admin.get_frame(made, frames=[frame])) == frame
    assert fingerprints(disk) == before
    contents = {mark[2] for mark in before.values()}
    copies = [path for path, mark in fingerprints(station.data).items() if mark[2] in contents and path not in there]
    assert copies == []


def test_corrupt_files_are_named_and_harm_nothing(station, admin, disk, broken):
    before = fingerprints(disk)
    name = unique("Dive 13")
    rows = {row["path"]: row for row in import_folder(station, disk, name)}
    assert set(rows) == {str(path) for path in before}
    for path in broken:
        row = rows.pop(str(path))
        assert row["state"] == "failed" and row["message"].strip(), row
    assert {row["state"] for row in rows.values()} <= {"indexing", "ready"}
    assert admin.get_media_count(project_named(admin, name)) >= len(GOOD)
    good = next(row["media"] for path, row in rows.items() if path.endswith("/h264_cfr25.mp4"))
    assert barcode.read_file(admin.get_frame(good, frames=[99])) == 99
    assert fingerprints(disk) == before


def test_exit_code_tells(station, disk, broken, tmp_path):
    fine = station.command("import", disk / "h264_cfr25.mp4", "--project", unique("P"), "--json", check=False)
    assert fine.returncode == 0
    bad = station.command("import", broken[1], "--project", unique("P"), "--json", check=False)
    assert bad.returncode == 1
    missing = station.command("import", tmp_path / "nowhere", "--project", unique("P"), check=False)
    assert missing.returncode in (1, 2) and "nowhere" in missing.stderr


def test_into_a_section(station, admin, disk):
    name = unique("Dive 14")
    rows = import_folder(station, disk / "h264_cfr25.mp4", name, "--section", "Leg 1")
    media = admin.get_media(rows[0]["media"])
    assert admin.get_section(media.primary_section).name == "Leg 1"


def test_into_a_project_that_exists(station, admin, organization, disk):
    name = unique("Ours")
    project = admin.create_project(project_spec={"name": name, "organization": organization}).id
    import_folder(station, disk / "h264_cfr25.mp4", name)
    assert admin.get_media_count(project) == 1
    assert [row.name for row in admin.get_project_list()].count(name) == 1


def test_a_copy_outlives_its_source(station, admin, disk):
    source = disk / "h264_cfr25.mp4"
    rows = import_folder(station, source, unique("Dive 15"), "--copy")
    source.unlink()
    assert barcode.read_file(admin.get_frame(rows[0]["media"], frames=[77])) == 77


def test_a_source_that_went_away_and_came_back(station, admin, disk):
    source = disk / "h264_cfr25.mp4"
    made = import_folder(station, source, unique("Dive 16"))[0]["media"]
    assert barcode.read_file(admin.get_frame(made, frames=[7])) == 7
    source.rename(disk / "moved")
    answer = station.http("GET", f"/rest/GetFrame/{made}?frames=110", station.admin_token)
    assert answer.status_code == 400 and answer.headers["Content-Type"] == "image/png"
    told = station.http("GET", f"/rest/FramePicture/{made}/110", station.admin_token).json()["message"]
    assert "plug in its disk" in told and str(source) in told
    assert admin.get_media(made).id == made
    (disk / "moved").rename(source)
    wait_for("the picture to be back", lambda: station.http(
        "GET", f"/rest/GetFrame/{made}?frames=110", station.admin_token).status_code == 200)
    assert barcode.read_file(admin.get_frame(made, frames=[110])) == 110


def test_without_a_running_station(new_station, disk):
    station = new_station()
    assert station.stop() == 0
    rows = import_folder(station, disk, "Dive 17")
    assert len(rows) == len(GOOD)
    station.start()
    api = tator.get_api(station.url, station.admin_token)
    project = project_named(api, "Dive 17")
    assert sorted(row.id for row in api.get_media_list(project)) == sorted(row["media"] for row in rows)
    made = next(row["media"] for row in rows if row["path"].endswith("/h264_cfr25.mp4"))
    assert barcode.read_file(api.get_frame(made, frames=[31])) == 31


def test_two_stations_never_share_a_folder(station):
    second = station.command("serve", "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0", check=False, secs=60)
    assert second.returncode == 1
    assert str(station.process.pid) in second.stderr or str(station.data) in second.stderr
    assert station.http("GET", "/check-login/").status_code == 200


def test_everything_survives_a_restart(new_station, disk):
    station = new_station()
    rows = import_folder(station, disk, "Dive 18")
    address = station.listen
    assert station.stop() == 0
    station.start(listen=address)
    api = tator.get_api(station.url, station.admin_token)
    made = next(row["media"] for row in rows if row["path"].endswith("/h264_cfr25.mp4"))
    assert barcode.read_file(api.get_frame(made, frames=[31])) == 31
    assert api.get_media(made).num_frames == 120
    refused(404, api.get_media, 2_000_000_000)


def test_an_import_is_undone_whatever_the_station_found_out_since(station, admin, organization, disk):
    name = unique("Undone")
    project = admin.create_project(project_spec={"name": name, "organization": organization}).id
    rows = import_folder(station, disk, name)
    media = {row["media"] for row in rows}
    assert len(media) == len(GOOD) == len(admin.get_media_list(project))
    entries = [entry.id for entry in admin.get_journal(project, noun="media", limit=1000) if entry.action == "create"]
    admin.undo(project, undo_spec={"entries": entries})
    assert admin.get_media_list(project) == [] and all(path.exists() for path in fingerprints(disk))


def test_a_copy_is_made_once(station, admin, disk):
    name, source = unique("Copied"), disk / "h264_cfr25.mp4"
    first = import_folder(station, source, name, "--copy")[0]
    # Another folder, as the same card is put in again.
    other = disk.parent / "again"
    other.mkdir()
    shutil.copy2(source, other / source.name)
    for path in (source, other / source.name):
        row = import_folder(station, path, name, "--copy")[0]
        assert (row["state"], row["media"]) == ("skipped", first["media"])
    os.utime(source, (1, 1))
    assert import_folder(station, source, name, "--copy")[0]["state"] == "ready"
    assert admin.get_media_count(project_named(admin, name)) == 2


def test_annotations_stay_with_the_file_that_they_were_made_on(station, admin, disk, corpus):
    source, name = disk / "h264_cfr25.mp4", unique("Replaced")
    made = import_folder(station, source, name)[0]["media"]
    project = project_named(admin, name)
    again = lambda *options: import_folder(station, source, name, *options)[0]
    other = pathlib.Path(corpus["h264_vfr_mkv"]["path"]).read_bytes()
    original = source.read_bytes()
    # Nobody has said anything about it yet: then it is just another file.
    source.write_bytes(other)
    assert again()["state"] == "ready"
    source.write_bytes(original)
    assert again()["state"] == "ready"
    kind = next(one.id for one in admin.get_localization_type_list(project) if one.dtype == "box")
    box = admin.create_localization_list(project, body=[{"type": kind, "media_id": made, "frame": 77, "x": 0, "y": 0, "width": 1,
                                                         "height": 1}]).id[0]
    source.write_bytes(other)
    for _ in range(2):
        row = again()
        assert (row["state"], row["media"]) == ("failed", made) and "taken the place" in row["message"], row
        assert station.http("GET", f"/rest/FramePicture/{made}/77", station.admin_token).status_code == 400
    assert (admin.get_media(made).num_frames, admin.get_localization(box).frame) == (120, 77)
    source.write_bytes(original)
    assert again()["state"] == "ready" and barcode.read_file(admin.get_frame(made, frames=[77])) == 77
    source.write_bytes(other)
    assert again("--replace")["state"] == "ready"
    assert barcode.read_file(admin.get_frame(made, frames=[77])) == 77 and admin.get_localization(box).media == made


def test_the_doctor_misses_files_in_place(new_station, disk):
    station = new_station()
    assert [row for row in station.lines("doctor") if row["check"] == "in place"] == []
    import_folder(station, disk, "Dive 20")
    found = lambda: next(row for row in station.lines("doctor", check=False) if row["check"] == "in place")
    assert (found()["level"], found()["message"]) == ("ok", f"{len(GOOD)} files are where they were imported")
    (disk / "h264_cfr25.mp4").rename(disk / "elsewhere")
    os.utime(disk / "vp9.webm", (1, 1))
    row = found()
    assert row["level"] == "warning" and f"missing: {disk}/h264_cfr25.mp4" in row["message"]
    assert f"changed: {disk}/vp9.webm" in row["message"]
