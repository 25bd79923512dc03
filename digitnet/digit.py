"""Which of the ink is the digit: frames, ruled lines and specks go, and strokes get the thickness of a pen.

Every step takes and returns ink strengths, (height, width) uint8, 0 where there is none.
"""

import numpy as np
from PIL import Image

from digitnet.arrays import Bytes
from digitnet.components import components
from digitnet.paper import local_maximum, otsu

MARGIN = 0.2
"""Share of the picture, from each edge, in which a frame may lie."""
SPAN = 0.7
"""Share of the picture's width or height that a side of a frame takes up."""
SPECK = 0.03
"""Share of the largest piece's ink below which a piece is dirt."""
APART = 0.25
"""Gap, as a share of the digit's size, at which a piece no longer belongs to it."""
PEN = 2.0 / 20
"""Least stroke width as a share of the digit's longer side; MNIST's pens leave about this."""
FINE = 80
"""Pixels of the longer side at which a digit is fine enough to be thickened."""


def without_frame(strength: Bytes) -> Bytes:
    """Erase the lines of a box that is printed around the digit, where at least two sides of one are seen."""
    height, width = strength.shape
    if 2 * min(height, width) < max(height, width):
        return strength  # cut out so narrowly, a 1 would be a frame
    is_ink = strength > otsu(strength)
    pen = max(height, width) // 32 + 1
    is_thin = is_ink & ~opening(is_ink, pen, pen)
    frame, sides = np.zeros_like(is_ink), 0
    for axis, across in ((0, width), (1, height)):
        lines = opening(is_thin, *((0, across // 6) if axis == 0 else (across // 6, 0)))
        band = int(MARGIN * strength.shape[axis])
        for side in (slice(0, band), slice(strength.shape[axis] - band, None)):
            part = (side, slice(None)) if axis == 0 else (slice(None), side)
            if lines[part].any(axis=axis).mean() > SPAN:
                frame[part] |= lines[part]
                sides += 1
    if sides < 2:
        return strength
    rim = 1 + max(strength.shape) // 100
    rest: Bytes = np.where(local_maximum(frame, rim, rim), 0, strength).astype(np.uint8)
    return rest if rest.max() > 0 else strength


def opening(mask: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """What is left of a mask where a rectangle of so many rows and columns either way fits in."""
    return local_maximum(~local_maximum(~mask, rows, columns), rows, columns)


def largest_piece_and_its_neighbours(strength: Bytes) -> Bytes:
    """Keep the piece with the most ink near the middle, and what is near it and no speck."""
    pieces = components(strength > otsu(strength))
    if not len(pieces):
        return strength
    middle = np.array(strength.shape) / 2
    centres = (pieces.boxes[:, :2] + pieces.boxes[:, 2:]) / 2
    off = np.linalg.norm((centres - middle) / middle, axis=1)
    main = int(np.argmax(pieces.areas * np.exp(-np.square(off) * 2)))
    belongs = np.arange(len(pieces)) == main
    for _ in range(len(pieces)):  # what belongs to it may bring its own neighbours
        top, left = pieces.boxes[belongs, :2].min(axis=0)
        bottom, right = pieces.boxes[belongs, 2:].max(axis=0)
        vertical = np.maximum(top - pieces.boxes[:, 2], pieces.boxes[:, 0] - bottom)
        horizontal = np.maximum(left - pieces.boxes[:, 3], pieces.boxes[:, 1] - right)
        near = np.maximum(vertical, horizontal) < APART * max(bottom - top, right - left)
        grown = near & (pieces.areas > SPECK * pieces.areas[main])
        if (grown == belongs).all():
            break
        belongs = grown
    away = pieces.pixels(~belongs)
    return np.where(local_maximum(away, 1, 1), 0, strength).astype(np.uint8)


def thicken(strength: Bytes) -> Bytes:
    """Bring thin strokes of a digit that fills the picture to PEN; a digit of few pixels is enlarged first."""
    height, width = strength.shape
    scale = FINE / max(height, width)
    if scale > 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        strength = np.asarray(Image.fromarray(strength).resize(size, Image.Resampling.BICUBIC))
    is_ink = strength > 127
    edge = is_ink & local_maximum(~np.pad(is_ink, 1), 1, 1)[1:-1, 1:-1]
    stroke = 2 * is_ink.sum() / max(edge.sum(), 1)
    missing = round((PEN * max(strength.shape) - stroke) / 2)
    if missing < 1:
        return strength
    strength = np.pad(strength, missing)
    for step in range(missing):  # squares and crosses in turn: nearly a disc
        square = local_maximum(strength, 1, 1) if step % 2 else strength
        strength = np.maximum(square, np.maximum(local_maximum(strength, 1, 0), local_maximum(strength, 0, 1)))
    return strength
