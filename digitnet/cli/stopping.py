"""Ctrl-C, SIGTERM and SIGHUP: each ends a command in the same orderly way."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType

ENDS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that end a command; Windows has no SIGHUP."""
ONCE = 3.0
"""Seconds in which more of them are one: a second Ctrl-C must not break off the saving that the first one began."""


class Stopped(KeyboardInterrupt):
    """One of these signals came."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.signal = number


_stopped: Stopped | None = None
_since = -ONCE


def listen() -> None:
    """Raise :class:`Stopped` when one of them comes; those that are ignored, as nohup has it, stay so."""
    for number in ENDS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    sys.unraisablehook = _say_nothing_of_it


def _say_nothing_of_it(lost: sys.UnraisableHookArgs) -> None:
    """Keep Python from printing the traceback of one that it has lost; see :func:`check`."""
    if not isinstance(lost.exc_value, Stopped):
        sys.__unraisablehook__(lost)


def _stop(number: int, frame: FrameType | None) -> None:
    global _stopped, _since
    now = time.monotonic()
    if now < _since + ONCE:
        return
    _stopped, _since = Stopped(number), now
    raise _stopped


def check() -> None:
    """Raise it again where it was lost: Python swallows what is raised in the callback of a weak reference."""
    if _stopped is not None:
        raise _stopped
