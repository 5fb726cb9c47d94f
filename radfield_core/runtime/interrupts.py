"""Handling of the signals that ask a run to end.

After a signal, training finishes the current step and saves a checkpoint before the run ends. An evaluation, however,
is canceled at once. A second Ctrl-C stops the run at once.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

ENDING_SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)


class Canceled(BaseException):
    """The exception that a signal raises inside a `cancelable` block."""


@contextlib.contextmanager
def signals_unwrapped() -> Iterator[None]:
    """If the block raises a SystemError caused by a KeyboardInterrupt or by Canceled, raise that cause instead.

    Such a SystemError comes from numba: it wraps an exception that a signal handler raises while compiled code runs.
    """
    try:
        yield
    except SystemError as error:
        inner: BaseException | None = error
        while inner is not None and not isinstance(inner, (KeyboardInterrupt, Canceled)):
            inner = inner.__cause__ or inner.__context__
        if inner is None:
            raise
        raise inner from None


@contextlib.contextmanager
def signals_deferred() -> Iterator[None]:
    """Defer Python signal handlers until the block ends.

    Use this around a compilation. Otherwise the compiler might swallow an exception that a signal handler raises.
    """
    received: list[int] = []
    before: dict[int, Any] = {}
    if _in_main_thread():
        for number in ENDING_SIGNALS:
            if callable(handler := signal.getsignal(number)):
                before[number] = handler
                signal.signal(number, lambda number, frame: received.append(number))
    try:
        yield
    finally:
        for taken, handler in before.items():
            signal.signal(taken, handler)
        for late in received:
            before[late](late, None)


class Interrupts:
    """Context manager in which SIGHUP, SIGTERM, SIGINT and SIGUSR1 do not end the program.

    Such a signal only sets the attribute `received`. A second SIGINT raises KeyboardInterrupt. If SIGHUP was ignored
    before (as under `nohup`), it stays ignored. In any thread but the main thread, the context manager does nothing,
    because Python handles signals only in the main thread.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[int, Any] = {}
        self._cancelable = False

    def __enter__(self) -> Interrupts:
        if _in_main_thread():
            for number in ENDING_SIGNALS:
                if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def cancelable(self) -> Iterator[None]:
        """Let the first signal raise Canceled inside the block. Use this for work that may be abandoned."""
        self._cancelable = True
        try:
            with signals_unwrapped():
                yield
        finally:
            self._cancelable = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.received == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
        if self._cancelable:
            self._cancelable = False  # a second signal must not interrupt the cleanup after the first
            raise Canceled


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
