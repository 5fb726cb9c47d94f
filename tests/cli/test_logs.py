"""Log records on the command line, and their silence everywhere else."""

from __future__ import annotations

import ast
import io
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from radfield_core.cli.logs import printed
from radfield_core.names import Lines
from radfield_core.runtime.output import RESULT

ROOT = Path(__file__).parents[2]


def log_everything() -> None:
    library, plugin = logging.getLogger("radfield_core.some.module"), logging.getLogger("acme_plugin.field")
    library.info("trained %d steps", 3)
    library.debug("details")
    library.log(RESULT, "a result")
    library.warning("the disk is full")
    plugin.info("a plugin's detail")
    plugin.warning("a plugin's warning")


@pytest.mark.parametrize("quiet", [False, True])
def test_information_goes_to_stdout_and_warnings_to_stderr(quiet: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with printed(quiet=quiet):
        log_everything()
    out, err = capsys.readouterr()
    assert out == ("a result\n" if quiet else "trained 3 steps\na result\n")
    assert err == "warning: the disk is full\nwarning: a plugin's warning\n"


def test_after_a_verb_logging_is_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    root, library = logging.getLogger(), logging.getLogger("radfield_core")
    before = [*root.handlers], library.level
    with pytest.raises(RuntimeError), printed():
        raise RuntimeError
    assert ([*root.handlers], library.level) == before
    log_everything()
    assert capsys.readouterr() == ("", "")


def test_a_percent_sign_in_a_line_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with printed():
        logging.getLogger("radfield_core").info("5 % of all images")
    assert capsys.readouterr().out == "5 % of all images\n"


def test_a_line_whose_output_is_closed_does_not_end_the_job(monkeypatch, capsys) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr(sys, "stdout", Closed())
    with printed():
        for _ in range(3):
            logging.getLogger("radfield_core").info("a line")
    assert capsys.readouterr().err.count("Broken pipe") == 1


def test_without_a_handler_only_warnings_are_shown() -> None:
    """In a fresh interpreter, as in a notebook: pytest itself attaches handlers."""
    code = (
        "import logging, radfield_core.train.session as session\n"
        "session.logger.info('trained')\nsession.logger.warning('the disk is full')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "the disk is full\n")


def prints(source: str) -> list[int]:
    """Lines that call print."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]


def test_only_the_command_line_prints() -> None:
    assert prints("x = 1\nprint(x)\nlog.print(x)") == [2]
    sources = [*ROOT.glob("radfield_core/**/*.py"), *ROOT.glob("plugins/*/radfield_*/**/*.py")]
    assert len(sources) > 150
    command_line = ROOT / "radfield_core" / "cli"
    assert [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources
        if command_line not in path.parents
        for line in prints(path.read_text(encoding="utf-8"))
    ] == []


def test_a_record_is_one_line_unless_it_is_made_of_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with printed():
        logging.getLogger("radfield_core.x").warning("%s: is bad", "a\nerror: all\x1b[2J is lost")
        logging.getLogger("radfield_core.x").info(Lines.of("two", "li\rnes"))
    out, err = capsys.readouterr()
    assert err == "warning: a\\nerror: all\\x1b[2J is lost: is bad\n" and out == "two\nli\\rnes\n"
