"""`radfield completion`: the scripts know every verb, option and installed name, and real shells run them."""

from __future__ import annotations

import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest

from radfield_core.cli.completion import SHELLS, bash, commands, fish, zsh
from radfield_core.cli.main import VERBS, main
from radfield_core.cli.parser import make_parser
from radfield_core.plugins.registry import get_registry

COMPLETED = {
    "tra": ["train"],
    "data ins": ["inspect"],
    "train --me": ["--method"],
    "train --method ngp": [name for name in get_registry().names("method") if name.startswith("ngp")],
    "train trainer.max_st": ["trainer.max_steps="],
    "config show --or": ["--origin"],
    "bench run --method tiny": [name for name in get_registry().names("method") if name.startswith("tiny")],
    "export RUN --exporter poi": ["pointcloud"],
    "eval RUN --metric ch": ["chamfer"],
    "eval RUN --split v": ["val"],
    "render RUN --video m": ["mp4"],
    "data make out --format ll": ["llff"],
    "completion f": ["fish"],
    "train --data sce": ["scene.npz"],
}
"""What is typed after `radfield` -> what is offered for its last word, in a folder with the file scene.npz."""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the script of each shell, and a file to complete."""
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "scene.npz").touch()
    found = commands()
    for name, script in (("bash", bash), ("zsh", zsh), ("fish", fish)):
        (folder / f"it.{name}").write_text(script(found) + "\n")
    return folder


def test_every_verb_action_and_option_is_known() -> None:
    found = {command.words: command for command in commands()}
    assert set(found[()].next) == set(VERBS) and {words[0] for words in found if words} == set(VERBS)
    for verb in VERBS:
        parser = make_parser(verb, import_module(f"radfield_core.cli.{verb}"))
        known = {name for option in found[verb,].options for name in option.names}
        assert known == {name for action in parser._actions for name in action.option_strings}
    assert set(found["data",].next) == {"inspect", "make", "convert", "process", "points"}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed(shell: str, scripts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == (scripts / f"it.{shell}").read_text()


def offered(shell: str, program: str, folder: Path) -> dict[str, list[str]]:
    """What a shell prints for each line of `COMPLETED`, one line each: what was typed, a tab, and the words."""
    done = subprocess.run([*shell.split(), program], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    rows = [line.partition("\t") for line in done.stdout.splitlines()]
    return {typed: sorted(words.split()) for typed, _, words in rows}


def test_bash_completes(scripts: Path) -> None:
    lines = "".join(f"try {typed}\n" for typed in COMPLETED)
    program = (
        "source it.bash\n"
        'try() { COMP_WORDS=(radfield "$@"); COMP_CWORD=$#; COMPREPLY=(); _radfield; '
        'printf "%s\\t%s\\n" "$*" "${COMPREPLY[*]}"; }\n' + lines
    )
    assert offered("bash --norc -c", program, scripts) == {typed: sorted(words) for typed, words in COMPLETED.items()}


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(scripts: Path) -> None:
    lines = "".join(
        f'printf "%s\\t%s\\n" "{t}" (complete -C "radfield {t}" | cut -f1 | string join " ")\n' for t in COMPLETED
    )
    found = offered("fish --no-config -c", "source it.fish\n" + lines, scripts)
    assert found == {typed: sorted(words) for typed, words in COMPLETED.items()}


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes(scripts: Path) -> None:
    """Outside its line editor, zsh has no `compadd`: what the function would offer is filtered here as zsh does."""
    lines = "".join(f"try {typed}\n" for typed in COMPLETED)
    program = (
        "compdef() { }\nsource ./it.zsh\ntypeset -A compstate\n"
        'compadd() { local name=${@[-1]}; for word in ${(P)name}; do [[ $word = $words[CURRENT]* ]] && found+=$word; '
        "done; compstate[nmatches]=$#found }\n"
        "_files() { found=($words[CURRENT]*(N)) }\n"
        'try() { words=(radfield "$@"); CURRENT=$#words; found=(); _radfield; print -r -- "$*"$\'\\t\'"$found" }\n'
    )  # fmt: skip
    found = offered("zsh -f -c", program + lines, scripts)
    assert found == {typed: sorted(words) for typed, words in COMPLETED.items()}
