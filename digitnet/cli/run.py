"""A run of training that is safe: checkpoints, a log, limits, and a usable model whatever happens."""

import hashlib
import json
import math
import time
from dataclasses import asdict
from pathlib import Path

import click
import numpy as np
from tqdm import tqdm

from digitnet.datasets import Dataset
from digitnet.errors import DigitnetError
from digitnet.files import naming, replacing
from digitnet.modelfile import State, load_checkpoint, save
from digitnet.pretraining import EPOCHS, hidden_layers, pretrain
from digitnet.session import entry, finish
from digitnet.training import DivergedError, Epoch, Training


def checkpoint_of(output: Path) -> Path:
    """Where a run that will write ``output`` keeps its checkpoint."""
    return Path(f"{output}.checkpoint")


class Run:
    """One training, the model file it writes, the checkpoint beside it, and perhaps a log."""

    def __init__(self, training: Training, output: Path, log: Path | None) -> None:
        self.training, self.output, self.log = training, output, log
        self.checkpoint = checkpoint_of(output)
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
        for name, value in self.plan.items():
            then = state.facts["plan"].get(name)
            if then != value:
                raise click.UsageError(
                    f"--resume: {self.checkpoint} is of a run with {name} {then}, not {value}; "
                    "give the same settings, or leave out --resume to start anew."
                )
        self.training.model.history = saved.history
        self.training.restore(saved.network, state.arrays, state.facts)
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
            Abort: Ctrl-C; the model of the last whole epoch is saved.
            DivergedError: the model of the last whole epoch is saved.
        """
        training, epochs = self.training, self.training.settings.epochs
        self._begin_log()
        began = before = time.monotonic()
        total, initial = epochs * len(train), training.done * len(train)
        limited = False
        try:
            if pretraining and not self.kept:
                self._pretrain(train, pretraining, time_limit)
                before = time.monotonic()
            with tqdm(total=total, initial=initial, unit=" digits", unit_scale=True, disable=None) as bar:
                for epoch in training.epochs(train, held_out, bar.update):
                    now = time.monotonic()
                    self._keep(epoch, now - before)
                    bar.set_postfix(_shown(epoch, epochs))
                    # Another epoch would take as long as this one did.
                    limited = time_limit is not None and now - began + (now - before) > time_limit
                    if limited and training.done < epochs:
                        break
                    before = now
        except KeyboardInterrupt:
            self._fall_back("interrupted")
            raise click.Abort from None
        except DivergedError:
            self._fall_back("diverged")
            if self.kept:
                self.checkpoint.unlink(missing_ok=True)
            raise
        finish(training, held_out)
        save(training.model, self.output)
        if limited and training.done < epochs:
            click.echo(f"time limit: stopped after epoch {training.done} of {epochs}; --resume goes on", err=True)
        else:
            self.checkpoint.unlink(missing_ok=True)
        return self._result()

    def _pretrain(self, train: Dataset, rng: np.random.Generator, time_limit: float | None) -> None:
        """The same again whenever it is begun anew, so it needs no checkpoint."""
        began, model = time.monotonic(), self.training.model
        total = EPOCHS * len(hidden_layers(model.network)) * len(train)
        with tqdm(desc="pretraining", total=total, unit=" digits", unit_scale=True, disable=None) as bar:
            for done in pretrain(model, train, rng, bar.update):
                shown = {"layer": f"{done.layer}/{done.layers}", "epoch": f"{done.epoch}/{EPOCHS}"}
                bar.set_postfix({**shown, "reconstruction error": f"{done.error:.4f}"})
                if time_limit is not None and time.monotonic() - began > time_limit:
                    raise DigitnetError(f"time limit: the pretraining has no end yet; {self.output} is as it was")

    def _keep(self, epoch: Epoch, seconds: float) -> None:
        """Write down an epoch: history, log, checkpoint."""
        self.training.model.history.append(entry(epoch))
        if self.log is not None:
            row = {**asdict(epoch), "seconds": round(seconds, 3)}
            row = {name: None if value != value else value for name, value in row.items()}
            with naming(self.log), open(self.log, "a", encoding="utf-8") as file:
                file.write(json.dumps({"epoch": row.pop("number"), **row}) + "\n")
        arrays, facts = self.training.state()
        save(self.training.model, self.checkpoint, State(arrays, {"plan": self.plan, **facts}))
        self.kept = True

    def _begin_log(self) -> None:
        """Keep what the log says of the epochs that are done; a run that was cut off may have said more."""
        if self.log is None:
            return
        lines: list[bytes] = []
        if self.training.done and self.log.exists():
            lines = self.log.read_bytes().splitlines(keepends=True)[: self.training.done]
        with replacing(self.log) as file:
            file.writelines(lines)

    def _fall_back(self, what: str) -> None:
        """Save the last whole epoch's model, the best one's if that is asked for, and say so."""
        if not self.kept:
            click.echo(f"{what} before the end of the first epoch: {self.output} is as it was", err=True)
            return
        model, state = load_checkpoint(self.checkpoint)
        if "best" in state.arrays:
            model.network.parameters[...] = state.arrays["best"]
        save(model, self.output)
        command = "the same command" + " with --resume" * (not self.resuming)
        again = f"; {command} goes on" if what == "interrupted" else ""
        epochs = f"epoch {state.facts['done']} of {self.training.settings.epochs}"
        click.echo(f"{what} after {epochs}: {self.output} is saved{again}", err=True)

    def _result(self) -> str:
        model, done = self.training.model, self.training.done
        best = done if self.training.best is None else self.training.best_epoch
        last = model.history[best - done - 1]
        parts = [f"{model.network}", f"{done} epochs" + f", best {best}" * (best < done), f"loss {last['loss']:.4f}"]
        if not math.isnan(last["validation_accuracy"]):
            parts.append(f"validation accuracy {last['validation_accuracy']:.2%}")
        return ", ".join(parts)


def _shown(epoch: Epoch, epochs: int) -> dict[str, str]:
    shown = {"epoch": f"{epoch.number}/{epochs}", "loss": f"{epoch.loss:.4f}"}
    if not math.isnan(epoch.validation_accuracy):
        shown["validation"] = f"{epoch.validation_accuracy:.2%}"
    return shown
