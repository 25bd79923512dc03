"""Options and look-ups that several commands share."""

import math
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import click

from digitnet.atomic_files import STDOUT, is_stream
from digitnet.cli.messages import say
from digitnet.models.model import Model
from digitnet.models.model_file import is_shipped, load, load_shipped

DATA = Path("data")
MODEL = Path("models") / "digitnet.h5"
SHIPPED = Path("shipped")
"""Stands for the model that ships."""


class OutputPath(click.Path):
    """A file or folder to write; ``-`` is standard output where a stream will do, and nowhere a file of that name."""

    def __init__(self, stream: bool = False, **options: Any) -> None:
        super().__init__(path_type=Path, **options)
        self.stream = stream

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Raises a usage error for a ``-`` that cannot be."""
        if str(value) == str(STDOUT) and not self.stream:
            self.fail("'-' is standard output, which cannot hold this; give a name.", param, ctx)
        return super().convert(value, param, ctx)


class FiniteFloat(click.FloatRange):
    """A number in a range; unlike ``click.FloatRange``, "nan" and "inf" are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Raises a usage error unless it is finite and in the range."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="DIGITNET_DATA",
    default=DATA,
    show_default=True,
    help="Labelled digits: MNIST's IDX files, sub-folders 0 to 9 of pictures, a table of pictures, a CSV or LibSVM.",
)

model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    envvar="DIGITNET_MODEL",
    help=f"Model file, or {SHIPPED} for the one that ships.  [default: {MODEL} if it is there, else {SHIPPED}]",
)

seed_option = click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Of all that is drawn at random."
)

validation_option = click.option(
    "--validation-split",
    type=FiniteFloat(0, 1, max_open=True),
    default=0.1,
    show_default=True,
    help="Share of the data held out to measure on.",
)


class Duration(click.ParamType[float]):
    """Seconds, or a number with s, m or h."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Raises a usage error unless it is a length of time."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value))
        if not found:
            self.fail(f"{value!r} is no length of time such as 90s, 10m or 1h.", param, ctx)
        return float(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def load_model(named: Path | None) -> Model:
    """The model to use; where it is not the one that ships, say which."""
    if named == SHIPPED or (named is None and not MODEL.is_file()) or (named is not None and is_shipped(named)):
        return load_shipped()
    model = load(named or MODEL)
    say(f"model: {named or MODEL}")
    return model


def check_distinct(paths: dict[str, Path | None]) -> None:
    """Find out that no output is also an input or another output, under whatever name.

    Raises:
        UsageError: two of them, whose names go into the message, are one file.
    """
    given = [(name, path) for name, path in paths.items() if path and not path.is_dir() and not is_stream(path)]
    for (name, path), (other, its) in combinations(given, 2):
        if path.resolve() == its.resolve() or (path.exists() and its.exists() and path.samefile(its)):
            raise click.UsageError(f"{name} and {other} must be different files.")


def plural(count: int, noun: str) -> str:
    """1 epoch, 2 epochs."""
    return f"{count:,} {noun}{'s' * (count != 1)}"
