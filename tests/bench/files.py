"""Files of media: how fast a large one is indexed, and whether hostile ones slow others down."""

import json
import os
import pathlib
import statistics
import struct
import subprocess
import sys
import threading
import time

import barcode
import huge
import long
from clips import CLIP, make_clip
from measure import Client, check, figure, settle, started
from mutate import mutate
from transcoding import worker

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
HUGE_BYTES = 100 << 30
# Ten hours of sixty pictures a second.
LONG_FRAMES = 36_000 * 60
SECONDS = 5


def index(arguments, _dice, folder):
    """An MP4 file of a hundred gigabytes, most of them a hole that nobody reads; and one of ten hours, whose index is kept open."""
    small, large, hours = (folder / name for name in ("small.mp4", "huge.mp4", "long.mp4"))
    make_clip(small)
    huge.make(small, large, HUGE_BYTES)
    long.make(small, hours, LONG_FRAMES // CLIP["frames"])
    cpus, walls = indexed(large, arguments.rounds)
    large.unlink()
    _, long_walls = indexed(hours, arguments.rounds)
    indexed(small, 1)
    grown = [opened_bytes(hours) - opened_bytes(small) for _ in range(arguments.rounds)]
    memory = statistics.median(grown)
    return {"index_100gb_secs": {"value": round(statistics.median(walls), 3), "floor": "< 2",
                                 "cpu_secs": round(statistics.median(cpus), 3)},
            "index_10h_mb": {"value": round(memory / 1e6, 1), "floor": "< 30", "bytes_per_frame": round(memory / LONG_FRAMES, 2),
                             "made_in_secs": round(statistics.median(long_walls), 3)}}


def indexed(source, rounds):
    """Returns CPU and wall seconds of making the index file."""
    walls, cpus, file = [], [], source.with_suffix(".index")
    for _ in range(rounds):
        file.unlink(missing_ok=True)
        _, cpu, wall = worker({"index": {"source": str(source), "index_file": str(file)}})
        walls.append(wall)
        cpus.append(cpu)
    return cpus, walls


def opened_bytes(source):
    """Memory of a worker that has just shown the last picture of a source, and keeps its index."""
    binary = pathlib.Path(os.environ["TRANSECT_BIN"]).resolve().with_name("transect-frames")
    frames = LONG_FRAMES if source.stem == "long" else CLIP["frames"]
    picture = {"source": str(source), "index_file": str(source.with_suffix(".index")), "frame": frames - 1, "roi": None,
               "size": "native", "format": "jpg", "quality": 85}
    with subprocess.Popen([binary, "--cache-bytes", "0", "--read", source.parent], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as process:
        header = json.dumps({"id": 1, "task": {"picture": picture}}).encode()
        process.stdin.write(struct.pack("<II", len(header), 0) + header)
        process.stdin.flush()
        size, body = struct.unpack("<II", process.stdout.read(8))
        outcome = json.loads(process.stdout.read(size))["outcome"]
        process.stdout.read(body)
        check("picture" in outcome, outcome)
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        process.stdin.close()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmRSS"))


def p99(walls):
    return sorted(walls)[len(walls) * 99 // 100]


def asked(client, paths, until):
    """(wall seconds, path, answer) of requests one after another, in turns."""
    seen = []
    while not until():
        for path in paths():
            before = time.perf_counter()
            answer = client.send("GET", path)
            seen.append((time.perf_counter() - before, path, answer))
    return seen


def hostile(arguments, dice, folder):
    """Requests beside an import of damaged files of every kind, against the same requests alone."""
    clip, damaged = folder / "whole.mp4", folder / "damaged"
    make_clip(clip, 60)
    damaged.mkdir()
    subprocess.run([sys.executable, FIXTURES / "corpus.py", folder / "kinds", "--frames", "40"], check=True)
    kinds = [(folder / "kinds" / one["path"]) for one in json.loads((folder / "kinds" / "corpus.json").read_text())["clips"]]
    for seed in range(100 * arguments.rounds):
        kind = kinds[seed % len(kinds)]
        (damaged / f"{seed}_{kind.name}").write_bytes(mutate(kind.read_bytes(), seed))
    station = started(folder / "hostile")
    try:
        client = Client(station)
        media = station.lines("import", clip, "--project", "Healthy")[0]["media"]
        paths = lambda: ("/rest/Projects", f"/rest/FramePicture/{media}/{dice.randrange(60)}")
        settle(station)
        until = time.monotonic() + SECONDS
        idle = asked(client, paths, lambda: time.monotonic() > until)
        importing = threading.Thread(target=station.command, args=("import", damaged, "--project", "Hostile"),
                                     kwargs={"check": False, "secs": 3600})
        importing.start()
        busy = asked(client, paths, lambda: not importing.is_alive())
        importing.join()
        check(station.stop() == 0, "the station did not end well")
    finally:
        station.remove()
    wrong = [path for _, path, answer in (*idle, *busy)
             if "FramePicture" in path and barcode.read_file(answer) != int(path.rpartition("/")[2])]
    check(not wrong, f"wrong pictures: {wrong[:5]}")
    result = {}
    for name, of in (("requests", "/rest/Projects"), ("pictures", "/rest/FramePicture")):
        alone, beside = ([wall for wall, path, _ in seen if path.startswith(of)] for seen in (idle, busy))
        result[f"hostile_{name}_p99"] = figure(p99(beside) / p99(alone), "<= 1.5", idle_ms=p99(alone) * 1e3, busy_ms=p99(beside) * 1e3,
                                               idle_p50_ms=statistics.median(alone) * 1e3, busy_p50_ms=statistics.median(beside) * 1e3,
                                               asked=len(beside), files=100 * arguments.rounds)
    return result


PARTS = {"index": index, "hostile": hostile}
