"""Stored objects over S3: large ones, parts of them, small ones, and lists, against nginx, `dd` and one fsync each."""

import concurrent.futures
import http.client
import json
import os
import pathlib
import random
import shutil
import sqlite3
import statistics
import subprocess
import time
import urllib.parse

import boto3
import botocore.config
from measure import SEED, check, cpu_secs, figure, started
from station import wait_for

MIB = 1 << 20
LARGE = 1024 * MIB
PART = 256 << 10
SMALL = 16 << 10
TINY = 1 << 10
CLIENTS = 16
DAY = 86_400
NGINX = """worker_processes 2; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c; uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen 127.0.0.1:{port}; root {folder}/files; }} }}
"""


class Peer:
    """nginx on a folder of files."""

    def __init__(self, folder):
        self.files = folder / "files"
        self.files.mkdir(parents=True)
        with http.client.socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=self.port))
        folder.chmod(0o755)
        self.process = subprocess.Popen([shutil.which("nginx") or "/usr/sbin/nginx", "-c", folder / "nginx.conf", "-e", folder / "error.log",
                                         *(["-g", "user root;"] if os.geteuid() == 0 else [])])
        self.origin = f"http://127.0.0.1:{self.port}"
        wait_for("nginx", lambda: self.answers())

    def answers(self):
        try:
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=5).connect()
        except OSError:
            return False
        return True

    def cpu(self):
        children = subprocess.run(["pgrep", "-P", str(self.process.pid)], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        return sum(ticks(pid) for pid in [self.process.pid, *children])

    def stop(self):
        self.process.terminate()
        self.process.wait()


def ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Store:
    """A bucket of a station, by links that need no client library."""

    def __init__(self, station, bucket="bench"):
        key = json.loads(station.command("s3", "key", "create").stdout)
        self.s3 = boto3.client("s3", endpoint_url=key["endpoint"], region_name="us-east-1", aws_access_key_id=key["access_key"],
                               aws_secret_access_key=key["secret_key"], config=botocore.config.Config(
                                   signature_version="s3v4", max_pool_connections=CLIENTS, s3={"addressing_style": "path"}))
        if bucket not in [one["Name"] for one in self.s3.list_buckets()["Buckets"]]:
            self.s3.create_bucket(Bucket=bucket)

    def link(self, call, key):
        return self.s3.generate_presigned_url(call, Params={"Bucket": "bench", "Key": key}, ExpiresIn=DAY)


def curl(*words):
    """Seconds that curl took, with the whole answer thrown away."""
    before = time.perf_counter()
    subprocess.run(["curl", "--silent", "--fail", "--output", "/dev/null", *words], check=True)
    return time.perf_counter() - before


def alternately(dice, rounds, *turns):
    for _ in range(rounds):
        order = list(turns)
        dice.shuffle(order)
        for turn in order:
            turn()


def used(cpu, work):
    before = cpu()
    wall = work()
    return wall, cpu() - before


def large(arguments, dice, station, store, peer, folder):
    source = folder / "large"
    with open(source, "wb") as file:
        dice_bytes = random.Random(SEED).randbytes(16 * MIB)
        for _ in range(LARGE // len(dice_bytes)):
            file.write(dice_bytes)
    shutil.copy(source, peer.files / "large")
    os.sync()
    puts, copies, ours, theirs = [], [], [], []
    put_link = store.link("put_object", "large")

    def put():
        puts.append(curl("--upload-file", source, put_link))

    def copy():
        before = time.perf_counter()
        subprocess.run(["dd", f"if={source}", f"of={folder / 'copy'}", "bs=1M", "conv=fsync", "status=none"], check=True)
        copies.append(time.perf_counter() - before)

    alternately(dice, arguments.rounds, put, copy)
    (folder / "copy").unlink()
    link = store.link("get_object", "large")
    check(store.s3.head_object(Bucket="bench", Key="large")["ContentLength"] == LARGE, "the object is not whole")
    curl(link), curl(f"{peer.origin}/large")  # both in memory
    alternately(dice, arguments.rounds, lambda: ours.append(used(lambda: cpu_secs(station), lambda: curl(link))),
                lambda: theirs.append(used(peer.cpu, lambda: curl(f"{peer.origin}/large"))))
    median = lambda pairs, place: statistics.median(pair[place] for pair in pairs)
    return {
        "put_1gib": figure(statistics.median(copies) / statistics.median(puts), ">= 0.5", put_secs=statistics.median(puts),
                           dd_secs=statistics.median(copies)),
        "get_1gib_wall": figure(median(theirs, 0) / median(ours, 0), ">= 0.9", secs=median(ours, 0), nginx_secs=median(theirs, 0)),
        "get_1gib_cpu": figure(median(ours, 1) / max(median(theirs, 1), 0.01), "<= 3", cpu_secs=median(ours, 1), nginx_cpu_secs=median(theirs, 1)),
    }


def request(connection, method, url, headers=(), body=None):
    parts = urllib.parse.urlsplit(url)
    connection.request(method, f"{parts.path}?{parts.query}", body, dict(headers))
    answer = connection.getresponse()
    data = answer.read()
    if answer.status not in (200, 206):
        raise RuntimeError(f"{method} {url}: {answer.status} {data[:300]!r}")
    return data


def connected(url):
    return http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)


def ranges(arguments, dice, store, peer):
    link, other = store.link("get_object", "large"), f"{peer.origin}/large"
    connections, walls = {url: connected(url) for url in (link, other)}, {link: [], other: []}

    def one(url, at):
        before = time.perf_counter()
        data = request(connections[url], "GET", url, {"Range": f"bytes={at}-{at + PART - 1}"})
        walls[url].append(time.perf_counter() - before)
        return data

    for _ in range(200 * arguments.rounds):
        at = dice.randrange(LARGE - PART)
        order = [link, other]
        dice.shuffle(order)
        first, second = (one(url, at) for url in order)
        check(first == second, "the bytes are not the same")
    ours, theirs = (statistics.median(walls[url]) for url in (link, other))
    return {"get_256kib_range_p50": figure(ours / theirs, "<= 2", ms=ours * 1e3, nginx_ms=theirs * 1e3)}


def many(urls, method="GET", bodies=None):
    """Requests a second over CLIENTS connections."""
    def work(mine):
        connection = connected(urls[0])
        for place in mine:
            request(connection, method, urls[place], body=bodies and bodies[place])

    before = time.perf_counter()
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        for part in [pool.submit(work, range(start, len(urls), CLIENTS)) for start in range(CLIENTS)]:
            part.result()
    return len(urls) / (time.perf_counter() - before)


def small(arguments, dice, store, peer):
    count, data = 2000, random.Random(SEED)
    for number in range(count):
        content = data.randbytes(SMALL)
        (peer.files / f"s{number}").write_bytes(content)
        store.s3.put_object(Bucket="bench", Key=f"small/{number}", Body=content)
    links = [store.link("get_object", f"small/{number}") for number in range(count)]
    others = [f"{peer.origin}/s{number}" for number in range(count)]
    ours, theirs = [], []
    alternately(dice, arguments.rounds, lambda: ours.append(many(links)), lambda: theirs.append(many(others)))
    ours, theirs = statistics.median(ours), statistics.median(theirs)
    return {"get_16kib_per_s": figure(ours / theirs, ">= 0.4", per_s=ours, nginx_per_s=theirs)}


def tiny(arguments, dice, store, folder):
    count, ours, theirs = 10_000, [], []
    body = os.urandom(TINY)

    source, wanted = folder / "tiny", folder / "tiny.curl"
    source.write_bytes(body)

    def put():
        prefix = f"tiny/{len(ours)}/"
        links = [store.link("put_object", f"{prefix}{number}") for number in range(count)]
        wanted.write_text("next\n".join(f'url = "{link}"\nupload-file = "{source}"\noutput = /dev/null\nfail\n' for link in links))
        # A client in Python would be slower than what it measures.
        secs = curl("--parallel", "--parallel-max", str(CLIENTS), "--config", wanted)
        ours.append(count / secs)
        pages = store.s3.get_paginator("list_objects_v2").paginate(Bucket="bench", Prefix=prefix)
        check(sum(page["KeyCount"] for page in pages) == count, "some objects are missing")

    def flush():
        place = folder / f"flushed-{len(theirs)}"
        place.mkdir()
        before = time.perf_counter()
        for number in range(count):
            file = os.open(place / str(number), os.O_WRONLY | os.O_CREAT)
            os.write(file, body)
            os.fsync(file)
            os.close(file)
        theirs.append(count / (time.perf_counter() - before))

    alternately(dice, 1, put, flush)
    return {"put_1kib_per_s": figure(statistics.median(ours) / statistics.median(theirs), ">= 1", per_s=statistics.median(ours),
                                     fsync_each_per_s=statistics.median(theirs), clients=CLIENTS)}


def listing(arguments, station, store):
    """Pages from the beginning and from near the end of many keys in a thousand folders, and one page of the folders. The keys are
    written without asking the station, as copies of one that it wrote."""
    store.s3.create_bucket(Bucket="many")
    store.s3.put_object(Bucket="many", Key="0", Body=b"")
    check(station.stop() == 0, "the station did not end well")
    base = sqlite3.connect(station.data / "transect.sqlite", isolation_level=None)
    base.execute("pragma synchronous = off")
    base.execute("begin immediate")
    columns = [row[1] for row in base.execute("pragma table_info(object)") if row[1] != "key"]
    base.execute(f"with recursive n(n) as (select 0 union all select n + 1 from n where n + 1 < {arguments.keys}) "
                 f"insert into object (key, {', '.join(columns)}) select printf('f%03d/%07d', n * 1000 / {arguments.keys}, n), "
                 f"{', '.join(columns)} from n, object where key = '0'")
    base.execute("commit")
    base.close()
    station.start()
    store = Store(station, "many")

    def page(**words):
        walls = []
        for _ in range(10 * arguments.rounds):
            before = time.perf_counter()
            answer = store.s3.list_objects_v2(Bucket="many", **words)
            walls.append(time.perf_counter() - before)
        check(answer["KeyCount"] == 1000, f"{answer['KeyCount']} keys on a page of 1000")
        return statistics.median(walls)

    first, last = page(StartAfter="0"), page(StartAfter=f"f998/{arguments.keys * 998 // 1000:07d}")
    return {"list_last_page": figure(last / first, "flat", first_ms=first * 1e3, last_ms=last * 1e3, keys=arguments.keys),
            "list_folders": {"value": round(page(Delimiter="/", StartAfter="0") * 1e3, 3), "floor": "", "unit": "ms", "keys": arguments.keys}}


def objects(arguments, dice, folder):
    station = started(folder / "objects")
    peer = Peer(folder / "nginx")
    try:
        store = Store(station)
        result = {**large(arguments, dice, station, store, peer, folder), **ranges(arguments, dice, store, peer),
                  **small(arguments, dice, store, peer), **tiny(arguments, dice, store, folder), **listing(arguments, station, store)}
        check(station.stop() == 0, "the station did not end well")
    finally:
        peer.stop()
        station.remove()
    return result


PARTS = {"objects": objects}
