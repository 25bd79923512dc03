"""From any picture to ink: picture -> grey -> ink vector, the one chain of training and prediction.

``normalize`` turns a picture into 28x28 grey as MNIST draws it; IDX and CSV data are that already.
Distortions act on the grey. ``binarize`` turns grey into the vector of ink (1) and no ink (0) that a network sees.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, get_args

import numpy as np
from PIL import Image

from digitnet.checks import choice, instance, integer, square_images
from digitnet.imaging.cleanup import keep_main_component, thicken, without_frame
from digitnet.imaging.preprocess import (
    FAINTEST,
    Polarity,
    dark_on_light,
    denoise,
    is_blank,
    otsu,
    pixels,
    resizing,
    scaled,
    small_grey,
    stretch,
    subtract_background,
)
from digitnet.imaging.stacks import map_by_shape, unstack
from digitnet.types import Floats, UInt8Array

SIDE = 28
"""Pixels along each side of a normalized picture (LeCun et al. 1998, section III.A)."""
BOX = 20
"""The digit's longer side in it, in pixels."""


@dataclass(frozen=True)
class Binarization:
    """How grey becomes the vector of one network.

    Attributes:
        side: pixels along each side; the vector has side * side elements.
        threshold: the grey level, 0 to 254, above which a pixel is ink.

    Raises:
        TypeError: a setting is not a whole number.
        ValueError: a setting is out of its range.
    """

    side: int = SIDE
    threshold: int = field(default=127, metadata={"help": "grey level, 0 to 254, above which a pixel is ink"})

    def __post_init__(self) -> None:
        object.__setattr__(self, "side", integer("side", self.side, 1))
        object.__setattr__(self, "threshold", integer("threshold", self.threshold, 0, 254))


def normalize(picture: Image.Image, polarity: Polarity = "auto") -> UInt8Array:
    """Any picture of one digit -> (28, 28) uint8 grey, ink bright, as MNIST draws it; all 0 if it holds no ink.

    The digit is scaled with its shape kept into a box of 20x20 pixels, which is placed so that the centre of
    mass of the ink is the centre of the field (LeCun et al. 1998, section III.A).

    Raises:
        TypeError: it is not a Pillow image.
        ValueError: an unknown polarity.
        OSError: the picture's pixels cannot be decoded.
    """
    advice = "PIL.Image.open(path) or PIL.Image.fromarray(array) makes one"
    instance("picture", picture, Image.Image, advice)
    normalized: UInt8Array = normalize_all([small_grey(picture)], polarity)[0]
    return normalized


def normalize_all(greys: Sequence[Image.Image], polarity: Polarity = "auto") -> UInt8Array:
    """What :func:`normalize` makes of pictures, each already :func:`small_grey`, (n, 28, 28); faster together."""
    return np.array(stages(greys, polarity).normalized, np.uint8).reshape(-1, SIDE, SIDE)  # also if there are none


class Stages(NamedTuple):
    """What becomes of pictures step by step, each (height, width) uint8 in a list.

    Attributes:
        grey: luminance.
        strength: how much each pixel differs from its paper.
        digit: what of it is the digit; no pixels where there is no ink, as in the next stage.
        thick: the same with strokes as wide as a pen's.
        normalized: 28x28.
        crowded: whether each seems to hold several digits.
    """

    grey: list[UInt8Array]
    strength: list[UInt8Array]
    digit: list[UInt8Array]
    thick: list[UInt8Array]
    normalized: list[UInt8Array]
    crowded: list[bool]


def stages(greys: Sequence[Image.Image], polarity: Polarity = "auto") -> Stages:
    """What :func:`normalize` does, for many pictures, each already :func:`small_grey`; faster together.

    Raises:
        ValueError: an unknown polarity.
    """
    choice("polarity", polarity, get_args(Polarity))
    grey = pixels(greys)
    strength = map_by_shape(lambda stack: unstack(ink_strength(stack, polarity)), grey)
    found = map_by_shape(digits_of, strength)
    digit = [crop for crop, _ in found]
    thick = map_by_shape(thicken, digit)
    normalized = map_by_shape(lambda stack: center_by_mass(resize_to_box(stack)), thick)
    return Stages(grey, strength, digit, thick, normalized, [crowded for _, crowded in found])


def ink_strength(grey: UInt8Array, polarity: Polarity, reach: int | None = None) -> UInt8Array:
    """How much each pixel differs from its paper; for ``reach`` see ``subtract_background``."""
    return subtract_background(dark_on_light(denoise(grey), polarity), reach)


def digits_of(strength: UInt8Array) -> list[tuple[UInt8Array, bool]]:
    """The digit of each picture, cut out and stretched from 0 to 255; and whether there seem to be more.

    Where there is no ink there are no pixels.
    """
    threshold = otsu(strength)
    strength, threshold = _split_again(strength, without_frame(strength, threshold), threshold)
    kept, crowded = keep_main_component(strength, threshold)
    strength, threshold = _split_again(strength, kept, threshold)
    digit = np.where(is_blank(strength, threshold), np.uint8(0), stretch(strength, threshold))
    return list(zip(cut_out(digit), crowded.tolist(), strict=True))


def _split_again(before: UInt8Array, after: UInt8Array, threshold: np.ndarray) -> tuple[UInt8Array, np.ndarray]:
    """What a step has left, and the thresholds, found anew for the pictures that it has changed."""
    changed = np.flatnonzero((after != before).any(axis=0).any(axis=0))
    if len(changed):
        threshold[changed] = otsu(after[..., changed])
    return after, threshold


def cut_out(strength: UInt8Array) -> list[UInt8Array]:
    """Of each picture the smallest rectangle that holds every pixel of more than half ink; (0, 0) if there is none.

    A soft edge counts: a row or column just outside that still shows some ink belongs to it.
    """
    height, width, count = strength.shape
    is_ink, is_faint = strength > 127, strength > FAINTEST
    rows, columns = np.asarray(is_ink.any(axis=1)), np.asarray(is_ink.any(axis=0))
    top, bottom = rows.argmax(axis=0), height - rows[::-1].argmax(axis=0)
    left, right = columns.argmax(axis=0), width - columns[::-1].argmax(axis=0)
    down, across, each = np.arange(height)[:, None], np.arange(width)[:, None], np.arange(count)
    wide = np.asarray((is_faint & (left <= across) & (across < right)).any(axis=1))
    high = np.asarray((is_faint & ((top <= down) & (down < bottom))[:, None]).any(axis=0))
    edges = np.stack(
        [
            top - ((top > 0) & wide[top - 1, each]),
            bottom + ((bottom < height) & wide[np.minimum(bottom, height - 1), each]),
            left - ((left > 0) & high[left - 1, each]),
            right + ((right < width) & high[np.minimum(right, width - 1), each]),
        ]
    )
    crops = (edges * rows.any(axis=0)).T.tolist()
    return [strength[top:bottom, left:right, i] for i, (top, bottom, left, right) in enumerate(crops)]


def resize_to_box(crop: UInt8Array) -> UInt8Array:
    """Scale rectangles, their shape kept, so that the longer side is 20 pixels: area averaging down, linear up."""
    if not crop.size:
        return crop
    method = Image.Resampling.BOX if max(crop.shape[:2]) > BOX else Image.Resampling.BILINEAR
    box = scaled(crop, BOX, method)
    highest = np.maximum(box.max(axis=0).max(axis=0), 1)
    brighter: UInt8Array = (box * (255 / highest).astype(np.float32)).astype(np.uint8)
    return brighter


def center_by_mass(box: UInt8Array) -> list[UInt8Array]:
    """Place up to 20x20 pixels in fields of 28x28 so that the centre of mass is the field's, to the pixel."""
    *shape, count = box.shape
    corners = []
    for axis, length in enumerate(shape):
        mass = box.sum(axis=1 - axis, dtype=np.float64)
        middle = np.arange(length) @ mass / np.maximum(mass.sum(axis=0), 1)
        corners.append(np.clip(np.rint(SIDE / 2 - middle), 0, SIDE - length).astype(int).tolist())
    centred = np.zeros((count, SIDE, SIDE), np.uint8)
    for whole, picture, top, left in zip(centred, unstack(box), *corners, strict=True):
        whole[top : top + shape[0], left : left + shape[1]] = picture
    return list(centred)


def binarize(grey: UInt8Array, ink: Binarization) -> UInt8Array:
    """Normalized pictures (n, 28, 28) uint8 -> ink vectors (n, side * side) uint8 of 0 and 1.

    Where the vector's side is another than the picture's, it is made from the grey, before that loses its levels.

    Raises:
        TypeError: ``grey`` is not an array of uint8, or ``ink`` no Binarization.
        ValueError: ``grey`` does not have that shape.
    """
    square_images("grey", grey)
    instance("ink", ink, Binarization, "Binarization() has MNIST's side and the usual threshold")
    if ink.side != grey.shape[1]:
        resize = resizing(grey.shape[1], ink.side, Image.Resampling.BILINEAR)
        levels: np.ndarray = resize @ grey.astype(np.float32) @ resize.T
    else:
        levels = grey
    return (levels > ink.threshold).reshape(len(grey), ink.side**2).view(np.uint8)


def columns(vectors: UInt8Array | Floats) -> Floats:
    """Ink vectors (n, inputs) -> what a network takes: float32 (inputs, n), one column per picture."""
    return vectors.astype(np.float32).T
