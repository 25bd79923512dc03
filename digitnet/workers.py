"""Networks trained side by side, in processes that are told after every epoch whether it is worth going on."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import numpy as np

from digitnet.datasets import Dataset
from digitnet.model import Model
from digitnet.network import Network
from digitnet.structure import build
from digitnet.training import DivergedError, Settings, Training

BLAS_THREADS = "OPENBLAS_NUM_THREADS"
"""Of the environment; OpenBLAS reads it when NumPy is first imported."""


@dataclass(frozen=True)
class Candidate:
    """A network to be tried, and how it is trained; a worker answers it with a validation error after each epoch."""

    structure: tuple[str, ...]
    activation: str
    settings: Settings
    seed: int

    @property
    def weights(self) -> int:
        """How many parameters, biases among them."""
        return sum(layer.size for layer in build(self.structure, self.activation))


def validation_errors(candidate: Candidate, train: Dataset, held_out: Dataset) -> Iterator[float]:
    """Train just as ``digitnet train`` would; after each epoch, the share (0 to 1) of misread digits held out.

    It is 1 where the loss is no longer finite; that is the end, then.
    """
    _, drawing, ordering = np.random.default_rng(candidate.seed).spawn(3)
    model = Model(Network(candidate.structure, activation=candidate.activation, rng=drawing))
    try:
        for epoch in Training(model, candidate.settings, ordering).epochs(train, held_out):
            yield 1 - epoch.validation_accuracy
    except DivergedError:
        yield 1.0


@contextmanager
def workers(count: int, train: Dataset, held_out: Dataset) -> Iterator[list[Connection]]:
    """Start processes, each with one thread where there are several, and end them with the block.

    Send a worker a :class:`Candidate`. It sends the validation error of an epoch, or the exception that ended its
    work; answer with whether it should go on. When it is told to stop it waits for another candidate.
    """
    # Not forked: a copy of this process would keep its number of threads, and would outlive it.
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    before = os.environ.get(BLAS_THREADS)
    try:
        if count > 1:
            os.environ[BLAS_THREADS] = "1"
        for _ in range(count):
            pipe, its_end = context.Pipe()
            process = context.Process(target=_work, args=(its_end, train, held_out), daemon=True)
            process.start()
            its_end.close()  # so that its death can be heard
            pipes.append(pipe)
            processes.append(process)
        if before is None:
            os.environ.pop(BLAS_THREADS, None)
        else:
            os.environ[BLAS_THREADS] = before
        yield pipes
    finally:
        for process in processes:
            process.kill()
            process.join()


def _work(pipe: Connection, train: Dataset, held_out: Dataset) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started us
    with suppress(EOFError, ConnectionError):  # who started us is no more
        while True:
            candidate = pipe.recv()
            try:
                for error in validation_errors(candidate, train, held_out):
                    pipe.send(error)
                    if not pipe.recv():
                        break
            except (MemoryError, OSError) as problem:
                if isinstance(problem, ConnectionError):
                    raise
                pipe.send(problem)
