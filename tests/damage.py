"""Files on a bad day: pictures in every format that Pillow writes, cut off and with bytes changed."""

import warnings
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

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
