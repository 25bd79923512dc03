"""Convolution and pooling against SciPy, numeric gradients and the dense layer that a convolution is."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter
from scipy.signal import correlate2d

from digitnet import DigitnetError, Network
from digitnet.nn.conv_to_dense import convolutions_to_dense
from digitnet.nn.convolution import Convolution, MaxPool
from tests.test_gradients import numeric, relative_error

SHAPE = (2, 7, 6)


def convolution(stride: int) -> Convolution:
    layer = Convolution(SHAPE, 3, (3, 2), stride, "identity")
    layer.bind(np.random.default_rng(1).normal(size=layer.size))
    return layer


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_convolution_is_that_of_scipy(stride: int) -> None:
    layer = convolution(stride)
    x = np.random.default_rng(2).normal(size=(*SHAPE, 4))
    a, _ = layer.forward(x.reshape(-1, 4))
    weights = layer.neurons.weights.T.reshape(layer.kernel_shape)
    for kernel in range(3):
        for picture in range(4):
            planes = [correlate2d(x[c, :, :, picture], weights[:, :, c, kernel], "valid") for c in range(2)]
            expected = np.sum(planes, axis=0)[::stride, ::stride] + layer.neurons.biases[kernel]
            np.testing.assert_allclose(a.reshape(*layer.shape, 4)[kernel, :, :, picture], expected)


@pytest.mark.parametrize("side", [1, 2, 3])
def test_pool_is_that_of_scipy(side: int) -> None:
    layer = MaxPool(SHAPE, side, "identity")
    x = np.random.default_rng(3).normal(size=(*SHAPE, 4))
    a, _ = layer.forward(x.reshape(-1, 4))
    largest = maximum_filter(x, (1, side, side, 1), origin=(0, -(side // 2), -(side // 2), 0))
    whole = largest[:, : 7 // side * side : side, : 6 // side * side : side]
    np.testing.assert_array_equal(a.reshape(*layer.shape, 4), whole)


@pytest.mark.parametrize(
    "layer", [convolution(1), convolution(2), MaxPool(SHAPE, 2, "tanh"), MaxPool(SHAPE, 3, "relu")]
)
def test_gradients(layer: Convolution | MaxPool) -> None:
    rng = np.random.default_rng(4)
    parameters, gradient = rng.normal(size=layer.size), np.full(layer.size, np.nan)
    layer.bind(parameters)
    x, weight = rng.normal(size=(layer.inputs, 3)), rng.normal(size=(layer.outputs, 3))

    def loss() -> float:
        return float((weight * layer.forward(x)[0]).sum())

    _, backward = layer.forward(x)
    dl_dx = backward(weight.copy(), gradient, True)
    assert dl_dx is not None
    assert relative_error(dl_dx, numeric(loss, x)) < 1e-6
    if layer.size:
        assert relative_error(gradient, numeric(loss, parameters)) < 1e-6
    assert backward(weight.copy(), gradient, False) is None


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_network(activation: str) -> None:
    rng = np.random.default_rng(5)
    structure = ("10x9", "3x3x3", "2s", "4x2x2", 6, 10)
    parameters = rng.normal(size=Network(structure).parameters.size) * 0.5
    network = Network(structure, activation=activation, parameters=parameters)
    x, target = rng.normal(size=(90, 5)), rng.dirichlet(np.ones(10), size=5).T
    gradient = np.empty_like(parameters)
    network.backpropagate(x, target, gradient)
    expected = numeric(lambda: network.loss.value(network.forward(x), target).mean(), parameters)
    assert relative_error(gradient, expected) < 1e-6


def test_the_first_of_equals_takes_the_slope() -> None:
    layer = MaxPool((1, 2, 2), 2, "identity")
    _, backward = layer.forward(np.ones((4, 3)))
    dl_dx = backward(np.ones((1, 3)), np.empty(0), True)
    assert dl_dx is not None
    assert dl_dx.tolist() == [[1, 1, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_activation_after_pooling_is_activation_before_it(activation: str) -> None:
    rng = np.random.default_rng(6)
    pooled = Network(("8x8", "3x3x3", "2s", 10), activation=activation, rng=rng)
    kernels = Convolution((1, 8, 8), 3, (3, 3), 1, activation)
    kernels.bind(pooled.parameters[: kernels.size])
    x = rng.normal(size=(64, 5)).astype(np.float32)
    a, _ = MaxPool(kernels.shape, 2, "identity").forward(kernels.forward(x)[0])
    np.testing.assert_array_equal(pooled.layers[2].forward(a)[0], pooled.forward(x))


def test_unfolded_is_the_same_function() -> None:
    rng = np.random.default_rng(7)
    network = Network(("12x12", "3x3x4/2", "5x2x2", 8, 10), activation="tanh", rng=rng)
    network.parameters += rng.normal(size=network.parameters.size).astype(np.float32) / 10  # biases, too
    dense = convolutions_to_dense(network)
    assert dense.structure == ("144", "75", "80", "8", "10")
    x = (rng.random((144, 20)) > 0.7).astype(np.float32)
    np.testing.assert_allclose(dense(x), network(x), atol=1e-6)


def test_pooling_cannot_be_unfolded() -> None:
    with pytest.raises(DigitnetError, match="20x5x5/2"):
        convolutions_to_dense(Network(("12x12", "3x3x4", "2s", 10)))
