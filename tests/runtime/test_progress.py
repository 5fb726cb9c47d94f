"""The progress display: a bar on a terminal, lines elsewhere, and no failure when nobody reads."""

from __future__ import annotations

import errno
import io
import re

import pytest

from radfield_core.runtime import progress
from radfield_core.runtime.progress import Progress, duration, tracked, write_line, write_picture_text


class Watch:
    """A clock that tests move."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_without_a_terminal_there_is_one_line_every_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, stream = Watch(), io.StringIO()
    monkeypatch.setattr(progress, "time", watch)
    with Progress("train", 100, stream=stream) as shown:
        for second in range(1, 31):
            watch.now = float(second)
            if shown.due():
                shown.update(second, f"step {second}")
    assert stream.getvalue() == "".join(
        f"train step {n} · {left} left\n" for n, left in ((10, "1m 30s"), (20, "1m 20s"), (30, "1m 10s"))
    )


def test_the_pace_of_a_resumed_job_is_that_of_what_is_done_now(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, stream = Watch(), io.StringIO()
    monkeypatch.setattr(progress, "time", watch)
    with Progress("train", 100, stream=stream) as shown:
        shown.begin(50)
        watch.now = 10.0
        shown.update(60, "x")
    assert stream.getvalue() == "train x · 40s left\n"


def test_quiet_shows_no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    watch, stream = Watch(), io.StringIO()
    monkeypatch.setattr(progress, "time", watch)
    with Progress("train", 100, quiet=True, stream=stream) as shown:
        watch.now = 1000.0
        assert not shown.due()
        shown.update(50, "x")
        shown.report(100, 100)
    assert stream.getvalue() == ""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_left_with_a_bar_that_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    watch, stream, line = Watch(), Terminal(), io.StringIO()
    monkeypatch.setattr(progress, "time", watch)
    for place in (stream, line):
        with Progress("read images", 7, stream=place) as shown:
            for done in range(1, 8):
                shown.report(done, 7)
    assert "7/7" in stream.getvalue() and "6/7" not in stream.getvalue() and line.getvalue() == ""


class Closed(io.StringIO):
    """A pipe whose reader has ended."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_a_lost_output_is_reported_once_and_the_job_continues(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    watch, closed = Watch(), Closed()
    monkeypatch.setattr(progress, "time", watch)
    with Progress("train", 100, stream=closed) as shown:
        for second in (10, 20, 30):
            watch.now = float(second)
            assert shown.due() == (second == 10)
            shown.update(second, "x")
            write_line("a line", closed)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("warning: output: Broken pipe")


def test_a_lost_stderr_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", Closed())
    write_line("a line", Closed())


def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with Progress("train", 4, stream=stream) as shown:
        shown.update(2, "step 2")
        assert stream.getvalue().startswith("train step 2")


@pytest.mark.parametrize(("columns", "bar"), [("60", False), ("120", True)])
def test_a_narrow_terminal_has_the_text_without_a_bar(columns: str, bar: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    stream = Terminal()
    with Progress("train", 4, stream=stream) as shown:
        shown.update(2, "step 2 · loss 0.5 · PSNR 20.00")
    assert "PSNR 20.00" in stream.getvalue() and ("━" in stream.getvalue()) == bar


def test_a_terminal_gets_a_bar() -> None:
    stream = Terminal()
    with Progress("train", 4, stream=stream) as shown:
        shown.update(2, "step 2 · loss 0.5")
        write_line("a line", stream)
        assert "a line\n" in stream.getvalue()
    assert "train" in stream.getvalue() and "step 2 · loss 0.5" in stream.getvalue()


def test_tracked_shows_progress_over_and_within_items(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    items = []
    for item, within in tracked("ab", "spell"):
        items.append(item)
        within(1, 4)
    assert items == ["a", "b"]
    shown = [line.split()[1] for line in capsys.readouterr().out.splitlines()]
    assert shown == ["0.2/2", "1/2", "1.2/2", "2/2"]


@pytest.mark.parametrize(("seconds", "text"), [(9.4, "9s"), (65, "1m 05s"), (7384, "2h 03m"), (-1, "0s")])
def test_durations_are_shown_in_seconds_minutes_or_hours(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_names_in_a_bar_are_neither_markup_nor_emoji_nor_control_characters() -> None:
    stream = Terminal()
    with Progress("render [bold]x[/y] :smile:\n\x1b[2J", total=4, stream=stream) as shown:
        shown.update(2, "[red]a[/b] :smile:\x1b[2J")
        write_line("[red]line[/b] :smile:\x1b[2J", stream)
    text = stream.getvalue()
    for name in (
        "render [bold]x[/y] :smile:\\n\\x1b[2J",
        "[red]a[/b] :smile:\\x1b[2J",
        "[red]line[/b] :smile:\\x1b[2J",
    ):
        assert name in text
    assert "\x1b[2J" not in text


def test_a_stream_that_was_closed_ends_no_job(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    stream.close()
    write_line("a line", stream)
    write_line("another", stream)
    assert capsys.readouterr().err == "warning: output: is closed; the job continues without output\n"


def test_a_running_and_a_finished_bar_have_the_same_color(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    with Progress("train", 100, stream=stream) as shown:
        shown.update(50, "half")
        shown._bar.refresh()
        shown.update(100, "done")
    colors = set(re.findall(r"\x1b\[([\d;]+)m━", stream.getvalue()))
    gray = {color for color in colors if color == "90" or color.startswith("38;5;23")}  # the part that is not done
    assert colors - gray == {"36"}


def test_a_picture_is_written_as_it_is_between_two_showings_of_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream, picture = Terminal(), "\x1bPq#0;2;0;0;0~\x1b\\\n"
    with Progress("train", 4, stream=stream) as shown:
        shown.update(2, "step 2")
        write_picture_text(picture, stream)
        before, after = stream.getvalue().split(picture)
        shown.update(3, "step 3")
        assert shown._bar.live.is_started and not shown._bar.live.transient
    assert "step 2" in before and before.endswith("\x1b[2K") and "step 2" in after
    write_picture_text(picture, Closed())
