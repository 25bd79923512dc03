"""Gradient descent over mini-batches and epochs."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from digitnet.checks import choice, generator, instance, integer, number
from digitnet.data.augment import AUGMENTATIONS, augment
from digitnet.data.datasets import Dataset
from digitnet.data.negatives import nonsense
from digitnet.data.style_variants import add_style_variants
from digitnet.errors import DigitnetError
from digitnet.imaging.normalize import SIDE, binarize, columns
from digitnet.models.model import Model
from digitnet.nn.conv_to_dense import convolutions_to_dense, has_convolutions
from digitnet.nn.network import Network
from digitnet.nn.optimizers import OPTIMIZERS
from digitnet.training.evaluation import check, evaluate
from digitnet.types import CLASSES, Floats, one_hot

DISTORTED_TOGETHER = 512
"""Digits."""
MOST_STEPS = 2**53


@dataclass(frozen=True)
class TrainingSettings:
    """How to descend.

    Raises:
        TypeError: a setting is not a number where it must be one.
        ValueError: a setting is out of its range.
    """

    epochs: int = 45
    batch_size: int = 512
    optimizer: str = "adam"
    learning_rate: float | None = None
    """The largest one; None is the optimizer's own default."""
    early_stop: int | None = None
    """Stop when this many epochs have brought no better validation accuracy, and keep the best epoch's network."""
    warmup: float = field(default=0.1, metadata={"help": "share of the run in which the learning rate rises from 0"})
    distortions: str = field(
        default="light", metadata={"help": f"of the digits, anew every epoch: {', '.join(AUGMENTATIONS)}"}
    )
    habits: float = field(default=0.0, metadata={"help": "share of the 1s, 7s and 9s drawn as most of the world does"})
    nonsense: float = field(
        default=0.0, metadata={"help": "pictures of no digit to be unsure of, a share of the digits"}
    )
    shared: float = field(
        default=1.0, metadata={"help": "share of the run after which convolutions become dense layers and go on free"}
    )

    def __post_init__(self) -> None:
        choice("optimizer", self.optimizer, OPTIMIZERS)
        choice("distortions", self.distortions, AUGMENTATIONS)
        numbers: dict[str, float] = {name: integer(name, getattr(self, name), 1) for name in ("epochs", "batch_size")}
        if self.early_stop is not None:
            numbers["early_stop"] = integer("early_stop", self.early_stop, 1)
        if self.learning_rate is not None:
            rate = numbers["learning_rate"] = number("learning_rate", self.learning_rate, 0, math.inf)
            if not 0 < rate < math.inf:
                raise ValueError(f"learning_rate must be above 0 and finite, not {rate}")
        numbers |= {name: number(name, getattr(self, name)) for name in ("warmup", "habits", "nonsense", "shared")}
        for name, value in numbers.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class EpochResult:
    """What one pass over the training data came to.

    Attributes:
        number: from 1.
        loss: mean over the training digits, each as the network was when it came to it.
        validation_loss: mean, after the epoch; NaN without validation data.
        validation_accuracy: 0 to 1; NaN without validation data.
        learning_rate: at the epoch's end.
        gradient_norms: Euclidean, of each layer's part of the epoch's last gradient, the first layer first.
    """

    number: int
    loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    gradient_norms: tuple[float, ...]


class DivergedError(DigitnetError):
    """The loss is no longer a number; the network is lost."""


def fit(
    model: Model,
    train: Dataset,
    validation: Dataset | None = None,
    settings: TrainingSettings = TrainingSettings(),
    *,
    rng: np.random.Generator | None = None,
    progress: Callable[[int], object] = lambda pictures: None,
) -> Iterator[EpochResult]:
    """Train a model in place, epoch by epoch: it runs only while it is iterated, and yields after every epoch.

    :func:`digitnet.train` runs by itself, keeps the history and calibrates. For the arguments and what they raise see
    :class:`Trainer`.
    """
    training = Trainer(model, settings, np.random.default_rng(0) if rng is None else rng)
    training.check(train, validation)
    return training.epochs(train, validation, progress)


class Trainer:
    """A run of gradient descent, which can stop after any epoch and go on later to the very same end.

    Args:
        model: its network's parameters are changed.
        settings: how to descend.
        rng: orders the digits, and whatever else is drawn.

    Raises:
        TypeError: these are other things.
        DigitnetError: settings.shared asks to unfold what cannot be.

    Attributes:
        done: epochs so far.
        best: the best epoch's parameters so far, if settings.early_stop asks for them.
    """

    def __init__(self, model: Model, settings: TrainingSettings, rng: np.random.Generator) -> None:
        instance("model", model, Model, "Model(network) or load(path) makes one")
        instance("settings", settings, TrainingSettings, "TrainingSettings(epochs=5) makes one")
        generator(rng)
        self.model, self.settings, self.rng = model, settings, rng
        self.peak = settings.learning_rate or OPTIMIZERS[settings.optimizer].default_learning_rate
        self.done = 0
        self._take(model.network)
        if settings.shared < 1:
            convolutions_to_dense(model.network)  # can it be done?

    def _take(self, network: Network) -> None:
        """Go on with this network, and with no memory of another."""
        self.model.network = network
        self.optimizer = OPTIMIZERS[self.settings.optimizer](network.parameters)
        self.best_epoch, self.best_accuracy = self.done, -1.0
        self.best: Floats | None = None
        self._gradient = np.empty_like(network.parameters)

    def state(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """All that :meth:`restore` needs beside the model: arrays, and facts that JSON can hold."""
        facts = {"done": self.done, "best_epoch": self.best_epoch, "best_accuracy": self.best_accuracy}
        best = {} if self.best is None else {"best": self.best}
        return {**self.optimizer.memory, **best}, {**facts, "rng": self.rng.bit_generator.state}

    def restore(self, saved: Model, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
        """Go on where a run with the same settings was when it had this model and gave this state.

        Raises:
            DigitnetError: no such run can have given it; nothing is changed, then.
        """
        for problem in self._misfits(saved, arrays, facts):
            raise DigitnetError(problem)
        try:
            self.rng.bit_generator.state = facts["rng"]
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise DigitnetError(f"its random numbers: {error}") from None
        self._take(saved.network)
        self.optimizer.memory = {name: arrays[name] for name in self.optimizer.memory}
        self.best = arrays.get("best")
        self.done, self.best_epoch, self.best_accuracy = facts["done"], facts["best_epoch"], facts["best_accuracy"]

    def _misfits(self, saved: Model, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> Iterator[str]:
        """What no run with these settings can have given."""
        settings, own, network = self.settings, self.model.network, saved.network
        done, best_epoch, best_accuracy = (facts.get(name) for name in ("done", "best_epoch", "best_accuracy"))
        if type(done) is not int or not 0 <= done <= settings.epochs:
            yield f"{done} epochs of {settings.epochs}"
        elif type(best_epoch) is not int or not 0 <= best_epoch <= done:
            yield f"the best epoch {best_epoch} of {done}"
        elif type(best_accuracy) is not float or not -1 <= best_accuracy <= 1:
            yield f"the best accuracy {best_accuracy}"
        elif network.structure != (own.structure if done <= settings.shared * settings.epochs else _unfolded(own)):
            yield f"a {network}"
        elif (network.activation, network.loss_name, saved.ink) != (own.activation, own.loss_name, self.model.ink):
            yield f"a {network} of {saved.ink}"
        expected = OPTIMIZERS[settings.optimizer](network.parameters).memory
        if settings.early_stop and done:
            expected["best"] = network.parameters
        if arrays.keys() != expected.keys():
            yield f"arrays {', '.join(arrays)}"
        for name, like in expected.items():
            array = arrays[name]
            if (array.shape, array.dtype) != (like.shape, like.dtype):
                yield f"{name} is {array.dtype} {array.shape}, not {like.dtype} {like.shape}"
            if like.dtype.kind == "i" and not 0 <= array.min() <= array.max() < MOST_STEPS:
                yield f"{name} is {array}"
            if name == "v" and settings.optimizer == "adam" and array.min() < 0:  # its root is taken
                yield f"{name} is negative"

    def check(self, train: Dataset, validation: Dataset | None = None) -> None:
        """Check the data before a run.

        Raises:
            TypeError: these are no data sets.
            ValueError: there are no digits to train on, or none to measure on where ``early_stop`` must.
        """
        check(self.model, train, "train")
        if validation is not None:
            advice = "data.split(0.1, rng) cuts one off; digitnet.train takes a share, too"
            instance("validation", validation, Dataset, advice)
        if self.settings.early_stop and not validation:
            raise ValueError("early_stop needs validation digits to measure on")

    def epochs(
        self,
        train: Dataset,
        validation: Dataset | None = None,
        progress: Callable[[int], object] = lambda pictures: None,
    ) -> Iterator[EpochResult]:
        """Descend until the settings say that it is enough; yields after every epoch.

        Args:
            train: not empty.
            validation: digits to measure on, or None.
            progress: called with the number of digits of every mini-batch that is done.

        Raises:
            TypeError, ValueError: see :meth:`check`.
            DivergedError: the loss is infinite or not a number.
        """
        self.check(train, validation)
        settings, patience = self.settings, self.settings.early_stop or math.inf
        while self.done < settings.epochs and self.done - self.best_epoch < patience:
            if self.done >= settings.shared * settings.epochs and has_convolutions(self.model.network):
                self._take(convolutions_to_dense(self.model.network))
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what is not finite is found
                epoch = self._epoch(train, validation, progress)
            self.done += 1
            if settings.early_stop and epoch.validation_accuracy > self.best_accuracy:
                self.best, self.best_accuracy = self.model.network.parameters.copy(), epoch.validation_accuracy
                self.best_epoch = self.done
            yield epoch
        self.keep_best()

    def keep_best(self) -> None:
        """Give the network the best epoch's parameters, where the settings ask for them."""
        if self.best is not None:
            self.model.network.parameters[...] = self.best

    def _epoch(self, train: Dataset, validation: Dataset | None, progress: Callable[[int], object]) -> EpochResult:
        settings, network = self.settings, self.model.network
        steps = -(-len(train) // settings.batch_size)
        total_loss, eta = 0.0, 0.0
        norms: tuple[float, ...] = ()
        for step, batch in enumerate(self._batches(train), start=1):
            x, target = self._examples(batch)
            total_loss += network.backpropagate(x, target, self._gradient)
            self._check(total_loss)
            if step == steps:
                norms = tuple(
                    float(np.linalg.norm(part)) for part in network.split_by_layer(self._gradient) if part.size
                )
            eta = self.peak * schedule((self.done * steps + step - 0.5) / (steps * settings.epochs), settings.warmup)
            self.optimizer.step(network.parameters, self._gradient, eta)
            progress(len(batch))
        after = evaluate(self.model, validation) if validation else None
        self._check(after.loss if after else float(np.abs(network.parameters).max()))
        figures = (after.loss, after.accuracy) if after else (math.nan, math.nan)
        return EpochResult(self.done + 1, total_loss / len(train), *figures, eta, norms)

    def _batches(self, train: Dataset) -> Iterator[Dataset]:
        """The digits in a new order and newly distorted, several mini-batches at a time because that costs less."""
        settings, order = self.settings, self.rng.permutation(len(train))
        together = settings.batch_size * max(1, DISTORTED_TOGETHER // settings.batch_size)
        for start in range(0, len(train), together):
            digits = train[order[start : start + together]]
            images = digits.images
            if settings.habits:
                images = add_style_variants(images, digits.labels, settings.habits, self.rng)
            if settings.distortions != "none":
                finer = max(1, self.model.ink.side // SIDE)
                images = augment(images, AUGMENTATIONS[settings.distortions], self.rng, finer)
            digits = replace(digits, images=images)
            yield from (
                digits[first : first + settings.batch_size] for first in range(0, len(digits), settings.batch_size)
            )

    def _examples(self, batch: Dataset) -> tuple[Floats, Floats]:
        """What the network gets to see of a mini-batch, and what it should answer: (inputs, n) and (10, n)."""
        vectors, target = binarize(batch.images, self.model.ink), one_hot(batch.labels)
        count = round(self.settings.nonsense * len(batch))
        if count:
            extra = nonsense(count, self.rng)
            vectors = np.concatenate([vectors, binarize(extra, self.model.ink)])
            target = np.concatenate([target, np.full((CLASSES, len(extra)), 1 / CLASSES, np.float32)], axis=1)
        return columns(vectors), target

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            problem = f"epoch {self.done + 1}: the loss is no longer finite"
            raise DivergedError(f"{problem}; try a smaller learning rate than {self.peak:g}")


def _unfolded(network: Network) -> tuple[str, ...]:
    """The structure that :func:`convolutions_to_dense` gives."""
    return tuple(map(str, network.sizes)) if has_convolutions(network) else network.structure


def schedule(done: float, warmup: float) -> float:
    """The learning rate as a share of its peak, when a share ``done`` of the run is over.

    It rises in a line, then falls in half a cosine to 0 (Loshchilov and Hutter 2017, arXiv 1608.03983), however
    long the run is.
    """
    if done < warmup:
        return done / warmup
    return 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))
