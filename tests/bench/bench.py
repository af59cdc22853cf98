"""Measures the release build against peers in the same run and prints one JSON object of ratios.

    TRANSECT_BIN=target/release/transect python3 bench.py [--only bulk,frames,aggregate,start] [--rounds 3] [--scratch DIR]

    bulk    rows a second of durable bulk create over REST, 500 a request, against SQLite in process with the same
            columns, an index for every declared attribute, `synchronous=full` and one commit for every 500 rows
    frames  a picture by number over HTTP against decord and a JPEG encoder: CPU a picture for random frames, median
            latency for steps of one and of fifteen; every picture's bar code is read
    aggregate  grouped counts, a histogram and a timeline of a million localizations over HTTP, when somebody has asked
            before, against DuckDB in process with the same columns; also the first answer, and the one after a write
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


# ---------------------------------------------------------------- aggregates

AGGREGATES = {
    "species": ("Aggregate", {"group_by": ["Species"]}, "select species, count(*) from l where {v} group by 1"),
    "type": ("Aggregate", {"group_by": ["$type"]}, "select type, count(*) from l where {v} group by 1"),
    "three_keys": ("Aggregate", {"group_by": ["Species", "$version", "Certain"], "limit": 10_000},
                   "select species, version, certain, count(*) from l where {v} group by all"),
    "media": ("Aggregate", {"group_by": ["$media"]}, "select media, count(*) from l where {v} group by 1"),
    "of_one_type": ("Aggregate?type={kind}", {"group_by": ["Species"]},
                    "select species, count(*) from l where {v} and type = {kind} group by 1"),
    "histogram": ("Histogram", {"key": "Length", "edges": [5 * n for n in range(21)]},
                  "select floor(length / 5), count(*) from l where {v} group by 1"),
    "timeline": ("Timeline", {"over": "$created_datetime", "interval": "month", "split_by": ["$version"]},
                 "select date_trunc('month', make_timestamp(created_at * 1000)), version, count(*) from l where {v} group by all"),
    "filtered": ("Aggregate?attribute_lt=Count::100", {"group_by": ["Species"]},
                 "select species, count(*) from l where {v} and cnt < 100 group by 1"),
}


def many_rows(count, kinds, versions):
    dice = random.Random(SEED)
    for n in range(1, count + 1):
        species = min(int(dice.expovariate(1 / 30)), 199)
        yield (n, kinds[n % 3 == 0], n // 5000 + 1, versions[n % 2], n % 9000, 1_600_000_000_000 + n * 60_000,
               f"species {species}", dice.randrange(1000), dice.random() * 100, dice.random() < 0.5)


def fill(path, project, media, kind, attributes, rows):
    """Writes localizations as the station has them, without asking it."""
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("pragma synchronous = off")
    base.execute("begin immediate")
    whole, texts, numbers = [], [], []
    for one, of, place, version, frame, at, species, number, length, certain in rows:
        document = {"Species": species}
        texts.append((attributes[of]["Species"], species, one, None))
        if of == kind:
            document |= {"Count": number, "Length": length, "Certain": certain}
            numbers += [(attributes[of]["Count"], number, one), (attributes[of]["Length"], length, one),
                        (attributes[of]["Certain"], certain, one)]
        whole.append((one, project, of, media + place, version, frame, json.dumps(document), str(uuid.UUID(int=one)), at, at))
    base.executemany("insert into localization (id, project, type, media, version, frame, x, y, width, height, attributes, "
                     "elemental_id, mark, latest, variant_deleted, deleted, created_at, created_by, modified_at, modified_by) "
                     "values (?, ?, ?, ?, ?, ?, 0.1, 0.1, 0.2, 0.2, ?, ?, 0, 1, 0, 0, ?, 1, ?, 1)", whole)
    base.executemany("insert into attribute_text values (?, ?, ?, ?)", sorted(texts, key=lambda row: row[:3]))
    base.executemany("insert into attribute_number values (?, ?, ?)", sorted(numbers))
    base.execute("insert into id_sequence (noun, next) values ('localization', ?) "
                 "on conflict (noun) do update set next = excluded.next", [len(whole) + 1])
    base.execute("commit")
    base.execute("analyze")
    base.close()


def duck(folder, project, kind, rows):
    import duckdb
    base = duckdb.connect(str(folder / "peer.duckdb"))
    base.execute("create table l (id bigint, project bigint, type bigint, media bigint, version bigint, frame bigint, created_at bigint, "
                 "species varchar, cnt bigint, length double, certain boolean, latest boolean, variant_deleted boolean, deleted boolean)")
    table = folder / "peer.csv"
    with open(table, "w", newline="") as file:
        for one, of, place, version, frame, at, species, number, length, certain in rows:
            rest = (number, length, certain) if of == kind else ("", "", "")
            file.write(",".join(map(str, (one, project, of, place, version, frame, at, species, *rest, True, False, False))) + "\n")
    base.execute(f"copy l from '{table}'")
    return base


def aggregates(arguments, _dice, folder):
    station = started(folder / "aggregate")
    figures = {}
    try:
        client = Client(station)
        organization = client.json("POST", "/rest/Organizations", {"name": "Aggregates"})["id"]
        project = client.json("POST", "/rest/Projects", {"name": "Aggregates", "organization": organization})["id"]
        video = client.json("POST", f"/rest/MediaTypes/{project}", {"name": "video", "dtype": "video"})["id"]
        kind, other = [client.json("POST", f"/rest/LocalizationTypes/{project}", {
            "name": name, "dtype": "box", "media_types": [video], "attribute_types": attributes})["id"]
            for name, attributes in (("box", ATTRIBUTES), ("other", ATTRIBUTES[:1]))]
        version = client.json("GET", f"/rest/Versions/{project}")[0]["id"]
        second = client.json("POST", f"/rest/Versions/{project}", {"name": "second"})["id"]
        media = client.json("POST", f"/rest/Medias/{project}", {"type": video, "name": "v.mp4", "md5": ""})["id"]
        station.stop()
        database = station.data / "transect.sqlite"
        base = sqlite3.connect(database)
        of_types = {of: dict(base.execute("select name, id from attribute_type where kind = 'LocalizationType' and type = ?", [of]))
                    for of in (kind, other)}
        base.close()
        rows = list(many_rows(arguments.localizations, (kind, other), (version, second)))
        fill(database, project, media - 1, kind, of_types, rows)
        peer = duck(folder, project, kind, rows)
        del rows
        station.start()
        client = Client(station)
        visible = f"project = {project} and latest and not deleted and not variant_deleted"
        for name, (path, body, sql) in AGGREGATES.items():
            path, _, query = path.format(kind=kind).partition("?")
            path = f"/rest/Localization{path}/{project}?{query}"
            sql = sql.format(v=visible, kind=kind)
            before = time.perf_counter()
            answer = client.json("PUT", path, body)
            first = time.perf_counter() - before
            theirs = peer.execute(sql).fetchall()
            counted = sum(row["count"] for row in (answer["bins"] if "bins" in answer else answer))
            # The peer counts rows without a length as a group of their own.
            wanted = sum(row[-1] for row in peer.execute(sql).fetchall() if name != "histogram" or row[0] is not None)
            check(counted == wanted, f"{name}: {counted} rows instead of {wanted}")
            mine, duckdb = [], []
            for _ in range(7 * arguments.rounds):
                before = time.perf_counter()
                client.send("PUT", path, json.dumps(body))
                mine.append(time.perf_counter() - before)
                before = time.perf_counter()
                peer.execute(sql).fetchall()
                duckdb.append(time.perf_counter() - before)
            client.json("PATCH", "/rest/Localization/1", {"x": random.random() / 2, "in_place": 1})
            before = time.perf_counter()
            client.send("PUT", path, json.dumps(body))
            after = time.perf_counter() - before
            ours, theirs = statistics.median(mine), statistics.median(duckdb)
            figures[f"aggregate_{name}"] = figure(ours / theirs, "<= 3", ours_ms=ours * 1e3, duckdb_ms=theirs * 1e3,
                                                  first_ms=first * 1e3, after_a_write_ms=after * 1e3)
        figures["aggregate_memory_mib"] = pss_bytes(station) / 2**20
        check(station.stop() == 0, "the station did not end well")
    finally:
        station.remove()
    return figures


# ---------------------------------------------------------------- all together

def check(condition, problem):
    if not condition:
        raise SystemExit(f"the measurement is void: {problem}")


def median(rounds, key):
    return statistics.median(one[key] for one in rounds)


def figure(ratio, floor, **parts):
    rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in parts.items()}
    return {"ratio": round(ratio, 4), "floor": floor, **rounded}


PARTS = {"bulk": bulk, "frames": frames, "aggregate": aggregates, "start": start}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default=",".join(PARTS), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--localizations", type=int, default=1_000_000, help="how many are aggregated")
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
