"""Pictures in a terminal, by the graphics protocols of kitty, of iTerm2, and by sixels.

    kitty    ESC _G key=value,… ; base64 of a part of a PNG file ESC \\
    iTerm2   ESC ]1337;File=inline=1;size=…: base64 of a PNG file BEL
    sixel    ESC P q "1;1;W;H #n;2;R;G;B … ESC \\

Sources: sw.kovidgoyal.net/kitty/graphics-protocol, iterm2.com/documentation-images.html, and for sixels chapter 14 of
the VT330/VT340 programmer reference. A sixel is a column of six pixels of one color. Its character is 63 plus a number
whose bit k is set for the k-th pixel from above. `!n` repeats the next character n times, `$` returns to the left, and
`-` begins the next six rows. R, G and B are in percent.

Whether a terminal shows pictures is not guessed from its name: it is asked, and only one that answers gets pictures.
"""

from __future__ import annotations

import base64
import contextlib
import io
import os
import re
import select
import sys
import termios
import time
import tty
from itertools import groupby
from typing import TYPE_CHECKING, TextIO

import numpy as np

if TYPE_CHECKING:
    from PIL import Image

PROTOCOLS = ("kitty", "iterm2", "sixel")

QUESTIONS = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\" + b"\x1b[>q" + b"\x1b[c"
"""Does the terminal take a picture of one pixel by kitty's protocol? What is its name? What can it do?

The last question is answered by every terminal, and answers come in order, so what comes before it is all."""

ANSWER_SECONDS = 1.0
"""A terminal that has not answered by then shows no pictures. Connections over a network may be slow."""

MAX_ANSWER_BYTES = 4096
MAX_WIDTH, MAX_HEIGHT = 800, 600  # pixels of a shown picture
CHUNK = 4096  # characters of base64 in one command; kitty's protocol allows no more
SIXEL_COLORS = 128  # fewer colors make shorter texts; the smallest limit of common terminals is 256

_KITTY_ANSWER = re.compile(rb"\x1b_Gi=31;OK\x1b\\")
_NAME_ANSWER = re.compile(rb"\x1bP>\|([^\x1b]*)\x1b\\")
_ABILITIES_ANSWER = re.compile(rb"\x1b\[\?([0-9;]*)c")
_SIXEL_ABILITY = b"4"
_TAKE_ITERM2 = re.compile(rb"iTerm2|WezTerm")


def ask_protocol(output: TextIO | None = None, keyboard: TextIO | None = None) -> str | None:
    """Ask the terminal which of `PROTOCOLS` it understands, and return the best one, or None.

    Args:
        output: the stream to the terminal; by default stdout.
        keyboard: the stream on which the terminal answers; by default stdin.
    """
    output, keyboard = output or sys.stdout, keyboard or sys.stdin
    try:
        if not (output.isatty() and keyboard.isatty()):
            return None
        return protocol_in(_answers(output, keyboard.fileno()))
    except (OSError, ValueError, termios.error):  # a closed stream, or a terminal that was closed
        return None


def protocol_in(answers: bytes) -> str | None:
    """Return the protocol that a terminal's answers to `QUESTIONS` promise, or None.

    Example:
        >>> protocol_in(b"\\x1bP>|xterm(390)\\x1b\\\\" + b"\\x1b[?64;1;4;22c"), protocol_in(b"\\x1b[?62;22c")
        ('sixel', None)
    """
    if _KITTY_ANSWER.search(answers):
        return "kitty"
    name, abilities = _NAME_ANSWER.search(answers), _ABILITIES_ANSWER.search(answers)
    if name and _TAKE_ITERM2.match(name[1]):
        return "iterm2"
    return "sixel" if abilities and _SIXEL_ABILITY in abilities[1].split(b";")[1:] else None


def _answers(output: TextIO, keyboard: int) -> bytes:
    """Send the questions, and return what the terminal answers. What it answers too late is dropped."""
    before, answers = termios.tcgetattr(keyboard), b""
    try:
        tty.setcbreak(keyboard, termios.TCSANOW)  # answers come at once, and are not shown
        output.flush()
        os.write(output.fileno(), QUESTIONS)
        until = time.monotonic() + ANSWER_SECONDS
        while not _ABILITIES_ANSWER.search(answers) and len(answers) < MAX_ANSWER_BYTES:
            ready, _, _ = select.select([keyboard], [], [], max(0.0, until - time.monotonic()))
            part = os.read(keyboard, 1024) if ready else b""
            if not part:
                break
            answers += part
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(keyboard, termios.TCSAFLUSH, before)
    return answers


def picture_text(pixels: np.ndarray, protocol: str) -> str:
    """Return the text that shows a picture in a terminal, and ends the line.

    Args:
        pixels: [H, W, 3] uint8. A picture larger than `MAX_WIDTH` × `MAX_HEIGHT` is scaled down.
        protocol: one of `PROTOCOLS`.
    """
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((MAX_WIDTH, MAX_HEIGHT), Image.Resampling.BOX)
    if protocol == "sixel":
        return f"{_sixels(picture.quantize(SIXEL_COLORS))}\n"
    file = io.BytesIO()
    picture.save(file, "PNG")
    encoded = base64.b64encode(file.getvalue()).decode()
    if protocol == "iterm2":
        return f"\x1b]1337;File=inline=1;size={file.tell()};preserveAspectRatio=1:{encoded}\x07\n"
    parts = [encoded[start : start + CHUNK] for start in range(0, len(encoded), CHUNK)]
    commands = []
    for number, part in enumerate(parts):
        keys = "a=T,f=100,q=2," if number == 0 else ""  # transmit and show; PNG; do not answer
        commands.append(f"\x1b_G{keys}m={int(number < len(parts) - 1)};{part}\x1b\\")
    return "".join(commands) + "\n"


def _sixels(picture: Image.Image) -> str:
    """Return the sixels of a picture with a palette."""
    pixels, palette = np.asarray(picture), np.asarray(picture.getpalette()).reshape(-1, 3)
    height, width = pixels.shape
    used = np.unique(pixels)
    percent = np.round(palette[used] / 255 * 100).astype(int)
    colors = "".join(f"#{n};2;{r};{g};{b}" for n, (r, g, b) in zip(used.tolist(), percent.tolist(), strict=True))
    bands = []
    for top in range(0, height, 6):
        band = pixels[top : top + 6]
        bits = (1 << np.arange(len(band)))[:, None]
        rows = [f"#{color}{_repeated(((band == color) * bits).sum(0))}" for color in np.unique(band).tolist()]
        bands.append("$".join(rows))
    return f'\x1bPq"1;1;{width};{height}{colors}{"-".join(bands)}\x1b\\'


def _repeated(sixels: np.ndarray) -> str:
    """Return a row of sixels as characters, with runs of equal ones shortened."""
    runs = [(chr(63 + value), len(list(run))) for value, run in groupby(sixels.tolist())]
    return "".join(f"!{n}{character}" if n > 3 else character * n for character, n in runs)
