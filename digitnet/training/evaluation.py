"""How good a model is on labelled digits."""

from dataclasses import dataclass

import numpy as np

from digitnet.checks import instance
from digitnet.data.datasets import Dataset
from digitnet.imaging.normalize import binarize, columns
from digitnet.models.model import Model
from digitnet.models.recognizer import NO_DIGIT, answers
from digitnet.types import CLASSES, Floats, UInt8Array, one_hot

BATCH = 1000
BINS = 15
"""Of confidence, for calibration."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Answers to n digits and what follows from them.

    Example:
        >>> Evaluation(np.array([3, 5]), np.array([3, 6]), np.array([0.9, 0.6]), total_loss=1.25)
        Evaluation(accuracy 50.00%, 1 of 2 digits wrong, mean loss 0.6250)

    Attributes:
        labels: (n,) the truth.
        digits: (n,) the answers; NO_DIGIT where there was none, which counts as an error.
        confidences: (n,) of the answers, 0 to 1.
        total_loss: the sum of the losses of all digits.
    """

    labels: np.ndarray
    digits: np.ndarray
    confidences: np.ndarray
    total_loss: float

    def __repr__(self) -> str:
        wrong = f"{len(self.errors):,} of {len(self.labels):,} digits wrong"
        return f"Evaluation(accuracy {self.accuracy:.2%}, {wrong}, mean loss {self.loss:.4f})"

    @property
    def errors(self) -> np.ndarray:
        """Indices of the misread digits."""
        return np.flatnonzero(self.digits != self.labels)

    @property
    def accuracy(self) -> float:
        """Share read rightly, 0 to 1."""
        return 1 - len(self.errors) / len(self.labels)

    @property
    def loss(self) -> float:
        """Mean loss of a digit."""
        return self.total_loss / len(self.labels)

    @property
    def unanswered(self) -> int:
        """How many had no answer; they are not in the confusion matrix."""
        return int((self.digits == NO_DIGIT).sum())

    @property
    def confusion(self) -> np.ndarray:
        """(10, 10) counts: row the truth, column the answer."""
        answered = self.digits != NO_DIGIT
        matrix = np.zeros((CLASSES, CLASSES), int)
        np.add.at(matrix, (self.labels[answered], self.digits[answered]), 1)
        return matrix

    @property
    def precision(self) -> np.ndarray:
        """(10,) of all answers of a digit, the share that were right; NaN without such an answer."""
        return _share(self.confusion.diagonal(), self.confusion.sum(axis=0))

    @property
    def recall(self) -> np.ndarray:
        """(10,) of all pictures of a digit, the share that were read as it; NaN without such a picture."""
        return _share(self.confusion.diagonal(), np.bincount(self.labels, minlength=CLASSES))

    @property
    def reliability(self) -> np.ndarray:
        """(15, 3) for answers by confidence, 0 to 1/15 first: how many, mean confidence, share that were right."""
        answered = self.digits != NO_DIGIT
        confidences, right = self.confidences[answered], (self.digits == self.labels)[answered]
        bins = np.minimum((confidences * BINS).astype(int), BINS - 1)
        counts = np.bincount(bins, minlength=BINS)
        sums = [np.bincount(bins, weights, BINS) for weights in (confidences, right)]
        return np.stack([counts, *(_share(part, counts) for part in sums)], axis=1)

    @property
    def calibration_error(self) -> float:
        """How far confidence and accuracy are apart, mean over answers (Guo et al. 2017, equation 3); NaN without."""
        counts, confidence, accuracy = self.reliability[self.reliability[:, 0] > 0].T
        return float((counts * abs(confidence - accuracy)).sum() / counts.sum()) if len(counts) else float("nan")

    def rejecting(self, confidence: float) -> tuple[float, float]:
        """Share of digits not answered with at least this confidence, and accuracy of the others (NaN without)."""
        kept = (self.confidences >= confidence) & (self.digits != NO_DIGIT)
        right = (self.digits == self.labels)[kept]
        return 1 - float(kept.mean()), float(right.mean()) if len(right) else float("nan")


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    shares = np.full(len(part), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def outputs(model: Model, images: UInt8Array) -> tuple[Floats, np.ndarray]:
    """Grey digits (n, 28, 28), at least one -> the network's z (10, n), and whether each had any ink (n,)."""
    zs, inked = [], []
    for start in range(0, len(images), BATCH):
        vectors = binarize(images[start : start + BATCH], model.ink)
        zs.append(model.network.forward(columns(vectors)))
        inked.append(vectors.any(axis=1))
    return np.concatenate(zs, axis=1), np.concatenate(inked)


def check(model: Model, digits: Dataset, name: str) -> None:
    """Check what is to be trained or measured, and on which digits.

    Raises:
        TypeError: that is no model or no data set.
        ValueError: there are no digits.
    """
    instance("model", model, Model, "Model(network) or load(path) makes one")
    instance(name, digits, Dataset, "read_dataset(path) or Dataset(images, labels) makes one")
    if not len(digits):
        raise ValueError(f"{name} has no digits")


def evaluate(model: Model, dataset: Dataset) -> Evaluation:
    """Read every digit of a data set.

    Raises:
        TypeError: that is no model or no data set.
        ValueError: there are no digits.
    """
    check(model, dataset, "dataset")
    z, inked = outputs(model, dataset.images)
    y = model.network.loss.output(z)
    total = float(model.network.loss.value(z, one_hot(dataset.labels)).sum(dtype=np.float64))
    return Evaluation(dataset.labels, answers(inked, y), y.max(axis=0), total)
