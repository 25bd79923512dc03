"""Networks trained side by side, in processes that are told after every epoch whether it is worth going on."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe

import numpy as np

from digitnet.data.datasets import Dataset
from digitnet.models.model import Model
from digitnet.nn.architecture import build
from digitnet.nn.network import Network
from digitnet.processes import running
from digitnet.training.trainer import DivergedError, Trainer, TrainingSettings

BLAS_THREADS = "OPENBLAS_NUM_THREADS"
"""Of the environment; OpenBLAS reads it when NumPy is first imported."""


@dataclass(frozen=True)
class TrialSettings:
    """A network to be tried, and how it is trained; a worker answers it with a validation error after each epoch."""

    structure: tuple[str, ...]
    activation: str
    settings: TrainingSettings
    seed: int

    @property
    def weights(self) -> int:
        """How many parameters, biases among them."""
        return sum(layer.size for layer in build(self.structure, self.activation))


def validation_errors(candidate: TrialSettings, train: Dataset, held_out: Dataset) -> Iterator[float]:
    """Train just as ``digitnet train`` would; after each epoch, the share (0 to 1) of misread digits held out.

    It is 1 where the loss is no longer finite; that is the end, then.
    """
    _, drawing, ordering = np.random.default_rng(candidate.seed).spawn(3)
    model = Model(Network(candidate.structure, activation=candidate.activation, rng=drawing))
    try:
        for epoch in Trainer(model, candidate.settings, ordering).epochs(train, held_out):
            yield 1 - epoch.validation_accuracy
    except DivergedError:
        yield 1.0


@contextmanager
def workers(count: int, train: Dataset, held_out: Dataset) -> Iterator[list[Connection]]:
    """Start processes, each with one thread where there are several, and end them with the block.

    Send a worker a :class:`TrialSettings`. It sends the validation error of an epoch, or the exception that ended its
    work; answer with whether it should go on. When it is told to stop it waits for another candidate.
    """
    environment = {**os.environ, **({BLAS_THREADS: "1"} if count > 1 else {})}
    pipes, processes = [], []
    try:
        for _ in range(count):
            pipe, its_end = Pipe()
            command = running(f"from digitnet.training.search_workers import work; work({its_end.fileno()})")
            # In a session of its own, so that Ctrl-C is for this process alone.
            processes.append(
                subprocess.Popen(command, pass_fds=[its_end.fileno()], env=environment, start_new_session=True)
            )
            its_end.close()  # so that its death can be heard
            pipes.append(pipe)
        for pipe in pipes:
            pipe.send((train, held_out))
        yield pipes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def work(descriptor: int) -> None:
    """Do what a worker does, at the other end of a pipe, until that is closed."""
    pipe = Connection(descriptor)
    with suppress(EOFError, ConnectionError):  # who started us is no more
        train, held_out = pipe.recv()
        while True:
            candidate = pipe.recv()
            try:
                for error in validation_errors(candidate, train, held_out):
                    pipe.send(error)
                    if not pipe.recv():
                        break
            except MemoryError as problem:
                pipe.send(problem)
