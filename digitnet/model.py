"""A network together with what its input vectors mean and how it came to be."""

import math
from collections.abc import Mapping, Sequence

from digitnet.ink import Ink
from digitnet.network import Network


class Model:
    """What is trained, saved, loaded and read with.

    Args:
        network: its input is a square of ink.
        ink: how pictures become that input; by default the side is what fits.
        record: settings and facts of the training, by name; strings and numbers.
        history: for each epoch, numbers by name, the same names in each.

    Raises:
        ValueError: the network's input is no square, or not that of ``ink``.
    """

    def __init__(
        self,
        network: Network,
        ink: Ink | None = None,
        record: Mapping[str, str | int | float | None] | None = None,
        history: Sequence[Mapping[str, float]] = (),
    ) -> None:
        inputs = network.sizes[0]
        self.network = network
        self.ink = ink or Ink(side=math.isqrt(inputs))
        self.record = dict(record or {})
        self.history = list(history)
        if self.ink.side**2 != inputs:
            raise ValueError(f"a network of {inputs} inputs does not see {self.ink.side}x{self.ink.side} pixels")
