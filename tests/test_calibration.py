"""Temperature scaling: the same answers, honest confidence."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from digitnet import Dataset, Model, Network, TrainingSettings, evaluate, fit
from digitnet.nn.losses import LOSSES
from digitnet.training.calibration import calibrate
from digitnet.types import one_hot


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("factor", [0.2, 6.0])
def test_finds_the_temperature_that_scipy_finds(digits: Dataset, loss: str, factor: float) -> None:
    model = Model(Network((784, 40, 10), loss=loss))
    list(fit(model, digits[:1000], None, TrainingSettings(epochs=10, batch_size=50, distortions="none")))
    model.network.split_by_layer(model.network.parameters)[-1] *= factor
    x = (digits.images[1000:] > 127).reshape(1000, 784).T.astype(np.float32)
    z, target, before = model.network.forward(x), one_hot(digits.labels[1000:]), evaluate(model, digits[1000:])
    best = minimize_scalar(lambda t: model.network.loss.value(z / t, target).sum(), bounds=(0.1, 10), method="bounded")

    temperature = calibrate(model, digits[1000:])

    assert temperature == pytest.approx(best.x, rel=0.02)
    np.testing.assert_allclose(model.network.forward(x), z / temperature, rtol=1e-3, atol=1e-3)
    after = evaluate(model, digits[1000:])
    assert after.loss < before.loss
    np.testing.assert_array_equal(model.network.forward(x).argmax(axis=0), z.argmax(axis=0))
