"""What the measurements share: a client of the station, its use of the machine, and figures."""

import http.client
import json
import os
import pathlib
import statistics
import threading
import time
import urllib.parse

from station import Station, wait_for

SEED = 20_260_101


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

    def pieces(self, path):
        """The answer to a GET, as it comes."""
        self.connection.request("GET", path, None, self.headers)
        answer = self.connection.getresponse()
        check(answer.status == 200, f"GET {path}: {answer.status}")
        while piece := answer.read1(1 << 16):
            yield piece


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


class Memory:
    """Watches by how much the resident memory of the station's own process grows."""

    def __init__(self, station):
        self.path = pathlib.Path(f"/proc/{station.process.pid}/statm")
        self.ended = threading.Event()
        self.grown = 0

    def resident(self):
        return int(self.path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def watch(self):
        while not self.ended.wait(0.02):
            self.grown = max(self.grown, self.resident() - self.before)

    def __enter__(self):
        self.before, self.thread = self.resident(), threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.thread.join()


def settle(station):
    """Returns once the station has used no CPU worth naming for half a second."""
    def quiet():
        before = cpu_secs(station)
        time.sleep(0.5)  # the window that is measured
        return cpu_secs(station) - before <= 0.01
    wait_for("the station to be idle", quiet, secs=120)


def check(condition, problem):
    if not condition:
        raise SystemExit(f"the measurement is void: {problem}")


def median(rounds, key):
    return statistics.median(one[key] for one in rounds)


def figure(ratio, floor, **parts):
    rounded = {key: round(value, 3) if isinstance(value, float) else value for key, value in parts.items()}
    return {"ratio": round(ratio, 4), "floor": floor, **rounded}
