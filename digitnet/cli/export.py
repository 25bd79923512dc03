"""``digitnet export``."""

from pathlib import Path

import click

from digitnet.atomic_files import is_stdout
from digitnet.cli.messages import say
from digitnet.cli.options import OutputPath, check_distinct, load_model
from digitnet.errors import DigitnetError


@click.command("export", no_args_is_help=True, short_help="Write a model as ONNX.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("output", metavar="ONNX", type=OutputPath(stream=True))
def command(model: Path, output: Path) -> None:
    """Write a model as ONNX, which other makers' runtimes open; to stdout where ONNX is -.

    Its input "ink" takes a row of 0 and 1 for each picture, as float32; its output "confidences" gives a row of ten.
    """
    check_distinct({"ONNX": output, "MODEL": model})
    try:
        from digitnet.models.onnx_export import export
    except ModuleNotFoundError as error:
        if error.name != "onnx":
            raise
        raise DigitnetError("exporting needs ONNX; pip install 'digitnet[onnx]' brings it") from None
    loaded = load_model(model)
    export(loaded, output)
    say(f"{output}: {loaded.network}", err=is_stdout(output))
