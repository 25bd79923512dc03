"""The command line: talks to people, does no maths."""

import os
import signal
import sys
import warnings
from importlib import import_module
from typing import NoReturn

import click

from digitnet.cli import stopping
from digitnet.cli.messages import say
from digitnet.errors import DigitnetError
from digitnet.version import __version__

COMMANDS = {
    "fetch": "Put MNIST's four files into a folder.",
    "train": "Train a network and save it.",
    "search": "Try structures and settings; train the best.",
    "eval": "Measure a network on labelled digits.",
    "predict": "Read the digits in pictures.",
    "export": "Write a model as ONNX.",
}
"""Each is ``command`` in a module of its name; help here, so that ``--help`` imports none of them."""

# After a matrix product OpenBLAS's threads spin for 2^26 clock ticks, on the core that the next step needs. It reads
# this when NumPy is first imported, which is after here.
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "8")
# Where processes are spawned, they would look for modules in the working folder first.
os.environ["PYTHONSAFEPATH"] = "1"


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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest a command or an option of a similar name, as Click does for options."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            if f"--{args[0]}" in ("--version", "--help"):
                raise click.UsageError(f"{error.message} Did you mean '--{args[0]}'?", ctx) from None
            if os.path.exists(args[0]):
                raise click.UsageError(f"{error.message} Did you mean 'predict {args[0]}'?", ctx) from None
            alike = click.exceptions.NoSuchCommand(args[0].lower(), error.message, possibilities=COMMANDS, ctx=ctx)
            raise alike from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; Ctrl-C and a closed pipe are handled before Click prints or exits in its own way."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as error:
            raise click.Abort from error
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
    _own_stderr()
    warnings.simplefilter("ignore")  # Pillow warns of oddities in images, which are either read or refused
    stopping.listen()
    sys.exit(run())


def _own_stderr() -> None:
    """Give Python's stderr a descriptor of its own, and leave 2 to libraries in C, which no one hears.

    libtiff prints there what it thinks of a damaged image. Only a whole process can be kept from it, so the library
    does not try, and the command line does it once, before anything else is opened.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    if sys.stderr is None:  # closed
        sys.stderr = os.fdopen(nowhere, "w")
        return
    own = os.dup(sys.stderr.fileno())
    sys.stderr = open(own, "w", buffering=1, encoding=sys.stderr.encoding, errors=sys.stderr.errors)  # noqa: SIM115
    os.dup2(nowhere, 2)
    os.close(nowhere)


def run(arguments: list[str] | None = None) -> int:
    """Run a command line (by default the process's own) and return its exit code."""
    try:
        result = cli.main(arguments, prog_name="digitnet", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return error.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "digitnet"
        problem = error.format_message()
        problem += "" if problem.endswith((".", "?", ")")) else "."
        return _complain(f"{command}: {problem} Try '{command} --help'.", error.exit_code)
    except click.ClickException as error:
        return _complain(f"digitnet: {error.format_message()}", error.exit_code)
    except click.Abort as error:
        # Where there is more to say than that, a command has put it into the exception.
        line = str(error.__cause__ or "") or "interrupted"
        return _complain(f"digitnet: {line}", 128 + getattr(error.__cause__, "signal", signal.SIGINT))
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"digitnet: {where}{error.strerror or error}", 1)
    except MemoryError as error:
        return _complain(f"digitnet: out of memory ({error}); try smaller layers or batches", 1)
    except DigitnetError as error:
        return _complain(f"digitnet: {error}", 1)


def _complain(line: str, code: int) -> int:
    say(line)
    return code
