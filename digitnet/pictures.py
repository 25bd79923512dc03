"""Picture files: opened whole or refused in one line, listed in a folder, written."""

import logging
import os
import stat
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, TypeAlias

from PIL import Image, UnidentifiedImageError

from digitnet.arrays import Bytes
from digitnet.errors import DigitnetError

Picture: TypeAlias = Image.Image
"""Pillow's, for modules that only pass it on."""

HEIC = ".heic"
USUAL = (".png", ".jpg", ".jpeg", HEIC)
"""Extensions of pictures, known without asking Pillow, which would first import all its plugins."""


def limit_pixels(most: int) -> None:
    """Refuse pictures of more pixels in this process from now on.

    Pillow looks at what a file claims before it decodes it, also where a picture is inside another; by itself it
    warns of so many pixels and refuses twice as many.
    """
    Image.MAX_IMAGE_PIXELS = most / 2  # type: ignore[assignment]  # whole or not, Pillow only compares with it


# What Pillow logs of a damaged picture would be printed where nobody has set up logging.
logging.getLogger("PIL").addHandler(logging.NullHandler())


def open_picture(source: str | os.PathLike[str] | bytes, enough: int | None = None) -> Image.Image:
    """Decode a file, or the bytes of one, completely.

    Where ``enough`` is given, a decoder that can (JPEG's) scales down as it goes, as long as both sides keep so many
    pixels, and leaves out colours.

    Raises:
        DigitnetError: it is not there, is no picture, or is damaged; the message does not name the source.
    """
    try:
        # Pillow warns of oddities (a large picture, a strange tag); a picture is either read or refused.
        with warnings.catch_warnings(action="ignore"):
            if not isinstance(source, bytes):
                source = _ordinary(source)
            with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as picture:
                if picture.format == "EPS":
                    raise DigitnetError("PostScript is a program, which is not run; save the picture as PNG")
                if enough:
                    picture.draft("L", (enough, enough))
                with _silence(picture.format == "TIFF"):
                    picture.load()
            return picture
    except DigitnetError:
        raise
    except UnidentifiedImageError:
        if not _is_heic(source) or HEIC in Image.registered_extensions():
            raise DigitnetError("not a picture that Pillow can read") from None
        _learn_heic()
        return open_picture(source, enough)
    except Image.DecompressionBombError:
        most = round(2 * (Image.MAX_IMAGE_PIXELS or 0))
        raise DigitnetError(f"more than {most:,} pixels; --max-pixels allows more") from None
    except OSError as error:
        # One with a file's name comes from opening it, others from within a decoder.
        named = error.strerror if error.filename is not None else None
        raise DigitnetError(named or f"damaged picture ({_one_line(error)})") from None
    except MemoryError:
        raise DigitnetError("too large a picture for this machine's memory") from None
    except Exception as error:  # a damaged file can raise nearly anything in Pillow's decoders
        raise DigitnetError(f"damaged picture ({_one_line(error)})") from None


def _ordinary(source: str | os.PathLike[str]) -> str | os.PathLike[str] | bytes:
    """The name of a file; the pipe of a shell's <(command), which has no name on disk, is read.

    What could keep us waiting for ever is refused: a named pipe, a device.
    """
    mode = os.stat(source).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # to open a folder fails by itself
        return source
    if os.path.exists(os.path.realpath(source)):
        raise DigitnetError("not an ordinary file")
    return Path(source).read_bytes()


@contextmanager
def _silence(wanted: bool) -> Iterator[None]:
    """Keep a library in C from writing to descriptor 2 what it thinks of a picture: libtiff does."""
    if not wanted:
        yield
        return
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _is_heic(source: str | os.PathLike[str] | bytes) -> bool:
    """Whether the file type box at its start names one of HEIF's brands (ISO/IEC 23008-12, section 10)."""
    if isinstance(source, bytes):
        start = source[:12]
    else:
        with open(source, "rb") as file:
            start = file.read(12)
    return start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")


def _learn_heic() -> None:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        raise DigitnetError("a HEIC picture; pip install 'digitnet[heic]' and it can be read") from None
    register_heif_opener()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def list_folder(folder: str, recursive: bool = False) -> Iterator[str]:
    """Sorted paths of the files in a folder that have a picture's extension; hidden ones are left out.

    Args:
        folder: where to look.
        recursive: go down into folders within it. One that cannot be listed is given out as if it were a picture;
            whoever opens it learns why.

    Raises:
        OSError: the folder cannot be listed.
    """

    def inside(path: str) -> list[os.DirEntry[str]]:
        with os.scandir(path) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
        return sorted(shown, key=lambda entry: entry.name, reverse=True)

    waiting = inside(folder)  # the next one last
    while waiting:
        entry = waiting.pop()
        if recursive and entry.is_dir(follow_symlinks=False):  # a link could lead in a circle
            try:
                waiting += inside(entry.path)
            except OSError:
                yield entry.path
        elif _has_pictures_extension(entry.name) and not _is_folder(entry):
            yield entry.path


def _has_pictures_extension(name: str) -> bool:
    lower = name.lower()
    return lower.endswith(USUAL) or os.path.splitext(lower)[1] in Image.registered_extensions()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or leads to one; a loop of links, of which is_dir() complains, does not."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def save_grey(path: Path | BinaryIO, grey: Bytes) -> None:
    """Write grey levels (height, width) uint8 as a PNG."""
    Image.fromarray(grey).save(path, "PNG")
