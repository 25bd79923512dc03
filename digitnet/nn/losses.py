"""The goodness of a function: the loss l of one example; the total loss L is its sum over the data.

A loss owns the output activation y = f(z), because only together are they exact: sigmoid or softmax
composed separately with cross-entropy silently gives a zero gradient in float32 once z is large.
All arrays have one column per example.
"""

from typing import Protocol

import numpy as np

from digitnet.nn.activations import sigmoid
from digitnet.types import Floats


class Loss(Protocol):
    """A loss and the output activation that belongs to it."""

    output_name: str
    """The output activation, as Keras calls it."""

    def output(self, z: Floats) -> Floats:
        """z (classes, n) -> y (classes, n), each the confidence of one class, 0 to 1."""

    def value(self, z: Floats, target: Floats) -> Floats:
        """z and target (classes, n) -> l (n,); a target is a column of probabilities."""

    def delta(self, z: Floats, target: Floats) -> Floats:
        """z and target (classes, n) -> dl/dz (classes, n)."""


class CrossEntropy:
    """l = -sum(target * ln y) with y = softmax(z) (Bishop 2006, section 4.3.4)."""

    output_name = "softmax"

    def output(self, z: Floats) -> Floats:
        """See :class:`Loss`; every column sums to 1."""
        e = np.exp(z - z.max(axis=0))
        return np.asarray(e / e.sum(axis=0))

    def value(self, z: Floats, target: Floats) -> Floats:
        """See :class:`Loss`."""
        z = z - z.max(axis=0)
        log_y = z - np.log(np.exp(z).sum(axis=0))
        return np.asarray(-(target * log_y).sum(axis=0))

    def delta(self, z: Floats, target: Floats) -> Floats:
        """y - target, exactly: the softmax and the logarithm cancel (targets sum to 1)."""
        return np.asarray(self.output(z) - target)


class SquaredError:
    """l = 1/2 sum((y - target)^2) with y = sigmoid(z) (Nielsen 2015, chapter 2, equation 26)."""

    output_name = "sigmoid"

    def output(self, z: Floats) -> Floats:
        """See :class:`Loss`; every element is between 0 and 1 by itself."""
        return sigmoid(z)

    def value(self, z: Floats, target: Floats) -> Floats:
        """See :class:`Loss`."""
        return np.asarray(0.5 * np.square(self.output(z) - target).sum(axis=0))

    def delta(self, z: Floats, target: Floats) -> Floats:
        """(y - target) * y * (1 - y)."""
        y = self.output(z)
        return np.asarray((y - target) * y * (1 - y))


LOSSES: dict[str, Loss] = {"cross-entropy": CrossEntropy(), "square": SquaredError()}
