"""Real files for the tests: MNIST as ``digitnet fetch`` left it, and the command line as a process."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digitnet import Dataset, Model, Network, read_dataset, save

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
Run = Callable[..., "subprocess.CompletedProcess[str]"]

# A shell ignores Ctrl-C for what it starts in the background, and our processes would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)


def obey_permissions() -> None:
    """For ``preexec_fn``: let root be stopped by a file's permissions, as everybody else is."""
    drop_from_bounding_set, override, read_and_search = 24, 1, 2  # linux/prctl.h, linux/capability.h
    for capability in (override, read_and_search):
        ctypes.CDLL(None).prctl(drop_from_bounding_set, capability)


@pytest.fixture(scope="session")
def mnist() -> Path:
    """The folder of MNIST's files; ``make test`` has fetched them."""
    folder = Path(os.environ.get("DIGITNET_DATA", ROOT / "data"))
    assert (folder / "train-images-idx3-ubyte").exists(), "run 'digitnet fetch' first, as 'make test' does"
    return folder


@pytest.fixture(scope="session")
def digits(mnist: Path) -> Dataset:
    """The first 2,000 training digits."""
    return read_dataset(mnist, "train")[:2000]


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No data or model named from outside."""
    monkeypatch.delenv("DIGITNET_DATA", raising=False)
    monkeypatch.delenv("DIGITNET_MODEL", raising=False)


@pytest.fixture
def run(tmp_path: Path, clean_environment: None) -> Run:
    """Call it with arguments for the finished ``digitnet`` process, started in an empty folder."""

    def digitnet(*arguments: object, **options: Any) -> "subprocess.CompletedProcess[str]":
        texts = [argument if isinstance(argument, bytes) else str(argument) for argument in arguments]
        command: list[str | bytes] = [sys.executable, "-m", "digitnet", *texts]
        every: dict[str, Any] = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 120}
        result: subprocess.CompletedProcess[str] = subprocess.run(command, **(every | options))
        return result

    return digitnet


@pytest.fixture
def small_model() -> Model:
    """An untrained network with something in every part of its file."""
    network = Network((784, 12, 10), rng=np.random.default_rng(5))
    return Model(network, record={"seed": 5, "learning_rate": None}, history=[{"number": 1.0, "loss": 0.5}])


@pytest.fixture
def model_path(small_model: Model, tmp_path: Path) -> Path:
    """The same, saved."""
    path = tmp_path / "small.h5"
    save(small_model, path)
    return path
