"""Measures the release build against peers in the same run and prints one JSON object of ratios.

    TRANSECT_BIN=target/release/transect python3 bench.py [--only bulk,frames,start,transcode,remux] [--rounds 3] [--scratch DIR]

    bulk    rows a second of durable bulk create over REST, 500 a request, against SQLite in process with the same
            columns, an index for every declared attribute, `synchronous=full` and one commit for every 500 rows
    frames  a picture by number over HTTP against decord and a JPEG encoder: CPU a picture for random frames, median
            latency for steps of one and of fifteen; every picture's bar code is read
    start   cold start to the `ready` line, and the memory of the idle station (PSS of all its processes)
    transcode   CPU of making the streaming heights of a minute of 1080p against one ffmpeg command with the same settings;
            both results are decoded and every bar code is read
    remux   CPU of a copy without encoding (plain and fragmented, checked by decoding both ends) against that same ffmpeg
            command; beside it ffmpeg's own copy, which checks nothing

Who goes first is shuffled in every round; figures are medians over the rounds. `floor` beside a figure is what has
to hold before a change lands; nothing here fails on it. Needs the packages of requirements.txt, and ffmpeg.
"""

import argparse
import concurrent.futures
import http.client
import json
import os
import pathlib
import queue
import random
import resource
import shutil
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "python"), str(HERE.parent / "fixtures")]

import barcode  # noqa: E402
import corpus  # noqa: E402
from station import Station, wait_for  # noqa: E402

SEED = 20_260_101
BATCH = 500
CONNECTIONS = 4
JPEG_QUALITY = 85
CLIP = {"width": 1920, "height": 1080, "rate": 30, "frames": 600}
ATTRIBUTES = [{"name": "Species", "dtype": "string"}, {"name": "Count", "dtype": "int"}, {"name": "Length", "dtype": "float"},
              {"name": "Certain", "dtype": "bool"}]


# ---------------------------------------------------------------- the station, as a client sees it

class Client:
    """One keep-alive connection."""

    def __init__(self, station):
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(station.url).netloc, timeout=300)
        self.headers = {"Authorization": f"Token {station.admin_token}", "Content-Type": "application/json"}

    def send(self, method, path, body=None):
        self.connection.request(method, path, body, self.headers)
        answer = self.connection.getresponse()
        data = answer.read()
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path}: {answer.status} {data[:500]!r}")
        return data

    def json(self, method, path, body=None):
        return json.loads(self.send(method, path, None if body is None else json.dumps(body)))


def started(folder):
    station = Station(folder).start()
    station.admin_token = station.add_user("admin", "--admin")
    return station


def cpu_secs(station):
    """CPU time of the station and its workers so far, also of workers that have ended."""
    ticks = 0
    for pid in station.processes():
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
        if pid == station.process.pid:
            ticks += int(fields[13]) + int(fields[14])
    return ticks / os.sysconf("SC_CLK_TCK")


def pss_bytes(station):
    total = 0
    for pid in station.processes():
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


# ---------------------------------------------------------------- bulk create

def bulk_rows(count, media, kind):
    dice = random.Random(SEED)
    return [{"media_id": media, "type": kind, "frame": n // 10, "x": dice.random() / 2, "y": dice.random() / 2, "width": 0.1,
             "height": 0.2, "attributes": {"Species": f"species {dice.randrange(200)}", "Count": dice.randrange(1000),
                                           "Length": dice.random() * 100, "Certain": dice.random() < 0.5}} for n in range(count)]


def bulk_rest(station, count, number):
    """Returns rows a second, after checking that all are there and findable."""
    client = Client(station)
    organization = client.json("POST", "/rest/Organizations", {"name": f"Bench {number}"})["id"]
    project = client.json("POST", "/rest/Projects", {"name": f"Bulk {number}", "organization": organization})["id"]
    video = client.json("POST", f"/rest/MediaTypes/{project}", {"name": "video", "dtype": "video"})["id"]
    kind = client.json("POST", f"/rest/LocalizationTypes/{project}", {
        "name": "box", "dtype": "box", "media_types": [video], "attribute_types": ATTRIBUTES})["id"]
    media = client.json("POST", f"/rest/Medias/{project}", {"type": video, "name": "v.mp4", "md5": ""})["id"]
    rows = bulk_rows(count, media, kind)
    bodies = queue.Queue()
    for start in range(0, count, BATCH):
        bodies.put(json.dumps(rows[start:start + BATCH]).encode())
    path = f"/rest/Localizations/{project}"

    def work():
        own, answers = Client(station), []
        while True:
            try:
                body = bodies.get_nowait()
            except queue.Empty:
                return answers
            answers.append(own.send("POST", path, body))

    before, cpu = time.perf_counter(), cpu_secs(station)
    with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        parts = [pool.submit(work) for _ in range(CONNECTIONS)]
        answers = [answer for part in parts for answer in part.result()]
    wall, cpu = time.perf_counter() - before, cpu_secs(station) - cpu

    made = [row for answer in answers for row in json.loads(answer)["id"]]
    check(len(set(made)) == count == client.json("GET", f"/rest/LocalizationCount/{project}"), "rows are missing")
    wanted = sum(row["attributes"]["Count"] == 500 for row in rows)
    found = client.json("GET", f"/rest/LocalizationCount/{project}?type={kind}&attribute=Count::500")
    check(found == wanted, f"{found} rows found by attribute instead of {wanted}")
    return {"rows_per_s": count / wall, "cpu_us_per_row": cpu / count * 1e6}


def bulk_sqlite(folder, count):
    """The same rows into a table of the same columns and indexes, without HTTP or JSON on the way."""
    path = pathlib.Path(folder) / f"peer-{uuid.uuid4().hex}.db"
    base = sqlite3.connect(path, isolation_level=None)
    base.executescript("""
        pragma journal_mode = wal; pragma synchronous = full;
        create table localization (id integer primary key, project int, type int, media int, version int, elemental_id text,
            mark int, frame int, x real, y real, width real, height real, created_by int, created_at text, modified_by int,
            modified_at text, attributes text, species text, count int, length real, certain int);
        create index by_media on localization (media, frame); create index by_type on localization (project, type);
        create unique index by_identity on localization (version, elemental_id, mark);
        create index by_species on localization (type, species); create index by_count on localization (type, count);
        create index by_length on localization (type, length); create index by_certain on localization (type, certain);
    """)
    now = "2026-01-01T00:00:00.000Z"
    rows = []
    for n, row in enumerate(bulk_rows(count, 1, 1)):
        a = row["attributes"]
        rows.append((n + 1, 1, 1, 1, 1, str(uuid.uuid4()), 0, row["frame"], row["x"], row["y"], row["width"], row["height"], 1, now,
                     1, now, json.dumps(a), a["Species"], a["Count"], a["Length"], a["Certain"]))
    statement = f"insert into localization values ({','.join('?' * len(rows[0]))})"
    before, cpu = time.perf_counter(), time.process_time()
    for start in range(0, count, BATCH):
        base.execute("begin immediate")
        base.executemany(statement, rows[start:start + BATCH])
        base.execute("commit")
    wall, cpu = time.perf_counter() - before, time.process_time() - cpu
    check(base.execute("select count(*) from localization").fetchone() == (count,), "rows are missing in the peer")
    base.close()
    return {"rows_per_s": count / wall, "cpu_us_per_row": cpu / count * 1e6}


def bulk(arguments, dice, folder):
    station = started(folder / "bulk")
    ours, peer = [], []
    try:
        for number in range(arguments.rounds):
            turns = [lambda n=number: ours.append(bulk_rest(station, arguments.rows, n)),
                     lambda: peer.append(bulk_sqlite(folder, arguments.rows))]
            dice.shuffle(turns)
            for turn in turns:
                turn()
        check(station.stop() == 0, "the station did not end well")
    finally:
        station.remove()
    mine, theirs = median(ours, "rows_per_s"), median(peer, "rows_per_s")
    return {"bulk_create_rows_per_s": figure(mine / theirs, ">= 0.5", rest_rows_per_s=mine, sqlite_rows_per_s=theirs,
                                             rest_cpu_us_per_row=median(ours, "cpu_us_per_row"),
                                             sqlite_cpu_us_per_row=median(peer, "cpu_us_per_row"),
                                             rows=arguments.rows, connections=CONNECTIONS)}


# ---------------------------------------------------------------- frames

def make_clip(path, frames=CLIP["frames"]):
    """1080p30, closed groups of 30 with two B pictures, six megabits: what cameras write, with bar codes."""
    width, height = CLIP["width"], CLIP["height"]
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}",
               "-framerate", str(CLIP["rate"]), "-i", "-", "-vf", "noise=c0s=14:c0f=t:all_seed=3", "-c:v", "libx264", "-preset",
               "veryfast", "-b:v", "6M", "-g", "30", "-bf", "2", "-sc_threshold", "0", "-pix_fmt", "yuv420p", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        for number in range(frames):
            encoder.stdin.write(corpus.luma(number, width, height) + corpus.chroma(number, width, height))
        encoder.stdin.close()
    check(encoder.returncode == 0, "ffmpeg could not make the clip")


def sequences(count):
    """name → frame numbers, the same for everybody."""
    dice, last = random.Random(SEED), CLIP["frames"] - 1
    steps, jumps = [], []
    for _ in range(max(1, count // 40)):
        at = dice.randrange(60, last - 60)
        steps += [*range(at, at + 20), *range(at + 20, at, -1)]
    for _ in range(max(1, count // 20)):
        at = dice.randrange(60, last - 60)
        jumps += [at + dice.randint(-15, 15) for _ in range(20)]
    return {"random": dice.sample(range(last + 1), min(count, last + 1)), "step_1": steps, "step_15": jumps}


def timed(numbers, get):
    """Returns the wall time of each picture; their codes are read afterwards, off the clock."""
    walls, pictures = [], []
    for number in numbers:
        before = time.perf_counter()
        pictures.append(get(number))
        walls.append(time.perf_counter() - before)
    return walls, pictures


def check_pictures(numbers, pictures):
    wrong = [(n, seen) for n, seen in zip(numbers, (barcode.read_file(p) for p in pictures)) if n != seen]
    check(not wrong, f"wrong pictures (asked, got): {wrong[:5]}")


def picture_path(media, frame):
    return f"/rest/FramePicture/{media}/{frame}?format=jpg&quality={JPEG_QUALITY}"


def frames_ours(folder, clip, numbers_by_name):
    """One client of a station that nobody has asked yet, for each pattern: {name: {cpu_ms, p50_ms}}."""
    return {name: frames_of_one_pattern(folder, clip, numbers) for name, numbers in numbers_by_name.items()}


def frames_of_one_pattern(folder, clip, numbers):
    folder = pathlib.Path(tempfile.mkdtemp(dir=folder))
    station = started(folder / "data")
    try:
        media = station.lines("import", clip, "--project", "Bench", secs=300)[0]["media"]
        client = Client(station)
        wait_for("the clip to be indexed", lambda: client.json("GET", f"/rest/Media/{media}")["num_frames"] == CLIP["frames"])
        client.send("GET", picture_path(media, 0))
        settle(station)
        cpu = cpu_secs(station)
        walls, pictures = timed(numbers, lambda n: client.send("GET", picture_path(media, n)))
        settle(station)  # what it does ahead of the next request counts, too
        cpu_ms = (cpu_secs(station) - cpu) / len(numbers) * 1e3
        check_pictures(numbers, pictures)
        check(station.stop() == 0, "the station did not end well")
        return {"cpu_ms": cpu_ms, "p50_ms": statistics.median(walls) * 1e3}
    finally:
        station.remove()
        shutil.rmtree(folder, ignore_errors=True)


def frames_decord(clip, count):
    """The peer in a process of its own; see `peer`."""
    done = subprocess.run([sys.executable, __file__, "--peer", str(clip), "--pictures", str(count)],
                          stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def peer(clip, count):
    """decord, then a JPEG at the same quality."""
    import io

    import decord
    from PIL import Image
    reader = decord.VideoReader(clip)
    check(len(reader) == CLIP["frames"], "decord counts other frames")

    def get(number):
        out = io.BytesIO()
        Image.fromarray(reader[number].asnumpy()).save(out, "JPEG", quality=JPEG_QUALITY)
        return out.getvalue()

    get(0)
    result = {}
    for name, numbers in sequences(count).items():
        cpu = own_cpu_secs()
        walls, pictures = timed(numbers, get)
        result[name] = {"cpu_ms": (own_cpu_secs() - cpu) / len(numbers) * 1e3, "p50_ms": statistics.median(walls) * 1e3}
        check_pictures(numbers, pictures)
    return result


def own_cpu_secs():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def frames(arguments, dice, folder):
    clip = folder / "clip.mp4"
    make_clip(clip)
    numbers = sequences(arguments.pictures)
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        turns = [lambda: ours.append(frames_ours(folder, clip, numbers)), lambda: theirs.append(frames_decord(clip, arguments.pictures))]
        dice.shuffle(turns)
        for turn in turns:
            turn()

    def pick(rounds, name, key):
        return statistics.median(one[name][key] for one in rounds)

    result = {}
    for name, key, floor in (("random", "cpu_ms", "<= 0.6"), ("step_1", "p50_ms", "<= 0.1"), ("step_15", "p50_ms", "<= 0.1")):
        mine, other = pick(ours, name, key), pick(theirs, name, key)
        result[f"frames_{name}_{key}"] = figure(
            mine / other, floor, transect=mine, decord=other, pictures=len(numbers[name]),
            **({"transect_p50_ms": pick(ours, name, "p50_ms"), "decord_p50_ms": pick(theirs, name, "p50_ms")} if key == "cpu_ms" else
               {"transect_cpu_ms": pick(ours, name, "cpu_ms"), "decord_cpu_ms": pick(theirs, name, "cpu_ms")}))
    return result


# ---------------------------------------------------------------- start and idle

def settle(station):
    """Returns once the station has used no CPU worth naming for half a second."""
    def quiet():
        before = cpu_secs(station)
        time.sleep(0.5)  # the window that is measured
        return cpu_secs(station) - before <= 0.01
    wait_for("the station to be idle", quiet, secs=120)


def start(arguments, _dice, folder):
    station = started(folder / "start")
    check(station.stop() == 0, "the station did not end well")
    secs, memory = [], []
    try:
        for _ in range(max(arguments.rounds, 5)):
            before = time.perf_counter()
            station.start()
            secs.append(time.perf_counter() - before)
            settle(station)
            memory.append(pss_bytes(station) / 2**20)
            check(station.stop() == 0, "the station did not end well")
    finally:
        station.remove()
    return {"start_secs": {"value": round(statistics.median(secs), 4), "floor": "< 1"},
            "idle_pss_mib": {"value": round(statistics.median(memory), 1), "floor": "<= 150"}}


# ---------------------------------------------------------------- transcoding

HEIGHTS = [144, 360, 480, 720, 1080]
MINUTE = 60 * CLIP["rate"]
X264 = {"crf": 23, "preset": "fast", "tune": "fastdecode", "gop": 25}


def children_cpu_secs():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def worker(task):
    """Has a worker process do one task, as the station would; returns (answer, CPU seconds, wall seconds)."""
    binary = pathlib.Path(os.environ["TRANSECT_BIN"]).resolve().with_name("transect-frames")
    cpu, wall = children_cpu_secs(), time.perf_counter()
    with subprocess.Popen([binary, "--cache-bytes", "0"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        header = json.dumps({"id": 1, "task": task}).encode()
        process.stdin.write(struct.pack("<II", len(header), 0) + header)
        process.stdin.flush()
        outcome = "progress"
        while outcome == "progress" or "advanced" in outcome:
            sizes = process.stdout.read(8)
            check(len(sizes) == 8, "the frame worker has died")
            size, body = struct.unpack("<II", sizes)
            outcome = json.loads(process.stdout.read(size))["outcome"]
            process.stdout.read(body)
        process.stdin.close()
    check("failed" not in outcome, outcome)
    return outcome, children_cpu_secs() - cpu, time.perf_counter() - wall


def transcode_task(clip, outputs):
    return {"transcode": {"source": str(clip), "index_file": f"{clip}.index", "ranges": [], "outputs": outputs}}


def transcode_ours(clip, folder):
    outputs = [{"stream": {"file": f"{folder}/{height}.mp4", "codec": "h264", "height": height, "pixel_format": "yuv420p",
                           "fragmented": True, **X264}} for height in HEIGHTS]
    return worker(transcode_task(clip, outputs))[1:]


def transcode_ffmpeg(clip, folder):
    names = [f"s{height}" for height in HEIGHTS]
    split = f"[0:v]split={len(names)}" + "".join(f"[{name}]" for name in names)
    scale = ";".join(f"[{name}]scale=-2:{height}[o{name}]" for name, height in zip(names, HEIGHTS))
    command = ["ffmpeg", "-v", "error", "-y", "-nostdin", "-i", str(clip), "-filter_complex", f"{split};{scale}"]
    gop = str(X264["gop"])
    for name, height in zip(names, HEIGHTS):
        command += ["-map", f"[o{name}]", "-an", "-c:v", "libx264", "-preset", X264["preset"], "-tune", X264["tune"], "-crf",
                    str(X264["crf"]), "-g", gop, "-keyint_min", gop, "-sc_threshold", "0", "-pix_fmt", "yuv420p", "-movflags",
                    "frag_keyframe+empty_moov+default_base_moof", f"{folder}/{height}.mp4"]
    return spent(command)


def spent(command):
    """Runs a command; returns its CPU and wall seconds."""
    cpu, wall = children_cpu_secs(), time.perf_counter()
    subprocess.run(command, check=True)
    return children_cpu_secs() - cpu, time.perf_counter() - wall


def check_streams(folder, heights):
    """Reads the bar code of every picture that ffmpeg decodes."""
    for height in heights:
        width = -(-height * 16 // 9 // 2) * 2
        command = ["ffmpeg", "-v", "error", "-nostdin", "-i", f"{folder}/{height}.mp4", "-fps_mode", "passthrough", "-f", "rawvideo",
                   "-pix_fmt", "gray", "-"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as decoder:
            for number in range(MINUTE):
                pixels = decoder.stdout.read(width * height)
                check(len(pixels) == width * height, f"{folder} ends at frame {number} at height {height}")
                seen = barcode.read_pixels(pixels, width, height)
                check(seen == number, f"frame {number} shows {seen} at height {height}")
            check(not decoder.stdout.read(1), f"{folder} has more frames")


def minute(folder):
    """The clip that both parts measure on, with its index."""
    clip = folder / "minute.mp4"
    if not clip.exists():
        make_clip(clip, MINUTE)
        worker({"index": {"source": str(clip), "index_file": f"{clip}.index"}})
    return clip


def transcode(arguments, dice, folder):
    clip = minute(folder)
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        turns = [(transcode_ours, ours), (transcode_ffmpeg, theirs)]
        dice.shuffle(turns)
        for make, results in turns:
            target = pathlib.Path(tempfile.mkdtemp(dir=folder))
            results.append(make(clip, target))
            if len(results) == 1:
                check_streams(target, HEIGHTS)
            size = sum(path.stat().st_size for path in target.iterdir())
            shutil.rmtree(target)
            results[-1] = {"cpu": results[-1][0], "wall": results[-1][1], "bytes": size}
    mine, other = median(ours, "cpu"), median(theirs, "cpu")
    return {"transcode_cpu": figure(mine / other, "<= 1.05", transect_cpu_secs=mine, ffmpeg_cpu_secs=other,
                                    transect_wall_secs=median(ours, "wall"), ffmpeg_wall_secs=median(theirs, "wall"),
                                    transect_bytes=median(ours, "bytes"), ffmpeg_bytes=median(theirs, "bytes"), heights=HEIGHTS)}


def remux(arguments, _dice, folder):
    clip, target = minute(folder), pathlib.Path(tempfile.mkdtemp(dir=folder))
    against = transcode_ffmpeg(clip, target)[0]
    result = {}
    for name, fragmented in (("remux", False), ("remux_fragmented", True)):
        file = target / f"{name}.mp4"
        task = transcode_task(clip, [{"copy": {"file": str(file), "fragmented": fragmented}}])
        mine = statistics.median(worker(task)[1] for _ in range(arguments.rounds))
        flags = "frag_keyframe+empty_moov" if fragmented else "faststart"
        copy = ["ffmpeg", "-v", "error", "-y", "-nostdin", "-i", str(clip), "-c", "copy", "-movflags", flags, str(target / "peer.mp4")]
        other = statistics.median(spent(copy)[0] for _ in range(arguments.rounds))
        result[f"{name}_cpu"] = figure(mine / against, "<= 0.05", transect_cpu_secs=mine, ffmpeg_transcode_cpu_secs=against,
                                       ffmpeg_copy_cpu_secs=other)
    shutil.rmtree(target)
    return result


# ---------------------------------------------------------------- all together

def check(condition, problem):
    if not condition:
        raise SystemExit(f"the measurement is void: {problem}")


def median(rounds, key):
    return statistics.median(one[key] for one in rounds)


def figure(ratio, floor, **parts):
    rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in parts.items()}
    return {"ratio": round(ratio, 4), "floor": floor, **rounded}


PARTS = {"bulk": bulk, "frames": frames, "start": start, "transcode": transcode, "remux": remux}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--pictures", type=int, default=200, help="random pictures a round")
    parser.add_argument("--scratch", help="where databases and clips are written; its disk is what is measured")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        print(json.dumps(peer(arguments.peer, arguments.pictures)))
        return
    dice, result = random.Random(), {"rounds": arguments.rounds, "cpus": os.cpu_count()}
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        for name in arguments.only.split(","):
            result.update(PARTS[name](arguments, dice, pathlib.Path(folder)))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
