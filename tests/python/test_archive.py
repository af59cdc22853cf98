"""Archives of media (type -1): what is in them becomes media; what should not be in them does nothing."""

import io
import os
import pathlib
import tarfile
import time
import zipfile

import barcode
import pytest
import tator
from renditions import finished, link_to, spec, work_files
from station import wait_for
from support import add_media_type, refused, unique

STILLS = ["image_jpg", "image_png"]


@pytest.fixture
def kinds(admin, project):
    return add_media_type(admin, project, "video"), add_media_type(admin, project, "image")


def pack_zip(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def pack_tar(path, members, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def read(clip):
    return pathlib.Path(clip["path"]).read_bytes()


def stills(corpus, folder="dive"):
    return [(f"{folder}/{pathlib.Path(corpus[name]['path']).name}", read(corpus[name])) for name in STILLS]


def send(api, project, path, **more):
    wanted = spec(-1, link_to(api, project, path), name=pathlib.Path(path).name, **more)
    answer = api.transcode(project, transcode_spec=wanted)
    assert answer.id == wanted["uid"] and answer.object["job"]["media_ids"] == []
    return wanted


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz"])
def test_members_become_media(admin, project, corpus, kinds, tmp_path, suffix):
    members = [*stills(corpus), ("notes.txt", b"not a picture"), ("dive/clip.mp4", read(corpus["h264_cfr25"]))]
    path = tmp_path / f"dive.{suffix}"
    pack_zip(path, members) if suffix == "zip" else pack_tar(path, members, "w:gz" if suffix == "tar.gz" else "w")
    wanted = send(admin, project, path, section="Leg 3")
    done = finished(admin, wanted["uid"])
    assert done.job.status == "succeeded", done.job.nodes
    assert "notes.txt (it is no video or image)" in done.job.nodes[0].message
    rows = {row.name: row for row in admin.get_media_list(project)}
    assert set(rows) == {"image_jpg.jpg", "image_png.png", "clip.mp4"}
    assert sorted(done.job.media_ids) == sorted(row.id for row in rows.values())
    assert {row.gid for row in rows.values()} == {wanted["gid"]}
    assert {admin.get_section(row.primary_section).name for row in rows.values()} == {"Leg 3"}
    assert [rows["clip.mp4"].type, rows["image_png.png"].type] == list(kinds)
    for name in STILLS:
        row = rows[pathlib.Path(corpus[name]["path"]).name]
        media = wait_for("the picture", lambda row=row: (lambda one: one if one.width else None)(admin.get_media(row.id)))
        assert barcode.read_file(admin.get_frame(media.id, frames=[0])) == corpus[name]["first"]
    transcodes = admin.get_transcode_list(project, gid=wanted["gid"])
    assert len(transcodes) == 2  # the archive's, and the video's own
    own = next(one for one in transcodes if one.job.uid != wanted["uid"])
    assert finished(admin, own.job.uid).job.status == "succeeded"
    media = admin.get_media(rows["clip.mp4"].id)
    assert own.job.media_ids == [media.id] and media.num_frames == 120 and len(media.media_files.streaming) == 2


def test_what_leads_out_of_an_archive_is_left_out(admin, project, corpus, kinds, tmp_path, station):
    picture = read(corpus["image_png"])
    path = tmp_path / "odd.tar"
    with tarfile.open(path, "w") as archive:
        for name in ("../../escaped.png", "/tmp/absolute.png", "good.png", "inner.zip", "._good.png"):
            info = tarfile.TarInfo(name)
            info.size = len(picture)
            archive.addfile(info, io.BytesIO(picture))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    done = finished(admin, send(admin, project, path)["uid"])
    assert done.job.status == "succeeded"
    message = done.job.nodes[0].message
    for reason in ("../../escaped.png (its name leads out of the archive)", "/tmp/absolute.png (its name leads", "link.png (it is a link",
                   "inner.zip (an archive within an archive is not unpacked)"):
        assert reason in message
    assert [row.name for row in admin.get_media_list(project)] == ["good.png"]
    assert not list(pathlib.Path(station.data).rglob("*escaped*")) and not os.path.exists("/tmp/absolute.png")


def test_bombs_and_rubbish_fail_and_say_why(admin, project, kinds, tmp_path):
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("zeros.bmp", "w", force_zip64=True) as member:
            for _ in range(80):
                member.write(bytes(1 << 20))
    texts = pack_zip(tmp_path / "texts.zip", [("a.txt", b"a"), ("b.csv", b"b")])
    rubbish = tmp_path / "rubbish.zip"
    rubbish.write_bytes(b"this is no archive " * 100)
    cut = tmp_path / "cut.zip"
    cut.write_bytes(bomb.read_bytes()[:-40])
    for path, reason in [(bomb, "transcode.archive_ratio"), (texts, "no video or image in the archive"),
                         (rubbish, "tar, tar.gz or zip"), (cut, "damaged")]:
        done = finished(admin, send(admin, project, path)["uid"])
        assert done.job.status == "failed"
        failed, = [node for node in done.job.nodes if node.status == "failed"]
        assert reason in failed.message
    assert admin.get_media_count(project) == 0


def test_an_archive_needs_the_right_and_a_file(admin, members, project, corpus, kinds, tmp_path):
    path = pack_zip(tmp_path / "a.zip", stills(corpus))
    url = link_to(admin, project, path)
    refused(403, members.editor.api.transcode, project, transcode_spec=spec(-1, url))
    refused(400, admin.transcode, project, transcode_spec=spec(-1, ""))
    media = admin.create_media_list(project, body={"type": kinds[0], "name": "x.mp4", "md5": ""}).id
    refused(400, admin.transcode, project, transcode_spec=spec(-1, url, media_id=media))
    assert finished(members.transferrer.api, members.transferrer.api.transcode(project, transcode_spec=spec(-1, url)).id).job.status == "succeeded"


def test_a_killed_station_imports_every_member_once(new_station, corpus, tmp_path):
    station = new_station()
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "Archive"}).id
    project = api.create_project(project_spec={"name": "Archive", "organization": organization}).id
    add_media_type(api, project, "image")
    picture = read(corpus["image_png"])
    names = [f"{n:04d}.png" for n in range(400)]
    wanted = send(api, project, pack_tar(tmp_path / "many.tar", [(name, picture) for name in names]))
    for least in (20, 120):
        wait_for("some members", lambda least=least: api.get_media_count(project) >= least, pause=0.01)
        station.kill()
        station.start()
        api = tator.get_api(station.url, station.admin_token)
    done = finished(api, wanted["uid"])
    assert done.job.status == "succeeded" and len(done.job.media_ids) == 400
    assert [row.name for row in api.get_media_list(project)] == names
    assert [path for path in work_files(station) if path.is_file()] == []
    assert station.stop() == 0


def test_a_canceled_import_stops(new_station, corpus, tmp_path):
    station = new_station()
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": "Archive"}).id
    project = api.create_project(project_spec={"name": "Archive", "organization": organization}).id
    add_media_type(api, project, "image")
    picture = read(corpus["image_png"])
    wanted = send(api, project, pack_tar(tmp_path / "many.tar", [(f"{n:04d}.png", picture) for n in range(2000)]))
    wait_for("some members", lambda: api.get_media_count(project) >= 5, pause=0.01)
    assert api.delete_transcode(wanted["uid"]).message == "Successfully canceled 1 jobs!"
    time.sleep(1)
    count = api.get_media_count(project)
    assert count < 2000 and api.get_transcode_list(project) == []
    wait_for("the work files to go", lambda: not [path for path in work_files(station) if path.is_file()])
    assert api.get_media_count(project) == count
