"""The laws of the program: one clear line per mistake with what to try, an exit code that means it, no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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

FAKES = Path(__file__).parents[1] / "fakes"


def radfield(*argv: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """A real process that sees the fake parts too."""
    env = {**os.environ, "PYTHONPATH": str(FAKES), **environ}
    command = [sys.executable, "-m", "radfield_core.cli.main", *argv]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=cwd)


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


def test_a_fault_of_the_disk_is_74_and_names_the_file(raising, capsys):
    raising(OSError(28, "No space left on device", "runs/x"))
    assert program.main([]) == 74
    assert capsys.readouterr().err == "error: runs/x: No space left on device\n  try: making room on the disk\n"


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
    ("argv", "says", "hint"),
    [
        (["trian"], "unknown verb 'trian'", "radfield train"),
        (["xyzzy"], "unknown verb 'xyzzy'", "radfield --help"),
        (["config", "shwo"], "invalid choice: 'shwo'", "radfield config --help"),
        (["config", "show", "--methd", "nerf"], "unknown option '--methd'", "--method"),
        (["config", "show", "--meth", "nerf"], "unknown option '--meth'", "--method"),
        (["config", "show", "--method"], "expected one argument", "radfield config show --help"),
        (["plugins", "list", "all"], "unknown argument 'all'", "radfield plugins --help"),
        (["config", "options", "hash"], "'hash' is not KIND:NAME", "encoding:hash"),
        (["plugins", "info", "wavy"], "nothing installed is called 'wavy'", "radfield plugins info wave"),
    ],
)
def test_a_mistyped_word_says_the_nearest(argv, says, hint, tmp_path):
    done = radfield(*argv, cwd=tmp_path)
    assert done.returncode in (2, 69, 74)
    assert says in done.stderr and hint in done.stderr.partition("try: ")[2]
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_a_config_that_is_not_there_is_an_error_that_names_the_nearest_file(tmp_path):
    done = radfield("config", "validate", "rum.toml", cwd=tmp_path)
    assert done.returncode == 74 and "rum.toml: cannot be read" in done.stderr and "try" not in done.stderr
    (tmp_path / "run.toml").touch()
    assert "try: Use run.toml, which exists" in radfield("config", "validate", "rum.toml", cwd=tmp_path).stderr


def test_config_show_prints_a_file_that_shows_itself(tmp_path):
    words = ["field.width=7", "--method", "study", "trainer.seed=3", "--quiet", "data=boxes", "data.root=ü b/"]
    first = radfield("config", "show", *words, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    (tmp_path / "run.toml").write_text(first.stdout, encoding="utf-8")
    assert radfield("config", "show", "-c", "run.toml", cwd=tmp_path).stdout == first.stdout
    assert radfield("config", "validate", "run.toml", cwd=tmp_path).stdout == "run.toml: fine, method study\n"


def test_overrides_may_stand_anywhere_among_the_options():
    words = [["field.width=7"], ["--method", "study"], ["trainer.seed=3"], ["sampler.n_samples=9"]]
    shown = {
        radfield("config", "show", *(word for words in order for word in words)).stdout
        for order in (words, words[::-1], words[2:] + words[:2])
    }
    assert len(shown) == 1 and "width = 7" in shown.pop()


def test_config_show_origin_says_where_each_value_came_from():
    lines = radfield("config", "show", "--method", "study", "trainer.seed=3", "--origin").stdout.splitlines()
    rows = {line.partition(" ")[0]: line.split("# ")[-1] for line in lines}
    assert rows["trainer.seed"] == "command line" and rows["trainer.max_steps"] == "preset study"
    assert rows["method.type"] == "--method" and rows["eval.rays_per_chunk"] == "default"
    assert all("# " in line for line in lines)


def test_config_validate_refuses_what_does_not_fit(tmp_path):
    (tmp_path / "run.toml").write_text('method = "study"\nsampler = "crooked"\n')
    done = radfield("config", "validate", "run.toml", cwd=tmp_path)
    assert done.returncode == 2
    assert "field 'blob' does not provide fakes.thick and sdf, which sampler 'crooked' needs" in done.stderr
    assert "try: Use field=slab" in done.stderr


def test_config_options_explains_every_option_of_a_part():
    text = radfield("config", "options", "encoding:wave").stdout
    assert "encoding:wave (fake-parts): waves" in text
    assert "\nn = 4\n    a whole number, ≥ 1, ≤ 1000\n    waves\n" in text
    assert "\nspan = [0.0, 1.0]\n" in text and "\nlimit = none\n" in text and "\nmode = soft\n" in text
    assert "\nroot, must be given\n" in radfield("config", "options", "dataparser:boxes").stdout
    text = radfield("config", "options").stdout
    assert "\ntrainer.max_steps = 20000\n" in text and "\nbackground = none\n" in text


def test_config_options_of_a_preset_has_its_values():
    assert "\nlr = 0.01\n" in radfield("config", "options", "method:study").stdout
    text = radfield("config", "options", "method:study-small").stdout
    assert "\nlr = 0.001\n" in text and "radfield config show --method study-small\n" in text
    assert "of preset" not in radfield("config", "options", "method:bare").stdout


def test_plugins_info_explains_parts_by_any_of_their_names():
    for name in ("fakes", "Fake_Parts", "study", "method:study", "study-small", "fake-parts:study"):
        assert "method:study: a study\n" in radfield("plugins", "info", name).stdout, name
    text = radfield("plugins", "info", "blob").stdout
    assert "needs     direction_encoding with directions; encoding with points|gaussians" in text


def test_a_run_says_what_was_decided_for_the_user_unless_quiet(tmp_path):
    (tmp_path / "boxes.txt").touch()
    argv = ("config", "show", "--method", "study", "--data", str(tmp_path))
    assert "data: boxes (has boxes.txt)\n" in radfield(*argv).stderr
    assert radfield(*argv, "--quiet").stderr == ""


def test_doctor_reports_versions_devices_space_and_plugins(tmp_path):
    done = radfield("doctor", "--out", str(tmp_path), cwd=tmp_path)
    assert done.returncode == (0 if "wrong:" not in done.stdout else 1)
    for text in ("torch ", "GiB free", "torch threads", "numba", "fakes", "ok, fake-parts 1.0", "interface 1.0"):
        assert text in done.stdout, text
    broken = radfield("doctor", RADFIELD_DISABLE_PLUGINS="*")
    assert broken.returncode == 0 and "disabled, fake-parts 1.0" in broken.stdout


def test_doctor_says_what_is_wrong_with_the_backends_asked_for():
    done = radfield("doctor", RADFIELD_BACKEND="torch,nerfacc")
    assert done.returncode == 1
    assert "wrong: RADFIELD_BACKEND: unknown backend 'nerfacc'\n    try: Use torch, numba, " in done.stdout
