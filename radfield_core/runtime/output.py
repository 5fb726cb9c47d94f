"""The output of a command. Printed text cannot control the terminal, and a failure to print does not end the
command."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from radfield_core.names import printable

RESULT = 25
"""Level of log records that state a result: between INFO and WARNING. Even a quiet command prints such records."""


class SafeOutput:
    """A text stream that escapes control characters, except line breaks, before it writes a text.

    Example:
        >>> import io
        >>> stream = SafeOutput(io.StringIO())
        >>> stream.write("a\\x1b[2J\\n") and stream.getvalue()
        'a\\\\x1b[2J\\n'

    Attributes:
        unescaped: the wrapped stream, for colors and for progress bars, which move the cursor.
        failed: True after a write has failed. The wrapped stream does not remember that.
    """

    def __init__(self, stream: TextIO):
        self.unescaped = stream
        self.failed = False

    def write(self, text: str) -> int:
        """Write text and return the number of its characters."""
        try:
            self.unescaped.write(printable(text, keep="\n"))
        except OSError:
            self.failed = True
            raise
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts, without adding line breaks."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unescaped, name)


def unescaped(stream: TextIO) -> TextIO:
    """Return the stream for text with control characters, such as a progress bar.

    Names in the text that may come from a stranger must be passed through `printable` first.
    """
    found: TextIO = getattr(stream, "unescaped", stream)
    return found


@contextmanager
def safe_output() -> Iterator[None]:
    """Make `sys.stdout` and `sys.stderr` safe inside the block.

    Characters that the output cannot encode, such as × in ASCII, are escaped. A stream that the calling program closed
    is replaced by the null device.
    """
    before = sys.stdout, sys.stderr
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or stream.closed:
            stream = open("/dev/null", "w")  # noqa: SIM115  open until the program ends
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError):  # raised if text that was written before cannot be flushed
                # Each line is written at once, so that a log file can be followed.
                stream.reconfigure(errors="backslashreplace", line_buffering=True)
        setattr(sys, name, SafeOutput(stream))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
