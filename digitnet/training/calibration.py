"""Honest confidence: of all answers given with confidence 0.9, nine in ten should be right."""

import numpy as np

from digitnet.data.datasets import Dataset
from digitnet.models.model import Model
from digitnet.training.evaluation import check, outputs
from digitnet.types import one_hot

GOLDEN = (5**0.5 - 1) / 2


def calibrate(model: Model, validation: Dataset) -> float:
    """Divide the last layer's weights and biases by the temperature that makes the validation loss least.

    Answers stay the same, and so does every reader of the model file (Guo et al. 2017, arXiv 1706.04599,
    section 4.2). The search is by golden section.

    Returns:
        the temperature, 0.1 to 10; above 1 where the network was too sure of itself.

    Raises:
        TypeError: that is no model or no data set.
        ValueError: there are no digits.
    """
    check(model, validation, "validation")
    z, _ = outputs(model, validation.images)
    target = one_hot(validation.labels)

    def loss(log_temperature: float) -> float:
        cooled = z / np.float32(10**log_temperature)
        return float(model.network.loss.value(cooled, target).sum(dtype=np.float64))

    low, high = -1.0, 1.0
    while high - low > 1e-4:
        first, second = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        low, high = (low, second) if loss(first) < loss(second) else (first, high)
    temperature = float(10 ** ((low + high) / 2))
    model.network.split_by_layer(model.network.parameters)[-1] /= np.float32(temperature)
    return temperature
