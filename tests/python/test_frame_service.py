"""What the player of the page asks for: the table of pictures, single pictures, coded packets."""

import base64
import json
import struct
import subprocess

import barcode
import pytest
from station import wait_for
from support import unique

CLIPS = ["h264_cfr25", "h264_vfr", "h264_start_offset", "h264_edit_list", "h264_b_pyramid", "h264_open_gop", "h264_fragmented",
         "h264_ts", "hevc", "vp8", "vp9", "av1", "mpeg4", "prores", "rotated"]


def imported(station, admin, corpus, names, project):
    """name → media id, indexed."""
    rows = station.lines("import", *(corpus[name]["path"] for name in names), "--project", unique(project), secs=300)
    by_path = {row["path"]: row["media"] for row in rows}
    found = {name: by_path[corpus[name]["path"]] for name in names}
    for made in found.values():
        wait_for("the index", lambda made=made: admin.get_frame_index(made).state == "ready")
    return found


@pytest.fixture(scope="module")
def media(station, admin, corpus):
    return imported(station, admin, corpus, CLIPS, "Service")


@pytest.mark.parametrize("name", CLIPS)
def test_table(admin, corpus, media, name):
    clip, index = corpus[name], admin.get_frame_index(media[name])
    assert (index.kind, index.state, index.num_frames, len(index.pts)) == ("video", "ready", clip["frames"], clip["frames"])
    assert index.pts == sorted(set(index.pts))
    assert index.key_frames[0] in range(clip["frames"]) and index.key_frames == sorted(set(index.key_frames))
    seconds = [(pts - index.pts[0]) * index.time_base[0] / index.time_base[1] for pts in index.pts]
    wanted = clip.get("pts_secs") or [n * clip["rate"][1] / clip["rate"][0] for n in range(clip["frames"])]
    assert max(abs(a - b) for a, b in zip(seconds, wanted)) < 0.0015
    if clip["rate"]:
        assert abs(index.frame_rate[0] / index.frame_rate[1] - clip["rate"][0] / clip["rate"][1]) < 0.01


@pytest.mark.parametrize("extension, kind", [("jpg", "image/jpeg"), ("webp", "image/webp"), ("png", "image/png")])
@pytest.mark.parametrize("name", CLIPS)
def test_pictures(station, corpus, media, name, extension, kind):
    clip = corpus[name]
    for number in (clip["frames"] - 1, 0, 41, 40):
        answer = station.http("GET", f"/rest/FramePicture/{media[name]}/{number}?format={extension}", station.admin_token)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, kind)
        assert barcode.read_file(answer.content) == clip["first"] + number


def test_planes(station, corpus, media):
    path = f"/rest/FramePicture/{media['h264_cfr25']}/9?format=y4m"
    answer = station.http("GET", path, station.admin_token)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "video/x-yuv4mpeg")
    picture = subprocess.run(["ffmpeg", "-v", "error", "-f", "yuv4mpegpipe", "-i", "-", "-f", "image2pipe", "-c:v", "png", "-"],
                             input=answer.content, stdout=subprocess.PIPE, check=True).stdout
    assert barcode.read_file(picture) == corpus["h264_cfr25"]["first"] + 9


def test_smaller_pictures(station, media):
    answer = station.http("GET", f"/rest/FramePicture/{media['h264_cfr25']}/9?format=png&height=120", station.admin_token)
    pixels, width, height, channels = barcode.unpack(answer.content)
    assert (width, height, barcode.read_pixels(pixels, width, height, channels)) == (160, 120, 9)


@pytest.mark.parametrize("name", CLIPS)
def test_packets_cover_the_range(station, media, name):
    answer = station.http("GET", f"/rest/FramePackets/{media[name]}?first=50&last=60", station.admin_token)
    assert answer.status_code == 200
    length, = struct.unpack("<I", answer.content[:4])
    header = json.loads(answer.content[4:4 + length])
    packets = header["packets"]
    assert packets[0]["key"] is True
    assert set(range(50, 61)) <= {packet["frame"] for packet in packets}
    assert 4 + length + sum(packet["size"] for packet in packets) == len(answer.content)


RESIZED = ["h264_resized", "h264_resized_mp4", "h264_resized_flv", "h264_resized_mkv", "hevc_resized_mp4"]


@pytest.fixture(scope="module")
def resized(station, admin, corpus):
    """The clips whose pictures become smaller."""
    return imported(station, admin, corpus, RESIZED, "Resized")


def packets(station, media, first, last):
    """Returns the header, and the bytes of each packet."""
    answer = station.http("GET", f"/rest/FramePackets/{media}?first={first}&last={last}", station.admin_token)
    assert answer.status_code == 200, answer.text
    length, = struct.unpack("<I", answer.content[:4])
    header, at, found = json.loads(answer.content[4:4 + length]), 4 + length, []
    for packet in header["packets"]:
        found.append(answer.content[at:at + packet["size"]])
        at += packet["size"]
    return header, found


def annex_b(config, units):
    """The packets as a raw stream, with the parameter sets of an avcC record in front."""
    if config["description"] is None:
        return b"".join(units)
    record, out = base64.b64decode(config["description"]), b""
    at = 6
    for count in (record[5] & 31, None):
        if count is None:
            count, at = record[at], at + 1
        for _ in range(count):
            size = int.from_bytes(record[at:at + 2], "big")
            out += b"\0\0\0\1" + record[at + 2:at + 2 + size]
            at += 2 + size
    prefix = (record[4] & 3) + 1
    for unit in units:
        while unit:
            size = int.from_bytes(unit[:prefix], "big")
            out, unit = out + b"\0\0\0\1" + unit[prefix:prefix + size], unit[prefix + size:]
    return out


@pytest.mark.parametrize("name", RESIZED)
def test_a_change_of_size_is_told_where_it_is(station, admin, corpus, resized, tmp_path, name):
    clip, index = corpus[name], admin.get_frame_index(resized[name])
    change, = index.changes
    assert (index.width, index.height) == (320, 240)
    assert (change.frame, change.width, change.height) == (clip["change"], 160, 120)
    assert change.frame in index.key_frames
    # Across the change: first one configuration, then the other. Whoever asks from key frame to key frame needs one.
    across, units = packets(station, resized[name], change.frame - 5, change.frame + 5)
    turn, = across["changes"]
    before, after = across["config"], turn["config"]
    assert (before["codedWidth"], after["codedWidth"], after["codec"]) == (320, 160, change.codec_string)
    assert across["packets"][turn["packet"]] == {"frame": change.frame, "key": True, "size": len(units[turn["packet"]])}
    behind, _ = packets(station, resized[name], change.frame, change.frame + 5)
    assert (behind["config"], behind["changes"]) == (after, [])
    if clip["codec"] == "h264":
        # A decoder that knows nothing but what was told shows these pictures.
        at = turn["packet"]
        for config, part, size in ((before, units[:at], (320, 240)), (after, units[at:], (160, 120))):
            file = tmp_path / "part.h264"
            file.write_bytes(annex_b(config, part))
            width, height = size
            raw = subprocess.run(["ffmpeg", "-v", "error", "-i", file, "-f", "rawvideo", "-pix_fmt", "gray", "-"],
                                 stdout=subprocess.PIPE, check=True).stdout
            shown = [barcode.read_pixels(raw[at:at + width * height], width, height) for at in range(0, len(raw), width * height)]
            wanted = range(change.frame - 5, change.frame) if size[0] == 320 else range(change.frame, change.frame + 6)
            assert set(wanted) <= set(shown), shown


@pytest.mark.parametrize("name", RESIZED)
def test_pictures_on_both_sides_of_a_change_of_size(station, admin, corpus, resized, name):
    clip, media = corpus[name], resized[name]
    turn = clip["change"]
    # Back and forth over the change, so that a decoder comes from the other side; each picture has its own pixels.
    for number in (turn + 3, turn - 1, turn, turn - 2, turn + 1, 3, clip["frames"] - 1, turn + 30, turn - 30, turn + 2):
        answer = station.http("GET", f"/rest/FramePicture/{media}/{number}?format=png", station.admin_token)
        pixels, width, height, channels = barcode.unpack(answer.content)
        assert (width, height) == ((320, 240) if number < turn else (160, 120))
        assert barcode.read_pixels(pixels, width, height, channels) == number
    # Side by side they are as large as the first; a region is the same part of each.
    answer = station.http("GET", f"/rest/GetFrame/{media}?frames={turn - 1}&frames={turn}&tile=2x1", station.admin_token)
    assert answer.status_code == 200, answer.text
    pixels, width, height, channels = barcode.unpack(answer.content)
    assert (width, height) == (640, 240)
    rows = [pixels[at:at + width * channels] for at in range(0, len(pixels), width * channels)]
    for side, number in ((0, turn - 1), (1, turn)):
        half = b"".join(row[side * 320 * channels:(side + 1) * 320 * channels] for row in rows)
        assert barcode.read_pixels(half, 320, 240, channels) == number


@pytest.mark.parametrize("path", ["FramePicture/{}/85", "FramePicture/{}/-1", "FramePackets/{}?first=85&last=90"])
def test_beyond_the_end(station, media, path):
    answer = station.http("GET", "/rest/" + path.format(media["h264_edit_list"]), station.admin_token)
    assert answer.status_code in (400, 404)
    assert station.alive


@pytest.mark.parametrize("what", ["FramePicture/{}/7?", "FramePackets/{}?first=5&last=9&"])
def test_what_is_asked_for_by_fingerprint_is_kept_for_ever(station, admin, media, what):
    path = "/rest/" + what.format(media["h264_cfr25"])
    fingerprint = admin.get_frame_index(media["h264_cfr25"]).fingerprint

    def ask(tag, known=None):
        headers = {"If-None-Match": known} if known else {}
        return station.http("GET", f"{path}tag={tag}", station.admin_token, headers=headers)

    first = ask(fingerprint)
    control = {part.strip() for part in first.headers["Cache-Control"].split(",")}
    assert (first.status_code, "immutable" in control, "private" in control) == (200, True, True)
    # Under another name, even the same bytes have to be asked for again.
    other = ask("somebody-elses")
    assert (other.status_code, other.content) == (200, first.content)
    assert "immutable" not in other.headers["Cache-Control"] and "no-cache" in other.headers["Cache-Control"]
    again = ask(fingerprint, first.headers["ETag"])
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert ask(fingerprint, '"another"').status_code == 200
    neighbour = station.http("GET", path.replace("/7?", "/8?").replace("last=9", "last=10"), station.admin_token,
                             headers={"If-None-Match": first.headers["ETag"]})
    assert neighbour.status_code == 200 and neighbour.headers["ETag"] != first.headers["ETag"]


def test_rights(station, media, people):
    for path in (f"FrameIndex/{media['vp8']}", f"FramePicture/{media['vp8']}/0", f"FramePackets/{media['vp8']}?first=0&last=1"):
        assert station.http("GET", "/rest/" + path, people.stranger.token).status_code == 403
        assert station.http("GET", "/rest/" + path).status_code == 400
