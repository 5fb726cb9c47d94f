"""Pictures in a terminal: the texts decoded as the protocols' documents say, and terminals that answer as real ones."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import pty
import re
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image

from radfield_core.runtime import terminal_pictures
from radfield_core.runtime.terminal_pictures import QUESTIONS, ask_protocol, picture_text, protocol_in

KITTY = b"\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.35.2)\x1b\\\x1b[?62;c"
ITERM2 = b"\x1bP>|iTerm2 3.5.4\x1b\\\x1b[?62;4c"
WEZTERM = b"\x1bP>|WezTerm 20240203-110809-5046fc22\x1b\\\x1b[?65;4;6;18;22c"
FOOT = b"\x1bP>|foot(1.16.2)\x1b\\\x1b[?62;4;22;28;29c"
XTERM_WITHOUT = b"\x1bP>|XTerm(390)\x1b\\\x1b[?64;1;2;6;9;15;18;21;22c"
LINUX_CONSOLE = b"\x1b[?6c"
VT_FORTY = b"\x1b[?40;14c"  # 4 must be an ability by itself, and the first number is the kind of terminal
KIND_FOUR = b"\x1b[?4;6c"
KITTY_REFUSES = b"\x1b_Gi=31;EINVAL:no\x1b\\\x1b[?62;c"


def picture(height: int = 21, width: int = 34, seed: int = 0) -> np.ndarray:
    """A picture of a few colors, whose values are exact in percent, with runs of all lengths."""
    draw = np.random.default_rng(seed)
    colors = np.array([[0, 0, 0], [255, 255, 255], [255, 51, 0], [0, 102, 153], [204, 0, 255]], dtype=np.uint8)
    return colors[np.sort(draw.integers(0, 5, (height, width)), 1)]


def kitty_pixels(text: str) -> np.ndarray:
    """Decode kitty's protocol: the payloads of all commands, of at most 4096 characters, are a PNG file."""
    commands = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", text)
    assert "".join(f"\x1b_G{keys};{part}\x1b\\" for keys, part in commands) + "\n" == text
    first = dict(pair.split("=") for pair in commands[0][0].split(","))
    assert first == {"a": "T", "f": "100", "q": "2", "m": "0" if len(commands) == 1 else "1"}
    assert all(keys == ("m=0" if i == len(commands) - 1 else "m=1") for i, (keys, _) in enumerate(commands) if i)
    assert all(len(part) <= 4096 and (len(part) % 4 == 0) for _, part in commands)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode("".join(part for _, part in commands)))))


def iterm2_pixels(text: str) -> np.ndarray:
    """Decode iTerm2's protocol: `size` bytes of an image file after the colon."""
    match = re.fullmatch(r"\x1b\]1337;File=([^:]*):([A-Za-z0-9+/=]*)\x07\n", text)
    assert match is not None
    arguments, data = dict(pair.split("=") for pair in match[1].split(";")), base64.b64decode(match[2])
    assert arguments["inline"] == "1" and int(arguments["size"]) == len(data)
    return np.asarray(Image.open(io.BytesIO(data)))


def sixel_pixels(text: str) -> np.ndarray:
    """Decode sixels character by character, as a VT340 does."""
    head = re.match(r'\x1bPq"1;1;(\d+);(\d+)', text)
    assert head is not None and text.endswith("\x1b\\\n")
    width, height = int(head[1]), int(head[2])
    pixels, palette = np.full((height + 6, width, 3), -1), {}
    body, at, column, row, color = text[head.end() : -3], 0, 0, 0, None
    while at < len(body):
        character = body[at]
        if character == "#":
            match = re.match(r"#(\d+)(?:;2;(\d+);(\d+);(\d+))?", body[at:])
            color = int(match[1])
            if match[2]:
                palette[color] = [round(int(part) * 255 / 100) for part in match.groups()[1:]]
            at += match.end()
            continue
        repeats = 1
        if character == "!":
            match = re.match(r"!(\d+)", body[at:])
            repeats, at = int(match[1]), at + match.end()
            character = body[at]
        at += 1
        if character == "$":
            column = 0
        elif character == "-":
            column, row = 0, row + 6
        else:
            assert "?" <= character <= "~"
            for _ in range(repeats):
                for bit in range(6):
                    if (ord(character) - 63) >> bit & 1:
                        pixels[row + bit, column] = palette[color]
                column += 1
            assert column <= width
    assert (pixels[height:] == -1).all()
    return pixels[:height]


@pytest.mark.parametrize(
    ("protocol", "decode"), [("kitty", kitty_pixels), ("iterm2", iterm2_pixels), ("sixel", sixel_pixels)]
)
@pytest.mark.parametrize("size", [(21, 34), (6, 1), (1, 7), (60, 160)])
def test_a_decoder_gets_the_picture_back(protocol: str, decode, size: tuple[int, int]) -> None:
    pixels = picture(*size)
    np.testing.assert_array_equal(decode(picture_text(pixels, protocol)), pixels)


def test_a_picture_in_many_commands_is_whole_and_photographs_keep_their_colors() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    text = picture_text(noise, "kitty")
    assert text.count("\x1b_G") > 5
    np.testing.assert_array_equal(kitty_pixels(text), noise)
    rows, columns = np.mgrid[0:48, 0:64]
    smooth = np.stack([rows * 5, columns * 4, rows + columns], -1).astype(np.uint8)
    assert np.abs(sixel_pixels(picture_text(smooth, "sixel")) - smooth.astype(int)).mean() < 12


def test_a_large_picture_is_scaled_down_in_proportion() -> None:
    shown = kitty_pixels(picture_text(np.full((400, 1600, 3), 90, dtype=np.uint8), "kitty"))
    assert shown.shape == (200, 800, 3) and (shown == 90).all()


@pytest.mark.parametrize(
    ("answers", "protocol"),
    [
        (KITTY, "kitty"), (ITERM2, "iterm2"), (WEZTERM, "iterm2"), (FOOT, "sixel"), (XTERM_WITHOUT, None),
        (LINUX_CONSOLE, None), (VT_FORTY, None), (KIND_FOUR, None), (KITTY_REFUSES, None), (b"", None),
        (b"\x1bP>|my-iTerm2-like\x1b\\\x1b[?62c", None),
    ],
)  # fmt: skip
def test_only_a_terminal_whose_answer_promises_it_gets_pictures(answers: bytes, protocol: str | None) -> None:
    assert protocol_in(answers) == protocol


@contextlib.contextmanager
def terminal(answers: bytes) -> Iterator[tuple[io.TextIOWrapper, io.TextIOWrapper, list[bytes]]]:
    """A terminal that answers the questions, as its two streams, and what it was sent."""
    outside, inside = pty.openpty()
    asked: list[bytes] = []

    def answer() -> None:
        asked.append(os.read(outside, 1024))
        if answers:
            os.write(outside, answers)

    thread = threading.Thread(target=answer)
    thread.start()
    with open(inside, "w", closefd=False) as output, open(inside, closefd=False) as keyboard:
        yield output, keyboard, asked
    thread.join()
    os.close(inside)
    os.close(outside)


@pytest.mark.parametrize(("answers", "protocol"), [(KITTY, "kitty"), (FOOT, "sixel"), (LINUX_CONSOLE, None)])
def test_a_terminal_is_asked_and_left_as_it_was(answers: bytes, protocol: str | None) -> None:
    import termios

    with terminal(answers) as (output, keyboard, asked):
        before = termios.tcgetattr(keyboard)
        assert ask_protocol(output, keyboard) == protocol
        assert termios.tcgetattr(keyboard) == before
    assert asked == [QUESTIONS]


def test_a_terminal_that_does_not_answer_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal_pictures, "ANSWER_SECONDS", 0.02)
    with terminal(b"") as (output, keyboard, _):
        assert ask_protocol(output, keyboard) is None


def test_pipes_and_files_are_not_asked() -> None:
    output = io.StringIO()
    assert ask_protocol(output, io.StringIO()) is None and output.getvalue() == ""
