"""A convolution is a fully connected layer, most of whose weights are 0 and the others shared; here it becomes one."""

import numpy as np

from digitnet.errors import DigitnetError
from digitnet.nn.convolution import Convolution
from digitnet.nn.layers import Dense
from digitnet.nn.network import Network
from digitnet.types import Floats


def has_convolutions(network: Network) -> bool:
    """Whether there is anything to unfold."""
    return any(isinstance(layer, Convolution) for layer in network.layers)


def convolutions_to_dense(network: Network) -> Network:
    """The same function with a dense layer in the place of every convolution.

    What was shared is free from then on: a good place to start from for a network that is not told what a picture is
    (d'Ascoli et al. 2019, arXiv 1906.06766, section 2).

    Raises:
        DigitnetError: the network pools; the largest of several numbers is no dense layer.
    """
    flats: list[Floats] = []
    for layer, part in zip(network.layers, network.split_by_layer(network.parameters), strict=True):
        if isinstance(layer, Convolution):
            kernels, height, width = layer.shape
            linear = Convolution(layer.input_shape, kernels, layer.patch, layer.stride, "identity")
            linear.bind(np.concatenate([part[:-kernels], np.zeros(kernels, part.dtype)]))
            weights, _ = linear.forward(np.eye(layer.inputs, dtype=part.dtype))
            flats += [weights.T.ravel(), np.repeat(part[-kernels:], height * width)]
        elif isinstance(layer, Dense):
            flats.append(part)
        else:
            raise DigitnetError("pooling cannot be unfolded; a convolution with a stride, such as 20x5x5/2, can")
    parameters = np.concatenate(flats)
    return Network(network.sizes, activation=network.activation, loss=network.loss_name, parameters=parameters)
