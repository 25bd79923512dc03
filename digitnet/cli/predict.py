"""``digitnet predict``."""

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from digitnet.atomic_files import check_writable
from digitnet.cli import stopping
from digitnet.cli.batch import BatchPredictor, ImageInput
from digitnet.cli.inputs import STDIN, expand_inputs
from digitnet.cli.messages import say
from digitnet.cli.options import FiniteFloat, OutputPath, load_model, model_option, plural
from digitnet.cli.output import FORMATS, Writer
from digitnet.errors import DigitnetError
from digitnet.imaging.preprocess import Polarity
from digitnet.models.recognizer import Recognizer
from digitnet.parallel import parallel_map

if TYPE_CHECKING:
    from tqdm import tqdm

MAX_PIXELS = 100_000_000
PATH = click.Path(allow_dash=True, readable=False)
"""Names that a shell completes; what is wrong with one is found when its turn comes."""


@click.command("predict", no_args_is_help=True, short_help="Read the digits in pictures.")
@click.argument("pictures", nargs=-1, type=PATH)
@model_option
@click.option("--files-from", type=PATH, metavar="FILE", help="Read names of pictures from a file, or from stdin (-).")
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
    type=FiniteFloat(0, 1),
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
    "--save-stages",
    "save_inputs",
    type=OutputPath(file_okay=False),
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
    picture without ink or with several digits answers "?". With --number, each line of digits in a picture is a
    line. In a folder, files with a picture's extension are read, in sorted order; the pages of a TIFF are PATH,
    PATH#2 and so on.

    Exit code 1 if a picture could not be read; the others are answered.
    """
    named = (*pictures, files_from)
    if not pictures and files_from is None:
        raise click.UsageError("name a picture, a folder, or - for a picture on stdin.")
    if number and save_inputs:
        raise click.UsageError("--save-stages shows the way of a single digit; leave out --number.")
    if null and files_from is None:
        raise click.UsageError("-0 goes with --files-from.")
    if STDIN in pictures and files_from == STDIN:
        raise click.UsageError("stdin cannot be both a picture (-) and a list of names (--files-from -).")
    if pictures.count(STDIN) > 1:
        raise click.UsageError("stdin can be read once; name - once.")
    if sys.stdout is None or (sys.stdin is None and STDIN in named):
        raise DigitnetError("stdin or stdout is closed")
    if STDIN in named and sys.stdin.isatty():
        if files_from != STDIN:
            raise click.UsageError("stdin is the terminal; send a picture: digitnet predict - < digit.png.")
        say("names of pictures, one a line; Ctrl-D ends them:")
    if save_inputs and jobs not in (1, None):
        raise click.UsageError("--save-stages numbers its pictures in one process; leave out --jobs.")
    recognizer = Recognizer(load_model(model), polarity, min_confidence)
    if save_inputs:
        check_writable(save_inputs / "1.png")
        jobs = 1
    if isinstance(sys.stdout, TextIOWrapper):  # names of files may hold bytes that are not UTF-8
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")
    single = len(pictures) == 1 and files_from is None and not os.path.isdir(pictures[0])
    reader = BatchPredictor(recognizer, format, single, number, show, max_pixels, save_inputs)
    bar: tqdm[NoReturn] | None = None

    def note(line: str) -> None:
        if bar is not None:
            bar.clear()
        say(line, keep="\n")

    names = expand_inputs(pictures, files_from, b"\0" if null else b"\n", recursive, note)
    if sys.stderr.isatty() and not single:
        names, bar = with_bar(names, files_from)
    failures = several = 0
    with (
        closing(Writer(sys.stdout, format)) as writer,
        closing(parallel_map(reader, map(source, names), jobs)) as batches,
    ):
        for answers in batches:
            stopping.check()
            if bar is not None:
                bar.clear()
            for answer in answers:
                failures += answer.failures
                several += answer.several
                for line in answer.notes:
                    note(line)
                for row in answer.rows:
                    writer.write(row)
            sys.stdout.flush()  # whoever reads the pipe wants to have them
            if bar is not None:
                bar.update(len(answers))
    if bar is not None:
        bar.close()
    if several:
        note(f"several digits in {plural(several, 'picture')}: --number reads them")
    return 1 if failures else 0


def source(name: str | None) -> ImageInput | None:
    """The picture of that name; None remains."""
    if name is None:
        return None
    return ImageInput(name, sys.stdin.buffer.read() if name == STDIN else None)


def with_bar(names: Iterator[str | None], files_from: str | None) -> tuple[Iterator[str | None], "tqdm[NoReturn]"]:
    """The same names and a progress bar; it knows how many they are where they do not come from a pipe."""
    from tqdm import tqdm

    total = None
    if files_from is None or os.path.isfile(files_from):
        listed = list(names)
        names, total = iter(listed), len(listed)
    # Stays away where all is done within a second.
    return names, tqdm(total=total, unit="picture", leave=False, delay=1, miniters=1)
