"""Scripts of the generated client, tator 1.6.14: its models and checks were built years before this server.

`TRANSECT_OLD_PYTHON` is a Python that has it; `make test` makes one.
"""

import json
import os
import pathlib
import shutil
import subprocess

import pytest

SCRIPT = pathlib.Path(__file__).with_name("old_client.py")
SCENARIOS = ["whoami", "types_are_models", "localizations", "tracks", "media", "files", "upload", "sections_versions_leaves", "errors",
             "attributes_change", "versions", "clone", "bookmarks_and_favorites", "people", "leaves", "sections", "images",
             "frames_and_clips", "jobs"]
# Clips that a scenario finds in its folder.
CLIPS = {"upload": "h264_cfr30", "frames_and_clips": "h264_cfr30", "images": "image_png"}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_old_client(station, corpus, people, tmp_path, scenario):
    python = os.environ.get("TRANSECT_OLD_PYTHON")
    assert python, "TRANSECT_OLD_PYTHON must name a Python with tator 1.6.14 (tests/python/old_client.txt)"
    if scenario in CLIPS:
        shutil.copy(corpus[CLIPS[scenario]]["path"], tmp_path)
    (tmp_path / "somebody.json").write_text(json.dumps(people.viewer.name))
    command = [python, SCRIPT, station.url, station.admin_token, scenario, tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
