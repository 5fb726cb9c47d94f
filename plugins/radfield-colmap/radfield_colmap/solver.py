"""Calls of pycolmap, an optional dependency: import it, silence its log, and match photographs with progress."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from radfield_core import DatasetError, PluginError

Stages = Callable[[str, int, int], None]
"""Progress callback. Its arguments are a stage, the work done in this stage, and the total work of this stage."""

FEATURES_TOGETHER = 4
"""Number of photographs between two reports of progress."""

PAIRS_TOGETHER = 60
"""Number of pairs that are matched between two reports of progress."""

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


def match(
    pycolmap: Any, database: Path, pairs: Sequence[tuple[str, str]], scratch: Path, options: Any, progress: Stages
) -> None:
    """Match pairs of photographs in a thread, some at a time, and report the number of pairs that are done.

    The progress is not read from the database: a second connection could lock out the matching, which then aborts.

    Args:
        pycolmap: the module.
        database: the database, with the features of all photographs.
        pairs: names of the photographs of each pair. They have no spaces.
        scratch: folder for a list of pairs.
        options: FeatureMatchingOptions.
        progress: progress callback.

    Raises:
        DatasetError: the matching failed.
    """
    finished, failure, stopped = threading.Event(), [], threading.Event()
    done = 0

    def work() -> None:
        nonlocal done
        pairing = pycolmap.ImportedPairingOptions()
        pairing.match_list_path = scratch / "pairs.txt"
        try:
            for start in range(0, len(pairs), PAIRS_TOGETHER):
                if stopped.is_set():
                    break
                some = pairs[start : start + PAIRS_TOGETHER]
                pairing.match_list_path.write_text("".join(f"{one} {other}\n" for one, other in some))
                pycolmap.match_image_pairs(database, options, pairing_options=pairing, device=pycolmap.Device.cpu)
                done += len(some)
        except Exception as error:  # raised again in the calling thread
            failure.append(error)
        finally:
            finished.set()

    thread = threading.Thread(target=work, name="matching", daemon=True)
    thread.start()
    try:
        while not finished.wait(_POLL_SECONDS):
            progress("matches", done, len(pairs))
    finally:
        stopped.set()
    thread.join()
    if failure:
        raise DatasetError(f"matching failed: {failure[0]}", path=str(database))
    progress("matches", len(pairs), len(pairs))
