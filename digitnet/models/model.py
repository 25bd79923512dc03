"""A network together with what its input vectors mean and how it came to be."""

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np

from digitnet.checks import instance
from digitnet.imaging.normalize import Binarization
from digitnet.nn.network import Network
from digitnet.types import CLASSES

Fact = str | int | float | None
"""What a record holds of each setting or fact."""
LONGEST = 40
"""Characters of the structure that ``repr`` shows."""


class Model:
    """What is trained, saved, loaded and read with.

    Example:
        >>> Model(Network((784, 100, 10)))
        Model(784-100-10 relu, 79,510 parameters, 0 epochs)

    Args:
        network: its input is a square of ink.
        ink: how pictures become that input; by default the side is what fits.
        record: settings and facts of the training, by name; strings and numbers.
        history: for each epoch, numbers by name, the same names in each.

    Raises:
        TypeError: that is no network or no ink.
        ValueError: the network's input is no square, or not that of ``ink``, or it has not ten outputs.
    """

    def __init__(
        self,
        network: Network,
        ink: Binarization | None = None,
        record: Mapping[str, Fact] | None = None,
        history: Sequence[Mapping[str, float]] = (),
    ) -> None:
        instance("network", network, Network, "Network((784, 100, 10)) makes one")
        if ink is not None:
            instance("ink", ink, Binarization, "Binarization(threshold=127) makes one")
        inputs, outputs = network.sizes[0], network.sizes[-1]
        self.network = network
        self.ink = ink or Binarization(side=math.isqrt(inputs))
        self.record = dict(record or {})
        self.history = [dict(row) for row in history]
        if self.ink.side**2 != inputs:
            raise ValueError(f"a network of {inputs} inputs does not see {self.ink.side}x{self.ink.side} pixels")
        if outputs != CLASSES:
            raise ValueError(f"a network of {outputs} outputs does not tell {CLASSES} digits apart")

    def __repr__(self) -> str:
        network, epochs = self.network, len(self.history)
        chain = "-".join(network.structure)
        if len(chain) > LONGEST:
            chain = f"{chain[: LONGEST // 2]}...{chain[-LONGEST // 2 :]}"
        size = f"{network.parameters.size:,} parameters"
        return f"Model({chain} {network.activation}, {size}, {epochs} epoch{'s' * (epochs != 1)})"

    @property
    def sha256(self) -> str:
        """Hash of all that an answer depends on: which model it was, wherever it lay."""
        network = self.network
        facts = (network.structure, network.activation, network.loss_name, self.ink.side, self.ink.threshold)
        digest = hashlib.sha256(repr(facts).encode())
        digest.update(np.ascontiguousarray(network.parameters).data)
        return digest.hexdigest()
