"""Names of pictures, in the order given."""

import errno
import os
import select
import sys
from collections.abc import Iterator

from digitnet.pictures import list_folder

STDIN = "-"
CHUNK = 1 << 16


def in_order(pictures: tuple[str, ...], files_from: str | None, end: bytes, recursive: bool) -> Iterator[str | None]:
    """The pictures named on the command line, then those in a list; folders become what is in them.

    Yields None whenever no further name is waiting in the list yet.
    """
    for name in pictures:
        yield from _expand(name, recursive)
    for listed in listed_names(files_from, end) if files_from is not None else ():
        if listed is None:
            yield None
        else:
            yield from _expand(listed, recursive)


def _expand(name: str, recursive: bool) -> Iterator[str]:
    if name == STDIN or not os.path.isdir(name):
        yield name
        return
    try:
        yield from list_folder(name, recursive)
    except OSError:
        yield name  # whoever opens it learns why


def listed_names(path: str, end: bytes) -> Iterator[str | None]:
    """Names from a file, or from stdin (-), each ended by ``end``; None when no more is waiting.

    Raises:
        OSError: the file cannot be read.
    """
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    file = sys.stdin.fileno() if path == STDIN else os.open(path, os.O_RDONLY)
    rest = b""
    while True:
        if not select.select([file], [], [], 0)[0]:
            yield None
        chunk = os.read(file, CHUNK)
        *names, rest = (rest + chunk).split(end)
        for name in [*names, rest] if not chunk else names:
            if name:
                yield os.fsdecode(name)
        if not chunk:
            return
