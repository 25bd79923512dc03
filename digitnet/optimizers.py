"""Picking the best function: theta <- theta - eta * gradient, and its two best-known refinements.

All work in place on flat arrays: the parameters theta and the gradient of the loss. eta is the learning rate.
"""

from typing import ClassVar, Protocol

import numpy as np

from digitnet.arrays import Floats


class Optimizer(Protocol):
    """A rule for one step downhill; it may remember earlier steps."""

    default_learning_rate: ClassVar[float]

    def __init__(self, theta: Floats) -> None: ...

    def step(self, theta: Floats, gradient: Floats, eta: float) -> None:
        """Move theta, in place."""


class GradientDescent:
    """theta <- theta - eta * gradient."""

    default_learning_rate: ClassVar[float] = 0.3

    def __init__(self, theta: Floats) -> None:
        pass

    def step(self, theta: Floats, gradient: Floats, eta: float) -> None:
        """See :class:`Optimizer`."""
        theta -= theta.dtype.type(eta) * gradient


class Momentum:
    """v <- mu * v - eta * gradient; theta <- theta + v (Sutskever et al. 2013, section 2)."""

    default_learning_rate: ClassVar[float] = 0.05
    mu = 0.9

    def __init__(self, theta: Floats) -> None:
        self.v = np.zeros_like(theta)

    def step(self, theta: Floats, gradient: Floats, eta: float) -> None:
        """See :class:`Optimizer`."""
        self.v *= theta.dtype.type(self.mu)
        self.v -= theta.dtype.type(eta) * gradient
        theta += self.v


class Adam:
    """Each parameter its own pace (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1)."""

    default_learning_rate: ClassVar[float] = 0.001
    beta1, beta2, epsilon = 0.9, 0.999, 1e-8

    def __init__(self, theta: Floats) -> None:
        self.m, self.v = np.zeros_like(theta), np.zeros_like(theta)
        self.steps = 0

    def step(self, theta: Floats, gradient: Floats, eta: float) -> None:
        """See :class:`Optimizer`."""
        self.steps += 1
        number = theta.dtype.type
        self.m += number(1 - self.beta1) * (gradient - self.m)
        self.v += number(1 - self.beta2) * (gradient * gradient - self.v)
        rate = eta / (1 - self.beta1**self.steps)
        scale = number((1 - self.beta2**self.steps) ** -0.5)
        theta -= number(rate) * self.m / (scale * np.sqrt(self.v) + number(self.epsilon))


OPTIMIZERS: dict[str, type[Optimizer]] = {"gradient-descent": GradientDescent, "momentum": Momentum, "adam": Adam}
