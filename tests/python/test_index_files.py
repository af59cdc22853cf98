"""The file of a frame index is a copy of what the media says: lost, damaged or of another version, it is made anew, and the media's
frames stay what they were."""

import barcode
import pytest
from station import wait_for

DAMAGE = {
    "deleted": lambda path: path.unlink(),
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "empty": lambda path: path.write_bytes(b""),
    "of another version": lambda path: path.write_bytes(path.read_bytes()[:7] + b"\x01" + path.read_bytes()[8:]),
}


@pytest.fixture(scope="module")
def indexed(corpus, tmp_path_factory):
    """A station of its own with one media: (station, media, its index file)."""
    from station import Station
    station = Station(tmp_path_factory.mktemp("index") / "data")
    try:
        station.start()
        station.admin_token = station.add_user("admin", "--admin")
        media = station.lines("import", corpus["h264_open_gop"]["path"], "--project", "Lost")[0]["media"]
        wait_for("the index", lambda: get(station, f"FrameIndex/{media}").json()["state"] == "ready")
        yield station, media, station.data / "frames" / f"{media}.index"
        assert station.stop() == 0
    finally:
        station.remove()


def get(station, path):
    return station.http("GET", f"/rest/{path}", station.admin_token)


@pytest.mark.parametrize("first", ["FrameIndex/{}", "FramePicture/{}/77", "FramePackets/{}?first=77&last=77", "GetFrame/{}?frames=77"])
@pytest.mark.parametrize("how", DAMAGE)
def test_it_is_made_again(indexed, how, first):
    station, media, file = indexed
    project = get(station, f"Media/{media}").json()["project"]
    rows = get(station, f"Localizations/{project}?media_id={media}").json()
    if not rows:
        media_type = get(station, f"Media/{media}").json()["type"]
        kind = station.http("POST", f"/rest/LocalizationTypes/{project}", station.admin_token,
                            json={"name": "Animal", "dtype": "box", "media_types": [media_type]}).json()["id"]
        box = {"type": kind, "media_id": media, "frame": 77, "x": 0.1, "y": 0.1, "width": 0.2, "height": 0.2}
        assert station.http("POST", f"/rest/Localizations/{project}", station.admin_token, json=[box]).status_code == 201
        rows = get(station, f"Localizations/{project}?media_id={media}").json()
    assert [row["frame"] for row in rows] == [77]
    index, picture, whole = get(station, f"FrameIndex/{media}").json(), get(station, f"FramePicture/{media}/77").content, file.read_bytes()
    assert barcode.read_file(picture) == 77

    assert station.stop() == 0
    DAMAGE[how](file)
    station.start()
    answer = get(station, first.format(media))
    assert answer.status_code == 200, answer.text
    assert get(station, f"FrameIndex/{media}").json() == index
    assert get(station, f"FramePicture/{media}/77").content == picture
    assert file.read_bytes() == whole, "the same file gives the same index, to the byte"
    assert get(station, f"Localizations/{project}?media_id={media}").json() == rows
    assert get(station, f"Media/{media}").json()["num_frames"] == index["num_frames"]
