"""Recordings of several files: chapters are joined by an import, and frames of a `concat` are those of its parts, counted on."""

import io
import json
import os
import struct
import subprocess

import barcode
import corpus as made
import pytest
from PIL import Image
from support import unique

X264 = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "15", "-bf", "2"]
JOIN, END = 40, 70


def chapter(path, first, count, filters=None):
    made.encode(path, count, "30", X264, filters=filters, first=first)
    return path


def pictures(answer, columns, rows):
    """The numbers in a grid of pictures."""
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as grid:
        width, height = grid.width // columns, grid.height // rows
        numbers = []
        for at in range(columns * rows):
            out = io.BytesIO()
            left, top = at % columns * width, at // columns * height
            grid.crop((left, top, left + width, top + height)).convert("RGB").save(out, "PNG")
            numbers.append(barcode.read_file(out.getvalue()))
        return numbers


def packets(answer):
    assert answer.status_code == 200, answer.text
    length, = struct.unpack("<I", answer.content[:4])
    return json.loads(answer.content[4:4 + length])["packets"]


class Film:
    def __init__(self, station, media):
        self.station, self.media = station, media

    def get(self, path):
        return self.station.http("GET", f"/rest/{path}", self.station.admin_token)

    def number(self, frame):
        answer = self.get(f"FramePicture/{self.media}/{frame}?format=png")
        assert answer.status_code == 200, answer.text
        return barcode.read_file(answer.content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("card")
    chapter(folder / "GX010042.MP4", 0, JOIN)
    chapter(folder / "GX020042.MP4", JOIN, END - JOIN)
    return folder


@pytest.fixture(scope="module")
def joined(station, folder):
    lines = station.lines("import", folder, "--project", unique("Chapters"))
    assert [line["state"] for line in lines] == ["ready", "ready", "joined"], lines
    assert "joined 2 chapters of one recording: GX010042.MP4, GX020042.MP4" in lines[2]["message"]
    assert lines[2]["num_frames"] == END
    film = Film(station, lines[2]["media"])
    film.parts = [line["media"] for line in lines[:2]]
    return film


def test_the_recording_is_one_media(admin, joined):
    media, parts = admin.get_media(joined.media), [admin.get_media(part) for part in joined.parts]
    assert (media.name, media.num_frames, media.codec, media.width) == ("GX0042.MP4", END, "h264", made.WIDTH)
    assert [part.id for part in media.media_files.concat] == joined.parts
    assert [part.timestampOffset for part in media.media_files.concat] == [0, pytest.approx(JOIN / 30)]
    assert media.media_files.thumbnail[0].mime == "image/jpeg"
    assert media.primary_section is None
    assert {admin.get_section(part.primary_section).name for part in parts} == {"Parts of joined recordings"}


def test_its_proof_is_that_of_its_parts(station, joined):
    done = station.command("doctor", "frames", joined.media, check=False)
    assert done.returncode == 1 and all(f"transect doctor frames {part}" in done.stderr for part in joined.parts), done


def test_its_index_counts_on(joined):
    index = joined.get(f"FrameIndex/{joined.media}").json()
    assert (index["state"], index["num_frames"]) == ("ready", END)
    steps = {after - before for before, after in zip(index["pts"], index["pts"][1:])}
    assert len(index["pts"]) == END and len(steps) == 1, steps
    assert index["key_frames"] == [0, 15, 30, JOIN, JOIN + 15]
    assert index["codec_string"].startswith("avc1.")
    assert index["duration"] == pytest.approx(END / 30)
    parts = [joined.get(f"FrameIndex/{part}").json()["fingerprint"] for part in joined.parts]
    assert index["fingerprint"] not in parts


def test_its_pictures(joined):
    for frame in (0, JOIN - 1, JOIN, JOIN + 1, END - 1, 7):
        assert joined.number(frame) == frame
    answer = joined.get(f"FramePicture/{joined.media}/{END}")
    assert answer.status_code == 400 and f"{END} frames" in answer.text
    frames = [JOIN - 1, JOIN, 3, END - 1]
    grid = joined.get(f"GetFrame/{joined.media}?frames={','.join(map(str, frames))}&tile=2x2&format=png")
    assert pictures(grid, 2, 2) == frames
    alone = joined.get(f"GetFrame/{joined.media}?frames={JOIN + 2}&format=png")
    assert barcode.read_file(alone.content) == JOIN + 2
    assert joined.get(f"GetFrame/{joined.media}?frames={END}").status_code == 400


def test_its_packets(joined):
    found = packets(joined.get(f"FramePackets/{joined.media}?first={JOIN - 3}&last={JOIN + 4}"))
    assert set(range(JOIN - 3, JOIN + 5)) <= {packet["frame"] for packet in found}
    assert found[0]["key"] and found[0]["frame"] <= JOIN - 3
    first = next(packet for packet in found if packet["frame"] == JOIN)
    assert first["key"]
    part = joined.get(f"FramePackets/{joined.parts[1]}?first=5&last=5").content
    whole = joined.get(f"FramePackets/{joined.media}?first={JOIN + 5}&last={JOIN + 5}").content
    assert part[-200:] == whole[-200:]
    assert joined.get(f"FramePackets/{joined.media}?first={END}&last={END}").status_code == 400


def test_its_clips(admin, joined, tmp_path):
    clip = admin.get_clip(joined.media, frame_ranges=[f"{JOIN + 1}:{JOIN + 3}"])
    assert (clip.segment_start_frames, clip.segment_end_frames) == ([JOIN], [JOIN + 24])
    path = tmp_path / "clip.mp4"
    path.write_bytes(joined.station.http("GET", clip.file.path[clip.file.path.index("/", 8):], joined.station.admin_token).content)
    assert made.numbers_shown(path) == list(range(JOIN, JOIN + 25))
    before = admin.get_clip(joined.media, frame_ranges=[f"{JOIN - 1}:{JOIN - 1}"])
    assert (before.segment_start_frames, before.segment_end_frames) == ([25], [JOIN - 1])


def shown(station, clip, path):
    """The numbers in the pictures of a clip, and its file."""
    path.write_bytes(station.http("GET", clip.file.path[clip.file.path.index("/", 8):], station.admin_token).content)
    return made.numbers_shown(path)


def size_of(path):
    found = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "stream=width,height", "-of", "csv=p=0", path],
                           capture_output=True, text=True, check=True)
    return tuple(map(int, found.stdout.strip().split(",")))


def presentation_times(path):
    found = subprocess.run(["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=pts_time", "-of", "csv=p=0", path],
                           capture_output=True, text=True, check=True)
    return [float(line.strip(",")) for line in found.stdout.split()]


def test_clips_over_the_join(admin, joined, tmp_path):
    clip = admin.get_clip(joined.media, frame_ranges=[f"{JOIN - 1}:{JOIN + 1}"])
    assert (clip.segment_start_frames, clip.segment_end_frames) == ([25, JOIN], [JOIN - 1, JOIN + 24])
    path = tmp_path / "over.mp4"
    assert shown(joined.station, clip, path) == list(range(25, JOIN + 25))
    # Each is shown for as long as in its file, also the last before the join.
    times = presentation_times(path)
    assert times == pytest.approx([at / 30 for at in range(len(times))], abs=1e-4)
    # Some of each, with a hole.
    clip = admin.get_clip(joined.media, frame_ranges=["2:3", f"{JOIN + 26}:{END - 1}"])
    assert shown(joined.station, clip, tmp_path / "holes.mp4") == [*range(25), *range(JOIN + 25, END)]
    answer = joined.get(f"GetClip/{joined.media}?frame_ranges={JOIN}:{END}")
    assert answer.status_code == 400 and f"last frame is {END - 1}" in answer.text


def test_what_is_joined_has_files(admin, joined):
    """A recording of recordings is refused, from either end."""
    media = admin.get_media(joined.media)

    def patched(target, parts):
        return joined.station.http("PATCH", f"/rest/Media/{target}", joined.station.admin_token,
                                   json={"concat": [{"id": part, "timestampOffset": 0} for part in parts]})

    other, third = (admin.create_media_list(media.project, body={"type": media.type, "name": unique("Nested"), "md5": ""}).id
                    for _ in range(2))
    answer = patched(other, [joined.media])
    assert answer.status_code == 400 and f"media {joined.media} is joined of others itself" in answer.text
    assert str(joined.parts) in answer.text
    assert patched(other, [third]).status_code == 200
    answer = patched(third, [joined.parts[0]])
    assert answer.status_code == 400 and f"media {third} is a part of media {other}" in answer.text


def test_graphics_of_it(admin, joined):
    project = admin.get_media(joined.media).project
    kind = next(one for one in admin.get_localization_type_list(project) if one.dtype == "box").id
    boxes = [{"type": kind, "media_id": joined.media, "frame": frame, "x": 0, "y": 0, "width": 1, "height": 1}
             for frame in (JOIN - 1, JOIN)]
    ids = admin.create_localization_list(project, body=boxes).id
    for one, frame in zip(ids, (JOIN - 1, JOIN)):
        assert barcode.read_file(admin.get_localization_graphic(one)) == frame


def test_rights(joined, people):
    for path in (f"FrameIndex/{joined.media}", f"FramePicture/{joined.media}/{JOIN}"):
        assert joined.station.http("GET", f"/rest/{path}").status_code == 400, "nobody is signed in"
        assert joined.station.http("GET", f"/rest/{path}", people.stranger.token).status_code == 403


def test_imported_again_and_apart(station, admin, folder):
    name = unique("Again")
    apart = station.lines("import", folder, "--project", name, "--no-join")
    assert [line["state"] for line in apart] == ["ready", "ready"]
    states = [[line["state"] for line in station.lines("import", folder, "--project", name)] for _ in range(2)]
    assert states == [["skipped", "skipped", "joined"], ["skipped", "skipped"]]
    said = station.command("import", folder, "--project", unique("Words")).stdout
    assert "joined 2 chapters" in said and "2 imported, 0 there already, 0 failed" in said


def test_only_what_belongs_together_is_joined(station, tmp_path):
    """Another size is another recording; mere numbers are believed only where one file ends as the next begins."""
    mixed, numbers = tmp_path / "mixed", tmp_path / "numbers"
    mixed.mkdir()
    numbers.mkdir()
    chapter(mixed / "GX010001.MP4", 0, 20)
    chapter(mixed / "GX020001.MP4", 20, 20, filters="scale=160:96")
    lines = station.lines("import", mixed, "--project", unique("Mixed"))
    assert [line["state"] for line in lines] == ["ready", "ready", "skipped"]
    assert "another codec or size" in lines[2]["message"]
    for at in (1, 2):
        path = chapter(numbers / f"dive_00{at}.mp4", at * 30, 30)
        os.utime(path, (1_700_000_000 + 100 * at,) * 2)
    assert len(station.lines("import", numbers, "--project", unique("Numbers"))) == 2
    os.utime(numbers / "dive_002.mp4", (1_700_000_101,) * 2)
    lines = station.lines("import", numbers, "--project", unique("Numbers"))
    assert [line["state"] for line in lines] == ["ready", "ready", "joined"]
    assert lines[2]["path"] == str(numbers / "dive.mp4")


def test_parts_of_another_size(station, admin, tmp_path):
    """Pictures come at the size of the first part; packets of both are no stream."""
    chapter(tmp_path / "a.mp4", 0, 20)
    chapter(tmp_path / "b.mp4", 20, 20, filters="scale=160:96")
    name = unique("Sizes")
    parts = [line["media"] for line in station.lines("import", tmp_path, "--project", name)]
    project = admin.get_media(parts[0]).project
    kind = admin.get_media(parts[0]).type
    media = admin.create_media_list(project, body={"type": kind, "name": "both.concat", "md5": ""}).id
    film = Film(station, media)
    assert film.get(f"FrameIndex/{media}").json()["state"] == "failed"
    concat = [{"id": part, "timestampOffset": at * 20 / 30} for at, part in enumerate(parts)]
    admin.update_media(media, media_update={"concat": concat})
    index = film.get(f"FrameIndex/{media}").json()
    assert (index["num_frames"], index["codec_string"], index["width"]) == (40, None, made.WIDTH)
    assert index["pts"] == sorted(set(index["pts"])) and len(index["pts"]) == 40
    assert [film.number(frame) for frame in (0, 19, 20, 39)] == [0, 19, 20, 39]
    grid = film.get(f"GetFrame/{media}?frames=19,20&tile=2x1&format=png")
    assert pictures(grid, 2, 1) == [19, 20]
    clip = admin.get_clip(media, frame_ranges=["18:21"])
    path = tmp_path / "clip.mp4"
    assert shown(station, clip, path) == list(range(40))
    with Image.open(io.BytesIO(film.get(f"FramePicture/{media}/0?format=png").content)) as first:
        assert size_of(path) == first.size
    answer = film.get(f"FramePackets/{media}?first=18&last=21")
    assert answer.status_code == 400 and "encoded differently from frame 20 on" in answer.text
    assert {20, 21} <= {packet["frame"] for packet in packets(film.get(f"FramePackets/{media}?first=20&last=21"))}
    admin.delete_media(parts[1])
    answer = film.get(f"FramePicture/{media}/0")
    assert answer.status_code == 400 and f"media {parts[1]} is gone" in answer.text
