"""LibSVM's sparse text files: a line for each digit, ``5 153:3 154:18 155:18``, what is left out being 0."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from digitnet.errors import DigitnetError
from digitnet.imaging.normalize import SIDE
from digitnet.types import CLASSES, UInt8Array

PIXELS = SIDE * SIDE
CENTRE = SIDE / 2
"""The column around which each of MNIST's digits has its mass, to within half a pixel."""


def is_libsvm(path: Path) -> bool:
    """Whether the first line with content begins with a number and holds no comma, as a CSV's would.

    Raises:
        UnicodeDecodeError: it is no text.
    """
    with open(path, encoding="utf-8") as file:
        _, first = next(_contents(file), (0, ""))
    return "," not in first and first.lstrip("+-")[:1].isdigit()


def read_libsvm(path: Path) -> tuple[UInt8Array, UInt8Array]:
    """Read labelled digits of 28x28 pixels.

    Pixels are counted from 1, as LibSVM and libdnn do, or from 0, as others do: a pixel 784 or 0 tells, and where
    there is neither, the mass of the digits, which MNIST has in the middle. Values are grey levels, 0 to 255, or
    shares of full ink, 0 to 1, where none is larger. What follows a # is a comment.

    Returns:
        (n, 28, 28) uint8 grey, ink bright, and (n,) uint8 labels.

    Raises:
        DigitnetError: a line is not of this form.
        UnicodeDecodeError: it is no text.
    """
    labels, numbers, indices, values = [], [], [], []
    with open(path, encoding="utf-8") as file:
        for number, line in _contents(file):
            label, *texts = line.split()
            try:
                pairs = [text.split(":") for text in texts]
                indices.append(np.array([int(index) for index, _ in pairs], np.int32))
                with np.errstate(over="ignore"):  # what is too large becomes infinite, which is an error below
                    values.append(np.array([float(value) for _, value in pairs], np.float32))
                labels.append(float(label))
            except (ValueError, OverflowError):
                problem = "not a label and pairs of index:value, such as 5 153:3 154:18"
                raise DigitnetError(f"{path}, line {number}: {problem}") from None
            numbers.append(number)
    digit = np.repeat(np.arange(len(numbers)), [len(part) for part in indices])
    pixel, grey, label_of = np.concatenate(indices), np.concatenate(values), np.array(labels)
    for where, wrong, problem in (
        (np.arange(len(numbers)), ~np.isin(label_of, range(CLASSES)), "the label is no digit, 0 to 9"),
        (digit, (pixel < 0) | (pixel > PIXELS), f"an index that is none of {SIDE}x{SIDE} pixels"),
        (digit, (pixel == PIXELS) & (pixel.min(initial=1) == 0), f"index {PIXELS}, though the file counts from 0"),
        (digit, ~((grey >= 0) & (grey <= 255)), "a value that is not between 0 and 255"),
    ):
        if wrong.any():
            raise DigitnetError(f"{path}, line {numbers[where[wrong.argmax()]]}: {problem}")
    images = np.zeros((len(numbers), PIXELS), np.uint8)
    images[digit, pixel - _base(pixel, grey)] = np.rint(grey * (255 if grey.max(initial=0) <= 1 else 1))
    return images.reshape(-1, SIDE, SIDE), label_of.astype(np.uint8)


def _base(pixel: np.ndarray, grey: np.ndarray) -> int:
    """Which number the first pixel has."""
    if not grey.any() or PIXELS in pixel:
        return 1
    column = np.average(pixel % SIDE, weights=grey)
    return 0 if 0 in pixel or abs(column - CENTRE) < 0.5 else 1


def _contents(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The lines that hold more than a comment, with their numbers."""
    for number, line in enumerate(lines, start=1):
        content = line.partition("#")[0].strip()
        if content:
            yield number, content
