"""Colors: on a terminal only, never with NO_COLOR, and never from a stranger's text."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys

import pytest

from radfield_core.runtime.colors import has_colors, write_help, write_message
from radfield_core.runtime.output import SafeOutput


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def color_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[\d;]*m", "", text)


def test_a_terminal_has_colors_unless_it_or_the_user_does_not_want_them(monkeypatch) -> None:
    assert has_colors(Terminal()) and not has_colors(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not has_colors(Terminal())
    monkeypatch.setenv("NO_COLOR", "")  # no-color.org: an empty value sets nothing
    assert has_colors(Terminal())
    for term in ("dumb", "unknown"):
        monkeypatch.setenv("TERM", term)
        assert not has_colors(Terminal())


def test_the_words_that_begin_a_message_are_in_color_and_the_text_is_unchanged() -> None:
    text = "error: a: is wrong\n  try: b\nwarning: error: c"
    for stream in (Terminal(), SafeOutput(Terminal())):
        write_message(text, stream)
        written = stream.getvalue()
        assert plain(written) == f"{text}\n"
        assert written == (
            "\x1b[1;31merror:\x1b[0m a: is wrong\n\x1b[36m  try:\x1b[0m b\n\x1b[33mwarning:\x1b[0m error: c\n"
        )


def test_a_pipe_gets_the_plain_text() -> None:
    stream = io.StringIO()
    write_message("error: a\n  try: b", stream)
    write_help("usage: radfield\n", stream)
    assert stream.getvalue() == "error: a\n  try: b\nusage: radfield\n"


def test_a_strangers_control_characters_stay_escaped_among_colors() -> None:
    stream = SafeOutput(Terminal())
    write_message("error: a\x1b[2Jb", stream)
    assert plain(stream.getvalue()) == "error: a\\x1b[2Jb\n"


def test_headings_verbs_and_options_of_help_are_in_color() -> None:
    text = "usage: radfield x [-h]\n\noptions:\n  -h, --help  show this\n  --out DIR   a folder\n  train  train it\n"
    stream = Terminal()
    write_help(text, stream)
    written = stream.getvalue()
    assert plain(written) == text
    for word in ("usage:", "options:", "  -h, --help", "  --out", "  train"):
        assert re.search(rf"\x1b\[[\d;]+m{re.escape(word)}\x1b\[0m", written), word


def in_a_terminal(argv: list[str], **environ: str) -> str:
    """What a command writes to a terminal."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", **environ}
    command = [sys.executable, "-m", "radfield_core.cli.main", *argv]
    with subprocess.Popen(command, stdout=slave, stderr=slave, stdin=slave, env=environment) as process:
        os.close(slave)
        written = b""
        while True:
            try:
                piece = os.read(master, 4096)
            except OSError:  # Linux: the other end is closed
                break
            if not piece:
                break
            written += piece
    os.close(master)
    assert process.returncode in (0, 2)
    return written.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("argv", [["--help"], ["trian"], ["export", "--help"]])
def test_a_command_is_in_color_on_a_terminal_and_plain_with_no_color(argv: list[str]) -> None:
    colored, without = in_a_terminal(argv), in_a_terminal(argv, NO_COLOR="1")
    assert "\x1b[" in colored and "\x1b[" not in without and plain(colored) == without
    done = subprocess.run([sys.executable, "-m", "radfield_core.cli.main", *argv], capture_output=True, text=True)
    assert "\x1b[" not in done.stdout + done.stderr
