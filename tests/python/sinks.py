"""A mail server and a webhook that keep what they get."""

import contextlib
import email
import email.policy
import http.server
import json
import re
import socketserver
import threading


class MailServer:
    """Takes letters over SMTP; `refusal` is what it answers to recipients instead, if it is set."""

    def __init__(self):
        self.letters, self.refusal = [], None
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                sink.talk(self.rfile, lambda line: self.wfile.write(line.encode() + b"\r\n"))

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = "smtp://127.0.0.1:%d" % self.server.server_address[1]

    def talk(self, lines, say):
        say("220 sink")
        to = []
        for line in lines:
            word = line.split(b" ")[0].strip().upper()
            if word == b"QUIT":
                say("221 bye")
                return
            if word in (b"MAIL", b"RSET"):
                to = []
            if word == b"RCPT":
                to.append(re.search(rb"<(.*?)>", line).group(1).decode())
                say(self.refusal or "250 ok")
            elif word == b"DATA":
                say("354 go on")
                text = b""
                while (part := lines.readline()) not in (b".\r\n", b""):
                    text += part[1:] if part.startswith(b".") else part
                letter = email.message_from_bytes(text, policy=email.policy.default)
                letter.recipients = to
                self.letters.append(letter)
                say("250 taken")
            else:
                say("250 ok")

    def to(self, address):
        """The letters to an address, oldest first."""
        return [letter for letter in self.letters if address in letter.recipients]

    def link_to(self, address):
        """The link in the last letter to an address."""
        letter = self.to(address)[-1]
        return re.search(r"https?://\S+", letter.get_body().get_content().replace("\r", "").split("\n\n", 1)[1]).group(0)


class Webhook:
    """Takes posted JSON; answers `status`."""

    def __init__(self):
        self.messages, self.status = [], 200
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                sink.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(sink.status)
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d/hook/secret" % self.server.server_address[1]


@contextlib.contextmanager
def running(sink):
    thread = threading.Thread(target=sink.server.serve_forever, daemon=True)
    thread.start()
    try:
        yield sink
    finally:
        sink.server.shutdown()
        sink.server.server_close()
        thread.join()
