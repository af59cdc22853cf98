"""A WebSocket client of a few lines (RFC 6455), that shows every frame as it comes and sends what it is told, also what is wrong."""

import base64
import hashlib
import json
import os
import socket
import struct
import urllib.parse

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10


class Refused(Exception):
    """The station answers without a WebSocket: status and body."""


class WebSocket:
    def __init__(self, url, headers, timeout=20):
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), timeout)
        self.stream = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [f"GET {parts.path} HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {key}",
                 "Sec-WebSocket-Version: 13"]
        lines += [f"{name}: {value}" for name, value in ({"Host": parts.netloc} | headers).items()]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())
        status = int(self.stream.readline().split()[1])
        answered = {}
        while (line := self.stream.readline().strip()):
            name, value = line.decode().split(":", 1)
            answered[name.lower()] = value.strip()
        if status != 101:
            body = self.stream.read(int(answered.get("content-length", 0))).decode()
            self.close()
            raise Refused(status, body)
        expected = base64.b64encode(hashlib.sha1((key + MAGIC).encode()).digest()).decode()
        assert answered["sec-websocket-accept"] == expected

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.stream.close()
        self.socket.close()

    def send(self, kind, payload):
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([0x80 | kind])
        head += bytes([0x80 | size]) if size < 126 else struct.pack(">BH", 0x80 | 126, size)
        self.socket.sendall(head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload)))

    def say(self, **message):
        self.send(TEXT, json.dumps(message).encode())

    def receive(self):
        """The next whole message: (kind, payload)."""
        kind, whole = None, b""
        while True:
            first, second = self.stream.read(2)
            size = second & 0x7F
            if size == 126:
                size, = struct.unpack(">H", self.stream.read(2))
            elif size == 127:
                size, = struct.unpack(">Q", self.stream.read(8))
            payload = self.stream.read(size)
            if first & 0x0F == PING:
                self.send(PONG, payload)
                continue
            kind, whole = kind or first & 0x0F, whole + payload
            if first & 0x80:
                return kind, whole

    def silent(self, secs):
        """Whether nothing comes for so long."""
        self.socket.settimeout(secs)
        try:
            return not self.stream.peek(1)
        except TimeoutError:
            # What was buffered by a timed-out read is gone: there was nothing.
            self.stream = self.socket.makefile("rb")
            return True
        finally:
            self.socket.settimeout(20)
