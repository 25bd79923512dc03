"""From pictures to what is printed about them, many at once."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from digitnet.arrays import Bytes
from digitnet.cli.output import drawing, escape, of_digit, of_number, row
from digitnet.errors import DigitnetError
from digitnet.ink import binarize, stages
from digitnet.pictures import Picture, limit_pixels, save_grey
from digitnet.recognizer import Prediction, Recognizer

SECONDS = 0.1
"""Time to open pictures in, before those that are open are read."""


class Source(NamedTuple):
    """A picture to read."""

    path: str
    content: bytes | None = None
    """Of stdin; the others are read when their turn comes."""


class Answer(NamedTuple):
    """What is printed about a picture."""

    row: str | None
    note: str | None
    """On stderr; without a row, why there is none."""


@dataclass
class Reader:
    """Reads pictures, those of one digit all through the network at once. Another process can be given one.

    Attributes:
        recognizer: what reads.
        format: of the rows, one of FORMATS.
        single: in text, rows are bare answers.
        number: there are several digits in a picture.
        show: draw what the network saw.
        max_pixels: a picture of more is refused.
        save_inputs: folder for a picture of each stage of each picture; numbers go up as long as the reader is one.
        saved: how many have been.
    """

    recognizer: Recognizer
    format: str
    single: bool
    number: bool
    show: bool
    max_pixels: int
    save_inputs: Path | None
    saved: int = 0

    def __call__(self, sources: list[Source]) -> tuple[list[Answer], list[Source]]:
        """Answers to the first pictures, at least one, and the pictures that there was no time for."""
        limit_pixels(self.max_pixels)
        begun = time.monotonic()
        opened: list[Picture | Answer] = []
        for source in sources:
            opened.append(self._opened(source))
            if time.monotonic() > begun + SECONDS:
                break
        done, rest = sources[: len(opened)], sources[len(opened) :]
        readable = [(source.path, one) for source, one in zip(done, opened, strict=True) if not isinstance(one, Answer)]
        predictions = iter(self._predictions(*zip(*readable, strict=True)) if readable else ())
        answers = [
            one if isinstance(one, Answer) else self._answer(source.path, next(predictions))
            for source, one in zip(done, opened, strict=True)
        ]
        return answers, rest

    def _opened(self, source: Source) -> Picture | Answer:
        given = source.path if source.content is None else source.content
        try:
            if not self.number:
                return self.recognizer.open(given)
            lines = self.recognizer.read_number(given)
        except DigitnetError as error:
            return Answer(None, f"{escape(source.path)}: {error}")
        shown = self._shown(source.path, [prediction for line in lines for _, prediction in line])
        return Answer(row(of_number(source.path, lines), self.format, self.single), shown)

    def _predictions(self, paths: Sequence[str], greys: Sequence[Picture]) -> list[Prediction]:
        normalized = self._save_stages(paths, greys) if self.save_inputs else self.recognizer.normalize(greys)
        return self.recognizer.predict(normalized)

    def _answer(self, path: str, prediction: Prediction) -> Answer:
        return Answer(row(of_digit(path, prediction), self.format, self.single), self._shown(path, [prediction]))

    def _shown(self, path: str, predictions: list[Prediction]) -> str | None:
        if not self.show:
            return None
        return "\n".join(f"{escape(path)}:\n{drawing(prediction)}" for prediction in predictions)

    def _save_stages(self, paths: Sequence[str], greys: Sequence[Picture]) -> Bytes:
        assert self.save_inputs
        starts = [
            self.save_inputs / f"{number:05}-{Path(path).stem}" for number, path in enumerate(paths, self.saved + 1)
        ]
        self.saved += len(paths)
        step = 0
        pictures: Sequence[Bytes] = ()
        for step, (stage, pictures) in enumerate(stages(greys, self.recognizer.polarity), start=1):
            for start, picture in zip(starts, pictures, strict=True):
                if picture.size:
                    save_grey(start.with_name(f"{start.name}-{step}-{stage}.png"), picture)
        normalized, ink = np.array(pictures), self.recognizer.model.ink
        for start, seen in zip(starts, binarize(normalized, ink), strict=True):
            save_grey(start.with_name(f"{start.name}-{step + 1}-ink.png"), 255 * seen.reshape(ink.side, ink.side))
        return normalized
