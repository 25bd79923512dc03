"""Images of one size in one array, (height, width, n), of which a step costs hardly more than of one."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import numpy as np

from digitnet.types import UInt8Array

BATCH_PIXELS = 1 << 18
"""Pixels of a stack that stay in a core's cache from one step to the next."""
MIN_BATCHED = 16
"""Pictures of which a stack takes longer than each by itself: NumPy's innermost loops run over them."""


Result = TypeVar("Result")


def map_by_shape(step: Callable[[UInt8Array], Iterable[Result]], pictures: Sequence[UInt8Array]) -> list[Result]:
    """Apply a step to pictures (height, width) of any sizes, those of one size together in stacks (height, width, n).

    The step returns a result for each of its stack, and so does this for each of ``pictures``, in their order.
    """
    by_shape: dict[tuple[int, ...], list[int]] = {}
    for index, picture in enumerate(pictures):
        by_shape.setdefault(picture.shape, []).append(index)
    results: dict[int, Result] = {}
    for (height, width), indices in by_shape.items():
        most = BATCH_PIXELS // max(height * width, 1)
        most = most if most > MIN_BATCHED else 1
        for start in range(0, len(indices), most):
            chosen = indices[start : start + most]
            stack = np.ascontiguousarray(np.array([pictures[i] for i in chosen]).transpose(1, 2, 0))
            results |= zip(chosen, step(stack), strict=True)
    return [results[i] for i in range(len(pictures))]


def unstack(stack: UInt8Array) -> list[UInt8Array]:
    """The pictures (height, width) of a stack (height, width, n)."""
    return list(stack.transpose(2, 0, 1))
