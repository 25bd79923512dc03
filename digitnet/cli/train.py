"""``digitnet train``."""

import math
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click

from digitnet.atomic_files import check_output, check_writable, is_stdout, is_stream, locked, set_aside
from digitnet.cli.data import mnist_beside, read_data
from digitnet.cli.messages import say
from digitnet.cli.options import (
    MODEL,
    SHIPPED,
    Duration,
    FiniteFloat,
    OutputPath,
    check_distinct,
    data_option,
    seed_option,
    validation_option,
)
from digitnet.cli.presets import PRESETS, to_cli_args, use_preset
from digitnet.cli.run import Run, checkpoint_path
from digitnet.data.datasets import mix
from digitnet.errors import DigitnetError
from digitnet.imaging.normalize import Binarization
from digitnet.models.model import Model
from digitnet.models.model_file import load, load_shipped
from digitnet.nn.activations import ACTIVATIONS
from digitnet.nn.architecture import build
from digitnet.nn.losses import LOSSES
from digitnet.nn.network import Network
from digitnet.nn.optimizers import OPTIMIZERS
from digitnet.training.rbm import hidden_layers
from digitnet.training.session import generators, record
from digitnet.training.trainer import Trainer, TrainingSettings
from digitnet.types import CLASSES

REMEMBERED = 12_000
"""Digits of MNIST that are mixed into other data, where a saved network goes on with them."""
LARGEST = 10**8
"""Weights; a checkpoint has several numbers for each, and model files of up to 2 GB are read."""
LAYERS = ("784", "500", "500", "10")
RARE: dict[str, tuple[Callable[[str], Any], Any, str]] = {
    field.name.replace("_", "-"): (type(field.default), field.default, field.metadata["help"])
    for owner in (TrainingSettings, Binarization)
    for field in fields(owner)
    if "help" in field.metadata
}
"""The settings of --set: type, default, meaning."""


class Layers(click.ParamType[tuple[str, ...]]):
    """The layers, separated by commas."""

    name = "layers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Raises a usage error unless they fit together, the input is a square and there are ten outputs."""
        if isinstance(value, tuple):
            return value
        structure = tuple(value.split(","))
        if len(structure) < 2:
            self.fail(f"{value!r} needs an input and an output, such as 784,500,500,10.", param, ctx)
        try:
            layers = build(structure, "relu")
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        if math.isqrt(layers[0].inputs) ** 2 != layers[0].inputs:
            self.fail(f"the input {structure[0]} is no square; 784 is 28x28 pixels.", param, ctx)
        if sum(layer.size for layer in layers) > LARGEST:
            self.fail(f"{value!r} has more than {LARGEST:,} weights, too many for a model file.", param, ctx)
        if layers[-1].outputs != CLASSES:
            self.fail(f"the last number is {structure[-1]}, not {CLASSES}: one output for each digit.", param, ctx)
        return structure


def parse_rare(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE, each checked, as keyword arguments; a preset's come first."""
    rare = {}
    for text in (*(ctx.default_map or {}).get("rare", ()), *values):
        name, _, value = text.partition("=")
        if name not in RARE:
            raise click.BadParameter(f"no setting is called {name!r}; there are {', '.join(RARE)}.")
        try:
            rare[name.replace("-", "_")] = RARE[name][0](value)
        except ValueError:
            raise click.BadParameter(f"{value!r} is no value for {name}; its default is {RARE[name][1]}.") from None
    return rare


class TrainCommand(click.Command):
    """Shows the rare settings and the presets under the help."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """NAME=DEFAULT and the meaning of each."""
        with formatter.section("Settings for --set, with their defaults"):
            formatter.write_dl([(f"{name}={default}", meaning) for name, (_, default, meaning) in RARE.items()])
        with formatter.section("Presets, each as one would type it"):
            formatter.write_dl([(name, to_cli_args(name)) for name in PRESETS])


@click.command("train", cls=TrainCommand, short_help="Train a network and save it.")
@click.option(
    "--preset",
    type=click.Choice(list(PRESETS)),
    is_eager=True,
    expose_value=False,
    callback=use_preset,
    help="Named settings, listed below; those given beside it go before them.",
)
@click.option(
    "--layers",
    type=Layers(),
    help="Neurons of each layer, input first, or kernels (20x5x5) and pooling (2s).  [default: 784,500,500,10]",
)
@click.option("--epochs", type=click.IntRange(1), default=TrainingSettings.epochs, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=TrainingSettings.batch_size, show_default=True)
@click.option(
    "--learning-rate",
    type=FiniteFloat(0, min_open=True),
    help="Its peak.  [default: "
    + ", ".join(f"{name} {rule.default_learning_rate:g}" for name, rule in OPTIMIZERS.items())
    + "]",
)
@click.option(
    "--activation",
    type=click.Choice([name for name in ACTIVATIONS if name != "identity"]),
    help="Of the hidden layers.  [default: relu]",
)
@click.option("--loss", type=click.Choice(list(LOSSES)), help="[default: cross-entropy]")
@click.option("--optimizer", type=click.Choice(list(OPTIMIZERS)), default=TrainingSettings.optimizer, show_default=True)
@seed_option
@validation_option
@data_option
@click.option(
    "--init-from",
    "start",
    type=click.Path(path_type=Path),
    metavar="MODEL",
    help="Go on from a saved network (or shipped), at a tenth of the learning rate.",
)
@click.option(
    "--pretrain",
    type=click.Choice(["rbm"]),
    help="First weights from restricted Boltzmann machines; hidden layers of sigmoid neurons.",
)
@click.option("--output", type=OutputPath(), default=MODEL, show_default=True)
@click.option("--patience", type=click.IntRange(1), metavar="N", help="Stop after N epochs without a better one.")
@click.option("--time-limit", type=Duration(), help="Stop in good order after so long: 90s, 10m, 1h.")
@click.option("--resume", is_flag=True, help="Go on with a run of the same settings that was cut off.")
@click.option("--log", type=OutputPath(stream=True), metavar="FILE", help="One JSON object a line for each epoch.")
@click.option(
    "--set", "rare", multiple=True, metavar="NAME=VALUE", callback=parse_rare, help="A rare setting; repeatable."
)
def command(
    layers: tuple[str, ...] | None,
    epochs: int,
    batch_size: int,
    learning_rate: float | None,
    activation: str | None,
    loss: str | None,
    optimizer: str,
    seed: int,
    validation_split: float,
    data: Path,
    start: Path | None,
    pretrain: str | None,
    output: Path,
    patience: int | None,
    time_limit: float | None,
    resume: bool,
    log: Path | None,
    rare: dict[str, Any],
) -> None:
    """Train a network by gradient descent with backpropagation, and save it.

    Data that is 28x28 grey or becomes so is binarized to ink and no ink. The same seed, settings and data give
    the same file, byte for byte, on the same machine. A checkpoint lies beside the output until the run is over:
    after a crash, Ctrl-C or a time limit, the same command with --resume goes on to the very same end.
    """
    ink_names = {field.name for field in fields(Binarization)}
    ink_settings = {name: value for name, value in rare.items() if name in ink_names}
    fit_settings = {name: value for name, value in rare.items() if name not in ink_names}
    try:
        settings = TrainingSettings(epochs, batch_size, optimizer, learning_rate, patience, **fit_settings)
        Binarization(**ink_settings)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="'--set'") from None
    if patience and not validation_split:
        raise click.UsageError("--patience needs digits to measure on; leave out --validation-split 0.")
    if start is not None and learning_rate is None:
        settings = replace(settings, learning_rate=OPTIMIZERS[optimizer].default_learning_rate / 10)
    checkpoint = checkpoint_path(output)
    check_distinct({"--log": log, "the checkpoint": checkpoint, "--output": output, "--data": data})
    check_distinct({"--log": log, "the checkpoint": checkpoint, "--init-from": start})
    for path in (output, checkpoint):
        check_writable(path)
    if log:
        check_output(log)
        if log.is_file() and not is_stream(log):
            with open(log, "rb") as file:
                if file.read(1) not in (b"", b"{"):
                    raise click.BadParameter(f"{log} is a file, but not a log; name another one.", param_hint="'--log'")
    click.get_current_context().with_resource(locked(output))
    splitting, drawing, ordering, pretraining = generators(seed)
    if start is not None:
        if pretrain:
            raise click.UsageError("--init-from goes on from a trained network; leave out --pretrain.")
        if layers or activation or loss or ink_settings:
            raise click.UsageError("--init-from brings its own layers, activation, loss, threshold; leave these out.")
        model = load_shipped() if start == SHIPPED else load(start)
    else:
        structure, usual = layers or LAYERS, "sigmoid" if pretrain else "relu"
        network = Network(structure, activation=activation or usual, loss=loss or "cross-entropy", rng=drawing)
        if pretrain:
            try:
                hidden_layers(network)
            except DigitnetError as error:
                raise click.UsageError(f"--pretrain: {error}.") from None
        model = Model(network, Binarization(side=math.isqrt(network.sizes[0]), **ink_settings))
    dataset = read_data(data, "train")
    train, held_out = dataset.split(validation_split, splitting)
    if not len(train):
        raise DigitnetError(f"{data}: {len(dataset)} digits leave none to train on")
    if start is not None and (mnist := mnist_beside(data)):
        _, sample = mnist.split(min(1, REMEMBERED / len(mnist)), splitting)
        say(f"{len(sample):,} of MNIST's digits are mixed in, so that they are not forgotten")
        train, held_out = (
            mix(*pair) for pair in zip((train, held_out), sample.split(validation_split, splitting), strict=True)
        )
    if patience and not len(held_out):
        raise DigitnetError(f"{data}: {len(dataset)} digits leave none to measure on, as --patience must")
    absent = ", ".join(map(str, sorted({*range(CLASSES)} - {*train.labels.tolist()})))
    if absent:
        say(f"{data}: no picture of {absent} to train on; the network will not learn to read it")
    model.record = {**record(dataset, validation_split, settings, seed), "pretrain": pretrain}
    run = Run(Trainer(model, settings, ordering), output, log)
    if resume:
        run.resume()
    elif run.checkpoint.exists():
        kept = set_aside(run.checkpoint)
        say(f"{run.checkpoint}: a run was cut off; starting anew, its checkpoint is now {kept}")
    result = run.go(train, held_out, time_limit, pretraining if pretrain else None)
    say(f"{output}: {result}", err=is_stdout(log))
