"""Work shared out among processes, its results in the order of what was given."""

import gc
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from digitnet.errors import DigitnetError

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
FIRST, MOST = 16, 512
"""Items that are given out together, at first and when they turn out to be quick."""
ALONE = 0.5
"""Seconds of computing after which it pays to start other processes."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Work: TypeAlias = Callable[[list[Item]], tuple[list[Result], list[Item]]]
"""Gives the results of the first items, at least one, and the items that there was no time for."""


def parallel_map(work: Work[Item, Result], items: Iterator[Item | None], jobs: int | None) -> Generator[list[Result]]:
    """Results of all items in their order, as they are known.

    Args:
        work: what is done to items; where processes are not forked, something that can be pickled.
        items: None means that no further one is waiting: what has come is done before the next is asked for.
        jobs: how many processes; None: this one, and when it goes on for long as many as there are cores.

    Raises:
        DigitnetError: another process ended too early.
    """
    size = FIRST
    while jobs is None or jobs == 1:
        batch, _ = _take(items, size)
        if batch is None:
            return
        while batch:
            results, batch = work(batch)
            size = _next_size(results, batch)
            yield results
        if jobs is None and time.process_time() > ALONE:
            jobs = CORES
    yield from _in_processes(work, items, jobs)


def _take(items: Iterator[Item | None], size: int) -> tuple[list[Item] | None, bool]:
    """Up to so many items, None at their end, and whether more may be waiting."""
    batch: list[Item] = []
    for item in items:
        if item is None:
            return batch, False
        batch.append(item)
        if len(batch) == size:
            return batch, True
    return batch or None, False


def _next_size(results: list[Any], rest: list[Any]) -> int:
    """As many items as one had time for, or four times as many where there was time left."""
    return len(results) if rest else min(4 * len(results), MOST)


def _in_processes(work: Work[Item, Result], items: Iterator[Item | None], jobs: int) -> Iterator[list[Result]]:
    from concurrent.futures import Future, ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool
    from multiprocessing import active_children, get_context

    # A fork takes milliseconds and shares the model. Elsewhere than on Linux it is not safe, or not there.
    context = get_context("fork" if sys.platform == "linux" else "spawn")
    pending: deque[Future[tuple[list[Result], list[Item]]]] = deque()
    size = FIRST
    with ProcessPoolExecutor(jobs, context, _begin, (work,)) as pool:
        try:
            _start(pool)
            batch: list[Item] | None = []
            while batch is not None:
                batch, more = _take(items, size)
                share = size if more else -(-len(batch or ()) // jobs)
                pending.extend(pool.submit(_do, part) for part in _parts(batch or [], share))
                while pending and (not more or len(pending) > 2 * jobs or pending[0].done()):
                    results, rest = pending.popleft().result()
                    size = _next_size(results, rest)
                    pending.extendleft([pool.submit(_do, part) for part in _parts(rest, size)][::-1])
                    yield results
        except BrokenProcessPool:
            raise DigitnetError("a process of --jobs was ended from outside; if memory is short, try fewer") from None
        except BaseException:  # Ctrl-C, or nobody wants the results any more
            for process in active_children():
                process.kill()
            raise


def _parts(items: list[Item], size: int) -> Iterator[list[Item]]:
    every = iter(items)
    while part := list(islice(every, size)):
        yield part


def _start(pool: Any) -> None:
    """Start the processes, with Ctrl-C held back: it comes to all of them, but is this one's to handle."""
    gc.freeze()  # their garbage collectors need not write to, and so copy, what they share with this one
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        pool.submit(os.getpid)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


_work: Callable[[list[Any]], tuple[list[Any], list[Any]]]
"""What a process that was started here is for."""


def _begin(work: Callable[[list[Any]], tuple[list[Any], list[Any]]]) -> None:
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whatever the process does that was forked
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _do(items: list[Any]) -> tuple[list[Any], list[Any]]:
    return _work(items)


def _end_with_parent() -> None:
    from multiprocessing import parent_process

    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
