"""A fuzzer that is guided by which code it reaches: pictures, IDX files and CSV through every reader.

``python -m tests.fuzz -max_total_time=300 FOLDER``; the folder keeps what it has learnt. Made for ``make fuzz``.
"""

import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["digitnet", "PIL"]):
    from digitnet import DigitnetError, normalize
    from digitnet.datasets import IMAGES_MAGIC, read_dataset, read_idx_file
    from digitnet.number import find_digits
    from digitnet.paper import LARGEST
    from digitnet.pictures import open_picture

from PIL import Image

from tests.damage import sound_pictures

READERS = b"pnic"
"""The first byte of an input: a picture of one digit or of a number, IDX, CSV."""


def feed(content: bytes, file: Path) -> None:
    """Read it; anything but an answer or a DigitnetError is a find."""
    reader, content = content[:1], content[1:]
    with suppress(DigitnetError):
        if reader == b"p":
            assert normalize(open_picture(content, LARGEST)).shape == (28, 28)
        elif reader == b"n":
            find_digits(open_picture(content))
        elif reader in (b"i", b"c"):
            file.write_bytes(content)
            read_idx_file(file, IMAGES_MAGIC) if reader == b"i" else read_dataset(file)


def sow(folder: Path) -> None:
    """Put a sound input for every reader into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in sound_pictures().items():
        if len(content) < 5000:
            (folder / f"sound-{name}").write_bytes(READERS[:1] + content)
    (folder / "sound-number").write_bytes(b"n" + sound_pictures()["21-PNG-L"])
    (folder / "sound-idx").write_bytes(b"i" + bytes.fromhex("00000803 00000001 00000002 00000002 01020304"))
    (folder / "sound-csv").write_bytes(b"c3" + b",0" * 784 + b"\n")


def main() -> None:
    """Feed what atheris thinks up until it is told to stop or finds something."""
    Image.MAX_IMAGE_PIXELS = 10**6  # a larger one takes long and shows nothing new
    Image.init()
    folders = [Path(argument) for argument in sys.argv[1:] if not argument.startswith("-")]
    for folder in folders:
        sow(folder)
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "file"
        atheris.Setup([*sys.argv, "-timeout=20", "-rss_limit_mb=4000", "-max_len=4096"], lambda data: feed(data, file))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
