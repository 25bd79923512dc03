"""Habits that MNIST's American hands hardly have: a 1 with a flag and a foot, a 7 with a bar, a 9 with a hook.

Most of the world writes them so. Each habit is a stroke or two, as wide as the digit's own, drawn on grey
pictures before they are distorted.
"""

import numpy as np

from digitnet.types import Floats, UInt8Array


def add_style_variants(pictures: UInt8Array, labels: UInt8Array, share: float, rng: np.random.Generator) -> UInt8Array:
    """Grey pictures (n, height, width) uint8, of which a ``share`` of the 1s, 7s and 9s get a habit."""
    chosen = np.flatnonzero(np.isin(labels, list(HABITS)) & (rng.random(len(labels)) < share))
    changed = pictures.copy()
    for i in chosen:
        rows, columns = np.nonzero(pictures[i] > 127)
        if len(rows) < 2:
            continue
        height = float(np.ptp(rows)) + 1
        strokes, crossed = HABITS[int(labels[i])]
        pen = max(1.5, len(rows) / height / crossed)
        for start, end in strokes(rows, columns, height, rng):
            np.maximum(changed[i], stroke(pictures.shape[1:], start, end, pen), out=changed[i])
        middle = [changed[i].sum(axis=1 - axis) @ np.arange(length) for axis, length in enumerate(pictures.shape[1:])]
        off = np.rint(np.array(pictures.shape[1:]) / 2 - np.array(middle) / changed[i].sum()).astype(int)
        changed[i] = np.roll(changed[i], off, (0, 1))
    return changed


Strokes = list[tuple[Floats, Floats]]
"""Start and end of each, [row, column]."""


def one(rows: np.ndarray, columns: np.ndarray, height: float, rng: np.random.Generator) -> Strokes:
    """A flag from the top to the lower left, and at times a foot."""
    top = np.array([rows[0], columns[rows == rows[0]].mean()])
    bottom = np.array([rows[-1], columns[rows == rows[-1]].mean()])
    angle = rng.uniform(0.45, 1.2)  # flatter, and it would be a 7
    flag = height * rng.uniform(0.2, 0.6) * np.array([np.sin(angle), -np.cos(angle)])
    strokes: Strokes = [(top, top + flag)]
    if rng.random() < 0.4:
        foot = height * rng.uniform(0.15, 0.4, 2)
        strokes.append((bottom - np.array([0, foot[0]]), bottom + np.array([0, foot[1]])))
    return strokes


def seven(rows: np.ndarray, columns: np.ndarray, height: float, rng: np.random.Generator) -> Strokes:
    """A bar through the stem, unless there is more than a stem at that height."""
    row = rows[0] + height * rng.uniform(0.4, 0.65)
    stem = columns[abs(rows - row) <= 1]
    if not len(stem) or np.ptp(stem) > height / 3:
        return []
    middle = np.array([row, stem.mean()])
    half = height * rng.uniform(0.15, 0.35) * np.array([rng.uniform(-0.3, 0.1), 1])
    return [(middle - half, middle + half)]


def nine(rows: np.ndarray, columns: np.ndarray, height: float, rng: np.random.Generator) -> Strokes:
    """A hook at the end of the stem, to the left and up again, unless there is one."""
    foot = columns[rows >= rows[-1] - 1]
    if np.ptp(foot) > height / 3:
        return []
    end = np.array([rows[-1], foot.mean()])
    turn = end + height * np.array([rng.uniform(0, 0.1), -rng.uniform(0.15, 0.35)])
    return [(end, turn), (turn, turn - height * rng.uniform(0.02, 0.2, 2))]


HABITS = {1: (one, 1.0), 7: (seven, 1.5), 9: (nine, 2.0)}
"""Of each digit: its strokes, and how often a row of pixels meets the pen."""


def stroke(shape: tuple[int, ...], start: Floats, end: Floats, width: float) -> UInt8Array:
    """A straight stroke with soft edges, alone in a picture."""
    along = end - start
    points = np.moveaxis(np.mgrid[: shape[0], : shape[1]], 0, -1) - start
    share = np.clip(points @ along / max(float(along @ along), 1e-9), 0, 1)
    distance = np.linalg.norm(points - share[..., None] * along, axis=-1)
    return np.asarray(255 * np.clip(width / 2 + 0.5 - distance, 0, 1), np.uint8)
