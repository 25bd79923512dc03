"""Names of pictures, in the order given."""

import codecs
import errno
import os
import select
import sys
from collections.abc import Callable, Iterator

from digitnet.errors import DigitnetError
from digitnet.imaging.image_files import list_folder

STDIN = "-"
CHUNK = 1 << 16
LONGEST = 1 << 16
"""Bytes of a name; no system allows as many."""

PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8")
"""How pictures begin, and no name."""

Report = Callable[[str], object]
"""Takes a line about what was named."""


def expand_inputs(
    pictures: tuple[str, ...], files_from: str | None, end: bytes, recursive: bool, report: Report
) -> Iterator[str | None]:
    """The pictures named on the command line, then those in a list; folders become what is in them.

    Yields None whenever no further name is waiting in the list yet.

    Raises:
        DigitnetError: the list is none.
        OSError: the list cannot be read.
    """
    for name in pictures:
        yield from _expand(name, recursive, report)
    for listed in listed_names(files_from, end, report) if files_from is not None else ():
        if listed is None:
            yield None
        else:
            yield from _expand(listed, recursive, report)


def _expand(name: str, recursive: bool, report: Report) -> Iterator[str]:
    if name == STDIN or not os.path.isdir(name):
        yield name
        return
    empty = True
    try:
        for path in list_folder(name, recursive):
            empty = False
            yield path
    except OSError:
        yield name  # whoever opens it learns why
        return
    if empty:
        report(f"{name}: no pictures in this folder" + "; --recursive goes down into folders in it" * (not recursive))


def listed_names(path: str, end: bytes, report: Report) -> Iterator[str | None]:
    """Names from a file, or from stdin (-), each ended by ``end``; None when no more is waiting.

    Raises:
        DigitnetError: the names end in something else.
        OSError: the file cannot be read.
    """
    empty, windows = True, False
    place = "stdin" if path == STDIN else path
    for name in _split(path, end, place):
        if name is None:
            yield None
            continue
        if empty and name.startswith(PICTURES):
            raise DigitnetError(f"{place}: a picture, not a list of names; leave out --files-from")
        if empty and name.startswith(codecs.BOM_UTF8) and not os.path.lexists(name):
            name = name.removeprefix(codecs.BOM_UTF8)
        if end == b"\n" and b"\0" in name:
            raise DigitnetError(f"{place}: its names end in null bytes, as of find -print0; -0 reads them")
        if end == b"\0" and empty and b"\n" in name and not os.path.lexists(name):
            raise DigitnetError(f"{place}: its names end in newlines; leave out -0")
        if end == b"\n" and name.endswith(b"\r") and not os.path.lexists(name):
            name = name[:-1]
            if not windows:
                report(f"{place}: its lines end as on Windows (CRLF); the carriage returns are left out")
            windows = True
        if name:
            empty = False
            yield os.fsdecode(name) if name != b"-" else "./-"
    if empty:
        report(f"{place}: no names in it, nothing to read")


def _split(path: str, end: bytes, place: str) -> Iterator[bytes | None]:
    if os.path.isdir(path):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    file = sys.stdin.fileno() if path == STDIN else os.open(path, os.O_RDONLY)
    rest = b""
    while True:
        if not select.select([file], [], [], 0)[0]:
            yield None
        chunk = os.read(file, CHUNK)
        *names, rest = (rest + chunk).split(end)
        yield from names if chunk else [*names, rest]
        if not chunk:
            return
        if len(rest) > LONGEST:
            raise DigitnetError(f"{place}: a name of more than {LONGEST:,} bytes; is this a list of names?")
