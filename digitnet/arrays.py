"""Names for the array types that pass between modules."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
"""Real numbers, float32 in use and float64 where gradients are checked."""

Bytes: TypeAlias = NDArray[np.uint8]
"""Grey levels 0 to 255, ink 0 or 1, or labels 0 to 9."""
