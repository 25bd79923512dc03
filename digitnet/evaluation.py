"""How good a model is on labelled digits."""

from dataclasses import dataclass

import numpy as np

from digitnet.datasets import Dataset
from digitnet.ink import binarize
from digitnet.losses import CLASSES, one_hot
from digitnet.model import Model
from digitnet.recognizer import NO_DIGIT, answers, columns

BATCH = 1000


@dataclass(frozen=True)
class Evaluation:
    """Answers to n digits and what follows from them.

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


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    shares = np.full(len(part), np.nan)
    np.divide(part, whole, out=shares, where=whole > 0)
    return shares


def evaluate(model: Model, dataset: Dataset) -> Evaluation:
    """Read every digit of a data set that is not empty, a batch at a time."""
    digits, confidences, total = [], [], 0.0
    for start in range(0, len(dataset), BATCH):
        batch = dataset[start : start + BATCH]
        vectors = binarize(batch.images, model.ink)
        z = model.network.forward(columns(vectors))
        y = model.network.loss.output(z)
        digits.append(answers(vectors, y))
        confidences.append(y.max(axis=0))
        total += float(model.network.loss.value(z, one_hot(batch.labels)).sum(dtype=np.float64))
    return Evaluation(dataset.labels, np.concatenate(digits), np.concatenate(confidences), total)
