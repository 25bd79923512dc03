"""Files that are there whole or not at all, and outputs that are no files."""

import fcntl
import os
import re
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO
from itertools import count
from pathlib import Path
from typing import IO, BinaryIO

from digitnet.errors import DigitnetError

LEFTOVER = ".digitnet-"
"""How the names of temporary files begin."""
STDERR = 2
STDOUT = Path("-")
"""Stands for standard output where a stream can be written."""


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` that takes its place, and its mode, when the block ends well.

    If the block raises, ``path`` is as it was and the temporary file is gone. Folders on the way are made.

    Raises:
        DigitnetError: ``path`` is there and is not an ordinary file.
        OSError: the folder cannot be written, or the disk is full; it names ``path``.
    """
    named, path = path, Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise DigitnetError(f"{path}: not an ordinary file, so it is not overwritten; name another one")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent)
    with with_filename(named):
        file = _temporary(path.parent)
        with file, removed_on_error(Path(file.name)):
            yield file
            file.flush()
            if path.exists():
                os.chmod(file.name, stat.S_IMODE(path.stat().st_mode))
            os.fsync(file.fileno())
            os.replace(file.name, path)


@contextmanager
def creating(path: Path) -> Iterator[BinaryIO]:
    """Open a new file in the place of whatever is there; of a link, not of what it leads to.

    If the block raises, there is none.

    Raises:
        OSError: it cannot be written; it names ``path``.
    """
    with with_filename(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with open(path, "xb") as file, removed_on_error(path):
            yield file
            file.flush()


@contextmanager
def removed_on_error(path: Path) -> Iterator[None]:
    """Remove a file if the block raises, be it Ctrl-C."""
    try:
        yield
    except BaseException:
        with suppress(OSError):
            path.unlink(missing_ok=True)
        raise


@contextmanager
def writing(path: Path) -> Iterator[BinaryIO | BufferedWriter]:
    """Open an output: a file is replaced whole (:func:`atomic_write`), a stream (:func:`is_stream`) is written.

    Raises:
        DigitnetError, OSError: as :func:`atomic_write`.
    """
    if not is_stream(path):
        with atomic_write(path) as file:
            yield file
        return
    with with_filename(path), BufferedWriter(open_stream(path)) as stream:
        yield stream


def open_stream(path: Path) -> FileIO:
    """Open a stream (see :func:`is_stream`) to write to it, without a buffer."""
    descriptor = _descriptor_of(path)
    return open(path if descriptor is None else os.dup(_open_as(descriptor)), "wb", buffering=0)


def is_stream(path: Path) -> bool:
    """Whether ``path`` is a pipe, a device, or stands for a stream of this process.

    The latter is ``-``, /dev/stdout, or the very file that stdout was redirected to: to replace that file would lose
    what else is written there.
    """
    return _descriptor_of(path) is not None or (path.exists() and not path.is_file() and not path.is_dir())


def is_stdout(path: Path | None) -> bool:
    """Whether what is written to ``path`` goes where standard output goes."""
    return path is not None and _descriptor_of(path) == 1


def _descriptor_of(path: Path) -> int | None:
    """The descriptor of this process that ``path`` stands for."""
    if path == STDOUT:
        return 1
    if re.fullmatch(r"(/proc/\d+|/dev)/fd", os.path.realpath(path.parent)) and path.name.isdecimal():
        return int(path.name)
    if path == Path("/dev/stderr"):
        return STDERR
    with suppress(OSError):
        there = os.stat(path)
        for descriptor in (1, STDERR):
            with suppress(OSError):
                if os.path.samestat(os.fstat(_open_as(descriptor)), there):
                    return descriptor
    return None


def _open_as(descriptor: int) -> int:
    """Where a stream really goes: the command line keeps its stderr apart from that of libraries in C."""
    return sys.stderr.fileno() if descriptor == STDERR else descriptor


@contextmanager
def with_filename(path: Path) -> Iterator[None]:
    """Let an OSError in the block name this file; that of a full disk names none."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def _temporary(folder: Path) -> BinaryIO:
    """A new file of a random name, locked as long as it is open."""
    while True:
        path = folder / f"{LEFTOVER}{secrets.token_hex(8)}.tmp"
        file = open(path, "xb")  # noqa: SIM115, whoever asked for it closes it
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if _is_at(file, path):  # before it was locked, another process may have taken it for a leftover
            return file
        file.close()


def _remove_leftovers(folder: Path) -> None:
    """Remove the temporary files of processes that were killed: nobody has them locked any more."""
    for path in folder.glob(f"{LEFTOVER}*.tmp"):
        with suppress(OSError), open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.lstat(path))
    except FileNotFoundError:
        return False


def open_locked(path: Path) -> BinaryIO:
    """Open a file to read and append to, new or not, that no other process opens this way until it is closed.

    The system lets go of it when the process ends, however that happens. Folders on the way are made.

    Raises:
        DigitnetError: another process has it.
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    file = open(path, "a+b")  # noqa: SIM115, whoever asked for it closes it
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise DigitnetError(f"{path}: in use by another process; wait for its end, or name another file") from None
    return file


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let no other process enter such a block for the same ``path``; a file beside it says so as long as it lasts.

    Raises:
        DigitnetError: another process is in one.
        OSError: the folder cannot be written.
    """
    real = Path(os.path.realpath(path))
    lock = real.with_name(f".{real.name}.lock")
    if lock.is_symlink():  # not ours
        lock.unlink()
    while True:
        try:
            file = open_locked(lock)
        except DigitnetError:
            raise DigitnetError(f"{path}: another training writes it; wait for its end, or name another file") from None
        with file:
            # Whoever had it before may have removed it between our opening and our locking.
            if _is_at(file, lock):
                try:
                    yield
                finally:
                    lock.unlink(missing_ok=True)
                return


def set_aside(path: Path) -> Path:
    """Rename a file, of a link the one it leads to, to the first of ``path.1``, ``path.2`` and so on that is free.

    Returns:
        its new name.
    """
    path = path if not path.is_symlink() else Path(os.path.realpath(path))
    for number in count(1):
        other = Path(f"{path}.{number}")
        if not os.path.lexists(other):
            break
    return path.rename(other)


def check_writable(path: Path) -> None:
    """Find out before long work whether :func:`atomic_write` could write ``path``; changes nothing.

    Raises:
        DigitnetError: see :func:`atomic_write`.
        OSError: the folder cannot be written.
    """
    with suppress(_OnlyCheckingError), atomic_write(path):
        raise _OnlyCheckingError


def check_output(path: Path) -> None:
    """Find out before long work whether :func:`writing` could write ``path``; a stream is not opened.

    Raises:
        DigitnetError, OSError: as :func:`check_writable`.
    """
    if not is_stream(path):
        check_writable(path)


class _OnlyCheckingError(Exception):
    pass
