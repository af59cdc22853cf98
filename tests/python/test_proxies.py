"""Proxies: renditions to jump around in, made while nobody needs the machine, and one to one with the source."""

import json
import time

import corpus
import pytest
import requests
import tator
from renditions import downloaded, numbers
from station import Station, wait_for
from support import unique

QUICK = {"TRANSECT_PROXIES_ENABLED": "true", "TRANSECT_PROXIES_IDLE_SECS": "1", "TRANSECT_PROXIES_HEIGHT": "120"}
LONG = [*corpus.X264, "-g", "250", "-keyint_min", "250", *corpus.CLOSED, "-bf", "2"]


@pytest.fixture
def laptop(tmp_path):
    """Makes the station of one test."""
    made = []

    def make(**more):
        station = Station(tmp_path / "data", {**QUICK, **more})
        made.append(station)
        station.start()
        station.admin_token = station.add_user("admin", "--admin")
        return station, tator.get_api(station.url, station.admin_token)

    yield make
    for station in made:
        station.remove()


def clip(folder, name, frames=200, options=LONG, **more):
    path = folder / name
    corpus.encode(path, frames, "25", options, **more)
    return path


def imported(station, *paths):
    rows = station.lines("import", *paths, "--project", unique("Dive"), secs=120)
    return [row["media"] for row in rows]


def streaming(api, media):
    return (api.get_media(media).media_files.streaming or [None])[0]


def jobs(api, media):
    return api.get_transcode_list(api.get_media(media).project, media_id=[media])


def test_slow_videos_get_one_and_quick_ones_do_not(laptop, tmp_path):
    station, api = laptop()
    quick = [*corpus.X264, "-g", "25", *corpus.CLOSED, "-bf", "2"]
    paths = [clip(tmp_path, "quick.mp4", options=quick), clip(tmp_path, "long.mp4"),
             clip(tmp_path, "hevc.mp4", options=["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=error:keyint=25"]),
             clip(tmp_path, "quick.ts", options=quick)]
    easy, *slow = imported(station, *paths)
    for media in slow:
        wait_for(f"a proxy of media {media}", lambda media=media: streaming(api, media), secs=60)
    for media, height in zip(slow, (120, 120, 240)):
        record = streaming(api, media)
        assert record.codec == "h264" and record.resolution[0] == height
        path = downloaded(api, api.get_media(media), record.path, tmp_path / f"{media}.mp4")
        assert numbers(path, height * 4 // 3, height) == list(range(200))
        info = api.get_download_info(api.get_media(media).project, download_info_spec={"keys": [record.segment_info]})[0].url
        fragments = [one["frame_samples"] for one in requests.get(info, timeout=60).json()["segments"] if one["name"] == "moof"]
        assert sum(fragments) == 200
        if height == 120:
            assert set(fragments[:-1]) == {15}
        job, = jobs(api, media)
        assert job.job.status == "succeeded" and "idle" in job.job.nodes[0].task
        # The frame service shows the same picture from it.
        answer = station.http("GET", f"/rest/FramePicture/{media}/137?format=png&height=120", station.admin_token)
        assert answer.status_code == 200
    # Videos are judged in the order of their ids: this one came first.
    assert easy < min(slow) and streaming(api, easy) is None and jobs(api, easy) == []


def test_off_unless_wanted(laptop, tmp_path):
    station, api = laptop(TRANSECT_PROXIES_ENABLED="false")
    media, = imported(station, clip(tmp_path, "long.mp4"))
    time.sleep(3)
    assert streaming(api, media) is None and jobs(api, media) == []


def test_requests_for_frames_come_first_and_killed_work_goes_on(laptop, tmp_path):
    station, api = laptop(TRANSECT_PROXIES_HEIGHT="720")
    big = clip(tmp_path, "big.mp4", frames=600, filters="scale=1280:960:flags=neighbor")
    media, = imported(station, big)
    token = station.admin_token

    def running():
        found = jobs(api, media)
        return found and found[0].job.status == "running" and files()

    def files():
        return list((station.data / "work").glob("job-*/*/proxy_720.mp4"))

    def size():
        return sum(one.stat().st_size for one in files())

    wait_for("the beginning of the proxy", lambda: running() and size() > 0)
    # Somebody steps through the video: nothing is made meanwhile.
    def step(number):
        assert station.http("GET", f"/rest/FramePicture/{media}/{number}", token).status_code == 200
        time.sleep(0.3)
        return size()

    wait_for("the work to rest", lambda: step(0) == step(1))
    held = size()
    assert [step(frame) for frame in range(10)] == [held] * 10 and streaming(api, media) is None
    # Then it goes on where it was, also after the station was killed.
    wait_for("more of it", lambda: size() > held or streaming(api, media))
    station.kill()
    station.start()
    api = tator.get_api(station.url, token)
    record = wait_for("the proxy", lambda: streaming(api, media), secs=90)
    path = downloaded(api, api.get_media(media), record.path, tmp_path / "proxy.mp4")
    assert numbers(path, 960, 720) == list(range(600))
    assert len(jobs(api, media)) == 1
    assert not list((station.data / "work").glob("job-*"))


def test_called_off_it_is_not_begun_again(laptop, tmp_path):
    station, api = laptop(TRANSECT_PROXIES_HEIGHT="720")
    media, = imported(station, clip(tmp_path, "big.mp4", frames=600, filters="scale=640:480:flags=neighbor"))
    job = wait_for("the proxy's job", lambda: jobs(api, media))[0]
    api.delete_transcode(job.spec.uid)
    station.kill()
    station.start()
    api = tator.get_api(station.url, station.admin_token)
    time.sleep(4)
    assert jobs(api, media) == [] and streaming(api, media) is None
    assert json.loads(station.http("GET", f"/rest/FrameIndex/{media}", station.admin_token).text)["num_frames"] == 600
