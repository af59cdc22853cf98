"""Measures the release build against peers in the same run and prints one JSON object of ratios.

    TRANSECT_BIN=target/release/transect python3 bench.py [--only bulk,reads,…] [--rounds 3] [--scratch DIR]

    bulk    rows a second of durable bulk create over REST, 500 a request, against SQLite in process with the same
            columns, an index for every declared attribute, `synchronous=full` and one commit for every 500 rows
    reads   one video's annotations, filters by attribute and pages in the order of an attribute over HTTP, against the
            same questions to that SQLite, whose rows stay where they are; `ratio` grants the peer the time of an
            empty request, `bare_ratio` does not
    updates one attribute of 500 annotations changed durably, in place and as new revisions, against `json_set` on 500
            rows of a SQLite table that has no index on attributes
    list    10,000 annotations as one answer, against the same bytes from a link to a stored file: after somebody changed one of
            them, asked again, and asked for the first time
    scale   the reads, of equal answers, among 10,000 rows and a million (--big: ten millions, written without asking the station), and what the station's
            memory grows by while it lists them all
    frames  a picture by number over HTTP against decord and a JPEG encoder: CPU a picture for random frames, median
            latency for steps of one and of fifteen; every picture's bar code is read
    single  a random picture over HTTP against one ffmpeg process for each, CPU and wall; and a station that was just started shows
            the first picture of two hours of video, against decord's opening of that file
    right   ten thousand random pictures of every kind of clip of the tests, and how many of them are wrong
    aggregate  grouped counts, a histogram and a timeline of a million localizations over HTTP, when somebody has asked
            before, against DuckDB in process with the same columns; also the first answer, and the one after a write
    text    median latency of a free-text query over HTTP against tantivy in process and an empty request beside it; and how
            much later the next query answers that has to find what was just written
    index   wall time of indexing an MP4 file of 100 GB from its sample tables (mostly a hole, which takes no room); and what
            the index of ten hours at 60 pictures a second takes in the worker's memory, while it is open
    hostile p99 of small requests, and of pictures of a healthy video, while damaged media of every kind are imported, against the
            same requests alone; every picture is compared
    objects a GiB put and got over S3 against `dd conv=fsync` and nginx, ranges of 256 KiB and objects of 16 KiB against nginx,
            durable objects of 1 KiB from sixteen clients against one fsync each, and pages of a list of a million keys
    start   cold start to the `ready` line, and the memory of the idle station (PSS of all its processes)
    transcode   CPU of making the streaming heights of a minute (--clip-secs) of 1080p against one ffmpeg command with the same settings;
            both results are decoded and every bar code is read
    remux   CPU of a copy without encoding (plain and fragmented, checked by decoding both ends) against that same ffmpeg
            command; beside it ffmpeg's own copy, which checks nothing

Who goes first is shuffled in every round; figures are medians over the rounds. `floor` beside a figure is what has
to hold before a change lands; nothing here fails on it. Needs the packages of requirements.txt, ffmpeg, curl and nginx.
"""

import argparse
import json
import os
import pathlib
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "python"), str(HERE.parent / "fixtures")]

import barcode  # noqa: E402
import aggregates  # noqa: E402
import annotations  # noqa: E402
import files  # noqa: E402
import freetext  # noqa: E402
import long  # noqa: E402
import objects  # noqa: E402
import transcoding  # noqa: E402
from clips import CLIP, make_clip  # noqa: E402
from measure import SEED, Client, check, cpu_secs, figure, pss_bytes, settle, started  # noqa: E402
from station import wait_for  # noqa: E402

JPEG_QUALITY = 85


# ---------------------------------------------------------------- frames

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


TWO_HOURS = 2 * 3600 * CLIP["rate"]


def children_cpu_secs():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def one_process_each(clip, numbers):
    """One ffmpeg for each picture, which seeks by time."""
    def get(number):
        command = ["ffmpeg", "-nostdin", "-v", "error", "-ss", f"{max(0, number - 0.25) / CLIP['rate']:.6f}", "-i", str(clip),
                   "-frames:v", "1", "-q:v", "3", "-f", "image2pipe", "-c:v", "mjpeg", "-"]
        return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout

    cpu = children_cpu_secs()
    walls, pictures = timed(numbers, get)
    cpu_ms = (children_cpu_secs() - cpu) / len(numbers) * 1e3
    check_pictures(numbers, pictures)
    return {"cpu_ms": cpu_ms, "p50_ms": statistics.median(walls) * 1e3}


def first_picture(folder, clip):
    """Seconds from the question to the picture, of a station that knows the file and has opened nothing."""
    station = started(folder / "first")
    try:
        media = station.lines("import", clip, "--project", "Bench", secs=300)[0]["media"]
        wait_for("the clip to be indexed", lambda: Client(station).json("GET", f"/rest/Media/{media}")["num_frames"] == TWO_HOURS)
        check(station.stop() == 0, "the station did not end well")
        station.start()
        settle(station)
        walls, pictures = timed([0], lambda n: Client(station).send("GET", picture_path(media, n)))
        check_pictures([0], pictures)
        check(station.stop() == 0, "the station did not end well")
        return walls[0]
    finally:
        station.remove()
        shutil.rmtree(folder / "first", ignore_errors=True)


OPENING = """import sys, time
import decord
before = time.perf_counter()
reader = decord.VideoReader(sys.argv[1])
assert len(reader) == int(sys.argv[2]) and reader[0].shape[0] == int(sys.argv[3])
print(time.perf_counter() - before)
"""


def single(arguments, dice, folder):
    clip, hours = folder / "clip.mp4", folder / "hours.mp4"
    make_clip(clip)
    long.make(clip, hours, TWO_HOURS // CLIP["frames"])
    numbers = {"random": sequences(arguments.pictures)["random"]}
    ours, theirs, first, opened = [], [], [], []

    def decord_opens():
        command = [sys.executable, "-c", OPENING, str(hours), str(TWO_HOURS), str(CLIP["height"])]
        opened.append(float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout))

    for _ in range(arguments.rounds):
        turns = [lambda: ours.append(frames_ours(folder, clip, numbers)["random"]), lambda: first.append(first_picture(folder, hours)),
                 lambda: theirs.append(one_process_each(clip, numbers["random"][:50])), decord_opens]
        dice.shuffle(turns)
        for turn in turns:
            turn()
    cpu, other = (statistics.median(one["cpu_ms"] for one in rounds) for rounds in (ours, theirs))
    wall, other_wall = (statistics.median(one["p50_ms"] for one in rounds) for rounds in (ours, theirs))
    return {"frames_random_against_ffmpeg_each": figure(cpu / other, "<= 0.25", transect_cpu_ms=cpu, ffmpeg_cpu_ms=other, wall_ratio=wall / other_wall,
                                                        transect_p50_ms=wall, ffmpeg_p50_ms=other_wall),
            "first_picture_of_2h": figure(statistics.median(first) / statistics.median(opened), "<= 0.2", ms=statistics.median(first) * 1e3,
                                          decord_ms=statistics.median(opened) * 1e3)}


def right(arguments, _dice, folder):
    """Random pictures of every clip of the tests, in every size and format; none may be another than its number says."""
    clips = corpus_clips(folder)
    station, dice, wrong = started(folder / "right"), random.Random(SEED), []
    try:
        client = Client(station)
        rows = station.lines("import", *(clip["path"] for clip in clips), "--project", "Right", "--no-join", secs=600)
        media = {os.path.realpath(row["path"]): row["media"] for row in rows}
        for _ in range(arguments.right):
            clip = dice.choice(clips)
            number = dice.randrange(clip["frames"])
            picture = client.send("GET", f"/rest/FramePicture/{media[os.path.realpath(clip['path'])]}/{number}?format={dice.choice(('jpg', 'png'))}")
            if (seen := barcode.read_file(picture)) != clip["first"] + number:
                wrong.append((clip["name"], number, seen))
        check(station.stop() == 0, "the station did not end well")
    finally:
        station.remove()
    return {"wrong_pictures": {"value": len(wrong), "floor": "0", "pictures": arguments.right, "clips": len(clips), "which": wrong[:5]}}


def corpus_clips(folder):
    """The clips of the tests whose every picture is a bar code of its own."""
    subprocess.run([sys.executable, HERE.parent / "fixtures" / "corpus.py", folder / "corpus"], check=True)
    clips = json.loads((folder / "corpus" / "corpus.json").read_text())["clips"]
    return [{**clip, "path": str(folder / "corpus" / clip["path"])} for clip in clips if clip["kind"] == "video" and "damaged" not in clip]


# ---------------------------------------------------------------- start and idle

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


PARTS = {**annotations.PARTS, "frames": frames, "single": single, "right": right, "aggregate": aggregates.aggregates, "text": freetext.text, "start": start,
         **files.PARTS, **objects.PARTS, **transcoding.PARTS}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--reading", type=int, default=100_000, help="rows that reads ask")
    parser.add_argument("--big", action="store_true", help="scale up to ten million rows")
    parser.add_argument("--localizations", type=int, default=1_000_000, help="how many are aggregated")
    parser.add_argument("--pictures", type=int, default=200, help="random pictures a round")
    parser.add_argument("--right", type=int, default=10_000, help="pictures whose bar codes are read")
    parser.add_argument("--notes", type=int, default=100_000, help="texts that are searched")
    parser.add_argument("--questions", type=int, default=150, help="of each round")
    parser.add_argument("--clip-secs", type=int, default=60, help="length of the clip that is transcoded")
    parser.add_argument("--keys", type=int, default=1_000_000, help="objects in a bucket that is listed")
    parser.add_argument("--writes", type=int, default=300, help="each followed by a query that must find it")
    parser.add_argument("--scratch", help="where databases and clips are written; its disk is what is measured")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        print(json.dumps(peer(arguments.peer, arguments.pictures)))
        return
    wanted = arguments.only.split(",")
    if unknown := [name for name in wanted if name not in PARTS]:
        parser.error(f"no part named {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    dice, result = random.Random(), {"rounds": arguments.rounds, "cpus": os.cpu_count()}
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
        for name in wanted:
            result.update(PARTS[name](arguments, dice, pathlib.Path(folder)))
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
