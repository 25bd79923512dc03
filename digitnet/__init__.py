"""Handwritten digits: a feed-forward network in NumPy, trained and used bare.

Five lines build, train, keep and use one (after ``digitnet fetch``)::

    from digitnet import Model, Network, Recognizer, Settings, load, read_dataset, save, train
    model = Model(Network((784, 100, 10)))
    history = train(model, read_dataset("data", "train"), settings=Settings(epochs=5))
    save(model, "mine.h5")
    print(Recognizer(load("mine.h5")).read("my_digit.png").digit)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from digitnet.datasets import Dataset, read_dataset
    from digitnet.errors import DigitnetError
    from digitnet.evaluation import evaluate
    from digitnet.ink import Ink, binarize, normalize
    from digitnet.model import Model
    from digitnet.modelfile import load, save
    from digitnet.network import Network
    from digitnet.recognizer import Prediction, Recognizer
    from digitnet.session import train
    from digitnet.training import Epoch, Settings, fit

_HOMES = {
    "Dataset": "datasets",
    "DigitnetError": "errors",
    "Epoch": "training",
    "Ink": "ink",
    "Model": "model",
    "Network": "network",
    "Prediction": "recognizer",
    "Recognizer": "recognizer",
    "Settings": "training",
    "binarize": "ink",
    "evaluate": "evaluation",
    "fit": "training",
    "load": "modelfile",
    "normalize": "ink",
    "read_dataset": "datasets",
    "save": "modelfile",
    "train": "session",
}

__all__ = [
    "Dataset",
    "DigitnetError",
    "Epoch",
    "Ink",
    "Model",
    "Network",
    "Prediction",
    "Recognizer",
    "Settings",
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
