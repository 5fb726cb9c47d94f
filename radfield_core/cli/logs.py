"""Printing of log records on the command line.

The library logs through `logging` and attaches no handler, so that a notebook or another program can configure
`logging` itself. If it does not, Python prints the library's warnings on stderr and drops its INFO messages. While a
verb runs, the command line attaches the handler below.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from radfield_core.names import Lines, printable
from radfield_core.runtime.output import RESULT
from radfield_core.runtime.progress import write_line

logging.addLevelName(RESULT, "RESULT")

LIBRARY = "radfield_core"
"""The logger whose INFO messages are printed. For other loggers, such as those of plugins, only warnings are
printed."""


class CommandLineHandler(logging.Handler):
    """Handler that prints INFO messages as plain lines on stdout, and warnings as `warning: …` on stderr.

    If `quiet` is True, the handler prints only warnings and records of the level RESULT. It looks up sys.stdout and
    sys.stderr for each record, because tests and progress bars replace these streams.
    """

    def __init__(self, *, quiet: bool = False):
        super().__init__(RESULT if quiet else logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record, above the progress bar if there is one."""
        try:
            text = record.msg if isinstance(record.msg, Lines) and not record.args else self.format(record)
        except Exception:
            self.handleError(record)
            return
        if record.levelno >= logging.WARNING:
            write_line(f"warning: {printable(text)}", sys.stderr)
        else:
            write_line(printable(text), sys.stdout)


@contextmanager
def printed(*, quiet: bool = False) -> Iterator[None]:
    """Print log records while the block runs, and restore the configuration of `logging` afterward.

    Args:
        quiet: print only warnings and results.
    """
    root, library = logging.getLogger(), logging.getLogger(LIBRARY)
    handler, level = CommandLineHandler(quiet=quiet), library.level
    root.addHandler(handler)
    library.setLevel(logging.INFO)
    try:
        yield
    finally:
        library.setLevel(level)
        root.removeHandler(handler)
