"""Scripts of the generated client, tator 1.6.14: its models and checks were built years before this server.

`TRANSECT_OLD_PYTHON` is a Python that has it; `make test` makes one.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from renditions import make_clip
from test_transcode import MP4DUMP

SCRIPT = pathlib.Path(__file__).with_name("old_client.py")
SCENARIOS = ["whoami", "types_are_models", "localizations", "tracks", "media", "files", "upload", "sections_versions_leaves", "errors",
             "attributes_change", "versions", "clone", "bookmarks_and_favorites", "people", "leaves", "sections", "images",
             "frames_and_clips", "jobs", "resumable", "every_noun"]
# Clips that a scenario finds in its folder.
CLIPS = {"upload": "h264_cfr30", "frames_and_clips": "h264_cfr30", "images": "image_png"}
# What the client's own programs import beside it.
MODULES = {
    "tqdm": """
def tqdm(steps, desc=None):
    return steps
""",
    "cv2": """
import subprocess

CAP_PROP_FRAME_WIDTH, CAP_PROP_FRAME_HEIGHT = "width", "height"


class VideoCapture:
    def __init__(self, path):
        self.path = path

    def get(self, what):
        command = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", f"stream={what}", "-of", "csv=p=0", self.path]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[0].strip(","))

    def release(self):
        pass
""",
}


@pytest.fixture
def tools(tmp_path):
    """The environment in which the client's own programs find what they need."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name, text in MODULES.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "mp4dump").write_text(MP4DUMP.format(python=sys.executable))
    (folder / "mp4dump").chmod(0o755)
    return {**os.environ, "PYTHONPATH": str(folder), "PATH": f"{folder}:{os.environ['PATH']}"}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_old_client(station, corpus, people, tools, tmp_path, scenario):
    python = os.environ.get("TRANSECT_OLD_PYTHON")
    assert python, "TRANSECT_OLD_PYTHON must name a Python with tator 1.6.14 (tests/python/old_client.txt)"
    if scenario in CLIPS:
        shutil.copy(corpus[CLIPS[scenario]]["path"], tmp_path)
    if scenario == "resumable":
        make_clip(tmp_path / "dive_60.ts", 320, 240, frames=60, sound=True)
    (tmp_path / "somebody.json").write_text(json.dumps(people.viewer.name))
    command = [python, SCRIPT, station.url, station.admin_token, scenario, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=tools)
    assert done.returncode == 0, done.stderr[-3000:]
