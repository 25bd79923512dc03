"""First weights from the digits alone, without their labels: restricted Boltzmann machines, layer upon layer.

Each hidden layer in turn learns to tell again what the layers below it make of the digits (Hinton, Osindero and Teh
2006, "A fast learning algorithm for deep belief nets", section 4; Hinton and Salakhutdinov 2006, "Reducing the
dimensionality of data with neural networks"). It ends in an ordinary network, at a better place to descend from.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from digitnet.data.datasets import Dataset
from digitnet.errors import DigitnetError
from digitnet.imaging.normalize import binarize, columns
from digitnet.models.model import Model
from digitnet.nn.activations import sigmoid
from digitnet.nn.layers import Dense
from digitnet.nn.network import Network
from digitnet.nn.optimizers import Momentum
from digitnet.training.trainer import schedule
from digitnet.types import Floats

EPOCHS = 30
"""Passes over the digits for each layer."""
BATCH_SIZE, LEARNING_RATE, WEIGHT_DECAY = 100, 0.1, 0.0002
"""Sections 4, 7 and 10 of Hinton 2010, "A practical guide to training restricted Boltzmann machines" (guide)."""
WARMUP = 0.1
"""Share of a layer's epochs in which the learning rate rises, before it falls; the guide lets the momentum rise."""
RARE = 0.01
"""No pixel is taken to have ink less often than this, or blank paper."""


class Reconstruction(NamedTuple):
    """What one pass over the digits came to.

    Attributes:
        layer: which hidden one, from 1.
        layers: how many there are.
        epoch: of this layer, from 1.
        error: mean square of the difference between what the layer sees and what it tells again, 0 to 1.
    """

    layer: int
    layers: int
    epoch: int
    error: float


class RBM:
    """Visible units v and hidden units h, 0 or 1, with P(v, h) proportional to exp(b'v + c'h + v'Wh).

    Restricted: no unit is tied to another of its kind, so that all of a kind are drawn at once, given the other.

    Args:
        theta: W, c and b, flat; W and c as they lie in a :class:`digitnet.nn.layers.Dense`.
        visible: how many units.
        hidden: how many units.

    Attributes:
        weights: W (visible, hidden), a view of theta, as are
        hidden_biases: c (hidden, 1), and
        visible_biases: b (visible, 1).
    """

    def __init__(self, theta: Floats, visible: int, hidden: int) -> None:
        self.shape = (visible, hidden)
        self.weights, self.hidden_biases, self.visible_biases = self._views(theta)

    def _views(self, flat: Floats) -> tuple[Floats, Floats, Floats]:
        visible, hidden = self.shape
        weights, hidden_biases, visible_biases = np.split(flat, [visible * hidden, (visible + 1) * hidden])
        return weights.reshape(self.shape), hidden_biases.reshape(-1, 1), visible_biases.reshape(-1, 1)

    def hidden(self, v: Floats) -> Floats:
        """v (visible, n) -> P(h = 1 | v) (hidden, n)."""
        return sigmoid(self.weights.T @ v + self.hidden_biases)

    def visible(self, h: Floats) -> Floats:
        """h (hidden, n) -> P(v = 1 | h) (visible, n)."""
        return sigmoid(self.weights @ h + self.visible_biases)

    def contrast(self, v: Floats, gradient: Floats, rng: np.random.Generator, steps: int = 1) -> float:
        """Write what contrastive divergence takes for the gradient of -ln P(v), and return the reconstruction error.

        The more steps, the nearer (Hinton 2002, "Training products of experts by minimizing contrastive divergence").

        Args:
            v: (visible, n) 0 or 1, or probabilities; the gradient is the mean over these n.
            gradient: flat, as long as theta; overwritten.
            rng: draws the units.
            steps: how often the units are drawn, hidden, then visible; 1 is CD-1.
        """
        h = self.hidden(v)
        told, heard, error = v, h, 0.0
        for step in range(steps):
            told = self.visible(_drawn(heard, rng))
            if step == 0:
                error = float(np.square(v - told).mean())
            told = _drawn(told, rng)
            heard = self.hidden(told)
        weights, hidden_biases, visible_biases = self._views(gradient)
        np.matmul(told, heard.T, out=weights)
        weights -= v @ h.T
        weights /= weights.dtype.type(v.shape[1])
        hidden_biases[...] = (heard - h).mean(axis=1, keepdims=True)
        visible_biases[...] = (told - v).mean(axis=1, keepdims=True)
        return error


def _drawn(probability: Floats, rng: np.random.Generator) -> Floats:
    """1 with this probability, else 0; any shape."""
    return (rng.random(probability.shape, np.float32) < probability).astype(probability.dtype)


def hidden_layers(network: Network) -> list[Dense]:
    """The layers that can be pretrained: all but the last.

    Raises:
        DigitnetError: there are none, or they are not of a Boltzmann machine's kind.
    """
    *hidden, _ = network.layers
    dense = [layer for layer in hidden if isinstance(layer, Dense)]
    if not dense or len(dense) < len(hidden) or network.activation != "sigmoid":
        raise DigitnetError("only hidden layers of sigmoid neurons can be pretrained, such as 784,500,500,10")
    return dense


def pretrain(
    model: Model,
    train: Dataset,
    rng: np.random.Generator,
    progress: Callable[[int], object] = lambda pictures: None,
) -> Iterator[Reconstruction]:
    """Give a network's hidden layers their first weights, in place; yields after every epoch of every layer.

    Args:
        model: its network is a chain of sigmoid layers.
        train: not empty; its labels are not looked at.
        rng: orders the digits and draws the units.
        progress: called with the number of digits of every mini-batch that is done.

    Raises:
        DigitnetError: see :func:`hidden_layers`.
    """
    layers = hidden_layers(model.network)
    flats = model.network.split_by_layer(model.network.parameters)
    steps = -(-len(train) // BATCH_SIZE)
    for number, layer in enumerate(layers):

        def seen(digits: Dataset, lower: list[Dense] = layers[:number]) -> Floats:
            x = columns(binarize(digits.images, model.ink))
            for below in lower:
                x, _ = below.forward(x)
            return x

        inked = np.clip(seen(train[:1000]).mean(axis=1), RARE, 1 - RARE)
        theta = np.concatenate([flats[number], np.log(inked / (1 - inked))])  # guide, section 8
        machine, gradient, rule = RBM(theta, *layer.kernel_shape), np.empty_like(theta), Momentum(theta)
        weights = slice(0, machine.weights.size)
        for epoch in range(EPOCHS):
            order, error = rng.permutation(len(train)), 0.0
            for step in range(steps):
                digits = train[order[step * BATCH_SIZE : (step + 1) * BATCH_SIZE]]
                error += machine.contrast(seen(digits), gradient, rng) * len(digits)
                gradient[weights] += WEIGHT_DECAY * theta[weights]
                rule.step(theta, gradient, LEARNING_RATE * schedule((epoch + (step + 0.5) / steps) / EPOCHS, WARMUP))
                progress(len(digits))
            yield Reconstruction(number + 1, len(layers), epoch + 1, error / len(train))
        flats[number][...] = theta[: layer.size]
