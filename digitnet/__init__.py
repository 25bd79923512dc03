"""Handwritten digits: a feed-forward network in NumPy, trained and used bare.

Five lines build, train, keep and use one (after ``digitnet fetch``)::

    from digitnet import Model, Network, Recognizer, TrainingSettings, load, read_dataset, save, train
    model = Model(Network((784, 100, 10)))
    history = train(model, read_dataset("data", "train"), settings=TrainingSettings(epochs=5))
    save(model, "mine.h5")
    print(Recognizer(load("mine.h5")).read("my_digit.png").digit)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from digitnet.version import __version__ as __version__

if TYPE_CHECKING:
    from digitnet.data.datasets import Dataset, read_dataset
    from digitnet.errors import DigitnetError
    from digitnet.imaging.normalize import Binarization, binarize, normalize
    from digitnet.models.model import Model
    from digitnet.models.model_file import load, save
    from digitnet.models.recognizer import Prediction, Recognizer
    from digitnet.nn.network import Network
    from digitnet.training.evaluation import evaluate
    from digitnet.training.session import train
    from digitnet.training.trainer import EpochResult, TrainingSettings, fit

_HOMES = {
    "Dataset": "data.datasets",
    "DigitnetError": "errors",
    "EpochResult": "training.trainer",
    "Binarization": "imaging.normalize",
    "Model": "models.model",
    "Network": "nn.network",
    "Prediction": "models.recognizer",
    "Recognizer": "models.recognizer",
    "TrainingSettings": "training.trainer",
    "binarize": "imaging.normalize",
    "evaluate": "training.evaluation",
    "fit": "training.trainer",
    "load": "models.model_file",
    "normalize": "imaging.normalize",
    "read_dataset": "data.datasets",
    "save": "models.model_file",
    "train": "training.session",
}

__all__ = [
    "Binarization",
    "Dataset",
    "DigitnetError",
    "EpochResult",
    "Model",
    "Network",
    "Prediction",
    "Recognizer",
    "TrainingSettings",
    "binarize",
    "evaluate",
    "fit",
    "load",
    "normalize",
    "read_dataset",
    "save",
    "train",
]


def __getattr__(name: str) -> Any:
    # Lazy (PEP 562), so that ``digitnet --help`` need not wait for NumPy.
    if name in _HOMES:
        return getattr(import_module(f"digitnet.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'digitnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
