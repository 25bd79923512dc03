"""A real HTTP server on this machine that can be told to misbehave."""

import gzip
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: /x.gz\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
ENDLESS = {
    "slow headers": (b"HTTP/1.1 200 OK\r\n", b"x", 0.05),
    "slow status": (b"", b"H", 0.05),
    "slow continue": (b"", CONTINUE, 0.05),
    "endless continue": (b"", CONTINUE * 1000, 0),
    "slow trailers": (CHUNKED, b"x: y\r\n", 0.05),
    "endless trailers": (CHUNKED, b"x: y\r\n" * 1000, 0),
    "slow chunk": (CHUNKED[:-8], b";x", 0.05),
    "slow redirect": (REDIRECT, b"x", 0.05),
    "endless redirect": (REDIRECT, bytes(1 << 16), 0),
}
"""Behaviours: what is sent first, what is sent from then on, and seconds between."""


class Mirror(ThreadingHTTPServer):
    """Serves a folder's files.

    Attributes:
        behaviour: what to do when asked; "right" or a kind of fault.
        asked: paths that were asked for.
        elsewhere: address to which "redirect elsewhere" redirects, before a file's name.
        credentials: what came with each request as Authorization.
    """

    daemon_threads = True

    def __init__(self, folder: Path, behaviour: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.behaviour = folder, behaviour
        self.asked: list[str] = []
        self.elsewhere = ""
        self.credentials: list[str | None] = []
        self.bomb = gzip.compress(bytes(200_000_000), 1) if behaviour == "gzip bomb" else b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/mnist"


class _Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.credentials.append(self.headers["Authorization"])
        behaviour = self.server.behaviour
        if behaviour in ENDLESS:
            self._go_on(*ENDLESS[behaviour])
            return
        if behaviour == "missing":
            self.send_error(404)
            return
        if behaviour == "redirect loop":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
            return
        if behaviour.startswith("redirect to "):
            self.send_response(302)
            targets = {"nonsense": "http://[::nonsense", "file": "file:///etc/hostname", "data": "data:,hello"}
            target = targets.get(behaviour.removeprefix("redirect to "))
            self.send_header("Location", target or self.server.elsewhere + Path(self.path).name)
            self.end_headers()
            return
        content = (self.server.folder / Path(self.path).name).read_bytes()
        if behaviour == "several members":
            plain = gzip.decompress(content)
            parts = (plain[:1000], plain[1000:1001], b"", plain[1001:])
            content = b"".join(gzip.compress(part, 1) for part in parts) + bytes(100)
        if behaviour == "wrong content":
            content = gzip.compress(b"something else")
        if behaviour == "too little":
            content = content[: len(content) // 2]
        if behaviour == "not gzip":
            content = b"<html>Please log in</html>"
        if behaviour == "gzip bomb":
            content = self.server.bomb
        self.send_response(200)
        if behaviour == "no length":
            self.send_header("Content-Length", "many")
        elif behaviour != "endless":
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            if behaviour == "dies":
                self.wfile.write(content[: len(content) // 2])
            elif behaviour == "stalls":
                self.wfile.write(content[:100])
                time.sleep(5)
            elif behaviour == "dribbles":
                for byte in content:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.05)
            elif behaviour == "endless":
                while True:
                    self.wfile.write(bytes(1 << 16))
            else:
                self.wfile.write(content)
        except OSError:
            pass  # the client has hung up, as it should

    def _go_on(self, start: bytes, again: bytes, pause: float) -> None:
        """Send a start, and then the same again and again until the client has hung up, as it should."""
        with suppress(OSError):
            self.wfile.write(start)
            while True:
                self.wfile.write(again)
                time.sleep(pause)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def mirror(folder: Path, behaviour: str = "right") -> Iterator[Mirror]:
    """Run a server while the block runs."""
    with Mirror(folder, behaviour) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()
