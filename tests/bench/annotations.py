"""Measurements of annotations: bulk creation, reads, updates, lists, growth. See bench.py."""

import concurrent.futures
import itertools
import json
import pathlib
import random
import sqlite3
import statistics
import threading
import time
import urllib.parse
import uuid

from measure import SEED, Client, Memory, check, cpu_secs, figure, median, settle, started

BATCH = 500
CONNECTIONS = 4
PER_MEDIA = 500
SPECIES = 200
ATTRIBUTES = [{"name": "Species", "dtype": "string"}, {"name": "Count", "dtype": "int"}, {"name": "Length", "dtype": "float"},
              {"name": "Certain", "dtype": "bool"}]


# ---------------------------------------------------------------- the same rows for both

def rows_of(count, media, kind):
    """`count` boxes, PER_MEDIA on each of `media` in turn."""
    dice = random.Random(SEED)
    for n in range(count):
        yield {"media_id": media[n // PER_MEDIA % len(media)], "type": kind, "frame": n % PER_MEDIA // 10, "x": dice.random() / 2,
               "y": dice.random() / 2, "width": 0.1, "height": 0.2,
               "attributes": {"Species": f"species {dice.randrange(SPECIES)}", "Count": dice.randrange(1000),
                              "Length": dice.random() * 100, "Certain": dice.random() < 0.5}}


def batches(rows):
    rows = iter(rows)
    while batch := list(itertools.islice(rows, BATCH)):
        yield batch


class Scene:
    """A project of its own with a box type and some videos."""

    def __init__(self, station, media=1):
        self.station, self.client = station, Client(station)
        name = uuid.uuid4().hex
        organization = self.client.json("POST", "/rest/Organizations", {"name": f"Bench {name}"})["id"]
        self.project = self.client.json("POST", "/rest/Projects", {"name": f"Bench {name}", "organization": organization})["id"]
        video = self.client.json("POST", f"/rest/MediaTypes/{self.project}", {"name": "video", "dtype": "video"})["id"]
        self.kind = self.client.json("POST", f"/rest/LocalizationTypes/{self.project}", {
            "name": "box", "dtype": "box", "media_types": [video], "attribute_types": ATTRIBUTES})["id"]
        self.media = [self.client.json("POST", f"/rest/Medias/{self.project}", {"type": video, "name": f"{n:06}.mp4", "md5": ""})["id"]
                      for n in range(media)]
        self.path = f"/rest/Localizations/{self.project}"

    def create(self, bodies, connections=CONNECTIONS):
        """Sends bodies over some connections, each made when its turn comes; returns the answers."""
        turn, answers, lock = iter(bodies), [], threading.Lock()

        def work():
            own = Client(self.station)
            while True:
                with lock:
                    body = next(turn, None)
                if body is None:
                    return
                answers.append(own.send("POST", self.path, body))

        with concurrent.futures.ThreadPoolExecutor(connections) as pool:
            for part in [pool.submit(work) for _ in range(connections)]:
                part.result()
        return answers

    def url(self, **query):
        return f"{self.path}?{urllib.parse.urlencode(query, doseq=True)}"


def peer_base(path, rows):
    """SQLite with the same columns, an index for every declared attribute, durable commits; yields after each batch."""
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
    statement, number = f"insert into localization values ({','.join('?' * 21)})", 0
    for batch in batches(rows):
        values = []
        for row in batch:
            a, number = row["attributes"], number + 1
            values.append((number, 1, row["type"], row["media_id"], 1, str(uuid.uuid4()), 0, row["frame"], row["x"], row["y"],
                           row["width"], row["height"], 1, now, 1, now, json.dumps(a), a["Species"], a["Count"], a["Length"],
                           a["Certain"]))
        yield base, lambda: insert(base, statement, values)


def insert(base, statement, values):
    base.execute("begin immediate")
    base.executemany(statement, values)
    base.execute("commit")


def peer_of(path, rows):
    for base, fill in peer_base(path, rows):
        fill()
    base.execute("analyze")
    return base


# ---------------------------------------------------------------- bulk create

def bulk_rest(station, count):
    """Returns rows a second, after checking that all are there and findable."""
    scene = Scene(station)
    rows = list(rows_of(count, scene.media, scene.kind))
    bodies = [json.dumps(batch).encode() for batch in batches(rows)]
    before, cpu = time.perf_counter(), cpu_secs(station)
    answers = scene.create(bodies)
    wall, cpu = time.perf_counter() - before, cpu_secs(station) - cpu
    made = [row for answer in answers for row in json.loads(answer)["id"]]
    counted = scene.client.json("GET", f"/rest/LocalizationCount/{scene.project}")
    check(len(set(made)) == count == counted, "rows are missing")
    wanted = sum(row["attributes"]["Count"] == 500 for row in rows)
    found = scene.client.json("GET", f"/rest/LocalizationCount/{scene.project}?type={scene.kind}&attribute=Count::500")
    check(found == wanted, f"{found} rows found by attribute instead of {wanted}")
    return {"rows_per_s": count / wall, "cpu_us_per_row": cpu / count * 1e6}


def bulk_sqlite(folder, count):
    """The same rows into a table of the same columns and indexes, without HTTP or JSON on the way."""
    wall = cpu = 0
    for base, fill in peer_base(pathlib.Path(folder) / f"peer-{uuid.uuid4().hex}.db", rows_of(count, [1], 1)):
        before, used = time.perf_counter(), time.process_time()
        fill()
        wall, cpu = wall + time.perf_counter() - before, cpu + time.process_time() - used
    check(base.execute("select count(*) from localization").fetchone() == (count,), "rows are missing in the peer")
    base.close()
    return {"rows_per_s": count / wall, "cpu_us_per_row": cpu / count * 1e6}


def bulk(arguments, dice, folder):
    station = started(folder / "bulk")
    ours, peer = [], []
    try:
        for _ in range(arguments.rounds):
            turns = [lambda: ours.append(bulk_rest(station, arguments.rows)),
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


# ---------------------------------------------------------------- reads

def filled(station, count, connections=CONNECTIONS):
    """A scene of `count` rows; over one connection their ids are in the order of the rows."""
    scene = Scene(station, max(1, count // PER_MEDIA))
    before = time.perf_counter()
    rows = rows_of(count, scene.media, scene.kind)
    scene.create((json.dumps(batch).encode() for batch in batches(rows)), connections)
    scene.rows_per_s = count / (time.perf_counter() - before)
    found = scene.client.json("GET", f"/rest/LocalizationCount/{scene.project}")
    check(found == count, f"{found} rows instead of {count}")
    settle(station)
    return scene


def filled_behind(station, count):
    """The same, without asking the station: ten millions over HTTP would take an hour."""
    scene = Scene(station, count // PER_MEDIA)
    version = scene.client.json("GET", f"/rest/Versions/{scene.project}")[0]["id"]
    check(station.stop() == 0, "the station did not end well")
    base = sqlite3.connect(station.data / "transect.sqlite", isolation_level=None)
    base.execute("pragma synchronous = off")
    base.execute("pragma cache_size = -1000000")
    base.execute("begin immediate")
    base.execute(
        "insert into localization (id, project, type, media, version, frame, x, y, width, height, attributes, elemental_id, mark, "
        "latest, variant_deleted, deleted, created_at, created_by, modified_at, modified_by) "
        f"with recursive n(n) as (select 0 union all select n + 1 from n where n + 1 < {count}) "
        f"select n + 1, {scene.project}, {scene.kind}, {scene.media[0]} + n / {PER_MEDIA}, {version}, n % {PER_MEDIA} / 10, 0.25, 0.25, "
        f"0.1, 0.2, json_object('Species', 'species ' || (abs(random()) % {SPECIES}), 'Count', abs(random()) % 1000, "
        "'Length', abs(random()) % 10000000 / 1e5, 'Certain', json(iif(random() % 2, 'true', 'false'))), "
        "printf('%08x-0000-4000-8000-000000000000', n), 0, 1, 0, 0, 1700000000000 + n, 1, 1700000000000 + n, 1 from n")
    kinds = dict(base.execute("select name, id from attribute_type where kind = 'LocalizationType' and type = ?", [scene.kind]))
    base.execute("insert into attribute_text (attribute, value, entity, rest) select ?, attributes ->> 'Species' as v, id, null "
                 "from localization order by v, id", [kinds["Species"]])
    for name in ("Count", "Length", "Certain"):
        base.execute(f"insert into attribute_number (attribute, value, entity) select ?, attributes ->> '{name}' as v, id "
                     "from localization order by v, id", [kinds[name]])
    base.execute("insert into id_sequence (noun, next) values ('localization', ?) on conflict (noun) do update set next = excluded.next",
                 [count + 1])
    base.execute("commit")
    base.execute("analyze")
    base.close()
    station.start()
    scene.client = Client(station)
    found = scene.client.json("GET", f"/rest/LocalizationCount/{scene.project}")
    check(found == count, f"{found} rows instead of {count}")
    settle(station)
    return scene


def questions(scene, dice):
    """name → (query, SQL condition and order, values), one of each kind."""
    media, species, count = dice.choice(scene.media), f"species {dice.randrange(SPECIES)}", dice.randrange(1000)
    low = dice.random() * 99
    return {
        "by_media": ({"media_id": media}, "media = ? order by id", [media]),
        "by_frame": ({"media_id": media, "frame": 7}, "media = ? and frame = 7 order by id", [media]),
        "equal": ({"attribute": f"Species::{species}"}, "type = ? and species = ? order by id", [scene.kind, species]),
        "equal_page": ({"attribute": f"Count::{count}", "stop": 10}, "type = ? and count = ? order by id limit 10", [scene.kind, count]),
        "range": ({"attribute_gte": f"Length::{low}", "attribute_lt": f"Length::{low + 0.5}"},
                  "type = ? and length >= ? and length < ? order by id", [scene.kind, low, low + 0.5]),
        "combined": ({"attribute": f"Species::{species}", "attribute_lt": "Count::500"},
                     "type = ? and species = ? and count < 500 order by id", [scene.kind, species]),
        "sorted_page": ({"sort_by": "Length", "start": 200, "stop": 300}, "type = ? order by length limit 100 offset 200", [scene.kind]),
        "reverse_page": ({"sort_by": "-Length", "stop": 100}, "type = ? order by length desc limit 100", [scene.kind]),
        "equal_sorted_page": ({"attribute": f"Species::{species}", "sort_by": "-Length", "stop": 100},
                              "type = ? and species = ? order by length desc limit 100", [scene.kind, species]),
    }


def asked(client, path):
    before = time.perf_counter()
    answer = client.send("GET", path)
    return time.perf_counter() - before, answer


def answered(base, where, values):
    before = time.perf_counter()
    rows = base.execute(f"select * from localization where {where}", values).fetchall()
    return time.perf_counter() - before, rows


def empty_request(scene):
    """Median wall time of the request that has the least to do: what HTTP and the client cost."""
    path = scene.url(media_id=0, stop=0)
    return statistics.median(asked(scene.client, path)[0] for _ in range(200))


def reads(arguments, dice, folder):
    station = started(folder / "reads")
    try:
        scene = filled(station, arguments.reading, connections=1)
        base = peer_of(folder / "reads.db", rows_of(arguments.reading, scene.media, scene.kind))
        mine, theirs, sizes = {}, {}, {}
        for _ in range(20 * arguments.rounds):
            for name, (query, where, values) in questions(scene, dice).items():
                pair = {}
                turns = [lambda: pair.update(ours=asked(scene.client, scene.url(**query))),
                         lambda: pair.update(peer=answered(base, where, values))]
                dice.shuffle(turns)
                for turn in turns:
                    turn()
                same(name, json.loads(pair["ours"][1]), pair["peer"][1])
                mine.setdefault(name, []).append(pair["ours"][0])
                theirs.setdefault(name, []).append(pair["peer"][0])
                sizes.setdefault(name, []).append(len(pair["peer"][1]))
        empty = empty_request(scene)
        base.close()
        check(station.stop() == 0, "the station did not end well")
    finally:
        station.remove()
    result = {}
    for name in mine:
        ours, peer = statistics.median(mine[name]), statistics.median(theirs[name])
        result[f"reads_{name}"] = figure(ours / (peer + empty), "<= 3" if name.startswith("by_") else "<= 2", bare_ratio=ours / peer,
                                         rest_ms=ours * 1e3, sqlite_ms=peer * 1e3, empty_request_ms=empty * 1e3,
                                         rows=statistics.median(sizes[name]), of=arguments.reading)
    return result


def same(name, ours, peer):
    """Both answers hold the same annotations, in the same order where the question has one."""
    mine, theirs = ([(row["frame"], row["x"]) for row in ours], [(row[7], row[8]) for row in peer])
    check(mine == theirs, f"{name}: {len(mine)} rows are not the peer's {len(theirs)}")


# ---------------------------------------------------------------- updates

def json_updates(folder, rows, dice):
    """Seconds of a durable transaction that sets one attribute of BATCH random rows, which no index knows."""
    base = sqlite3.connect(folder / f"updates-{uuid.uuid4().hex}.db", isolation_level=None)
    base.executescript("""pragma journal_mode = wal; pragma synchronous = full;
        create table localization (id integer primary key, media int, frame int, x real, y real, width real, height real, attributes text);
        create index by_media on localization (media, frame)""")
    values = [(row["media_id"], row["frame"], row["x"], row["y"], row["width"], row["height"], json.dumps(row["attributes"])) for row in rows]
    insert(base, "insert into localization (media, frame, x, y, width, height, attributes) values (?, ?, ?, ?, ?, ?, ?)", values)
    walls = []
    for turn in range(10):
        chosen = dice.sample(range(1, len(values) + 1), BATCH)
        before = time.perf_counter()
        base.execute("begin immediate")
        base.executemany("update localization set attributes = json_set(attributes, '$.Count', ?) where id = ?",
                         [(turn, one) for one in chosen])
        base.execute("commit")
        walls.append(time.perf_counter() - before)
    base.close()
    return statistics.median(walls)


def rest_updates(scene, ids, dice):
    """Seconds of the same over REST: (in place, as new revisions)."""
    in_place, revised = [], []
    for turn in range(10):
        body = json.dumps({"ids": dice.sample(ids, BATCH), "attributes": {"Count": 2000 + turn}, "in_place": 1}).encode()
        before = time.perf_counter()
        scene.client.send("PATCH", scene.path, body)
        in_place.append(time.perf_counter() - before)
        found = scene.client.json("GET", f"/rest/LocalizationCount/{scene.project}?attribute=Count::{2000 + turn}")
        check(found == BATCH, f"{found} rows changed in place instead of {BATCH}")
    for turn, media in enumerate(dice.sample(scene.media, 10)):
        body = json.dumps({"attributes": {"Count": 3000 + turn}}).encode()
        before = time.perf_counter()
        scene.client.send("PATCH", f"{scene.path}?media_id={media}", body)
        revised.append(time.perf_counter() - before)
        found = scene.client.json("GET", f"/rest/LocalizationCount/{scene.project}?attribute=Count::{3000 + turn}")
        check(found == PER_MEDIA, f"{found} rows revised instead of {PER_MEDIA}")
    return statistics.median(in_place), statistics.median(revised)


def updates(arguments, dice, folder):
    count, ours, peer = 20_000, [], []
    station = started(folder / "updates")
    try:
        for _ in range(arguments.rounds):
            scene = filled(station, count)
            rows = list(rows_of(count, scene.media, scene.kind))
            ids = [row["id"] for row in scene.client.json("GET", scene.url(fields="id"))]
            turns = [lambda: ours.append(rest_updates(scene, ids, dice)), lambda: peer.append(json_updates(folder, rows, dice))]
            dice.shuffle(turns)
            for turn in turns:
                turn()
        check(station.stop() == 0, "the station did not end well")
    finally:
        station.remove()
    theirs = statistics.median(peer)
    return {f"updates_{name}": figure(mine / theirs, "<= 10", rest_ms=mine * 1e3, sqlite_json_ms=theirs * 1e3, rows=BATCH)
            for name, mine in (("in_place", statistics.median(one[0] for one in ours)),
                               ("revised", statistics.median(one[1] for one in ours)))}


# ---------------------------------------------------------------- lists

def stored(scene, data):
    """A link to a file of these bytes in the station's object store."""
    info = scene.client.json("GET", f"/rest/UploadInfo/{scene.project}")
    scene.client.send("PUT", path_of(info["urls"][0]), data)
    answer = scene.client.json("POST", f"/rest/DownloadInfo/{scene.project}", {"keys": [info["key"]]})
    return path_of(answer[0]["url"])


def path_of(url):
    parts = urllib.parse.urlsplit(url)
    return f"{parts.path}?{parts.query}"


def list_many(arguments, dice, folder):
    count, station = 10_000, started(folder / "list")
    try:
        scene = filled(station, count)
        path = scene.url()
        data = scene.client.send("GET", path)
        check(len(json.loads(data)) == count, "the list is not whole")
        ours, peer, fresh = [], [], []
        one = json.loads(data)[0]["id"]
        for _ in range(10 * arguments.rounds):
            # A write by anybody makes the next answer one that the station has to work out.
            scene.client.json("PATCH", f"/rest/Localization/{one}", {"x": round(dice.random() / 2, 6), "in_place": 1})
            fresh.append(asked(scene.client, path)[0])
        data = scene.client.send("GET", path)
        link = stored(scene, data)
        for _ in range(10 * arguments.rounds):
            turns = [lambda: ours.append(asked(scene.client, path)), lambda: peer.append(asked(scene.client, link))]
            dice.shuffle(turns)
            for turn in turns:
                turn()
            check(ours[-1][1] == data == peer[-1][1], "the bytes are not the same")
            ours[-1], peer[-1] = (ours[-1][0], None), (peer[-1][0], None)
        # A question that nobody has asked yet is answered from the database alone.
        first = [asked(scene.client, scene.url(after=-number - 2))[0] for number in range(10 * arguments.rounds)]
        check(station.stop() == 0, "the station did not end well")
    finally:
        station.remove()
    mine, theirs = (statistics.median(wall for wall, _ in walls) for walls in (ours, peer))
    worked_out = statistics.median(fresh)
    return {"list_10000": figure(worked_out / theirs, "<= 1.5", rest_ms=worked_out * 1e3, file_ms=theirs * 1e3, mib=len(data) / 2**20),
            "list_10000_first": figure(statistics.median(first) / theirs, "<= 1.5", rest_ms=statistics.median(first) * 1e3),
            "list_10000_again": figure(mine / theirs, "<= 1.5", rest_ms=mine * 1e3, file_ms=theirs * 1e3)}


# ---------------------------------------------------------------- scale

FLAT = ("by_media", "by_frame", "equal_page", "sorted_page", "reverse_page")


def walls_of(scene, dice, times):
    walls = {name: [] for name in FLAT}
    for _ in range(times):
        every = questions(scene, dice)
        for name in FLAT:
            walls[name].append(asked(scene.client, scene.url(**every[name][0]))[0])
    return {name: statistics.median(found) for name, found in walls.items()}


def listed(scene, count, form):
    """Reads the whole list piece by piece: (seconds, bytes the station grew by at most, bytes read)."""
    mark = b"\n" if form == "csv" else b'"elemental_id"'
    with Memory(scene.station) as memory:
        before, size, seen, tail = time.perf_counter(), 0, 0, b""
        for piece in scene.client.pieces(scene.url(format=form)):
            size += len(piece)
            # The mark may begin in one piece and end in the next; the tail is too short to hold it whole.
            joined = tail + piece
            seen += joined.count(mark)
            tail = joined[len(joined) - len(mark) + 1:]
        wall = time.perf_counter() - before
    rows = seen - 1 if form == "csv" else seen  # a table has a line of names
    check(rows == count, f"{rows} rows listed instead of {count}")
    return wall, memory.grown, size


def scale(arguments, dice, folder):
    small, large = 10_000, 10_000_000 if arguments.big else 1_000_000
    result, walls, rates = {}, {}, {}
    for count in (small, large):
        station = started(folder / f"scale-{count}")
        try:
            behind = arguments.big and count == large
            scene = filled_behind(station, count) if behind else filled(station, count)
            walls[count] = walls_of(scene, dice, 30 * arguments.rounds)
            if not behind:
                rates[count] = scene.rows_per_s
            if count == large:
                for form in ("json", "jsonl", "csv"):
                    wall, grown, size = listed(scene, count, form)
                    result[f"scale_list_{form}"] = {"value": round(grown / 2**20, 1), "floor": "<= 32 MiB", "rows": count,
                                                    "rows_per_s": round(count / wall), "mib": round(size / 2**20, 1)}
            check(station.stop() == 0, "the station did not end well")
        finally:
            station.remove()
    for name in FLAT:
        ours, theirs = walls[large][name], walls[small][name]
        result[f"scale_{name}"] = figure(ours / theirs, "<= 3", large_ms=ours * 1e3, small_ms=theirs * 1e3, rows=large)
    if large in rates:
        result["scale_create"] = figure(rates[large] / rates[small], ">= 0.5", large_rows_per_s=rates[large], small_rows_per_s=rates[small])
    return result


PARTS = {"bulk": bulk, "reads": reads, "updates": updates, "list": list_many, "scale": scale}
