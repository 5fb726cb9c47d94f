"""Signals that ask a run to end: the step is finished and saved first, an evaluation is broken off; a second Ctrl-C
stops at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any


class Canceled(BaseException):
    """A signal came while something ran that need not be finished."""


def signal_behind(error: BaseException) -> BaseException | None:
    """A signal's exception from which another was raised, if any: compiled code hides it behind a SystemError."""
    inner: BaseException | None = error
    while inner is not None and not isinstance(inner, (KeyboardInterrupt, Canceled)):
        inner = inner.__cause__ or inner.__context__
    return inner


@contextlib.contextmanager
def signals_deferred() -> Iterator[None]:
    """Signals that Python takes wait for the end of this block: in the middle of a compiler an exception is lost."""
    came: list[int] = []
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
            if callable(handler := signal.getsignal(number)):
                before[number] = handler
                signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for taken, handler in before.items():
            signal.signal(taken, handler)
        for late in came:
            before[late](late, None)


class Interrupts:
    """While entered, SIGHUP, SIGTERM, SIGINT and SIGUSR1 only set `received`; a second SIGINT raises KeyboardInterrupt.

    A closed terminal that is ignored, as `nohup` has it, stays ignored. Outside the main thread, where Python takes no
    signals, nothing is changed.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[int, object] = {}
        self._breakable = False

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
                if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    @contextlib.contextmanager
    def breakable(self) -> Iterator[None]:
        """What need not be finished: a signal raises BrokenOff in this block, once."""
        self._breakable = True
        try:
            yield
        except SystemError as error:
            if (signalled := signal_behind(error)) is not None:
                raise signalled from None
            raise
        finally:
            self._breakable = False

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGINT and self.received == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
        if self._breakable:
            self._breakable = False  # a second signal must not break off what tidies up after the first
            raise Canceled
