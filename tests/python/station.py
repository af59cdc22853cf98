"""Starts, stops and kills a real station: the program itself, on its own data folder and a free port.

TRANSECT_BIN names the program. TRANSECT_DATABASE_URL picks the engine: unset means SQLite in the data
folder; a postgres:// URL means that every station gets a database of its own beside the named one.
"""

import contextlib
import json
import os
import pathlib
import queue
import re
import secrets
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.parse

import requests

READY_SECS = 60
STOP_SECS = 60
PASSWORD = "an octopus has three hearts"


def program():
    path = os.environ.get("TRANSECT_BIN")
    if not path:
        raise RuntimeError("set TRANSECT_BIN to the transect program that is to be tested")
    return path


def wait_for(what, condition, secs=60, pause=0.05):
    """Polls until `condition()` is true and returns its value; fails naming `what` when time is up."""
    deadline = time.monotonic() + secs
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {secs} s in vain for {what}")
        time.sleep(pause)


class Station:
    """One data folder and the process that serves it. `url` holds while it runs."""

    def __init__(self, folder, environment=None, options=()):
        self.data = pathlib.Path(folder)
        self.options = list(options)
        self.environment = {**os.environ, **(environment or {})}
        self.process = self.url = self.listen = None
        self.log = self.data.parent / f"{self.data.name}.log"
        self.database = OwnDatabase.beside(self.environment.get("TRANSECT_DATABASE_URL"))
        if self.database:
            self.environment["TRANSECT_DATABASE_URL"] = self.database.url

    def start(self, listen="127.0.0.1:0"):
        """Starts the program and returns once it has printed its `ready` line."""
        assert self.process is None, "this station runs already"
        command = [program(), "serve", "--data", str(self.data), "--listen", listen, "--s3-listen", "127.0.0.1:0"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*command, *self.options], stdout=subprocess.PIPE, stderr=log,
                                            env=self.environment, text=True)
        self.url = self._ready_line().split(" ", 1)[1].rstrip("/")
        self.listen = urllib.parse.urlsplit(self.url).netloc
        return self

    def _ready_line(self):
        lines = queue.Queue()

        def read(pipe):
            for line in pipe:
                lines.put(line.rstrip("\n"))
            lines.put(None)

        threading.Thread(target=read, args=(self.process.stdout,), daemon=True).start()
        try:
            line = lines.get(timeout=READY_SECS)
        except queue.Empty:
            line = None
        if line is None or not re.fullmatch(r"ready http://\S+", line):
            self.kill()
            raise AssertionError(f"expected one line 'ready http://…', got {line!r}; its log ends:\n{self.log_tail()}")
        return line

    def log_tail(self, size=3000):
        return self.log.read_bytes()[-size:].decode(errors="replace")

    def stop(self):
        """Asks the station to end and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"still there {STOP_SECS} s after SIGTERM; its log ends:\n{self.log_tail()}") from None
        finally:
            self._forget()

    def kill(self):
        """Ends the station without any warning."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_SECS)
            self._forget()

    def _forget(self):
        self.process.wait(STOP_SECS)
        self.process = None

    def remove(self):
        """Kills what still runs and drops the database that was made for this station."""
        self.kill()
        if self.database:
            self.database.drop()

    @property
    def alive(self):
        return self.process is not None and self.process.poll() is None

    def command(self, *arguments, text=None, check=True, secs=120):
        """Runs another command of the program on this data folder."""
        done = subprocess.run([program(), *map(str, arguments), "--data", str(self.data)], input=text, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environment, timeout=secs,
                              check=False)
        if check and done.returncode != 0:
            raise AssertionError(f"{arguments} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return done

    def lines(self, *arguments, **options):
        """Runs a command with --json and returns its lines, parsed."""
        done = self.command(*arguments, "--json", **options)
        return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]

    def add_user(self, name, *flags, password=PASSWORD):
        """Makes an account and returns its API token."""
        self.command("user", "create", name, *flags, "--password-stdin", text=password + "\n")
        return self.token(name)

    def token(self, name):
        return self.command("user", "token", name).stdout.strip()

    def http(self, method, path, token=None, **options):
        """Sends one plain request, for what the client hides: exact statuses, headers and bodies."""
        headers = dict(options.pop("headers", {}))
        if token:
            headers["Authorization"] = f"Token {token}"
        options.setdefault("timeout", 60)
        return requests.request(method, self.url + path, headers=headers, **options)

    def behind_the_back(self, statements):
        """Changes rows in the database without the station's knowledge, and so without its journal."""
        if self.database:
            subprocess.run(["psql", "--no-psqlrc", "--quiet", "--command", statements, self.database.url], check=True)
            return
        with contextlib.closing(sqlite3.connect(self.data / "transect.sqlite")) as base:
            base.executescript(statements)

    def processes(self):
        """Returns the process ids of the station and everything it started."""
        parents = {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    stat = (entry / "stat").read_text()
                    parents[int(entry.name)] = int(stat.rsplit(")", 1)[1].split()[1])
        found = [self.process.pid]
        for pid in found:
            found += [child for child, parent in parents.items() if parent == pid]
        return found


class OwnDatabase:
    """A PostgreSQL database that lives as long as one station."""

    def __init__(self, server):
        self.server = server
        self.name = f"transect_test_{secrets.token_hex(6)}"
        parts = urllib.parse.urlsplit(server)
        self.url = urllib.parse.urlunsplit(parts._replace(path=f"/{self.name}"))
        self._run(f'create database "{self.name}"')

    @classmethod
    def beside(cls, url):
        return cls(url) if url and url.startswith(("postgres:", "postgresql:")) else None

    def drop(self):
        self._run(f'drop database if exists "{self.name}" with (force)')

    def _run(self, statement):
        subprocess.run(["psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--command", statement, self.server],
                       check=True, stdout=subprocess.DEVNULL)
