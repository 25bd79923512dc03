"""``digitnet eval``."""

import json
import math
from pathlib import Path

import click
import numpy as np

from digitnet.atomic_files import check_output, check_writable, creating, is_stdout, writing
from digitnet.cli.data import read_data
from digitnet.cli.messages import say
from digitnet.cli.options import MODEL, OutputPath, check_distinct, data_option, load_model, model_option
from digitnet.cli.output import HASH
from digitnet.data.datasets import Dataset
from digitnet.imaging.image_files import save_grey
from digitnet.models.recognizer import NO_DIGIT
from digitnet.models.weight_plot import weight_mosaic
from digitnet.training.evaluation import BINS, Evaluation, evaluate
from digitnet.types import CLASSES

BOUNDS = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999)
"""Confidences below which one might not want an answer."""


@click.command("eval", short_help="Measure a network on labelled digits.")
@data_option
@model_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of tables.")
@click.option(
    "--save-errors",
    "errors",
    type=OutputPath(file_okay=False),
    metavar="DIR",
    help="Save the misread pictures there, named TRUTH-ANSWER-CONFIDENCE-INDEX.png.",
)
@click.option(
    "--plot-weights",
    "features",
    type=OutputPath(stream=True),
    metavar="FILE",
    help="Draw there what each neuron of the first layer looks for; a PNG.",
)
def command(data: Path, model: Path | None, as_json: bool, errors: Path | None, features: Path | None) -> int:
    """Measure a network on labelled digits: MNIST's test set, or all of a folder or CSV.

    Exit code 1 if a picture could not be read.
    """
    loaded = load_model(model)
    if errors is not None:
        check_writable(errors / "0.png")
    if features is not None:
        check_distinct({"--plot-weights": features, "--model": model or MODEL, "--data": data})
        check_output(features)
    dataset = read_data(data, "test")
    result = evaluate(loaded, dataset)
    facts = as_object(result) | {"model": loaded.sha256[:HASH]}
    say(json.dumps(facts) if as_json else as_text(result), err=is_stdout(features), keep="\n")
    unsaved = 0 if errors is None else save_errors(errors, dataset, result)
    if features is not None:
        with writing(features) as file:
            save_grey(file, weight_mosaic(loaded.network))
    return 1 if dataset.unread or unsaved else 0


def as_object(result: Evaluation) -> dict[str, object]:
    """An evaluation for machines; shares from 0 to 1, null where there is nothing to take a share of."""

    def number(value: float) -> float | None:
        return None if math.isnan(value) else float(value)

    return {
        "accuracy": result.accuracy,
        "errors": len(result.errors),
        "loss": result.loss,
        "total_loss": result.total_loss,
        "per_digit": [
            {"digit": digit, "precision": number(result.precision[digit]), "recall": number(result.recall[digit])}
            for digit in range(CLASSES)
        ],
        "confusion": result.confusion.tolist(),
        "unanswered": result.unanswered,
        "calibration_error": number(result.calibration_error),
        "reliability": [
            {"digits": int(count), "confidence": number(confidence), "accuracy": number(accuracy)}
            for count, confidence, accuracy in result.reliability
        ],
        "rejecting": [
            {"below": bound, "rejected": rejected, "accuracy": number(accuracy)}
            for bound in BOUNDS
            for rejected, accuracy in [result.rejecting(bound)]
        ],
    }


def as_text(result: Evaluation) -> str:
    """An evaluation for people."""

    def percent(value: float) -> str:
        return "-" if math.isnan(value) else f"{value:.2%}"

    count = len(result.labels)
    lines = [f"accuracy {result.accuracy:.2%}, {len(result.errors):,} of {count:,} misread"]
    if result.unanswered:
        lines[0] += f" ({result.unanswered:,} of them without ink)"
    lines += [f"mean loss {result.loss:.4f}, total loss {result.total_loss:.1f}", "", "digit  precision   recall"]
    for digit in range(CLASSES):
        lines.append(f"{digit:5}  {percent(result.precision[digit]):>9}  {percent(result.recall[digit]):>7}")
    confusion = result.confusion
    width = max(3, len(str(confusion.max()))) + 1
    lines += ["", "confusion: a row for each true digit, a column for each answer"]
    lines.append("   " + "".join(f"{digit:{width}}" for digit in range(CLASSES)))
    lines += [f"{digit:3}" + "".join(f"{n:{width}}" for n in row) for digit, row in enumerate(confusion)]
    lines += ["", f"expected calibration error {percent(result.calibration_error)}"]
    lines += ["confidence    digits     mean  accuracy"]
    for number, (count, confidence, accuracy) in enumerate(result.reliability):
        if count:
            bounds = f"{number / BINS:.2f} to {(number + 1) / BINS:.2f}"
            lines.append(f"{bounds}  {count:6,.0f}  {percent(confidence):>7}   {percent(accuracy):>7}")
    lines += ["", "answering ? below a confidence", "confidence  rejected  accuracy of the rest"]
    for bound in BOUNDS:
        rejected, accuracy = result.rejecting(bound)
        lines.append(f"{bound:10}  {percent(rejected):>8}  {percent(accuracy):>20}")
    return "\n".join(lines)


def save_errors(folder: Path, dataset: Dataset, result: Evaluation) -> int:
    """Write each misread picture as the network was given it; how many could not be written."""
    unsaved = 0
    digits = len(str(len(dataset) - 1))
    for index in result.errors:
        answer = "none" if result.digits[index] == NO_DIGIT else str(result.digits[index])
        confidence = 0.0 if answer == "none" else result.confidences[index]
        name = f"{result.labels[index]}-{answer}-{confidence:.4f}-{index:0{digits}}.png"
        try:
            with creating(folder / name) as file:
                save_grey(file, np.asarray(dataset.images[index]))
        except OSError as error:
            say(f"{error.filename}: {error.strerror}")
            unsaved += 1
    return unsaved
