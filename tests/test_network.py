"""The function set."""

import numpy as np
import pytest

from digitnet import Network
from digitnet.nn.layers import Dense


def test_layers_share_the_flat_parameters() -> None:
    network = Network((4, 3, 10))
    assert network.parameters.shape == (4 * 3 + 3 + 3 * 10 + 10,)
    network.parameters[:] = 0
    for layer in network.layers:
        assert isinstance(layer, Dense)
        assert not layer.weights.any()
        assert not layer.biases.any()


def test_signals_stay_alive_through_twenty_relu_layers() -> None:
    network = Network((784, *[200] * 20, 10), rng=np.random.default_rng(1))
    x = np.random.default_rng(2).normal(size=(784, 50)).astype(np.float32)
    assert 0.1 < network.forward(x).std() < 10


@pytest.mark.parametrize("loss", ["cross-entropy", "square"])
def test_confidences_are_between_0_and_1(loss: str) -> None:
    network = Network((784, 30, 10), loss=loss)
    y = network(100 * np.random.default_rng(0).normal(size=(784, 20)).astype(np.float32))
    assert y.shape == (10, 20)
    assert y.dtype == np.float32
    assert ((y >= 0) & (y <= 1)).all()
    if loss == "cross-entropy":
        np.testing.assert_allclose(y.sum(axis=0), 1, rtol=1e-5)


@pytest.mark.parametrize("sizes", [(784,), ()])
def test_refuses_no_network(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least an input and an output"):
        Network(sizes)


@pytest.mark.parametrize(
    ("structure", "problem"),
    [
        (("784", "0", "10"), "'0' is no layer"),
        (("784", "many", "10"), "'many' is no layer"),
        (("28x", "10"), "'28x' is no input"),
        (("28x28", "20x5x5"), "last layer is a number of neurons, not '20x5x5'"),
        (("784", "100", "20x5x5", "10"), "'20x5x5' needs a picture before it, not 100 numbers"),
        (("780", "2s", "10"), "'2s' needs a picture before it, not 780 numbers"),
        (("28x28", "20x29x5", "10"), "29x5 are larger than the 28x28"),
        (("28x28", "20x25x25", "5s", "10"), "5x5 are larger than the 4x4"),
    ],
)
def test_refuses_layers_that_do_not_fit(structure: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Network(structure)


def test_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="activation must be one of relu"):
        Network((784, 10), activation="swish")
    with pytest.raises(ValueError, match="parameters"):
        Network((784, 10), parameters=np.zeros(3))
