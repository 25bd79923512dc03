"""Files on a bad day: pictures in every format that Pillow writes, cut off and with bytes changed."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImImagePlugin

from tests.conftest import EXAMPLES

WRITERS: list[tuple[str, str, dict[str, Any]]] = [
    ("AVIF", "L", {}),
    ("BLP", "P", {}),
    ("BMP", "1", {}),
    ("BMP", "L", {}),
    ("DDS", "L", {}),
    ("DIB", "P", {}),
    ("EPS", "L", {}),
    ("GIF", "P", {"transparency": 0}),
    ("GIF", "L", {"frames": True}),
    ("ICNS", "L", {}),
    ("ICO", "L", {}),
    ("IM", "L", {}),
    ("JPEG", "CMYK", {}),
    ("JPEG", "RGB", {"progressive": True, "turned": True}),
    ("JPEG2000", "L", {}),
    ("MPO", "L", {"frames": True}),
    ("MSP", "1", {}),
    ("PALM", "1", {}),
    ("PCX", "L", {}),
    ("PCX", "P", {}),
    ("PDF", "L", {}),
    ("PNG", "L", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "I;16", {}),
    ("PNG", "RGB", {"frames": True, "turned": True}),
    ("PPM", "L", {}),
    ("PPM", "I", {}),
    ("QOI", "RGB", {}),
    ("SGI", "L", {}),
    ("SPIDER", "F", {}),
    ("TGA", "L", {}),
    ("TGA", "RGBA", {"compression": "tga_rle"}),
    ("TIFF", "L", {}),
    ("TIFF", "CMYK", {}),
    ("TIFF", "F", {}),
    ("TIFF", "I;16", {}),
    ("TIFF", "RGB", {"frames": True}),
    *[("TIFF", "L", {"compression": name}) for name in ("jpeg", "tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd")],
    ("TIFF", "L", {"compression": "lzma"}),
    ("TIFF", "1", {"compression": "group3"}),
    ("TIFF", "1", {"compression": "group4"}),
    ("WEBP", "L", {"turned": True}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("WEBP", "RGB", {"frames": True}),
    ("XBM", "1", {}),
]
"""Format, mode, and options for Pillow; "frames" stands for a second one, "turned" for EXIF that says so."""
NOT_WRITTEN = {"BUFR", "GRIB", "HDF5", "WMF"}
"""Formats for which Pillow has a place but no writer."""


def sound_pictures() -> dict[str, bytes]:
    """A 7 of 16x16 pixels by every one of WRITERS, by a name."""
    with Image.open(EXAMPLES / "7.png") as file:
        seven = file.convert("L").resize((16, 16))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "seven"  # orientation, description
    exif.get_ifd(0x8825)[1] = "N"  # latitude
    pictures = {}
    for number, (kind, mode, options) in enumerate(WRITERS):
        picture = Image.fromarray(np.asarray(seven, np.uint16) * 257) if mode == "I;16" else seven.convert(mode)
        more: dict[str, Any] = {"save_all": True, "append_images": [picture.rotate(90)]} if "frames" in options else {}
        if "turned" in options:
            picture, more = picture.rotate(90), {**more, "exif": exif}
        buffer = BytesIO()
        plain = {name: value for name, value in options.items() if name not in ("frames", "turned")}
        with warnings.catch_warnings(action="ignore"):  # some formats will go from Pillow
            picture.save(buffer, kind, **more, **plain)
        pictures[f"{number:02}-{kind}-{mode}"] = buffer.getvalue()
    return pictures


def cut_off(pictures: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Each picture ended at every tenth byte; a large one at 200 places."""
    for name, content in pictures.items():
        for end in range(0, len(content), max(10, len(content) // 200)):
            yield f"{name}-{end}", content[:end]


def changed(pictures: dict[str, bytes], count: int, rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """So many pictures with one to eight bytes changed, half of them near the start, where the headers are."""
    names = list(pictures)
    for number in range(count):
        name = names[number % len(names)]
        content = bytearray(pictures[name])
        for _ in range(rng.integers(1, 9)):
            end = len(content) if rng.random() < 0.5 else min(len(content), 128)
            content[rng.integers(end)] = rng.choice([0, 1, 127, 128, 255, int(rng.integers(256))])
        yield f"{name}-{number}", bytes(content)


def every_mode() -> Iterator[tuple[str, bytes]]:
    """Noise of 16x16 pixels by each of Pillow's writers in every mode that it takes, and by headers made by hand."""
    rng = np.random.default_rng(1)
    for mode in Image.MODES:
        picture = Image.new(mode, (16, 16))
        picture = Image.frombytes(mode, (16, 16), rng.bytes(len(picture.tobytes())))
        if mode in ("P", "PA"):
            picture.putpalette(rng.bytes(768))
        for kind in sorted(set(Image.SAVE) - NOT_WRITTEN):
            variants: dict[str, dict[str, Any]] = {"plain": {}, "seen": {"transparency": 0}, "all": {"save_all": True}}
            for name, options in variants.items():
                buffer = BytesIO()
                with warnings.catch_warnings(action="ignore"), suppress(Exception):  # a mode that it does not take
                    picture.save(buffer, kind, **options)
                    yield f"{kind}-{mode}-{name}", buffer.getvalue()
        inner = BytesIO()
        with suppress(Exception):
            picture.save(inner, "PNG")
            png = inner.getvalue()
            for code in ("icp4", "icp5", "ic07", "ic11"):
                block = code.encode() + struct.pack(">I", 8 + len(png)) + png
                yield f"icns-{code}-{mode}", b"icns" + struct.pack(">I", 8 + len(block)) + block
            entry = struct.pack("<4B2H2I", 16, 16, 0, 0, 1, 32, len(png), 22)
            yield f"ico-{mode}", struct.pack("<3H", 0, 1, 1) + entry + png
    for number, kind in enumerate(ImImagePlugin.OPEN):
        for lut in (b"", bytes(768), rng.bytes(768)):
            head = f"Image type: {kind}\r\nImage size (x*y): 16*16\r\nFile size (no of images): 1\r\n".encode()
            head += b"Lut: 1\r\n" if lut else b""
            head = head.ljust(511, b"\0") + b"\x1a"
            yield f"im-{number}-{len(set(lut))}", head + lut + rng.bytes(16 * 16 * 4)
