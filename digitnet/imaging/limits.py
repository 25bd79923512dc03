"""How large a picture may be, in pixels and in the bytes that its decoder takes, found before it is decoded."""

import re
import struct
from io import SEEK_CUR, SEEK_END, BytesIO
from itertools import pairwise
from typing import BinaryIO

from PIL import Image

from digitnet.errors import DigitnetError

BITS, COMPRESSION, SAMPLES, ROWS_PER_STRIP, TILE_WIDTH, TILE_LENGTH = 258, 259, 277, 278, 322, 323
"""TIFF's tags that say how much is decoded at once."""
MEMORY = 450_000_000
"""Bytes that a picture may take while it is decoded; the rest of 600 MB is Python's, the model's and the chain's."""
BYTES = 4.5
"""The same per pixel where ``limit_pixels`` allows more pixels than those are enough for."""
PLAIN, PLAIN_BYTES = {"JPEG", "PNG"}, 16
"""Formats whose decoders never take more than so many bytes per pixel in all."""
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


def check_memory(picture: Image.Image, size: tuple[int, int], stream: BinaryIO) -> None:
    """Refuse a picture, opened but not decoded, that would take more memory than is allowed.

    Args:
        picture: its decoder may have been told to scale it down.
        size: before that.
        stream: the file.

    Raises:
        DigitnetError: says how much it would take.
    """
    if picture.format in PLAIN and PLAIN_BYTES * size[0] * size[1] < MEMORY:
        return
    place = stream.tell()
    length = stream.seek(0, SEEK_END)
    stream.seek(place)
    held = length if isinstance(stream, BytesIO) else 0
    _refuse_beyond(held + _needed(picture, size, stream, length))
    stream.seek(place)


def check_inner(stream: BinaryIO) -> None:
    """Refuse a file with too large a picture inside another, which Pillow may decode as soon as it opens that.

    Raises:
        DigitnetError: says how much it would take.
    """
    start, largest = stream.read(4), 0
    if start in CONTAINERS:
        content = start + stream.read()
        for header in INNER.finditer(content):
            width, height = struct.unpack(">2H" if header["jpeg"] else ">2I", header[header.lastindex or 0])
            largest = max(largest, width * height)
        _refuse_beyond(len(content) + 32 * largest)
    stream.seek(0)


def _refuse_beyond(needed: float) -> None:
    if needed > _allowed:
        raise DigitnetError(
            f"takes {needed / 1e6:,.0f} MB to decode, {_allowed / 1e6:,.0f} MB are allowed; "
            "save it smaller or as PNG, or allow more with --max-pixels"
        )


def _needed(picture: Image.Image, size: tuple[int, int], stream: BinaryIO, length: int) -> float:
    """Bytes that it takes to decode a picture; docs/robustness.md says what was measured.

    Args:
        picture: opened, but not decoded.
        size: before its decoder was told to scale it down.
        stream: the file.
        length: of the file, in bytes.
    """
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
    return stored + beside


def _coefficients(picture: Image.Image, stream: BinaryIO) -> float:
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


def _largest_strip(picture: Image.Image) -> float:
    """Bytes of a TIFF's strip or tile, which libtiff decodes at once (TIFF 6.0, sections 8 and 15)."""
    tags = getattr(picture, "tag_v2", {})
    wide = tags.get(TILE_WIDTH, picture.width)
    high = tags.get(TILE_LENGTH, min(tags.get(ROWS_PER_STRIP, picture.height), picture.height))
    samples = tags.get(SAMPLES, 1)
    each = max(4, samples * max(1, max(tags.get(BITS, (8,))) / 8))
    is_jpeg = tags.get(COMPRESSION) in (6, 7)
    return float(wide * high * (each + 2 * samples * is_jpeg))  # one of several scans keeps its coefficients
