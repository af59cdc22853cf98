#!/usr/bin/env python3
"""Builds Transect once and runs every test. The last line is `N passed, N failed`, over all runners.

    python3 tests/run.py                          everything
    python3 tests/run.py --only rust,page         some runners: rust, page, sqlite, postgres, browser
    python3 tests/run.py --only sqlite -- -k crash    what follows -- goes to pytest
    python3 tests/run.py --soak                   the kill loop, 200 rounds, 40 power cuts, and 2,000 damaged files
    python3 tests/run.py --bench                  the release build against its peers (tests/bench)

A test that is skipped counts as failed, but for the full disk and the power cuts where these cannot be had (ALLOWED_SKIPS).

Installs what is missing (assets/prerequisites.sh, npm, a Python environment in the cache), starts a PostgreSQL of its
own, and ends everything that it started, also when it is interrupted. CARGO_TARGET_DIR says where cargo builds; unset
means a folder in the cache, outside the checkout.
"""

import argparse
import contextlib
import hashlib
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or CACHE / "transect-target")
RUNNERS = ("rust", "page", "sqlite", "postgres", "browser")
# What the long runs set, where it is not set already.
SOAK = {"TRANSECT_CRASH_ROUNDS": "200", "TRANSECT_CRASH_OBJECT_ROUNDS": "100", "TRANSECT_CRASH_IMPORT_ROUNDS": "40",
        "TRANSECT_MUTATIONS": "2000", "TRANSECT_POWER_CUTS": "40"}
RUNNER_SECS = 3600
PAGE_SECS = 600
STOP_SECS = 20
NOT_MOUNTED = "mounting a file system is not permitted"
# Runner, test and reason of what may be skipped.
ALLOWED_SKIPS = {
    ("postgres", "test_disk_full", "the database is not on this disk"),
    ("sqlite", "test_disk_full", NOT_MOUNTED),
    ("postgres", "test_power_cut", "the database is not on this disk"),
    ("sqlite", "test_power_cut", NOT_MOUNTED),
}


class Interrupted(Exception):
    """Somebody asked the whole run to end."""


class Counts:
    def __init__(self, passed=0, failed=0, skipped=0, note=""):
        self.passed, self.failed, self.skipped, self.note = passed, failed, skipped, note


def broken(note):
    """What did not even run counts as one failure."""
    return Counts(failed=1, note=note)


# ---------------------------------------------------------------- processes

STARTED = []


def start(command, **options):
    """Starts a process in a group of its own, so that its children end with it."""
    process = subprocess.Popen([str(word) for word in command], start_new_session=True, **options)
    STARTED.append(process)
    return process


def end(process, how=signal.SIGTERM):
    """Ends a process and everything that it started."""
    for number, secs in ((how, STOP_SECS), (signal.SIGKILL, 5)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(secs)
            break
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # children that outlived it
    if process in STARTED:
        STARTED.remove(process)


def run(command, folder=ROOT, environment=None, secs=RUNNER_SECS):
    """Runs a command, shows what it prints, and returns its exit code and output."""
    print(f"\n$ {' '.join(str(word) for word in command)}", flush=True)
    process = start(command, cwd=folder, env=environment or os.environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT, text=True, errors="replace")
    signal.alarm(secs)
    lines = []
    try:
        for line in process.stdout:
            lines.append(line)
            sys.stdout.write(line)
            sys.stdout.flush()
        code = process.wait()
    except TimeoutError:
        lines.append(f"not done after {secs} s: ended\n")
        print(lines[-1], flush=True)
        code = 124
    finally:
        signal.alarm(0)
        end(process)
    return code, "".join(lines)


def must(command, **options):
    code, _ = run(command, **options)
    if code != 0:
        raise RuntimeError(f"{' '.join(str(word) for word in command)} ended with {code}")


# ---------------------------------------------------------------- what the tests need

def digest(*paths):
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def python_environment(requirements):
    """A Python environment in the cache with these packages; returns its folder."""
    name = f"{digest(requirements)}-{sys.version_info.major}.{sys.version_info.minor}"
    folder = CACHE / "transect-tests" / f"python-{name}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        must([sys.executable, "-m", "venv", folder])
        must([folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements])
        (folder / "done").touch()
    return folder


def npm_packages(folder):
    mark = folder / "node_modules" / ".installed"
    wanted = digest(folder / "package-lock.json")
    if not mark.exists() or mark.read_text() != wanted:
        must(["npm", "ci", "--no-audit", "--no-fund"], folder=folder)
        mark.write_text(wanted)


def cargo(*words):
    found = shutil.which("cargo") or pathlib.Path.home() / ".cargo" / "bin" / "cargo"
    return [found, *words]


def test_environment(python):
    """The environment of the tests: none of our settings from outside, the test packages first on the path."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRANSECT_")}
    cargo_bin = pathlib.Path.home() / ".cargo" / "bin"
    clean["PATH"] = os.pathsep.join([str(python / "bin"), os.environ["PATH"], str(cargo_bin)])
    kept = (*SOAK, "TRANSECT_CRASH_SEED", "TRANSECT_FUZZ_EXAMPLES", "TRANSECT_MUTATION_SEED", "TRANSECT_POWER_DISK")
    clean.update({name: os.environ[name] for name in kept if name in os.environ})
    clean["CARGO_TARGET_DIR"] = str(TARGET)
    clean["TRANSECT_BIN"] = str(TARGET / "debug" / "transect")
    clean["TRANSECT_OLD_PYTHON"] = str(python_environment(ROOT / "tests" / "python" / "old_client.txt") / "bin" / "python")
    clean["TRANSECT_S3_PYTHON"] = str(python_environment(ROOT / "tests" / "s3" / "requirements.txt") / "bin" / "python")
    clean["TRANSECT_MOTO_PYTHON"] = str(python_environment(ROOT / "tests" / "python" / "other_store.txt") / "bin" / "python")
    clean["PYTHONDONTWRITEBYTECODE"] = "1"
    return clean


@contextlib.contextmanager
def postgres():
    """A PostgreSQL server with data of its own, on a free port of loopback; gives the URL of its first database."""
    programs = [path.parent for path in pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not programs and shutil.which("initdb"):
        programs = [pathlib.Path(shutil.which("initdb")).resolve().parent]
    if not programs:
        raise RuntimeError("PostgreSQL is not installed: apt-get install postgresql")
    programs = max(programs, key=lambda path: [int(number) for number in re.findall(r"\d+", str(path))])
    owner = unprivileged()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pg-for-tests-", dir="/tmp"))
    server = None
    try:
        if owner:
            os.chown(folder, owner["user"], owner["group"])
        subprocess.run([programs / "initdb", "--pgdata", folder / "data", "--username", "postgres", "--auth", "trust",
                        "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"],
                       check=True, stdout=subprocess.DEVNULL, cwd=folder, **owner)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "max_connections": 400,
                    # Nobody will need this data after a power cut.
                    "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with open(folder / "log", "wb") as log:
            server = start([programs / "postgres", "-D", folder / "data", *options], cwd=folder, stdout=log, stderr=log, **owner)
        url = f"postgres://postgres@127.0.0.1:{port}/postgres"
        for _ in range(600):
            if subprocess.run([programs / "pg_isready", "-q", "-d", url], check=False).returncode == 0:
                break
            if server.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start: {(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.1)
        yield url
    finally:
        if server:
            end(server, signal.SIGINT)  # its fast shutdown
        shutil.rmtree(folder, ignore_errors=True)


def unprivileged():
    """For root: whom to run PostgreSQL as, for it refuses root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    raise RuntimeError("there is no user postgres or nobody to run PostgreSQL as")


# ---------------------------------------------------------------- the runners

def rust(environment, url):
    """Every Rust test on SQLite; those of the library and the engines again on PostgreSQL."""
    command = cargo("test", "--workspace", "--locked", "--no-fail-fast")
    code, text = run(command, environment=environment)
    if url:
        environment = {**environment, "TRANSECT_TEST_DATABASE_URL": url}
        again, more = run([*command, "--lib", "--test", "engines"], environment=environment)
        code, text = code or again, text + more
    found = [[int(number) for number in match] for match in
             re.findall(r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored", text, re.MULTILINE)]
    return checked(code, Counts(*(sum(column) for column in zip(*found))) if found else Counts())


def page(environment):
    """The types of the page, counted as one test, and its unit tests."""
    folder = ROOT / "ui" / "web"
    code, _ = run(["npm", "run", "--silent", "check"], folder, environment, PAGE_SECS)
    with tempfile.TemporaryDirectory() as scratch:
        file = pathlib.Path(scratch) / "vitest.json"
        words = ["npm", "test", "--silent", "--", "--reporter=default", "--reporter=json", f"--outputFile.json={file}"]
        unit_code, _ = run(words, folder, environment, PAGE_SECS)
        found = json.loads(file.read_text()) if file.exists() else {}
    counts = checked(unit_code, Counts(found.get("numPassedTests", 0), found.get("numFailedTests", 0), found.get("numPendingTests", 0)))
    if code == 0:
        counts.passed += 1
    else:
        counts.failed += 1
        counts.note = f"{counts.note} types do not fit".strip()
    return counts


def skip_allowed(runner, case, reason):
    """Whether this test may be skipped for this reason; what was not tried for want of a disk is worth a loud word."""
    if (runner, case.get("classname"), reason) not in ALLOWED_SKIPS:
        print(f"unexpectedly skipped: {case.get('classname')}::{case.get('name')}: {reason}", flush=True)
        return False
    if reason == NOT_MOUNTED:
        print(f"\n{'!' * 100}\n!!! NOT TESTED: {case.get('classname')} ({case.get('name')}), for {reason}. Run as root, or with the\n"
              f"!!! capability SYS_ADMIN, before you rely on this result.\n{'!' * 100}\n", flush=True)
    return True


def python_client(runner, environment, python, words):
    with tempfile.TemporaryDirectory() as scratch:
        file = pathlib.Path(scratch) / "pytest.xml"
        command = [python / "bin" / "python", "-m", "pytest", "--quiet", f"--junitxml={file}", f"--basetemp={scratch}/t", *words]
        code, _ = run(command, ROOT / "tests" / "python", environment)
        if not file.exists():
            return broken(f"pytest ended with {code}")
        counts = Counts()
        root = xml.etree.ElementTree.parse(file).getroot()
        for suite in root.iter("testsuite"):
            number = {name: int(suite.get(name, "0")) for name in ("tests", "failures", "errors", "skipped")}
            counts.failed += number["failures"] + number["errors"]
            counts.skipped += number["skipped"]
            counts.passed += max(0, number["tests"] - number["failures"] - number["errors"] - number["skipped"])
        allowed = 0
        for case in root.iter("testcase"):
            for skip in case.iter("skipped"):
                reason = skip.get("message", "")
                if skip_allowed(runner, case, reason):
                    allowed += 1
                    counts.note = "NOT TESTED: full disk, power cuts" if reason == NOT_MOUNTED else counts.note
    return checked(code, counts, allowed)


def browser(environment):
    code, text = run(["npm", "test", "--silent"], ROOT / "tests" / "web", environment)
    found = dict(re.findall(r"^(?:#|ℹ) (pass|fail|cancelled|skipped|todo) (\d+)$", text, re.MULTILINE))
    number = {name: int(found.get(name, "0")) for name in ("pass", "fail", "cancelled", "skipped", "todo")}
    return checked(code, Counts(number["pass"], number["fail"] + number["cancelled"], number["skipped"] + number["todo"]))


def checked(code, counts, allowed_skips=0):
    """A runner that says it failed must show in the counts, and so must one that ran nothing or skipped what it must run."""
    unexpected = counts.skipped - allowed_skips
    if unexpected > 0:
        counts.failed += unexpected
        counts.skipped = allowed_skips
        counts.note = f"{counts.note} {unexpected} unexpectedly skipped".strip()
    if code != 0 and counts.failed == 0:
        counts.failed, counts.note = 1, f"ended with {code}"
    elif counts.passed + counts.failed == 0:
        counts.failed, counts.note = 1, "no test ran"
    return counts


# ---------------------------------------------------------------- the whole

def prepare(wanted):
    """Installs and builds what the wanted runners need; returns the Python environment."""
    must(["bash", ROOT / "assets" / "prerequisites.sh", "test"])
    python = python_environment(ROOT / "tests" / "python" / "requirements.txt")
    if {"page", "browser"} & wanted:
        npm_packages(ROOT / "ui" / "web")
    if "browser" in wanted:
        npm_packages(ROOT / "tests" / "web")
        must(["npm", "run", "--silent", "build"], folder=ROOT / "ui" / "web")
    if wanted - {"page"}:
        # One call, so that every crate is built once with one set of features.
        environment = {**os.environ, "CARGO_TARGET_DIR": str(TARGET)}
        must(cargo("build", "--workspace", "--locked", "--bins", "--tests"), environment=environment)
    return python


def all_tests(wanted, words):
    results = {}
    try:
        python = prepare(wanted)
        environment = test_environment(python)
        with contextlib.ExitStack() as stack:
            url = stack.enter_context(postgres()) if {"rust", "postgres"} & wanted else None
            work = {
                "rust": lambda: rust(environment, url),
                "page": lambda: page(environment),
                "sqlite": lambda: python_client("sqlite", environment, python, words),
                "postgres": lambda: python_client("postgres", {**environment, "TRANSECT_DATABASE_URL": url}, python, words),
                "browser": lambda: browser(environment),
            }
            for name in RUNNERS:
                if name in wanted:
                    results[name] = work[name]()
    except Interrupted:
        results["interrupted"] = broken("ended before every test had run")
    except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
        results["preparation"] = broken(str(error))
    return results


def report(results):
    print(f"\n{'runner':<12} {'passed':>7} {'failed':>7} {'skipped':>8}")
    for name, counts in results.items():
        print(f"{name:<12} {counts.passed:>7} {counts.failed:>7} {counts.skipped:>8}  {counts.note}".rstrip())
    passed, failed = (sum(getattr(counts, name) for counts in results.values()) for name in ("passed", "failed"))
    print(f"{passed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


def bench(words):
    must(["bash", ROOT / "assets" / "prerequisites.sh", "bench"])
    python = python_environment(ROOT / "tests" / "bench" / "requirements.txt")
    environment = {**test_environment(python), "TRANSECT_BIN": str(TARGET / "release" / "transect")}
    must(cargo("build", "--workspace", "--locked", "--bins", "--release"), environment=environment)
    code, _ = run([python / "bin" / "python", ROOT / "tests" / "bench" / "bench.py", *words], environment=environment, secs=4 * RUNNER_SECS)
    return code


def on_signal(number, _frame):
    raise TimeoutError if number == signal.SIGALRM else Interrupted


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(RUNNERS), help="runners, with commas between them")
    parser.add_argument("--soak", action="store_true", help="the kill loop, the power cuts and the damaged files of the Python tests, many of them")
    parser.add_argument("--bench", action="store_true", help="measure instead of testing")
    parser.add_argument("words", nargs="*", help="more words for pytest or the benchmarks, after --")
    arguments = parser.parse_args()
    wanted = {"sqlite"} if arguments.soak else set(arguments.only.split(","))
    if wanted - set(RUNNERS):
        parser.error(f"there is no runner {', '.join(sorted(wanted - set(RUNNERS)))}; there are {', '.join(RUNNERS)}")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, on_signal)
    try:
        if arguments.bench:
            return bench(arguments.words)
        words = arguments.words
        if arguments.soak:
            for name, value in SOAK.items():
                os.environ.setdefault(name, value)
            words = ["test_crash.py", "test_power_cut.py", "test_s3.py::test_kill_minus_nine_while_objects_are_put", "test_damaged_media.py", *words]
        return report(all_tests(wanted, words))
    except (Interrupted, RuntimeError) as error:
        print(f"run.py: {error or 'interrupted'}", file=sys.stderr)
        return 130 if isinstance(error, Interrupted) else 1
    finally:
        for process in list(STARTED):
            end(process)


if __name__ == "__main__":
    sys.exit(main())
