"""The argument --show, which shows pictures in the terminal while they are made."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Callable
from typing import TYPE_CHECKING

from radfield_core.cli.say import say

if TYPE_CHECKING:
    import numpy as np


def add_show(parser: ArgumentParser) -> None:
    """Add the argument --show."""
    parser.add_argument(
        "--show",
        action="store_true",
        help="show the pictures in the terminal too, if it understands the protocol of kitty or iTerm2, or sixels",
    )


def picture_shower() -> Callable[[np.ndarray], None] | None:
    """Return a function that shows a picture [H, W, 3] uint8 in the terminal. If that is impossible, say so and return
    None."""
    from radfield_core.runtime.progress import write_picture_text
    from radfield_core.runtime.terminal_pictures import ask_protocol, picture_text

    protocol = ask_protocol()
    if protocol is None:
        where = "this terminal" if sys.stdout.isatty() else "the output, which is not a terminal,"
        reason = "shows no pictures by the protocols of kitty and iTerm2, or by sixels"
        say(f"warning: --show: {where} {reason}; the pictures are only written to files", file=sys.stderr)
        return None
    return lambda pixels: write_picture_text(picture_text(pixels, protocol), sys.stdout)
