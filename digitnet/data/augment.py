"""Distortions: the same digit as another hand, pen or scanner might have made it; drawn afresh every epoch.

A warp says for every pixel where to look in the original: an affine map plus a smooth random field (Simard,
Steinkraus and Platt 2003, section 2). Sixteen pictures share one warp, and the bytes that eight of them have at one
pixel are one 64-bit word: moving a word moves eight pixels, and one multiplication weighs four. That makes
distortions cheap; shuffling gives every picture other companions in every epoch.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from digitnet.types import Floats, UInt8Array, UInt64Array

WORD = 8
"""Pictures in a word: its bytes."""
SHARERS = 2 * WORD
"""Pictures that share a warp."""
EVEN = np.uint64(0x00FF00FF00FF00FF)
"""Every second byte of a word."""
BYTE = np.uint64(8)
KNOTS = 4
"""Pixels between the knots of a random field."""


@dataclass(frozen=True)
class Augmentation:
    """How far to go: each group's own amount is drawn evenly from 0 up to these, either way.

    Attributes:
        shift: pixels.
        rotation: degrees.
        scale: growth or shrinking of both axes, as a natural logarithm; 0.1 is about a tenth.
        stretch: the same, of one axis against the other.
        shear: pixels of slant per pixel of height.
        elastic: root mean square of the random field, in pixels; all groups get this much.
        smoothness: standard deviation of the Gaussian that smooths the random field, in pixels.
        thickness: 1 moves the edge of a stroke outwards by a pixel.
        thinness: 1 moves it inwards by a pixel, which is the end of thin strokes.
    """

    shift: float = 0
    rotation: float = 0
    scale: float = 0
    stretch: float = 0
    shear: float = 0
    elastic: float = 0
    smoothness: float = 4
    thickness: float = 0
    thinness: float = 0


AUGMENTATIONS: dict[str, Augmentation] = {
    "none": Augmentation(),
    "light": Augmentation(1.2, 10, 0.1, 0.08, 0.15, 0.9, 4, 0.5, 0.2),
    "strong": Augmentation(1.0, 15, 0.15, 0.15, 0.25, 1.5, 4.5, 0.5, 0.2),
    "wide": Augmentation(1.2, 15, 0.18, 0.15, 0.3, 1.2, 4, 1.0, 0.3),
}


def augment(pictures: UInt8Array, how: Augmentation, rng: np.random.Generator, finer: int = 1) -> UInt8Array:
    """Grey pictures (n, side, side) uint8 -> the same, distorted, SHARERS at a time in a way of their own.

    What would come from beyond an edge is what stands at that edge. The copies can have ``finer`` times as many
    pixels on a side: looked up between the pixels anyway, they keep what another resizing would blur.
    """
    n, side, _ = pictures.shape
    groups = -(-n // SHARERS)
    pad = np.zeros((groups * SHARERS, side * side), np.uint8)
    pad[:n] = pictures.reshape(n, -1)
    eighths = pad.reshape(groups, -1, WORD, side * side).transpose(2, 1, 0, 3)
    words: UInt64Array = np.stack(list(eighths), axis=-1).view(np.uint64)[..., 0]  # faster than a transposed copy
    words = warp(thicken(words, side, how, rng), sampling_grid(groups, side, finer, how, rng), side)
    apart = words[..., None].view(np.uint8).transpose(1, 0, 3, 2)
    return apart.reshape(-1, finer * side, finer * side)[:n]


def sampling_grid(groups: int, side: int, finer: int, how: Augmentation, rng: np.random.Generator) -> Floats:
    """Where each pixel of a distorted picture comes from, counted in pixels of the original, row and column.

    Returns:
        (groups, 2, finer * side, finer * side) float32.
    """

    def up_to(limit: float) -> Floats:
        return rng.uniform(-limit, limit, groups).astype(np.float32)

    angle, shear = np.radians(up_to(how.rotation)), up_to(how.shear)
    size, stretch = np.exp(up_to(how.scale)), np.exp(up_to(how.stretch) / 2)
    cos, sin = np.cos(angle), np.sin(angle)
    # Rotation times slant, then the sizes of the two axes, acting on [row, column] counted from the middle.
    affine = np.array([[cos - sin * shear, -sin], [sin + cos * shear, cos]]) * [size * stretch, size / stretch]
    at = ((np.arange(finer * side) + 0.5) / finer - 0.5).astype(np.float32)
    smooth = smoothing(side, finer, how.smoothness)
    knots = rng.standard_normal((groups, 2, smooth.shape[1], smooth.shape[1]), np.float32)
    source = smooth @ (np.float32(how.elastic) * knots) @ smooth.T
    middle = np.float32((side - 1) / 2)
    for axis, (per_row, per_column) in enumerate(affine[..., None, None]):
        start = middle + up_to(how.shift)[:, None, None]
        source[:, axis] += per_row * (at - middle)[:, None] + (per_column * (at - middle) + start)
    return np.asarray(source)


@cache
def smoothing(side: int, finer: int, sigma: float) -> Floats:
    """The matrix (finer * side, knots) that makes smooth noise of variance 1 from independent noise at the knots."""
    knots = np.arange(-KNOTS, side + KNOTS, KNOTS)
    at = (np.arange(finer * side) + 0.5) / finer - 0.5
    weights = np.exp(-0.5 * ((at[:, None] - knots) / sigma) ** 2)
    return np.asarray(weights / np.linalg.norm(weights, axis=1, keepdims=True), np.float32)


def warp(words: UInt64Array, source: Floats, side: int) -> UInt64Array:
    """Words (any, groups, side * side), looked up where ``source`` says, bilinearly and to a sixteenth of a pixel."""
    groups = len(source)
    sixteenths = np.clip(source * 16, 0, 16 * (side - 1) - 1).astype(np.int32)
    sixteenths = sixteenths.reshape(groups, 2, -1).swapaxes(0, 1)
    row, column = sixteenths >> 4
    start = (row * side + column + side**2 * np.arange(groups, dtype=np.int32)[:, None]).astype(np.intp)
    down, right = (sixteenths & 15).astype(np.uint16)
    both = down * right
    down, right = 16 * down - both, 16 * right - both
    corners = [(0, 256 - down - right - both), (1, right), (side, down), (side + 1, both)]
    flat = words.reshape(len(words), -1)
    return weighted_sum([(flat.take(start + step, axis=1, mode="clip"), weight) for step, weight in corners])


def thicken(words: UInt64Array, side: int, how: Augmentation, rng: np.random.Generator) -> UInt64Array:
    """Words (any, groups, side * side), each group blended with its dilation (thicker) or its erosion (thinner)."""
    amount = rng.uniform(-how.thinness, how.thickness, (words.shape[1], 1))
    negative = np.where(amount > 0, np.uint64(0), ~np.uint64(0))  # an erosion is the dilation of the negative
    turned = words ^ negative
    thicker = turned.copy()
    pixels, grown = turned.view(np.uint8), thicker.view(np.uint8)
    for step in (WORD, WORD * side):  # to the pixel beside, to the pixel below
        for here, there in ((slice(step, None), slice(-step)), (slice(-step), slice(step, None))):
            np.maximum(grown[..., here], pixels[..., there], out=grown[..., here])
    weight = np.rint(256 * np.minimum(abs(amount), 1)).astype(np.uint16)
    return weighted_sum([(words, 256 - weight), (thicker ^ negative, weight)])


def weighted_sum(terms: list[tuple[UInt64Array, np.ndarray]]) -> UInt64Array:
    """Sum of words times integer weights, byte by byte; a byte's weights sum to 256, which stands for 1.

    Four bytes at a time stand 16 bits apart in a word, so that none spills into the next.
    """
    even, odd = np.zeros_like(terms[0][0]), np.zeros_like(terms[0][0])
    for words, weight in terms:
        weight = weight.astype(np.uint64)
        even += (words & EVEN) * weight
        odd += (words >> BYTE & EVEN) * weight
    return (even >> BYTE & EVEN) | (odd & ~EVEN)
