"""Colors on a terminal. Output has no colors if it is piped or written to a file, or if NO_COLOR is set."""

from __future__ import annotations

import os
from typing import TextIO

from radfield_core.names import printable
from radfield_core.runtime.output import unescaped

BAR = "cyan"
"""The color of every progress bar, running or finished."""

_RESET = "\x1b[0m"
_RED, _YELLOW, _CYAN, _BOLD = "\x1b[1;31m", "\x1b[33m", "\x1b[36m", "\x1b[1m"

_MESSAGE_MARKS = ((r"error:|interrupted|stopped by \w+", _RED), (r"warning:", _YELLOW), (r"  try:", _CYAN))
_HELP_MARKS = (
    (r"usage:|[a-z][\w :,-]*:(?=$)|options of [^,]+", _BOLD),
    (r"  +(?:-\w, )?--?[\w-]+|  [\w.]+(?==)|  [a-z]+(?=  )", _CYAN),
)


def has_colors(stream: TextIO) -> bool:
    """Return True if a stream is a terminal that shows colors, and the user has not set NO_COLOR (no-color.org)."""
    try:
        terminal = stream.isatty()
    except ValueError:  # the stream is closed
        return False
    return terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in ("dumb", "unknown", None)


def write_message(text: str, stream: TextIO) -> None:
    """Write an error or a warning and a line break. On a terminal, the words that begin its lines are in color."""
    _write(f"{text}\n", stream, _MESSAGE_MARKS)


def write_help(text: str, stream: TextIO) -> None:
    """Write the help of a command. On a terminal, headings are bold, and names of verbs and options are in color."""
    _write(text, stream, _HELP_MARKS)


def _write(text: str, stream: TextIO, marks: tuple[tuple[str, str], ...]) -> None:
    if not has_colors(stream):
        stream.write(text)
        stream.flush()
        return
    import re

    text = printable(text, keep="\n")
    for pattern, color in marks:
        text = re.sub(rf"^(?:{pattern})", rf"{color}\g<0>{_RESET}", text, flags=re.MULTILINE)
    plain = unescaped(stream)
    plain.write(text)
    plain.flush()
