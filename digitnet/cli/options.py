"""Options and look-ups that several commands share."""

import math
import os
import re
import sys
from pathlib import Path
from typing import Any

import click

from digitnet.errors import DigitnetError

DATA = Path("data")
MODEL = Path("models") / "digitnet.h5"
PACKAGE = Path(__file__).resolve().parent.parent
SHIPPED = (PACKAGE / "pretrained.h5", PACKAGE.parent / "models" / "pretrained.h5")
"""In a wheel, and in a checkout."""


class Number(click.FloatRange):
    """A number in a range; unlike ``click.FloatRange``, "nan" and "inf" are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Raises a usage error unless it is finite and in the range."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


data_option = click.option(
    "--data",
    type=click.Path(path_type=Path),
    envvar="DIGITNET_DATA",
    default=DATA,
    show_default=True,
    help="Labelled digits: a folder of MNIST's IDX files, sub-folders 0 to 9 of pictures, a CSV or LibSVM file.",
)

model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    envvar="DIGITNET_MODEL",
    help=f"Model file.  [default: {MODEL} if it is there, else the one that ships]",
)

seed_option = click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Of all that is drawn at random."
)

validation_option = click.option(
    "--validation",
    type=Number(0, 1, max_open=True),
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


def find_model(named: Path | None) -> Path:
    """The model file to use; on a terminal, say which."""
    path = named or next((path for path in (MODEL, *SHIPPED) if path.is_file()), None)
    if path is None:
        raise DigitnetError(f"no model: there is no {MODEL} and none ships with this digitnet; run 'digitnet train'")
    if sys.stderr.isatty():
        click.echo(f"model: {os.path.relpath(path)}", err=True)
    return path
