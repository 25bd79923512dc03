"""Gradient descent finds better functions, the same one every time."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from digitnet import (
    Binarization,
    Dataset,
    DigitnetError,
    EpochResult,
    Model,
    Network,
    TrainingSettings,
    evaluate,
    fit,
    read_dataset,
)
from digitnet.nn.activations import ACTIVATIONS
from digitnet.nn.losses import LOSSES
from digitnet.nn.optimizers import OPTIMIZERS
from digitnet.training.trainer import Trainer, schedule


def trained(
    sizes: tuple[int | str, ...], data: Dataset, settings: TrainingSettings, **options: str
) -> tuple[Model, list[EpochResult]]:
    model = Model(Network(sizes, rng=np.random.default_rng(1), **options))  # type: ignore[arg-type]
    return model, list(fit(model, data, data[:500], settings, rng=np.random.default_rng(2)))


@pytest.mark.parametrize(("sizes", "epochs", "least"), [((784, 10), 1, 0.80), ((784, 100, 10), 2, 0.92)])
def test_short_runs_on_mnist_are_sane(mnist: Path, sizes: tuple[int, ...], epochs: int, least: float) -> None:
    model, _ = trained(
        sizes, read_dataset(mnist, "train"), TrainingSettings(epochs=epochs, batch_size=128, distortions="none")
    )
    assert evaluate(model, read_dataset(mnist, "test")).accuracy > least


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "identity"])
def test_every_combination_learns(digits: Dataset, activation: str, loss: str, optimizer: str) -> None:
    settings = TrainingSettings(epochs=20, batch_size=32, optimizer=optimizer, distortions="none")
    _, epochs = trained((784, 40, 10), digits, settings, activation=activation, loss=loss)
    assert epochs[-1].loss < epochs[0].loss
    assert epochs[-1].validation_accuracy > 0.7  # square error through sigmoids is slow


@pytest.mark.parametrize("side", [16, 56])
def test_other_sides_learn(digits: Dataset, side: int) -> None:
    _, epochs = trained((side * side, 40, 10), digits, TrainingSettings(epochs=20, batch_size=128, distortions="none"))
    assert epochs[-1].validation_accuracy > 0.85


def test_convolutions_become_dense_layers_that_go_on_free(digits: Dataset) -> None:
    structure, settings = (
        ("28x28", "4x5x5/2", 10),
        TrainingSettings(epochs=4, batch_size=64, distortions="none", shared=0.5),
    )
    model, epochs = trained(structure, digits, settings)
    assert model.network.structure == ("784", "576", "10")
    assert [len(epoch.gradient_norms) for epoch in epochs] == [2, 2, 2, 2]
    losses = [epoch.validation_loss for epoch in epochs]
    assert losses == sorted(losses, reverse=True)  # unfolding is no setback
    weights = model.network.parameters[: 784 * 576]
    assert np.count_nonzero(weights) > 30 * 576  # more than the 25 of a patch


def test_pooling_cannot_become_dense() -> None:
    with pytest.raises(DigitnetError, match="pooling"):
        Trainer(Model(Network(("28x28", "4x5x5", "2s", 10))), TrainingSettings(shared=0.5), np.random.default_rng(1))


def test_same_seeds_same_network(digits: Dataset) -> None:
    (one, first), (other, second) = (trained((784, 30, 10), digits, TrainingSettings(epochs=2)) for _ in range(2))
    np.testing.assert_array_equal(one.network.parameters, other.network.parameters)
    assert first == second


def test_yields_epochs_and_tells_progress(digits: Dataset) -> None:
    done: list[int] = []
    model = Model(Network((784, 10)), Binarization(threshold=60))
    epochs = list(fit(model, digits[:300], None, TrainingSettings(epochs=3, batch_size=128), progress=done.append))
    assert [epoch.number for epoch in epochs] == [1, 2, 3]
    assert done == [128, 128, 44] * 3
    assert all(np.isnan(epoch.validation_accuracy) for epoch in epochs)


def test_first_loss_is_that_of_knowing_nothing(digits: Dataset) -> None:
    network = Network((784, 10), parameters=np.zeros(7850, np.float32))
    first = next(fit(Model(network), digits, None, TrainingSettings(learning_rate=1e-12)))
    assert first.loss == pytest.approx(np.log(10), rel=1e-4)


@given(steps=st.integers(1, 1000), warmup=st.floats(0, 1))
def test_schedule_rises_then_falls_however_long(steps: int, warmup: float) -> None:
    shares = [schedule((step + 0.5) / steps, warmup) for step in range(steps)]
    assert all(0 < share <= 1 for share in shares)
    turn = int(np.argmax(shares))
    assert all(a <= b for a, b in pairwise(shares[: turn + 1]))
    assert all(a >= b for a, b in pairwise(shares[turn:]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"optimizer": "newton"},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"warmup": 1.5},
        {"warmup": float("nan")},
        {"distortions": "wild"},
        {"habits": -0.1},
        {"nonsense": 1.1},
    ],
)
def test_refuses_settings_out_of_range(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainingSettings(**wrong)  # type: ignore[arg-type]
