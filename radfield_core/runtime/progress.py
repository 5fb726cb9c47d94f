"""Progress of long jobs: a bar on a terminal, else one plain line every ten seconds, or nothing."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_T = TypeVar("_T")

ProgressCallback = Callable[[int, int], None]
"""report(done, of): called on the way through a long job."""

REFRESH_SECONDS = 0.2
LINE_SECONDS = 10.0
WIDE = 80  # columns from which on there is room for a bar beside the text


class Progress:
    """Shows how far a job is. `due()` is cheap and says whether `update` would show anything, so values that cost a
    synchronization are fetched only then. `say` prints a line beside the bar. When nobody can read the output any more,
    that is said once on stderr, and the job goes on.
    """

    def __init__(self, title: str, total: float, *, quiet: bool = False, stream: TextIO | None = None):
        self._title, self._total, self.quiet = title, total, quiet
        self._stream = sys.stdout if stream is None else stream
        self._terminal = not quiet and self._stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
        self._interval = REFRESH_SECONDS if self._terminal else LINE_SECONDS
        self._bar: Bar | None = None
        self._started = self._shown = time.monotonic()
        self._first = 0.0
        self._lost = False

    def __enter__(self) -> Progress:
        self._started = self._shown = time.monotonic()
        if self._terminal:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn

            console = Console(file=self._stream)
            bar = [BarColumn(bar_width=30)] if console.width >= WIDE else []
            columns = (TextColumn("{task.description}"), *bar, TextColumn("{task.fields[text]}"))
            self._bar = Progress(*columns, console=console, refresh_per_second=5, transient=False)
            self._task = self._bar.add_task(self._title, total=self._total, text="")
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.stop()
            self._bar = None

    def begin(self, done: float) -> None:
        """Say how much was done before, which tells nothing about the pace."""
        self._first = done

    def due(self) -> bool:
        """Whether it is time to show something."""
        return not self.quiet and time.monotonic() - self._shown >= self._interval

    def update(self, done: float, text: str) -> None:
        """Show how much of the total is done, with `text` and the time left."""
        if self.quiet:
            return
        self._shown = time.monotonic()
        if done < self._total:
            text = f"{text} · {self._left(done)} left"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, text=text)
        else:
            self._print(f"{self._title} {text}")

    def report(self, done: int, of: int) -> None:
        """Show, where it is due, that `done` of so many are done: a `Report`. The end is left on a terminal."""
        if self.due() or (done == of and self._terminal):
            self.update(self._total * done / of, f"{done}/{of}")

    def say(self, line: str) -> None:
        """Print a line, also when quiet: quiet is about progress."""
        self._print(line)

    def _print(self, line: str) -> None:
        if self._lost:
            return
        try:
            if self._bar is not None:
                self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
            else:
                print(line, file=self._stream, flush=True)
        except OSError as error:
            self._lost = self.quiet = True
            with contextlib.suppress(OSError):
                print(f"warning: output: {error.strerror}; going on in silence", file=sys.stderr)

    def _left(self, done: float) -> str:
        fresh = done - self._first
        if fresh <= 0:
            return "?"
        return duration((self._total - done) / fresh * (self._shown - self._started))


def duration(seconds: float) -> str:
    """Seconds as people say them: 9s, 4m 05s, 2h 03m."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def tracked(items: Sequence[_T], title: str, *, quiet: bool = False) -> Iterator[tuple[_T, ProgressCallback]]:
    """The items, with progress over all of them; each with what to tell how far one is that takes long."""
    of = len(items)
    with Progress(title, of, quiet=quiet) as progress:
        for index, item in enumerate(items):

            def within(done: int, total: int, before: int = index) -> None:
                if progress.due() and done < total:
                    progress.update(before + done / total, f"{before + done / total:.1f}/{of}")

            yield item, within
            if progress.due() or (index + 1 == of and progress._terminal):
                progress.update(index + 1, f"{index + 1}/{of}")
