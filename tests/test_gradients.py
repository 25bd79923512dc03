"""Backpropagation against numeric gradients, in float64, for every activation and loss."""

import numpy as np
import pytest

from digitnet import Network
from digitnet.nn.activations import ACTIVATIONS
from digitnet.nn.layers import Dense
from digitnet.nn.losses import LOSSES
from digitnet.types import Floats

STEP = 1e-5


def numeric(f: "np.ufunc | object", at: Floats) -> Floats:
    """Central differences of a function of an array, which is changed and put back element by element."""
    assert callable(f)
    slopes = np.empty_like(at)
    for i in np.ndindex(at.shape):
        kept = at[i]
        at[i] = kept + STEP
        above = f()
        at[i] = kept - STEP
        slopes[i] = (above - f()) / (2 * STEP)
        at[i] = kept
    return slopes


def relative_error(a: Floats, b: Floats) -> float:
    return float(np.linalg.norm(a - b) / (np.linalg.norm(a) + np.linalg.norm(b)))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", [(4, 10), (4, 5, 10), (4, 6, 5, 10)])
def test_network(sizes: tuple[int, ...], activation: str, loss: str) -> None:
    rng = np.random.default_rng(2)
    parameters = rng.normal(size=Network(sizes).parameters.size) * 0.7
    network = Network(sizes, activation=activation, loss=loss, parameters=parameters)
    x = rng.normal(size=(4, 7))
    target = rng.dirichlet(np.ones(10), size=7).T  # probabilities, not only labels
    gradient = np.empty_like(parameters)

    total = network.backpropagate(x, target, gradient)

    assert total == pytest.approx(network.loss.value(network.forward(x), target).sum())
    expected = numeric(lambda: network.loss.value(network.forward(x), target).mean(), parameters)
    assert relative_error(gradient, expected) < 1e-6


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_dense_layer(activation: str, sparse: bool) -> None:
    rng = np.random.default_rng(3)
    layer = Dense(5, 4, activation, sparse)
    parameters, gradient = rng.normal(size=layer.size), np.full(layer.size, np.nan)
    layer.bind(parameters)
    x, weight = rng.normal(size=(5, 3)), rng.normal(size=(4, 3))
    x[[1, 4]] = 0  # in every column: a sparse layer leaves them out

    def loss() -> float:
        return float((weight * layer.forward(x)[0]).sum())

    _, backward = layer.forward(x)
    dl_dx = backward(weight.copy(), gradient, True)

    assert dl_dx is not None
    assert relative_error(dl_dx, numeric(loss, x)) < 1e-6
    assert relative_error(gradient, numeric(loss, parameters)) < 1e-6
    assert backward(weight.copy(), gradient, False) is None


@pytest.mark.parametrize("loss", LOSSES)
def test_loss(loss: str) -> None:
    rng = np.random.default_rng(4)
    z, target = rng.normal(size=(10, 3)), rng.dirichlet(np.ones(10), size=3).T
    expected = numeric(lambda: LOSSES[loss].value(z, target).sum(), z)
    assert relative_error(LOSSES[loss].delta(z, target), expected) < 1e-6


def test_cross_entropy_never_loses_its_gradient() -> None:
    """In float32 a softmax composed with a logarithm is flat beyond a gap of 87; together they are not."""
    z = np.zeros((10, 1), np.float32)
    z[3] = 500
    target = np.eye(10, dtype=np.float32)[:, [7]]
    loss = LOSSES["cross-entropy"]
    assert loss.value(z, target)[0] == pytest.approx(500)
    assert loss.delta(z, target)[3, 0] == 1
    assert loss.delta(z, target)[7, 0] == -1
