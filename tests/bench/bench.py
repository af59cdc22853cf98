"""Measures the release build against peers in the same run and prints one JSON object of ratios.

    TRANSECT_BIN=target/release/transect python3 bench.py [--only bulk,frames,start,text] [--rounds 3] [--scratch DIR]

    bulk    rows a second of durable bulk create over REST, 500 a request, against SQLite in process with the same
            columns, an index for every declared attribute, `synchronous=full` and one commit for every 500 rows
    frames  a picture by number over HTTP against decord and a JPEG encoder: CPU a picture for random frames, median
            latency for steps of one and of fifteen; every picture's bar code is read
    text    median latency of a free-text query over HTTP against tantivy in process and an empty request beside it; and how
            much later the next query answers that has to find what was just written
    start   cold start to the `ready` line, and the memory of the idle station (PSS of all its processes)

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

def make_clip(path):
    """1080p30, closed groups of 30 with two B pictures, six megabits: what cameras write, with bar codes."""
    width, height = CLIP["width"], CLIP["height"]
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}",
               "-framerate", str(CLIP["rate"]), "-i", "-", "-vf", "noise=c0s=14:c0f=t:all_seed=3", "-c:v", "libx264", "-preset",
               "veryfast", "-b:v", "6M", "-g", "30", "-bf", "2", "-sc_threshold", "0", "-pix_fmt", "yuv420p", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as encoder:
        for number in range(CLIP["frames"]):
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


# ---------------------------------------------------------------- free text

HITS = 50  # that a question asks for


def text_rows(count):
    """Notes of twelve words each, few of them frequent and many rare, as words are."""
    dice = random.Random(SEED)
    words = [f"{a}{b}{c}" for a in "bcdfglmnprst" for b in ("a", "e", "i", "o", "u", "ar", "el", "in", "or") for c in
             ("ba", "cus", "dea", "fin", "gon", "lia", "mus", "na", "pis", "ra", "sta", "tor")]
    weights = [1 / (place + 1) for place in range(len(words))]
    return words, [" ".join(dice.choices(words, weights, k=12)) for _ in range(count)]


def text_questions(words, notes, count):
    """(as we write it, as the peer writes it): a word, two words that both must be there, two in a row."""
    dice = random.Random(SEED + 1)
    questions = []
    for number in range(count):
        one, other = dice.choice(words[:600]), dice.choice(words[:60])
        note = dice.choice(notes).split()
        at = dice.randrange(len(note) - 1)
        run = f'"{note[at]} {note[at + 1]}"'
        questions.append([(one, one), (f"{one} {other}", f"+{one} +{other}"), (run, run)][number % 3])
    return questions


class TextGround:
    """A project of boxes with notes, and questions of it."""

    def __init__(self, station, notes):
        self.client = client = Client(station)
        organization = client.json("POST", "/rest/Organizations", {"name": "Bench text"})["id"]
        self.project = client.json("POST", "/rest/Projects", {"name": "Text", "organization": organization})["id"]
        video = client.json("POST", f"/rest/MediaTypes/{self.project}", {"name": "video", "dtype": "video"})["id"]
        self.kind = client.json("POST", f"/rest/LocalizationTypes/{self.project}", {
            "name": "box", "dtype": "box", "media_types": [video], "attribute_types": [{"name": "Note", "dtype": "string"}]})["id"]
        self.media = client.json("POST", f"/rest/Medias/{self.project}", {"type": video, "name": "v.mp4", "md5": ""})["id"]
        for start in range(0, len(notes), BATCH):
            self.add(notes[start:start + BATCH])

    def add(self, notes):
        rows = [{"media_id": self.media, "type": self.kind, "frame": 0, "x": 0.1, "y": 0.1, "width": 0.1, "height": 0.1,
                 "attributes": {"Note": note}} for note in notes]
        return self.client.json("POST", f"/rest/Localizations/{self.project}", rows)["id"]

    def ask(self, query):
        body = json.dumps({"query": query, "stop": HITS, "highlight": False}).encode()
        before = time.perf_counter()
        answer = self.client.send("PUT", f"/rest/TextSearch/{self.project}", body)
        return time.perf_counter() - before, json.loads(answer)

    def empty(self):
        before = time.perf_counter()
        self.client.send("GET", "/rest/User/GetCurrent")
        return time.perf_counter() - before


def text_peer(folder, notes):
    """tantivy in this process, with the same notes and a number for each; a question's time and count."""
    import tantivy
    schema = tantivy.SchemaBuilder()
    schema.add_text_field("note", stored=False)
    schema.add_unsigned_field("number", stored=True, indexed=True, fast=True)
    index = tantivy.Index(schema.build(), path=str(folder))
    writer = index.writer(50_000_000, 1)
    for number, note in enumerate(notes):
        writer.add_document(tantivy.Document(note=note, number=number))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def ask(query):
        before = time.perf_counter()
        found = searcher.search(index.parse_query(query, ["note"]), HITS)
        numbers = [searcher.doc(place)["number"][0] for _, place in found.hits]
        wall = time.perf_counter() - before
        return wall, found.count, numbers

    return ask


def text(arguments, dice, folder):
    words, notes = text_rows(arguments.notes)
    questions = text_questions(words, notes, arguments.questions)
    station = started(folder / "text")
    try:
        ground = TextGround(station, notes)
        settle(station)
        peer_folder = folder / "peer-text"
        peer_folder.mkdir()
        theirs = text_peer(peer_folder, notes)
        ours_secs, peer_secs, empty_secs = [], [], []
        for _ in range(arguments.rounds):
            for mine, other in questions:
                turns = [lambda q=mine: ours_secs.append(ground.ask(q)), lambda q=other: peer_secs.append(theirs(q)),
                         lambda: empty_secs.append(ground.empty())]
                dice.shuffle(turns)
                for turn in turns:
                    turn()
                check(ours_secs[-1][1]["total"] == peer_secs[-1][1],
                      f"{mine}: {ours_secs[-1][1]['total']} found, {peer_secs[-1][1]} by the peer")
        own = statistics.median(secs for secs, _ in ours_secs)
        peer_p50, empty = statistics.median(secs for secs, *_ in peer_secs), statistics.median(empty_secs)
        fresh, quiet = text_fresh(ground, arguments.writes)
        check(station.stop() == 0, "the station did not end well")
    finally:
        station.remove()
    return {"text_p50": figure(own / (peer_p50 + empty), "<= 2", transect_p50_ms=own * 1e3, tantivy_p50_ms=peer_p50 * 1e3,
                               empty_request_p50_ms=empty * 1e3, notes=len(notes)),
            "text_write_findable_added_p99_ms": {"value": round((fresh - quiet) * 1e3, 3), "floor": "<= 50",
                                                 "query_after_write_p99_ms": round(fresh * 1e3, 3),
                                                 "same_query_again_p50_ms": round(quiet * 1e3, 3), "writes": arguments.writes}}


def text_fresh(ground, count):
    """(the 99th percentile of the query that follows a write and must find it, the median of the same query again)"""
    after, again = [], []
    for number in range(count):
        word = f"fresh{number}x"
        made, = ground.add([word])
        secs, answer = ground.ask(word)
        check([hit["id"] for hit in answer["hits"]] == [made], "the next query did not find what was written")
        after.append(secs)
        again.append(ground.ask(word)[0])
    return sorted(after)[int(len(after) * 0.99)], statistics.median(again)


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


# ---------------------------------------------------------------- all together

def check(condition, problem):
    if not condition:
        raise SystemExit(f"the measurement is void: {problem}")


def median(rounds, key):
    return statistics.median(one[key] for one in rounds)


def figure(ratio, floor, **parts):
    rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in parts.items()}
    return {"ratio": round(ratio, 4), "floor": floor, **rounded}


PARTS = {"bulk": bulk, "frames": frames, "start": start, "text": text}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--pictures", type=int, default=200, help="random pictures a round")
    parser.add_argument("--notes", type=int, default=100_000, help="texts that are searched")
    parser.add_argument("--questions", type=int, default=150, help="of each round")
    parser.add_argument("--writes", type=int, default=300, help="each followed by a query that must find it")
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
