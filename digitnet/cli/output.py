"""Rows of predictions in the five formats, on stdout."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from io import StringIO
from typing import TYPE_CHECKING, NamedTuple, TextIO

from digitnet.cli.messages import visible
from digitnet.models.recognizer import Prediction

if TYPE_CHECKING:
    from digitnet.imaging.segmentation import DetectedDigit

UNKNOWN = "?"

FORMATS = ("text", "tsv", "csv", "json", "jsonl")
JSON = ("json", "jsonl")
HASH = 8
"""Characters of a model's hash; two of a thousand models are hardly ever the same."""


class PredictionRecord(NamedTuple):
    """What there is to say about one picture."""

    path: str
    cells: list[tuple[str, float]]
    """For people and tables: answer and confidence, a pair a line; none where it could not be read."""
    facts: Callable[[], dict[str, object]]
    """For JSON, beside the path."""


class Writer:
    """Writes rows as they come.

    Args:
        stream: takes text in which bytes that are not UTF-8 are surrogates.
        format: one of FORMATS.
    """

    def __init__(self, stream: TextIO, format: str) -> None:
        self.stream, self.format, self.rows = stream, format, 0
        if format == "csv":
            stream.write(_csv("path", "digit", "confidence"))
            stream.flush()  # a process that is forked must not find it in its own buffer

    def write(self, row: str) -> None:
        """Write a row."""
        if self.format == "json":
            self.stream.write(",\n" if self.rows else "[\n")
        self.stream.write(row)
        self.rows += 1

    def close(self) -> None:
        """End what has an end."""
        if self.format == "json":
            self.stream.write("\n]\n" if self.rows else "[]\n")
            self.stream.flush()


def row(entry: PredictionRecord, format: str, single: bool = False, model: str = "") -> str:
    """An entry in one of FORMATS; in text, a single one is the bare answer, in JSON the model that gave it is named."""
    if format in JSON:
        facts = entry.facts() | ({"model": model} if entry.cells else {})
        # ASCII, so that bytes that are not UTF-8 come out as escaped surrogates: os.fsencode brings them back.
        return json.dumps({"path": entry.path, **facts}) + ("\n" if format == "jsonl" else "")
    if format == "text" and single:
        return "".join(answer + "\n" for answer, _ in entry.cells)
    if format == "csv":
        # No answer is an empty cell, so that whoever reads the table finds numbers in the column.
        cells = [("" if answer == UNKNOWN else answer, f"{sure:.4f}") for answer, sure in entry.cells]
        return "".join(_csv(entry.path, *pair) for pair in cells or [("", "")])
    return "".join(f"{escape(entry.path)}\t{answer}\t{sure:.4f}\n" for answer, sure in entry.cells)


def of_digit(path: str, prediction: Prediction) -> PredictionRecord:
    """The entry of a picture of one digit."""
    return PredictionRecord(path, [(answer(prediction), prediction.confidence)], lambda: _facts(prediction))


def of_number(path: str, lines: list[list[tuple[DetectedDigit, Prediction]]]) -> PredictionRecord:
    """The entry of a picture of several: a line each, as sure as its least sure digit."""
    from digitnet.imaging.segmentation import text_of

    cells = [
        (
            text_of([found for found, _ in line], [answer(digit) for _, digit in line]),
            min(digit.confidence for _, digit in line),
        )
        for line in lines
    ]
    digits = [
        {"line": number, "box": [round(edge) for edge in found.box], **_facts(digit)}
        for number, line in enumerate(lines, start=1)
        for found, digit in line
    ]
    facts: dict[str, object] = {"lines": [text for text, _ in cells], "digits": digits}
    if not lines:
        facts["reason"] = "no ink found"
    return PredictionRecord(path, cells or [(UNKNOWN, 0.0)], lambda: facts)


def of_failure(path: str, problem: str) -> PredictionRecord:
    """The entry of a picture that could not be read."""
    return PredictionRecord(path, [], lambda: {"error": problem})


def answer(prediction: Prediction) -> str:
    """The digit, or a question mark."""
    return UNKNOWN if prediction.digit is None else str(prediction.digit)


def escape(path: str) -> str:
    r"""A name as people and tables get it: a backslash doubled, control characters as \t, \x1b, \u202e and so on."""
    return visible(path.replace("\\", "\\\\"))


def _csv(*cells: str) -> str:
    buffer = StringIO()
    # A writer quotes a carriage return only where lines end in one; ours end in a newline, as a shell expects.
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().removesuffix("\r\n") + "\n"


def _facts(prediction: Prediction) -> dict[str, object]:
    facts: dict[str, object] = {
        "digit": prediction.digit,
        "confidence": round(prediction.confidence, 6),
        "confidences": [round(confidence, 6) for confidence in prediction.confidences],
    }
    return facts | {"reason": prediction.reason} if prediction.reason else facts


def drawing(prediction: Prediction) -> str:
    """What the network saw, two rows of pixels in a line of characters."""
    seen = prediction.seen
    rows = [*seen, seen[0] * 0] if len(seen) % 2 else list(seen)
    pairs = zip(rows[::2], rows[1::2], strict=True)
    lines = ["".join(" ▀▄█"[above + 2 * below] for above, below in zip(*pair, strict=True)) for pair in pairs]
    return "\n".join(line.rstrip() for line in lines)
