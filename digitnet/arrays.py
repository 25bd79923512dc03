"""Names for the array types that pass between modules, and how their memory is kept."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
"""Real numbers, float32 in use and float64 where gradients are checked."""

Bytes: TypeAlias = NDArray[np.uint8]
"""Grey levels 0 to 255, ink 0 or 1, or labels 0 to 9."""

Words: TypeAlias = NDArray[np.uint64]
"""Eight bytes each."""

# Linux's C library hands freed arrays back to the system, and every new one then costs a page fault for each 4 kB:
# a third of a training step. Once it has seen an array freed it keeps all smaller ones at hand (mallopt(3), "the
# dynamic mmap threshold", at most 32 MB). This one is never touched and so takes no memory.
np.empty(31 << 20, np.uint8)
