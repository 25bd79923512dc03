"""The package as a Python program uses it: networks copied, pickled, sent to processes and shared by threads."""

import copy
import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digitnet import Dataset, Model, Network, Settings, fit, save
from digitnet.training import Training

SHORT = Settings(epochs=2, batch_size=64)
STRUCTURES: list[tuple[int | str, ...]] = [(784, 20, 10), ("28x28", "3x5x5", "2s", 10)]


def pickled(what: Any) -> Any:
    return pickle.loads(pickle.dumps(what))


COPIES: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, pickled]


def trained(model: Model, digits: Dataset) -> bytes:
    """The parameters after a short training that is always the same."""
    list(fit(model, digits, settings=SHORT, rng=np.random.default_rng(2)))
    return model.network.parameters.tobytes()


# --- copies


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_trains_to_the_same_bytes(
    digits: Dataset, tmp_path: Path, copied: Callable[[Any], Any], structure: tuple[int | str, ...]
) -> None:
    original = Model(Network(structure, activation="tanh", loss="square", rng=np.random.default_rng(1)))
    other = copied(original)
    other.network = copied(original.network)
    before = original.network.parameters.copy()
    after = trained(other, digits[:300])
    np.testing.assert_array_equal(original.network.parameters, before)
    assert after != before.tobytes()
    assert trained(original, digits[:300]) == after
    save(other, tmp_path / "copy.h5")
    save(original, tmp_path / "original.h5")
    assert (tmp_path / "copy.h5").read_bytes() == (tmp_path / "original.h5").read_bytes()


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_keeps_what_it_is(copied: Callable[[Any], Any]) -> None:
    class Mine(Network):
        pass

    original = Network((4, 3, 10), activation="sigmoid", loss="square", parameters=np.arange(55.0))
    other = copied(original)
    assert repr(other) == repr(original)
    assert other.parameters.dtype == np.float64
    assert other.loss is original.loss
    if copied is not pickled:  # a class within a function cannot be pickled
        assert type(copied(Mine((4, 10)))) is Mine


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
@pytest.mark.parametrize("copied", [copy.deepcopy, pickled])
def test_a_copied_training_goes_on_to_the_same_bytes(
    digits: Dataset, copied: Callable[[Any], Any], optimizer: str
) -> None:
    settings = Settings(epochs=3, batch_size=64, optimizer=optimizer, early_stop=3)
    training = Training(Model(Network((784, 20, 10))), settings, np.random.default_rng(2))
    epochs = training.epochs(digits[:300], digits[300:400])
    next(epochs)
    other = copied(training)
    rest = list(epochs)
    assert list(other.epochs(digits[:300], digits[300:400])) == rest
    np.testing.assert_array_equal(other.model.network.parameters, training.model.network.parameters)


def test_parameters_are_written_into_not_replaced() -> None:
    network = Network((4, 10))
    with pytest.raises(AttributeError, match=r"network\.parameters\[\.\.\.\] = values"):
        network.parameters = np.zeros(50, np.float32)
    network.parameters -= 1
    network.parameters[...] = 0
    np.testing.assert_array_equal(network.forward(np.ones((4, 1), np.float32)), 0)


# --- processes and threads


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_processes_train_what_they_are_sent(digits: Dataset, method: str) -> None:
    """Also those that are forked after a training: their parent's threads are not theirs."""
    model = Model(Network((784, 20, 10)))
    expected = trained(copy.deepcopy(model), digits[:300])
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.starmap_async(trained, [(model, digits[:300])] * 2).get(timeout=60) == [expected] * 2


def test_threads_share_a_network_to_predict(digits: Dataset) -> None:
    network = Network(("28x28", "3x5x5", "2s", 50, 10))
    x = np.asarray(digits.images[:64].reshape(64, 784) > 127, np.float32).T
    with ThreadPoolExecutor(8) as pool:
        for y in pool.map(network, [x] * 100):
            np.testing.assert_array_equal(y, network(x))


def test_threads_train_copies(digits: Dataset) -> None:
    model = Model(Network((784, 20, 10)))
    copies = [copy.deepcopy(model) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda each: trained(each, digits[:300]), copies))
    assert results == [trained(model, digits[:300])] * 4
