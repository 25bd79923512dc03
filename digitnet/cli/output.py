"""Rows of predictions in the five formats, on stdout."""

import csv
import json
from collections.abc import Iterable
from io import StringIO
from typing import TextIO

from digitnet.recognizer import Prediction

UNKNOWN = "?"
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})

FORMATS = ("text", "tsv", "csv", "json", "jsonl")
Row = tuple[str, Prediction]


class Writer:
    """Writes rows as they come.

    Args:
        stream: takes text in which bytes that are not UTF-8 are surrogates.
        format: one of FORMATS.
        single: in text, write bare digits.
    """

    def __init__(self, stream: TextIO, format: str, single: bool = False) -> None:
        self.stream, self.format, self.single, self.rows = stream, format, single, 0
        if format == "csv":
            stream.write(_csv("path", "digit", "confidence"))

    def write(self, rows: Iterable[Row]) -> None:
        """Write rows and flush, so that whoever reads the pipe has them."""
        for path, prediction in rows:
            self.stream.write(self._line(path, prediction))
            self.rows += 1
        self.stream.flush()

    def close(self) -> None:
        """End what has an end."""
        if self.format == "json":
            self.stream.write("\n]\n" if self.rows else "[]\n")
            self.stream.flush()

    def _line(self, path: str, prediction: Prediction) -> str:
        if self.format == "text" and self.single:
            return answer(prediction) + "\n"
        cells = path, answer(prediction), f"{prediction.confidence:.4f}"
        if self.format == "csv":
            return _csv(*cells)
        if self.format == "jsonl":
            return _json(path, prediction) + "\n"
        if self.format == "json":
            return (",\n" if self.rows else "[\n") + _json(path, prediction)
        return "\t".join((escape(path), *cells[1:])) + "\n"


def answer(prediction: Prediction) -> str:
    """The digit, or a question mark."""
    return UNKNOWN if prediction.digit is None else str(prediction.digit)


def escape(path: str) -> str:
    """Backslash, tab, newline and carriage return as in C."""
    return path.translate(_ESCAPES)


def _csv(*cells: str) -> str:
    buffer = StringIO()
    # A writer quotes a carriage return only where lines end in one; ours end in a newline, as a shell expects.
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    return buffer.getvalue().removesuffix("\r\n") + "\n"


def _json(path: str, prediction: Prediction) -> str:
    row: dict[str, object] = {
        "path": path,
        "digit": prediction.digit,
        "confidence": round(prediction.confidence, 6),
        "confidences": [round(confidence, 6) for confidence in prediction.confidences],
    }
    if prediction.reason:
        row["reason"] = prediction.reason
    # ASCII, so that bytes that are not UTF-8 come out as escaped surrogates: os.fsencode brings them back.
    return json.dumps(row)


def drawing(prediction: Prediction) -> str:
    """What the network saw, two rows of pixels in a line of characters."""
    seen = prediction.seen
    rows = [*seen, seen[0] * 0] if len(seen) % 2 else list(seen)
    pairs = zip(rows[::2], rows[1::2], strict=True)
    lines = ["".join(" ▀▄█"[above + 2 * below] for above, below in zip(*pair, strict=True)) for pair in pairs]
    return "\n".join(line.rstrip() for line in lines)
