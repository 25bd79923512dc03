"""What a caller passes, checked: one line that says what is wrong and what to pass instead."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real

import numpy as np


def instance(name: str, value: object, kind: type, advice: str) -> None:
    """Check a type.

    Raises:
        TypeError: ``value`` is not an instance of ``kind``.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be of type {kind.__name__}, not {type(value).__name__}; {advice}")


def generator(value: object) -> None:
    """Check a source of random numbers.

    Raises:
        TypeError: it is not a numpy.random.Generator.
    """
    instance("rng", value, np.random.Generator, "numpy.random.default_rng(1) makes one")


def integer(name: str, value: object, least: int, most: float = math.inf) -> int:
    """A whole number within its range, as Python's own, which a model file can hold.

    Raises:
        TypeError: it is not a whole number.
        ValueError: it is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"{name} must be a whole number, not {type(value).__name__}")
    return int(_within(name, int(value), least, most))


def number(name: str, value: object, least: float = 0, most: float = 1) -> float:
    """A real number within its range, as Python's own, which a model file can hold.

    Raises:
        TypeError: it is not a number.
        ValueError: it is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}")
    return _within(name, float(value), least, most)


def _within(name: str, value: float, least: float, most: float) -> float:
    if not least <= value <= most:
        limits = f"at least {least}" if most == math.inf else f"between {least} and {most}"
        raise ValueError(f"{name} must be {limits}, not {value}")
    return value


def choice(name: str, value: object, known: Iterable[str]) -> None:
    """Check a name.

    Raises:
        ValueError: it is not among the known ones.
    """
    names = list(known)
    if value not in names:
        raise ValueError(f"{name} must be one of {', '.join(names)}, not {value!r}")


def square_images(name: str, value: object) -> None:
    """Check images (n, side, side) uint8.

    Raises:
        TypeError: not an array, or not of uint8.
        ValueError: not of that shape.
    """
    if not isinstance(value, np.ndarray) or value.dtype != np.uint8:
        kind = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        advices = {"f": "np.uint8(255 * x) converts floats from 0 to 1", "b": "np.uint8(255) * x converts bools"}
        advice = advices.get(getattr(value, "dtype", np.dtype("i")).kind, "x.astype(np.uint8) converts whole levels")
        raise TypeError(f"{name} must be a uint8 array of grey levels, 0 to 255, not {kind}; {advice}")
    if value.ndim != 3 or not value.shape[1] == value.shape[2] > 0:
        advice = "image[np.newaxis] is one image, rows.reshape(-1, 28, 28) are several"
        raise ValueError(f"{name} must have shape (n, side, side), not {value.shape}; {advice}")
