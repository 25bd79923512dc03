"""Pictures in, digits out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from digitnet.checks import choice, instance, number
from digitnet.errors import DigitnetError
from digitnet.imaging.image_files import ImageSource, Page, Picture, open_pages
from digitnet.imaging.normalize import SIDE, Stages, binarize, columns, stages
from digitnet.imaging.preprocess import LARGEST, SHEET, Polarity
from digitnet.models.model import Model
from digitnet.models.model_file import load_shipped
from digitnet.types import CLASSES, Floats, UInt8Array

if TYPE_CHECKING:
    from digitnet.imaging.segmentation import DetectedDigit

NO_DIGIT = -1
"""The answer to a picture without ink."""
SURE = 0.9
"""Confidence from which on something beside the digit is a digit, too."""
SEVERAL = "several digits"
TOGETHER = 256
"""Pictures that are open at a time."""
ONE = (str, bytes, bytearray, memoryview, os.PathLike, Picture, np.ndarray, Mapping)
"""What can be iterated over and is no list of pictures."""


class Prediction(NamedTuple):
    """What one picture was read as.

    Attributes:
        digit: 0 to 9, or None if there is no answer.
        confidence: of the likeliest digit, 0 to 1; 0 without ink or with several digits.
        confidences: of each digit, 0 to 9.
        seen: (side, side) uint8 of 0 and 1, the ink that the network saw.
        reason: why there is no answer.
    """

    digit: int | None
    confidence: float
    confidences: tuple[float, ...]
    seen: UInt8Array
    reason: str | None = None

    def __repr__(self) -> str:
        reason = f", reason={self.reason!r}" * bool(self.reason)
        return f"Prediction(digit={self.digit}, confidence={self.confidence:.4f}{reason})"


class Recognizer:
    """Reads pictures with a model; threads can share one.

    Example:
        >>> from digitnet import Recognizer
        >>> recognizer = Recognizer()
        >>> recognizer.read("examples/7.png").digit
        7
        >>> [prediction.digit for prediction in recognizer.read_many(["examples/7.png", "examples/chalk-2.png"])]
        [7, 2]

    Args:
        model: a network and its ink settings; by default the one that ships.
        polarity: what ink looks like on the pictures to come: "dark", "light", or "auto", found for each by itself.
        min_confidence: 0 to 1; below it there is no answer.

    Raises:
        TypeError: ``model`` is no model.
        ValueError: no such polarity, or ``min_confidence`` is not between 0 and 1.
    """

    def __init__(self, model: Model | None = None, polarity: Polarity = "auto", min_confidence: float = 0) -> None:
        model = load_shipped() if model is None else model
        instance("model", model, Model, "load('model.h5') reads one")
        choice("polarity", polarity, get_args(Polarity))
        self.model, self.polarity = model, polarity
        self.min_confidence = number("min_confidence", min_confidence)

    def __repr__(self) -> str:
        return f"Recognizer({self.model!r}, {self.polarity!r}, {self.min_confidence:g})"

    def read(self, source: ImageSource) -> Prediction:
        """Read one picture of one digit; of a file of several pages or frames the first.

        Args:
            source: a path, the bytes of a file, a file opened to read bytes, an image of Pillow's, or an array
                (height, width), (height, width, 3) or (height, width, 4), uint8 0 to 255 or floats 0 to 1.

        Raises:
            DigitnetError: it is not there or cannot be decoded.
            TypeError, ValueError: it is none of these.
        """
        (prediction,), _ = self.read_greys([_first(source).grey])
        return prediction

    def read_many(self, sources: Iterable[ImageSource]) -> list[Prediction]:
        """Read many pictures, which is faster together; see :meth:`read`.

        What cannot be decoded has no answer, and the reason says why.

        Raises:
            TypeError, ValueError: one of them is no picture at all.
        """
        if isinstance(sources, ONE) or hasattr(sources, "read") or not isinstance(sources, Iterable):
            raise TypeError(f"read_many takes a list of pictures, not {type(sources).__name__}; read takes one")
        blank = np.zeros((self.model.ink.side,) * 2, np.uint8)
        remaining, answers = iter(sources), list[Prediction]()
        while opened := [next(open_pages(source)) for source in islice(remaining, TOGETHER)]:
            read, _ = self.read_greys([page.grey for page in opened if isinstance(page, Page)])
            predictions = iter(read)
            for page in opened:
                answers.append(next(predictions) if isinstance(page, Page) else self._unanswered(str(page), blank))
        return answers

    def read_greys(self, greys: Sequence[Picture]) -> tuple[list[Prediction], Stages]:
        """Read pictures of :func:`digitnet.imaging.image_files.open_pages`, and tell what became of them on the way."""
        chain = stages(greys, self.polarity)
        predictions = self.predict(np.array(chain.normalized, np.uint8).reshape(-1, SIDE, SIDE))
        for i in np.flatnonzero(chain.crowded):
            if self._holds_several(chain.strength[i], predictions[i]):
                predictions[i] = self._unanswered(SEVERAL, predictions[i].seen)
        return predictions, chain

    def _holds_several(self, strength: UInt8Array, whole: Prediction) -> bool:
        """Whether two parts of a picture are surely digits: more surely than all of it, if that was read as one."""
        from digitnet.imaging.segmentation import digits_beside  # not needed where a picture holds one digit

        parts, all_one = digits_beside(strength)
        sure = [part.confidence for part in self.predict([part.grey for part in parts]) if part.confidence >= SURE]
        return len(sure) > 1 and (not all_one or min(sure) > whole.confidence)

    def _unanswered(self, reason: str, seen: UInt8Array) -> Prediction:
        return Prediction(None, 0.0, (0.0,) * CLASSES, seen, reason)

    def read_number(self, source: ImageSource) -> list[list[tuple[DetectedDigit, Prediction]]]:
        """Read several digits in one picture: lines from the top, each from the left; empty where there is no ink.

        A digit so wide that it may be two is cut in two where that makes the network surer of both.

        Raises:
            DigitnetError, TypeError, ValueError: as :meth:`read`.
        """
        return self.read_number_on(_first(source, SHEET))

    def read_number_on(self, page: Page) -> list[list[tuple[DetectedDigit, Prediction]]]:
        """Read several digits on a page; see :meth:`read_number`."""
        from digitnet.imaging.segmentation import find_digits

        try:
            lines = find_digits(page.grey, self.polarity, page.scale)
            return [[part for parts in self._apart(line) for part in parts] for line in lines]
        except MemoryError:
            raise DigitnetError("too large a picture for this machine's memory") from None

    def _apart(self, line: Sequence[DetectedDigit]) -> list[list[tuple[DetectedDigit, Prediction]]]:
        """Each of what was found, as one digit or as those that it is cut into, all of them read at once."""
        wholes = self.predict([found.grey for found in line])
        halves = [found.halves() for found in line]
        parts = iter(self._apart([half for pair in halves if pair for half in pair]) if any(halves) else ())
        read = []
        for found, whole, pair in zip(line, wholes, halves, strict=True):
            cut = next(parts) + next(parts) if pair else []
            surer = bool(cut) and min(part.confidence for _, part in cut) > whole.confidence
            read.append(cut if surer else [(found, whole)])
        return read

    def predict(self, greys: UInt8Array | Sequence[UInt8Array]) -> list[Prediction]:
        """Read normalized pictures, all of them through the network at once."""
        seen = binarize(np.asarray(greys), self.model.ink)
        confidences = self.model.network(columns(seen))
        side = self.model.ink.side
        predictions = []
        pictures = zip(answers(seen.max(axis=1) > 0, confidences).tolist(), confidences.T.tolist(), seen, strict=True)
        for digit, ys, ink in pictures:
            pixels = ink.reshape(side, side)
            if digit == NO_DIGIT:
                predictions.append(self._unanswered("no ink found", pixels))
                continue
            sure = ys[digit] >= self.min_confidence
            answer, reason = (digit, None) if sure else (None, "unsure")
            predictions.append(Prediction(answer, ys[digit], tuple(ys), pixels, reason))
        return predictions


def _first(source: ImageSource, largest: int = LARGEST) -> Page:
    """The first page of a file.

    Raises:
        DigitnetError: it cannot be read.
    """
    page = next(open_pages(source, largest))
    if isinstance(page, DigitnetError):
        named = f"{os.fspath(source)}: " if isinstance(source, str | os.PathLike) else ""
        raise DigitnetError(f"{named}{page}")
    return page


def answers(inked: np.ndarray, confidences: Floats) -> np.ndarray:
    """Whether there is any ink (n,) and confidences (10, n) -> digits (n,), NO_DIGIT where there is none."""
    return np.where(inked, confidences.argmax(axis=0), NO_DIGIT)
