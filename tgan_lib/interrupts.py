"""Ctrl-C, which is a notebook's stop button too, and work that it should not cut in half.

A leaf: it imports nothing of ours.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def handling(handler: Any) -> Iterator[Any]:
    """Inside, `handler(number, frame)` is what Ctrl-C does; yields what it did before.

    Only the main thread may say so; in others, and where Ctrl-C is ignored (a job in the background), nothing
    changes and None is given.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or before is signal.SIG_IGN:
        yield None
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield before
    finally:
        # None: a handler that was not set from Python, which Python cannot put back
        signal.signal(signal.SIGINT, signal.default_int_handler if before is None else before)


@contextmanager
def finish_step_on_interrupt() -> Iterator[threading.Event]:
    """Inside, the first Ctrl-C sets the event instead of cutting a step in half; from the second on it interrupts."""
    stop = threading.Event()

    def pressed(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()

    with handling(pressed):
        yield stop


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Inside, Ctrl-C waits; at the end it does what it would have done."""
    waiting: list[tuple[int, FrameType | None]] = []
    with handling(lambda number, frame: waiting.append((number, frame))):
        yield
    if waiting:
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            handler(*waiting[0])
        else:
            raise KeyboardInterrupt


def import_compiler() -> None:
    """Import torch's compiler whole, as the first optimiser of a process would in pieces, for some seconds.

    A Ctrl-C in the midst of it would leave half of it imported, and no optimiser could be made until Python is
    started anew; here Ctrl-C waits until it is done. Call it before `torch.optim`.
    """
    if "torch._dynamo" in sys.modules:
        return
    with uninterrupted():
        import torch._dynamo  # noqa: F401
