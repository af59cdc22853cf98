"""GetFrame: the picture that is asked for by number is the picture that comes, for every clip of the corpus."""

import io
import subprocess

import barcode
import pytest
import tator
from corpus import CLIPS
from PIL import Image
from station import wait_for
from support import unique

VIDEOS = [clip["name"] for clip in CLIPS if clip["kind"] == "video"]
IMAGES = [clip["name"] for clip in CLIPS if clip["kind"] == "image"]


@pytest.fixture(scope="module")
def media(station, admin, corpus):
    """Every clip, annotated in place: name → media id."""
    name = unique("Corpus")
    paths = [clip["path"] for clip in corpus.values()]
    rows = station.lines("import", *paths, "--project", name, secs=300)
    by_path = {row["path"]: row.get("media") for row in rows}
    found = {key: by_path[clip["path"]] for key, clip in corpus.items()}
    for key, made in found.items():
        wait_for(f"{key} to be counted", lambda made=made: admin.get_media(made).width)
    return found


def frame(station, media, number, **more):
    """Returns (status, content type, bytes)."""
    query = "&".join(f"{key}={value}" for key, value in {"frames": number, **more}.items())
    answer = station.http("GET", f"/rest/GetFrame/{media}?{query}", station.admin_token)
    return answer.status_code, answer.headers["Content-Type"], answer.content


def wanted(clip):
    """Frames worth asking for, in an order that jumps about."""
    last = clip["frames"] - 1
    return [last, 0, last // 2, last // 2 + 1, 1, last - 1, last // 3, last // 3 - 1, 2, 3]


@pytest.mark.parametrize("name", VIDEOS)
def test_every_kind_of_clip(station, corpus, media, name):
    clip = corpus[name]
    seen = {}
    for number in wanted(clip):
        status, kind, data = frame(station, media[name], number)
        assert (status, kind) == (200, "image/png"), number
        with Image.open(io.BytesIO(data)) as picture:
            size = picture.size
            assert size == (clip["width"], clip["height"]) or clip.get("resized")
        seen[number] = barcode.read_file(data)
    assert seen == {number: clip["first"] + number for number in wanted(clip)}


@pytest.mark.parametrize("name", VIDEOS)
def test_count_and_size(admin, corpus, media, name):
    clip, row = corpus[name], admin.get_media(media[name])
    if clip.get("damaged"):  # the picture that was cut may count or not
        assert row.num_frames in (clip["frames"], clip["frames"] + 1)
    else:
        assert row.num_frames == clip["frames"]
    assert (row.width, row.height) == (clip["width"], clip["height"])
    index = admin.get_frame_index(media[name])
    assert index.pixel_aspect == clip.get("pixel_aspect", [1, 1])
    assert (index.rotation, index.mirrored) == (clip.get("rotation_degrees", 0), clip.get("mirrored", False))
    if "keys" in clip:
        assert index.key_frames == clip["keys"]
    assert index.synthetic == ([[0, clip["frames"] - 1]] if clip.get("synthetic") else [])
    if clip.get("damaged"):  # all that is missing was to follow
        assert [frame for frame, _ in index.damaged] in ([], [index.num_frames])
        # A Matroska demuxer leaves the picture that was cut out without a word.
        assert index.damaged or index.num_frames > clip["frames"] or clip["container"] == "mkv"
    else:
        assert index.damaged == []
    if clip["rate"] and not clip.get("damaged"):
        assert abs(row.fps - clip["rate"][0] / clip["rate"][1]) < 0.01


@pytest.mark.parametrize("name", ["h264_edit_list", "h264_vfr", "h264_open_gop", "vp8", "h264_fields_ts", "h264_ts_wrap", "h264_ts_days",
                                  "h264_negative", "h264_no_pts", "h264_resized", "h264_resized_mp4", "h264_resized_flv",
                                  "h264_resized_mkv", "hevc_resized_mp4"])
def test_each_single_frame(station, corpus, media, name):
    clip = corpus[name]
    seen = [barcode.read_file(frame(station, media[name], n, format="jpg")[2]) for n in range(clip["frames"])]
    assert seen == [clip["first"] + n for n in range(clip["frames"])]


@pytest.mark.parametrize("name", IMAGES)
def test_images(station, admin, corpus, media, name):
    clip = corpus[name]
    status, _, data = frame(station, media[name], 0)
    assert (status, barcode.read_file(data)) == (200, clip["first"])
    assert (admin.get_media(media[name]).width, admin.get_media(media[name]).height) == (clip["width"], clip["height"])


@pytest.mark.parametrize("extension, kind", [("jpg", "image/jpeg"), ("png", "image/png"), ("gif", "image/gif")])
def test_encodings(station, media, extension, kind):
    status, content_type, data = frame(station, media["h264_cfr25"], 42, format=extension)
    assert (status, content_type, barcode.read_file(data)) == (200, kind, 42)


def test_client_saves_a_picture(admin, media):
    path = admin.get_frame(media["h264_cfr25"], frames=[17])
    assert path.endswith(".png") and barcode.read_file(path) == 17
    assert barcode.read_file(admin.get_frame(media["h264_cfr25"])) == 0


def test_tiles(admin, media):
    def numbers(picture, columns, rows):
        width, height = picture.width // columns, picture.height // rows
        return [barcode.read_pixels(picture.convert("L").crop((x * width, y * height, (x + 1) * width, (y + 1) * height)).tobytes(),
                                    width, height) for y in range(rows) for x in range(columns)]

    with Image.open(admin.get_frame(media["h264_cfr25"], frames=[5, 80, 31, 6])) as picture:
        assert (picture.size, numbers(picture, 2, 2)) == ((640, 480), [5, 80, 31, 6])
    with Image.open(admin.get_frame(media["h264_cfr25"], frames=[9, 8, 7], tile="3x1")) as picture:
        assert (picture.size, numbers(picture, 3, 1)) == ((960, 240), [9, 8, 7])


def test_stock_client_cuts_tiles_apart(admin, media):
    row = admin.get_media(media["h264_cfr25"])
    wanted_frames = [3, 1, 4, 15]
    path = admin.get_frame(row.id, frames=wanted_frames)
    if row.media_files and row.media_files.streaming:
        pictures = tator.util.get_images(path, row)
    else:  # a file in place has no rendition to read the size from
        pictures = tator.util.get_images(path, tator.models.Media({"width": row.width, "height": row.height}))
    assert [barcode.read_pixels(p.convert("L").tobytes(), p.width, p.height) for p in pictures] == wanted_frames


def test_crop_and_scale(admin, media):
    with Image.open(admin.get_frame(media["h264_cfr25"], frames=[3], roi="0.5:0.25:0.25:0.5")) as picture:
        assert picture.size == (160, 60)
    with Image.open(admin.get_frame(media["h264_cfr25"], frames=[77], force_scale="640x480")) as picture:
        assert picture.size == (640, 480)
        assert barcode.read_pixels(picture.convert("L").tobytes(), 640, 480) == 77


def test_the_part_is_width_height_x_y(admin, media):
    """The bar code along the top tells where a part was cut."""
    one = media["h264_cfr25"]
    with Image.open(admin.get_frame(one, frames=[85])) as whole:
        whole = whole.convert("RGB")
    parts = {"0.5:0.25:0.25:0": (80, 0, 240, 60), "0.5:0.25:0:0.25": (0, 60, 160, 120), "0.25:0.5:0.5:0": (160, 0, 240, 120)}
    for roi, corners in parts.items():
        with Image.open(admin.get_frame(one, frames=[85], roi=roi)) as picture:
            shown, cut = picture.convert("RGB"), whole.crop(corners)
        assert shown.size == cut.size, roi
        assert max(abs(a - b) for a, b in zip(shown.tobytes(), cut.tobytes())) <= 2, roi


def test_an_animation_without_a_format_is_a_gif(admin, station, media):
    one = media["h264_cfr25"]
    assert frame(station, one, "1,50", animate=4)[:2] == (200, "image/gif")
    with Image.open(admin.get_frame(one, frames=[1, 50], animate=4)) as picture:
        assert (picture.format, picture.n_frames, picture.info["duration"]) == ("GIF", 2, 250)


def test_animation(admin, media):
    with Image.open(admin.get_frame(media["h264_cfr25"], frames=[1, 50, 99], animate=2, format="gif")) as picture:
        assert picture.n_frames == 3
        numbers = []
        for n in range(3):
            picture.seek(n)
            gray = picture.convert("RGB").convert("L")
            numbers.append(barcode.read_pixels(gray.tobytes(), gray.width, gray.height))
    assert numbers == [1, 50, 99]


def films(path):
    """(codec, pictures, pictures in a second, width, height) of a film."""
    wanted = "stream=codec_name,width,height,avg_frame_rate,nb_read_frames"
    command = ["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v:0", "-show_entries", wanted, "-of", "default=nw=1", path]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    found = dict(line.split("=") for line in lines)
    return found["codec_name"], int(found["nb_read_frames"]), found["avg_frame_rate"], int(found["width"]), int(found["height"])


@pytest.mark.parametrize("frames", [[31], [5, 80, 31]])
@pytest.mark.parametrize("animate", [None, 5])
def test_a_film_of_frames(admin, media, frames, animate):
    """mp4 is an animation, however many frames it has and whether or not somebody says how fast."""
    path = admin.get_frame(media["h264_cfr25"], frames=frames, format="mp4", **({"animate": animate} if animate else {}))
    assert films(path) == ("h264", len(frames), f"{animate or 2}/1", 320, 240)


def test_a_viewer_sees_frames(station, admin, media, people):
    """Looking needs no more than membership, and that it needs."""
    project = admin.get_media(media["h264_cfr25"]).project
    answer = station.http("GET", f"/rest/GetFrame/{media['h264_cfr25']}?frames=17", people.viewer.token)
    assert (answer.status_code, answer.headers["Content-Type"]) == (403, "image/png")
    member = admin.create_membership(project, membership_spec={"user": people.viewer.id, "permission": "View Only"}).id
    assert barcode.read_file(people.viewer.api.get_frame(media["h264_cfr25"], frames=[17])) == 17
    admin.delete_membership(member)


def test_a_film_is_no_grid(station, media):
    status, kind, _ = frame(station, media["h264_cfr25"], "1,2", format="mp4", tile="2x1")
    assert (status, kind) == (400, "image/png")



@pytest.mark.parametrize("query", [{"number": 120}, {"number": 0, "roi": "nonsense"}, {"number": 0, "force_scale": "x"}])
def test_errors_are_pictures(station, media, query):
    status, kind, data = frame(station, media["h264_cfr25"], **query)
    assert (status, kind) == (400, "image/png")
    Image.open(io.BytesIO(data)).verify()


@pytest.mark.parametrize("number", [-1, "x", ""])
def test_frames_that_are_no_numbers(station, media, number):
    assert frame(station, media["h264_cfr25"], number)[0] == 400


def test_unknown_media_is_a_picture_too(station, media):
    got, kind, data = frame(station, 2_000_000_000, 0)
    assert (got, kind, bool(media)) == (404, "image/png", True)
    Image.open(io.BytesIO(data)).verify()


def test_more_than_32_frames(station, media):
    assert frame(station, media["h264_cfr25"], ",".join(map(str, range(32))))[0] == 200
    assert frame(station, media["h264_cfr25"], ",".join(map(str, range(33))))[0] == 400


def test_unchanged_pictures_are_not_sent_again(station, media):
    path = f"/rest/GetFrame/{media['h264_cfr25']}?frames=5"
    first = station.http("GET", path, station.admin_token)
    again = station.http("GET", path, station.admin_token, headers={"If-Modified-Since": first.headers["Last-Modified"]})
    assert (again.status_code, again.content) == (304, b"")


def test_rights(station, media, people):
    path = f"/rest/GetFrame/{media['h264_cfr25']}?frames=5"
    assert station.http("GET", path, people.stranger.token).status_code == 403
    assert station.http("GET", path).status_code == 400


@pytest.mark.parametrize("name", [clip["name"] for clip in CLIPS if "vfr" in clip["name"]])
def test_times_are_those_of_the_file(station, corpus, media, name):
    index = station.http("GET", f"/rest/FrameIndex/{media[name]}", station.admin_token).json()
    tick = index["time_base"][0] / index["time_base"][1]
    seen = [(pts - index["start_pts"]) * tick for pts in index["pts"]]
    assert seen == pytest.approx(corpus[name]["pts_secs"], abs=max(tick, 0.0006))
