"""The package as a Python program uses it: networks copied, pickled, sent to processes and shared by threads."""

import copy
import multiprocessing
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import digitnet
from digitnet import (
    Binarization,
    Dataset,
    Model,
    Network,
    TrainingSettings,
    binarize,
    evaluate,
    fit,
    load,
    save,
    train,
)
from digitnet.training.calibration import calibrate
from digitnet.training.trainer import Trainer
from tests.conftest import Run
from tests.test_datasets import write_idx

SHORT = TrainingSettings(epochs=2, batch_size=64)
STRUCTURES: list[tuple[int | str, ...]] = [(784, 20, 10), ("28x28", "3x5x5", "2s", 10)]


def pickled(what: Any) -> Any:
    return pickle.loads(pickle.dumps(what))


COPIES: list[Callable[[Any], Any]] = [copy.copy, copy.deepcopy, pickled]


def trained(model: Model, digits: Dataset) -> bytes:
    """The parameters after a short training that is always the same."""
    list(fit(model, digits, settings=SHORT, rng=np.random.default_rng(2)))
    return model.network.parameters.tobytes()


def trained_anew(digits: Dataset) -> bytes:
    """The same, of a network that was never sent anywhere."""
    return trained(Model(Network((784, 20, 10))), digits)


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
    settings = TrainingSettings(epochs=3, batch_size=64, optimizer=optimizer, early_stop=3)
    training = Trainer(Model(Network((784, 20, 10))), settings, np.random.default_rng(2))
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
    trained_anew(digits[:300])
    sent = (Model(Network((784, 20, 10))), digits[:300])
    with multiprocessing.get_context(method).Pool(2) as pool:
        # Compared among them: the last bits depend on how many threads share a matrix product.
        expected = pool.apply_async(trained_anew, (digits[:300],)).get(timeout=60)
        assert pool.starmap_async(trained, [sent] * 2).get(timeout=60) == [expected] * 2


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


# --- a training in one call


@pytest.mark.parametrize(
    ("options", "validation", "settings"),
    [
        ("", 0.1, TrainingSettings()),
        (
            "--validation-split 0 --set distortions=wide --set nonsense=0.1",
            0,
            TrainingSettings(distortions="wide", nonsense=0.1),
        ),
        (
            "--validation-split 0.3 --patience 1 --learning-rate 0.1",
            0.3,
            TrainingSettings(early_stop=1, learning_rate=0.1),
        ),
        ("--layers 28x28,3x5x5/2,10 --set shared=0.5", 0.1, TrainingSettings(shared=0.5)),
    ],
)  # fmt: skip
def test_train_writes_the_file_that_the_command_writes(
    run: Run, tmp_path: Path, digits: Dataset, options: str, validation: float, settings: TrainingSettings
) -> None:
    write_idx(tmp_path / "small", digits)
    structure = "28x28,3x5x5/2,10" if "--layers" in options else "784,20,10"
    command = f"train --data small --layers {structure} --epochs 4 --seed 7 --output theirs.h5 {options}"
    assert run(*command.split()).returncode == 0
    # In a process of its own, too: the last bits depend on how many threads share a matrix product.
    program = (
        "import numpy as np; from digitnet import *; rng = np.random.default_rng(7).spawn(4)[1]; "
        f"model = Model(Network({structure.split(',')}, rng=rng)); "
        f"train(model, read_dataset('small'), {validation}, {replace(settings, epochs=4)}, seed=7); "
        "save(model, 'ours.h5')"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert (tmp_path / "ours.h5").read_bytes() == (tmp_path / "theirs.h5").read_bytes()


def test_train_keeps_a_history_and_goes_on(digits: Dataset) -> None:
    model = Model(Network((784, 10)))
    history = train(model, digits, settings=SHORT)
    assert history is model.history
    assert [row["number"] for row in history] == [1, 2]
    assert history[1]["loss"] < history[0]["loss"]
    assert 0.1 < history[1]["validation_accuracy"] < 1
    assert 0.1 < model.record["temperature"] < 10  # type: ignore[operator]
    assert train(model, digits, 0, SHORT)[3]["loss"] < history[1]["loss"]
    assert "temperature" not in model.record


def test_train_measures_on_digits_of_its_own(digits: Dataset) -> None:
    one, other = Model(Network((784, 10))), Model(Network((784, 10)))
    part, held_out = digits.split(0.1, np.random.default_rng(3).spawn(4)[0])
    train(one, digits, settings=SHORT, seed=3)
    train(other, part, held_out, SHORT, seed=3)
    assert one.network.parameters.tobytes() == other.network.parameters.tobytes()
    assert other.record["validation"] == held_out.sha256


def test_train_shows_a_bar_only_if_asked(digits: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    train(Model(Network((784, 10))), digits[:300], settings=SHORT)
    assert capsys.readouterr() == ("", "")
    train(Model(Network((784, 10))), digits[:300], settings=SHORT, progress=True)
    train(Model(Network((784, 10))), digits[:300], 0, SHORT, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.search(r"540/540 .*epoch=2/2, loss=\d\.\d{4}, validation=\d+\.\d\d%", shown.err)
    assert re.search(r"600/600 .*epoch=2/2, loss=\d\.\d{4}]", shown.err)


def test_what_is_refused_leaves_the_model_as_it_was(digits: Dataset) -> None:
    model = Model(Network((784, 10)), record={"seed": 5})
    with pytest.raises(ValueError, match="early_stop needs validation digits"):
        train(model, digits, 0, TrainingSettings(early_stop=1))
    assert model.record == {"seed": 5}


def test_importing_brings_no_progress_bar() -> None:
    code = "import sys; from digitnet import Recognizer, fit, load, train; sys.exit('tqdm' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- wrong arguments

IMAGES = np.zeros((100, 28, 28), np.uint8)
DATA = Dataset(IMAGES, np.zeros(100, int))
MODEL = Model(Network((784, 10)))
DEEP = Model(Network((784, *[128] * 20, 10)))
RNG = np.random.default_rng(1)
NAMES = {name: getattr(digitnet, name) for name in digitnet.__all__} | {"Image": Image, "calibrate": calibrate}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ("Dataset(IMAGES, DATA.labels[:50])", ValueError, r"labels must have shape \(100,\), .*not \(50,\)"),
        ("Dataset(IMAGES / 255, DATA.labels)", TypeError, "images must be a uint8 array .*not float64"),
        ("Dataset(IMAGES.tolist(), DATA.labels)", TypeError, "images must be a uint8 array .*not list"),
        ("Dataset(IMAGES.reshape(100, 784), DATA.labels)", ValueError, r"shape \(n, side, side\), .*\(100, 784\)"),
        ("Dataset(IMAGES[:, :20], DATA.labels)", ValueError, r"not \(100, 20, 28\)"),
        ("Dataset(IMAGES, DATA.labels + 10)", ValueError, "labels must be 0 to 9, not 10 to 10"),
        ("Dataset(IMAGES, DATA.labels.astype(int) - 1)", ValueError, "labels must be 0 to 9, not -1 to -1"),
        ("Dataset(IMAGES, DATA.labels / 1)", TypeError, "labels must be integers from 0 to 9.*not float64"),
        ('Dataset(IMAGES, ["7"] * 100)', TypeError, "labels must be integers from 0 to 9, one for each image, not <U1"),
        ("DATA[0]", TypeError, "slice or an array of indices, .*not int"),
        ("DATA.split(20, RNG)", ValueError, "share must be between 0 and 1, not 20"),
        ("DATA.split(0.1, 1)", TypeError, "rng must be of type Generator, not int; .*default_rng"),
        ('read_dataset("data", "tset")', ValueError, "part must be one of train, test, not 'tset'"),
        ('Network("784,10")', TypeError, r"structure must be a sequence such as \(784, 100, 10\), not str"),
        ("Network(784)", TypeError, "structure must be a sequence .*not int"),
        ("Network((784.0, 10))", TypeError, "a layer must be a whole number or a string .*not float 784.0"),
        ('Network((784, 10), activation="gelu")', ValueError, "activation must be one of relu, "),
        ('Network((784, 10), loss="mse")', ValueError, "loss must be one of cross-entropy, square"),
        ("Network((784, 10), rng=0)", TypeError, "rng must be of type Generator, not int"),
        ("Network((784, 10), parameters=[0.0] * 7850)", TypeError, "parameters must be an array of floats"),
        ("MODEL.network(np.zeros((5, 784)))", ValueError, r"\(784, n\), one column per image, not \(5, 784\)"),
        ("MODEL.network(np.zeros(784))", ValueError, r"not \(784,\)"),
        ("MODEL.network([[0.0]] * 784)", TypeError, "x must be an array, not list"),
        ("Model((784, 10))", TypeError, "network must be of type Network, not tuple"),
        ("Model(MODEL.network, 28)", TypeError, "ink must be of type Binarization, not int"),
        ("Model(Network((784, 5)))", ValueError, "5 outputs does not tell 10 digits apart"),
        ("TrainingSettings(epochs=2.5)", TypeError, "epochs must be a whole number, not float"),
        ('TrainingSettings(epochs="3")', TypeError, "epochs must be a whole number, not str"),
        ("TrainingSettings(batch_size=True)", TypeError, "batch_size must be a whole number, not bool"),
        ("TrainingSettings(early_stop=0)", ValueError, "early_stop must be at least 1, not 0"),
        ('TrainingSettings(warmup="long")', TypeError, "warmup must be a number, not str"),
        ("TrainingSettings(learning_rate=np.inf)", ValueError, "learning_rate must be above 0 and finite, not inf"),
        ('TrainingSettings(optimizer="sgd")', ValueError, "optimizer must be one of gradient-descent, "),
        ('TrainingSettings(distortions="mild")', ValueError, "distortions must be one of none, light, "),
        ('Binarization(side="28")', TypeError, "side must be a whole number, not str"),
        ("Binarization(threshold=0.5)", TypeError, "threshold must be a whole number, not float"),
        ("fit(MODEL, IMAGES)", TypeError, "train must be of type Dataset, not ndarray; read_dataset"),
        ("fit(MODEL, DATA[:0])", ValueError, "train has no digits"),
        ("fit(MODEL.network, DATA)", TypeError, r"model must be of type Model, not Network; Model\(network\)"),
        ("fit(MODEL, DATA, 0.1)", TypeError, "validation must be of type Dataset, not float; data.split"),
        ("fit(MODEL, DATA, settings={})", TypeError, "settings must be of type TrainingSettings, not dict"),
        ("fit(MODEL, DATA, rng=0)", TypeError, "rng must be of type Generator, not int"),
        ("fit(MODEL, DATA, settings=TrainingSettings(early_stop=2))", ValueError, "early_stop needs validation"),
        ('evaluate("models/pretrained.h5", DATA)', TypeError, r"model must be of type Model, not str; .*load"),
        ("train(MODEL, IMAGES)", TypeError, "data must be of type Dataset, not ndarray"),
        ("train(MODEL, DATA, 'some')", TypeError, "validation must be a number, not str"),
        ("train(MODEL, DATA, 10)", ValueError, "validation must be between 0 and 1, not 10"),
        ("train(MODEL, DATA, 1)", ValueError, "validation=1.0 leaves none of 100 digits to train on"),
        ("train(MODEL, DATA, DATA[:0], TrainingSettings(early_stop=2))", ValueError, "early_stop needs validation"),
        ("train(MODEL, DATA, seed=-1)", ValueError, "seed must be at least 0, not -1"),
        ("train(MODEL, DATA, seed=RNG)", TypeError, "seed must be a whole number, not Generator"),
        ("evaluate(MODEL, IMAGES)", TypeError, "dataset must be of type Dataset, not ndarray"),
        ("evaluate(MODEL, DATA[:0])", ValueError, "dataset has no digits"),
        ("calibrate(MODEL, IMAGES)", TypeError, "validation must be of type Dataset, not ndarray"),
        ("calibrate(MODEL, DATA[:0])", ValueError, "validation has no digits"),
        ("binarize(IMAGES[0], Binarization())", ValueError, r"grey must have shape \(n, side, side\), not \(28, 28\)"),
        ("binarize(IMAGES / 255, Binarization())", TypeError, "grey must be a uint8 array .*not float64"),
        ("binarize(IMAGES, 28)", TypeError, "ink must be of type Binarization, not int"),
        ('normalize("examples/7.png")', TypeError, r"must be of type Image, not str; PIL.Image.open\(path\)"),
        ("normalize(IMAGES[0])", TypeError, "not ndarray; .*fromarray"),
        ('normalize(Image.new("L", (9, 9)), "drak")', ValueError, "polarity must be one of auto"),
    ],
)  # fmt: skip
def test_a_wrong_argument_is_one_line(call: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        eval(call, {**globals(), **NAMES})
    assert caught.type is error
    assert "\n" not in str(caught.value)


def test_labels_of_any_integers_become_uint8(digits: Dataset) -> None:
    for labels in (digits.labels.astype(np.int64), digits.labels.astype(">u4"), digits.labels.tolist()):
        data = Dataset(digits.images, labels)  # type: ignore[arg-type]
        assert data.labels.dtype == np.uint8
        assert data.sha256 == digits.sha256


def test_numbers_of_numpy_are_kept_as_those_of_python(tmp_path: Path) -> None:
    """JSON in the model file knows no others."""
    settings = TrainingSettings(epochs=np.int64(3), learning_rate=np.float32(0.5), warmup=np.float64(0), habits=1)  # type: ignore[arg-type]
    model = Model(Network((784, 10)), Binarization(threshold=np.uint8(100)), record=asdict(settings))  # type: ignore[arg-type]
    save(model, tmp_path / "model.h5")
    assert load(tmp_path / "model.h5").record == asdict(settings)
    assert type(settings.habits) is float


def test_no_images_are_no_vectors() -> None:
    assert binarize(IMAGES[:0], Binarization()).shape == (0, 784)


def test_non_digits_of_another_side(digits: Dataset) -> None:
    settings = TrainingSettings(epochs=1, nonsense=0.5)
    (epoch,) = fit(Model(Network((56 * 56, 10))), digits[:200], settings=settings)
    assert np.isfinite(epoch.loss)


def test_data_can_be_compared() -> None:
    assert DATA == DATA
    assert Dataset(IMAGES, DATA.labels) != DATA


# --- in a notebook


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (Dataset(IMAGES[:1], DATA.labels[:1], ("a.png: damaged",)), r"Dataset\(1 digit of 28x28, 1 unread\)"),
        (DATA[:0], r"Dataset\(0 digits of 28x28\)"),
        (DEEP, r"Model\(784-128-.*\.\.\..*-128-10 relu, 415,498 parameters, 0 epochs\)"),
        (Model(Network((784, 10), activation="sigmoid"), history=[{"loss": 1}]), "1 epoch"),
        (evaluate(MODEL, DATA), r"Evaluation\(accuracy 0.00%, 100 of 100 digits wrong, mean loss 2\.\d{4}\)"),
    ],
)  # fmt: skip
def test_what_is_shown_fits_on_a_line(what: object, words: str) -> None:
    assert re.search(words, repr(what))
    assert len(repr(what)) < 100
    assert "\n" not in repr(what)
