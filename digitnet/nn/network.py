"""The function set: y = f(x; theta), a chain of layers and the output activation of its loss."""

# Annotations stay unread: np.random would cost prediction 10 ms.
from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import accumulate

import numpy as np

from digitnet.checks import choice, generator
from digitnet.nn.activations import ACTIVATIONS
from digitnet.nn.architecture import build
from digitnet.nn.losses import LOSSES
from digitnet.types import Floats


class Network:
    """A feed-forward network.

    Example:
        >>> import numpy as np
        >>> network = Network((784, 100, 10))
        >>> network
        Network(784 -> 100 relu -> 10 softmax, 79,510 parameters)
        >>> network(np.zeros((784, 3), np.float32)).shape
        (10, 3)
        >>> Network(("28x28", "20x5x5", "2s", 10))
        Network(28x28 -> 20x5x5 relu -> 2s -> 10 softmax, 29,330 parameters)

    Args:
        structure: neurons of every layer, the input first: (784, 500, 500, 10); or other layers, in the notation of
            :func:`digitnet.nn.architecture.build`.
        activation: of the hidden layers, a name from ``ACTIVATIONS``.
        loss: a name from ``LOSSES``; it owns the output activation.
        rng: draws the first parameters; by default the same ones every time.
        parameters: flat, taken as they are instead of drawing; float64 checks gradients.

    Raises:
        TypeError: the structure is not a sequence of whole numbers and strings, or something else has a wrong type.
        ValueError: no such structure, an unknown name, or not the right number of parameters.
    """

    def __init__(
        self,
        structure: Sequence[int | str],
        *,
        activation: str = "relu",
        loss: str = "cross-entropy",
        rng: np.random.Generator | None = None,
        parameters: Floats | None = None,
    ) -> None:
        if isinstance(structure, str | bytes) or not isinstance(structure, Sequence | np.ndarray):
            raise TypeError(f"structure must be a sequence such as (784, 100, 10), not {type(structure).__name__}")
        for part in structure:
            if not isinstance(part, str | int | np.integer):
                kind = type(part).__name__
                raise TypeError(f"a layer must be a whole number or a string such as '20x5x5', not {kind} {part!r}")
        if len(structure) < 2:
            raise ValueError(f"a network needs at least an input and an output: {structure}")
        choice("activation", activation, ACTIVATIONS)
        choice("loss", loss, LOSSES)
        if parameters is not None and (not isinstance(parameters, np.ndarray) or parameters.dtype.kind != "f"):
            raise TypeError("parameters must be an array of floats, flat, as long as those of the network")
        if rng is not None:
            generator(rng)
        self.structure = tuple(map(str, structure))
        self.activation, self.loss_name, self.loss = activation, loss, LOSSES[loss]
        self.layers = build(self.structure, activation)
        self.sizes = (self.layers[0].inputs, *(layer.outputs for layer in self.layers))
        """Numbers that go in, and that come out of each layer."""
        size = sum(layer.size for layer in self.layers)
        self._parameters: Floats = np.empty(size, np.float32) if parameters is None else parameters
        if self.parameters.shape != (size,):
            raise ValueError(f"{self.parameters.shape} parameters, not {(size,)}")
        for layer, stretch in zip(self.layers, self.split_by_layer(self.parameters), strict=True):
            layer.bind(stretch)
        if parameters is None:
            rng = rng or np.random.default_rng(0)
            for layer in self.layers:
                layer.initialize(rng)

    @property
    def parameters(self) -> Floats:
        """theta: all weights and biases in one flat array, (n,) float32; the layers hold views into it."""
        return self._parameters

    @parameters.setter
    def parameters(self, values: Floats) -> None:
        if values is not self._parameters:  # as it is after ``network.parameters -= eta * gradient``
            raise AttributeError(
                "the layers hold views into this array; write into it: network.parameters[...] = values"
            )

    def __getstate__(self) -> tuple[tuple[str, ...], str, str, Floats]:
        # Views would become arrays of their own: a copy makes its layers anew, on its own parameters.
        return self.structure, self.activation, self.loss_name, self.parameters

    def __setstate__(self, state: tuple[tuple[str, ...], str, str, Floats]) -> None:
        structure, activation, loss, parameters = state
        Network.__init__(self, structure, activation=activation, loss=loss, parameters=parameters)

    def __copy__(self) -> Network:
        """As of an array: a network of its own."""
        return deepcopy(self)

    def split_by_layer(self, flat: Floats) -> list[Floats]:
        """Views of each layer's own part of a flat array as long as ``parameters``."""
        ends = accumulate(layer.size for layer in self.layers)
        return [flat[end - layer.size : end] for layer, end in zip(self.layers, ends, strict=True)]

    def forward(self, x: Floats) -> Floats:
        """x (inputs, n) -> z (classes, n), what the output activation is yet to be applied to.

        Raises:
            TypeError: x is not an array.
            ValueError: x does not have that shape.
        """
        if not isinstance(x, np.ndarray):
            raise TypeError(f"x must be an array, not {type(x).__name__}")
        if x.ndim != 2 or len(x) != self.sizes[0]:
            raise ValueError(
                f"x must have shape ({self.sizes[0]}, n), one column per image, not {x.shape}; "
                "x.T turns rows into columns, x.reshape(-1, 1) makes one"
            )
        for layer in self.layers:
            x, _ = layer.forward(x)
        return x

    def __call__(self, x: Floats) -> Floats:
        """x (inputs, n) -> y (classes, n), each the confidence of one class; raises what :meth:`forward` does."""
        return self.loss.output(self.forward(x))

    def backpropagate(self, x: Floats, target: Floats, gradient: Floats) -> float:
        """Write the gradient of the mean loss of n examples and return their total loss.

        Forward, then the chain rule walked backwards (Rumelhart, Hinton and Williams 1986).

        Args:
            x: (inputs, n).
            target: (classes, n), probabilities.
            gradient: flat, as long as ``parameters``; overwritten.
        """
        backwards = []
        for layer in self.layers:
            x, backward = layer.forward(x)
            backwards.append(backward)
        dl_da: Floats | None = self.loss.delta(x, target) / x.dtype.type(x.shape[1])
        parts = self.split_by_layer(gradient)
        for i in reversed(range(len(self.layers))):
            assert dl_da is not None
            dl_da = backwards[i](dl_da, parts[i], i > 0)
        return float(self.loss.value(x, target).sum(dtype=np.float64))

    def __repr__(self) -> str:
        hidden = zip(self.structure[1:-1], self.layers, strict=False)
        chain = [self.structure[0], *(f"{part} {self.activation}" if layer.size else part for part, layer in hidden)]
        chain.append(f"{self.structure[-1]} {self.loss.output_name}")
        return f"Network({' -> '.join(chain)}, {self.parameters.size:,} parameters)"
