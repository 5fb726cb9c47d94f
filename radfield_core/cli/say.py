"""Printing of lines by the command line."""

from __future__ import annotations

from typing import TextIO

from radfield_core.names import Lines


def say(*lines: object, file: TextIO | None = None) -> None:
    """Print lines. Use this instead of `print` for texts with names of files, keys or options.

    Line breaks in such names are escaped, so that no part of a name looks like a line printed by the program.

    Example:
        >>> say("images/a\\nb.png", "done")
        images/a\\nb.png
        done
    """
    print(Lines.of(*map(str, lines)), file=file)
