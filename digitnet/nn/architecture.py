"""The network's structure as one writes it: ``784,500,10`` or ``28x28,20x5x5,2s,50x5x5,2s,500,10``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from digitnet.nn.convolution import Convolution, MaxPool, Shape
from digitnet.nn.layers import Dense, Layer

NEURONS = re.compile(r"[1-9]\d*")
CONVOLUTION = re.compile(r"([1-9]\d*)x([1-9]\d*)x([1-9]\d*)(?:/([1-9]\d*))?")
POOL = re.compile(r"([1-9]\d*)s")


def build(parts: Sequence[str], activation: str) -> list[Layer]:
    """The layers that a structure names, without parameters yet.

    Args:
        parts: the input, as a number or as HEIGHTxWIDTH; then for each layer N (a dense layer of N neurons),
            KERNELSxHEIGHTxWIDTH (a convolution; /STRIDE behind it if it is not 1) or Ns (the largest of every NxN).
        activation: of all layers but the last, which is dense and has none; pooled kernels get it after the pooling.

    Raises:
        ValueError: there is no such layer, or it does not fit on the one before.
    """
    shape = input_shape(parts[0])
    inputs = math.prod(shape) if shape else int(parts[0])
    layers: list[Layer] = []
    for number, part in enumerate(parts[1:], start=1):
        last = number == len(parts) - 1
        neurons, kernels, pool = (form.fullmatch(part) for form in (NEURONS, CONVOLUTION, POOL))
        if not (neurons or kernels or pool):
            raise ValueError(f"{part!r} is no layer; there are 500 (neurons), 20x5x5 (kernels) and 2s (pooling)")
        if neurons:
            layers.append(Dense(inputs, int(part), "identity" if last else activation, sparse=number == 1))
            shape = None
        elif last:
            raise ValueError(f"the last layer is a number of neurons, not {part!r}")
        elif shape is None:
            raise ValueError(f"{part!r} needs a picture before it, not {inputs} numbers")
        elif kernels:
            count, height, width, stride = (int(group or 1) for group in kernels.groups())
            later = POOL.fullmatch(parts[number + 1])
            convolution = Convolution(shape, count, (height, width), stride, "identity" if later else activation)
            layers.append(convolution)
            shape = convolution.shape
        elif pool:
            due = CONVOLUTION.fullmatch(parts[number - 1])
            squares = MaxPool(shape, int(pool[1]), activation if due else "identity")
            layers.append(squares)
            shape = squares.shape
        inputs = layers[-1].outputs
    return layers


def input_shape(part: str) -> Shape | None:
    """What the input is: one channel of a picture, or None if it is no rectangle.

    Raises:
        ValueError: it is not an input at all.
    """
    found = re.fullmatch(r"([1-9]\d*)(?:x([1-9]\d*))?", part)
    if not found:
        raise ValueError(f"{part!r} is no input; 784 and 28x28 are")
    if found[2]:
        return 1, int(found[1]), int(found[2])
    side = math.isqrt(int(found[1]))
    return (1, side, side) if side**2 == int(found[1]) else None
