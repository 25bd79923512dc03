"""``digitnet predict``."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from digitnet.cli.names import STDIN, in_order
from digitnet.cli.options import Number, find_model, model_option
from digitnet.cli.output import FORMATS, Writer
from digitnet.cli.reading import Reader, Source
from digitnet.errors import DigitnetError
from digitnet.files import check_writable
from digitnet.jobs import in_jobs
from digitnet.modelfile import load
from digitnet.paper import Polarity
from digitnet.recognizer import Recognizer

if TYPE_CHECKING:
    from tqdm import tqdm

MAX_PIXELS = 100_000_000


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
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes that read.  [default: one, and when that takes long, as many as there are cores]",
)
@click.option(
    "--max-pixels",
    type=click.IntRange(min=1),
    default=MAX_PIXELS,
    show_default=True,
    metavar="N",
    help="Refuse a picture of more.",
)
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
    jobs: int | None,
    max_pixels: int,
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
    if save_inputs and jobs not in (1, None):
        raise click.UsageError("--save-inputs numbers its pictures in one process; leave out --jobs.")
    recognizer = Recognizer(load(find_model(model)), polarity, min_confidence)
    if save_inputs:
        check_writable(save_inputs / "1.png")
        jobs = 1
    if isinstance(sys.stdout, TextIOWrapper):  # names of files may hold bytes that are not UTF-8
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    single = len(pictures) == 1 and files_from is None and not os.path.isdir(pictures[0])
    reader = Reader(recognizer, format, single, number, show, max_pixels, save_inputs)
    names = in_order(pictures, files_from, b"\0" if null else b"\n", recursive)
    bar = None
    if sys.stderr.isatty() and not single:
        names, bar = with_bar(names, files_from)
    sources = map(source, names)
    writer = Writer(sys.stdout, format)
    failures = 0
    with closing(in_jobs(reader, sources, jobs)) as batches:
        for answers in batches:
            if bar:
                bar.clear()
            for row, note in answers:
                failures += row is None
                if note:
                    click.echo(note, err=True)
                if row:
                    writer.write(row)
            sys.stdout.flush()  # whoever reads the pipe wants to have them
            if bar:
                bar.update(len(answers))
    if bar:
        bar.close()
    writer.close()
    return 1 if failures else 0


def source(name: str | None) -> Source | None:
    """The picture of that name; None remains."""
    if name is None:
        return None
    return Source(name, sys.stdin.buffer.read() if name == STDIN else None)


def with_bar(names: Iterator[str | None], files_from: str | None) -> tuple[Iterator[str | None], "tqdm[NoReturn]"]:
    """The same names and a progress bar; it knows how many they are where they do not come from a pipe."""
    from tqdm import tqdm

    total = None
    if files_from is None or os.path.isfile(files_from):
        listed = list(names)
        names, total = iter(listed), len(listed)
    # Stays away where all is done within a second.
    return names, tqdm(total=total, unit=" pictures", leave=False, delay=1, miniters=1)
