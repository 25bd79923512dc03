"""Names for the array types that pass between modules, and scratch arrays to compute in."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
"""Real numbers, float32 in use and float64 where gradients are checked."""

Bytes: TypeAlias = NDArray[np.uint8]
"""Grey levels 0 to 255, ink 0 or 1, or labels 0 to 9."""

Empty: TypeAlias = Callable[[tuple[int, ...], DTypeLike], NDArray[Any]]
"""empty(shape, dtype) -> an array to compute in: np.empty, or Scratch.empty where the same step comes again."""


class Scratch:
    """Hands out the same arrays in every step, so that none is allocated twice.

    A step asks for arrays in the same order as the step before it; ``begin`` starts over from the first.
    """

    def __init__(self) -> None:
        self._arrays: list[NDArray[Any]] = []
        self._next = 0

    def begin(self) -> None:
        """A new step: all arrays handed out so far may be handed out again."""
        self._next = 0

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """As np.empty; the array is the caller's until the next ``begin``."""
        if self._next == len(self._arrays):
            self._arrays.append(np.empty(shape, dtype))
        array = self._arrays[self._next]
        if array.shape != shape or array.dtype != dtype:
            array = self._arrays[self._next] = np.empty(shape, dtype)
        self._next += 1
        return array
