"""Activation functions sigma: value and derivative side by side, found by name.

Each derivative is written in terms of the value a = sigma(z), which is what backpropagation has at hand.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from digitnet.types import Floats


class Activation(NamedTuple):
    """One function sigma, applied to every element."""

    value: Callable[[Floats], Floats]
    """z, any shape -> a = sigma(z), the same shape and dtype; z may be overwritten."""
    derivative: Callable[[Floats], np.ndarray]
    """a, any shape -> sigma'(z), which multiplies an array of that shape; bool where it is 0 or 1."""
    gain: float
    """Variance of the first weights times the number of inputs."""


def sigmoid(z: Floats) -> Floats:
    """1 / (1 + exp(-z)), written so that it never overflows."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * z)))


ACTIVATIONS: dict[str, Activation] = {
    # He et al. 2015 (arXiv 1502.01852), section 2.2: half of a relu's inputs are cut off, hence 2.
    "relu": Activation(lambda z: np.maximum(z, 0, out=z), lambda a: a > 0, gain=2.0),
    # LeCun et al. 1998, "Efficient BackProp", section 4.6. A sigmoid's slope is 1/4 at most, so that both signals and
    # gradients shrink from layer to layer; 16 would undo that at the start, and hide why deep nets once did not train.
    "sigmoid": Activation(sigmoid, lambda a: a * (1 - a), gain=1.0),
    "tanh": Activation(lambda z: np.tanh(z, out=z), lambda a: 1 - a * a, gain=1.0),
    "identity": Activation(lambda z: z, lambda a: np.ones((), a.dtype), gain=1.0),
}
