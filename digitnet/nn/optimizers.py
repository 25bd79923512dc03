"""Picking the best function: theta <- theta - eta * gradient, and its two best-known refinements.

All work in place on flat arrays: the parameters theta and the gradient of the loss. eta is the learning rate.
Each formula is a line or two of whole-array operations that write where they read (``out=``), because memory, not
arithmetic, is what they cost. Only Adam has enough to do for the cores to share it.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from itertools import pairwise
from typing import ClassVar, Protocol

import numpy as np

from digitnet.types import Floats


class Optimizer(Protocol):
    """A rule for one step downhill; it may remember earlier steps."""

    default_learning_rate: ClassVar[float]
    memory: dict[str, np.ndarray]
    """What it remembers, by name; put back, it goes on as if it had never stopped."""

    def __init__(self, theta: Floats) -> None: ...

    def step(self, theta: Floats, gradient: Floats, eta: float) -> None:
        """Move theta, in place; the gradient may be overwritten."""


class GradientDescent:
    """theta <- theta - eta * gradient."""

    default_learning_rate: ClassVar[float] = 0.3

    def __init__(self, theta: Floats) -> None:
        self.memory: dict[str, np.ndarray] = {}

    def step(self, theta: Floats, gradient: Floats, eta: float) -> None:
        """See :class:`Optimizer`."""
        gradient *= eta
        theta -= gradient


class Momentum:
    """v <- mu * v - eta * gradient; theta <- theta + v (Sutskever et al. 2013, section 2)."""

    default_learning_rate: ClassVar[float] = 0.05
    mu = 0.9

    def __init__(self, theta: Floats) -> None:
        self.memory: dict[str, np.ndarray] = {"v": np.zeros_like(theta)}

    def step(self, theta: Floats, gradient: Floats, eta: float) -> None:
        """See :class:`Optimizer`."""
        v = self.memory["v"]
        v *= self.mu
        gradient *= eta
        v -= gradient
        theta += v


class Adam:
    """Each parameter its own pace (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1).

    m <- beta1 * m + (1 - beta1) * gradient;  v <- beta2 * v + (1 - beta2) * gradient^2
    theta <- theta - eta * m^ / (sqrt(v^) + epsilon),  where m^ = m / (1 - beta1^t) and v^ = v / (1 - beta2^t)

    The memory holds m / (1 - beta1) and v / (1 - beta2), which saves two of twelve passes; the factors join the
    scalars at the end.
    """

    default_learning_rate: ClassVar[float] = 0.003
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def __init__(self, theta: Floats) -> None:
        self.memory: dict[str, np.ndarray] = {
            "m": np.zeros_like(theta),
            "v": np.zeros_like(theta),
            "t": np.zeros(1, np.int64),
        }

    def step(self, theta: Floats, gradient: Floats, eta: float) -> None:
        """See :class:`Optimizer`."""
        self.memory["t"] += 1
        t = int(self.memory["t"][0])
        m_scale = (1 - self.beta1) / (1 - self.beta1**t)
        v_scale = np.sqrt((1 - self.beta2) / (1 - self.beta2**t))

        def update(part: slice) -> None:
            m, v, g = self.memory["m"][part], self.memory["v"][part], gradient[part]
            m *= self.beta1
            m += g
            g *= g
            v *= self.beta2
            v += g
            step = np.sqrt(v, out=g)
            step += self.epsilon / v_scale
            np.divide(m, step, out=step)
            step *= eta * m_scale / v_scale
            theta[part] -= step

        share(update, theta.size)


def share(update: Callable[[slice], None], size: int) -> None:
    """Run an update on every part of an array, a part a core; elementwise, so the parts make no difference."""
    cut = [size * i // CORES for i in range(CORES + 1)]
    parts = [slice(start, stop) for start, stop in pairwise(cut)]
    # A copy of the context, because np.errstate is part of it.
    others = [_pool(os.getpid()).submit(copy_context().run, update, part) for part in parts[1:]]
    update(parts[0])
    for other in others:
        other.result()


CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """A process's own threads; those of its parent do not survive a fork."""
    return ThreadPoolExecutor(CORES)


OPTIMIZERS: dict[str, type[Optimizer]] = {"gradient-descent": GradientDescent, "momentum": Momentum, "adam": Adam}
