"""The numbers on the lecture's slides, and its chain rule by hand."""

import numpy as np

from digitnet import Network
from digitnet.nn.activations import sigmoid
from digitnet.types import Floats

W1, B1 = [[1, -2], [-1, 1]], [1, 0]
W2, B2 = [[2, -1], [-2, -1]], [0, 0]
W3, B3 = [[3, -1], [-1, 4]], [-2, 2]


def column(*numbers: float) -> Floats:
    return np.array(numbers, np.float64)[:, None]


def slide_network() -> Network:
    """The slide's three layers, sigmoid everywhere: the square error's output is a sigmoid, too."""
    parts = [np.ravel(part, order="F") for part in (W1, B1, W2, B2, W3, B3)]  # W column by column
    parameters = np.concatenate(parts).astype(np.float64)
    return Network((2, 2, 2, 2), activation="sigmoid", loss="square", parameters=parameters)


def test_one_layer() -> None:
    a = sigmoid(np.array(W1) @ column(1, -1) + column(*B1))
    np.testing.assert_allclose(a, column(0.98, 0.12), atol=0.005)


def test_three_layers() -> None:
    network = slide_network()
    np.testing.assert_allclose(network(column(1, -1)), column(0.62, 0.83), atol=0.005)
    np.testing.assert_allclose(network(column(0, 0)), column(0.51, 0.85), atol=0.005)


def test_chain_rule_for_one_weight() -> None:
    """dl/dw for w = W1[0, 1], multiplied out link by link from the loss back to the weight."""
    x, target = column(1, -1), column(1, 0)
    a1 = sigmoid(np.array(W1) @ x + column(*B1))
    a2 = sigmoid(np.array(W2) @ a1 + column(*B2))
    y = sigmoid(np.array(W3) @ a2 + column(*B3))

    def slope(a: Floats) -> Floats:
        return a * (1 - a)

    expected = 0.0
    for k in range(2):  # every path from a1[0] to the outputs
        for j in range(2):
            dl_dz3 = (y[k, 0] - target[k, 0]) * slope(y)[k, 0]
            dz3_da2, da2_dz2, dz2_da1 = W3[k][j], slope(a2)[j, 0], W2[j][0]
            da1_dz1, dz1_dw = slope(a1)[0, 0], x[1, 0]
            expected += dl_dz3 * dz3_da2 * da2_dz2 * dz2_da1 * da1_dz1 * dz1_dw

    gradient = np.empty(18)
    slide_network().backpropagate(x, target, gradient)
    np.testing.assert_allclose(gradient[2], expected, rtol=1e-12)
