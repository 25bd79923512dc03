"""Picture files: opened whole or refused in one line, listed in a folder, written."""

import logging
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from digitnet.arrays import Bytes
from digitnet.errors import DigitnetError
from digitnet.paper import LARGEST, small_grey

Picture: TypeAlias = Image.Image
"""Pillow's, for modules that only pass it on."""
ImageSource: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | Image.Image | np.ndarray
"""A file by its name, by its content, or opened to read bytes; or an image of Pillow's, or its levels as an array
(height, width), (height, width, 3) for RGB or (height, width, 4) for RGBA, uint8 0 to 255, floats 0 to 1 or bool."""

HEIC = ".heic"
USUAL = (".png", ".jpg", ".jpeg", HEIC)
"""Extensions of pictures, known without asking Pillow, which would first import all its plugins."""
UNDECODED = {"MPEG"}
"""Formats of which Pillow sees only the size."""
PAGED = {"DCX", "TIFF"}
"""Formats whose further images are pages; those of others are frames, previews, layers or sizes."""
ANIMATED = {"AVIF", "FLI", "GIF", "HEIF", "PNG", "WEBP"}
NEW_SUBFILE_TYPE, REDUCED = 254, 1
"""TIFF's tag, and its bit for a page that is a smaller copy of another (TIFF 6.0, section 8)."""
TWO_PICTURES = re.compile(rb"(?:IEND\xaeB`\x82|\xff\xd9)(?:\x89PNG|\xff\xd8\xff|GIF8|II\*\0|MM\0\*)")
"""Where a PNG or JPEG ends and another picture begins, as when several are sent through one pipe."""


def limit_pixels(most: int) -> None:
    """Refuse pictures of more pixels in this process from now on.

    Pillow looks at what a file claims before it decodes it, also where a picture is inside another; by itself it
    warns of so many pixels and refuses twice as many.
    """
    Image.MAX_IMAGE_PIXELS = most / 2  # type: ignore[assignment]  # whole or not, Pillow only compares with it


# What Pillow logs of a damaged picture would be printed where nobody has set up logging.
logging.getLogger("PIL").addHandler(logging.NullHandler())


class Page(NamedTuple):
    """A page of an image file, ready to be read.

    Attributes:
        grey: its luminance (mode L), upright.
        scale: pixels of the page for each pixel of ``grey``.
    """

    grey: Picture
    scale: float


def open_pages(
    source: ImageSource, largest: int = LARGEST, report: Callable[[str], object] = lambda line: None
) -> Iterator[Page]:
    """Decode a picture completely: a TIFF page by page, of an animation the first frame.

    Args:
        source: see ``ImageSource``.
        largest: pixels of the longer side that are enough.
        report: called with a line that says what of the file is left out.

    Raises:
        DigitnetError: it is not there, is no picture, or is damaged; the message does not name the source.
        TypeError, ValueError: ``source`` is none of ``ImageSource``.
    """
    for picture, size in _decoded(source, largest, report):
        with _net():
            grey = small_grey(picture, largest)
            page = Page(grey.copy() if grey is picture else grey, max(size) / max(grey.size))
        yield page


def open_picture(source: ImageSource, enough: int | None = None) -> Picture:
    """Decode the first page of a picture completely.

    Where ``enough`` is given, a decoder that can (JPEG's) scales down as it goes, as long as both sides keep so many
    pixels, and leaves out colours.

    Raises:
        DigitnetError, TypeError, ValueError: as :func:`open_pages`.
    """
    picture, _ = next(_decoded(source, enough))
    return picture


def _decoded(
    source: ImageSource, enough: int | None, report: Callable[[str], object] = lambda line: None
) -> Iterator[tuple[Picture, tuple[int, int]]]:
    """Each page, until the next one is asked for, and its size before a decoder scaled it down."""
    if isinstance(source, np.ndarray):
        source = from_array(source)
    if isinstance(source, Image.Image):
        with _net():
            source.load()
        yield source, source.size
        return
    if isinstance(source, bytes | bytearray | memoryview):
        stream: BinaryIO = BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        with _net():
            stream = _opened(source)
    elif isinstance(content := getattr(source, "read", lambda: None)(), bytes):
        stream = BytesIO(content)
    else:
        raise TypeError(
            f"a {type(source).__name__} is no picture: give a path, bytes, a file opened to read bytes, "
            "an image of Pillow's or an array"
        )
    with stream:
        with _net():
            picture = _identified(stream)
            if picture.format == "EPS":
                raise DigitnetError("PostScript is a program, which is not run; save the picture as PNG")
            if picture.format in ANIMATED and getattr(picture, "is_animated", False):
                report("only the first frame of an animation is read")
            if isinstance(stream, BytesIO) and TWO_PICTURES.search(stream.getbuffer()):
                report("only the first of several pictures is read; give each a file of its own")
        while True:
            with _net():
                size = picture.size
                if enough:
                    picture.draft("L", (enough, enough))
                picture.load()
            yield picture, size
            with _net():
                if not _goes_on(picture):
                    return


def _goes_on(picture: Picture) -> bool:
    """Whether there is another page, which is then the picture's; thumbnails and other small copies are passed over."""
    if picture.format not in PAGED:
        return False
    try:
        while True:
            picture.seek(picture.tell() + 1)
            if not getattr(picture, "tag_v2", {}).get(NEW_SUBFILE_TYPE, 0) & REDUCED:
                return True
    except EOFError:
        return False


def from_array(levels: np.ndarray) -> Picture:
    """An array as a picture; see ``ImageSource``.

    Raises:
        TypeError: another dtype than bool, uint8 or float.
        ValueError: another shape, or floats that are not between 0 and 1.
    """
    if levels.ndim not in (2, 3) or levels.shape[2:] not in ((), (3,), (4,)) or not levels.size:
        raise ValueError(f"an array {levels.shape} is no picture: give (height, width), (height, width, 3) or 4 values")
    if levels.dtype == bool:
        levels = levels * np.uint8(255)
    elif levels.dtype.kind == "f":
        if not (levels.min() >= 0 and levels.max() <= 1):  # nor NaN
            raise ValueError("levels as floats go from 0 to 1; divide them by the largest possible, or give uint8")
        levels = np.rint(levels * 255)
    elif levels.dtype != np.uint8:
        raise TypeError(f"levels as {levels.dtype}: give uint8 from 0 to 255, or floats from 0 to 1")
    return Image.fromarray(np.ascontiguousarray(levels, np.uint8))


@contextmanager
def _net() -> Iterator[None]:
    """Whatever a file does to Pillow's decoders becomes one line."""
    try:
        yield
    except DigitnetError:
        raise
    except UnidentifiedImageError:
        raise DigitnetError("not a picture that Pillow can read") from None
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


def _opened(path: str | os.PathLike[str]) -> BinaryIO:
    """A file opened to be read; the pipe of a shell's <(command), which has no name on disk, is read.

    What could keep us waiting for ever is refused: a named pipe, a device. Pillow gets no name, for it would map a
    named file into memory, and one that is written anew in the meantime would end the process.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # to open a folder fails by itself
        return open(path, "rb")
    if os.path.exists(os.path.realpath(path)):
        raise DigitnetError("not an ordinary file")
    return BytesIO(Path(path).read_bytes())


def _identified(stream: BinaryIO) -> Picture:
    """The picture in a file, of which only the header is read; HEIC is learnt where it is met."""
    try:
        return Image.open(stream)
    except UnidentifiedImageError:
        stream.seek(0)
        if not _is_heic(stream.read(12)) or HEIC in Image.registered_extensions():
            raise
    _learn_heic()
    stream.seek(0)
    return Image.open(stream)


def _is_heic(start: bytes) -> bool:
    """Whether the file type box at its start names one of HEIF's brands (ISO/IEC 23008-12, section 10)."""
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
    return lower.endswith(USUAL) or _is_decoded(Image.registered_extensions().get(os.path.splitext(lower)[1]))


def _is_decoded(format: str | None) -> bool:
    """Whether Pillow decodes a format: some, such as PDF, it only writes, and for some it has but a place."""
    if format not in Image.OPEN or format in UNDECODED:
        return False
    factory = Image.OPEN[format][0]
    return not (isinstance(factory, type) and issubclass(factory, ImageFile.StubImageFile))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder or leads to one; a loop of links, of which is_dir() complains, does not."""
    return os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()


def save_grey(path: Path | BinaryIO, grey: Bytes) -> None:
    """Write grey levels (height, width) uint8 as a PNG."""
    Image.fromarray(grey).save(path, "PNG")
