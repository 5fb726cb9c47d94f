"""Printing of lines: one line for each text, whatever is in it."""

from __future__ import annotations

import io

from radfield_core.cli.say import say


def test_each_text_is_one_line_whatever_it_contains() -> None:
    stream = io.StringIO()
    say("a\nb", 3, file=stream)
    assert stream.getvalue() == "a\\nb\n3\n"
