"""Trial and error, automated: which structure and which settings read digits best, by Optuna.

A search lives in a file, Optuna's journal, to which every step is appended; whatever happens, a later run goes on
from what is in it. One process asks Optuna and tells it; the others only train (``workers``).
"""

import glob
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.pruners import MedianPruner
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from digitnet.atomic_files import open_locked
from digitnet.data.datasets import Dataset
from digitnet.errors import DigitnetError
from digitnet.training.search_workers import TrialSettings, workers
from digitnet.training.trainer import TrainingSettings
from digitnet.types import CLASSES

INPUTS = 784
DEEPEST = 4
SPACE: dict[str, BaseDistribution] = {
    "hidden layers": IntDistribution(1, DEEPEST),
    **{f"width {i}": IntDistribution(16, 1024, log=True) for i in range(1, DEEPEST + 1)},
    "activation": CategoricalDistribution(("relu", "tanh", "sigmoid")),
    "learning rate": FloatDistribution(3e-4, 3e-2, log=True),
    "log2 batch size": IntDistribution(6, 9),
}
"""What is tried. Every trial gets every width and ignores those beyond its depth: so evolution can pass them on."""
SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    # Bergstra et al. 2011, "Algorithms for hyper-parameter optimization", section 4
    "tpe": lambda seed: TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=True, constant_liar=True),
    # Bergstra and Bengio 2012, "Random search for hyper-parameter optimization"
    "random": lambda seed: RandomSampler(seed=seed),
    # NSGA-II: Deb et al. 2002, "A fast and elitist multiobjective genetic algorithm"
    "evolution": lambda seed: NSGAIISampler(seed=seed, population_size=POPULATION),
}
"""By name, how the next trial is chosen, given a seed; "evolution" has two goals."""
POPULATION = 10
"""Of a generation."""
STARTUP = 5
"""Trials at random before TPE has something to go by, and before a trial can be stopped as poor."""
BEST = 5
"""Trials that are shown, where there is one goal."""
PATIENCE = 20
"""Proposals in a row that were tried before, after which one is tried again."""
BEATEN = 3
"""Better networks that make a trial with two goals a poor one."""
JOURNAL_START = b'{"op_code":'


@dataclass(frozen=True)
class Trial:
    """What was tried and what came of it.

    Attributes:
        candidate: the network and how it was trained.
        errors: share of the validation digits misread after each epoch, 0 to 1.
        stopped: it was poor and got fewer epochs than the others.
    """

    candidate: TrialSettings
    errors: tuple[float, ...]
    stopped: bool

    @property
    def merit(self) -> tuple[float, int]:
        """Last validation error and number of weights; less is better."""
        return self.errors[-1], self.candidate.weights


class Search:
    """A search in a file, new or gone on with; nobody else may go on with it until it is closed.

    Args:
        path: of the journal.
        sampler: a name from ``SAMPLERS``.
        seed: of all that is drawn at random. With one worker, the same trials come from the same seed and data,
            however often the search is cut off between them or within.
        epochs: of each trial.
        facts: what else must be the same whenever the search goes on, by name.

    Raises:
        DigitnetError: the file is no journal, is damaged, in use, or that of another search.
        OSError: it cannot be written.
    """

    def __init__(self, path: Path, sampler: str, seed: int, epochs: int, facts: Mapping[str, Any]) -> None:
        self.path, self.sampler, self.seed, self.epochs = path, sampler, seed, epochs
        self.two_goals = sampler == "evolution"
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._file = _opened(path)
        try:
            self._study = self._open({"sampler": sampler, "seed": seed, "epochs": epochs, **facts})
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let others go on with it."""
        self._file.close()

    def _open(self, plan: Mapping[str, Any]) -> optuna.Study:
        with self._one_line():
            study = optuna.create_study(
                study_name="digitnet",
                storage=JournalStorage(JournalFileBackend(str(self.path), _NoLock(str(self.path)))),
                directions=["minimize"] * (2 if self.two_goals else 1),
                pruner=MedianPruner(STARTUP, n_warmup_steps=2),
                load_if_exists=True,
            )
            then = study.user_attrs.get("plan", plan)
            every = study.get_trials(deepcopy=False)
            if not isinstance(then, dict) or (every and "plan" not in study.user_attrs):
                raise ValueError("its settings are lost")
        for name, value in plan.items():
            if then.get(name) != value:
                raise DigitnetError(
                    f"{self.path} is of a search with {name} {then.get(name)}, not {value}; "
                    "give the same settings, or name another --study"
                )
        with self._one_line():
            if study.directions != [StudyDirection.MINIMIZE] * (2 if self.two_goals else 1):
                raise ValueError("its goals are others")
            for trial in every:
                self._check(trial)
            study.set_user_attr("plan", plan)
            for trial in every:
                if trial.state == TrialState.RUNNING:  # when the process was killed
                    study.tell(trial.number, state=TrialState.FAIL)
        return study

    @contextmanager
    def _one_line(self) -> Iterator[None]:
        """Around all that Optuna does: over a damaged journal it can raise, and warn of, nearly anything."""
        try:
            with warnings.catch_warnings(action="ignore"):
                yield
        except (OSError, MemoryError, DigitnetError):
            raise
        except Exception as error:
            text = "".join(char if char.isprintable() else " " for char in str(error)[:200])
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            problem = f"not a sound study ({kind}{' '.join(text.split())})"
            raise DigitnetError(f"{self.path}: {problem}; remove it, or name another --study") from None

    def _check(self, frozen: FrozenTrial) -> None:
        """Raise a ValueError if we cannot have written this trial."""
        where, params, facts = f"trial {frozen.number}: ", frozen.params, frozen.user_attrs
        for name, value in params.items():
            space = SPACE.get(name)
            if space is None or frozen.distributions[name] != space or not _contains(space, value):
                raise ValueError(f"{where}{name} is {value}")
        if frozen.state == TrialState.WAITING:
            raise ValueError(f"{where}it has not begun")
        if frozen.state not in (TrialState.COMPLETE, TrialState.PRUNED):
            return
        if params.keys() != SPACE.keys():
            raise ValueError(f"{where}{', '.join(SPACE.keys() - params.keys())} is missing")
        errors, stopped = facts.get("errors"), facts.get("stopped")
        if not isinstance(errors, list) or not all(isinstance(error, float) and 0 <= error <= 1 for error in errors):
            raise ValueError(f"{where}errors of {errors}")
        if not isinstance(stopped, bool) or not (1 if stopped else self.epochs) <= len(errors) <= self.epochs:
            raise ValueError(f"{where}{len(errors)} epochs of {self.epochs}")
        goals = [errors[-1], self._candidate(params).weights] if self.two_goals else [errors[-1]]
        steps = {} if self.two_goals else dict(enumerate(errors, start=1))
        if frozen.values != goals or frozen.intermediate_values != steps:
            raise ValueError(f"{where}a value of {frozen.values} after errors of {errors}")

    @property
    def trials(self) -> list[Trial]:
        """All that have ended, in the order in which they began."""
        return [self._trial(frozen) for frozen in self._living() if frozen.state.is_finished()]

    def best(self) -> list[Trial]:
        """The best first: of two goals the Pareto front, of one goal the best few."""
        return self.front() if self.two_goals else sorted(self._whole(), key=lambda trial: trial.merit)[:BEST]

    def front(self) -> list[Trial]:
        """The Pareto front; see :func:`front`."""
        return front(self._whole())

    def _whole(self) -> list[Trial]:
        return [trial for trial in self.trials if not trial.stopped]

    def go(
        self, train: Dataset, held_out: Dataset, count: int | None, seconds: float | None, jobs: int
    ) -> Iterator[Trial]:
        """Try until there are so many trials or the time is over; each as it ends.

        Args:
            train: not empty.
            held_out: to measure on; not empty.
            count: trials in all, those of earlier runs among them.
            seconds: from now; what is not done by then is given up.
            jobs: trials at a time, each in a process of its own.

        Raises:
            DigitnetError: a process was killed.
            MemoryError: from within a trial.
        """
        deadline = None if seconds is None else time.monotonic() + seconds
        busy: dict[Connection, _Attempt] = {}

        def wanted() -> bool:
            in_time = deadline is None or time.monotonic() < deadline
            return in_time and (count is None or len(self._living()) < count)

        if not wanted():
            return
        try:
            with workers(jobs, train, held_out) as idle:
                while True:
                    while idle and wanted():
                        pipe = idle.pop()
                        busy[pipe] = self._begin()
                        pipe.send(busy[pipe].candidate)
                    if not busy:
                        return
                    ready = wait(busy, None if deadline is None else max(0, deadline - time.monotonic()))
                    if not ready:
                        with self._one_line():
                            for attempt in busy.values():
                                self._study.tell(attempt.trial, state=TrialState.FAIL)
                        return
                    for pipe in [pipe for pipe in busy if pipe in ready]:
                        message = pipe.recv()
                        if isinstance(message, MemoryError):
                            raise message
                        going_on = self._hear(busy[pipe], message)
                        pipe.send(going_on)
                        if not going_on:
                            idle.append(pipe)
                            yield self._trial(self._study.trials[busy.pop(pipe).trial.number])
        except (EOFError, ConnectionError):
            problem = "a process was killed; the same command goes on, with fewer --jobs if memory is short"
            raise DigitnetError(problem) from None

    def _living(self) -> list[FrozenTrial]:
        """Those that were not given up."""
        states = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
        with self._one_line():
            return self._study.get_trials(deepcopy=False, states=states)

    def _begin(self) -> "_Attempt":
        """Start a trial that has not been tried."""
        with self._one_line():
            return self._asked()

    def _asked(self) -> "_Attempt":
        known = [self._candidate(frozen.params) for frozen in self._living()]
        tries = 0
        while True:
            # A sampler's memory does not outlive its process, so each choice has a sampler and a seed of its own.
            seed = np.random.SeedSequence([self.seed, len(known), tries]).generate_state(1)[0]
            self._study.sampler = SAMPLERS[self.sampler](int(seed))
            trial = self._study.ask(SPACE)
            candidate = self._candidate(trial.params)
            if candidate not in known or tries == PATIENCE:
                return _Attempt(trial, candidate, [])
            self._study.tell(trial, state=TrialState.FAIL)  # a child can be just like its parent
            tries += 1

    def _hear(self, attempt: "_Attempt", error: float) -> bool:
        """Note the validation error after one more epoch, and say whether it is worth going on."""
        with self._one_line():
            return self._told(attempt, error)

    def _told(self, attempt: "_Attempt", error: float) -> bool:
        trial, candidate, errors = attempt
        errors.append(error)
        if self.two_goals:
            poor = self._is_beaten(candidate.weights, errors)
        else:
            trial.report(error, len(errors))
            poor = trial.should_prune()
        stopped = error == 1 or bool(poor and len(errors) < self.epochs)
        if not stopped and len(errors) < self.epochs:
            return True
        trial.set_user_attr("errors", errors)
        trial.set_user_attr("stopped", stopped)
        if self.two_goals:
            self._study.tell(trial, [error, candidate.weights])
        elif stopped:
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, error)
        return False

    def _is_beaten(self, weights: int, errors: list[float]) -> bool:
        """Whether several networks that are no larger misread less after as many epochs, from the second on.

        Optuna prunes no trial that has two goals.
        """
        epochs = len(errors)
        rivals = [rival for rival in self.trials if len(rival.errors) >= epochs and rival.candidate.weights <= weights]
        return epochs > 1 and sum(rival.errors[epochs - 1] < errors[-1] for rival in rivals) >= BEATEN

    def _candidate(self, params: Mapping[str, Any]) -> TrialSettings:
        widths = (params[f"width {i}"] for i in range(1, params["hidden layers"] + 1))
        structure = tuple(map(str, (INPUTS, *widths, CLASSES)))
        rate = float(f"{params['learning rate']:.2g}")
        settings = TrainingSettings(self.epochs, 2 ** params["log2 batch size"], learning_rate=rate)
        return TrialSettings(structure, params["activation"], settings, self.seed)

    def _trial(self, frozen: FrozenTrial) -> Trial:
        facts = frozen.user_attrs
        return Trial(self._candidate(frozen.params), tuple(facts["errors"]), facts["stopped"])


def front(trials: Iterable[Trial]) -> list[Trial]:
    """Those than which no other misreads less and has no more weights; the fewest misread first."""
    chosen: list[Trial] = []
    for trial in sorted(trials, key=lambda trial: trial.merit):
        if not chosen or trial.merit[1] < chosen[-1].merit[1]:
            chosen.append(trial)
    return chosen


class _Attempt(NamedTuple):
    trial: optuna.Trial
    candidate: TrialSettings
    errors: list[float]


def _opened(path: Path) -> BinaryIO:
    """A journal that is nobody else's until it is closed, without what a killed process may have left behind."""
    file = open_locked(path)
    file.seek(0)
    content = file.read()
    if content and not content.startswith(JOURNAL_START):
        file.close()
        raise DigitnetError(f"{path}: not a study; name another --study")
    file.truncate(content.rfind(b"\n") + 1)
    for lock in path.parent.glob(f"{glob.escape(path.name)}.lock*"):
        if lock.is_symlink() and lock.readlink().name == path.name:  # Optuna's; any other file is not ours
            lock.unlink()
    return file


class _NoLock(JournalFileOpenLock):
    """Whoever has the file by :func:`_opened` is alone; Optuna's lock would remove other files of its name."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _contains(space: BaseDistribution, value: Any) -> bool:
    if isinstance(space, CategoricalDistribution):
        return value in space.choices
    assert isinstance(space, IntDistribution | FloatDistribution)
    return bool(space.low <= value <= space.high)
