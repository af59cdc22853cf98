"""Live feeds (HLS) made on the spot: a web server that lists one segment after the other, as a camera would.

The pictures of a feed are numbered; a segment has 25 of them, at 25 a second.
"""

import contextlib
import datetime
import http.server
import pathlib
import re
import threading

import corpus

PER_SEGMENT, RATE = 25, 25
BEGIN = datetime.datetime(2026, 11, 20, 8, 30, 0, 250_000, tzinfo=datetime.timezone.utc)


def stated(at):
    return at.isoformat(timespec="microseconds").replace("+00:00", "Z")


def encode(folder, segments, first=0, kind="ts", together=False):
    """Writes a feed's segments with ffmpeg; returns (initialization, [(file, range, seconds)])."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    options = [*corpus.X264, "-g", str(PER_SEGMENT), "-keyint_min", str(PER_SEGMENT), *corpus.CLOSED, "-bf", "2",
               "-f", "hls", "-hls_time", "1", "-hls_list_size", "0"]
    suffix = "ts"
    if kind == "fmp4":
        options += ["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "init.mp4"]
        suffix = "m4s"
    if together:
        options += ["-hls_flags", "single_file"]
    else:
        options += ["-hls_segment_filename", str(folder / f"s%03d.{suffix}")]
    corpus.encode(folder / "all.m3u8", segments * PER_SEGMENT, str(RATE), options, first=first)
    text = (folder / "all.m3u8").read_text()
    init = re.search(r'#EXT-X-MAP:(URI="[^"]+"(?:,BYTERANGE="[^"]+")?)', text)
    found = re.findall(r"#EXTINF:([\d.]+),\s*\n(?:#EXT-X-BYTERANGE:(\d+@\d+)\n)?(\S+)", text)
    assert len(found) == segments, text
    return init and init.group(1), [(name, part or None, float(secs)) for secs, part, name in found]


class Feed:
    """One feed of the server. `shown` says how many segments are listed so far, `window` how many of them remain so."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.folder = server.folder / name
        self.init, self.listing = None, []  # (uri, range, secs, begin or None, discontinuity)
        self.shown, self.window, self.ended = 0, 5, False
        self.missing = set()  # what is answered with 404
        self.first_sequence = 0
        self.plain = False  # whether the server knows no ranges

    @property
    def url(self):
        return f"{self.server.origin}/{self.name}/live.m3u8"

    def add(self, segments, first=0, begin=BEGIN, kind="ts", together=False, folder="a", discontinuity=False, dated=True):
        """Encodes segments and puts them behind those that there are; `begin` is the time of the first."""
        init, made = encode(self.folder / folder, segments, first, kind, together)
        self.init = init and init.replace('URI="', f'URI="{folder}/')
        for at, (name, part, secs) in enumerate(made):
            when = begin + datetime.timedelta(seconds=at) if dated else None
            self.listing.append((f"{folder}/{name}", part, secs, when, discontinuity and at == 0))
        return self

    def playlist(self):
        start = max(0, self.shown - self.window)
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:1", f"#EXT-X-MEDIA-SEQUENCE:{self.first_sequence + start}"]
        if self.init:
            lines.append(f"#EXT-X-MAP:{self.init}")
        for uri, part, secs, when, discontinuity in self.listing[start:self.shown]:
            if discontinuity:
                lines.append("#EXT-X-DISCONTINUITY")
            if when:
                lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{stated(when)}")
            lines.append(f"#EXTINF:{secs:.6f},")
            if part:
                lines.append(f"#EXT-X-BYTERANGE:{part}")
            lines.append(uri)
        if self.ended:
            lines.append("#EXT-X-ENDLIST")
        return "\n".join(lines) + "\n"


class FeedServer:
    """Serves feeds below a folder; `asked` are the paths that were asked for."""

    def __init__(self, folder):
        self.folder, self.feeds, self.asked = pathlib.Path(folder), {}, []
        mine = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                mine.asked.append(self.path)
                mine.answer(self)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def feed(self, name):
        self.feeds[name] = Feed(self, name)
        return self.feeds[name]

    def answer(self, request):
        name, _, rest = request.path.lstrip("/").partition("/")
        feed = self.feeds.get(name)
        file = self.folder / name / rest
        if feed and rest == "live.m3u8":
            return self.send(request, 200, feed.playlist().encode())
        if (feed and rest in feed.missing) or not file.is_file():
            return self.send(request, 404, b"not here")
        content = file.read_bytes()
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
        if wanted and feed and not feed.plain:
            return self.send(request, 206, content[int(wanted[1]):int(wanted[2]) + 1])
        return self.send(request, 200, content)

    def send(self, request, status, content):
        with contextlib.suppress(ConnectionError):
            request.send_response(status)
            request.send_header("Content-Length", str(len(content)))
            request.end_headers()
            request.wfile.write(content)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
