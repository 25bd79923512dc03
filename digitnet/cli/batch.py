"""From pictures to what is printed about them, many at once."""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeAlias

from digitnet.atomic_files import creating
from digitnet.cli.output import HASH, JSON, drawing, escape, of_digit, of_failure, of_number, row
from digitnet.errors import DigitnetError
from digitnet.imaging.image_files import Page, open_pages, save_grey
from digitnet.imaging.limits import limit_pixels
from digitnet.imaging.normalize import Stages
from digitnet.imaging.preprocess import LARGEST, SHEET
from digitnet.models.recognizer import SEVERAL, Prediction, Recognizer

SECONDS = 0.1
"""Time to open pictures in, before those that are open are read."""
LONGEST_STEM = 200
"""Bytes of a picture's name in the names of its stages; file systems allow 255 in all."""


class ImageInput(NamedTuple):
    """A picture to read."""

    path: str
    content: bytes | None = None
    """Of stdin; the others are read when their turn comes."""


@dataclass
class Answer:
    """What is printed about a file, which may hold several pages.

    Attributes:
        rows: on stdout.
        notes: on stderr.
        failures: pages that could not be read.
        several: pages that hold several digits.
    """

    rows: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: int = 0
    several: int = 0


Opened: TypeAlias = tuple[Answer, str, Page | DigitnetError]
"""A page: where its answer goes, its name, and what there is to read, or why there is nothing."""


@dataclass
class BatchPredictor:
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
        model: in JSON, the start of the model's hash.
    """

    recognizer: Recognizer
    format: str
    single: bool
    number: bool
    show: bool
    max_pixels: int
    save_inputs: Path | None
    saved: int = 0

    def __post_init__(self) -> None:
        self.model = self.recognizer.model.sha256[:HASH] if self.format in JSON else ""

    def __call__(self, sources: list[ImageInput]) -> tuple[list[Answer], list[ImageInput]]:
        """Answers to the first pictures, at least one, and the pictures that there was no time for."""
        limit_pixels(self.max_pixels)
        until = time.monotonic() + SECONDS
        answers: list[Answer] = []
        opened: list[Opened] = []
        for source in sources:
            answers.append(Answer())
            for path, page in self._pages(source, answers[-1]):
                opened.append((answers[-1], path, page))
                if self.number or time.monotonic() > until:
                    self._read(opened)
                    opened.clear()
            if time.monotonic() > until:
                break
        self._read(opened)
        return answers, sources[len(answers) :]

    def _pages(self, source: ImageInput, answer: Answer) -> Iterator[tuple[str, Page | DigitnetError]]:
        """The pages of a file by the file's name, and from the second on by their number, too."""
        if source.content == b"":
            problem = "nothing came on stdin; send a picture: digitnet predict - < digit.png"
            yield source.path, DigitnetError(problem)
            return
        given = source.path if source.content is None else source.content

        def report(line: str) -> None:
            answer.notes.append(f"{escape(source.path)}: {line}")

        for number, page in enumerate(open_pages(given, SHEET if self.number else LARGEST, report), start=1):
            yield f"{source.path}#{number}" if number > 1 else source.path, page

    def _read(self, opened: Sequence[Opened]) -> None:
        """Put rows and notes into the answers to pages."""
        pages = [(answer, path, page.grey) for answer, path, page in opened if isinstance(page, Page)]
        predictions: Iterator[Prediction] = iter(())
        if pages and not self.number:
            read, stages = self.recognizer.read_greys([grey for *_, grey in pages])
            predictions = iter(read)
            if self.save_inputs:
                self._save_stages(self.save_inputs, [(answer, path) for answer, path, _ in pages], stages, read)
        for answer, path, page in opened:
            try:
                if isinstance(page, DigitnetError):
                    raise page
                if self.number:
                    lines = self.recognizer.read_number_on(page)
                    entry, seen = of_number(path, lines), [one for line in lines for _, one in line]
                else:
                    seen = [next(predictions)]
                    entry = of_digit(path, seen[0])
                    answer.several += seen[0].reason == SEVERAL
            except DigitnetError as error:
                entry, seen = of_failure(path, str(error)), []
                answer.failures += 1
                answer.notes.append(f"{escape(path)}: {error}")
            answer.rows.append(row(entry, self.format, self.single, self.model))
            if self.show:
                answer.notes += [f"{escape(path)}:\n{drawing(one)}" for one in seen]

    def _save_stages(
        self, folder: Path, answers: Sequence[tuple[Answer, str]], stages: Stages, predictions: Sequence[Prediction]
    ) -> None:
        names = Stages._fields[:-1]
        for (answer, path), prediction, *pictures in zip(answers, predictions, *stages[:-1], strict=True):
            self.saved += 1
            start = f"{self.saved:05}-{os.fsdecode(os.fsencode(Path(path).stem)[:LONGEST_STEM])}"
            last = 255 * prediction.seen
            try:
                for step, (name, picture) in enumerate(zip([*names, "ink"], [*pictures, last], strict=True), start=1):
                    if picture.size:
                        with creating(folder / f"{start}-{step}-{name}.png") as file:
                            save_grey(file, picture)
            except OSError as error:
                answer.failures += 1
                answer.notes.append(f"{escape(error.filename)}: {error.strerror}")
