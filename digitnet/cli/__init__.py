"""The command line: talks to people, does no maths."""

import os
import sys
from importlib import import_module
from typing import NoReturn

import click

from digitnet import __version__
from digitnet.errors import DigitnetError

COMMANDS = {
    "fetch": "Put MNIST's four files into a folder.",
    "train": "Train a network and save it.",
    "search": "Try structures and settings; train the best.",
    "eval": "Measure a network on labelled digits.",
    "predict": "Read the digits in pictures.",
    "export": "Write a model as ONNX.",
}
"""Each is ``command`` in a module of its name; help here, so that ``--help`` imports none of them."""

INTERRUPTED = 130

# After a matrix product OpenBLAS's threads spin for 2^26 clock ticks, on the core that the next step needs. It reads
# this when NumPy is first imported, which is after here.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "8")


class LazyGroup(click.Group):
    """A group whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which one uses them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one, or None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        if cmd_name == "predict":
            # It shares its work among processes; threads that share a matrix product would take their cores.
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        command = import_module(f"digitnet.cli.{cmd_name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; Ctrl-C and a closed pipe are handled before Click prints or exits in its own way."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.Abort from None
        except BrokenPipeError:
            # Whoever read our output has enough; Python must not try to flush the rest when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="DIGITNET_DATA names the data and DIGITNET_MODEL the model, where no option does.",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Read handwritten digits: train a neural network, measure it, use it."""


def main() -> NoReturn:
    """Run, and turn whatever goes wrong into one line on stderr and an exit code."""
    if sys.stderr is None:  # closed; descriptor 2 must not become that of a file of ours
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.exit(run())


def run(arguments: list[str] | None = None) -> int:
    """Run a command line (by default the process's own) and return its exit code."""
    try:
        result = cli.main(arguments, prog_name="digitnet", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "digitnet"
        return _complain(f"{command}: {error.format_message()} Try '{command} --help'.", error.exit_code)
    except click.ClickException as error:
        return _complain(f"digitnet: {error.format_message()}", error.exit_code)
    except click.Abort:
        return _complain("digitnet: interrupted", INTERRUPTED)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"digitnet: {where}{error.strerror or error}", 1)
    except MemoryError as error:
        return _complain(f"digitnet: out of memory ({error}); try smaller layers or batches", 1)
    except DigitnetError as error:
        return _complain(f"digitnet: {error}", 1)


def _complain(line: str, code: int) -> int:
    click.echo(" ".join(line.split()), err=True)
    return code
