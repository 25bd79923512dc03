"""Figures against their definitions, on answers that are known."""

import numpy as np
import pytest

from digitnet import Dataset, Model, Network, evaluate
from digitnet.models.recognizer import NO_DIGIT
from digitnet.training.evaluation import Evaluation
from digitnet.types import one_hot


def test_figures() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    digits = np.array([0, 1, 1, 1, 0, NO_DIGIT])
    result = Evaluation(labels, digits, np.full(6, 0.5), 3.0)
    assert result.errors.tolist() == [1, 4, 5]
    assert result.accuracy == 0.5
    assert result.loss == 0.5
    assert result.unanswered == 1
    assert result.confusion[:3, :3].tolist() == [[1, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert result.confusion.sum() == 5
    assert result.precision[:2] == pytest.approx([1 / 2, 2 / 3])
    assert np.isnan(result.precision[2])
    assert result.recall[:3] == pytest.approx([1 / 2, 1, 0])
    assert np.isnan(result.recall[3])


def test_batches_make_no_difference(digits: Dataset, small_model: Model) -> None:
    """More than a batch of digits, against one pass through the network by hand."""
    result = evaluate(small_model, digits)
    x = (digits.images > 127).reshape(len(digits), 784).T.astype(np.float32)
    y = small_model.network(x)
    assert result.digits.tolist() == y.argmax(axis=0).tolist()
    assert result.total_loss == pytest.approx(-np.log((y * one_hot(digits.labels)).sum(axis=0)).sum(), rel=1e-4)
    assert result.confidences == pytest.approx(y.max(axis=0), rel=1e-4)


def test_a_blank_has_no_answer() -> None:
    data = Dataset(np.zeros((1, 28, 28), np.uint8), np.array([3], np.uint8))
    result = evaluate(Model(Network((784, 10))), data)
    assert result.digits.tolist() == [NO_DIGIT]
    assert result.accuracy == 0


def test_calibration_figures() -> None:
    labels = np.array([0, 1, 2, 3, 4])
    digits = np.array([0, 1, 9, 3, NO_DIGIT])
    result = Evaluation(labels, digits, np.array([0.95, 0.97, 0.98, 0.5, 0.1]), 1.0)
    assert result.reliability[14] == pytest.approx([3, 2.9 / 3, 2 / 3])
    assert result.reliability[7] == pytest.approx([1, 0.5, 1])
    assert result.calibration_error == pytest.approx((3 * abs(2.9 / 3 - 2 / 3) + 0.5) / 4)
    assert result.rejecting(0.9) == pytest.approx((2 / 5, 2 / 3))
    rejected, accuracy = result.rejecting(0.99)
    assert rejected == 1
    assert np.isnan(accuracy)
