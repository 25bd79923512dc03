"""A real HTTP server on this machine that can be told to misbehave."""

import gzip
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class Mirror(ThreadingHTTPServer):
    """Serves a folder's files.

    Attributes:
        behaviour: what to do when asked; "right" or a kind of fault.
        asked: paths that were asked for.
    """

    daemon_threads = True

    def __init__(self, folder: Path, behaviour: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.behaviour = folder, behaviour
        self.asked: list[str] = []
        self.bomb = gzip.compress(bytes(200_000_000), 1) if behaviour == "gzip bomb" else b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/mnist"


class _Handler(BaseHTTPRequestHandler):
    server: Mirror

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        behaviour = self.server.behaviour
        if behaviour == "missing":
            self.send_error(404)
            return
        if behaviour == "redirect loop":
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
            return
        if behaviour == "redirect to nonsense":
            self.send_response(302)
            self.send_header("Location", "http://[::nonsense")
            self.end_headers()
            return
        content = (self.server.folder / Path(self.path).name).read_bytes()
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

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def mirror(folder: Path, behaviour: str = "right") -> Iterator[Mirror]:
    """Run a server while the block runs."""
    with Mirror(folder, behaviour) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()
