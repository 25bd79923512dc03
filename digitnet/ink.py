"""From any picture to ink: picture -> grey -> ink vector, the one chain of training and prediction.

``normalize`` turns a picture into 28x28 grey as MNIST draws it; IDX and CSV data are that already.
Distortions act on the grey. ``binarize`` turns grey into the vector of ink (1) and no ink (0) that a network sees.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from PIL import Image

from digitnet.arrays import Bytes, Floats
from digitnet.digit import largest_piece_and_its_neighbours, thicken, without_frame
from digitnet.paper import (
    FAINTEST,
    Polarity,
    dark_on_light,
    even_light,
    grey_levels,
    is_blank,
    otsu,
    reduce,
    scaled,
    stretch,
)

SIDE = 28
"""Pixels along each side of a normalized picture (LeCun et al. 1998, section III.A)."""
BOX = 20
"""The digit's longer side in it, in pixels."""


@dataclass(frozen=True)
class Ink:
    """How grey becomes the vector of one network.

    Attributes:
        side: pixels along each side; the vector has side * side elements.
        threshold: the grey level, 0 to 254, above which a pixel is ink.

    Raises:
        ValueError: a setting is out of its range.
    """

    side: int = SIDE
    threshold: int = field(default=127, metadata={"help": "grey level, 0 to 254, above which a pixel is ink"})

    def __post_init__(self) -> None:
        if self.side < 1 or not 0 <= self.threshold <= 254:
            raise ValueError("side is at least 1 and threshold between 0 and 254")


def normalize(picture: Image.Image, polarity: Polarity = "auto") -> Bytes:
    """Any picture of one digit -> (28, 28) uint8 grey, ink bright, as MNIST draws it; all 0 if it holds no ink.

    The digit is scaled with its shape kept into a box of 20x20 pixels, which is placed so that the centre of
    mass of the ink is the centre of the field (LeCun et al. 1998, section III.A).

    Raises:
        OSError: the picture's pixels cannot be decoded.
    """
    *_, (_, grey) = stages(picture, polarity)
    return grey


def stages(picture: Image.Image, polarity: Polarity = "auto") -> Iterator[tuple[str, Bytes]]:
    """What :func:`normalize` does, step by step: each stage's name and grey levels, the last one's 28x28.

    Raises:
        OSError: the picture's pixels cannot be decoded.
    """
    grey = reduce(grey_levels(picture))
    yield "grey", grey
    strength = even_light(dark_on_light(grey, polarity))
    yield "strength", strength
    strength = largest_piece_and_its_neighbours(without_frame(strength))
    threshold = otsu(strength)
    if is_blank(strength, threshold):
        yield "blank", np.zeros((SIDE, SIDE), np.uint8)
        return
    digit = cut_out(stretch(strength, threshold))
    yield "digit", digit
    thick = thicken(digit)
    yield "thick", thick
    yield "normalized", centre(fit_box(thick))


def cut_out(strength: Bytes) -> Bytes:
    """The smallest rectangle that holds every pixel of more than half ink; (0, 0) where there is none.

    A soft edge counts: a row or column just outside that still shows some ink belongs to it.
    """
    is_ink = strength > 127
    rows, columns = np.flatnonzero(is_ink.any(axis=1)), np.flatnonzero(is_ink.any(axis=0))
    if not len(rows):
        return strength[:0, :0]
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    wide, high = strength[:, left:right] > FAINTEST, strength[top:bottom] > FAINTEST
    top -= top > 0 and wide[top - 1].any()
    bottom += bottom < len(strength) and wide[bottom].any()
    left -= left > 0 and high[:, left - 1].any()
    right += right < strength.shape[1] and high[:, right].any()
    return strength[top:bottom, left:right]


def fit_box(crop: Bytes) -> Bytes:
    """Scale a rectangle, its shape kept, so that the longer side is 20 pixels: area averaging down, linear up."""
    if not crop.size:
        return crop
    method = Image.Resampling.BOX if max(crop.shape) > BOX else Image.Resampling.BILINEAR
    box = scaled(crop, BOX, method).astype(np.float32)
    return (box * (255 / max(float(box.max()), 1.0))).astype(np.uint8)


def centre(box: Bytes) -> Bytes:
    """Place up to 20x20 pixels in a field of 28x28 so that the centre of mass is the field's, to the pixel."""
    field = np.zeros((SIDE, SIDE), np.uint8)
    if not box.any():
        return field
    corner = []
    for axis, length in enumerate(box.shape):
        mass = box.sum(axis=1 - axis, dtype=np.float64)
        middle = mass @ np.arange(length) / mass.sum()
        corner.append(min(max(round(SIDE / 2 - middle), 0), SIDE - length))
    top, left = corner
    field[top : top + box.shape[0], left : left + box.shape[1]] = box
    return field


def binarize(grey: Bytes, ink: Ink) -> Bytes:
    """Normalized pictures (n, 28, 28) uint8 -> ink vectors (n, side * side) uint8 of 0 and 1.

    Where the vector's side is another than the picture's, it is made from the grey, before that loses its levels.
    """
    if ink.side != grey.shape[1]:
        resize = resizing(grey.shape[1], ink.side)
        levels: np.ndarray = resize @ grey.astype(np.float32) @ resize.T
    else:
        levels = grey
    return (levels > ink.threshold).reshape(len(grey), -1).view(np.uint8)


@cache
def resizing(old: int, new: int) -> Floats:
    """The matrix R (new, old) that resizes a picture as R @ picture @ R.T: linear, wide enough not to alias."""
    scale = old / new
    reach = max(scale, 1.0)
    centres = (np.arange(new) + 0.5) * scale
    distance = np.abs(np.arange(old) + 0.5 - centres[:, None]) / reach
    weights = np.maximum(0, 1 - distance)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)
