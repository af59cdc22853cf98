"""`transect export`: what comes out loads in the tool that the format belongs to."""

import json

import pytest
from pycocotools.coco import COCO
from support import add_box_type, box, unique

BOXES = [(0.1, 0.2, 0.3, 0.4), (0.0, 0.0, 1.0, 1.0), (0.5, 0.25, 0.125, 0.0625)]


@pytest.fixture
def exported(station, admin, corpus, tmp_path):
    """Two images and a video with boxes on three of its frames, written as COCO and loaded again."""
    name = unique("Export")
    clips = [corpus[key] for key in ("image_png", "image_jpg", "h264_cfr25")]
    rows = station.lines("import", *(clip["path"] for clip in clips), "--project", name, secs=300)
    media = {row["path"].rsplit("/", 1)[-1]: row["media"] for row in rows}
    project = next(row.id for row in admin.get_project_list() if row.name == name)
    types = [row.id for row in admin.get_media_type_list(project)]
    kinds = [add_box_type(admin, project, types), add_box_type(admin, project, types)]
    specs = [box(media["image_png.png"], kinds[0], 0, *BOXES[0]), box(media["image_png.png"], kinds[1], 0, *BOXES[1]),
             box(media["image_jpg.jpg"], kinds[0], 0, *BOXES[2])]
    specs += [box(media["h264_cfr25.mp4"], kinds[1], frame, *BOXES[0]) for frame in (0, 60, 119, 119)]
    admin.create_localization_list(project, body=specs)
    deleted = admin.create_localization_list(project, body=specs[:1]).id[0]
    admin.delete_localization(deleted)
    out = tmp_path / "out.json"
    station.command("export", "--project", name, "--format", "coco", "--out", out)
    names = [admin.get_localization_type(kind).name for kind in kinds]
    return COCO(str(out)), names, json.loads(out.read_text())


def test_counts(exported):
    coco, names, _ = exported
    assert len(coco.getAnnIds()) == 7
    used = {annotation["image_id"] for annotation in coco.loadAnns(coco.getAnnIds())}
    assert len(used) == 5 and used <= set(coco.getImgIds())
    assert {category["name"] for category in coco.loadCats(coco.getCatIds())} >= set(names)


def test_boxes_are_in_pixels_of_the_picture(exported):
    coco, names, _ = exported
    image, = [row for row in coco.loadImgs(coco.getImgIds()) if row["file_name"].endswith("image_png.png")]
    assert (image["width"], image["height"]) == (320, 240)
    found = sorted((coco.loadCats(a["category_id"])[0]["name"], [round(v, 3) for v in a["bbox"]], round(a["area"], 3))
                   for a in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])))
    assert found == sorted([(names[0], [32.0, 48.0, 96.0, 96.0], 9216.0), (names[1], [0.0, 0.0, 320.0, 240.0], 76800.0)])


def test_frames_of_a_video_are_images_of_their_own(exported):
    coco, _, _ = exported
    images = [row for row in coco.loadImgs(coco.getImgIds()) if "h264_cfr25" in row["file_name"]]
    counts = sorted(len(coco.getAnnIds(imgIds=row["id"])) for row in images if coco.getAnnIds(imgIds=row["id"]))
    assert counts == [1, 1, 2]
    assert len({row["file_name"] for row in images}) == len(images)
    for frame in ("0", "60", "119"):
        assert any(frame in row["file_name"].replace("h264_cfr25", "") or str(row.get("frame")) == frame for row in images)


def test_annotations_are_well_formed(exported):
    _, _, document = exported
    ids = [row["id"] for row in document["annotations"]]
    assert len(set(ids)) == len(ids) == 7
    assert all(row["iscrowd"] == 0 for row in document["annotations"])


def test_unknown_names(station, tmp_path):
    done = station.command("export", "--project", "No such project", "--format", "coco", "--out", tmp_path / "x", check=False)
    assert done.returncode in (1, 2) and "No such project" in done.stderr
    done = station.command("export", "--project", "x", "--format", "papyrus", "--out", tmp_path / "x", check=False)
    assert done.returncode in (1, 2) and "papyrus" in done.stderr
    assert not (tmp_path / "x").exists()
