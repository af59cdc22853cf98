"""What the tests of transcoding need: clips of any size, a job's end, a look into fragmented files."""

import contextlib
import json
import pathlib
import sqlite3
import struct
import subprocess
import uuid

import barcode
import corpus
import requests
import tator
from station import wait_for
from tator.util._upload_file import _upload_file

H264 = ["-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p", "-g", "30", "-bf", "2"]
TONE = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]
STREAMING_KEYS = {"path", "size", "resolution", "codec", "codec_mime", "codec_description", "bit_rate", "segment_info"}


def make_clip(path, width, height, frames=60, rate="30", sound=False):
    """Writes a numbered clip of this size."""
    options = [*H264, *(["-c:a", "aac", "-b:a", "64k", "-shortest"] if sound else [])]
    corpus.encode(path, frames, rate, options, filters=f"scale={width}:{height}:flags=neighbor", inputs=TONE if sound else [])
    return path


def link_to(api, project, path):
    """Uploads a file and returns a link to it."""
    for _, info in _upload_file(api, project, str(path)):
        pass
    return api.get_download_info(project, download_info_spec={"keys": [info.key]})[0].url


def spec(kind, url, **more):
    return {"type": kind, "gid": str(uuid.uuid1()), "uid": str(uuid.uuid1()), "url": url, "name": "clip.mp4", **more}


def finished(api, uid, secs=240, watch=lambda one: None):
    """Waits for a job to end and returns its transcode; `watch` sees what it looks like meanwhile."""
    def over():
        one = api.get_transcode(uid)
        watch(one)
        return one if one.job.status in ("succeeded", "failed") else None
    return wait_for(f"transcode {uid}", over, secs=secs)


def transcoded(api, kind, path, **options):
    """Uploads a video with the client's function, waits for its renditions, returns (media, transcode)."""
    for _, response in tator.util.upload_media(api, kind, str(path), **options):
        pass
    done = finished(api, response.id)
    assert done.job.status == "succeeded", [(node.task, node.message) for node in done.job.nodes]
    return api.get_media(done.job.media_ids[0]), done


def downloaded(api, media, key, path):
    project = media.project
    url = api.get_download_info(project, download_info_spec={"keys": [key]})[0].url
    path = pathlib.Path(path)
    path.write_bytes(requests.get(url, timeout=60).content)
    return path


def numbers(path, width, height):
    """The bar codes of all pictures of a file, as ffmpeg shows them."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-map", "0:v:0", "-vsync", "passthrough",
               "-f", "rawvideo", "-pix_fmt", "gray", "-"]
    shown = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    size = width * height
    assert len(shown) % size == 0
    return [barcode.read_pixels(shown[at:at + size], width, height) for at in range(0, len(shown), size)]


def boxes(content):
    """(name, offset, size) of the top-level boxes of an MP4 file."""
    found, at = [], 0
    while at < len(content):
        size, name = struct.unpack(">I4s", content[at:at + 8])
        if size == 1:
            size, = struct.unpack(">Q", content[at + 8:at + 16])
        found.append((name.decode(), at, size))
        at += size
    return found


def check_segments(video, index, frames):
    """Compares a segment file with the file it is about."""
    content = video.read_bytes()
    index = json.loads(index.read_text())
    assert set(index) == {"file", "segments"} and set(index["file"]) == {"start", "version"}
    assert index["file"]["version"] == 2 and 0 <= index["file"]["start"] < 1
    assert [(part["name"], part["offset"], part["size"]) for part in index["segments"]] == boxes(content)
    names = [part["name"] for part in index["segments"]]
    assert names[:2] == ["ftyp", "moov"] and names.count("moof") == -(-frames // 25) == names.count("mdat")
    moofs = [part for part in index["segments"] if part["name"] == "moof"]
    assert [part["frame_start"] for part in moofs] == list(range(0, frames, 25))
    assert sum(part["frame_samples"] for part in moofs) == frames


def blobs(station):
    """The names of what a station's object store holds: files, and small ones that are packed."""
    root = station.data / "objects"
    names = [path.name for path in root.glob("??/??/*")]
    with contextlib.closing(sqlite3.connect(root / "pack.sqlite")) as pack:
        return names + [name for name, in pack.execute("select blob from small")]


def work_files(station):
    root = station.data / "work"
    return sorted(root.rglob("*")) if root.exists() else []
