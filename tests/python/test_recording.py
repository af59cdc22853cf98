"""Recording live feeds: what a feed gave is there, frame by frame, and what was noted lands on its frame."""

import datetime
import subprocess
import sys
import threading
import time

import barcode
import corpus
import pytest
import requests
import tator
from feeds import BEGIN, PER_SEGMENT, RATE, FeedServer, stated
from station import Station, wait_for
from support import add_media_type, add_state_type, unique

ATTRIBUTES = [{"name": "Note", "dtype": "string"}, {"name": "Count", "dtype": "int", "minimum": 0}]


class Deck:
    """A station that may reach the feeds, with a project, a live media type, a video type and a state type."""

    def __init__(self, station):
        self.station = station
        self.api = tator.get_api(station.url, station.admin_token)
        organization = self.api.create_organization(organization_spec={"name": unique("Ship")}).id
        self.project = self.api.create_project(project_spec={"name": unique("Watch"), "organization": organization}).id
        self.live_type = add_media_type(self.api, self.project, dtype="live")
        self.video_type = add_media_type(self.api, self.project, streaming_config=[
            {"resolution": 120, "crf": 30, "vcodec": "h264"}])
        self.state_type = add_state_type(self.api, self.project, [self.video_type], "Frame", ATTRIBUTES)

    def start(self):
        """Starts the station again, which gets another address."""
        self.station.start()
        self.api = tator.get_api(self.station.url, self.station.admin_token)

    def call(self, method, path, body=None, status=(200, 201), token=None):
        answer = self.station.http(method, f"/rest/{path}", token or self.station.admin_token, json=body)
        expected = (status,) if isinstance(status, int) else status
        assert answer.status_code in expected, (method, path, answer.status_code, answer.text)
        return answer.json()

    def live(self, *feeds):
        """A live media whose streams are these feeds."""
        made = self.api.create_media_list(self.project, body={"type": self.live_type, "name": unique("Cam"), "md5": "",
                                                              "section": "ROV"})
        media = made.id if isinstance(made.id, int) else made.id[0]
        streams = [{"url": feed.url, "feeds": [{"name": "main", "resolution": [240, 320]}]} for feed in feeds]
        self.api.update_media(media, media_update={"live": {"streams": streams, "layout": [1, 1]}})
        return media

    def record(self, feed, **more):
        spec = {"media_id": self.live(feed), "feed": "main", "type": self.video_type, "state_type": self.state_type,
                "text_attribute": "Note", **more}
        return self.call("POST", f"Recordings/{self.project}", spec)["id"]

    def look(self, recording):
        return self.call("GET", f"Recording/{recording}")

    def fetched(self, recording, count, lost=0):
        def there():
            found = self.look(recording)
            return found if (found["num_segments"], found["num_lost"]) == (count, lost) else None
        return wait_for(f"{count} segments", there, secs=40)

    def note(self, recording, at, **more):
        return self.call("POST", f"RecordingEvents/{recording}", {"utc": stated(at), **more})["object"]

    def events(self, recording):
        return self.call("GET", f"RecordingEvents/{recording}")

    def end(self, recording):
        self.call("PATCH", f"Recording/{recording}", {"status": "stopped"})
        return self.over(recording)

    def over(self, recording, status="finished"):
        def over():
            found = self.look(recording)
            return found if found["status"] in ("finished", "failed") else None
        found = wait_for("the end of the recording", over, secs=90)
        assert found["status"] == status, found
        return found

    def drawn(self, media, frame):
        picture = self.station.http("GET", f"/rest/FramePicture/{media}/{frame}?format=png", self.station.admin_token)
        assert picture.status_code == 200, picture.text
        return barcode.read_file(picture.content)

    def all_drawn(self, media):
        index = self.api.get_frame_index(media)
        return [self.drawn(media, frame) for frame in range(index.num_frames)]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = FeedServer(tmp_path_factory.mktemp("feeds"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def ship(server, tmp_path_factory):
    station = Station(tmp_path_factory.mktemp("ship") / "data", {"TRANSECT_SERVER_REQUEST_ORIGINS": server.origin})
    try:
        station.start()
        station.admin_token = station.add_user("admin", "--admin")
        yield Deck(station)
        assert station.stop() == 0, f"its log ends:\n{station.log_tail()}"
    finally:
        station.remove()


def at_frame(number, begin=BEGIN, late_ms=0):
    """When a frame came up, and so many milliseconds later."""
    return begin + datetime.timedelta(seconds=number / RATE, milliseconds=late_ms)


@pytest.mark.parametrize("kind, together, plain", [("ts", False, False), ("fmp4", False, False), ("fmp4", True, False),
                                                   ("fmp4", True, True), ("ts", True, False)],
                         ids=["ts", "fmp4", "ranges", "server without ranges", "ts in one file"])
def test_what_the_feed_gave_is_a_video_and_events_lie_on_their_frames(ship, server, kind, together, plain):
    feed = server.feed(unique("feed").replace(" ", "-")).add(4, kind=kind, together=together)
    feed.plain, feed.shown = plain, 2
    recording = ship.record(feed)
    ship.fetched(recording, 2)
    # At the very moment a frame comes up, just before the next, and in between.
    noted = {ship.note(recording, at_frame(number, late_ms=late), text=f"seen {number}", attributes={"Count": number})["id"]: number
             for number, late in ((0, 0), (24, 39), (25, 0), (37, 20), (74, 1))}
    assert all(event["binding"] == "waiting" for event in ship.events(recording))
    for shown in (3, 4):
        feed.shown = shown
        ship.fetched(recording, shown)
    done = ship.end(recording)
    assert (done["num_segments"], done["num_lost"], done["gaps"]) == (4, 0, []) and done["duration"] == pytest.approx(4, abs=0.001)
    assert done["start_utc"] == stated(BEGIN)
    media, = [part["media"] for part in done["parts"]]
    assert ship.all_drawn(media) == list(range(4 * PER_SEGMENT))
    row = ship.api.get_media(media)
    assert row.num_frames == 4 * PER_SEGMENT and row.primary_section
    for event in ship.events(recording):
        number = noted[event["id"]]
        assert (event["binding"], event["media"], event["frame"]) == ("frame", media, number), event
        state = ship.api.get_state(event["state"])
        assert (state.frame, state.media, state.attributes["Note"], state.attributes["Count"]) == (
            number, [media], f"seen {number}", number)
        assert ship.drawn(media, state.frame) == number
    times = ship.call("GET", f"FrameTimes/{media}?frame=0&frame=99&utc={stated(at_frame(37, late_ms=20))}")
    assert [(one["frame"], one["utc"]) for one in times] == [(n, stated(at_frame(n))) for n in (0, 99, 37)]
    assert {one["clock"] for one in times} == {"program"}
    # The times of the feed and those of its pictures agree.
    segments = ship.call("GET", f"RecordingSegments/{recording}")
    assert [one["first_frame"] for one in segments] == [0, 25, 50, 75]
    assert all(abs(one["drift"]) < 1e-5 for one in ship.call("GET", f"FrameTimes/{media}?frame=3&frame=30&frame=60"))
    # And it gets the renditions of its type.
    streaming = wait_for("renditions", lambda: (ship.api.get_media(media).media_files.streaming or [None])[0], secs=90)
    assert streaming.resolution == [120, 160]


def test_a_recording_that_fills_the_quota_ends_and_keeps_what_it_has(ship, server):
    deck = Deck(ship.station)
    feed = server.feed("full").add(6)
    feed.shown = 2
    recording = deck.record(feed)
    deck.fetched(recording, 2)
    used = deck.api.get_project_quota(deck.project).used_bytes
    assert used > 10_000  # what is no video yet counts, too
    info = deck.api.get_upload_info(deck.project)
    deck.api.update_project_quota(deck.project, quota_update={"quota_bytes": used + 1000})
    assert requests.put(info.urls[0], data=bytes(2000), timeout=60).status_code == 507
    feed.shown = 5
    done = deck.over(recording)
    assert (done["num_segments"], done["num_lost"]) == (2, 0)
    assert "for want of room" in done["message"] and "quota set --project" in done["message"], done["message"]
    media, = [part["media"] for part in done["parts"]]
    assert deck.all_drawn(media) == list(range(2 * PER_SEGMENT))
    assert deck.api.get_project_quota(deck.project).used_bytes >= used


def test_killed_in_the_middle_nothing_fetched_is_lost_or_there_twice(server, tmp_path):
    feed = server.feed("killed").add(8)
    feed.shown = 2
    station = Station(tmp_path / "data", {"TRANSECT_SERVER_REQUEST_ORIGINS": server.origin})
    try:
        station.start()
        station.admin_token = station.add_user("admin", "--admin")
        deck = Deck(station)
        recording = deck.record(feed)
        deck.fetched(recording, 2)
        deck.note(recording, at_frame(30), text="before the end")
        for shown in (4, 6):
            station.kill()
            feed.shown = shown
            deck.start()
            deck.fetched(recording, shown)
        station.kill()
        feed.shown, feed.ended = 8, True
        deck.start()
        done = deck.over(recording)
        assert (done["num_segments"], done["num_lost"]) == (8, 0)
        media, = [part["media"] for part in done["parts"]]
        assert deck.all_drawn(media) == list(range(8 * PER_SEGMENT))
        event, = deck.events(recording)
        assert deck.api.get_state(event["state"]).frame == 30
        assert len(deck.api.get_state_list(deck.project)) == 1
    finally:
        station.remove()


def test_what_the_window_lost_while_nobody_looked_is_a_gap(server, tmp_path):
    feed = server.feed("window").add(9)
    feed.shown, feed.window = 2, 3
    station = Station(tmp_path / "data", {"TRANSECT_SERVER_REQUEST_ORIGINS": server.origin})
    try:
        station.start()
        station.admin_token = station.add_user("admin", "--admin")
        deck = Deck(station)
        recording = deck.record(feed)
        deck.fetched(recording, 2)
        station.kill()
        feed.shown = 9
        deck.start()
        deck.fetched(recording, 5, lost=4)
        lost = deck.note(recording, at_frame(100), text="nobody recorded it")
        after = deck.note(recording, at_frame(160, late_ms=5), text="after the gap")
        done = deck.end(recording)
        gap, = done["gaps"]
        assert (gap["lost"], gap["utc"], gap["duration"]) == (4, stated(at_frame(50)), pytest.approx(4, abs=0.001))
        assert f"event {lost['id']}" in done["message"]
        media, = [part["media"] for part in done["parts"]]
        assert deck.all_drawn(media) == [*range(50), *range(150, 225)]
        by_id = {event["id"]: event for event in deck.events(recording)}
        assert (by_id[lost["id"]]["binding"], by_id[lost["id"]]["frame"], by_id[lost["id"]]["state"]) == ("gap", 49, None)
        bound = by_id[after["id"]]
        assert bound["binding"] == "frame" and deck.drawn(media, bound["frame"]) == 160
    finally:
        station.remove()


def test_a_segment_that_cannot_be_had_is_a_gap_and_the_rest_is_there(ship, server):
    feed = server.feed("missing").add(4)
    feed.missing, feed.shown = {"a/s001.ts"}, 4
    recording = ship.record(feed)
    ship.fetched(recording, 3, lost=1)
    assert server.asked.count("/missing/a/s001.ts") == 4
    done = ship.end(recording)
    gap, = done["gaps"]
    assert (gap["lost"], gap["utc"]) == (1, stated(at_frame(25))) and "404" in gap["message"]
    media, = [part["media"] for part in done["parts"]]
    assert ship.all_drawn(media) == [*range(25), *range(50, 100)]
    times = ship.call("GET", f"FrameTimes/{media}?frame=24&frame=25")
    assert [one["utc"] for one in times] == [stated(at_frame(24)), stated(at_frame(50))]
    # The last frame before the gap was not to be seen all through it.
    assert times[0]["until"] == stated(at_frame(25))
    answer = ship.call("GET", f"FrameTimes/{media}?utc={stated(at_frame(30))}", status=400)
    assert "nearest is frame 24" in answer["message"]


def test_a_break_in_the_feed_begins_another_video(ship, server):
    later = BEGIN + datetime.timedelta(minutes=3)
    feed = server.feed("break").add(2).add(2, first=200, begin=later, folder="b", discontinuity=True)
    feed.shown = 4
    recording = ship.record(feed)
    ship.fetched(recording, 4)
    event = ship.note(recording, at_frame(30, later), text="second")
    feed.ended = True
    done = ship.over(recording)
    one, other = [part["media"] for part in done["parts"]]
    assert ship.all_drawn(one) == list(range(50)) and ship.all_drawn(other) == list(range(200, 250))
    bound = ship.call("GET", f"RecordingEvent/{event['id']}")
    assert (bound["media"], bound["frame"], ship.drawn(other, bound["frame"])) == (other, 30, 230)


def test_a_break_that_the_feed_does_not_state_is_found(ship, server):
    """The camera was begun anew: its times begin at zero again, but the list goes on."""
    later = BEGIN + datetime.timedelta(seconds=20)
    feed = server.feed("silent").add(2).add(2, first=200, begin=later, folder="b")
    feed.shown = 4
    recording = ship.record(feed)
    ship.fetched(recording, 4)
    done = ship.end(recording)
    one, other = [part["media"] for part in done["parts"]]
    assert ship.all_drawn(one) == list(range(50)) and ship.all_drawn(other) == list(range(200, 250))


def test_a_feed_that_counts_from_the_beginning_again(ship, server):
    feed = server.feed("again").add(2)
    feed.shown, feed.first_sequence = 2, 700
    recording = ship.record(feed)
    ship.fetched(recording, 2)
    feed.listing, feed.shown, feed.first_sequence = [], 0, 0
    feed.add(2, first=300, begin=BEGIN + datetime.timedelta(minutes=1), folder="b")
    feed.shown = 2
    ship.fetched(recording, 4)
    one, other = [part["media"] for part in ship.end(recording)["parts"]]
    assert ship.all_drawn(one) == list(range(50)) and ship.all_drawn(other) == list(range(300, 350))


def test_without_stated_times_arrival_counts(ship, server):
    feed = server.feed("undated").add(3, dated=False)
    feed.shown = 1
    begun = time.time()
    recording = ship.record(feed)
    ship.fetched(recording, 1)
    for shown in (2, 3):
        feed.shown = shown
        ship.fetched(recording, shown)
    ended = time.time()
    media, = [part["media"] for part in ship.end(recording)["parts"]]
    first, last = ship.call("GET", f"FrameTimes/{media}?frame=0&frame=74")
    assert {first["clock"], last["clock"]} == {"arrival"}
    seen = [datetime.datetime.fromisoformat(one["utc"].replace("Z", "+00:00")).timestamp() for one in (first, last)]
    assert begun - 1.5 < seen[0] < begun + 3 and seen[1] < ended + 3
    assert abs(seen[1] - seen[0] - 74 / RATE) < 0.001


def test_clocks_that_drift_are_followed_segment_by_segment_and_the_step_is_stated(ship, server):
    feed = server.feed("drift").add(3)
    # The station's clock runs fast: each segment is stated 3 ms later than its pictures say.
    feed.listing = [(uri, part, secs, when + datetime.timedelta(milliseconds=3 * at), mark)
                    for at, (uri, part, secs, when, mark) in enumerate(feed.listing)]
    feed.shown = 3
    recording = ship.record(feed)
    ship.fetched(recording, 3)
    # A moment between the pictures of two segments is the last one's.
    between = ship.note(recording, at_frame(25, late_ms=1), text="between")
    media, = [part["media"] for part in ship.end(recording)["parts"]]
    times = ship.call("GET", f"FrameTimes/{media}?frame=0&frame=25&frame=50")
    assert [one["utc"] for one in times] == [stated(at_frame(n, late_ms=3 * n / 25)) for n in (0, 25, 50)]
    assert [one["drift"] for one in times] == [pytest.approx(0.003, abs=1e-5), pytest.approx(0.003, abs=1e-5), None]
    bound = ship.call("GET", f"RecordingEvent/{between['id']}")
    assert (bound["binding"], bound["frame"], bound["drift"]) == ("frame", 24, pytest.approx(0.003, abs=1e-5))


def test_events_are_edited_and_removed_until_a_state_stands_for_them(ship, server):
    feed = server.feed("events").add(2)
    feed.shown = 2
    recording = ship.record(feed)
    ship.fetched(recording, 2)
    now = time.time()
    without_time = ship.call("POST", f"RecordingEvents/{recording}", {"text": "now"})["object"]
    told = datetime.datetime.fromisoformat(without_time["utc"].replace("Z", "+00:00")).timestamp()
    assert abs(told - now) < 5
    moved = ship.call("PATCH", f"RecordingEvent/{without_time['id']}", {"utc": stated(at_frame(11)), "text": "moved"})["object"]
    assert (moved["utc"], moved["text"]) == (stated(at_frame(11)), "moved")
    gone = ship.note(recording, at_frame(5), text="gone")
    ship.call("DELETE", f"RecordingEvent/{gone['id']}")
    ship.call("GET", f"RecordingEvent/{gone['id']}", status=404)
    # Not the last change: what is made of recordings of before is a change, too.
    removed, = ship.call("GET", f"Journal/{ship.project}?noun=recording_event&newest=true&limit=1")
    ship.call("POST", f"Undo/{ship.project}", {"entries": [removed["id"]]})
    assert ship.call("GET", f"RecordingEvent/{gone['id']}")["utc"] == gone["utc"]
    for wrong, said in (({"utc": "soon"}, "is no time"), ({"attributes": {"Nothing": 1}}, "no attribute Nothing"),
                        ({"attributes": {"Count": -1}}, "Count"), ({"type": 999999}, "999999")):
        assert said in str(ship.call("POST", f"RecordingEvents/{recording}", wrong, status=400))
    assert "not over" in ship.call("POST", f"RecordingStates/{recording}", status=400)["message"]
    media, = [part["media"] for part in ship.end(recording)["parts"]]
    state = wait_for("states", lambda: ship.call("GET", f"RecordingEvent/{moved['id']}")["state"])
    assert (ship.api.get_state(state).frame, ship.api.get_state(state).attributes["Note"]) == (11, "moved")
    assert "delete it first" in ship.call("DELETE", f"RecordingEvent/{moved['id']}", status=400)["message"]
    # The states can be searched, are taken back as any change, and are made again when asked for.
    assert {row.frame for row in ship.api.get_state_list(ship.project, media_id=[media])} == {5, 11}
    made, = ship.call("GET", f"Journal/{ship.project}?noun=state&newest=true&limit=1")
    ship.call("POST", f"Undo/{ship.project}", {"entries": [made["id"]]})
    assert ship.api.get_state_list(ship.project, media_id=[media]) == []
    assert {event["state"] for event in ship.events(recording)} == {None}
    # Later still: what is noted from a logbook afterwards.
    ship.note(recording, at_frame(20), text="from the logbook")
    again = ship.call("POST", f"RecordingStates/{recording}")
    assert len(again["id"]) == 3 and again["problems"] == []
    assert {row.frame for row in ship.api.get_state_list(ship.project, media_id=[media])} == {5, 11, 20}
    assert ship.call("POST", f"RecordingStates/{recording}")["id"] == []


def test_what_cannot_be_recorded_is_refused_with_the_reason(ship, server):
    feed = server.feed("refused").add(1)
    feed.shown = 1
    live = ship.live(feed)
    spec = {"media_id": live, "type": ship.video_type}

    def refused(status, said, **more):
        answer = ship.call("POST", f"Recordings/{ship.project}", {**spec, **more}, status=status)
        assert said in str(answer), answer

    refused(403, "allowed origin", url="http://169.254.169.254/live.m3u8")
    refused(403, "allowed origin", url="file:///etc/passwd")
    refused(400, "no feed stern; it has: main", feed="stern")
    refused(400, "no live stream 1", stream=1)
    refused(400, "dtype video", type=ship.live_type)
    refused(400, "no attribute Count of dtype string", state_type=ship.state_type, text_attribute="Count")
    video = ship.api.create_media_list(ship.project, body={"type": ship.video_type, "name": "v.mp4", "md5": ""}).id
    refused(400, "dtype live", media_id=video if isinstance(video, int) else video[0], url=feed.url)
    tracks = add_state_type(ship.api, ship.project, [ship.video_type], "Localization")
    refused(400, "tracks", state_type=tracks)
    recording = ship.call("POST", f"Recordings/{ship.project}", spec)["id"]
    refused(400, f"recording {recording}")
    ship.fetched(recording, 1)
    ship.call("DELETE", f"Recording/{recording}")
    ship.call("GET", f"Recording/{recording}", status=404)


def test_a_list_that_leads_elsewhere_is_not_followed(ship, server):
    """The feed is allowed, what it lists is not: nothing of it is asked for."""
    feed = server.feed("elsewhere")
    feed.listing, feed.shown = [("http://127.0.0.1:9/secret.ts", None, 1.0, BEGIN, False)], 1
    recording = ship.record(feed)
    ship.fetched(recording, 0, lost=1)
    found = ship.look(recording)
    assert "allowed origin" in found["gaps"][0]["message"]
    ship.call("PATCH", f"Recording/{recording}", {"status": "stopped"})
    assert "nothing was fetched" in ship.over(recording, "failed")["message"]


def test_encrypted_and_broken_feeds_say_so(ship, server):
    feed = server.feed("broken")
    feed.playlist = lambda: "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:1,\na.ts\n"
    assert "encrypted" in ship.over(ship.record(feed), "failed")["message"]
    other = server.feed("nothing")
    other.playlist = lambda: "<html>"
    recording = ship.record(other)
    wait_for("the reason", lambda: "no HLS playlist" in ship.look(recording)["message"])
    # It goes on as soon as the feed is right.
    del other.playlist
    other.add(1)
    other.shown = 1
    ship.fetched(recording, 1)
    assert ship.end(recording)["message"] == ""


def test_a_real_encoder_in_real_time(ship, server):
    """ffmpeg as the camera: segments appear as time goes by, and old ones are deleted."""
    folder = server.folder / "camera"
    folder.mkdir()
    frames = 8 * RATE
    source = ["-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{corpus.WIDTH}x{corpus.HEIGHT}", "-framerate", str(RATE)]
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-re", *source, "-i", "-", *corpus.X264, "-g", "25",
               "-keyint_min", "25", *corpus.CLOSED, "-bf", "2", "-f", "hls", "-hls_time", "1", "-hls_list_size", "4",
               "-hls_flags", "program_date_time+delete_segments", "-hls_segment_filename", str(folder / "c%03d.ts"),
               str(folder / "live.m3u8")]
    feed = server.feed("camera")
    feed.playlist = lambda: (folder / "live.m3u8").read_text() if (folder / "live.m3u8").exists() else ""
    camera = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=sys.stderr)
    try:
        recording = ship.record(feed)
        camera.stdin.write(corpus.raw(0, frames))
        camera.stdin.close()
        assert camera.wait(60) == 0
        done = ship.over(recording)
    finally:
        camera.kill()
    assert done["num_lost"] == 0
    media, = [part["media"] for part in done["parts"]]
    assert ship.all_drawn(media) == list(range(frames))
    times = ship.call("GET", f"FrameTimes/{media}?{'&'.join(f'frame={n}' for n in range(frames))}")
    # The very times that the encoder stated find the very frames again.
    back = ship.call("GET", f"FrameTimes/{media}?{'&'.join('utc=' + one['utc'] for one in times)}")
    assert [one["frame"] for one in back] == list(range(frames))
    assert {one["clock"] for one in times} == {"program"}


def test_a_recording_goes_on_when_its_project_comes_back(ship, server):
    """The project went, and with it all that ran for it was called off."""
    deck = Deck(ship.station)
    feed = server.feed("orphan").add(3)
    feed.shown = 2
    recording = deck.record(feed)
    deck.fetched(recording, 2)
    deck.api.delete_project(deck.project)
    deck.call("POST", f"Undo/{deck.project}", {"last": 1})
    feed.shown = 3
    deck.fetched(recording, 3)
    # Once more, the other way round: what was taken back is taken back, and that as well.
    for _ in range(2):
        newest, = deck.call("GET", f"Journal/{deck.project}?noun=project&newest=true&limit=1")
        deck.call("POST", f"Undo/{deck.project}", {"entries": [newest["id"]]})
    feed.ended = True
    media, = [part["media"] for part in deck.over(recording)["parts"]]
    assert deck.all_drawn(media) == list(range(75))


def journal(deck, recording):
    """What the journal says of a recording, oldest first: (entry, action, user, status before, status after)."""
    entries = deck.call("GET", f"Journal/{deck.project}?noun=recording&entity_id={recording}&detail=true&limit=1000")
    found = []
    for entry in entries:
        row, = [row for row in entry["rows"] if row["id"] == recording]
        status = [(row.get(side) or {}).get("status") for side in ("before", "after")]
        found.append((entry["id"], entry["action"], entry["user"], *status))
    return found


def take_back(ship, recording):
    """Takes back the last change of a recording, which need not be the last one of the project: what is made of others goes on."""
    ship.call("POST", f"Undo/{ship.project}", {"entries": [journal(ship, recording)[-1][0]]})


def test_every_change_of_a_recording_is_in_the_journal_and_can_be_taken_back(ship, server):
    feed = server.feed("journal").add(3)
    feed.shown = 1
    recording = ship.record(feed, state_type=None, text_attribute=None, name="Dive")
    ship.fetched(recording, 1)
    event = ship.note(recording, at_frame(30), text="squid")
    me = ship.api.whoami().id
    created, = journal(ship, recording)
    assert created[1:] == ("create", me, None, "recording")

    ship.call("PATCH", f"Recording/{recording}", {"state_type": ship.state_type, "text_attribute": "Note"})
    take_back(ship, recording)
    found = ship.look(recording)
    assert (found["state_type"], found["text_attribute"], found["name"]) == (None, None, "Dive")
    ship.call("PATCH", f"Recording/{recording}", {"state_type": ship.state_type, "text_attribute": "Note"})
    ship.call("PATCH", f"Recording/{recording}", {"state_type": ship.state_type})
    assert len(journal(ship, recording)) == 4, "what changes nothing is no entry"

    # Deleted and back: it goes on behind what it has, with its events.
    ship.call("DELETE", f"Recording/{recording}")
    for path in (f"Recording/{recording}", f"RecordingEvents/{recording}", f"RecordingEvent/{event['id']}"):
        ship.call("GET", path, status=404)
    assert recording not in [one["id"] for one in ship.call("GET", f"Recordings/{ship.project}")]
    take_back(ship, recording)
    feed.shown = 2
    ship.fetched(recording, 2)
    # Never begun, and begun all the same.
    ship.call("POST", f"Undo/{ship.project}", {"entries": [created[0]], "force": True})
    ship.call("GET", f"Recording/{recording}", status=404)
    newest = journal(ship, recording)[-1]
    assert newest[1] == "delete"
    ship.call("POST", f"Undo/{ship.project}", {"entries": [newest[0]]})
    feed.shown, feed.ended = 3, True
    done = ship.over(recording)
    assert (done["num_segments"], done["num_lost"], done["num_events"]) == (3, 0, 1)
    media, = [part["media"] for part in done["parts"]]
    assert ship.all_drawn(media) == list(range(75))
    bound, = ship.events(recording)
    assert ship.api.get_state(bound["state"]).frame == 30

    # How far it came is the station's own doing, and is not set back.
    steps = [one[1:] for one in journal(ship, recording)[-2:]]
    assert steps == [("update", None, "recording", "assembling"), ("update", None, "assembling", "finished")]
    refused = ship.call("POST", f"Undo/{ship.project}", {"entries": [journal(ship, recording)[-1][0]]}, status=400)
    assert "can not be taken back" in str(refused) and ship.look(recording)["status"] == "finished"
    # Its video stays when it goes, and has its times again when it is back.
    ship.call("DELETE", f"Recording/{recording}")
    ship.call("GET", f"FrameTimes/{media}?frame=0", status=404)
    take_back(ship, recording)
    assert ship.call("GET", f"FrameTimes/{media}?frame=30")[0]["utc"] == stated(at_frame(30))
    assert ship.look(recording)["status"] == "finished"


def test_an_end_that_nobody_meant_is_taken_back_while_the_feed_is_followed(ship, server):
    feed = server.feed("held").add(3)
    feed.shown = 1
    recording = ship.record(feed)
    ship.fetched(recording, 1)
    held, asked = threading.Event(), threading.Event()
    playlist = feed.playlist

    def slowly():
        asked.set()
        held.wait(60)
        return playlist()

    feed.playlist = slowly
    try:
        assert asked.wait(60)
        ship.call("PATCH", f"Recording/{recording}", {"status": "stopped"})
        assert ship.look(recording)["status"] == "stopping"
        take_back(ship, recording)
        found = ship.look(recording)
        assert (found["status"], found["stopped_datetime"]) == ("recording", None)
    finally:
        held.set()
    feed.playlist = playlist
    feed.shown = 3
    ship.fetched(recording, 3)
    # Once it is over, its end stays.
    ship.end(recording)
    ended, = [one[0] for one in journal(ship, recording) if one[2:] == (ship.api.whoami().id, "recording", "stopping")][1:]
    refused = ship.call("POST", f"Undo/{ship.project}", {"entries": [ended]}, status=400)
    assert f"recording {recording}: status" in str(refused)
    refused = ship.call("POST", f"Undo/{ship.project}", {"entries": [ended], "force": True}, status=400)
    assert f"recording {recording} can not be taken back any more" in str(refused)


def test_a_feed_that_another_recording_follows_by_now_is_not_followed_twice(ship, server):
    feed = server.feed("taken").add(1)
    feed.shown = 1
    spec = {"media_id": ship.live(feed), "type": ship.video_type}
    one = ship.call("POST", f"Recordings/{ship.project}", spec)["id"]
    ship.call("DELETE", f"Recording/{one}")
    deleted = journal(ship, one)[-1][0]
    other = ship.call("POST", f"Recordings/{ship.project}", spec)["id"]
    refused = ship.call("POST", f"Undo/{ship.project}", {"entries": [deleted]}, status=400)
    assert f"recorded already by recording {other}" in str(refused)
    ship.fetched(other, 1)
    ship.end(other)
    ship.call("POST", f"Undo/{ship.project}", {"entries": [deleted]})
    ship.fetched(one, 1)
    ship.end(one)


def test_recordings_are_listed_page_by_page(ship, server):
    feed = server.feed("pages").add(1)
    feed.shown, feed.ended = 1, True
    live, deck = ship.live(feed), ship
    made = []
    for _ in range(3):
        made.append(deck.call("POST", f"Recordings/{deck.project}", {"media_id": live, "type": deck.video_type})["id"])
        deck.over(made[-1])

    def listed(query):
        return [one["id"] for one in deck.call("GET", f"Recordings/{deck.project}?{query}")]

    of_all = listed("")
    assert of_all[-3:] == made and listed(f"start={len(of_all) - 2}") == made[1:]
    assert listed("stop=2") == of_all[:2] and listed("start=1&stop=3") == of_all[1:3] and listed("start=99999") == []
    assert listed(f"media_id={live}&start=1") == made[1:] and listed(f"media_id={live}&start=1&stop=2") == [made[1]]
    deck.call("DELETE", f"Recording/{made[1]}")
    assert listed(f"media_id={live}&start=1") == [made[2]]


def test_what_was_deleted_long_ago_is_gone_with_its_files(server, tmp_path):
    feed = server.feed("longago").add(1)
    feed.shown = 1
    station = Station(tmp_path / "data", {"TRANSECT_SERVER_REQUEST_ORIGINS": server.origin})
    try:
        station.start()
        station.admin_token = station.add_user("admin", "--admin")
        deck = Deck(station)
        recording, other = deck.record(feed), deck.record(server.feed("lately"))
        deck.fetched(recording, 1)
        deck.call("DELETE", f"Recording/{recording}")
        deleted = journal(deck, recording)[-1][0]
        folder = station.data / "recordings" / str(recording)
        assert folder.exists()
        assert station.stop() == 0
        station.environment["TRANSECT_DATABASE_RETENTION_DAYS"] = "0"
        deck.start()
        wait_for("the end of its files", lambda: not folder.exists())
        refused = deck.call("POST", f"Undo/{deck.project}", {"entries": [deleted]}, status=400)
        assert "removed for good" in str(refused)
        assert deck.look(other)["status"] == "recording"
    finally:
        station.remove()


def test_a_long_list_is_taken_piece_by_piece(ship, server):
    feed = server.feed("long").add(2)
    feed.listing = [(uri, part, secs, BEGIN + datetime.timedelta(seconds=at), bool(at))
                    for at, (uri, part, secs, _, _) in enumerate(feed.listing * 20)]
    feed.shown = feed.window = 40
    recording = ship.record(feed)
    ship.fetched(recording, 40)
    ship.call("DELETE", f"Recording/{recording}")


def test_levels(ship, server):
    feed = server.feed("levels").add(1)
    feed.shown = 1
    token, name = {}, {}
    for level in ("View Only", "Can Edit", "Can Transfer"):
        name[level] = unique("p").replace(" ", "_")
        token[level] = ship.station.add_user(name[level])
        user = tator.get_api(ship.station.url, token[level]).whoami().id
        ship.api.create_membership(ship.project, membership_spec={"user": user, "permission": level})
    spec = {"media_id": ship.live(feed), "type": ship.video_type}
    ship.call("POST", f"Recordings/{ship.project}", spec, status=403, token=token["Can Edit"])
    recording = ship.call("POST", f"Recordings/{ship.project}", spec, token=token["Can Transfer"])["id"]
    ship.call("GET", f"RecordingEvents/{recording}", token=token["View Only"])
    ship.call("POST", f"RecordingEvents/{recording}", {"text": "x"}, status=403, token=token["View Only"])
    made = ship.call("POST", f"RecordingEvents/{recording}", {"text": "x"}, token=token["Can Edit"])["object"]
    assert made["created_by"] == tator.get_api(ship.station.url, token["Can Edit"]).whoami().id
    ship.call("PATCH", f"Recording/{recording}", {"status": "stopped"}, status=403, token=token["Can Edit"])
    ship.end(recording)
