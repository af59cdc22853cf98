"""Frames over a WebSocket: what was asked for, in its order, and never more than there are credits for."""

import collections
import json
import signal
import struct
import time

import barcode
import corpus
import pytest
import requests
from station import Station, wait_for
from support import unique
from websocket import BINARY, CLOSE, TEXT, Refused, WebSocket

Message = collections.namedtuple("Message", "kind marks id frame pts payload")
JPEG, WEBP, PACKET, SETUP, END = 1, 2, 3, 4, 5


@pytest.fixture(scope="module")
def film(station, tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "film.mp4"
    options = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "15", "-bf", "2"]
    corpus.encode(path, 60, "30", options, first=100)
    row, = station.lines("import", path, "--project", unique("Stream"))
    wait_for("the index", lambda: index_of(station, row["media"])["state"] == "ready")
    return row["media"], {"first": 100, "frames": 60}


def index_of(station, media):
    return station.http("GET", f"/rest/FrameIndex/{media}", station.admin_token).json()


def opened(station, media, token=None, **headers):
    token = token or station.admin_token
    address = f"{station.url}/rest/FrameStream/{media}"
    return WebSocket(address, {"Authorization": f"Token {token}", **headers})


def receive(stream):
    kind, payload = stream.receive()
    assert kind == BINARY, payload
    version, what, marks, zero, number, frame, pts = struct.unpack("<BBBBIqq", payload[:24])
    assert (version, zero) == (1, 0)
    return Message(what, marks, number, frame, pts, payload[24:])


def closed(stream):
    while True:
        kind, payload = stream.receive()
        if kind == CLOSE:
            code, = struct.unpack(">H", payload[:2])
            return code, payload[2:].decode()


def test_pictures_in_the_order_asked_for(station, film):
    media, entry = film
    index = index_of(station, media)
    with opened(station, media) as stream:
        stream.say(want=[[3, 6], [30, 28]], **{"as": "jpeg"}, height=96, id=7, credits=100)
        for frame in [3, 4, 5, 6, 30, 29, 28]:
            message = receive(stream)
            assert (message.kind, message.frame, message.id, message.pts) == (JPEG, frame, 7, index["pts"][frame])
            assert bool(message.marks & 1) == (frame in index["key_frames"])
            assert barcode.read_file(message.payload) == entry["first"] + frame
        assert receive(stream)[:4] == (END, 0, 7, -1)
        stream.say(want=[[0, 0]], **{"as": "webp"})
        message = receive(stream)
        assert (message.kind, message.id, message.payload[8:12]) == (WEBP, 0, b"WEBP")


def test_packets_are_those_of_the_range(station, film):
    media, entry = film
    whole = station.http("GET", f"/rest/FramePackets/{media}?first=0&last={entry['frames'] - 1}", station.admin_token).content
    length, = struct.unpack("<I", whole[:4])
    head = json.loads(whole[4:4 + length])
    with opened(station, media) as stream:
        stream.say(want=[[0, entry["frames"] - 1]], **{"as": "packets"}, credits=10_000)
        setup = receive(stream)
        assert setup.kind == SETUP and json.loads(setup.payload) == head["config"]
        seen, first = {}, None
        while (message := receive(stream)).kind != END:
            assert message.kind == PACKET
            first = first or message
            seen[message.frame] = message.payload
    assert first.marks & 1
    place, expected = 4 + length, {}
    for packet in head["packets"]:
        expected[packet["frame"]] = whole[place:place + packet["size"]]
        place += packet["size"]
    assert seen == expected


def test_nothing_comes_without_credits(station, film):
    media, _ = film
    with opened(station, media) as stream:
        stream.say(want=[[0, 50]], **{"as": "jpeg"}, height=96)
        assert stream.silent(0.5)
        stream.say(credits=2)
        assert [receive(stream).frame for _ in range(2)] == [0, 1]
        assert stream.silent(0.5)
        # Bytes count from when they are named: one is never enough.
        stream.say(credits=3, bytes=1)
        assert stream.silent(0.5)
        stream.say(bytes=1 << 20)
        assert [receive(stream).frame for _ in range(3)] == [2, 3, 4]
        assert stream.silent(0.3)


def test_asking_for_something_else_takes_its_place(station, film):
    media, _ = film
    with opened(station, media) as stream:
        stream.say(want=[[0, 50]], **{"as": "jpeg"}, height=96, id=1, credits=1)
        assert receive(stream).frame == 0
        stream.say(want=[[40, 41]], **{"as": "jpeg"}, height=96, id=2, credits=3)
        assert [receive(stream)[2:4] for _ in range(3)] == [(2, 40), (2, 41), (2, -1)]
        stream.say(want=[[0, 50]], **{"as": "jpeg"}, id=3)
        stream.say(stop=True)
        stream.say(credits=5)
        assert stream.silent(0.5)


@pytest.mark.parametrize("said, reason", [
    ({"want": [[0, 9999]], "as": "jpeg"}, "beyond the end"),
    ({"want": [[9, 3]], "as": "packets"}, "forwards only"),
    ({"want": [[0, 1]]}, "jpeg, webp or packets"),
    ({"want": [[0, 1]], "as": "bmp"}, "not understood"),
    ({"wish": 1}, "not understood"),
    ({"want": [[0, 1]], "as": "jpeg", "quality": 0}, "1 to 100"),
])
def test_it_closes_with_a_reason(station, film, said, reason):
    with opened(station, film[0]) as stream:
        stream.say(credits=10, **said)
        code, why = closed(stream)
        assert code == 1008 and reason in why, why


def test_what_is_no_json_or_too_long_closes_it(station, film):
    with opened(station, film[0]) as stream:
        stream.send(TEXT, b"{")
        assert closed(stream)[0] == 1008
    with opened(station, film[0]) as stream:
        stream.send(BINARY, b"\0")
        assert closed(stream)[0] == 1008


def test_who_may_not_see_it_gets_no_socket(station, film, people):
    media, _ = film
    with pytest.raises(Refused) as refused:
        WebSocket(f"{station.url}/rest/FrameStream/{media}", {})
    assert refused.value.args[0] == 400 and "credentials" in refused.value.args[1]
    with pytest.raises(Refused) as refused:
        opened(station, media, people.stranger.token)
    assert refused.value.args[0] == 403
    with pytest.raises(Refused) as refused:
        opened(station, 99_999_999)
    assert refused.value.args[0] == 404
    answer = station.http("GET", f"/rest/FrameStream/{media}", station.admin_token)
    assert answer.status_code == 400 and "WebSocket" in answer.text


def test_pages_of_other_origins_are_refused(station, film):
    """A browser sends the session's cookie with the request of any page."""
    media, _ = film
    for origin in ("http://evil.example", "null", station.url + "0"):
        with pytest.raises(Refused) as refused:
            opened(station, media, Origin=origin)
        assert refused.value.args[0] == 403, origin
    with opened(station, media, Origin=station.url) as stream:
        stream.say(want=[[0, 0]], **{"as": "jpeg"}, credits=1)
        assert receive(stream).frame == 0


def test_a_station_that_stops_says_so(tmp_path, corpus):
    """To who is quiet, to who is in the middle of it, and not for ever to who takes nothing."""
    station = Station(tmp_path / "data")
    try:
        station.start()
        station.admin_token = station.add_user("admin", "--admin")
        media = station.lines("import", corpus["h264_cfr30"]["path"], "--project", "Ends")[0]["media"]
        quiet, busy, deaf = (opened(station, media) for _ in range(3))
        with quiet, busy, deaf:
            deaf.say(want=[[0, 50]] * 400, **{"as": "packets"}, credits=1_000_000)
            busy.say(want=[[0, 50]] * 400, **{"as": "jpeg"}, credits=1_000_000)
            assert receive(busy).frame == 0
            began = time.monotonic()
            station.process.send_signal(signal.SIGTERM)
            for stream in (quiet, busy):
                code, why = closed(stream)
                assert code == 1001 and "the station stops" in why
            assert station.process.wait(20) == 0
            assert time.monotonic() - began < 15, "a client that takes nothing holds it up"
            assert "cut off" not in station.log_tail()
    finally:
        station.remove()


def test_who_takes_nothing_costs_little(station, film):
    """Credits for everything, and nobody who reads: others are answered meanwhile, and the station stays small."""
    media, _ = film
    streams = [opened(station, media) for _ in range(6)]
    try:
        for stream in streams:
            stream.say(want=[[0, 50]] * 400, **{"as": "packets"}, credits=1_000_000)
        time.sleep(1)
        before = resident_bytes(station)
        time.sleep(2)
        assert resident_bytes(station) - before < 64 << 20
        answer = requests.get(f"{station.url}/rest/FramePicture/{media}/5", headers={"Authorization": f"Token {station.admin_token}"},
                              timeout=20)
        assert answer.status_code == 200
    finally:
        for stream in streams:
            stream.close()


def resident_bytes(station):
    total = 0
    for process in station.processes():
        try:
            with open(f"/proc/{process}/status", encoding="utf-8") as status:
                total += sum(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))
        except FileNotFoundError:
            pass
    return total
