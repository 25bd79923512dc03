"""Names for the array types that pass between modules, and how their memory is kept."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.floating[Any]]
"""Real numbers, float32 in use and float64 where gradients are checked."""

Bytes: TypeAlias = NDArray[np.uint8]
"""Grey levels 0 to 255, ink 0 or 1, or labels 0 to 9."""

Words: TypeAlias = NDArray[np.uint64]
"""Eight bytes each."""

STACK = 1 << 18
"""Pixels of a stack that stay in a core's cache from one step to the next."""
FEW = 16
"""Pictures of which a stack takes longer than each by itself: NumPy's innermost loops run over them."""


Result = TypeVar("Result")


def alike(step: Callable[[Bytes], Iterable[Result]], pictures: Sequence[Bytes]) -> list[Result]:
    """Apply a step to pictures (height, width) of any sizes, those of one size together in stacks (height, width, n).

    The step returns a result for each of its stack, and so does this for each of ``pictures``, in their order.
    """
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        by_shape.setdefault(picture.shape, []).append(index)
    results: dict[int, Result] = {}
    for (height, width), indices in by_shape.items():
        most = STACK // max(height * width, 1)
        most = most if most > FEW else 1
        for start in range(0, len(indices), most):
            chosen = indices[start : start + most]
            stack = np.ascontiguousarray(np.array([pictures[i] for i in chosen]).transpose(1, 2, 0))
            results |= zip(chosen, step(stack), strict=True)
    return [results[i] for i in range(len(pictures))]


def apart(stack: Bytes) -> list[Bytes]:
    """The pictures (height, width) of a stack (height, width, n)."""
    return list(stack.transpose(2, 0, 1))


# Linux's C library hands freed arrays back to the system, and every new one then costs a page fault for each 4 kB:
# a third of a training step. Once it has seen an array freed it keeps all smaller ones at hand (mallopt(3), "the
# dynamic mmap threshold", at most 32 MB). This one is never touched and so takes no memory.
np.empty(31 << 20, np.uint8)
