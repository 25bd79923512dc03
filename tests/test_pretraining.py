"""Boltzmann machines against all their states counted out; pretraining makes deep sigmoid nets trainable."""

import numpy as np
import pytest

from digitnet import Dataset, DigitnetError, Model, Network, TrainingSettings, fit
from digitnet.training.rbm import EPOCHS, RBM, pretrain
from digitnet.types import Floats
from tests.test_gradients import numeric, relative_error

VISIBLE, HIDDEN = 4, 3
DEEP = (784, *[40] * 7, 10)


def states(units: int) -> Floats:
    """All of them, (units, 2^units)."""
    return np.array(list(np.ndindex((2,) * units)), np.float64).T


def joint(theta: Floats) -> Floats:
    """P(v, h) (2^visible, 2^hidden), from its definition, every state counted."""
    weights, c, b = np.split(theta, [VISIBLE * HIDDEN, VISIBLE * HIDDEN + HIDDEN])
    v, h = states(VISIBLE), states(HIDDEN)
    p = np.exp((b @ v)[:, None] + c @ h + v.T @ weights.reshape(VISIBLE, HIDDEN) @ h)
    return np.asarray(p / p.sum())


@pytest.fixture
def theta() -> Floats:
    return np.random.default_rng(1).normal(size=VISIBLE * HIDDEN + HIDDEN + VISIBLE)


def test_conditionals_are_those_of_the_joint_distribution(theta: Floats) -> None:
    machine, p = RBM(theta, VISIBLE, HIDDEN), joint(theta)
    given_v = states(HIDDEN) @ p.T / p.sum(axis=1)
    np.testing.assert_allclose(machine.hidden(states(VISIBLE)), given_v)
    given_h = states(VISIBLE) @ p / p.sum(axis=0)
    np.testing.assert_allclose(machine.visible(states(HIDDEN)), given_h)


def test_long_chains_give_the_gradient_of_the_likelihood(theta: Floats) -> None:
    examples = np.array([0, 3, 3, 9, 14])  # places among the states
    exact = numeric(lambda: -np.log(joint(theta).sum(axis=1)[examples]).mean(), theta)
    machine, estimate = RBM(theta, VISIBLE, HIDDEN), np.empty_like(theta)

    def error(steps: int) -> float:
        v = np.repeat(states(VISIBLE)[:, examples], 20_000, axis=1)
        machine.contrast(v, estimate, np.random.default_rng(2), steps)
        return relative_error(estimate, exact)

    assert error(30) < 0.01 < 0.05 < error(1)


def test_what_is_told_again_gets_better_layer_by_layer(digits: Dataset) -> None:
    model = Model(Network((784, 60, 40, 10), activation="sigmoid"))
    before = model.network.parameters.copy()
    done: list[int] = []
    epochs = list(pretrain(model, digits, np.random.default_rng(1), done.append))
    assert [(epoch.layer, epoch.layers, epoch.epoch) for epoch in epochs] == [
        (layer, 2, number) for layer in (1, 2) for number in range(1, EPOCHS + 1)
    ]
    for errors in ([epoch.error for epoch in epochs if epoch.layer == layer] for layer in (1, 2)):
        assert errors[-1] < 0.8 * errors[0]
    assert epochs[EPOCHS - 1].error < 0.5 * (digits.images > 127).var(axis=0).mean()  # of telling the same every time
    assert sum(done) == 2 * EPOCHS * len(digits)
    output = model.network.layers[-1].size
    np.testing.assert_array_equal(model.network.parameters[-output:], before[-output:])


def test_an_eight_layer_sigmoid_net_stalls_and_pretrained_it_learns(digits: Dataset) -> None:
    settings = TrainingSettings(epochs=15, batch_size=20, optimizer="gradient-descent", distortions="none")

    def accuracy(pretrained: bool) -> tuple[float, float]:
        model = Model(Network(DEEP, activation="sigmoid", rng=np.random.default_rng(1)))
        if pretrained:
            list(pretrain(model, digits, np.random.default_rng(2)))
        epochs = list(fit(model, digits, digits, settings, rng=np.random.default_rng(3)))
        return epochs[-1].validation_accuracy, epochs[0].gradient_norms[0] / epochs[0].gradient_norms[-1]

    stalled, vanished = accuracy(pretrained=False)
    trained, alive = accuracy(pretrained=True)
    assert stalled < 0.2
    assert trained > 0.7
    assert vanished < 1e-3 < alive


def test_refuses_what_is_no_boltzmann_machine(digits: Dataset) -> None:
    for network in (Network((784, 20, 10)), Network((784, 10)), Network(("28x28", "4x5x5", 10), activation="sigmoid")):
        with pytest.raises(DigitnetError, match="only hidden layers of sigmoid neurons"):
            next(pretrain(Model(network), digits, np.random.default_rng(1)))
