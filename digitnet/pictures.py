"""Picture files: opened whole or refused in one line, listed in a folder, written."""

import os
import warnings
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from digitnet.arrays import Bytes
from digitnet.errors import DigitnetError

HEIC = ".heic"


def open_picture(source: str | os.PathLike[str] | bytes, enough: int | None = None) -> Image.Image:
    """Decode a file, or the bytes of one, completely.

    A decoder that can scale down as it goes (JPEG's) may do so, as long as both sides keep ``enough`` pixels.

    Raises:
        DigitnetError: it is not there, is no picture, or is damaged; the message does not name the source.
    """
    try:
        # Pillow warns of oddities (a large picture, a strange tag); a picture is either read or refused.
        with warnings.catch_warnings(action="ignore"):
            with Image.open(BytesIO(source) if isinstance(source, bytes) else source) as picture:
                if enough:
                    picture.draft(None, (enough, enough))
                picture.load()
            return picture
    except UnidentifiedImageError:
        if not _is_heic(source) or HEIC in Image.registered_extensions():
            raise DigitnetError("not a picture that Pillow can read") from None
        _learn_heic()
        return open_picture(source, enough)
    except OSError as error:
        raise DigitnetError(error.strerror or f"damaged picture ({_one_line(error)})") from None
    except MemoryError:
        raise DigitnetError("too large a picture for this machine's memory") from None
    except Exception as error:  # a damaged file can raise nearly anything in Pillow's decoders
        raise DigitnetError(f"damaged picture ({_one_line(error)})") from None


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

    Raises:
        OSError: the folder cannot be read.
    """
    extensions = {*Image.registered_extensions(), HEIC}
    names = sorted(os.listdir(folder))
    for name in names:
        path = os.path.join(folder, name)
        if name.startswith("."):
            continue
        if os.path.isdir(path):
            # A link to a folder could lead in a circle.
            if recursive and not os.path.islink(path):
                yield from list_folder(path, recursive)
        elif os.path.splitext(name)[1].lower() in extensions:
            yield path


def save_grey(path: Path, grey: Bytes) -> None:
    """Write grey levels (height, width) uint8 as a picture in the format of the path's extension."""
    Image.fromarray(grey).save(path)
