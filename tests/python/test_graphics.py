"""What a localization and a track look like: exact sizes, the right pictures, and words where there is none."""

import io
import itertools
import os
import subprocess
import sys

import barcode
import pytest
import tator
from PIL import Image
from station import wait_for
from support import NOWHERE, add_box_type, add_boxes, add_state_type, refused, unique

WIDTH, HEIGHT = 320, 240
# The upper half: the bar code is the upper eighth of every picture of the corpus.
BAR = {"x": 0.0, "y": 0.0, "width": 1.0, "height": 0.5}


class Clip:
    """An imported clip with one type of each shape."""

    def __init__(self, station, api, path, name):
        row = station.lines("import", path, "--project", name, secs=300)[0]
        self.api, self.media = api, row["media"]
        wait_for("the import", lambda: api.get_media(self.media).width)
        media = api.get_media(self.media)
        self.project = media.project
        self.types = {dtype: add_box_type(api, self.project, [media.type], dtype=dtype) for dtype in ("box", "line", "dot", "poly")}
        self.track = add_state_type(api, self.project, [media.type], "Localization")
        self.about_media = add_state_type(api, self.project, [media.type], "Media")

    def add(self, dtype, frame=0, **shape):
        spec = {"media_id": self.media, "type": self.types[dtype], "frame": frame, **shape}
        return add_boxes(self.api, self.project, [spec])[0]

    def add_track(self, frames, shape=None):
        members = [self.add("box", frame, **(shape or BAR)) for frame in frames]
        spec = {"type": self.track, "media_ids": [self.media], "localization_ids": members}
        return self.api.create_state_list(self.project, body=[spec]).id[0]


@pytest.fixture(scope="module")
def clip(station, admin, corpus):
    return Clip(station, admin, corpus["h264_cfr25"]["path"], unique("Graphics"))


@pytest.fixture(scope="module")
def image(station, admin, corpus):
    name = next(name for name, entry in corpus.items() if entry["kind"] == "image")
    return Clip(station, admin, corpus[name]["path"], unique("Pictures")), corpus[name]


def graphic(clip, one, **how):
    with Image.open(clip.api.get_localization_graphic(one, **how)) as picture:
        return picture.size, picture.format


def number(picture):
    gray = picture.convert("RGB").convert("L")
    return barcode.read_pixels(gray.tobytes(), gray.width, gray.height)


@pytest.mark.parametrize("dtype, shape, how, size", [
    ("box", {"x": 0.25, "y": 0.5, "width": 0.5, "height": 0.25}, {}, (160, 60)),
    ("box", {"x": 0.75, "y": 0.75, "width": 0.25, "height": 0.25}, {}, (80, 60)),
    ("box", {"x": 0.5, "y": 0.5, "width": 0.0, "height": 0.001}, {}, (3, 3)),
    ("box", {"x": 1.0, "y": 1.0, "width": 0.0, "height": 0.0}, {}, (3, 3)),
    ("box", {"x": 0.5, "y": 0.5, "width": 0.25, "height": 0.25}, {"use_default_margins": False, "margin_x": 7, "margin_y": 4}, (94, 68)),
    ("box", {"x": 0.0, "y": 0.5, "width": 0.25, "height": 0.25}, {"use_default_margins": False, "margin_x": 50}, (130, 60)),
    ("box", {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}, {"margin_x": 30, "margin_y": 30}, (160, 120)),
    ("box", {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}, {"force_scale": "100x200"}, (100, 200)),
    ("box", {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}, {"max_height": 60}, (80, 60)),
    ("box", {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}, {"max_height": 600}, (160, 120)),
    ("box", {"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.5}, {"force_scale": "30x30", "max_height": 10}, (30, 30)),
    ("dot", {"x": 0.5, "y": 0.5}, {}, (20, 20)),
    ("dot", {"x": 0.0, "y": 1.0}, {}, (10, 10)),
    ("dot", {"x": 0.5, "y": 0.5}, {"use_default_margins": False}, (3, 3)),
    ("line", {"x": 0.5, "y": 0.5, "u": -0.25, "v": 0.25}, {}, (100, 80)),
    ("line", {"x": 0.25, "y": 0.5, "u": 0.5, "v": 0.0}, {"use_default_margins": False}, (160, 3)),
    ("poly", {"points": [[0.25, 0.25], [0.75, 0.25], [0.5, 0.75]]}, {}, (160, 120)),
])
def test_sizes(clip, dtype, shape, how, size):
    found, kind = graphic(clip, clip.add(dtype, **shape), **how)
    assert kind == "PNG"
    assert all(abs(a - b) <= 1 for a, b in zip(found, size)), (found, size)
    assert max(found) <= WIDTH and found[0] >= 3 and found[1] >= 3


def test_the_picture_is_the_one_of_the_frame(clip):
    for frame in (0, 7, 99, 119, 8):
        one = clip.add("box", frame, x=0.0, y=0.0, width=1.0, height=1.0)
        assert barcode.read_file(clip.api.get_localization_graphic(one)) == frame


def test_the_part_is_the_one_of_the_shape(clip):
    one = clip.add("box", 31, x=0.25, y=0.5, width=0.5, height=0.25)
    with Image.open(clip.api.get_frame(clip.media, frames=[31])) as whole, \
            Image.open(clip.api.get_localization_graphic(one)) as part:
        wanted = whole.convert("RGB").crop((80, 120, 240, 180))
        pairs = zip(wanted.tobytes(), part.convert("RGB").tobytes())
        assert max(abs(a - b) for a, b in pairs) <= 2


def test_images_have_graphics(image):
    clip, entry = image
    one = clip.add("box", x=0.0, y=0.0, width=1.0, height=1.0)
    assert barcode.read_file(clip.api.get_localization_graphic(one)) == entry["first"]
    half = clip.add("box", x=0.5, y=0.5, width=0.5, height=0.25)
    assert graphic(clip, half)[0] == (entry["width"] // 2, entry["height"] // 4)


def test_other_encodings(station, clip):
    one = clip.add("box", **BAR)
    for extension, kind in [("jpg", "image/jpeg"), ("webp", "image/webp"), ("png", "image/png")]:
        answer = station.http("GET", f"/rest/LocalizationGraphic/{one}?format={extension}", station.admin_token)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
        Image.open(io.BytesIO(answer.content)).verify()


def test_refusals(station, people, clip):
    one, track = clip.add("box", **BAR), clip.add_track([1, 2])
    late = clip.add("box", 120, **BAR)
    assert refused(400, clip.api.get_localization_graphic, one, force_scale="12")["message"] == "Query parameter error: force_scale"
    assert "out of range" in refused(400, clip.api.get_localization_graphic, late)["message"]
    missing = refused(404, clip.api.get_localization_graphic, NOWHERE)
    assert missing["message"] == "No Localization matches the given query."
    assert refused(404, clip.api.get_state_graphic, NOWHERE)["message"] == "No State matches the given query."
    for path in (f"LocalizationGraphic/{one}", f"StateGraphic/{track}"):
        assert station.http("GET", "/rest/" + path, people.stranger.token).status_code == 403
        assert station.http("GET", "/rest/" + path).status_code == 400
    for query in ("length=101", "length=0", "offset=-1", "mode=film", "fps=0", "force_scale=0x4", "mode=tile&format=mp4"):
        assert station.http("GET", f"/rest/StateGraphic/{track}?{query}", station.admin_token).status_code == 400, query


def test_a_media_without_a_file_has_no_graphics(admin, clip):
    media = admin.create_media_list(clip.project, body={"type": admin.get_media(clip.media).type, "name": "empty.mp4", "md5": ""}).id
    spec = {"media_id": media, "type": clip.types["box"], "frame": 0, **BAR}
    one = add_boxes(admin, clip.project, [spec])[0]
    assert "no file" in refused(404, admin.get_localization_graphic, one)["message"]


def test_other_states_have_no_graphic(admin, clip):
    spec = {"type": clip.about_media, "media_ids": [clip.media]}
    state = admin.create_state_list(clip.project, body=[spec]).id[0]
    assert "only states that are associated with localizations" in refused(400, admin.get_state_graphic, state)["message"]
    empty = admin.create_state_list(clip.project, body=[{"type": clip.track, "media_ids": [clip.media]}]).id[0]
    assert "has 0 localizations" in refused(400, admin.get_state_graphic, empty)["message"]


def test_an_animation_shows_the_members_in_order(clip):
    track = clip.add_track([40, 3, 90])
    with Image.open(clip.api.get_state_graphic(track, force_scale="320x120", fps=4)) as picture:
        assert (picture.format, picture.size, picture.n_frames) == ("GIF", (320, 120), 3)
        assert picture.info["duration"] == 250
        seen = []
        for n in range(picture.n_frames):
            picture.seek(n)
            seen.append(picture.convert("RGB").resize((WIDTH, HEIGHT)))
    assert [bar_number(picture) for picture in seen] == [3, 40, 90]


def test_an_animation_shows_two_pictures_a_second(clip):
    with Image.open(clip.api.get_state_graphic(clip.add_track([1, 2]))) as picture:
        assert (picture.format, picture.n_frames, picture.info["duration"]) == ("GIF", 2, 500)


def bar_number(picture):
    """The number of a picture of which only the upper half was shown."""
    whole = Image.new("L", (WIDTH, HEIGHT))
    whole.paste(picture.convert("L").resize((WIDTH, HEIGHT // 2)), (0, 0))
    return barcode.read_pixels(whole.tobytes(), WIDTH, HEIGHT)


def test_tiles_stand_in_one_row(clip):
    track = clip.add_track([11, 12, 64, 2])
    with Image.open(clip.api.get_state_graphic(track, mode="tile", force_scale="320x120")) as picture:
        assert (picture.format, picture.size) == ("PNG", (1280, 120))
        tiles = [picture.crop((n * 320, 0, n * 320 + 320, 120)) for n in range(4)]
    assert [bar_number(tile) for tile in tiles] == [2, 11, 12, 64]
    with Image.open(clip.api.get_state_graphic(track, mode="tile", force_scale="320x120", offset=1, length=2)) as picture:
        assert picture.size == (640, 120)
        assert bar_number(picture.crop((320, 0, 640, 120))) == 12
    assert "none from 4 on" in refused(400, clip.api.get_state_graphic, track, mode="tile", offset=4)["message"]


def test_members_may_lie_anywhere(clip):
    members = [clip.add("box", 5, x=0.0, y=0.0, width=0.5, height=0.5), clip.add("dot", 6, x=0.9, y=0.9),
               clip.add("poly", 7, points=[[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]])]
    spec = {"type": clip.track, "media_ids": [clip.media], "localization_ids": members}
    track = clip.api.create_state_list(clip.project, body=[spec]).id[0]
    with Image.open(clip.api.get_state_graphic(track, mode="tile")) as picture:
        assert picture.size == (3 * 224, 224)


def test_full_state_graphic_of_the_stock_client(clip):
    frames = list(itertools.chain(range(0, 60, 2), range(61, 70)))
    track = clip.add_track(frames)
    pictures = tator.util.full_state_graphic(clip.api, track)
    assert len(pictures) == len(frames) > 30
    assert all(picture.size == (224, 224) for picture in pictures)
    larger = tator.util.full_state_graphic(clip.api, track, force_scale="320x120")
    assert [bar_number(picture) for picture in larger] == frames


def test_get_images_of_the_stock_client(clip):
    track = clip.add_track([5, 6, 7])
    path = clip.api.get_state_graphic(track, mode="tile", force_scale="320x120")
    pictures = tator.util.get_images(path, clip.api.get_state(track))
    assert [bar_number(picture) for picture in pictures] == [5, 6, 7]


def test_a_viewer_may_look(clip, station, admin, people):
    admin.create_membership(clip.project, membership_spec={"user": people.viewer.id, "permission": "View Only"})
    one, track = clip.add("box", **BAR), clip.add_track([1])
    for path in (f"LocalizationGraphic/{one}", f"StateGraphic/{track}"):
        assert station.http("GET", "/rest/" + path, people.viewer.token).status_code == 200


CV2 = """
'Stands in for OpenCV: reads the pictures of a film, and writes pictures.'
import subprocess

import numpy
from PIL import Image

__version__, CAP_PROP_FRAME_COUNT = "4", "nb_read_packets"


class VideoCapture:
    def __init__(self, path):
        probe = ["ffprobe", "-v", "error", "-count_packets", "-select_streams", "v:0", "-of", "csv=p=0", "-show_entries",
                 "stream=width,height,nb_read_packets", path]
        self.width, self.height, self.count = map(int, subprocess.run(probe, capture_output=True, check=True).stdout.split(b","))
        decode = ["ffmpeg", "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
        self.pipe = subprocess.Popen(decode, stdout=subprocess.PIPE).stdout

    def get(self, what):
        return {CAP_PROP_FRAME_COUNT: self.count}[what]

    def read(self):
        size = self.width * self.height * 3
        content = self.pipe.read(size)
        return len(content) == size, numpy.frombuffer(content, "uint8").reshape(-1, self.width, 3)


def imwrite(path, picture):
    Image.fromarray(picture[:, :, ::-1]).save(path)
"""


def test_the_clients_own_extractor(station, clip, tmp_path):
    """`python -m tator.extractor` downloads the film and cuts the pictures itself: it must get what the station shows."""
    (tmp_path / "cv2.py").write_text(CV2)
    kind = add_box_type(clip.api, clip.project, [clip.api.get_media(clip.media).type])
    own = {clip.api.create_localization_list(clip.project, body={
        "media_id": clip.media, "type": kind, "frame": frame, **BAR}).id[0]: frame for frame in (3, 31, 77)}

    def extract(mode):
        out = tmp_path / mode
        command = [sys.executable, "-m", "tator.extractor", "--host", station.url, "--token", station.admin_token, "--mode", mode,
                   "--metadata-type-id", str(kind), "--project", str(clip.project), "--output-local", str(out), str(clip.media)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": str(tmp_path)})
        assert done.returncode == 0, done.stderr[-3000:]
        return {path.name: Image.open(path) for path in out.iterdir()}

    cut = extract("localization_thumbnail")
    assert {name: (number(picture), picture.size) for name, picture in cut.items()} == {
        f"{one}.png": (frame, (WIDTH, HEIGHT // 2)) for one, frame in own.items()}
    whole = extract("localization_keyframe")
    name = clip.api.get_media(clip.media).name
    assert {name: (number(picture), picture.size) for name, picture in whole.items()} == {
        f"{name}_{frame}.png": (frame, (WIDTH, HEIGHT)) for frame in own.values()}
