"""Which of the ink is the digit: frames, ruled lines and specks go, and strokes get the thickness of a pen.

Every step takes and returns ink strengths, (height, width) uint8, 0 where there is none.
"""

import numpy as np
from PIL import Image

from digitnet.arrays import Bytes
from digitnet.components import components
from digitnet.paper import local_maximum, otsu, scaled

MARGIN = 0.2
"""Share of the picture, from each edge, in which a frame may lie."""
SPAN = 0.7
"""Share of the picture's width or height that a side of a frame takes up."""
LONG = 0.5
"""Share of the picture's width or height beyond which a line is no stroke of a digit."""
CLEAR = 0.06
"""Share of the picture by which a single line must go on beyond the digit on either side, and may end early."""
SPECK = 0.03
"""Share of the largest piece's ink below which a piece is dirt."""
APART = 0.25
"""Gap, as a share of the digit's size, at which a piece no longer belongs to it."""
PEN = 2.0 / 20
"""Least stroke width as a share of the digit's longer side; MNIST's pens leave about this."""
FINE = 80
"""Pixels of the longer side at which a digit is fine enough to be thickened."""


def without_frame(strength: Bytes) -> Bytes:
    """Erase the lines of a box that is printed around the digit: two sides of one, or one that is clear of it."""
    height, width = strength.shape
    if 2 * min(height, width) < max(height, width):
        return strength  # cut out so narrowly, a 1 would be a frame
    is_ink = strength > otsu(strength)
    pen, rim = max(height, width) // 32 + 1, 1 + max(height, width) // 100
    is_thin = is_ink & ~opening(is_ink, pen, pen)
    level, upright = edge_lines(is_thin), edge_lines(is_thin.T)
    if not level and not upright:
        return strength
    frame = np.zeros_like(is_ink)
    for line in (*level, *(line.T for line in upright)):
        frame |= local_maximum(line, rim, rim)
    without: Bytes = np.where(frame, 0, strength).astype(np.uint8)
    rest = without > otsu(without)
    if len(level) + len(upright) == 1 and not goes_beyond((level or upright)[0], rest if level else rest.T):
        return strength  # a digit's own bar, such as a 7's
    return without if rest.any() else strength


def edge_lines(is_thin: np.ndarray) -> list[np.ndarray]:
    """Masks of the nearly level lines that run along the upper and the lower edge of a picture, where there are."""
    height, width = is_thin.shape
    lines = opening(local_maximum(is_thin, width // 120, 0), 0, width // 6) & is_thin
    pieces = components(lines)
    lines = pieces.pixels(pieces.boxes[:, 3] - pieces.boxes[:, 1] > LONG * width)
    middle = slice(int(MARGIN * height), height - int(MARGIN * height))
    lines[middle] = False
    upper, lower = lines.copy(), lines
    upper[middle.stop :] = lower[: middle.start] = False
    return [line for line in (upper, lower) if line.any(axis=0).mean() > SPAN]


def goes_beyond(line: np.ndarray, rest: np.ndarray) -> bool:
    """Whether a level line runs through the whole picture, and beyond the rest of the ink on both sides."""
    columns = np.nonzero(rest)[1] / rest.shape[1]
    clear = len(columns) > 0 and (abs(np.quantile(columns, [0.01, 0.99]) - 0.5) < 0.5 - CLEAR).all()
    return bool(clear and line.any(axis=0).mean() > 1 - CLEAR)


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
    if max(strength.shape) < FINE:
        strength = scaled(strength, FINE, Image.Resampling.BICUBIC)
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
