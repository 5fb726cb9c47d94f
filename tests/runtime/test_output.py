"""What a command prints can neither control the terminal nor end the command."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from radfield_core.runtime.output import SafeOutput, safe_output, unescaped

CONTROLS = ["\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\r", "\b", "\x00", "\x7f", "\t", "\u202e", "\u2066", "\u200f",
            "\u2028", "\ufeff", "\U000e0041", "\udcff"]  # fmt: skip


@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
def test_control_characters_are_escaped_in_everything_that_is_printed(control: str) -> None:
    stream = io.StringIO()
    safe = SafeOutput(stream)
    print(f"a{control}b", file=safe)
    safe.writelines([control, "\n"])
    text = stream.getvalue()
    assert text.count("\n") == 2 and text.replace("\n", "").isprintable()
    assert text.startswith("a\\") and unescaped(safe) is stream  # type: ignore[arg-type]


def test_ordinary_text_of_any_language_is_unchanged() -> None:
    stream = io.StringIO()
    SafeOutput(stream).write("2 × 3 · größer 表 🙂 \\n\n")
    assert stream.getvalue() == "2 × 3 · größer 表 🙂 \\n\n"


def test_an_output_of_ascii_gets_escapes_for_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    before = sys.stdout
    with safe_output():
        print("2 × 3")
    assert raw.getvalue() == b"2 \\xd7 3\n" and sys.stdout is before


@pytest.mark.parametrize("state", ["closed", "absent"])
def test_a_closed_output_is_replaced_by_nothing(monkeypatch: pytest.MonkeyPatch, state: str) -> None:
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stdout", None if state == "absent" else closed)
    with safe_output():
        print("nothing happens")


@pytest.mark.parametrize("redirection", [">&-", "2>&-", ">&- 2>&-", "</dev/null >&-"])
def test_a_command_works_on_closed_and_ascii_outputs(redirection: str) -> None:
    command = f"{sys.executable} -m radfield_core.cli.main config show --method tiny-nerf data.type=× {redirection}"
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run(["sh", "-c", command], env=environment, capture_output=True)
    assert done.returncode in (2, 69)
