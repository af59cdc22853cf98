"""Counts, histograms and timelines of many annotations, against DuckDB."""

import json
import random
import sqlite3
import statistics
import time
import uuid

from annotations import ATTRIBUTES
from measure import SEED, Client, check, figure, pss_bytes, started

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
