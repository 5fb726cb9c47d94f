"""Progress display of long jobs.

On a terminal, a progress bar is shown. To other output, such as a log file, one line is written every ten seconds. A
quiet job shows nothing.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO, TypeVar
from weakref import WeakKeyDictionary

from radfield_core.names import printable
from radfield_core.runtime.colors import BAR, write_message
from radfield_core.runtime.output import unescaped

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_T = TypeVar("_T")

ProgressCallback = Callable[[int, int], None]
"""Function (done, total) that a long job calls repeatedly, with the amount of work done and the total amount."""

REFRESH_SECONDS = 0.2  # between updates of a bar
LINE_SECONDS = 10.0  # between lines if the output is not a terminal
MIN_BAR_COLUMNS = 80  # narrower terminals show the text without a bar

_shown_bar: Bar | None = None  # the progress bar that is now shown on the last line of the terminal
_lost: WeakKeyDictionary[TextIO, OSError] = WeakKeyDictionary()  # stream that cannot be written to -> the error


def write_line(line: str, stream: TextIO) -> None:
    """Write a line to a stream, above the progress bar if one is shown.

    If writing fails, for example because the program that reads a pipe has exited, the job continues. The first failure
    of a stream is reported on stderr, and later lines to this stream are dropped.
    """
    if stream in _lost:
        return
    try:
        if _shown_bar is not None:
            text = printable(line, keep="\n")
            style = "yellow" if line.startswith("warning:") else None
            _shown_bar.console.print(text, style=style, markup=False, emoji=False, highlight=False, soft_wrap=True)
        else:
            write_message(line, stream)
    except (OSError, ValueError) as error:  # ValueError: the stream is closed
        failed = error if isinstance(error, OSError) else OSError(errno.EBADF, "is closed")
        _lost[stream] = failed.with_traceback(None)
        if stream is not sys.stderr:
            write_line(f"warning: output: {failed.strerror}; the job continues without output", sys.stderr)


def write_picture_text(text: str, stream: TextIO) -> None:
    """Write the text of a picture for a terminal, such as `terminal_pictures.picture_text` returns, as it is.

    If a progress bar is shown, it is taken away and shown again below the picture. A text that cannot be written is
    dropped.
    """
    bar = _shown_bar
    with contextlib.suppress(OSError, ValueError):
        if bar is not None:
            bar.live.transient = True
            bar.stop()
        plain = unescaped(stream)
        plain.write(text)
        plain.flush()
    if bar is not None:
        bar.live.transient = False
        with contextlib.suppress(OSError):
            bar.start()


def output_error(stream: TextIO) -> OSError | None:
    """Return the error that made `write_line` stop writing to a stream, or None if there was no error."""
    return _lost.get(stream)


class Progress:
    """Progress display of one job, used as a context manager.

    Example:
        >>> with Progress("read images", total=3, quiet=True) as progress:
        ...     for done in range(1, 4):
        ...         progress.report(done, 3)

    Args:
        title: name of the job, printed at the start of each line.
        total: total amount of work, in any unit.
        quiet: show nothing.
        stream: the stream to write to; stdout by default.
    """

    def __init__(self, title: str, total: float, *, quiet: bool = False, stream: TextIO | None = None):
        self._title, self._total, self.quiet = title, total, quiet
        self._stream = sys.stdout if stream is None else stream
        self._terminal = not quiet and self._stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
        self._interval = REFRESH_SECONDS if self._terminal else LINE_SECONDS
        self._bar: Bar | None = None
        self._started = self._shown = time.monotonic()
        self._first = 0.0

    def __enter__(self) -> Progress:
        self._started = self._shown = time.monotonic()
        if self._terminal:
            self._start_bar()
        return self

    def _start_bar(self) -> None:
        global _shown_bar
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        console = Console(file=unescaped(self._stream))
        column = BarColumn(bar_width=30, complete_style=BAR, finished_style=BAR, pulse_style=BAR)
        bar = [column] if console.width >= MIN_BAR_COLUMNS else []
        texts = [TextColumn(f"{{task.{field}}}", markup=False) for field in ("description", "fields[text]")]
        columns = (texts[0], *bar, texts[1])
        self._bar = Progress(*columns, console=console, refresh_per_second=5, transient=False)
        self._task = self._bar.add_task(printable(self._title), total=self._total, text="")
        self._bar.start()
        _shown_bar = self._bar

    def __exit__(self, *_: object) -> None:
        global _shown_bar
        if self._bar is not None:
            with contextlib.suppress(OSError):
                self._bar.stop()
            self._bar = _shown_bar = None

    def begin(self, done: float) -> None:
        """Set the amount of work that was done before this process started.

        The time left is estimated from the speed of the work done since then.
        """
        self._first = done

    def due(self) -> bool:
        """True if enough time has passed since the last update to show another one.

        Check this before fetching values for `update` from the GPU. The check is cheap, but fetching waits for the GPU.
        """
        return not self.quiet and self._stream not in _lost and time.monotonic() - self._shown >= self._interval

    def update(self, done: float, text: str) -> None:
        """Show the amount of work done, the given text, and an estimate of the time left."""
        if self.quiet:
            return
        self._shown = time.monotonic()
        if done < self._total:
            text = f"{text} · {self._left(done)} left"
        if self._bar is not None:
            self._bar.update(self._task, completed=done, text=printable(text))
        else:
            write_line(printable(f"{self._title} {text}"), self._stream)

    def report(self, done: int, total: int) -> None:
        """If an update is due, show that `done` of `total` items are done. This method is a ProgressCallback.

        On a terminal, the last update is always shown, so that a finished job leaves a full bar.
        """
        if self.due() or (done == total and self._terminal):
            self.update(self._total * done / total, f"{done}/{total}")

    def _left(self, done: float) -> str:
        fresh = done - self._first
        if fresh <= 0:
            return "?"
        return duration((self._total - done) / fresh * (self._shown - self._started))


def duration(seconds: float) -> str:
    """Format a number of seconds as short text.

    Example:
        >>> duration(9.4), duration(245), duration(7384)
        ('9s', '4m 05s', '2h 03m')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


def roughly(seconds: float) -> str:
    """Format an estimate of a number of seconds: one unit, and at most two digits.

    Example:
        >>> roughly(0.2), roughly(44), roughly(372), roughly(13000), roughly(5e6)
        ('1 s', '44 s', '6 min', '4 h', '58 days')
    """
    for unit, length, below in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172800)):
        if seconds < below:
            return f"{max(1, round(seconds / length))} {unit}"
    return f"{round(seconds / 86400)} days"


def tracked(items: Sequence[_T], title: str, *, quiet: bool = False) -> Iterator[tuple[_T, ProgressCallback]]:
    """Iterate over items with a progress display.

    Yields:
        Each item, with a callback that reports the progress of the work on this item.
    """
    count = len(items)
    with Progress(title, count, quiet=quiet) as progress:
        for index, item in enumerate(items):

            def within(done: int, total: int, before: int = index) -> None:
                if progress.due() and done < total:
                    progress.update(before + done / total, f"{before + done / total:.1f}/{count}")

            yield item, within
            progress.report(index + 1, count)
