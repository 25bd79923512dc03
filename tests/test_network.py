"""The function set."""

import numpy as np
import pytest

from digitnet import Network
from digitnet.layers import Dense


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


@pytest.mark.parametrize("sizes", [(784,), (784, 0, 10), ()])
def test_refuses_no_network(sizes: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least an input and an output"):
        Network(sizes)


def test_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValueError, match="unknown"):
        Network((784, 10), activation="swish")
    with pytest.raises(ValueError, match="parameters"):
        Network((784, 10), parameters=np.zeros(3))
