"""Files of media: how fast a large one is indexed, and whether hostile ones slow others down."""

import statistics
import threading
import time

import huge
from clips import make_clip
from measure import Client, check, figure, settle, started
from mutate import mutate
from transcoding import worker

HUGE_BYTES = 100 << 30
SECONDS = 5


def index(arguments, _dice, folder):
    """An MP4 file of a hundred gigabytes; most of them are a hole, which nobody reads."""
    small, large = folder / "small.mp4", folder / "huge.mp4"
    make_clip(small)
    huge.make(small, large, HUGE_BYTES)
    walls, cpus = [], []
    for _ in range(arguments.rounds):
        file = folder / "huge.index"
        file.unlink(missing_ok=True)
        _, cpu, wall = worker({"index": {"source": str(large), "index_file": str(file)}})
        walls.append(wall)
        cpus.append(cpu)
    large.unlink()
    return {"index_100gb_secs": {"value": round(statistics.median(walls), 3), "floor": "< 2",
                                 "cpu_secs": round(statistics.median(cpus), 3)}}


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
