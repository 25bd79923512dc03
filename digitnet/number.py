"""Several digits in one picture: where each of them is, in reading order."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from digitnet.arrays import Bytes
from digitnet.components import components
from digitnet.digit import thicken
from digitnet.ink import centre, fit_box, strength_of
from digitnet.paper import Polarity, grey_levels, is_blank, otsu, reduce, stretch

LARGEST = 1600
"""Pixels of the longer side that are enough to see a line of digits by."""
SPECK = 0.02
"""Share of the largest piece's ink below which a piece is dirt."""
FRAGMENT = 0.5
"""Share of the usual height below which a piece is a stroke of the digit beside it, such as a 5's bar."""
WIDE = 1.1
"""Width over height beyond which a piece may be several digits that touch."""


@dataclass(frozen=True)
class Found:
    """One digit of a picture.

    Attributes:
        box: left, top, right, bottom in pixels of the upright picture, the latter two just outside.
        strength: how much ink stands where in the box, (height, width) uint8, without that of its neighbours.
        scale: pixels of the picture per pixel of ``strength``.
    """

    box: tuple[float, float, float, float]
    strength: Bytes
    scale: float

    @property
    def grey(self) -> Bytes:
        """The digit as a network is given it, (28, 28)."""
        thick = thicken(self.strength[..., None])[0]
        return centre(fit_box(thick[..., None]))[0]

    def halves(self) -> tuple["Found", "Found"] | None:
        """Two digits that touch, cut where there is least ink about the middle; None if it is too narrow for two."""
        height, width = self.strength.shape
        if width < WIDE * height or width < 4:
            return None
        start = width // 3
        cut = start + int(np.argmin((self.strength > 127).sum(axis=0)[start : width - start]))
        left, top, right, bottom = self.box
        middle = left + cut * self.scale
        return (
            Found((left, top, middle, bottom), self.strength[:, :cut], self.scale),
            Found((middle, top, right, bottom), self.strength[:, cut:], self.scale),
        )


def find_digits(picture: Image.Image, polarity: Polarity = "auto") -> list[list[Found]]:
    """The digits of a picture, line by line from the top, each line from the left.

    Raises:
        OSError: the picture's pixels cannot be decoded.
    """
    whole = grey_levels(picture)
    grey = np.asarray(reduce(whole, LARGEST))
    stack = strength_of(grey[..., None], polarity, min(grey.shape) // 4 + 1)
    threshold = otsu(stack)
    if is_blank(stack, threshold)[0]:
        return []
    pieces, scale = components(stack[..., 0] > threshold), max(whole.size) / max(grey.shape)
    strength = stretch(stack, threshold)[..., 0]
    found = []
    for group in digits_of(pieces.boxes, pieces.areas):
        top, left = pieces.boxes[group, :2].min(axis=0)
        bottom, right = pieces.boxes[group, 2:].max(axis=0)
        own = np.isin(pieces.labels[top:bottom, left:right], [0, *(number + 1 for number in group)])
        box = (left * scale, top * scale, right * scale, bottom * scale)
        found.append(Found(box, np.where(own, strength[top:bottom, left:right], 0).astype(np.uint8), scale))
    return lines_of(found)


def digits_of(boxes: np.ndarray, areas: np.ndarray) -> list[list[int]]:
    """Pieces (boxes (n, 4): top, left, bottom, right) -> the pieces of each digit; specks are left out."""
    big = np.flatnonzero(areas > SPECK * areas.max())
    heights = boxes[:, 2] - boxes[:, 0]
    usual = np.median(heights[areas > 0.2 * areas.max()])
    whole = [i for i in big if heights[i] > FRAGMENT * usual]
    groups = {i: [int(i)] for i in whole}
    for i in set(big) - set(whole):
        gaps = np.maximum(boxes[whole, :2] - boxes[i, 2:], boxes[i, :2] - boxes[whole, 2:]).max(axis=1)
        if gaps.min() < usual / 4:
            groups[whole[int(np.argmin(gaps))]].append(int(i))
    return list(groups.values())


def lines_of(found: list[Found]) -> list[list[Found]]:
    """Digits -> lines: from the left, each follows the digit that ends a line and stands most at its own height."""
    lines: list[list[Found]] = []
    for digit in sorted(found, key=lambda digit: digit.box[0]):
        _, top, _, bottom = digit.box
        shared = [min(bottom, line[-1].box[3]) - max(top, line[-1].box[1]) for line in lines]
        if shared and max(shared) > 0.3 * (bottom - top):
            lines[int(np.argmax(shared))].append(digit)
        else:
            lines.append([digit])
    return sorted(lines, key=lambda line: line[0].box[1])
