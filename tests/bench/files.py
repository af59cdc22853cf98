"""Files of media: how fast a large one is indexed, and whether hostile ones slow others down."""

import json
import os
import pathlib
import statistics
import struct
import subprocess
import threading
import time

import huge
import long
from clips import CLIP, make_clip
from measure import Client, check, figure, settle, started
from mutate import mutate
from transcoding import worker

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


def asked(client, path, until):
    walls = []
    while not until():
        before = time.perf_counter()
        client.send("GET", path)
        walls.append(time.perf_counter() - before)
    return walls


def hostile(arguments, _dice, folder):
    """Requests beside an import of damaged files, against the same requests alone."""
    clip = folder / "whole.mp4"
    make_clip(clip, 60)
    data = clip.read_bytes()
    damaged = folder / "damaged"
    damaged.mkdir()
    for seed in range(40 * arguments.rounds):
        (damaged / f"{seed}.mp4").write_bytes(mutate(data, seed))
    station = started(folder / "hostile")
    try:
        client = Client(station)
        path = "/rest/Projects"
        settle(station)
        until = time.monotonic() + SECONDS
        idle = asked(client, path, lambda: time.monotonic() > until)
        importing = threading.Thread(target=station.command, args=("import", damaged, "--project", "Hostile"),
                                     kwargs={"check": False, "secs": 1800})
        importing.start()
        busy = asked(client, path, lambda: not importing.is_alive())
        importing.join()
        check(station.stop() == 0, "the station did not end well")
    finally:
        station.remove()
    return {"hostile_p99": figure(p99(busy) / p99(idle), "<= 1.5", idle_ms=p99(idle) * 1e3, busy_ms=p99(busy) * 1e3,
                                  idle_p50_ms=statistics.median(idle) * 1e3, busy_p50_ms=statistics.median(busy) * 1e3,
                                  requests=len(busy))}


PARTS = {"index": index, "hostile": hostile}
