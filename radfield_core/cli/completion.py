"""`radfield completion`: prints a script with which a shell completes radfield's commands.

The script is generated from the parsers of all verbs and from the installed parts, so it is complete.
"""

from __future__ import annotations

import argparse
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple

HELP = """Print a script that makes a shell complete verbs, options and names. It lists the installed parts, so it is
printed anew whenever a shell starts:
bash: add   eval "$(radfield completion bash)"   to ~/.bashrc;
zsh: add   eval "$(radfield completion zsh)"   to ~/.zshrc, after compinit;
fish: add   radfield completion fish | source   to ~/.config/fish/config.fish."""

SHELLS = ("bash", "zsh", "fish")
FILES = ("PATH", "DIR", "FILE", "RUN", "DST", "SRC", "PHOTOS")
"""Metavars of arguments that take a path."""


class Option(NamedTuple):
    """An option of a command.

    Attributes:
        names: all spellings of the option, such as "-q" and "--quiet".
        help: what the option does.
        takes: True if the option takes a value.
        values: the possible values of the option; empty if they are not known.
    """

    names: tuple[str, ...]
    help: str
    takes: bool
    values: tuple[str, ...]


class Command(NamedTuple):
    """A verb, or a verb with its action.

    Attributes:
        words: the words of the command after `radfield`, such as ("data", "inspect").
        next: the actions that can follow the verb, with their help.
        options: the options of the command.
        keys: beginnings of `key=value` words, such as "trainer.max_steps=".
    """

    words: tuple[str, ...]
    next: dict[str, str]
    options: tuple[Option, ...]
    keys: tuple[str, ...]

    @property
    def key(self) -> str:
        """The words of the command with spaces between them."""
        return " ".join(self.words)


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help="bash, zsh or fish")


def run(args: Namespace) -> int:
    """Print the script and return exit code 0."""
    print({"bash": bash, "zsh": zsh, "fish": fish}[args.shell](commands()))
    return 0


def commands() -> list[Command]:
    """Return every command of the program: first the program itself, then each verb, followed by its actions."""
    from radfield_core.cli.main import VERBS
    from radfield_core.cli.parser import make_parser

    found = [Command((), dict(VERBS), (Option(("--help",), "explain the program", False, ()),), ())]
    for verb in VERBS:
        found += _of_parser((verb,), make_parser(verb, import_module(f"radfield_core.cli.{verb}")))
    return found


def _of_parser(words: tuple[str, ...], parser: ArgumentParser) -> Iterator[Command]:
    """Yield the command of a parser, and those of its subcommands."""
    actions, children = parser._actions, {}
    following: dict[str, str] = {}
    for action in actions:
        if isinstance(action, argparse._SubParsersAction):
            children = dict(action.choices)
            following = {choice.dest: choice.help or "" for choice in action._choices_actions}
        elif not action.option_strings and action.choices is not None:
            following = {str(choice): "" for choice in action.choices}
    options = tuple(_option(words, action) for action in actions if action.option_strings)
    keys = _keys(words) if any(action.dest == "overrides" for action in actions) else ()
    yield Command(words, following, options, keys)
    for name, child in children.items():
        yield from _of_parser((*words, name), child)


def _option(words: tuple[str, ...], action: argparse.Action) -> Option:
    text = (action.help or "").replace("%%", "%").partition(";")[0].partition(" (default")[0]
    values = tuple(map(str, action.choices or ())) or _values(words, action)
    return Option(tuple(action.option_strings), text, action.nargs != 0, values)


def _values(words: tuple[str, ...], action: argparse.Action) -> tuple[str, ...]:
    """Return the possible values of an option that names a part, a split or a device. For other options, return ()."""
    from radfield_core.cli.meant import KINDS, SPLITS
    from radfield_core.plugins.registry import get_registry

    registry, option = get_registry(), action.option_strings[-1]
    if option in KINDS:
        return tuple(registry.names(KINDS[option]))
    if option == "--format" and words == ("data", "make"):
        return tuple(sorted(each.name for each in registry.of_kind("dataparser") if each.writer is not None))
    return {"--split": SPLITS, "--device": ("auto", "cpu", "cuda")}.get(option, ())


def _keys(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the beginnings of the `key=value` words that every run takes."""
    from radfield_core.config.reference import option_rows
    from radfield_core.config.run import RunConfig

    if words not in (("train",), ("config", "show"), ("bench", "run")):
        return ()
    return tuple(f"{row.path}=" for row in option_rows(RunConfig))


def _cases(found: list[Command]) -> Iterator[tuple[str, str]]:
    """Yield a pair for each option whose values are known: the text "command option", and the values."""
    for command in found:
        for option in command.options:
            if option.values:
                for name in option.names:
                    yield f"{command.key} {name}".strip(), " ".join(option.values)


def _paths(found: list[Command]) -> str:
    """Return all options whose possible values are not known, as alternatives of a shell pattern."""
    names = {name for each in found for option in each.options if option.takes and not option.values
             for name in option.names}  # fmt: skip
    return "|".join(sorted(names))


def _words(command: Command) -> str:
    options = " ".join(name for option in command.options for name in option.names)
    return " ".join(text for text in (" ".join(command.next), options, " ".join(command.keys)) if text)


def bash(found: list[Command]) -> str:
    """Return the script for bash."""
    nested = "|".join(each.words[0] for each in found if each.next and each.words)
    values = "\n".join(f'    "{key}") words="{words}";;' for key, words in _cases(found))
    lists = "\n".join(f'    "{each.key}") words="{_words(each)}";;' for each in found)
    return f"""# completion of radfield for bash
_radfield() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" before="${{COMP_WORDS[COMP_CWORD-1]}}" command="" words=""
  [ "$COMP_CWORD" -gt 1 ] && command="${{COMP_WORDS[1]}}"
  case "$command" in {nested}) [ "$COMP_CWORD" -gt 2 ] && command="$command ${{COMP_WORDS[2]}}";; esac
  case "$command $before" in
{values}
  esac
  if [ -z "$words" ]; then
    case "$before" in {_paths(found)}) COMPREPLY=($(compgen -f -- "$current")); return;; esac
    case "$command" in
{lists}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  if [ "${{#COMPREPLY[@]}}" -eq 1 ] && [[ "${{COMPREPLY[0]}}" == *= ]]; then compopt -o nospace 2>/dev/null; fi
  [ "${{#COMPREPLY[@]}}" -gt 0 ] || COMPREPLY=($(compgen -f -- "$current"))
}}
complete -o filenames -F _radfield radfield"""


def zsh(found: list[Command]) -> str:
    """Return the script for zsh."""
    nested = "|".join(each.words[0] for each in found if each.next and each.words)
    values = "\n".join(f'    "{key}") candidates=({words});;' for key, words in _cases(found))
    lists = "\n".join(f'    "{each.key}") candidates=({_words(each)});;' for each in found)
    return f"""#compdef radfield
# completion of radfield for zsh
_radfield() {{
  local command="" before="${{words[CURRENT-1]}}"
  local -a candidates
  (( CURRENT > 2 )) && command="${{words[2]}}"
  case "$command" in {nested}) (( CURRENT > 3 )) && command="$command ${{words[3]}}";; esac
  case "$command $before" in
{values}
  esac
  if (( ! $#candidates )); then
    case "$before" in {_paths(found)}) _files; return;; esac
    case "$command" in
{lists}
    esac
  fi
  local -a keys=(${{(M)candidates:#*=}}) others=(${{candidates:#*=}})
  compadd -S '' -a keys
  compadd -a others
  (( compstate[nmatches] )) || _files
}}
compdef _radfield radfield"""


def fish(found: list[Command]) -> str:
    """Return the script for fish."""
    lines = ["# completion of radfield for fish", "complete -c radfield -e"]
    for command in found:
        condition = f"-n '{_fish_condition(command)}'"
        for word, text in command.next.items():
            lines.append(f"complete -c radfield -f {condition} -a {word} -d {_fish_text(text)}")
        for option in command.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            takes = f" -x -a '{' '.join(option.values)}'" if option.values else " -r" if option.takes else ""
            lines.append(f"complete -c radfield {condition} {names}{takes} -d {_fish_text(option.help)}")
        if command.keys:
            lines.append(f"complete -c radfield {condition} -a '{' '.join(command.keys)}'")
    return "\n".join(lines)


def _fish_condition(command: Command) -> str:
    """Return fish code that is true if the user has typed a command, but none of the command's actions yet."""
    if not command.words:
        return "__fish_use_subcommand"
    typed = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in command.words)
    following = " ".join(command.next)
    return f"{typed}; and not __fish_seen_subcommand_from {following}" if following else typed


def _fish_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
