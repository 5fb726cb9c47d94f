"""The arguments of verbs: mistakes name the nearest option, and overrides may stand anywhere."""

from __future__ import annotations

from types import ModuleType

import pytest

from radfield_core.cli import bench, train
from radfield_core.cli.parser import parse
from radfield_core.errors import UsageError


@pytest.mark.parametrize(
    ("argv", "says", "hint"),
    [
        (["trian"], "unknown verb 'trian'", "radfield train"),
        (["xyzzy"], "unknown verb 'xyzzy'", "radfield --help"),
        (["config", "shwo"], "unknown word 'shwo'", "radfield config show"),
        (["config", "show", "--methd", "nerf"], "unknown option '--methd'", "--method"),
        (["config", "show", "--meth", "nerf"], "unknown option '--meth'", "--method"),
        (["config", "show", "--method"], "expected one argument", "radfield config show --help"),
        (["plugins", "list", "all"], "unknown argument 'all'", "radfield plugins list --help"),
        (
            ["render", "run", "--video", "avi"],
            "--video: unknown value 'avi'; known values are mp4",
            "--video mp4",
        ),
        (["bench", "micro", "--repeats", "x"], "invalid int value: 'x'", "radfield bench micro --help"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_nearest(radfield, argv, says, hint) -> None:
    done = radfield(*argv)
    assert done.returncode == 2
    assert says in done.stderr and hint in done.stderr.partition("try: ")[2]
    assert "Traceback" not in done.stderr and done.stdout == ""


def test_every_unknown_word_is_a_problem_of_its_own() -> None:
    with pytest.raises(UsageError) as caught:
        parse("bench", bench, ["micro", "--repeat", "3", "--xyzzy"])
    messages = [problem.message for problem in caught.value.problems]
    assert messages == ["unknown option '--repeat'", "unknown option '--xyzzy'"]


@pytest.mark.parametrize(
    "words",
    [
        ["a.b=1", "--method", "nerf", "c=2", "--quiet"],
        ["--method", "nerf", "a.b=1", "c=2", "--quiet"],
        ["--quiet", "a.b=1", "--method", "nerf", "c=2"],
    ],
)
def test_overrides_may_stand_anywhere_among_the_options(words: list[str]) -> None:
    args = parse("train", train, words)
    assert args is not None
    assert (args.overrides, args.method, args.quiet) == (["a.b=1", "c=2"], "nerf", True)


@pytest.mark.parametrize(("verb", "module"), [("train", train), ("bench", bench)])
def test_help_is_printed_and_gives_no_arguments(verb: str, module: ModuleType, capsys) -> None:
    assert parse(verb, module, ["--help"]) is None
    assert capsys.readouterr().out.startswith(f"usage: radfield {verb}")
