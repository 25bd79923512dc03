"""Picture files: opened whole or refused in one line, listed in a folder, written."""

import logging
import os
import re
import stat
import struct
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from io import SEEK_CUR, SEEK_END, BufferedReader, BytesIO, FileIO, UnsupportedOperation
from itertools import pairwise
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
BITS, COMPRESSION, SAMPLES, ROWS_PER_STRIP, TILE_WIDTH, TILE_LENGTH = 258, 259, 277, 278, 322, 323
"""TIFF's tags that say how much is decoded at once."""
TWO_PICTURES = re.compile(rb"(?:IEND\xaeB`\x82|\xff\xd9)(?:\x89PNG|\xff\xd8\xff|GIF8|II\*\0|MM\0\*)")
"""Where a PNG or JPEG ends and another picture begins, as when several are sent through one pipe."""

MEMORY = 450_000_000
"""Bytes that a picture may take while it is decoded; the rest of 600 MB is Python's, the model's and the chain's."""
BYTES = 4.5
"""The same per pixel where ``limit_pixels`` allows more pixels than those are enough for."""
BESIDE = {"AVIF": 12, "GIF": 3, "HEIF": 6, "WEBP": 12}
"""Bytes per pixel that a format's decoder takes beside the picture; those of these formats also copy the file twice."""
CONTAINERS = {b"BLP1", b"BLP2", b"icns", b"\0\0\1\0"}
"""How files begin in which a picture may be a file of its own, of another size than the outer one claims."""
INNER = re.compile(
    rb"\x89PNG\r\n\x1a\n.{4}IHDR(?P<png>.{8})|\xff\x4f\xff\x51.{4}(?P<jpeg2000>.{8})"
    rb"|\xff[\xc0-\xc2]\0.\x08(?P<jpeg>.{4})",
    re.DOTALL,
)
"""Where such a file says its width and height."""
_allowed = MEMORY


def limit_pixels(most: int) -> None:
    """Refuse pictures of more pixels in this process from now on, and those that take too much memory for so many.

    Pillow looks at what a file claims before it decodes it, also where a picture is inside another; by itself it
    warns of so many pixels and refuses twice as many.
    """
    global _allowed
    Image.MAX_IMAGE_PIXELS = most / 2  # type: ignore[assignment]  # whole or not, Pillow only compares with it
    _allowed = max(MEMORY, round(BYTES * most))


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
    try:
        yield from _small_pages(source, largest, report)
        return
    except DigitnetError as error:
        problem = str(error)
    # Without the other's frames: as long as it is kept, they would keep the picture.
    raise DigitnetError(problem)


def _small_pages(source: ImageSource, largest: int, report: Callable[[str], object]) -> Iterator[Page]:
    pages = _decoded(source, largest, report)
    for picture, size in pages:
        with _net():
            grey = small_grey(picture, largest)
            page = Page(grey.copy() if grey is picture else grey, max(size) / max(grey.size))
        if picture.format not in PAGED:
            pages.close()  # so that its pixels are gone before anything is done with the page
        del picture
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
) -> Generator[tuple[Picture, tuple[int, int]]]:
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
            length = stream.seek(0, SEEK_END)
            stream.seek(0)
            _refuse_beyond_memory(length + 32 * _inner_pixels(stream))
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
                held = length if isinstance(stream, BytesIO) else 0
                _refuse_beyond_memory(held + _needed(picture, size, stream, length))
                picture.load()
            yield picture, size
            with _net():
                if not _goes_on(picture):
                    return


def _refuse_beyond_memory(needed: float) -> None:
    if needed > _allowed:
        raise DigitnetError(
            f"takes {needed / 1e6:,.0f} MB to decode, {_allowed / 1e6:,.0f} MB are allowed; "
            "save it smaller or as PNG, or allow more with --max-pixels"
        )


def _needed(picture: Picture, size: tuple[int, int], stream: BinaryIO, length: int) -> float:
    """Bytes that it takes to decode a picture; docs/robustness.md says what was measured.

    Args:
        picture: opened, but not decoded.
        size: before its decoder was told to scale it down.
        stream: the file.
        length: of the file, in bytes.
    """
    place = stream.tell()
    pixels = size[0] * size[1]
    each = 1 if picture.mode in ("1", "L", "P") else 2 if picture.mode.startswith("I;16") else 4
    stored: float = each * picture.width * picture.height
    tiles = sorted(getattr(picture, "tile", ()), key=lambda tile: tile.offset)
    codec = tiles[0].codec_name if tiles else ""
    # Pillow reads from one tile to the next at once, and then copies it.
    beside: float = 2 * max((min(b.offset, length) - a.offset for a, b in pairwise(tiles)), default=0)
    if picture.format in BESIDE:
        deep = picture.info.get("bit_depth", 8) > 8
        colours = 0.5 if picture.mode == "L" else 1
        beside = pixels * BESIDE[picture.format] * colours * (1 + deep) + 2 * length
    elif picture.format in ("JPEG", "MPO"):
        beside = _coefficients(picture, stream) * pixels
    elif picture.format == "JPEG2000":
        beside = length + 7 * _largest_part(stream, pixels)
    elif codec == "libtiff":
        beside = length + _largest_strip(picture)
    elif codec == "fits_gzip":
        beside = 1032 * length  # deflate's largest ratio
    elif codec == "iptc" and tiles[0].args[0] != "raw":
        raise DigitnetError("a picture of another format within IPTC; save it as PNG")
    elif codec in Image.DECODERS or codec == "iptc":  # those written in Python make bytes first
        beside += 3 * stored
    stream.seek(place)
    return stored + beside


def _inner_pixels(stream: BinaryIO) -> int:
    """Pixels of the largest picture inside another, which Pillow may decode as soon as it opens that."""
    start, largest = stream.read(4), 0
    if start in CONTAINERS:
        for header in INNER.finditer(stream.read()):
            width, height = struct.unpack(">2H" if header["jpeg"] else ">2I", header[header.lastindex or 0])
            largest = max(largest, width * height)
    stream.seek(0)
    return largest


def _coefficients(picture: Picture, stream: BinaryIO) -> float:
    """Bytes that are kept for each pixel of a JPEG of several scans (ITU T.81, annexes A.1.1 and B.2.3)."""
    factors = [(across, down) for _, across, down, _ in getattr(picture, "layer", ())]
    count = len(factors)
    if picture.format == "JPEG" and "progressive" not in picture.info:
        # Pillow has read as far as the header of the first scan; one of all colours is the only one.
        only_scan = b"\xff\xda" + struct.pack(">HB", 6 + 2 * count, count)
        stream.seek(max(0, stream.tell() - 8 - 2 * count))
        if stream.read(5) == only_scan:
            return 0
    largest = max(across for across, _ in factors) * max(down for _, down in factors)
    kept = sum(across * down for across, down in factors)
    return 2.0 * kept / largest if largest else 0.0


def _largest_part(stream: BinaryIO, pixels: int) -> int:
    """The numbers of a JPEG 2000's tile that are decoded together (ISO/IEC 15444-1, annexes A.5.1 and I.4)."""
    stream.seek(0)
    start = stream.read(4)
    if start != b"\xff\x4f\xff\x51":
        stream.seek(0)
        while (box := stream.read(8))[4:] != b"jp2c":
            if len(box) < 8:
                return 4 * pixels
            length = int.from_bytes(box[:4])
            header = 8
            if length == 1:
                length, header = int.from_bytes(stream.read(8)), 16
            if length < header:
                return 4 * pixels
            stream.seek(length - header, SEEK_CUR)
        stream.seek(4, SEEK_CUR)
    siz = stream.read(38)
    if len(siz) < 38:
        return 4 * pixels
    width, height, _, _, wide, high, _, _, components = struct.unpack(">8IH", siz[4:])
    return int(min(width, wide) * min(height, high) * components)


def _largest_strip(picture: Picture) -> float:
    """Bytes of a TIFF's strip or tile, which libtiff decodes at once (TIFF 6.0, sections 8 and 15)."""
    tags = getattr(picture, "tag_v2", {})
    wide = tags.get(TILE_WIDTH, picture.width)
    high = tags.get(TILE_LENGTH, min(tags.get(ROWS_PER_STRIP, picture.height), picture.height))
    samples = tags.get(SAMPLES, 1)
    each = max(4, samples * max(1, max(tags.get(BITS, (8,))) / 8))
    is_jpeg = tags.get(COMPRESSION) in (6, 7)
    return float(wide * high * (each + 2 * samples * is_jpeg))  # one of several scans keeps its coefficients


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


class _Unmapped(BufferedReader):
    """A file without a name or a number, by which Pillow and libtiff would map it into memory.

    One that is written anew in the meantime would then end the process.
    """

    def fileno(self) -> int:
        raise UnsupportedOperation


def _opened(path: str | os.PathLike[str]) -> BinaryIO:
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


def save_grey(path: Path | BinaryIO, grey: Bytes) -> None:
    """Write grey levels (height, width) uint8 as a PNG."""
    Image.fromarray(grey).save(path, "PNG")
