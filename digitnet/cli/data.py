"""Labelled digits for a command, fetched first where there are none."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import click
from tqdm import tqdm

from digitnet.cli.messages import say, visible
from digitnet.cli.options import DATA, plural
from digitnet.data.datasets import Dataset, Part, has_idx, read_dataset
from digitnet.data.download import MIRRORS, fetch


def read_data(path: Path, part: Part) -> Dataset:
    """Read the data of the option --data; MNIST is fetched if nobody has named data and there are none."""
    chosen = click.get_current_context().get_parameter_source("data")
    if chosen is click.core.ParameterSource.DEFAULT and _is_empty(path):
        say(f"{path}: no data here yet, fetching MNIST")
        for _ in fetch_with_bars(path):
            pass
    dataset = read_dataset(path, part)
    for line in dataset.unread:
        say(line)
    if dataset.unread:
        count = len(dataset.unread)
        say(f"{path}: left out {count:,} of {plural(count + len(dataset), 'picture')}")
    return dataset


def mnist_beside(path: Path) -> Dataset | None:
    """MNIST's training digits, where other data are named and these are at hand without fetching."""
    usual = Path(os.environ.get("DIGITNET_DATA", DATA))
    here = not usual.samefile(path) if usual.exists() else False
    return read_dataset(usual, "train") if here and has_idx(usual) and not has_idx(path) else None


def _is_empty(folder: Path) -> bool:
    """Whether there is nothing in a folder, or only a README and hidden files, such as a killed fetch's."""
    if not folder.exists():
        return True
    return folder.is_dir() and all(path.name == "README.md" or path.name[0] == "." for path in folder.iterdir())


def fetch_with_bars(
    folder: Path, mirrors: tuple[str, ...] = MIRRORS, copy_from: Path | None = None
) -> Iterator[tuple[str, str]]:
    """``digitnet.data.download.fetch`` with a bar for each download and a line for each dead source, on stderr."""
    bar: tqdm[NoReturn] = tqdm(disable=True)
    shown = ""

    def progress(name: str, done: int, total: int | None) -> None:
        nonlocal bar, shown
        if name != shown:
            shown = name
            bar.close()
            bar = tqdm(desc=name, total=total, unit="B", unit_scale=True, leave=False, disable=None)
        bar.update(done - bar.n)

    def report(line: str) -> None:
        bar.close()
        tqdm.write(visible(line), file=sys.stderr)

    try:
        yield from fetch(folder, mirrors=mirrors, copy_from=copy_from, report=report, progress=progress)
    finally:
        bar.close()
