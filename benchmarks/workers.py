"""One measurement a process, for ``engine.py``: prints its figures as JSON."""

import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from digitnet import Model, Network, TrainingSettings, evaluate, fit, read_dataset
from digitnet.imaging.normalize import Binarization, binarize, columns
from digitnet.nn.layers import Dense
from digitnet.nn.optimizers import OPTIMIZERS
from digitnet.types import Floats, one_hot

DATA = Path(__file__).resolve().parent.parent / "data"
SIZES = (784, 500, 500, 10)
KERNELS = ("28x28", "20x5x5", "2s", "50x5x5", "2s", 500, 10)
FEW = 12_000
"""Digits in an epoch of the network with convolutions, which takes its time."""
BATCH = 128


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def ours(
    optimizer: str, distortions: str = "none", structure: Sequence[int | str] = SIZES, count: int = 60_000
) -> dict[str, float]:
    """The second of two epochs, as ``digitnet train`` does them, but for distortions, which the peers do not do."""
    data = read_dataset(DATA, "train")[:count]
    settings = TrainingSettings(epochs=2, optimizer=optimizer, batch_size=BATCH, distortions=distortions)
    epochs = fit(Model(Network(structure)), data, None, settings)
    next(epochs)
    return {"epoch": seconds(lambda: next(epochs))}


def torch(optimizer: str, compiled: bool = False) -> dict[str, float]:
    from torch import nn

    layers = [nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 500), nn.ReLU(), nn.Linear(500, 10)]
    return torch_epoch(nn.Sequential(*layers), optimizer, compiled)


def torch_kernels(optimizer: str) -> dict[str, float]:
    from torch import nn

    kernels = [nn.Conv2d(1, 20, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2)]
    layers = [nn.Unflatten(1, (1, 28, 28)), *kernels, nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)]
    return torch_epoch(nn.Sequential(*layers), optimizer, count=FEW)


def torch_epoch(network: Any, optimizer: str, compiled: bool = False, count: int = 60_000) -> dict[str, float]:
    import torch

    data = read_dataset(DATA, "train")[:count]
    x = torch.from_numpy((data.images.reshape(-1, 784) > 127).astype(np.float32))
    y = torch.from_numpy(data.labels.astype(np.int64))
    parameters = list(network.parameters())
    rule: Any = {
        "gradient-descent": lambda: torch.optim.SGD(parameters, lr=0.1, fused=True),
        "momentum": lambda: torch.optim.SGD(parameters, lr=0.05, momentum=0.9, fused=True),
        "adam": lambda: torch.optim.Adam(parameters, lr=0.001, fused=True),
    }[optimizer]()

    def step(indices: Any) -> None:
        rule.zero_grad()
        torch.nn.functional.cross_entropy(network(x[indices]), y[indices]).backward()
        rule.step()

    run = torch.compile(step) if compiled else step

    def epoch() -> None:
        order = torch.randperm(len(x))
        for start in range(0, len(x), BATCH):
            run(order[start : start + BATCH])

    epoch()
    return {"epoch": seconds(epoch)}


def sklearn(optimizer: str) -> dict[str, float]:
    import warnings

    from sklearn.neural_network import MLPClassifier

    data = read_dataset(DATA, "train")
    x = (data.images.reshape(-1, 784) > 127).astype(np.float32)
    classifier = MLPClassifier((500, 500), solver=optimizer, alpha=0, batch_size=BATCH, max_iter=1, warm_start=True)
    with warnings.catch_warnings(action="ignore"):
        classifier.fit(x, data.labels)
        return {"epoch": seconds(lambda: classifier.fit(x, data.labels))}


def products(network: Network, batch: int) -> Callable[[], None]:
    """The matrix products of one step, forward and backward, and nothing else."""
    weights = [layer.weights for layer in network.layers if isinstance(layer, Dense)]
    rng = np.random.default_rng(0)
    x = [rng.random((batch, network.sizes[0]), np.float32).T]
    x += [rng.random((size, batch), np.float32) for size in network.sizes[1:]]
    gradients = [np.empty_like(w) for w in weights]
    back = [np.empty((size, batch), np.float32) for size in network.sizes]

    def run() -> None:
        for i, w in enumerate(weights):
            np.matmul(w, x[i], out=back[i + 1])
        for i in reversed(range(len(weights))):
            np.matmul(x[i + 1], x[i].T, out=gradients[i])
            if i:
                np.matmul(weights[i].T, x[i + 1], out=back[i])

    return run


def stepper(
    sizes: tuple[int, ...], optimizer: str, batch: int
) -> tuple[Network, Callable[[], None], Callable[[], None]]:
    """A network, the passes of a training step from the grey digits on, and the optimizer's part of it."""
    rng = np.random.default_rng(0)
    digits = read_dataset(DATA, "train")[rng.permutation(60_000)[: 20 * batch]]
    order = rng.permutation(20 * batch)
    network, ink = Network(sizes), Binarization()
    rule, gradient = OPTIMIZERS[optimizer](network.parameters), np.empty_like(network.parameters)
    turn = 0

    def passes() -> None:
        nonlocal turn
        indices = order[turn * batch : (turn + 1) * batch]
        turn = (turn + 1) % 20
        taken = digits[indices]
        x: Floats = columns(binarize(taken.images, ink))
        network.backpropagate(x, one_hot(taken.labels), gradient)

    return network, passes, lambda: rule.step(network.parameters, gradient, 1e-6)


def step(optimizer: str) -> dict[str, float]:
    network, passes, update = stepper(SIZES, optimizer, BATCH)
    alone = products(network, BATCH)
    turns = [(seconds(alone), seconds(passes), seconds(update)) for _ in range(400)][20:]
    p, a, u = (1000 * median(part) for part in zip(*turns, strict=True))
    return {"products": p, "passes": a, "update": u, "step": a + u, "ratio": (a + u) / p}


def eval() -> dict[str, float]:
    data, model = read_dataset(DATA, "test"), Model(Network(SIZES))
    weights = [layer.weights for layer in model.network.layers if isinstance(layer, Dense)]

    def alone() -> None:
        x = np.ones((784, 1000), np.float32)
        for _ in range(10):
            a: Floats = x
            for w in weights:
                a = w @ a

    turns = [(seconds(lambda: evaluate(model, data)), seconds(alone)) for _ in range(20)][2:]
    whole, part = (median(each) for each in zip(*turns, strict=True))
    return {"eval": whole, "ratio": whole / part}


def growth(widths: str, batches: str) -> dict[str, float]:
    a = np.random.default_rng(0).random((2048, 2048), np.float32)
    a @ a
    figures = {"peak_flops": 2 * 2048**3 / median(seconds(lambda: a @ a) for _ in range(5)) / 1e9}
    for width in map(int, widths.split(",")):
        for batch in map(int, batches.split(",")):
            _, passes, update = stepper((784, width, width, 10), "adam", batch)
            count = max(4, min(60, 4_000_000 // (width * batch)))
            times = [seconds(passes) + seconds(update) for _ in range(count)]
            figures[f"{width},{batch}"] = batch / median(times[1:])
    return figures


WORKERS: dict[str, Callable[..., dict[str, float]]] = {
    "ours": ours,
    "distorted": lambda distortions: ours("adam", distortions),
    "kernels": lambda optimizer: ours(optimizer, structure=KERNELS, count=FEW),
    "torch": torch,
    "torch-kernels": torch_kernels,
    "compiled": lambda optimizer: torch(optimizer, compiled=True),
    "sklearn": sklearn,
    "step": step,
    "eval": eval,
    "growth": growth,
}

if __name__ == "__main__":
    figures = WORKERS[sys.argv[1]](*sys.argv[2:])
    # VmHWM, not getrusage: that one starts with the peak of the process that started this one.
    kilobytes = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[0]
    print(json.dumps({"peak": int(kilobytes) / 1024} | figures))
