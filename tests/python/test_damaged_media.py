"""Damaged and hostile media: each fails with a reason or shows the right pictures, and nobody else notices.

TRANSECT_MUTATIONS sets how many damaged files are tried (60), TRANSECT_MUTATION_SEED the first seed.
"""

import contextlib
import io
import json
import operator
import os
import pathlib
import sqlite3
import statistics
import struct
import subprocess
import sys

import barcode
import corpus as made
import huge
import long
import pytest
from mutate import mutate
from PIL import Image
from station import wait_for
from support import unique

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
COUNT = int(os.environ.get("TRANSECT_MUTATIONS", "60"))
FIRST = int(os.environ.get("TRANSECT_MUTATION_SEED", "1"))
BATCH = 20
NAMES = ["h264_cfr25", "h264_fragmented", "h264_open_gop", "h264_edit_list", "h264_mkv", "h264_ts", "hevc", "vp9", "vp8", "av1",
         "mpeg4", "mjpeg", "prores", "image_jpg", "image_png", "image_webp", "image_tiff", "image_avif"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Short clips: name → bytes and file name."""
    folder = tmp_path_factory.mktemp("whole")
    subprocess.run([sys.executable, FIXTURES / "corpus.py", folder, "--frames", "40", "--only", ",".join(NAMES)], check=True)
    entries = json.loads((folder / "corpus.json").read_text())["clips"]
    return [(folder / entry["path"]).read_bytes() for entry in entries], [entry["path"] for entry in entries]


def shown(path):
    """What ffmpeg shows: gray pictures, one after the other. With several threads it loses what comes behind damage."""
    command = ["ffmpeg", "-nostdin", "-v", "quiet", "-threads", "1", "-i", str(path), "-map", "0:v:0", "-vsync", "passthrough",
               "-vf", f"scale={made.WIDTH}:{made.HEIGHT}", "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    data = subprocess.run(command, stdout=subprocess.PIPE, check=False, timeout=120).stdout
    size = made.WIDTH * made.HEIGHT
    return [data[at:at + size] for at in range(0, len(data) - size + 1, size)]


def alike(picture, pixels):
    """Whether a picture file shows what these gray pixels show, as far as one can see."""
    with Image.open(io.BytesIO(picture)) as image:
        gray = image.convert("L").resize((made.WIDTH, made.HEIGHT))
    return statistics.fmean(map(abs, map(operator.sub, gray.tobytes(), pixels))) < 8


def readable(read, *arguments):
    try:
        return read(*arguments)
    except (barcode.Unreadable, OSError):
        return None


def look(station, media, path, count):
    """Complaints about the pictures of a media that could be indexed."""
    expected, complaints = shown(path), []
    for number in sorted({0, 1, count // 3, count // 2, count - 2, count - 1} & set(range(count))):
        answer = station.http("GET", f"/rest/FramePicture/{media}/{number}", station.admin_token)
        if answer.status_code != 200:
            if answer.status_code not in (400, 503) or not answer.json()["message"]:
                complaints.append(f"frame {number}: {answer.status_code} {answer.text[:200]}")
            continue
        seen = readable(barcode.read_file, answer.content)
        # A damaged bar may read as any number: then only the whole picture tells.
        others = [expected[number]] if len(expected) == count else expected
        numbers = [readable(barcode.read_pixels, pixels, made.WIDTH, made.HEIGHT) for pixels in others]
        right = seen is None or seen in numbers or any(alike(answer.content, pixels) for pixels in others)
        if expected and not right:
            complaints.append(f"frame {number} shows {seen}, not {numbers}")
    return complaints


def test_damaged_files_fail_with_a_reason_or_show_what_they_hold(new_station, clips, tmp_path):
    station = new_station()
    contents, names = clips
    wrong, outcomes = [], {"ready": 0, "failed": 0}
    for begin in range(FIRST, FIRST + COUNT, BATCH):
        paths = []
        for seed in range(begin, min(begin + BATCH, FIRST + COUNT)):
            which = seed % len(names)
            path = tmp_path / f"{seed}_{names[which]}"
            path.write_bytes(mutate(contents[which], seed))
            paths.append(path)
        done = station.command("import", *paths, "--project", "Damaged", "--json", check=False, secs=60 * BATCH)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(rows) == len(paths), done.stderr
        for path, row in zip(paths, sorted(rows, key=lambda row: int(pathlib.Path(row["path"]).name.split("_")[0]))):
            media = row["media"]
            index = station.http("GET", f"/rest/FrameIndex/{media}", station.admin_token).json()
            outcomes[index["state"]] = outcomes.get(index["state"], 0) + 1
            if index["state"] == "failed" and index["message"]:
                continue
            if index["state"] != "ready":
                wrong.append(f"{path.name}: {index['state']} {index['message']!r}")
                continue
            wrong += [f"{path.name}: {complaint}" for complaint in look(station, media, path, index["num_frames"])]
            path.unlink()
    assert station.alive and not wrong, f"{outcomes}: {wrong}"
    assert outcomes["ready"] >= COUNT // 10 and outcomes["failed"] >= COUNT // 10, outcomes
    assert station.stop() == 0


def test_lists_open_nothing(station, admin, clips, tmp_path):
    """A file that names others (HLS, concat) is no media, whatever it is called."""
    secret = tmp_path / "secret.mp4"
    secret.write_bytes(clips[0][0])
    texts = [f"#EXTM3U\n#EXTINF:1,\n{secret}\n#EXT-X-ENDLIST\n", f"#EXTM3U\n#EXTINF:1,\nfile:{secret}\n#EXT-X-ENDLIST\n",
             f"#EXTM3U\n#EXTINF:1,\nconcat:{secret}\n#EXT-X-ENDLIST\n", f"ffconcat version 1.0\nfile '{secret}'\n",
             f"file '{secret}'\n", "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"]
    paths = []
    for number, text in enumerate(texts):
        for ending in ("mp4", "ts", "mkv"):
            paths.append(tmp_path / f"list{number}.{ending}")
            paths[-1].write_text(text)
    done = station.command("import", *paths, "--project", unique("Lists"), "--json", check=False)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == len(paths)
    for row in rows:
        index = station.http("GET", f"/rest/FrameIndex/{row['media']}", station.admin_token).json()
        assert (index["state"], index["num_frames"]) == ("failed", 0), row
        assert index["message"], row


def test_the_doctor_proves_frames(new_station, clips, tmp_path):
    station = new_station()
    contents, names = clips
    path = tmp_path / names[0]
    path.write_bytes(contents[0])
    media = station.lines("import", path, "--project", "Proven")[0]["media"]
    wait_for("it to be indexed", lambda: station.http("GET", f"/rest/Media/{media}", station.admin_token).json()["width"])

    def prove(**options):
        return station.lines("doctor", "frames", media, **options)[0]

    proof = prove()
    assert (proof["frames"], proof["packets"], proof["mismatch_count"], proof["mismatches"]) == (40, 40, 0, [])
    assert proof["hashes"] >= 2 and proof["random_access"] == proof["key_frames"] == 2
    said = station.command("doctor", "frames", media).stdout
    assert "every frame is what its number says" in said and "all 2 key frames were looked at" in said
    assert station.stop() == 0
    assert prove() == proof, "the same without a station"
    # Another clip in its place.
    path.write_bytes(contents[2])
    done = station.command("doctor", "frames", media, check=False)
    assert done.returncode == 1 and "MISMATCH the file has changed" in done.stdout
    assert station.command("doctor", "frames", 4_000_000, check=False).returncode == 1


def padded(data, size):
    """The clip with so many bytes of filler (NAL type 12) before each picture; one track, and its pictures in one piece."""
    at = data.index(b"stsz") + 12
    count = struct.unpack(">I", data[at:at + 4])[0]
    sizes = struct.unpack(f">{count}I", data[at + 4:at + 4 + 4 * count])
    first = min(huge.chunk_offsets(data))
    filler = struct.pack(">IB", size, 12) + b"\xff" * (size - 1)
    media, place = b"", first
    for length in sizes:
        media += filler + data[place:place + length]
        place += length
    grown = struct.pack(f">{count}I", *(length + len(filler) for length in sizes))
    return data[:first - 8] + struct.pack(">I4s", len(media) + 8, b"mdat") + media + \
        data[place:at + 4] + grown + data[at + 4 + 4 * count:]


def test_key_frames_are_looked_at_in_idle_time(new_station, tmp_path):
    small, path = tmp_path / "small.mp4", tmp_path / "long.mp4"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x48:r=30", "-frames:v", "10", "-c:v", "libx264", "-pix_fmt",
               "yuv420p", "-g", "1", str(small)]
    subprocess.run(command, check=True)
    # It takes longer to look at these pictures than an import may.
    small.write_bytes(padded(small.read_bytes(), 6 << 20))
    long.make(small, path, 800)
    station = new_station(environment={"TRANSECT_FRAMES_INSPECT_AFTER_SECS": "0"})
    media = station.lines("import", path, "--project", "Idle")[0]["media"]

    def index():
        return station.http("GET", f"/rest/FrameIndex/{media}", station.admin_token).json()

    def unverified():
        question = f"select unverified from media_source where media = {media}"
        if station.database:
            done = subprocess.run(["psql", "--no-psqlrc", "-At", "--command", question, station.database.url], check=True,
                                  stdout=subprocess.PIPE)
            return int(done.stdout)
        with contextlib.closing(sqlite3.connect(station.data / "transect.sqlite")) as base:
            return base.execute(question).fetchone()[0]

    before, left = index(), unverified()
    assert before["num_frames"] == len(before["key_frames"]) == 8000
    assert 0 < left < 8000
    assert station.stop() == 0
    station.environment["TRANSECT_FRAMES_INSPECT_AFTER_SECS"] = "1"
    station.start()
    wait_for("all key frames to be looked at", lambda: unverified() == 0)
    assert index() == before, "frames and what identifies them stay what they were"


def test_the_doctor_says_what_confines_workers(station):
    findings = {finding["check"]: finding for finding in station.lines("doctor")}
    assert findings["confined"]["level"] == "ok", findings["confined"]
    assert "seccomp: full" in findings["confined"]["message"]
