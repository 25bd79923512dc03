"""``digitnet search``."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from tqdm import tqdm

from digitnet.atomic_files import check_output, check_writable, is_stdout
from digitnet.cli import stopping, train
from digitnet.cli.data import read_data
from digitnet.cli.messages import say
from digitnet.cli.options import (
    MODEL,
    Duration,
    OutputPath,
    check_distinct,
    data_option,
    plural,
    seed_option,
    validation_option,
)
from digitnet.errors import DigitnetError
from digitnet.training.chart import save_chart

if TYPE_CHECKING:
    from digitnet.training.search import Trial

TRIALS = 20
AXES = ("weights", "validation digits misread, %")
SAMPLERS = ("tpe", "random", "evolution")


@click.command("search", short_help="Try structures and settings; train the best.")
@click.option(
    "--trials", type=click.IntRange(1), help=f"How many in all.  [default: {TRIALS}, where there is no --time-limit]"
)
@click.option("--time-limit", type=Duration(), help="Try no longer than this: 90s, 10m, 1h.")
@click.option("--epochs", type=click.IntRange(1), default=5, show_default=True, help="Of each trial.")
@click.option(
    "--sampler",
    type=click.Choice(SAMPLERS),
    default="tpe",
    show_default=True,
    help="What chooses the next trial; evolution wants few weights, too.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Trials at a time.")
@seed_option
@validation_option
@data_option
@click.option("--output", type=OutputPath(), default=MODEL, show_default=True, help="The best, trained in full.")
@click.option("--study", type=OutputPath(), help="File that the trials go to.  [default: OUTPUT.study]")
@click.option("--plot", type=OutputPath(stream=True), metavar="PNG", help="Draw all trials, their errors and weights.")
@click.pass_context
def command(
    ctx: click.Context,
    trials: int | None,
    time_limit: float | None,
    epochs: int,
    sampler: str,
    jobs: int,
    seed: int,
    validation_split: float,
    data: Path,
    output: Path,
    study: Path | None,
    plot: Path | None,
) -> None:
    """Try structures and settings, each for a few epochs, and train the best as 'digitnet train' would.

    Tried are one to four hidden layers of 16 to 1024 neurons, activations, learning rates and batch sizes. Poor
    trials are stopped early. Whenever the search is cut off, the same command goes on with it. The
    sampler evolution (NSGA-II) has two goals, few errors and few weights, and shows all trials that no other beats
    in both.
    """
    try:
        from digitnet.training.search import Search
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise DigitnetError("searching needs Optuna; pip install 'digitnet[search]' brings it") from None
    if not validation_split:
        raise click.UsageError("a search needs digits to measure on; leave out --validation-split 0.")
    journal = study or output.with_name(f"{output.name}.study")
    check_distinct({"--plot": plot, "--study": journal, "--output": output, "--data": data})
    check_writable(output)
    if plot is not None:
        check_output(plot)
    if trials is None and time_limit is None:
        trials = TRIALS
    dataset = read_data(data, "train")
    splitting, *_ = np.random.default_rng(seed).spawn(3)
    training, held_out = dataset.split(validation_split, splitting)
    if not len(training) or not len(held_out):
        raise DigitnetError(f"{data}: {len(dataset)} digits leave none to train on, or none to measure on")
    facts = {"validation": validation_split, "data_sha256": dataset.sha256}
    with closing(Search(journal, sampler, seed, epochs, facts)) as search:
        done = len(search.trials)
        if done:
            say(f"{journal}: going on after {plural(done, 'trial')}")
        try:
            with tqdm(total=trials, initial=done, unit="trial", disable=None) as bar:
                for trial in search.go(training, held_out, trials, time_limit, jobs):
                    stopping.check()
                    done += 1
                    tqdm.write(f"trial {done}: {said(trial)}", file=sys.stderr)
                    bar.update()
                    bar.set_postfix({"best": f"{(search.best() or [trial])[0].errors[-1]:.2%}"})
        except KeyboardInterrupt as error:
            error.args = (f"interrupted after {plural(done, 'trial')}; the same command goes on",)
            raise
        if trials is None or done < trials:
            say(f"time limit: stopped after {plural(done, 'trial')}; the same command goes on")
        best = search.best()
        if not best:
            raise DigitnetError(f"{journal}: no trial has come to its end yet; the same command goes on")
        say(table(best), err=is_stdout(plot), keep="\n")
        if plot is not None:
            save_chart(plot, _points(search.trials), _points(search.front()), AXES)
    winner = best[0].candidate
    options: dict[str, Any] = {
        "layers": winner.structure,
        "activation": winner.activation,
        "learning_rate": winner.settings.learning_rate,
        "batch_size": winner.settings.batch_size,
        "seed": seed,
        "validation_split": validation_split,
        "data": data,
        "output": output,
        "rare": {},
    }
    try:
        ctx.invoke(train.command, **options, resume=True)
    except click.UsageError:  # the checkpoint that lies there is of another network
        ctx.invoke(train.command, **options)


def said(trial: Trial) -> str:
    """A trial in a line."""
    error, weights = trial.merit
    stopped = f"stopped after epoch {len(trial.errors)} at " if trial.stopped else ""
    return f"{stopped}{error:.2%} misread, {weights:,} weights, {as_options(trial)}"


def table(trials: list[Trial]) -> str:
    """A row for each, with the options that train it."""
    rows = [f"{trial.merit[0]:7.2%}  {trial.merit[1]:>9,}  {as_options(trial)}" for trial in trials]
    return "\n".join(["misread    weights  options of digitnet train", *rows])


def as_options(trial: Trial) -> str:
    """What one would type for ``digitnet train``."""
    candidate, settings = trial.candidate, trial.candidate.settings
    return (
        f"--layers {','.join(candidate.structure)} --activation {candidate.activation} "
        f"--learning-rate {settings.learning_rate:g} --batch-size {settings.batch_size}"
    )


def _points(trials: list[Trial]) -> list[tuple[float, float]]:
    """Where each goes in a picture; the axes have no place for 0."""
    return [(weights, 100 * error) for error, weights in (trial.merit for trial in trials) if error]
