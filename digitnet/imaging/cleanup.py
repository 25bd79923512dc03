"""Which of the ink is the digit: frames, ruled lines and specks go, and strokes get the thickness of a pen.

Every step takes and returns ink strengths, 0 where there is none: pictures of one size in a stack (height, width, n)
uint8. What only few pictures need is done for them one by one.
"""

import numpy as np
from PIL import Image

from digitnet.imaging.components import components
from digitnet.imaging.preprocess import dilate, otsu, pad, scaled, total
from digitnet.imaging.stacks import unstack
from digitnet.types import UInt8Array

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
TOUCH = 0.02
"""Gap, as a share of the digit's size, that a pen leaves within a digit."""
TALL = 0.5
"""Height, as a share of the tallest one's, from which something beside is another digit."""
RULED = 1 / 16
"""Width over height below which an upright stroke is a ruled line, not a 1."""
CROWD = 100
"""Pieces from which on a picture is no row of digits."""
PEN = 2.0 / 20
"""Least stroke width as a share of the digit's longer side; MNIST's pens leave about this."""
FINE = 80
"""Pixels of the longer side at which a digit is fine enough to be thickened."""


def without_frame(strength: UInt8Array, threshold: np.ndarray) -> UInt8Array:
    """Erase the lines of a box that is printed around the digit: two sides of one, or one that is clear of it."""
    height, width, _ = strength.shape
    if 2 * min(height, width) < max(height, width):
        return strength  # cut out so narrowly, a 1 would be a frame
    is_ink = strength > threshold
    pen = max(height, width) // 32 + 1
    is_thin = is_ink & ~opening(is_ink, pen, pen)
    level, upright = horizontal_lines(is_thin, is_ink), horizontal_lines(is_thin.swapaxes(0, 1), is_ink.swapaxes(0, 1))
    without = strength
    for i in np.flatnonzero(spans(level) | spans(upright)):
        without = strength.copy() if without is strength else without
        without[..., i] = erased(strength[..., i], edge_lines(level[..., i]), edge_lines(upright[..., i]))
    return without


def horizontal_lines(is_thin: np.ndarray, is_ink: np.ndarray) -> np.ndarray:
    """Which ink lies in nearly level lines: thin, but for where a stroke of the digit meets the line."""
    width = is_thin.shape[1]
    lines = opening(dilate(is_thin, width // 120, 0), 0, width // 6) & is_thin
    return np.asarray(~opening(~lines, 0, width // 8) & is_ink)


def spans(lines: np.ndarray) -> np.ndarray:
    """Whether level lines take up as much of the picture's width near one of its edges as a frame does (n,)."""
    rim = int(MARGIN * len(lines))
    upper, lower = lines[:rim], lines[len(lines) - rim :]
    return np.asarray((upper.any(axis=0).mean(axis=0) > SPAN) | (lower.any(axis=0).mean(axis=0) > SPAN))


def edge_lines(lines: np.ndarray) -> list[np.ndarray]:
    """One picture's level lines (height, width) -> masks of the long ones along its upper and its lower edge."""
    height, width = lines.shape
    pieces = components(lines)
    lines = pieces.pixels(pieces.boxes[:, 3] - pieces.boxes[:, 1] > LONG * width)
    middle = slice(int(MARGIN * height), height - int(MARGIN * height))
    lines[middle] = False
    upper, lower = lines.copy(), lines
    upper[middle.stop :] = lower[: middle.start] = False
    return [line for line in (upper, lower) if line.any(axis=0).mean() > SPAN]


def erased(strength: UInt8Array, level: list[np.ndarray], upright: list[np.ndarray]) -> UInt8Array:
    """One picture (height, width) without its level and upright lines, if they are a frame."""
    if not level and not upright:
        return strength
    rim = 1 + max(strength.shape) // 100
    frame = np.zeros(strength.shape, bool)
    for line in (*level, *(line.T for line in upright)):
        frame |= dilate(line, rim, rim)
    without: UInt8Array = np.where(frame, 0, strength).astype(np.uint8)
    rest = without > otsu(without[..., None])
    if len(level) + len(upright) == 1 and not goes_beyond((level or upright)[0], rest if level else rest.T):
        return strength  # a digit's own bar, such as a 7's
    return without if rest.any() else strength


def goes_beyond(line: np.ndarray, rest: np.ndarray) -> bool:
    """Whether a level line runs through the whole picture, and beyond the rest of the ink on both sides."""
    columns = np.nonzero(rest)[1] / rest.shape[1]
    clear = len(columns) > 0 and (abs(np.quantile(columns, [0.01, 0.99]) - 0.5) < 0.5 - CLEAR).all()
    return bool(clear and line.any(axis=0).mean() > 1 - CLEAR)


def opening(mask: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """What is left of a mask where a rectangle of so many rows and columns either way fits in."""
    return dilate(~dilate(~mask, rows, columns), rows, columns)


def keep_main_component(strength: UInt8Array, threshold: np.ndarray) -> tuple[UInt8Array, np.ndarray]:
    """Keep the piece with the most ink near the middle, and what is near it and no speck.

    Returns:
        the ink strengths that are left, and whether a picture seems to hold several digits (n,) bool.
    """
    height, width, count = strength.shape
    # One below the other, with a row between, so that all pictures' pieces are found at once.
    tall = np.zeros((count, height + 1, width), bool)
    tall[:, :height] = (strength > threshold).transpose(2, 0, 1)
    pieces = components(tall.reshape(-1, width))
    picture = pieces.boxes[:, 0] // (height + 1)
    away, crowded = np.zeros(len(pieces), bool), np.zeros(count, bool)
    for i in np.flatnonzero(np.bincount(picture, minlength=count) > 1):
        own = picture == i
        boxes = pieces.boxes[own] - (i * (height + 1), 0, i * (height + 1), 0)
        away[own] = ~belonging(boxes, pieces.areas[own], height, width)
        crowded[i] = len(side_by_side(boxes, pieces.areas[own], height, width)) > 1
    dirty = np.flatnonzero(np.bincount(picture[away]))
    if not len(dirty):
        return strength, crowded
    dirt = pieces.pixels(away).reshape(tall.shape)[dirty, :height].transpose(1, 2, 0)
    strength = strength.copy()
    strength[..., dirty] = np.where(dilate(dirt, 1, 1), 0, strength[..., dirty])
    return strength, crowded


def belonging(boxes: np.ndarray, areas: np.ndarray, height: int, width: int) -> np.ndarray:
    """Which of one picture's pieces, at least one, are the digit: (n, 4) boxes and (n,) areas -> (n,) bool."""
    middle = np.array([height, width]) / 2
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    off = np.linalg.norm((centres - middle) / middle, axis=1)
    main = int(np.argmax(areas * np.exp(-np.square(off) * 2)))
    cut = is_cut(boxes, height, width)
    belongs = np.arange(len(boxes)) == main
    for _ in range(len(boxes)):  # what belongs to it may bring its own neighbours
        top, left = boxes[belongs, :2].min(axis=0)
        bottom, right = boxes[belongs, 2:].max(axis=0)
        vertical = np.maximum(top - boxes[:, 2], boxes[:, 0] - bottom)
        horizontal = np.maximum(left - boxes[:, 3], boxes[:, 1] - right)
        near = np.maximum(vertical, horizontal) < APART * max(bottom - top, right - left)
        grown = near & (areas > SPECK * areas[main]) & (~cut | cut[main])
        if (grown == belongs).all():
            break
        belongs = grown
    return np.asarray(belongs)


def is_cut(boxes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Which pieces the picture's edge cuts off: (n, 4) boxes -> (n,) bool."""
    return np.asarray((boxes[:, :2] == 0).any(axis=1) | (boxes[:, 2:] == (height, width)).any(axis=1))


def side_by_side(boxes: np.ndarray, areas: np.ndarray, height: int, width: int) -> list[np.ndarray]:
    """Pieces of one picture that may be a digit each: about as high as each other, whole, and no ruled lines.

    Pieces one above the other, or hardly unstack, are taken for strokes of the same digit.

    Args:
        boxes: (n, 4) top, left, bottom, right of all pieces, at least one.
        areas: (n,) pixels.
        height: of the picture.
        width: of the picture.

    Returns:
        the indices of the pieces of each.
    """
    big = np.flatnonzero(~is_cut(boxes, height, width) & (areas > SPECK * areas.max()))
    if not 1 < len(big) <= CROWD:
        return []
    top, left, bottom, right = boxes[big].T
    size = np.maximum.outer(bottom - top, bottom - top)
    across = np.maximum.outer(left, left) - np.minimum.outer(right, right)
    down = np.maximum.outer(top, top) - np.minimum.outer(bottom, bottom)
    joined = ((across < 0) & (down < APART * size)) | ((across < TOUCH * size) & (down < 0))
    for _ in range(len(big).bit_length()):  # what is joined to what is joined to it
        joined = joined @ joined
    first = joined.argmax(axis=1)
    groups = [big[first == number] for number in np.unique(first)]
    high = [np.ptp(boxes[group][:, [0, 2]]) for group in groups]
    wide = [np.ptp(boxes[group][:, [1, 3]]) for group in groups]
    digits = [i for i in range(len(groups)) if wide[i] > RULED * high[i]]
    tallest = max((high[i] for i in digits), default=0)
    return [groups[i] for i in digits if high[i] >= TALL * tallest]


def thicken(strength: UInt8Array) -> list[UInt8Array]:
    """Bring thin strokes of a digit that fills the picture to PEN; a digit of few pixels is enlarged first.

    The pictures (height, width) grow by what their strokes need.
    """
    if not strength.size:
        return unstack(strength)
    if max(strength.shape[:2]) < FINE:
        strength = scaled(strength, FINE, Image.Resampling.BICUBIC)
    is_ink = strength > 127
    edge = is_ink & dilate(~pad(is_ink, 1, 1), 1, 1)[1:-1, 1:-1]
    stroke = 2 * total(is_ink) / np.maximum(total(edge), 1)
    missing = np.rint((PEN * max(strength.shape[:2]) - stroke) / 2).astype(int)
    thick = unstack(strength)
    for pixels in set(missing[missing > 0].tolist()):
        chosen = np.flatnonzero(missing == pixels)
        for i, picture in zip(chosen, unstack(dilate_strokes(strength[..., chosen], pixels)), strict=True):
            thick[i] = picture
    return thick


def dilate_strokes(strength: UInt8Array, pixels: int) -> UInt8Array:
    """Strokes thicker by so many pixels on either side, and the picture with them."""
    strength = pad(strength, pixels, pixels)
    for step in range(pixels):  # squares and crosses in turn: nearly a disc
        square = dilate(strength, 1, 1) if step % 2 else strength
        strength = np.maximum(square, np.maximum(dilate(strength, 1, 0), dilate(strength, 0, 1)))
    return strength
