"""Optimizers against the formulas of their papers, one number at a time in plain Python."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from digitnet.nn import optimizers
from digitnet.nn.optimizers import OPTIMIZERS
from digitnet.types import Floats

GRADIENTS = [0.5, -1.25, 3.0, 0.0, 1e-3]
ETA = 0.07


def gradient_descent(theta: float) -> Iterator[float]:
    for g in GRADIENTS:
        theta -= ETA * g
        yield theta


def momentum(theta: float) -> Iterator[float]:
    v = 0.0
    for g in GRADIENTS:
        v = 0.9 * v - ETA * g
        theta += v
        yield theta


def adam(theta: float) -> Iterator[float]:
    m = v = 0.0
    for t, g in enumerate(GRADIENTS, start=1):
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g * g
        theta -= ETA * (m / (1 - 0.9**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
        yield theta


@pytest.mark.parametrize(
    ("name", "reference"), [("gradient-descent", gradient_descent), ("momentum", momentum), ("adam", adam)]
)
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-5)])
def test_follows_its_formula(
    name: str, reference: Callable[[float], Iterator[float]], dtype: type, tolerance: float
) -> None:
    theta: Floats = np.array([2.0, -1.0], dtype)
    optimizer = OPTIMIZERS[name](theta)
    for g, *expected in zip(GRADIENTS, reference(2.0), reference(-1.0), strict=True):
        optimizer.step(theta, np.full(2, g, dtype), ETA)
        np.testing.assert_allclose(theta, expected, rtol=tolerance)
    assert theta.dtype == dtype


@pytest.mark.parametrize("cores", [1, 2, 3, 7])
@pytest.mark.parametrize("size", [1, 2, 100_003])
def test_cores_share_every_element_once(cores: int, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimizers, "CORES", cores)
    counts = np.zeros(size, int)

    def update(part: slice) -> None:
        counts[part] += 1

    optimizers.share(update, size)
    assert (counts == 1).all()
