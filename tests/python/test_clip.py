"""Renditions and clips: `quality` picks the file, frame numbers stay what they are, bytes are copied where they can be."""

import datetime
import io
import json
import struct
import subprocess

import barcode
import pytest
import requests
import tator
from PIL import Image
from station import wait_for
from support import NOWHERE, add_media_type, add_video, refused, unique
from tator.util._upload_file import _upload_file

MARK = "drawbox=x=0:y=ih*3/4:w=iw:h=ih/4:color=white:t=fill"
FRAGMENTS = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"]


def ffmpeg(*arguments):
    subprocess.run(["ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *map(str, arguments)], check=True)


def boxes(data, start=0, end=None):
    """(name, offset, size) of every box of one level."""
    end = len(data) if end is None else end
    while start < end:
        size, name = struct.unpack(">I4s", data[start:start + 8])
        yield name.decode(), start, size
        start += size


def samples(data, moof):
    """How many pictures a moof has."""
    _, offset, size = moof
    count = 0
    for name, at, length in boxes(data, offset + 8, offset + size):
        if name == "traf":
            for inner, place, _ in boxes(data, at + 8, at + length):
                if inner == "trun":
                    count += struct.unpack(">I", data[place + 12:place + 16])[0]
    return count


def segment_info(path):
    data, segments, frame = path.read_bytes(), [], 0
    for box in boxes(data):
        segment = dict(zip(("name", "offset", "size"), box))
        if box[0] == "moof":
            segment |= {"frame_start": frame, "frame_samples": samples(data, box)}
            frame += segment["frame_samples"]
        segments.append(segment)
    return {"file": {"start": 0.0, "version": 2}, "segments": segments}


def upload(api, media, path):
    for _, info in _upload_file(api, api.get_media(media).project, str(path), media_id=media, filename=path.name):
        pass
    return info.key


def add_rendition(api, media, source, folder, height, frames=None, filters=MARK, described=True):
    """Encodes a rendition with a white mark, uploads and records it."""
    width = height * 4 // 3
    path = folder / f"{unique('rendition')}.mp4"
    limit = ["-frames:v", frames] if frames else []
    ffmpeg("-i", source, "-vf", f"{filters},scale={width}:{height}", "-an", "-c:v", "libx264", "-preset", "veryfast", "-g", 25,
           "-keyint_min", 25, "-sc_threshold", 0, "-pix_fmt", "yuv420p", *limit, *FRAGMENTS, path)
    index = path.with_suffix(".json")
    index.write_text(json.dumps(segment_info(path)))
    definition = {"path": upload(api, media, path), "codec": "h264", "resolution": [height, width]}
    if described:
        definition["segment_info"] = upload(api, media, index)
    api.create_video_file(media, role="streaming", video_definition=definition)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("renditions")


def imported(station, api, path):
    made = station.lines("import", path, "--project", unique("Clips"), secs=300)[0]["media"]
    wait_for("the import", lambda: api.get_media(made).width)
    return made


@pytest.fixture(scope="module")
def bare(station, admin, corpus):
    """A clip in place, 120 frames, without renditions."""
    return imported(station, admin, corpus["h264_cfr30"]["path"])


@pytest.fixture(scope="module")
def media(station, admin, corpus, folder):
    """A clip in place with renditions of 48 and 120 lines."""
    source = corpus["h264_cfr25"]["path"]
    made = imported(station, admin, source)
    for height in (48, 120):
        add_rendition(admin, made, source, folder, height)
    return made


def picture(station, media, query):
    answer = station.http("GET", f"/rest/GetFrame/{media}?{query}", station.admin_token)
    assert answer.status_code == 200, answer.content[:200]
    return Image.open(io.BytesIO(answer.content)).convert("RGB")


def is_marked(picture):
    return min(picture.getpixel((picture.width // 2, picture.height * 7 // 8))) > 225


def number(picture):
    gray = picture.convert("L")
    return barcode.read_pixels(gray.tobytes(), gray.width, gray.height)


@pytest.mark.parametrize("query, size", [
    ("", (160, 120)), ("&quality=0", (64, 48)), ("&quality=60", (64, 48)), ("&quality=100", (160, 120)), ("&quality=9999", (160, 120)),
    ("&quality=100&roi=0.5:1:0:0", (80, 120)), ("&quality=100&force_scale=320x240", (320, 240)),
])
def test_quality_picks_the_nearest_rendition(station, media, query, size):
    for frame in (0, 41, 119):
        found = picture(station, media, f"frames={frame}{query}")
        assert found.size == size
        assert is_marked(found)
        if "roi" not in query:
            assert number(found) == frame


def test_get_images_of_the_stock_client_cuts_by_the_largest_rendition(admin, media):
    wanted = [4, 80, 15, 16]
    pictures = tator.util.get_images(admin.get_frame(media, frames=wanted), admin.get_media(media))
    assert [number(one) for one in pictures] == wanted
    assert all(one.size == (160, 120) for one in pictures)


def test_without_renditions_the_source_is_scaled(station, bare):
    for query, size in [("", (320, 240)), ("&quality=120", (160, 120)), ("&quality=1000", (320, 240)),
                        ("&quality=120&roi=0.5:0.5:0:0", (80, 60)), ("&quality=120&force_scale=20x30", (20, 30))]:
        found = picture(station, bare, f"frames=7{query}")
        assert found.size == size
    tiles = picture(station, bare, "frames=1,2&tile=2x1&quality=120")
    assert tiles.size == (320, 120)


def test_a_rendition_of_other_frames_is_not_trusted(station, admin, corpus, folder):
    """It gives the size, and the source gives the pictures."""
    source = corpus["h264_cfr25"]["path"]
    made = imported(station, admin, source)
    add_rendition(admin, made, source, folder, 120, frames=100)
    found = picture(station, made, "frames=110")
    assert (found.size, number(found), is_marked(found)) == ((160, 120), 110, False)
    tiles = picture(station, made, "frames=3,4&tile=2x1")
    assert tiles.size == (320, 120)


def test_small_pictures_come_from_a_rendition_that_covers_them(station, media):
    def of_height(height):
        answer = station.http("GET", f"/rest/FramePicture/{media}/33?height={height}&format=png", station.admin_token)
        return Image.open(io.BytesIO(answer.content)).convert("RGB")

    small = of_height(100)
    assert (small.height, is_marked(small), number(small)) == (100, True, 33)
    large = of_height(200)
    assert (large.height, is_marked(large), number(large)) == (200, False, 33)


def test_an_answer_is_known_until_the_media_changes(station, admin, corpus, folder):
    source = corpus["h264_cfr25"]["path"]
    made = imported(station, admin, source)
    path = f"/rest/GetFrame/{made}?frames=5"
    first = station.http("GET", path, station.admin_token)
    known = {"If-Modified-Since": first.headers["Last-Modified"]}
    assert station.http("GET", path, station.admin_token, headers=known).status_code == 304
    later = {"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}
    assert station.http("GET", path, station.admin_token, headers=later).status_code == 304
    earlier = {"If-Modified-Since": "Fri, 01 Jan 2010 00:00:00 GMT"}
    assert station.http("GET", path, station.admin_token, headers=earlier).status_code == 200
    tag = {"If-None-Match": first.headers["ETag"]}
    assert station.http("GET", path, station.admin_token, headers=tag).status_code == 304
    add_rendition(admin, made, source, folder, 120)
    again = station.http("GET", path, station.admin_token, headers=tag)
    assert (again.status_code, again.headers["ETag"] != tag["If-None-Match"]) == (200, True)


# ---------------------------------------------------------------- clips

def fetch(station, clip):
    answer = requests.get(clip.file.path, headers={"Authorization": f"Token {station.admin_token}"}, timeout=60)
    assert answer.status_code == 200
    return answer.content


def shown(data, folder):
    """The numbers of every picture of a video."""
    path = folder / "clip.mp4"
    path.write_bytes(data)
    for old in folder.glob("shown-*.png"):
        old.unlink()
    ffmpeg("-i", path, "-vsync", "passthrough", folder / "shown-%04d.png")
    return [barcode.read_file(one.read_bytes()) for one in sorted(folder.glob("shown-*.png"))]


@pytest.mark.parametrize("ranges, starts, ends", [
    (["10:20", "40:60"], [0, 25, 50], [24, 49, 74]), (["0:30"], [0, 25], [24, 49]), (["60:61"], [50], [74]),
    (["100:119"], [100], [119]), (["5:5", "110:110"], [0, 100], [24, 119]),
])
def test_whole_segments_are_copied(station, admin, media, tmp_path, ranges, starts, ends):
    clip = admin.get_clip(media, frame_ranges=ranges)
    assert isinstance(clip, tator.models.VideoClip)
    assert (clip.segment_start_frames, clip.segment_end_frames) == (starts, ends)
    wanted = [frame for start, end in zip(starts, ends) for frame in range(start, end + 1)]
    assert shown(fetch(station, clip), tmp_path) == wanted


def test_the_bytes_are_those_of_the_rendition(station, admin, corpus, folder):
    source = corpus["h264_cfr25"]["path"]
    made = imported(station, admin, source)
    low, high = (add_rendition(admin, made, source, folder, height).read_bytes() for height in (48, 120))
    for data, quality in ((low, 50), (high, 2000)):
        clip = fetch(station, admin.get_clip(made, frame_ranges=["30:40", "80:90"], quality=quality))
        found = list(boxes(data))
        moofs = [n for n, box in enumerate(found) if box[0] == "moof"]
        moov = next(box for box in found if box[0] == "moov")
        wanted = data[:moov[1] + moov[2]]
        for at in (moofs[1], moofs[3]):
            wanted += b"".join(data[offset:offset + size] for _, offset, size in found[at:at + 2])
        assert clip == wanted


def test_a_clip_lives_a_day(admin, media):
    project = admin.get_media(media).project
    before = len(admin.get_temporary_file_list(project))
    clip = admin.get_clip(media, frame_ranges=["0:3"])
    assert len(admin.get_temporary_file_list(project)) == before + 1
    file = admin.get_temporary_file(clip.file["id"])
    created, eol = (datetime.datetime.fromisoformat(str(text)) for text in (file.created_datetime, file.eol_datetime))
    assert eol - created == datetime.timedelta(hours=24)
    assert (file.project, file.user, file.name) == (project, admin.whoami().id, "h264_cfr25_0-24.mp4")
    assert set(clip.file.to_dict()) == {"id", "project", "user", "path", "created_datetime", "eol_datetime", "name", "lookup"}


@pytest.mark.parametrize("query", [{}, {"quality": 120}])
def test_a_file_in_place_is_encoded(station, admin, bare, tmp_path, query):
    clip = admin.get_clip(bare, frame_ranges=["30:31", "110:119"], **query)
    assert (clip.segment_start_frames, clip.segment_end_frames) == ([25, 100], [49, 119])
    data = fetch(station, clip)
    assert shown(data, tmp_path) == [*range(25, 50), *range(100, 120)]
    height = Image.open(next(tmp_path.glob("shown-*.png"))).height
    assert height == query.get("quality", 240)


def test_reencoding_makes_a_plain_file(station, admin, media, tmp_path):
    data = fetch(station, admin.get_clip(media, frame_ranges=["30:31"], reencode=True))
    assert "moof" not in [name for name, _, _ in boxes(data)]
    assert shown(data, tmp_path) == list(range(25, 50))


def test_clips_of_frames_that_are_not_evenly_spaced(station, admin, corpus, tmp_path):
    entry = corpus["h264_vfr"]
    made = imported(station, admin, entry["path"])
    data = fetch(station, admin.get_clip(made, frame_ranges=["26:26"]))
    assert shown(data, tmp_path) == [entry["first"] + n for n in range(25, 50)]


@pytest.mark.parametrize("ranges", ["", "x", "5", "9:3", "-3:4", "0:120", "0:5,3", "115:200"])
def test_ranges_that_make_no_clip(station, media, bare, ranges):
    for one in (media, bare):
        answer = station.http("GET", f"/rest/GetClip/{one}?frame_ranges={ranges}", station.admin_token)
        assert answer.status_code == 400, (ranges, answer.text)
        assert "application/json" in answer.headers["Content-Type"]


def test_refusals(station, admin, people, media, project):
    missing = station.http("GET", f"/rest/GetClip/{media}", station.admin_token)
    assert (missing.status_code, missing.json()["message"]) == (400, "Missing required query parameter: frame_ranges")
    assert refused(404, admin.get_clip, NOWHERE, frame_ranges=["0:1"])["message"] == "No Media matches the given query."
    path = f"/rest/GetClip/{media}?frame_ranges=0:1"
    assert station.http("GET", path, people.stranger.token).status_code == 403
    assert station.http("GET", path).status_code == 400
    empty = add_video(admin, project, add_media_type(admin, project))
    assert "no file" in refused(404, admin.get_clip, empty, frame_ranges=["0:1"])["message"]
    beyond = refused(400, admin.get_clip, media, frame_ranges=["100:120"])["message"]
    assert beyond == "frames 100:120 are beyond the end: the last frame is 119"


def test_a_segment_index_of_another_file_is_refused(station, admin, corpus, folder):
    source = corpus["h264_cfr25"]["path"]
    made = imported(station, admin, source)
    path = add_rendition(admin, made, source, folder, 120)
    wrong = path.with_name(f"{unique('wrong')}.json")
    index = segment_info(path)
    for segment in index["segments"]:
        segment["offset"] += 10_000_000
    wrong.write_text(json.dumps(index))
    definition = {**admin.get_video_file(made, role="streaming", index=0).to_dict(), "segment_info": upload(admin, made, wrong)}
    definition = {key: value for key, value in definition.items() if value is not None}
    admin.update_video_file(made, role="streaming", index=0, video_definition=definition)
    assert "of another file" in refused(400, admin.get_clip, made, frame_ranges=["0:1"])["message"]


def test_media_util_of_the_stock_client(admin, media, tmp_path):
    """It copies the same segments by itself."""
    util = tator.util.MediaUtil(str(tmp_path))
    util.load_from_media_object(admin.get_media(media, presigned=600), quality=120)
    path, info = util.get_clip([(30, 40)])
    assert [one["frame_start"] for one in info] == [25]
    ffmpeg("-i", path, "-vsync", "passthrough", tmp_path / "util-%04d.png")
    assert barcode.read_file((tmp_path / "util-0001.png").read_bytes()) == 25


def test_a_viewer_may_have_clips(station, admin, people, media):
    project = admin.get_media(media).project
    admin.create_membership(project, membership_spec={"user": people.viewer.id, "permission": "View Only"})
    answer = station.http("GET", f"/rest/GetClip/{media}?frame_ranges=0:1", people.viewer.token)
    assert answer.status_code == 200
    assert answer.json()["file"]["user"] == people.viewer.id
