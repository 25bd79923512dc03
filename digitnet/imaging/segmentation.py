"""Several digits in one picture: where each of them is, in reading order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image

from digitnet.errors import DigitnetError
from digitnet.imaging.cleanup import RULED, belonging, side_by_side, thicken, without_frame
from digitnet.imaging.components import Components, components
from digitnet.imaging.normalize import center_by_mass, ink_strength, resize_to_box
from digitnet.imaging.preprocess import SHEET, Polarity, is_blank, otsu, reduce, small_grey, stretch
from digitnet.types import UInt8Array

SPECK = 0.02
"""Share of the largest piece's ink below which a piece is dirt."""
FRAGMENT = 0.5
"""Share of the usual height below which a piece is a stroke of the digit beside it, such as a 5's bar."""
WIDE, WIDEST = 1.1, 8
"""Width over height between which a piece may be several digits that touch; beyond, it is a line."""
MOST = 1000
"""Digits in one picture; ten times as many strokes."""
CROSSING = 8
"""Times that the boxes of all marks may cover a picture; where they do so more often, lines run across it."""
GAP = 1.0
"""Gap, as a share of the digits' height, from which on people see two numbers, if most gaps are half that at most."""


@dataclass(frozen=True)
class DetectedDigit:
    """One digit of a picture.

    Attributes:
        box: left, top, right, bottom in pixels of the upright picture, the latter two just outside.
        strength: how much ink stands where in the box, (height, width) uint8, without that of its neighbours.
        scale: pixels of the picture per pixel of ``strength``.
    """

    box: tuple[float, float, float, float]
    strength: UInt8Array
    scale: float

    @property
    def grey(self) -> UInt8Array:
        """The digit as a network is given it, (28, 28)."""
        height, width = self.strength.shape
        strength = self.strength
        if not RULED * height <= width <= WIDEST * height:  # a line, which would take long to thicken
            strength = np.asarray(reduce(Image.fromarray(strength)))
        thick = thicken(strength[..., None])[0]
        return center_by_mass(resize_to_box(thick[..., None]))[0]

    def halves(self) -> tuple["DetectedDigit", "DetectedDigit"] | None:
        """Two digits that touch, cut where there is least ink about the middle.

        None if it is too narrow for two, or as wide as no row of digits that touch.
        """
        height, width = self.strength.shape
        if not WIDE * height <= width <= WIDEST * height or width < 4:
            return None
        start = width // 3
        cut = start + int(np.argmin((self.strength > 127).sum(axis=0)[start : width - start]))
        left, top, right, bottom = self.box
        middle = left + cut * self.scale
        return (
            DetectedDigit((left, top, middle, bottom), self.strength[:, :cut], self.scale),
            DetectedDigit((middle, top, right, bottom), self.strength[:, cut:], self.scale),
        )


def find_digits(picture: Image.Image, polarity: Polarity = "auto", scale: float = 1) -> list[list[DetectedDigit]]:
    """The digits of a picture, line by line from the top, each line from the left.

    Args:
        picture: of any mode and size.
        polarity: what ink looks like on it.
        scale: pixels of the boxes for each of the picture's.

    Raises:
        DigitnetError: there are more marks than a page holds, or they lie across each other.
        OSError: the picture's pixels cannot be decoded.
    """
    grey = np.asarray(small_grey(picture, SHEET))
    scale *= max(picture.size) / max(grey.shape)
    stack = ink_strength(grey[..., None], polarity, min(grey.shape) // 4 + 1)
    threshold = otsu(stack)
    if is_blank(stack, threshold)[0]:
        return []
    pieces = components(stack[..., 0] > threshold)
    strength = stretch(stack, threshold)[..., 0]
    groups = digits_of(pieces.boxes, pieces.areas)
    corners = [(pieces.boxes[group, :2].min(axis=0), pieces.boxes[group, 2:].max(axis=0)) for group in groups]
    if sum(np.prod(end - start) for start, end in corners) > CROSSING * grey.size:
        raise DigitnetError("lines run across the picture; cut it down to its digits")
    return lines_of([_cut_out(pieces, group, strength, scale) for group in groups])


def digits_beside(strength: UInt8Array) -> tuple[list[DetectedDigit], bool]:
    """Ink strengths (height, width) -> what may be a digit each, and whether the chain takes all of it for one digit.

    It sees what the normalization sees, by which only a few pictures seem to hold several digits.
    """
    stack = strength[..., None]
    stack = without_frame(stack, otsu(stack))
    threshold = otsu(stack)
    pieces = components(stack[..., 0] > threshold)
    groups = side_by_side(pieces.boxes, pieces.areas, *strength.shape)
    digit = belonging(pieces.boxes, pieces.areas, *strength.shape)
    levels = stretch(stack, threshold)[..., 0]
    return [_cut_out(pieces, group, levels, 1) for group in groups], all(digit[group].all() for group in groups)


def _cut_out(pieces: Components, group: np.ndarray, strength: UInt8Array, scale: float) -> DetectedDigit:
    """Some pieces of a picture as one digit."""
    top, left = pieces.boxes[group, :2].min(axis=0)
    bottom, right = pieces.boxes[group, 2:].max(axis=0)
    own = np.isin(pieces.labels[top:bottom, left:right], [0, *(group + 1)])
    box = (left * scale, top * scale, right * scale, bottom * scale)
    return DetectedDigit(box, np.where(own, strength[top:bottom, left:right], 0).astype(np.uint8), scale)


def digits_of(boxes: np.ndarray, areas: np.ndarray) -> list[np.ndarray]:
    """Pieces (boxes (n, 4): top, left, bottom, right) -> the pieces of each digit; specks are left out.

    Raises:
        DigitnetError: there are more than a page holds.
    """
    big = np.flatnonzero(areas > SPECK * areas.max())
    heights = boxes[:, 2] - boxes[:, 0]
    usual = np.median(heights[areas > 0.2 * areas.max()])
    whole = [i for i in big if heights[i] > FRAGMENT * usual]
    if len(whole) > MOST or len(big) > 10 * MOST:
        raise DigitnetError(f"more than {MOST:,} marks; cut the picture down to its digits")
    groups = {i: [int(i)] for i in whole}
    for i in set(big) - set(whole):
        gaps = np.maximum(boxes[whole, :2] - boxes[i, 2:], boxes[i, :2] - boxes[whole, 2:]).max(axis=1)
        if gaps.min() < usual / 4:
            groups[whole[int(np.argmin(gaps))]].append(int(i))
    return [np.array(group) for group in groups.values()]


def lines_of(found: list[DetectedDigit]) -> list[list[DetectedDigit]]:
    """Digits -> lines: from the left, each follows the digit that ends a line and stands most at its own height."""
    lines: list[list[DetectedDigit]] = []
    for digit in sorted(found, key=lambda digit: digit.box[0]):
        _, top, _, bottom = digit.box
        shared = [min(bottom, line[-1].box[3]) - max(top, line[-1].box[1]) for line in lines]
        if shared and max(shared) > 0.3 * (bottom - top):
            lines[int(np.argmax(shared))].append(digit)
        else:
            lines.append([digit])
    return sorted(lines, key=lambda line: line[0].box[1])


def text_of(line: list[DetectedDigit], answers: Sequence[str]) -> str:
    """The answers to a line's digits as text, with a space where a gap is wide for this line."""
    heights = [found.box[3] - found.box[1] for found in line]
    gaps = [after.box[0] - before.box[2] for before, after in pairwise(line)]
    wide = max(GAP * float(np.median(heights)), 2 * float(np.median(gaps)) if len(gaps) > 1 else 0) if gaps else 0
    spaces = [" " if gap > wide else "" for gap in gaps]
    return "".join(answer + space for answer, space in zip(answers, [*spaces, ""], strict=True))
