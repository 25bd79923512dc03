"""Gradient descent over mini-batches and epochs."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from digitnet.arrays import Bytes, Floats, Scratch
from digitnet.datasets import Dataset
from digitnet.evaluation import evaluate
from digitnet.ink import binarize
from digitnet.losses import one_hot
from digitnet.model import Model
from digitnet.optimizers import OPTIMIZERS
from digitnet.recognizer import columns


@dataclass(frozen=True)
class Settings:
    """How to descend.

    Raises:
        ValueError: a setting is out of its range.
    """

    epochs: int = 20
    batch_size: int = 128
    optimizer: str = "adam"
    learning_rate: float | None = None
    """The largest one; None is the optimizer's own default."""
    warmup: float = field(default=0.1, metadata={"help": "share of the run in which the learning rate rises from 0"})
    dropout: float = field(default=0.2, metadata={"help": "share of the input hidden from the network while it trains"})

    def __post_init__(self) -> None:
        if self.epochs < 1 or self.batch_size < 1:
            raise ValueError("epochs and batch_size are at least 1")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"unknown optimizer {self.optimizer!r}")
        if self.learning_rate is not None and not 0 < self.learning_rate < math.inf:
            raise ValueError("learning_rate is a number above 0")
        if not 0 <= self.warmup <= 1:
            raise ValueError("warmup is between 0 and 1")
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout is at least 0 and below 1")


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training data came to.

    Attributes:
        number: from 1.
        loss: mean over the training digits, each as the network was when it came to it.
        validation_loss: mean, after the epoch; NaN without validation data.
        validation_accuracy: 0 to 1; NaN without validation data.
        learning_rate: at the epoch's end.
    """

    number: int
    loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float


def fit(
    model: Model,
    train: Dataset,
    validation: Dataset | None = None,
    settings: Settings = Settings(),
    *,
    rng: np.random.Generator | None = None,
    progress: Callable[[int], object] = lambda pictures: None,
) -> Iterator[Epoch]:
    """Train a model in place; yields after every epoch.

    Args:
        model: its network's parameters are changed.
        train: not empty.
        validation: digits to measure on, or None.
        settings: how to descend.
        rng: orders the digits; by default always the same way.
        progress: called with the number of digits of every mini-batch that is done.
    """
    network = model.network
    rng = rng or np.random.default_rng(0)
    rule = OPTIMIZERS[settings.optimizer]
    optimizer, peak = rule(network.parameters), settings.learning_rate or rule.default_learning_rate
    gradient, scratch = np.empty_like(network.parameters), Scratch()
    batches = math.ceil(len(train) / settings.batch_size)
    eta, steps = 0.0, 0
    for number in range(1, settings.epochs + 1):
        total_loss = 0.0
        order = rng.permutation(len(train))
        for start in range(0, len(train), settings.batch_size):
            batch = train[order[start : start + settings.batch_size]]
            x = columns(drop_out(binarize(batch.images, model.ink), settings.dropout, rng))
            scratch.begin()
            total_loss += network.backpropagate(x, one_hot(batch.labels), gradient, scratch.empty)
            eta = peak * schedule((steps + 0.5) / (batches * settings.epochs), settings.warmup)
            steps += 1
            optimizer.step(network.parameters, gradient, eta)
            progress(len(batch))
        after = evaluate(model, validation) if validation else None
        yield Epoch(
            number,
            total_loss / len(train),
            after.loss if after else math.nan,
            after.accuracy if after else math.nan,
            eta,
        )


def drop_out(vectors: Bytes, share: float, rng: np.random.Generator) -> Bytes | Floats:
    """Hide a random share of every vector and scale up the rest (Srivastava et al. 2014, section 10)."""
    if not share:
        return vectors
    # A byte is fine enough a die, and four times as fast to throw as a float.
    kept = vectors * (np.frombuffer(rng.bytes(vectors.size), np.uint8).reshape(vectors.shape) >= round(256 * share))
    return kept * np.float32(1 / (1 - share))


def schedule(done: float, warmup: float) -> float:
    """The learning rate as a share of its peak, when a share ``done`` of the run is over.

    It rises in a line, then falls in half a cosine to 0 (Loshchilov and Hutter 2017, arXiv 1608.03983), however
    long the run is.
    """
    if done < warmup:
        return done / warmup
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))
