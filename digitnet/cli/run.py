"""A run of training that is safe: checkpoints, a log, limits, and a usable model whatever happens."""

from __future__ import annotations

import hashlib
import json
import math
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import asdict, fields
from io import FileIO
from pathlib import Path
from typing import NoReturn

import click
import numpy as np
from tqdm import tqdm

from digitnet.atomic_files import atomic_write, is_stream, open_stream, set_aside, with_filename
from digitnet.cli import stopping
from digitnet.cli.messages import say
from digitnet.cli.options import plural
from digitnet.data.datasets import Dataset
from digitnet.errors import DigitnetError
from digitnet.models.model import Model
from digitnet.models.model_file import CheckpointState, load, load_checkpoint, save
from digitnet.training.rbm import EPOCHS, hidden_layers, pretrain
from digitnet.training.session import entry, finish
from digitnet.training.trainer import DivergedError, EpochResult, Trainer

HEADER = "    epoch      loss  accuracy"
"""Over a line for each epoch; of the validation digits."""
HISTORY = [field.name for field in fields(EpochResult) if field.name != "gradient_norms"]
"""What a model keeps of each epoch."""


def checkpoint_path(output: Path) -> Path:
    """Where a run that will write ``output`` keeps its checkpoint."""
    return Path(f"{output}.checkpoint")


class Run:
    """One training, the model file it writes, the checkpoint beside it, and perhaps a log."""

    def __init__(self, training: Trainer, output: Path, log: Path | None) -> None:
        self.training, self.output, self.log = training, output, log
        self.checkpoint = checkpoint_path(output)
        model = training.model
        start = hashlib.sha256(model.network.parameters.data).hexdigest()
        self.plan = {
            "layers": ",".join(model.network.structure),
            "activation": model.network.activation,
            "loss": model.network.loss_name,
            "threshold": model.ink.threshold,
            **model.record,
            "first parameters": start,
        }
        self.resuming = False
        self.kept = False
        """Whether the checkpoint is of this run."""

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one.

        Raises:
            UsageError: it is of a run with other settings.
            DigitnetError: it cannot be read.
        """
        self.resuming = True
        if not self.checkpoint.exists():
            return
        saved, state = load_checkpoint(self.checkpoint)
        plan = state.facts.get("plan")
        for name, value in self.plan.items():
            then = plan.get(name) if isinstance(plan, dict) else "unknown"
            if then != value:
                raise click.UsageError(
                    f"--resume: {self.checkpoint} is of a run with {name} {then}, not {value}; "
                    "give the same settings, or leave out --resume to start anew."
                )
        try:
            self.training.restore(saved, state.arrays, state.facts)
            if [list(row) for row in saved.history] != [HISTORY] * self.training.done:
                raise DigitnetError(f"a history of {len(saved.history)} epochs")
        except DigitnetError as error:
            problem = f"not a checkpoint of such a run ({error})"
            raise DigitnetError(f"{self.checkpoint}: {problem}; remove it, or leave out --resume") from None
        self.training.model.history = saved.history
        self.kept = True

    def go(
        self,
        train: Dataset,
        held_out: Dataset,
        time_limit: float | None,
        pretraining: np.random.Generator | None = None,
    ) -> str:
        """Train, save the model, and say in a line what came of it; with a generator, pretrain first.

        Raises:
            DigitnetError: the time limit came before the end of the pretraining.
            KeyboardInterrupt: the model of the last whole epoch is saved; the exception says so.
            DivergedError: the model of the last whole epoch is saved.
        """
        log = self._opened_log()
        with log or nullcontext():
            return self._go(train, held_out, time_limit, pretraining, log)

    def _go(
        self,
        train: Dataset,
        held_out: Dataset,
        time_limit: float | None,
        pretraining: np.random.Generator | None,
        log: FileIO | None,
    ) -> str:
        training, epochs = self.training, self.training.settings.epochs
        began = before = time.monotonic()
        total, initial = epochs * len(train), training.done * len(train)
        limited = False
        try:
            if pretraining and not self.kept:
                self._pretrain(train, pretraining, time_limit)
                before = time.monotonic()
            with tqdm(total=total, initial=initial, unit="digit", unit_scale=True, disable=None) as bar:
                if not bar.disable:
                    bar.write(HEADER, file=sys.stderr)
                for epoch in training.epochs(train, held_out, _advancing(bar)):
                    now = time.monotonic()
                    bar.clear()  # a log on the terminal would begin in its midst
                    self._keep(epoch, now - before, log)
                    if not bar.disable:
                        bar.write(_line(epoch, epochs), file=sys.stderr)
                    # Another epoch would take as long as this one did.
                    limited = time_limit is not None and now - began + (now - before) > time_limit
                    if limited and training.done < epochs:
                        break
                    before = now
        except KeyboardInterrupt as error:
            error.args = (self._fall_back("interrupted"),)
            raise
        except DivergedError:
            say(self._fall_back("diverged"))
            if self.kept:
                self.checkpoint.unlink(missing_ok=True)
            raise
        finish(training, held_out)
        self._save(training.model)
        if limited and training.done < epochs:
            say(f"time limit: stopped after epoch {training.done} of {epochs}; --resume goes on")
        else:
            self.checkpoint.unlink(missing_ok=True)
        return self._result()

    def _pretrain(self, train: Dataset, rng: np.random.Generator, time_limit: float | None) -> None:
        """The same again whenever it is begun anew, so it needs no checkpoint."""
        began, model = time.monotonic(), self.training.model
        total = EPOCHS * len(hidden_layers(model.network)) * len(train)
        with tqdm(desc="pretraining", total=total, unit="digit", unit_scale=True, disable=None) as bar:
            for done in pretrain(model, train, rng, _advancing(bar)):
                shown = {"layer": f"{done.layer}/{done.layers}", "epoch": f"{done.epoch}/{EPOCHS}"}
                bar.set_postfix({**shown, "reconstruction error": f"{done.error:.4f}"})
                if time_limit is not None and time.monotonic() - began > time_limit:
                    raise DigitnetError(f"time limit: the pretraining has no end yet; {self.output} is as it was")

    def _keep(self, epoch: EpochResult, seconds: float, log: FileIO | None) -> None:
        """Write down an epoch: history, log, checkpoint."""
        self.training.model.history.append(entry(epoch))
        if self.log and log:
            row = {**asdict(epoch), "seconds": round(seconds, 3)}
            row = {name: None if value != value else value for name, value in row.items()}
            line = json.dumps({"epoch": row.pop("number"), **row}).encode() + b"\n"
            try:
                with with_filename(self.log):
                    while line:  # a full disk takes a part of it before it complains
                        line = line[log.write(line) :]
            except BrokenPipeError:
                say(f"{self.log}: nobody reads it any more; going on without")
                self.log = None
        arrays, facts = self.training.state()
        save(self.training.model, self.checkpoint, CheckpointState(arrays, {"plan": self.plan, **facts}))
        self.kept = True

    def _opened_log(self) -> FileIO | None:
        """Keep what the log says of the epochs that are done; a run that was cut off may have said more."""
        if self.log is None:
            return None
        if is_stream(self.log):
            return open_stream(self.log)
        lines: list[bytes] = []
        if self.training.done and self.log.exists():
            lines = self.log.read_bytes().splitlines(keepends=True)[: self.training.done]
        with atomic_write(self.log) as file:
            file.writelines(lines)
        return open(self.log, "ab", buffering=0)

    def _save(self, model: Model) -> None:
        """Write the output; a model there that read more of its own validation digits is kept under another name."""
        then, now = math.nan, _validation_accuracy(model)
        with suppress(DigitnetError):  # none there, or no model
            then = _validation_accuracy(load(self.output))
        if not math.isnan(then) and not then <= now:
            kept = set_aside(self.output)
            measured = "was not measured" if math.isnan(now) else f"reads {now:.2%}"
            better = f"the model there read {then:.2%} of its validation digits, the new one {measured}"
            say(f"{self.output}: {better}; the old one is now {kept}")
        save(model, self.output)

    def _fall_back(self, what: str) -> str:
        """Save the last whole epoch's model, the best one's if that is asked for; a line that says so."""
        if not self.kept:
            return f"{what} before the end of the first epoch: {self.output} is as it was"
        model, state = load_checkpoint(self.checkpoint)
        if "best" in state.arrays:
            model.network.parameters[...] = state.arrays["best"]
        self._save(model)
        command = "the same command" + " with --resume" * (not self.resuming)
        again = f"; {command} goes on" if what == "interrupted" else ""
        epochs = f"epoch {state.facts['done']} of {self.training.settings.epochs}"
        return f"{what} after {epochs}: {self.output} is saved{again}"

    def _result(self) -> str:
        model, done = self.training.model, self.training.done
        best = done if self.training.best is None else self.training.best_epoch
        last = model.history[best - done - 1]
        parts = [
            f"{model.network}",
            plural(done, "epoch") + f", best {best}" * (best < done),
            f"loss {last['loss']:.4f}",
        ]
        if not math.isnan(last["validation_accuracy"]):
            parts.append(f"validation accuracy {last['validation_accuracy']:.2%}")
        return ", ".join(parts)


def _advancing(bar: tqdm[NoReturn]) -> Callable[[int], None]:
    """What moves a bar on, and hears of a signal that Python has lost."""

    def advance(digits: int) -> None:
        stopping.check()
        bar.update(digits)

    return advance


def _line(epoch: EpochResult, epochs: int) -> str:
    """A row under HEADER, for people who watch."""
    accuracy = "-" if math.isnan(epoch.validation_accuracy) else f"{epoch.validation_accuracy:.2%}"
    return f"{f'{epoch.number}/{epochs}':>9}  {epoch.loss:8.4f}  {accuracy:>8}"


def _validation_accuracy(model: Model) -> float:
    """What a model's history says of it, 0 to 1; NaN where it was not measured."""
    accuracies = [row.get("validation_accuracy", math.nan) for row in model.history] or [math.nan]
    return max(accuracies) if model.record.get("early_stop") else accuracies[-1]
