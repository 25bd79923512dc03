"""Pictures in every format that Pillow writes, and what becomes of files on a bad day."""

from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image

from tests.conftest import EXAMPLES

VARIANTS = [
    ("PNG", "RGBA", {}),
    ("PNG", "I;16", {}),
    ("PNG", "PA", {}),
    ("PNG", "RGB", {"save_all": True, "append_images": 1}),
    ("TIFF", "CMYK", {}),
    ("TIFF", "F", {}),
    ("TIFF", "I;16B", {}),
    ("TIFF", "L", {"compression": "jpeg"}),
    ("TIFF", "L", {"compression": "tiff_lzw"}),
    ("TIFF", "L", {"compression": "tiff_adobe_deflate"}),
    ("TIFF", "L", {"compression": "packbits"}),
    ("TIFF", "L", {"compression": "zstd"}),
    ("TIFF", "L", {"compression": "lzma"}),
    ("TIFF", "L", {"compression": "webp"}),
    ("TIFF", "1", {"compression": "group3"}),
    ("TIFF", "1", {"compression": "group4"}),
    ("TIFF", "RGB", {"save_all": True, "append_images": 1}),
    ("JPEG", "CMYK", {}),
    ("JPEG", "RGB", {"progressive": True, "exif": 1}),
    ("GIF", "P", {"transparency": 0}),
    ("GIF", "L", {"save_all": True, "append_images": 1}),
    ("WEBP", "RGBA", {"lossless": True}),
    ("WEBP", "RGB", {"save_all": True, "append_images": 1}),
    ("BMP", "1", {}),
    ("BMP", "P", {}),
    ("PCX", "P", {}),
    ("PPM", "I", {}),
    ("TGA", "RGBA", {"compression": "tga_rle"}),
]
"""Format, mode and options beside the plain ones; the 1s stand for another picture and for EXIF's orientation."""


def sound_pictures() -> dict[str, bytes]:
    """A 7 of 24x24 pixels in every format, by a name."""
    Image.init()
    with Image.open(EXAMPLES / "7.png") as file:
        seven = file.convert("L").resize((24, 24))
    plain = [(name, mode, {}) for name in sorted(Image.SAVE) for mode in ("L", "RGB", "1")]
    pictures: dict[str, bytes] = {}
    formats = set()
    for name, mode, options in [*plain, *VARIANTS]:
        if not options and mode != "L" and name in formats and (name, mode, options) not in VARIANTS:
            continue
        picture = _as_mode(seven, mode)
        if "append_images" in options:
            options = {**options, "append_images": [picture.rotate(90)]}
        if "exif" in options:
            exif = Image.Exif()
            exif[0x0112] = 6
            options = {**options, "exif": exif}
        buffer = BytesIO()
        try:
            picture.save(buffer, name, **options)
        except (OSError, ValueError, KeyError) as error:
            print(name, mode, options, error)
            continue
        formats.add(name)
        pictures[f"{len(pictures):02}-{name}-{mode}".replace(";", "")] = buffer.getvalue()
    return pictures


def _as_mode(grey: Image.Image, mode: str) -> Image.Image:
    if mode.startswith("I") and mode != "I":
        return Image.fromarray(np.asarray(grey, np.uint16) * 257).convert(mode) if mode == "I;16" else Image.frombytes(mode, grey.size, (np.asarray(grey, ">u2") * 257).tobytes())
    if mode == "PA":
        return grey.convert("P").convert("PA")
    return grey.convert(mode)
