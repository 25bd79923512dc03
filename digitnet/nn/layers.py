"""One layer of the function set: forward, and the chain rule walked backwards through it.

``forward(x)`` returns its result and a ``backward`` that remembers what the forward pass computed, so that
nothing is kept in the layer that could go stale, and training and prediction share one forward pass.
Parameters and gradients are views into flat buffers that the network owns; an optimizer sees only those.
"""

# Annotations stay unread: np.random would cost prediction 10 ms.
from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from digitnet.nn.activations import ACTIVATIONS
from digitnet.types import Floats

Backward = Callable[[Floats, Floats, bool], Floats | None]
"""backward(dl_da, gradient, wants_dx): write dl/dparameters into ``gradient`` (flat, the layer's own stretch)
and return dl/dx, or None where it is not wanted (nobody stands before the first layer). Overwrites dl_da."""


class Layer(Protocol):
    """A function with parameters, from columns of ``inputs`` numbers to columns of ``outputs`` numbers."""

    inputs: int
    outputs: int
    size: int
    """How many parameters."""
    kernel_shape: tuple[int, ...]
    """The axes of the weights as they lie in the parameters, the layer's neurons last, before a bias for each of these;
    none without parameters."""
    activation: str

    def bind(self, parameters: Floats) -> None:
        """Take a flat array of ``size`` numbers as the parameters: a view, not a copy."""

    def initialize(self, rng: np.random.Generator) -> None:
        """Draw the parameters anew, in place."""

    def forward(self, x: Floats) -> tuple[Floats, Backward]:
        """x (inputs, n) -> a (outputs, n) and the way back."""


class Dense:
    """a = sigma(W x + b): every neuron sees every input.

    Shapes: W (outputs, inputs), b (outputs, 1), x (inputs, n), a (outputs, n).

    Args:
        inputs: numbers in.
        outputs: neurons.
        activation: sigma, a name from ``ACTIVATIONS``.
        sparse: leave out inputs that are 0 in all n columns; their products are 0. Pays on ink, a third of whose
            pixels are blank in a whole mini-batch.
    """

    weights: Floats
    biases: Floats

    def __init__(self, inputs: int, outputs: int, activation: str, sparse: bool = False) -> None:
        self.inputs, self.outputs, self.activation, self.sparse = inputs, outputs, activation, sparse
        self.kernel_shape: tuple[int, ...] = (inputs, outputs)
        self.size = inputs * outputs + outputs

    def bind(self, parameters: Floats) -> None:
        """See :class:`Layer`; W column by column, so that an input's weights lie together, then b."""
        self.weights, self.biases = self._views(parameters)

    def _views(self, flat: Floats) -> tuple[Floats, Floats]:
        weights, biases = flat[: -self.outputs], flat[-self.outputs :]
        return weights.reshape(self.inputs, self.outputs).T, biases.reshape(self.outputs, 1)

    def initialize(self, rng: np.random.Generator) -> None:
        """Normal weights of variance gain / inputs (sources in ``activations``), biases 0."""
        deviation = np.sqrt(ACTIVATIONS[self.activation].gain / self.inputs)
        self.weights[...] = deviation * rng.standard_normal(self.weights.shape, dtype=np.float32)
        self.biases[...] = 0

    def forward(self, x: Floats) -> tuple[Floats, Backward]:
        """See :class:`Layer`."""
        sigma = ACTIVATIONS[self.activation]
        n, weights, live = x.shape[1], self.weights, None
        if self.sparse:
            live = np.flatnonzero(x.any(axis=1))
            x, weights = x[live], weights.T[live].T
        z = weights @ x
        z += self.biases
        a = sigma.value(z)

        def backward(dl_da: Floats, gradient: Floats, wants_dx: bool) -> Floats | None:
            dl_dz = np.multiply(dl_da, sigma.derivative(a), out=dl_da)
            dl_dw, dl_db = self._views(gradient)
            np.matmul(dl_dz, np.ones((n, 1), x.dtype), out=dl_db)  # row sums, faster than np.sum
            if live is None:
                np.matmul(x, dl_dz.T, out=dl_dw.T)
            else:
                dl_dw[...] = 0
                dl_dw.T[live] = x @ dl_dz.T
            return self.weights.T @ dl_dz if wants_dx else None

        return a, backward
