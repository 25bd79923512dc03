"""Picture files: opened whole or refused in one line, listed in a folder, written."""

import logging
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from io import BufferedReader, BytesIO, FileIO, UnsupportedOperation
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageFile, UnidentifiedImageError

from digitnet.errors import DigitnetError
from digitnet.imaging.limits import check_inner, check_memory
from digitnet.imaging.preprocess import LARGEST, small_grey
from digitnet.types import UInt8Array

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
NEW_SUBFILE_TYPE, COPY_OR_MASK, SUBFILE_TYPE, SMALLER_COPY = 254, 1 | 4, 255, 2
"""TIFF's tags, and their values for what is a smaller copy of another page, or a mask (TIFF 6.0, section 8)."""
STARTS = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*", b"BM", b"RIFF", b"P5", b"P6")
"""How pictures begin."""
TWO_PICTURES = re.compile(rb"(?:IEND\xaeB`\x82|\xff\xd9|\0;)(?:" + b"|".join(map(re.escape, STARTS[:-4])) + b")")
"""Where a PNG, JPEG or GIF ends and another picture begins."""
Content: TypeAlias = str | os.PathLike[str] | BytesIO | Image.Image

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
) -> Iterator[Page | DigitnetError]:
    """Decode a picture completely: a TIFF page by page, of an animation the first frame.

    Args:
        source: see ``ImageSource``.
        largest: pixels of the longer side that are enough.
        report: called with a line that says what of the file is left out.

    Yields:
        each page, or why it cannot be read: it is not there, is no picture, or is damaged; without the source's name.

    Raises:
        TypeError, ValueError: ``source`` is none of ``ImageSource``.
    """
    content = _content(source)
    with ExitStack() as stack:
        more = True
        try:
            picture = _opened(content, stack, report)
            while more:
                page = _page(picture, content, largest)
                more = picture.format in PAGED
                if not more:  # so that its pixels are gone before anything is done with the page
                    del picture
                    stack.close()
                yield page
                more = more and _goes_on(picture)
        except DigitnetError as error:
            problem = str(error)
        else:
            return
    yield DigitnetError(problem)


def _page(picture: Picture, content: Content, largest: int) -> Page | DigitnetError:
    """What is to be read of a page; a damaged one does not keep the next ones from it."""
    try:
        size = _decode(picture, content, largest)
        with _net:
            grey = small_grey(picture, largest)
            return Page(grey.copy() if grey is picture else grey, max(size) / max(grey.size))
    except DigitnetError as error:
        return DigitnetError(str(error))  # without the frames of that one, which would keep the picture


def open_picture(source: ImageSource, enough: int | None = None) -> Picture:
    """Decode the first page of a picture completely.

    Where ``enough`` is given, a decoder that can (JPEG's) scales down as it goes, as long as both sides keep so many
    pixels, and leaves out colours.

    Raises:
        DigitnetError: it is not there, is no picture, or is damaged; the message does not name the source.
        TypeError, ValueError: ``source`` is none of ``ImageSource``.
    """
    content = _content(source)
    with ExitStack() as stack:
        picture = _opened(content, stack)
        _decode(picture, content, enough)
        return picture


def _content(source: ImageSource) -> Content:
    """A path as it is, an array as an image, bytes and files as a buffer.

    Raises:
        TypeError, ValueError: it is none of these.
    """
    if isinstance(source, np.ndarray):
        return from_array(source)
    if isinstance(source, str | os.PathLike | Image.Image):
        return source
    if isinstance(source, bytes | bytearray | memoryview):
        return BytesIO(source)
    read = getattr(source, "read", lambda: None)()
    if not isinstance(read, bytes):
        raise TypeError(
            f"{type(source).__name__} is no picture: give a path, bytes, a file opened to read bytes, "
            "an image of Pillow's or an array"
        )
    return BytesIO(read)


def _opened(content: Content, stack: ExitStack, report: Callable[[str], object] = lambda line: None) -> Picture:
    """A picture of which only the header is read; its file is closed with the stack."""
    if isinstance(content, Image.Image):
        return content
    with _net:
        stream = stack.enter_context(content if isinstance(content, BytesIO) else _file(content))
        check_inner(stream)
        picture = _identified(stream)
        if picture.format == "EPS":
            raise DigitnetError("PostScript is a program, which is not run; save the picture as PNG")
        if picture.format in ANIMATED and getattr(picture, "is_animated", False):
            report("only the first frame of an animation is read")
        if isinstance(stream, BytesIO) and picture.format != "MPO" and _holds_another(picture, stream.getbuffer()):
            report("only the first of several pictures is read; give each a file of its own")
        if picture.format in PAGED and not _is_page(picture):  # where a thumbnail comes first
            _goes_on(picture)
    return picture


def _decode(picture: Picture, content: Content, enough: int | None) -> tuple[int, int]:
    """Decode a page, and return its size before its decoder was told to scale it down."""
    with _net:
        size = picture.size
        if not isinstance(content, Image.Image):
            if enough:
                picture.draft("L", (enough, enough))
            check_memory(picture, size, picture.fp)  # type: ignore[attr-defined]
        picture.load()
    return size


def _holds_another(picture: Picture, content: memoryview) -> bool:
    """Whether another picture follows, as when several are sent through one pipe."""
    lengths = {"BMP": content[2:6], "WEBP": content[4:8]}
    if picture.format in lengths:
        end = int.from_bytes(lengths[picture.format], "little") + (8 if picture.format == "WEBP" else 0)
        return bytes(content[end : end + 4]).startswith(STARTS)
    return TWO_PICTURES.search(content) is not None


def _is_page(picture: Picture) -> bool:
    """Whether it is more than a smaller copy of another, or a mask."""
    tags = getattr(picture, "tag_v2", {})
    return not tags.get(NEW_SUBFILE_TYPE, 0) & COPY_OR_MASK and tags.get(SUBFILE_TYPE) != SMALLER_COPY


def _goes_on(picture: Picture) -> bool:
    """Whether there is another page, which is then the picture's."""
    with _net:
        place = picture.tell()
        try:
            while True:
                picture.seek(picture.tell() + 1)
                if _is_page(picture):
                    return True
        except EOFError:
            picture.seek(place)
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


class _Net:
    """Whatever a file does to Pillow's decoders becomes one line; a class, for it is passed several times a picture."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, DigitnetError):
            return
        raise DigitnetError(_problem(error)) from None


_net = _Net()


def _problem(error: Exception) -> str:
    """What is wrong with a file over which Pillow raised this; a damaged one can make it raise nearly anything."""
    if isinstance(error, UnidentifiedImageError):
        return "not a picture that Pillow can read"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {round(2 * (Image.MAX_IMAGE_PIXELS or 0)):,} pixels; --max-pixels allows more"
    if isinstance(error, MemoryError):
        return "too large a picture for this machine's memory"
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return error.strerror  # with a file's name it comes from opening it, others from within a decoder
    return f"damaged picture ({_one_line(error)})"


class _Unmapped(BufferedReader):
    """A file without a name or a number, by which Pillow and libtiff would map it into memory.

    One that is written anew in the meantime would then end the process.
    """

    def fileno(self) -> int:
        raise UnsupportedOperation


def _file(path: str | os.PathLike[str]) -> BinaryIO:
    """A file opened to be read; the pipe of a shell's <(command), which has no name on disk, is read.

    What could keep us waiting for ever is refused: a named pipe, a device.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # to open a folder fails by itself
        return _Unmapped(FileIO(path))
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


def save_grey(path: Path | BinaryIO, grey: UInt8Array) -> None:
    """Write grey levels (height, width) uint8 as a PNG."""
    Image.fromarray(grey).save(path, "PNG")
