"""Convolution and pooling: layers that know that their input is a picture.

A picture's numbers lie channel by channel, row by row, and the n pictures of a batch lie side by side at each
place: x is (channels * height * width, n), seen as (channels, height, width, n). So a patch of all pictures is
copied in stretches of n numbers, and a matrix product leaves its result in the very order that the next layer reads.
"""

# Annotations stay unread: np.random would cost prediction 10 ms.
from __future__ import annotations

import math

import numpy as np

from digitnet.nn.activations import ACTIVATIONS
from digitnet.nn.layers import Backward, Dense
from digitnet.types import Floats

Shape = tuple[int, int, int]
"""Channels, height and width."""


class Convolution:
    """A few neurons that look at every patch of the picture with the same weights (LeCun et al. 1989, section 3).

    It is a :class:`~digitnet.nn.layers.Dense` layer whose examples are the patches.

    Args:
        shape: of the input.
        kernels: neurons, each of which makes a channel of the output.
        size: height and width of a patch, in pixels.
        stride: pixels from one patch to the next.
        activation: a name from ``ACTIVATIONS``.

    Raises:
        ValueError: a patch is larger than the picture.
    """

    def __init__(self, shape: Shape, kernels: int, size: tuple[int, int], stride: int, activation: str) -> None:
        channels, height, width = shape
        if size[0] > height or size[1] > width:
            raise ValueError(f"patches of {size[0]}x{size[1]} are larger than the {height}x{width} they are cut from")
        self.input_shape, self.patch, self.stride, self.activation = shape, size, stride, activation
        self.shape = (kernels, (height - size[0]) // stride + 1, (width - size[1]) // stride + 1)
        self.inputs, self.outputs = math.prod(shape), math.prod(self.shape)
        self.neurons = Dense(size[0] * size[1] * channels, kernels, activation)
        self.size = self.neurons.size
        self.kernel_shape: tuple[int, ...] = (*size, channels, kernels)

    def bind(self, parameters: Floats) -> None:
        """See :class:`~digitnet.nn.layers.Layer`; weights as (height, width, channels, kernels), then the biases."""
        self.neurons.bind(parameters)

    def initialize(self, rng: np.random.Generator) -> None:
        """See :class:`~digitnet.nn.layers.Dense`."""
        self.neurons.initialize(rng)

    def forward(self, x: Floats) -> tuple[Floats, Backward]:
        """See :class:`~digitnet.nn.layers.Layer`."""
        n = x.shape[1]
        pictures = np.ascontiguousarray(x).reshape(*self.input_shape, n)
        patches = np.empty((*self.patch, self.input_shape[0], *self.shape[1:], n), x.dtype)
        for place in np.ndindex(self.patch):
            patches[place] = pictures[self._seen_from(place)]
        a, back = self.neurons.forward(patches.reshape(self.neurons.inputs, -1))

        def backward(dl_da: Floats, gradient: Floats, wants_dx: bool) -> Floats | None:
            dl_dpatches = back(dl_da.reshape(a.shape), gradient, wants_dx)
            if dl_dpatches is None:
                return None
            dl_dx = np.zeros_like(pictures)
            for place, dl_dplace in zip(
                np.ndindex(self.patch), dl_dpatches.reshape(-1, *patches.shape[2:]), strict=True
            ):
                dl_dx[self._seen_from(place)] += dl_dplace
            return dl_dx.reshape(self.inputs, n)

        return a.reshape(self.outputs, n), backward

    def _seen_from(self, place: tuple[int, ...]) -> tuple[slice, ...]:
        """The pixels that stand at one place of their patches, for all patches: an index into the pictures."""
        _, height, width = self.shape
        rows = slice(place[0], place[0] + self.stride * height, self.stride)
        return (slice(None), rows, slice(place[1], place[1] + self.stride * width, self.stride))


class MaxPool:
    """a = sigma(the largest number of every square of pixels); rows and columns that fill no square are left out.

    Because sigma never falls, that is also the largest sigma of the square, for a quarter of the work.

    Args:
        shape: of the input.
        side: of the squares, in pixels.
        activation: sigma, a name from ``ACTIVATIONS``.

    Raises:
        ValueError: a square is larger than the picture.
    """

    size = 0
    kernel_shape: tuple[int, ...] = ()

    def __init__(self, shape: Shape, side: int, activation: str) -> None:
        channels, height, width = shape
        if side > min(height, width):
            raise ValueError(f"squares of {side}x{side} are larger than the {height}x{width} they are cut from")
        self.input_shape, self.side, self.activation = shape, side, activation
        self.shape = (channels, height // side, width // side)
        self.inputs, self.outputs = math.prod(shape), math.prod(self.shape)

    def bind(self, parameters: Floats) -> None:
        """Nothing to learn."""

    def initialize(self, rng: np.random.Generator) -> None:
        """Nothing to draw."""

    def forward(self, x: Floats) -> tuple[Floats, Backward]:
        """See :class:`~digitnet.nn.layers.Layer`."""
        n = x.shape[1]
        pictures = np.ascontiguousarray(x).reshape(*self.input_shape, n)
        corners = [pictures[self._corner(place)] for place in np.ndindex(self.side, self.side)]
        largest = np.maximum(*corners[:2]) if len(corners) > 1 else corners[0].copy()
        for corner in corners[2:]:
            np.maximum(largest, corner, out=largest)
        sigma = ACTIVATIONS[self.activation]
        a = sigma.value(largest.copy())

        def backward(dl_da: Floats, gradient: Floats, wants_dx: bool) -> Floats | None:
            """The slope goes to the largest of a square, of equals to the first."""
            if not wants_dx:
                return None
            left = np.multiply(dl_da.reshape(a.shape), sigma.derivative(a))
            dl_dx = np.zeros_like(pictures)
            for place, corner in zip(np.ndindex(self.side, self.side), corners, strict=True):
                share = np.multiply(left, corner == largest, out=dl_dx[self._corner(place)])
                left -= share
            return dl_dx.reshape(self.inputs, n)

        return a.reshape(self.outputs, n), backward

    def _corner(self, place: tuple[int, ...]) -> tuple[slice, ...]:
        """The pixels that stand at one place of their squares: an index into the pictures."""
        _, height, width = self.shape
        rows = slice(place[0], self.side * height, self.side)
        return (slice(None), rows, slice(place[1], self.side * width, self.side))
