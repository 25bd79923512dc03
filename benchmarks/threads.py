"""What threads cost a server: ``make threads``.

Digits per second of one image after the other, from bytes as a request brings them: in the main thread alone, with a
pool of threads that share one recognizer, and with a pool of processes that have one each. OpenBLAS has threads of
its own unless it is told not to, which it must be before NumPy is imported; so each column is a process.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from statistics import median

from benchmarks.figures import PICTURE, PRETRAINED
from digitnet import Recognizer, load

BLAS_THREADS = "OPENBLAS_NUM_THREADS"
THREADS = (1, 2, 4, 8)
PROCESSES = 2
WARM_UP, IMAGES, ROUNDS = 16, 200, 3
Rates = dict[str, float]


@cache
def recognizer() -> Recognizer:
    """The one of this process."""
    return Recognizer(load(PRETRAINED))


def read(content: bytes) -> int | None:
    """As a worker of a server would, whether thread or process."""
    return recognizer().read(content).digit


def rate(mapped: Callable[..., Iterable[int | None]], content: bytes, count: int = IMAGES) -> float:
    """Images per second."""
    began = time.perf_counter()
    assert set(mapped(read, [content] * count)) == {7}
    return count / (time.perf_counter() - began)


def measure() -> Rates:
    """The median rate of each way, measured in turns."""
    content = Path(PICTURE).read_bytes()
    pools: dict[str, Executor] = {f"{n} thread{'s' * (n > 1)} of a pool": ThreadPoolExecutor(n) for n in THREADS}
    processes = ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn"))
    pools[f"{PROCESSES} processes of a pool"] = processes
    with ExitStack() as stack:
        ways = {name: stack.enter_context(pool).map for name, pool in pools.items()}
        every: dict[str, Callable[..., Iterable[int | None]]] = {"the main thread alone": map, **ways}
        for way in every.values():  # loads models, starts threads and processes
            rate(way, content, WARM_UP)
        rates = [{name: rate(way, content) for name, way in every.items()} for _ in range(ROUNDS)]
    return {name: median(each[name] for each in rates) for name in every}


def measured(blas_threads: str | None) -> Rates:
    """What :func:`measure` finds in a process with this environment."""
    environment = {name: value for name, value in os.environ.items() if name != BLAS_THREADS}
    if blas_threads is not None:
        environment[BLAS_THREADS] = blas_threads
    command = [sys.executable, "-m", "benchmarks.threads", "measure"]
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True).stdout
    rates: Rates = json.loads(output)
    return rates


def report() -> list[str]:
    free, single = measured(None), measured("1")
    head = f"| images per second | {BLAS_THREADS} unset | {BLAS_THREADS}=1 |"
    return [head, "|---|---|---|", *(f"| {name} | {free[name]:.0f} | {single[name]:.0f} |" for name in free)]


if __name__ == "__main__":
    print(json.dumps(measure()) if sys.argv[1:] == ["measure"] else "\n".join(report()))
