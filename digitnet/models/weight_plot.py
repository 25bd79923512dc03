"""What the first layer has learned to look for, as a picture."""

import math

import numpy as np

from digitnet.nn.network import Network
from digitnet.types import UInt8Array


def weight_mosaic(network: Network) -> UInt8Array:
    """The weights of each neuron or kernel of the first layer that has any, on the pixels that they belong to.

    Returns:
        (height, width) uint8, the neurons side by side in a square: a positive weight is bright, a negative one dark,
        and 0 is mid-grey, each neuron on its own scale.
    """
    number, layer = next((number, layer) for number, layer in enumerate(network.layers) if layer.size)
    flat = network.split_by_layer(network.parameters)[number]
    *window, neurons = layer.kernel_shape
    height, width = window[:2] if len(window) > 1 else [math.isqrt(window[0])] * 2
    weights = flat[:-neurons].reshape(height, width, -1, neurons)[:, :, 0].transpose(2, 0, 1)
    scale = np.abs(weights).max(axis=(1, 2), keepdims=True)
    across = math.isqrt(neurons - 1) + 1
    down = -(-neurons // across)
    cells = np.zeros((down * across, height + 1, width + 1), np.uint8)  # a line apart
    cells[:neurons, :-1, :-1] = np.round(128 + 127 * weights / np.where(scale > 0, scale, 1))
    return cells.reshape(down, across, height + 1, width + 1).swapaxes(1, 2).reshape(down * (height + 1), -1)
