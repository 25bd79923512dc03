"""Names for the array types that pass between modules, how their memory is kept, and the classes."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
"""Real numbers, float32 in use and float64 where gradients are checked."""

UInt8Array: TypeAlias = NDArray[np.uint8]
"""Grey levels 0 to 255, ink 0 or 1, or labels 0 to 9."""

UInt64Array: TypeAlias = NDArray[np.uint64]
"""Eight bytes each."""

CLASSES = 10
"""The digits, 0 to 9."""


def one_hot(labels: np.ndarray) -> np.ndarray:
    """Labels (n,) 0 to 9 -> float32 targets (10, n): all the probability on the true class."""
    return np.eye(CLASSES, dtype=np.float32)[:, labels]


# Linux's C library hands freed arrays back to the system, and every new one then costs a page fault for each 4 kB:
# a third of a training step. Once it has seen an array freed it keeps all smaller ones at hand (mallopt(3), "the
# dynamic mmap threshold", at most 32 MB). This one is never touched and so takes no memory.
np.empty(31 << 20, np.uint8)
