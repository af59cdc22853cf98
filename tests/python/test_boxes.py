"""The sample algorithm: with the stock client, in the sandbox, over two media."""

import pathlib
import sys

import pytest
import tator
from flows import ended, launch, log_of, save
from PIL import Image, ImageDraw
from support import add_box_type, unique

SAMPLES = pathlib.Path(__file__).resolve().parents[2] / "assets" / "algorithms"
# In parts of the picture, and on the grid on which the sample searches.
THINGS = [(0.1, 0.2, 0.3, 0.5), (0.5, 0.6, 0.9, 0.8)]


def picture(path, things):
    image = Image.new("RGB", (640, 480), (10, 20, 30))
    for left, top, right, bottom in things:
        ImageDraw.Draw(image).rectangle((left * 640, top * 480, right * 640 - 1, bottom * 480 - 1), fill="white")
    image.save(path)
    return path


def test_boxes_appear(new_station, tmp_path):
    station = new_station(environment={"TRANSECT_WORKFLOWS_PROGRAMS": f"{SAMPLES},{sys.prefix}"})
    api = tator.get_api(station.url, station.admin_token)
    project_name = unique("Bright")
    files = [picture(tmp_path / "two.png", THINGS), picture(tmp_path / "one.png", THINGS[:1])]
    rows = station.lines("import", *files, "--project", project_name, secs=300)
    media = [next(row["media"] for row in rows if row["path"] == str(path)) for path in files]
    project = api.get_media(media[0]).project
    image_type = api.get_media(media[0]).type
    other, box_type = (add_box_type(api, project, [image_type]) for _ in range(2))
    spec = {"name": "Bright things", "user": api.whoami().id, "files_per_job": 10,
            "manifest": save(api, project, tmp_path, (SAMPLES / "boxes.yaml").read_text()),
            "parameters": [{"name": "box_type", "value": box_type}]}
    api.register_algorithm(project, algorithm_spec=spec)
    job = ended(api, launch(api, project, "Bright things", media)[0], 300)
    log = log_of(station, job.uid)
    assert job.status == "Succeeded", (job, log)
    assert f"media {media[0]}, frame 0: 2 boxes" in log and f"media {media[1]}, frame 0: 1 boxes" in log
    for wanted, found in zip((THINGS, THINGS[:1]), media):
        boxes = sorted(api.get_localization_list(project, media_id=[found]), key=lambda box: box.x)
        assert [box.type for box in boxes] == [box_type] * len(wanted)
        for (left, top, right, bottom), box in zip(wanted, boxes, strict=True):
            assert (box.x, box.y, box.x + box.width, box.y + box.height) == pytest.approx((left, top, right, bottom), abs=0.01)
    assert not api.get_localization_list(project, type=other)
