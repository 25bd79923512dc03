"""Pictures that are no digit: blots, stripes, checks and grain, for a network to learn to be unsure of."""

import numpy as np
from PIL import Image

from digitnet.imaging.normalize import SIDE, normalize_all
from digitnet.types import UInt8Array

WAVES = 8
"""Plane waves in a picture; a single high one makes stripes, a few make checks, many make grain and blots."""

STROKES = 130
"""Pixels of ink up to which a picture could be a digit's strokes: most digits have fewer."""


def nonsense(count: int, rng: np.random.Generator) -> UInt8Array:
    """Draw up to (count, 28, 28) uint8 grey pictures, which have come through the chain as any picture does.

    Random waves are cut off at a random level, softly or sharply; in half of all they sink towards the edges, which
    leaves blots. A stripe that is left alone is a 1, so what has little ink is thrown away.
    """
    at = (np.arange(SIDE) + 0.5) / SIDE
    cycles = rng.normal(size=(count, WAVES, 2)) * np.exp(rng.uniform(np.log(0.3), np.log(SIDE / 3), (count, 1, 1)))
    heights = rng.random((count, WAVES, 1)) ** rng.uniform(0, 6, (count, 1, 1))
    phases = np.exp(2j * np.pi * rng.random((count, WAVES, 1)))
    down, across = (np.exp(2j * np.pi * cycles[..., axis, None] * at) for axis in (0, 1))
    waves = ((heights * phases * down).swapaxes(1, 2) @ across).real
    far = (at[:, None] - 0.5) ** 2 + (at - 0.5) ** 2
    relief = waves / waves.std(axis=(1, 2), keepdims=True) - rng.choice([0, 40], (count, 1, 1)) * far
    level = np.minimum(rng.uniform(-2, 1, (count, 1, 1)), relief.max(axis=(1, 2), keepdims=True) - 0.3)
    slope = np.exp(rng.uniform(np.log(30), np.log(3000), (count, 1, 1)))
    grey = np.clip(128 + slope * (relief - level), 0, 255).astype(np.uint8)
    pictures = normalize_all([Image.fromarray(picture) for picture in grey], "light")
    return np.asarray(pictures[(pictures > 127).sum(axis=(1, 2)) > STROKES])
