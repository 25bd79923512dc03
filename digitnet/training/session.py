"""A whole training in one call, as ``digitnet train`` runs it: split, train, keep the history, calibrate."""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from digitnet.checks import integer, number
from digitnet.data.datasets import Dataset
from digitnet.models.model import Fact, Model
from digitnet.training.calibration import calibrate
from digitnet.training.evaluation import check
from digitnet.training.trainer import EpochResult, Trainer, TrainingSettings


def train(
    model: Model,
    data: Dataset,
    validation: float | Dataset = 0.1,
    settings: TrainingSettings = TrainingSettings(),
    *,
    seed: int = 1,
    progress: bool = False,
) -> list[dict[str, float]]:
    """Train a model in place and calibrate its confidence; :func:`digitnet.fit` yields after every epoch instead.

    With a network drawn by ``np.random.default_rng(seed).spawn(4)[1]``, :func:`digitnet.save` writes the bytes that
    ``digitnet train`` writes with the same seed, settings and data, on the same machine and with as many threads.
    Called again, it goes on with the same model. Ctrl-C leaves the model as it is in the middle of an epoch, not
    calibrated.

    Args:
        model: gets new parameters, its history another entry for each epoch, its record the settings and facts.
        data: the digits, not empty.
        validation: share of them, 0 to 1, to measure on and not to train on; or other digits to measure on.
        settings: how to descend.
        seed: of all that is drawn at random, but the network's first parameters.
        progress: show a bar, on stderr or in the notebook.

    Returns:
        the model's history: for each epoch its number, mean losses, validation accuracy (NaN without validation) and
        learning rate.

    Raises:
        TypeError, ValueError: an argument is wrong; the line says which.
        DigitnetError: the settings do not suit the network.
        DivergedError: the loss is no longer a number; the network is lost.
    """
    check(model, data, "data")
    splitting, _, ordering, _ = generators(integer("seed", seed, 0))
    part, held_out = data, validation
    if not isinstance(held_out, Dataset):
        validation = number("validation", validation)
        part, held_out = data.split(validation, splitting)
        if not len(part):
            raise ValueError(f"validation={validation} leaves none of {len(data)} digits to train on")
    training = Trainer(model, settings, ordering)
    training.check(part, held_out)
    model.record = record(data, validation, settings, seed)
    for epoch in _with_bar(training, part, held_out) if progress else training.epochs(part, held_out):
        model.history.append(entry(epoch))
    finish(training, held_out)
    return model.history


def generators(seed: int) -> list[np.random.Generator]:
    """What a seed stands for: generators that split the data, draw the network, order the digits, and pretrain."""
    return np.random.default_rng(seed).spawn(4)


def record(data: Dataset, validation: float | Dataset, settings: TrainingSettings, seed: int) -> dict[str, Fact]:
    """Settings and facts of a training, by name; validation digits by their hash."""
    held_out = validation.sha256 if isinstance(validation, Dataset) else validation
    facts = {"seed": seed, "data_sha256": data.sha256, "validation": held_out}
    return {**facts, **asdict(settings), "pretrain": None}


def entry(epoch: EpochResult) -> dict[str, float]:
    """What the history keeps of an epoch."""
    return {name: float(value) for name, value in asdict(epoch).items() if name != "gradient_norms"}


def finish(training: Trainer, held_out: Dataset) -> None:
    """Keep the best epoch, where the settings ask for it, and calibrate on the digits held out, if there are any."""
    training.keep_best()
    if len(held_out):
        training.model.record["temperature"] = calibrate(training.model, held_out)


def _with_bar(training: Trainer, train: Dataset, held_out: Dataset) -> Iterator[EpochResult]:
    from tqdm.auto import tqdm  # only for who wants to see it

    epochs = training.settings.epochs
    with tqdm(total=epochs * len(train), unit="digit", unit_scale=True) as bar:
        for epoch in training.epochs(train, held_out, bar.update):
            shown = {"epoch": f"{epoch.number}/{epochs}", "loss": f"{epoch.loss:.4f}"}
            if len(held_out):
                shown["validation"] = f"{epoch.validation_accuracy:.2%}"
            bar.set_postfix(shown)
            yield epoch
