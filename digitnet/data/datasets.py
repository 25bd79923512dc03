"""Labelled digits as arrays: from MNIST's IDX files, a folder of pictures, a CSV, or LibSVM's format (``libsvm``).

IDX, CSV and LibSVM data are 28x28 grey already; pictures in folders go through ``ink.normalize``, as in prediction.
"""

import csv
import gzip
import hashlib
import math
import os
import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from digitnet.checks import choice, generator, number, square_images
from digitnet.data.libsvm import is_libsvm, read_libsvm
from digitnet.errors import DigitnetError
from digitnet.imaging.image_files import list_folder, open_pages
from digitnet.imaging.normalize import SIDE, normalize_all
from digitnet.types import CLASSES, UInt8Array

Part = Literal["train", "test"]
IDX_PREFIX: dict[Part, str] = {"train": "train", "test": "t10k"}
IMAGES_MAGIC, LABELS_MAGIC = 2051, 2049
DIGITS = [str(digit) for digit in range(CLASSES)]
LARGEST_IDX = 2**31
"""Bytes; MNIST's largest file has 47 million."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """n digits.

    Example:
        >>> data = Dataset(np.zeros((60_000, 28, 28), np.uint8), np.zeros(60_000, int))
        >>> data
        Dataset(60,000 digits of 28x28)
        >>> data[:1000]
        Dataset(1,000 digits of 28x28)

    Attributes:
        images: (n, side, side) uint8 grey, ink bright; 28x28 wherever they are read from.
        labels: (n,) integers 0 to 9, kept as uint8.
        unread: one line for each picture that could not be read and is left out.

    Raises:
        TypeError: the images are not uint8, or the labels not integers.
        ValueError: the images are not squares, or the labels not one for each image or not 0 to 9.
    """

    images: UInt8Array
    labels: UInt8Array
    unread: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        square_images("images", self.images)
        labels = np.asarray(self.labels)
        if labels.dtype.kind not in "iu":
            raise TypeError(f"labels must be integers from 0 to 9, one for each image, not {labels.dtype}")
        if labels.shape != self.images.shape[:1]:
            raise ValueError(f"labels must have shape ({len(self.images)},), one for each image, not {labels.shape}")
        if labels.min(initial=0) < 0 or labels.max(initial=0) >= CLASSES:
            raise ValueError(f"labels must be 0 to {CLASSES - 1}, not {labels.min()} to {labels.max()}")
        object.__setattr__(self, "labels", labels.astype(np.uint8, copy=False))

    def __repr__(self) -> str:
        side, unread = self.images.shape[1], f", {len(self.unread):,} unread" * bool(self.unread)
        return f"Dataset({len(self):,} digit{'s' * (len(self) != 1)} of {side}x{side}{unread})"

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: slice | np.ndarray) -> "Dataset":
        if not isinstance(index, slice | np.ndarray):
            raise TypeError(f"a Dataset takes a slice or an array of indices, data[3:4], not {type(index).__name__}")
        return Dataset(self.images[index], self.labels[index])

    def split(self, share: float, rng: np.random.Generator) -> tuple["Dataset", "Dataset"]:
        """Two random parts, the second with ``share`` (0 to 1) of the digits.

        Raises:
            TypeError: ``share`` is not a number, or ``rng`` not a generator.
            ValueError: ``share`` is out of range.
        """
        number("share", share)
        generator(rng)
        order = rng.permutation(len(self))
        held_out = round(len(self) * share)
        return self[np.sort(order[held_out:])], self[np.sort(order[:held_out])]

    @property
    def sha256(self) -> str:
        """Hash of images, then labels: which data it was, wherever it lay."""
        digest = hashlib.sha256(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()


def read_dataset(source: str | os.PathLike[str], part: Part = "train") -> Dataset:
    """Read labelled digits.

    Args:
        source: a directory of IDX files in MNIST's own layout (gzipped or not), a folder with sub-folders 0 to 9
            of pictures, a CSV of label and 784 grey levels (Kaggle's train.csv, with a header or without), a CSV or
            TSV of pictures and labels (with a header that names the columns ``file`` or ``path``, and ``label``;
            paths start at its own folder), or a file in LibSVM's sparse format.
        part: which half of MNIST; the other kinds are one part.

    Raises:
        ValueError: an unknown part.
        DigitnetError: no such data there, or it is damaged.
    """
    choice("part", part, get_args(Part))
    path = Path(source)
    if path.is_file():
        return _read_text(path)
    if path.exists() and not path.is_dir():
        raise DigitnetError(f"{path}: not an ordinary file; save it first")
    if not path.is_dir():
        raise DigitnetError(
            f"{path}: no such file or folder; name IDX files' folder, labelled pictures, CSV, TSV or LibSVM"
        )
    if has_idx(path):
        return _read_idx(path, part)
    if any((path / str(digit)).is_dir() for digit in range(CLASSES)):
        return _read_folder(path)
    raise DigitnetError(f"{path}: neither MNIST's IDX files nor sub-folders 0 to 9 of pictures in it")


def mix(few: Dataset, many: Dataset, share: float = 0.2) -> Dataset:
    """``many`` and ``few``, the latter repeated until it has about this share of all, if it is not empty."""
    times = max(1, round(share / (1 - share) * len(many) / max(len(few), 1)))
    images = np.concatenate([many.images, *[few.images] * times])
    return Dataset(images, np.concatenate([many.labels, *[few.labels] * times]))


def has_idx(folder: Path) -> bool:
    """Whether any of MNIST's files lies in a folder."""
    return any(folder.glob("[!.]*-idx?-ubyte*"))


def _read_idx(folder: Path, part: Part) -> Dataset:
    prefix = IDX_PREFIX[part]
    images = read_idx_file(folder / f"{prefix}-images-idx3-ubyte", IMAGES_MAGIC)
    labels = read_idx_file(folder / f"{prefix}-labels-idx1-ubyte", LABELS_MAGIC)
    if len(images) != len(labels):
        raise DigitnetError(f"{folder}: {len(images)} {prefix} images but {len(labels)} labels")
    if images.shape[1:] != (SIDE, SIDE):
        raise DigitnetError(f"{folder}: images of {images.shape[1]}x{images.shape[2]} pixels, not {SIDE}x{SIDE}")
    if not len(labels):
        raise DigitnetError(f"{folder}: no digits in it")
    if labels.max() >= CLASSES:
        raise DigitnetError(f"{folder}: a label of {labels.max()} among the {prefix} labels; they go from 0 to 9")
    return Dataset(images, labels)


def read_idx_file(path: Path, magic: int) -> UInt8Array:
    """Read one IDX file of unsigned bytes (LeCun's MNIST page), or else the same name with .gz.

    Returns:
        uint8 of as many dimensions as the magic number's last byte says.

    Raises:
        DigitnetError: it is not there, or not what its header says.
    """
    packed = path.with_name(path.name + ".gz")
    found = path if path.exists() or not packed.exists() else packed
    if found.exists() and not found.is_file():
        raise DigitnetError(f"{found}: not an ordinary file")
    try:
        with gzip.open(found) if found is packed else open(found, "rb") as file:
            header = struct.Struct(f">{1 + magic % 256}I")
            numbers = file.read(header.size)
            if len(numbers) < header.size:
                raise DigitnetError(f"{found}: ends within its header; fetch it again")
            actual, *shape = header.unpack(numbers)
            if actual != magic:
                raise DigitnetError(f"{found}: not an IDX file of this kind (magic number {actual}, not {magic})")
            size = math.prod(shape)
            if max(size, *shape) > LARGEST_IDX:
                raise DigitnetError(f"{found}: claims {shape[0]:,} items, more than any such file holds")
            content = file.read(size + 1)
    except FileNotFoundError:
        raise DigitnetError(f"{path}: no such file; 'digitnet fetch' brings MNIST's four") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DigitnetError(f"{found}: damaged gzip file ({error}); fetch it again") from None
    if len(content) != size:
        problem = "ends early" if len(content) < size else "goes on after its last item"
        raise DigitnetError(f"{found}: {problem}; fetch it again")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _read_text(path: Path) -> Dataset:
    try:
        if is_libsvm(path):
            return Dataset(*read_libsvm(path))
        with open(path, encoding="utf-8-sig", newline="") as file:  # with a byte order mark or without
            first = file.readline()
            names = [name.strip(' "\r\n').lower() for name in first.split("\t" if "\t" in first else ",")]
            table = csv.DictReader(file, names, delimiter="\t" if "\t" in first else ",")
            for name in ("file", "path"):
                if {name, "label"} <= {*names}:
                    return _read_pictures(path, [(path.parent / (row[name] or ""), row["label"]) for row in table])
    except (UnicodeDecodeError, csv.Error):
        raise DigitnetError(f"{path}: neither CSV nor LibSVM, for it is no text") from None
    return _read_csv(path)


def _read_csv(path: Path) -> Dataset:
    columns = 1 + SIDE * SIDE
    try:
        with open(path, encoding="utf-8-sig") as file:  # with a byte order mark or without
            has_header = any(map(str.isalpha, file.readline().partition(",")[0]))
            start = file.tell() if has_header else 0
            file.seek(start)
            if not any(line.partition("#")[0].strip() for line in file):
                raise DigitnetError(f"{path}: no digits in it")
            file.seek(start)
            table = np.loadtxt(file, np.uint8, delimiter=",", ndmin=2, quotechar='"')
    except ValueError:
        problem = _first_problem(path, int(has_header), columns)
        other = "; a table of pictures has columns file or path, and label" * has_header
        raise DigitnetError(f"{path}, {problem}: not a CSV of labels and grey levels 0 to 255{other}") from None
    if not table.size:
        raise DigitnetError(f"{path}: no digits in it")
    if table.shape[1] != columns:
        raise DigitnetError(f"{path}: {table.shape[1]} columns, not {columns} (a label and {SIDE}x{SIDE} grey levels)")
    labels = table[:, 0]
    if labels.max() >= CLASSES:
        row = int(labels.argmax())
        raise DigitnetError(f"{path}: label {labels[row]} in row {row + 1} of the digits; labels go from 0 to 9")
    return Dataset(table[:, 1:].reshape(-1, SIDE, SIDE), labels)


def _first_problem(path: Path, header: int, columns: int) -> str:
    """Where a CSV of digits first goes wrong, for NumPy's words are about NumPy."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            wrong = [cell for cell in row if not re.fullmatch(r"\s*\+?0*(\d{1,2}|1\d\d|2[0-4]\d|25[0-5])\s*", cell)]
            if number > header and row and (wrong or len(row) != columns):
                return f"line {number}" + (f", {wrong[0][:40]!r}" if wrong else f", {len(row)} columns, not {columns}")
    return f"line {header + 1}"


def _read_folder(folder: Path) -> Dataset:
    folders = [(folder / str(digit), str(digit)) for digit in range(CLASSES) if (folder / str(digit)).is_dir()]
    return _read_pictures(folder, ((path, label) for place, label in folders for path in list_folder(str(place))))


def _read_pictures(source: Path, labelled: Iterable[tuple[str | Path, str]]) -> Dataset:
    """Pictures, a TIFF page by page, with the digit that each shows; whatever cannot be read is left out and named."""
    images, labels, unread = [], [], []
    for path, text in labelled:
        label = re.sub(r"\.0+$", "", (text or "").strip())  # 3.0 is what a column with gaps is written as
        if label not in DIGITS:
            unread.append(f"{path}: the label {label!r} is no digit, 0 to 9")
            continue
        for page in open_pages(path):
            if isinstance(page, DigitnetError):
                unread.append(f"{path}: {page}")
                continue
            images.append(normalize_all([page.grey])[0])
            labels.append(DIGITS.index(label))
    if not images:
        reason = f" ({unread[0]})" if unread else ""
        raise DigitnetError(f"{source}: no picture that can be read in it{reason}")
    return Dataset(np.stack(images), np.array(labels, np.uint8), tuple(unread))
