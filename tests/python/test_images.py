"""Images made from URLs: in ones and hundreds, from the station's own store and from elsewhere."""

import io
import pathlib
import struct
import subprocess
import time

import barcode
import pytest
import requests
import tator
from PIL import Image
from renditions import boxes, link_to
from station import wait_for
from support import MD5, add_media_type, refused, unique


@pytest.fixture
def kind(admin, project):
    return add_media_type(admin, project, "image")


def ready(api, media):
    row = api.get_media(media)
    return row if row.media_files and row.media_files.image and row.media_files.thumbnail else None


def index_of(station, media, token):
    return station.http("GET", f"/rest/FrameIndex/{media}", token).json()


def stored(api, media, record):
    url = api.get_download_info(media.project, download_info_spec={"keys": [record.path]})[0].url
    return requests.get(url, timeout=60).content


def hosted(station):
    """(api, project, image type) of a station that may fetch from somewhere."""
    api = tator.get_api(station.url, station.admin_token)
    organization = api.create_organization(organization_spec={"name": unique("Institute")}).id
    project = api.create_project(project_spec={"name": unique("Dive"), "organization": organization}).id
    return api, project, add_media_type(api, project, "image")


def test_one_image_answers_at_once_and_is_fetched_later(admin, project, corpus, kind):
    clip = corpus["image_png"]
    spec = {"type": kind, "name": "a.png", "md5": "", "url": link_to(admin, project, clip["path"])}
    answer = admin.create_media_list(project, body=spec)
    assert answer.message == f"Media object {answer.id} created for image a.png on project {project}"
    assert answer.object["media_files"] == {} and answer.object["md5"] == ""
    media = wait_for("the image", lambda: ready(admin, answer.id))
    assert (media.width, media.height) == (clip["width"], clip["height"])


def test_hundreds_of_images_answer_at_once(admin, project, corpus, kind):
    url = link_to(admin, project, corpus["image_jpg"]["path"])
    body = [{"type": kind, "name": f"{n:03d}.jpg", "md5": MD5, "url": url} for n in range(500)]
    begun = time.monotonic()
    answer = admin.create_media_list(project, body=body)
    assert time.monotonic() - begun < 5
    assert answer.message == "Started import of 500 images!" and len(answer.id) == len(answer.object) == 500
    wait_for("the last image", lambda: ready(admin, answer.id[-1]), secs=240)
    assert admin.get_media_count(project) == 500
    refused(400, admin.create_media_list, project, body=[*body, body[0]])


def boxed(name, *content):
    content = b"".join(content)
    return struct.pack(">I", len(content) + 8) + name + content


def heic(picture, folder):
    """A picture as phones write it: one picture of H.265 in a HEIF file."""
    film = folder / "one.mp4"
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", picture, "-c:v", "libx265", "-x265-params", "log-level=none",
                    "-crf", "8", "-pix_fmt", "yuv420p", film], check=True)
    content = film.read_bytes()
    coded = b"".join(content[at + 8:at + size] for name, at, size in boxes(content) if name == "mdat")
    at = content.index(b"hvcC")
    record = content[at + 4:at - 4 + struct.unpack(">I", content[at - 4:at])[0]]
    ftyp = boxed(b"ftyp", b"heic\0\0\0\0mif1heic")

    def meta(start):
        place = bytes([1, 0, 0, 0, 0x44, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1]) + struct.pack(">II", start, len(coded))
        item = boxed(b"infe", bytes([2, 0, 0, 0, 0, 1, 0, 0]), b"hvc1\0")
        properties = boxed(b"ipco", boxed(b"hvcC", record)) + boxed(b"ipma", bytes([0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1, 0x81]))
        return boxed(b"meta", bytes(4), boxed(b"pitm", bytes([0, 0, 0, 0, 0, 1])), boxed(b"iloc", place),
                     boxed(b"iinf", bytes([0, 0, 0, 0, 0, 1]), item), boxed(b"iprp", properties))

    return ftyp + meta(len(ftyp) + len(meta(0)) + 8) + boxed(b"mdat", coded)


def test_a_picture_of_a_phone_becomes_a_png(admin, project, corpus, kind, tmp_path):
    clip, path = corpus["image_png"], tmp_path / "phone.heic"
    path.write_bytes(heic(clip["path"], tmp_path))
    spec = {"type": kind, "name": "phone.heic", "md5": "", "url": link_to(admin, project, path)}
    media = wait_for("the image", lambda made=admin.create_media_list(project, body=spec).id: ready(admin, made))
    image, = media.media_files.image
    assert (media.width, media.height, image.mime) == (clip["width"], clip["height"], "image/png")
    assert image.path.endswith(".png") and image.resolution == [clip["height"], clip["width"]]
    content = stored(admin, media, image)
    assert Image.open(io.BytesIO(content)).format == "PNG" and len(content) == image.size
    assert barcode.read_file(content) == barcode.read_file(admin.get_frame(media.id, frames=[0])) == clip["first"]


def test_an_orientation_is_applied_and_a_jpeg_stays_one(admin, project, corpus, kind, tmp_path):
    """A camera held sideways: the bar code is upright only after the turn."""
    upright = Image.open(corpus["image_png"]["path"]).convert("RGB")
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to show
    path = tmp_path / "sideways.jpg"
    upright.transpose(Image.Transpose.ROTATE_90).save(path, quality=95, exif=exif)
    for _, response in tator.util.upload_media(admin, kind, str(path)):
        pass
    media = wait_for("the image", lambda: ready(admin, response.id))
    assert (media.width, media.height) == upright.size
    image, = media.media_files.image
    assert image.mime == "image/jpeg" and image.resolution == [upright.height, upright.width]
    picture = Image.open(io.BytesIO(stored(admin, media, image)))
    assert picture.format == "JPEG" and picture.size == upright.size and not picture.getexif().get(0x0112, 1) != 1
    assert barcode.read_file(stored(admin, media, image)) == corpus["image_png"]["first"]
    assert barcode.read_file(admin.get_frame(media.id, frames=[0])) == corpus["image_png"]["first"]


@pytest.mark.parametrize("suffix", ["webp", "tiff", "bmp", "gif"])
def test_other_formats_become_png(admin, project, corpus, kind, tmp_path, suffix):
    path = tmp_path / f"picture.{suffix}"
    Image.open(corpus["image_png"]["path"]).convert("RGB").save(path)
    for _, response in tator.util.upload_media(admin, kind, str(path)):
        pass
    media = wait_for("the image", lambda: ready(admin, response.id))
    image, = media.media_files.image
    assert (image.mime, image.size) == ("image/png", len(stored(admin, media, image)))
    assert image.path.rsplit("/", 1)[1].startswith("image_") and image.path.endswith(".png")
    assert Image.open(io.BytesIO(stored(admin, media, image))).format == "PNG"
    assert barcode.read_file(stored(admin, media, image)) == corpus["image_png"]["first"]


def test_what_is_no_picture_says_so(station, admin, project, kind, tmp_path):
    path = tmp_path / "noise.png"
    path.write_bytes(b"this is no picture " * 50)
    made = admin.create_media_list(project, body={"type": kind, "name": "noise.png", "md5": "", "url": link_to(admin, project, path)}).id
    failed = wait_for("the verdict", lambda: (lambda row: row if row["state"] == "failed" else None)(
        index_of(station, made, station.admin_token)))
    assert failed["message"]


def test_items_that_cannot_be_made_are_skipped(admin, project, corpus, kind):
    url = link_to(admin, project, corpus["image_png"]["path"])
    good = {"type": kind, "name": "good.png", "md5": "", "url": url}
    foreign = {**good, "name": "foreign.png", "url": "http://169.254.169.254/x.png"}
    nothing = {**good, "name": "nothing.png", "section_id": 2_000_000_000}
    answer = admin.create_media_list(project, body=[foreign, good, nothing])
    assert len(answer.id) == 1 and [row.name for row in admin.get_media_list(project)] == ["good.png"]
    body = refused(403, admin.create_media_list, project, body=[foreign, foreign])
    assert "not from an allowed origin" in body["message"].lower()
    refused(400, admin.create_media_list, project, body=[nothing])


def test_uploaded_thumbnails_are_kept(admin, project, corpus, kind):
    urls = [link_to(admin, project, corpus[name]["path"]) for name in ("image_png", "image_jpg")]
    spec = {"type": kind, "name": "a.png", "md5": "", "url": urls[0], "thumbnail_url": urls[1]}
    media = wait_for("the image", lambda made=admin.create_media_list(project, body=spec).id: (
        lambda row: row if row.width else None)(admin.get_media(made)))
    thumbnail, = media.media_files.thumbnail
    assert stored(admin, media, thumbnail) == pathlib.Path(corpus["image_jpg"]["path"]).read_bytes()


def test_a_reference_stays_where_it_is(admin, project, kind):
    url = "https://example.org/pictures/a.png"
    spec = {"type": kind, "name": "a.png", "md5": "", "url": url, "reference_only": 1, "width": 30, "height": 20}
    media = admin.get_media(admin.create_media_list(project, body=spec).id)
    image, = media.media_files.image
    assert (image.path, image.resolution) == (url, [20, 30])


def test_images_are_fetched_from_allowed_origins(new_station, web, corpus):
    for name in ("image_png", "image_jpg", "image_webp"):
        web.add(pathlib.Path(corpus[name]["path"]).name, corpus[name]["path"])
    station = new_station(environment={"TRANSECT_SERVER_REQUEST_ORIGINS": web.origin})
    api, project, kind = hosted(station)
    names = ["image_png.png", "image_jpg.jpg", "image_webp.webp", "missing.png"]
    body = [{"type": kind, "name": name, "md5": "", "url": f"{web.origin}/{name}", "gid": "g"} for name in names]
    body[0]["thumbnail_url"] = f"{web.origin}/image_jpg.jpg"
    answer = api.create_media_list(project, body=body)
    assert len(answer.id) == 4
    for made, name in zip(answer.id, ("image_png", "image_jpg", "image_webp")):
        media = wait_for(name, lambda made=made: (lambda row: row if row.width else None)(api.get_media(made)))
        assert barcode.read_file(api.get_frame(made, frames=[0])) == corpus[name]["first"]
        assert media.media_files.image[0].path.split("/")[2] == str(made)
    thumbnail, = api.get_media(answer.id[0]).media_files.thumbnail
    assert stored(api, api.get_media(answer.id[0]), thumbnail) == pathlib.Path(corpus["image_jpg"]["path"]).read_bytes()
    failed = wait_for("the verdict", lambda: (lambda row: row if "404" in row["message"] else None)(
        index_of(station, answer.id[3], station.admin_token)))
    assert failed["state"] == "failed"
    one = tator.util.import_media(api, kind, f"{web.origin}/image_png.png", fname="again.png")
    media = wait_for("the image", lambda: ready(api, one.id[0]))
    assert media.name == "again.png"
    assert api.get_transcode_list(project) == []  # pictures are no transcodes


def test_what_waits_to_be_fetched_survives_a_kill(new_station, web, corpus):
    station = new_station(environment={"TRANSECT_SERVER_REQUEST_ORIGINS": web.origin, "TRANSECT_JOBS_SMALL": "0"})
    api, project, kind = hosted(station)
    web.add("a.png", corpus["image_png"]["path"])
    made = api.create_media_list(project, body={"type": kind, "name": "a.png", "md5": "", "url": f"{web.origin}/a.png"}).id
    station.kill()
    del station.environment["TRANSECT_JOBS_SMALL"]
    station.start()
    api = tator.get_api(station.url, station.admin_token)
    assert wait_for("the image", lambda: ready(api, made)).width == 320
