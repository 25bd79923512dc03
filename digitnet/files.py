"""Files that are there whole or not at all."""

import fcntl
import glob
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from digitnet.errors import DigitnetError


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` that takes its place when the block ends well.

    If the block raises, ``path`` is as it was and the temporary file is gone. Folders on the way are made.

    Raises:
        DigitnetError: ``path`` is there and is not an ordinary file.
        OSError: the folder cannot be written, or the disk is full; it names ``path``.
    """
    named, path = path, Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        raise DigitnetError(f"{path}: not an ordinary file, so it is not overwritten; name another one")
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path)
    temporary = path.with_name(f".{path.name}.{os.uname().nodename}-{os.getpid()}.tmp")
    try:
        with naming(named):
            with open(temporary, "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
    except BaseException:  # Ctrl-C, too, leaves nothing behind
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError in the block name this file; that of a full disk names none."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def _remove_leftovers(path: Path) -> None:
    """Remove the temporary files of processes of this machine that were killed while they wrote ``path``."""
    # Folders can be shared with other machines, of whose processes nothing is known here.
    for leftover in path.parent.glob(f".{glob.escape(f'{path.name}.{os.uname().nodename}')}-*.tmp"):
        process = leftover.name.removesuffix(".tmp").rpartition("-")[2]
        if process.isdecimal() and not _is_alive(int(process)):
            leftover.unlink(missing_ok=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def exclusive(path: Path) -> BinaryIO:
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


def check_writable(path: Path) -> None:
    """Find out before long work whether :func:`replacing` could write ``path``; changes nothing.

    Raises:
        DigitnetError: see :func:`replacing`.
        OSError: the folder cannot be written.
    """
    with suppress(_OnlyCheckingError), replacing(path):
        raise _OnlyCheckingError


class _OnlyCheckingError(Exception):
    pass
