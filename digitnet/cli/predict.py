"""``digitnet predict``."""

import itertools
import os
import sys
import time
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

import click

from digitnet.arrays import Bytes
from digitnet.cli.names import STDIN, Complain, in_order
from digitnet.cli.options import Number, find_model, model_option
from digitnet.cli.output import FORMATS, Writer, drawing, escape, of_digit, of_number
from digitnet.errors import DigitnetError
from digitnet.files import check_writable
from digitnet.ink import Ink, binarize
from digitnet.modelfile import load
from digitnet.paper import Polarity
from digitnet.pictures import save_grey
from digitnet.recognizer import Prediction, Recognizer

BATCH = 256
BATCH_SECONDS = 0.25


@click.command("predict", short_help="Read the digits in pictures.")
@click.argument("pictures", nargs=-1)
@model_option
@click.option("--files-from", metavar="FILE", help="Read names of pictures from a file, or from stdin (-).")
@click.option("-0", "null", is_flag=True, help="Those names end in a null byte, not a newline.")
@click.option("-r", "--recursive", is_flag=True, help="Go down into folders within folders.")
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="text is the bare digit for one picture, else tsv.",
)
@click.option(
    "--ink",
    "polarity",
    type=click.Choice(["auto", "dark", "light"]),
    default="auto",
    show_default=True,
    help="What ink looks like against its paper.",
)
@click.option(
    "--min-confidence",
    type=Number(0, 1),
    default=0,
    show_default=True,
    help='Answer "?" below it.',
)
@click.option("--number", is_flag=True, help="Read several digits in each picture, line by line.")
@click.option("--show", is_flag=True, help="Draw on stderr what the network saw.")
@click.option(
    "--save-inputs",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write each stage from picture to ink as a picture.",
)
def command(
    pictures: tuple[str, ...],
    model: Path | None,
    files_from: str | None,
    null: bool,
    recursive: bool,
    format: str,
    polarity: Polarity,
    min_confidence: float,
    number: bool,
    show: bool,
    save_inputs: Path | None,
) -> int:
    """Read the digit in each of PICTURES: files, folders, or - for a picture on stdin.

    One picture answers with its digit and nothing else; several with a line each: path, digit, confidence. A
    picture without ink answers "?". With --number, each line of digits in a picture is a line. In a folder, files
    with a picture's extension are read, in sorted order.

    Exit code 1 if a picture could not be read; the others are answered.
    """
    if not pictures and files_from is None:
        raise click.UsageError("name a picture, a folder, or - for a picture on stdin.")
    if number and save_inputs:
        raise click.UsageError("--save-inputs shows the way of a single digit; leave out --number.")
    if null and files_from is None:
        raise click.UsageError("-0 goes with --files-from.")
    if STDIN in pictures and files_from == STDIN:
        raise click.UsageError("stdin cannot be both a picture (-) and a list of names (--files-from -).")
    if sys.stdout is None or (sys.stdin is None and STDIN in (*pictures, files_from)):
        raise DigitnetError("stdin or stdout is closed")
    recognizer = Recognizer(load(find_model(model)), polarity, min_confidence)
    failures = 0
    if save_inputs:
        check_writable(save_inputs / "1.png")

    def complain(path: str, error: object) -> None:
        nonlocal failures
        failures += 1
        click.echo(f"{escape(path)}: {error}", err=True)

    def draw(path: str, prediction: Prediction) -> None:
        if show:
            click.echo(f"{escape(path)}:\n{drawing(prediction)}", err=True)

    if isinstance(sys.stdout, TextIOWrapper):  # names of files may hold bytes that are not UTF-8
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    single = len(pictures) == 1 and files_from is None and not os.path.isdir(pictures[0])
    writer = Writer(sys.stdout, format, single)
    names = in_order(pictures, files_from, b"\0" if null else b"\n", recursive, complain)
    if number:
        for path in filter(None, names):
            try:
                lines = recognizer.read_number(content(path))
            except DigitnetError as error:
                complain(path, error)
                continue
            for _, prediction in itertools.chain.from_iterable(lines):
                draw(path, prediction)
            writer.write([of_number(path, lines)])
    else:
        for rows in batches(recognizer, names, complain, save_inputs):
            for row in rows:
                draw(*row)
            writer.write(of_digit(*row) for row in rows)
    writer.close()
    return 1 if failures else 0


def batches(
    recognizer: Recognizer, names: Iterator[str | None], complain: Complain, save_inputs: Path | None
) -> Iterator[list[tuple[str, Prediction]]]:
    """Read pictures in the order of their names, a batch through the network at once.

    A batch closes when it is full, has been open for a while, or a name is None: no further one is waiting.
    """
    paths: list[str] = []
    greys: list[Bytes] = []
    opened, number = 0.0, itertools.count(1)
    for name in itertools.chain(names, [None]):
        if name is not None:
            try:
                stages = recognizer.stages(content(name))
                if save_inputs:
                    start = save_inputs / f"{next(number):05}-{Path(name).stem}"
                    stages = saved(stages, start, recognizer.model.ink)
                *_, (_, grey) = stages
            except DigitnetError as error:
                complain(name, error)
                continue
            opened = opened if paths else time.monotonic()
            paths.append(name)
            greys.append(grey)
        if paths and (name is None or len(paths) == BATCH or time.monotonic() > opened + BATCH_SECONDS):
            yield list(zip(paths, recognizer.predict(greys), strict=True))
            paths, greys = [], []


def content(name: str) -> str | bytes:
    """A name, or for stdin what is in it."""
    return sys.stdin.buffer.read() if name == STDIN else name


def saved(stages: Iterator[tuple[str, Bytes]], start: Path, ink: Ink) -> Iterator[tuple[str, Bytes]]:
    """Pass stages on, each and the ink at last written as a picture whose name begins with ``start``."""
    step = 0
    for step, (stage, grey) in enumerate(stages, start=1):
        save_grey(start.with_name(f"{start.name}-{step}-{stage}.png"), grey)
        yield stage, grey
    seen = binarize(grey[None], ink).reshape(ink.side, ink.side)
    save_grey(start.with_name(f"{start.name}-{step + 1}-ink.png"), 255 * seen)
