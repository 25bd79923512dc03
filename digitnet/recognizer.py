"""Pictures in, digits out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from digitnet.arrays import Bytes, Floats
from digitnet.ink import binarize, normalize_all, small_grey
from digitnet.model import Model
from digitnet.paper import LARGEST, Polarity
from digitnet.pictures import Picture, open_picture

if TYPE_CHECKING:
    from digitnet.number import Found

NO_DIGIT = -1
"""The answer to a picture without ink."""


class Prediction(NamedTuple):
    """What one picture was read as.

    Attributes:
        digit: 0 to 9, or None if there is no answer.
        confidence: of the likeliest digit, 0 to 1; 0 without ink.
        confidences: of each digit, 0 to 9.
        seen: (side, side) uint8 of 0 and 1, the ink that the network saw.
        reason: why there is no answer.
    """

    digit: int | None
    confidence: float
    confidences: tuple[float, ...]
    seen: Bytes
    reason: str | None = None


class Recognizer:
    """Reads pictures with a model.

    Example:
        >>> from digitnet import Recognizer, load
        >>> Recognizer(load("models/pretrained.h5")).read("examples/7.png").digit
        7

    Args:
        model: a network and its ink settings.
        polarity: what ink looks like on the pictures to come: "dark", "light", or found for each by itself.
        min_confidence: below it there is no answer.
    """

    def __init__(self, model: Model, polarity: Polarity = "auto", min_confidence: float = 0) -> None:
        self.model, self.polarity, self.min_confidence = model, polarity, min_confidence

    def read(self, source: str | os.PathLike[str] | bytes) -> Prediction:
        """Read one picture, from a file or from the bytes of one.

        Raises:
            DigitnetError: it cannot be decoded.
        """
        return self.predict(self.normalize([self.open(source)]))[0]

    def open(self, source: str | os.PathLike[str] | bytes) -> Picture:
        """Open a picture: its luminance (mode L), not larger than is needed to see its digit.

        Raises:
            DigitnetError: it cannot be decoded.
        """
        return small_grey(open_picture(source, LARGEST))

    def normalize(self, greys: Sequence[Picture]) -> Bytes:
        """Normalize opened pictures, which is faster together: (n, 28, 28) uint8 grey."""
        return normalize_all(greys, self.polarity)

    def read_number(self, source: str | os.PathLike[str] | bytes) -> list[list[tuple[Found, Prediction]]]:
        """Read several digits in one picture: lines from the top, each from the left; empty where there is no ink.

        A digit so wide that it may be two is cut in two where that makes the network surer of both.

        Raises:
            DigitnetError: it cannot be decoded.
        """
        from digitnet.number import find_digits  # not needed where a picture holds one digit

        lines = find_digits(open_picture(source), self.polarity)
        return [[one for found in line for one in self._apart(found)] for line in lines]

    def _apart(self, found: Found) -> list[tuple[Found, Prediction]]:
        whole = self.predict([found.grey])[0]
        halves = found.halves()
        if halves is None:
            return [(found, whole)]
        parts = [part for half in halves for part in self._apart(half)]
        surer = min(part.confidence for _, part in parts) > whole.confidence
        return parts if surer else [(found, whole)]

    def predict(self, greys: Bytes | Sequence[Bytes]) -> list[Prediction]:
        """Read normalized pictures, all of them through the network at once."""
        seen = binarize(np.asarray(greys), self.model.ink)
        confidences = self.model.network(columns(seen))
        side = self.model.ink.side
        predictions = []
        pictures = zip(answers(seen.max(axis=1) > 0, confidences).tolist(), confidences.T.tolist(), seen, strict=True)
        for digit, ys, ink in pictures:
            pixels = ink.reshape(side, side)
            if digit == NO_DIGIT:
                predictions.append(Prediction(None, 0.0, (0.0,) * len(ys), pixels, "no ink found"))
                continue
            sure = ys[digit] >= self.min_confidence
            answer, reason = (digit, None) if sure else (None, "unsure")
            predictions.append(Prediction(answer, ys[digit], tuple(ys), pixels, reason))
        return predictions


def columns(vectors: Bytes | Floats) -> Floats:
    """Ink vectors (n, inputs) -> what a network takes: float32 (inputs, n), one column per picture."""
    return vectors.astype(np.float32).T


def answers(inked: np.ndarray, confidences: Floats) -> np.ndarray:
    """Whether there is any ink (n,) and confidences (10, n) -> digits (n,), NO_DIGIT where there is none."""
    return np.where(inked, confidences.argmax(axis=0), NO_DIGIT)
