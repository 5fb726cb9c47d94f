"""Calls of pycolmap, an optional dependency: import it, silence its log, and match photographs with progress."""

from __future__ import annotations

import signal
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from radfield_core import DatasetError, PluginError

Stages = Callable[[str, int, int], None]
"""Progress callback. Its arguments are a stage, the work done in this stage, and the total work of this stage."""

FEATURES_TOGETHER = 4
"""Number of photographs between two reports of progress."""

_POLL_SECONDS = 0.5


def import_pycolmap(purpose: str) -> Any:
    """Return the module pycolmap. Raises PluginError if it is not installed. `purpose` begins the message."""
    try:
        import pycolmap
    except ImportError as error:
        raise PluginError(f"{purpose} needs pycolmap: {error}", hint='pip install "radfield-colmap[process]"') from None
    _restore_handler(signal.SIGTERM)
    return pycolmap


def _restore_handler(number: signal.Signals) -> None:
    """Reinstall Python's handler of a signal. pycolmap replaces it with one that prints a stack trace and exits."""
    handler = signal.getsignal(number)
    if handler is not None and threading.current_thread() is threading.main_thread():
        signal.signal(number, handler)


@contextmanager
def quiet(pycolmap: Any) -> Iterator[None]:
    """Silence COLMAP's log, which would break up the progress bar and write files.

    No important message is lost: failures still raise exceptions, and unusable photographs are reported as not
    registered.
    """
    before = pycolmap.logging.minloglevel
    pycolmap.logging.minloglevel = pycolmap.logging.Level.FATAL.value
    try:
        yield
    finally:
        pycolmap.logging.minloglevel = before


def match(database: Path, pairs: int, work: Callable[[], None], progress: Stages) -> None:
    """Call `work`, which matches a number of pairs, in a thread. Meanwhile, read the progress from the database.

    Raises:
        DatasetError: the matching failed.
    """
    done, failure = threading.Event(), []

    def guarded() -> None:
        try:
            work()
        except Exception as error:  # raised again in the calling thread
            failure.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=guarded, name="matching", daemon=True)
    thread.start()
    while not done.wait(_POLL_SECONDS):
        progress("matches", min(_matched(database), pairs), pairs)
    thread.join()
    if failure:
        raise DatasetError(f"matching failed: {failure[0]}", path=str(database))
    progress("matches", pairs, pairs)


def _matched(database: Path) -> int:
    """Return the number of matched pairs. pycolmap's own connection would write, and lock out the matching."""
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True, timeout=0.0)) as opened:
            return int(opened.execute("SELECT COUNT(*) FROM matches").fetchone()[0])
    except sqlite3.Error:  # the database is busy, so the next poll reads the number
        return 0
