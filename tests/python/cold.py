"""A store with cold classes, as Amazon's: moto, in a process of its own."""

import contextlib
import os
import socket
import subprocess

import requests
from station import wait_for


@contextlib.contextmanager
def cold_store(log):
    """Yields the endpoint; what the store says goes to this file."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [os.environ["TRANSECT_MOTO_PYTHON"], "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file)
    endpoint = f"http://127.0.0.1:{port}"
    try:
        wait_for("the store", lambda: answers(endpoint), secs=30)
        yield endpoint
    finally:
        process.kill()
        process.wait()


def answers(endpoint):
    try:
        return requests.get(endpoint, timeout=1).ok
    except requests.RequestException:
        return False
