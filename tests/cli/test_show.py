"""--show: pictures in a terminal that understands them, and a word to the user of one that does not."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest

from radfield_core.cli.show import picture_shower
from radfield_core.runtime import terminal_pictures
from radfield_core.runtime.terminal_pictures import picture_text


def test_a_terminal_that_understands_a_protocol_gets_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal_pictures, "ask_protocol", lambda: "sixel")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    pixels = np.zeros((6, 4, 3), dtype=np.uint8)
    show = picture_shower()
    assert show is not None
    show(pixels)
    assert sys.stdout.getvalue() == picture_text(pixels, "sixel")


def test_no_picture_is_sent_to_a_file_and_the_user_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert picture_shower() is None
    out, err = capsys.readouterr()
    assert out == "" and "--show: the output, which is not a terminal, shows no pictures" in err
