"""The laws of the program: one clear line per mistake with what to try, an exit code that means it, no traceback."""

from __future__ import annotations

import errno
import io
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from radfield_core import __version__
from radfield_core.cli import main as program
from radfield_core.errors import (
    DatasetError,
    Diverged,
    NoSurface,
    PluginError,
    Problem,
    StorageError,
    UsageError,
)
from radfield_core.runtime.progress import write_line


@pytest.fixture
def raising(monkeypatch):
    """Makes every verb raise."""

    def arrange(error: BaseException) -> None:
        def dispatch(argv):
            raise error

        monkeypatch.setattr(program, "_dispatch", dispatch)

    return arrange


@pytest.mark.parametrize(
    ("error", "code"),
    [(UsageError, 2), (Diverged, 3), (NoSurface, 4), (DatasetError, 65), (PluginError, 69), (StorageError, 74)],
)
def test_each_error_has_its_exit_code_and_every_problem_its_lines(raising, capsys, error, code):
    raising(error(problems=[Problem("a.b", "is wrong", "c"), Problem("", "so is this"), Problem("d", "and this", "e")]))
    assert program.main([]) == code
    captured = capsys.readouterr()
    assert captured.err == "error: a.b: is wrong\n  try: c\nerror: so is this\nerror: d: and this\n  try: e\n"
    assert captured.out == ""


def test_an_unexpected_exception_is_one_line_and_how_to_see_more(raising, capsys, monkeypatch):
    monkeypatch.delenv("RADFIELD_DEBUG", raising=False)
    raising(KeyError("two\nlines"))
    assert program.main([]) == 70
    line, hint = capsys.readouterr().err.splitlines()
    assert line.startswith("error: unexpected KeyError: ") and "RADFIELD_DEBUG=1" in hint
    monkeypatch.setenv("RADFIELD_DEBUG", "1")
    with pytest.raises(KeyError):
        program.main([])


@pytest.mark.parametrize(
    ("number", "hint"),
    [(errno.ENOSPC, "Free space"), (errno.EACCES, "may write"), (errno.EIO, "RADFIELD_DEBUG=1")],
)
def test_an_error_of_the_disk_is_74_and_names_the_file(raising, capsys, monkeypatch, number: int, hint: str) -> None:
    monkeypatch.delenv("RADFIELD_DEBUG", raising=False)
    raising(OSError(number, os.strerror(number), "runs/x"))
    assert program.main([]) == 74
    line, tip = capsys.readouterr().err.splitlines()
    assert line == f"error: runs/x: {os.strerror(number)}" and tip.startswith("  try: ") and hint in tip


def test_control_c_is_130(raising, capsys):
    raising(KeyboardInterrupt())
    assert program.main([]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_signal_that_compiled_code_hides_is_still_one(raising, capsys):
    for signalled, code in ((KeyboardInterrupt(), 130), (program.Terminated(signal.SIGTERM), 143)):
        hidden = SystemError("CPUDispatcher(...) returned a result with an exception set")
        hidden.__cause__ = signalled
        raising(hidden)
        assert program.main([]) == code
    assert "unexpected" not in capsys.readouterr().err
    raising(SystemError("of another origin"))
    assert program.main([]) == 70


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_what_is_half_done_be_tidied_up(monkeypatch, capsys, taken, number):
    tidied = []

    def dispatch(argv):
        try:
            os.kill(os.getpid(), number)
        finally:
            tidied.append(number)

    monkeypatch.setattr(program, "_dispatch", dispatch)
    assert program.main([]) == 128 + number and tidied == [number]
    assert capsys.readouterr().err == f"stopped by {number.name}\n"
    assert signal.getsignal(number) == signal.SIG_DFL, "whoever called gets the signals back"


def test_outside_the_main_thread_the_program_runs_without_signals(monkeypatch):
    monkeypatch.setattr(program, "_dispatch", lambda argv: 7)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(program.main, []).result() == 7


@pytest.mark.parametrize("argv", [["--help"], ["config", "options"]])
def test_a_closed_output_is_no_fault_of_the_program(argv):
    words = [sys.executable, "-m", "radfield_core.cli.main", *argv]
    done = subprocess.run(["sh", "-c", '"$@" >&-', "sh", *words], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_error_that_cannot_be_printed_keeps_its_code(monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    words = [sys.executable, "-m", "radfield_core.cli.main"]
    with open("/dev/full", "w") as full:
        assert subprocess.run([*words, "trian"], stderr=full).returncode == 2
        assert subprocess.run([*words, "--help"], stdout=full, stderr=full).returncode == 74
        said = subprocess.run([*words, "--help"], stdout=full, stderr=subprocess.PIPE, text=True).stderr
    assert said == "error: the output of this command: No space left on device\n  try: Free space on the disk\n"


@pytest.mark.parametrize("argv", [["--help"], ["config", "options"]])
def test_a_reader_that_stopped_reading_is_no_error(argv):
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "radfield_core.cli.main", *argv]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_help_and_version(capsys):
    assert program.main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {verb} " in text for verb in program.VERBS)
    assert program.main(["--version"]) == 0
    assert capsys.readouterr().out == f"radfield {__version__}\n"


@pytest.mark.parametrize(
    ("number", "code"), [(errno.EPIPE, program.READER_GONE), (errno.ENOSPC, program.STORAGE_FAILED)]
)
def test_output_that_a_job_gave_up_is_not_a_success(number: int, code: int, monkeypatch, capsys) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(number, os.strerror(number))

    monkeypatch.delenv("RADFIELD_DEBUG", raising=False)
    monkeypatch.setattr(program, "_silence_failed", lambda: None)
    monkeypatch.setattr(sys, "stdout", Broken())
    monkeypatch.setattr(program, "_dispatch", lambda argv: write_line("step 5", sys.stdout) or 0)
    assert program.main([]) == code
    monkeypatch.setattr(program, "_dispatch", lambda argv: write_line("step 5", sys.stdout) or 130)
    assert program.main([]) == 130
