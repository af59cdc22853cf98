"""Several cameras at once: which frames belong to a moment, by the time stamps of the files."""

import pytest
from station import wait_for
from support import add_media_type, add_video, unique

CLIPS = ["h264_cfr25", "h264_cfr50", "h264_vfr", "h264_start_offset"]


@pytest.fixture(scope="module")
def cameras(station, admin, corpus):
    """(project, type of multi media, name → media)."""
    names = [name for name in CLIPS if name in corpus]
    assert {"h264_cfr25", "h264_vfr"} <= set(names)
    project = unique("Cameras")
    rows = station.lines("import", *(corpus[name]["path"] for name in names), "--project", project, secs=300)
    by_path = {row["path"]: row["media"] for row in rows}
    found = {name: by_path[corpus[name]["path"]] for name in names}
    for media in found.values():
        wait_for("the index", lambda media=media: admin.get_frame_index(media).state == "ready")
    project = admin.get_media(found["h264_cfr25"]).project
    return project, add_media_type(admin, project, dtype="multi"), found


def starts(admin, media):
    index = admin.get_frame_index(media)
    base = index.time_base[0] / index.time_base[1]
    return [(pts - index.pts[0]) * base for pts in index.pts], index.duration


def expected(times, duration, at):
    """The frame whose interval holds a moment, by looking at all of them."""
    if at < 0 or at >= duration - 1e-9:
        return None
    return max(n for n, start in enumerate(times) if start <= at + 1e-9)


def make(admin, cameras, names, **multi):
    project, kind, media = cameras
    made = add_video(admin, project, kind, name=unique("multi"))
    ids = [media[name] for name in names]
    admin.update_media(made, media_update={"multi": {"ids": ids, "layout": [1, len(ids)], **multi}})
    return made, ids


def ask(station, media, **query):
    answer = station.http("GET", f"/rest/MultiFrames/{media}", station.admin_token, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_frames_of_the_first_and_of_a_variable_rate(station, admin, cameras):
    multi, ids = make(admin, cameras, ["h264_cfr25", "h264_vfr"])
    own, _ = starts(admin, ids[0])
    times, duration = starts(admin, ids[1])
    frames = list(range(len(own)))
    answers = ask(station, multi, frame=frames)
    assert [one["children"][0]["frame"] for one in answers] == frames
    for one in answers:
        other = one["children"][1]
        assert other["frame"] == expected(times, duration, one["time"]), one
        assert (other["place"] == "frame") == (other["frame"] is not None)
    # A rate would have said otherwise.
    by_rate = [int(one["time"] * len(times) / duration) for one in answers]
    assert by_rate != [one["children"][1]["frame"] for one in answers]


def test_late_and_drifting_children(station, admin, cameras):
    """The second is 0.7 s late and its clock 1 % fast."""
    multi, ids = make(admin, cameras, ["h264_vfr", "h264_cfr25"], timeOffset=[0, 0.7], timeDrift=[0, 10_000])
    files = admin.get_media(multi).to_dict()["media_files"]
    assert files["ids"] == ids
    times, duration = starts(admin, ids[1])
    asked = [n / 50 - 0.5 for n in range(400)]
    for at, one in zip(asked, ask(station, multi, time=asked)):
        other = one["children"][1]
        assert other["time"] == pytest.approx((at - 0.7) * 1.01, abs=1e-9)
        near = min(abs(other["time"] - start) for start in [*times, duration])
        if near > 1e-6:
            assert other["frame"] == expected(times, duration, other["time"]), one


def test_offsets_in_frames_are_those_of_the_original(station, admin, cameras):
    multi, _ = make(admin, cameras, ["h264_cfr25", "h264_start_offset"], frameOffset=[0, 12])
    assert [one["children"][1]["frame"] for one in ask(station, multi, frame=[0, 1, 50])] == [12, 13, 62]
    behind, _ = make(admin, cameras, ["h264_cfr25", "h264_start_offset"], frameOffset=[0, -12])
    shown = [one["children"][1] for one in ask(station, behind, frame=[0, 11, 12, 50])]
    assert [(one["frame"], one["place"]) for one in shown] == [(None, "before"), (None, "before"), (0, "frame"), (38, "frame")]


def test_what_is_no_multi_or_has_no_such_frame(station, admin, cameras):
    multi, ids = make(admin, cameras, ["h264_cfr25", "h264_vfr"])
    for media, query, said in ((ids[0], {"frame": 0}, "consists of no others"), (multi, {"frame": 100_000}, "has no frame"),
                               (multi, {"frame": -1}, "has no frame")):
        answer = station.http("GET", f"/rest/MultiFrames/{media}", station.admin_token, params=query)
        assert answer.status_code == 400 and said in answer.text
    wild = {"multi": {"ids": ids, "timeDrift": [0, 1e9]}}
    answer = station.http("PATCH", f"/rest/Media/{multi}", station.admin_token, json=wild)
    assert answer.status_code == 400 and "millionths" in answer.text
