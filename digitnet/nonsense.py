"""Pictures that are no digit: blots, stripes, checks and grain, for a network to learn to be unsure of."""

import numpy as np

from digitnet.arrays import Bytes

WAVES = 3
"""Plane waves in a picture; one makes stripes, a few make checks and blots."""


def nonsense(count: int, side: int, rng: np.random.Generator) -> Bytes:
    """Draw (count, side, side) uint8 pictures of 0 and 255, each with some ink.

    Random waves are cut at a random level and framed by a rectangle as long as a digit and at least half as wide; in
    half of all they sink towards the edges, which leaves blots without straight sides.
    """
    at = (np.arange(side) + 0.5) / side
    cycles = rng.normal(size=(count, WAVES, 2)) * np.exp(rng.uniform(np.log(0.3), np.log(side / 3), (count, 1, 1)))
    phase = 2 * np.pi * (cycles[..., 0, None, None] * at[:, None] + cycles[..., 1, None, None] * at)
    heights = rng.random((count, WAVES)) ** 2
    waves = np.einsum("nk,nkij->nij", heights, np.cos(phase + rng.uniform(0, 2 * np.pi, (count, WAVES, 1, 1))))
    extent = rng.permuted(np.stack([np.full(count, 0.36), rng.uniform(0.18, 0.36, count)], axis=1), axis=1)
    rows, columns = (abs(at - 0.5) < extent[:, axis, None] for axis in (0, 1))
    frame = rows[:, :, None] & columns[:, None, :]
    deviation, far = waves.std(axis=(1, 2)), (at[:, None] - 0.5) ** 2 + (at - 0.5) ** 2
    dome = rng.choice([0, 40], count) * deviation
    relief = np.where(frame, waves - dome[:, None, None] * far, -np.inf)
    highest = relief.max(axis=(1, 2))
    level = np.minimum(rng.uniform(-2, 1, count), highest / deviation - 0.3) * deviation
    return np.where(relief > level[:, None, None], 255, 0).astype(np.uint8)
