"""The argument parser of a verb.

Unlike argparse's own parser, this parser raises UsageError for an unknown option, and suggests the most similar one.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any, NoReturn

from radfield_core.errors import Problem, UsageError
from radfield_core.names import nearest
from radfield_core.runtime.colors import write_help


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError instead of exiting, and accepts no abbreviated options."""

    def __init__(self, **options: Any):
        super().__init__(**{"allow_abbrev": False, **options})

        self.more_help: Callable[[Sequence[str]], str] | None = None
        self.argv: Sequence[str] = ()
        self.color = False  # argparse's own, since Python 3.14; `write_help` sets the colors

    def format_help(self) -> str:
        """Return the help, followed by the text that `more_help` returns for the words of the command."""
        more = self.more_help(self.argv) if self.more_help is not None else ""
        return super().format_help() + (f"\n{more}\n" if more else "")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print the help, in color on a terminal."""
        write_help(message, file or sys.stdout)

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, hint=f"{self.prog} --help")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Raise UsageError if an argument has a value that is not allowed. The hint names the most similar allowed
        value."""
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        near = nearest(str(value), choices)
        if action.option_strings:
            option = action.option_strings[-1]
            message = f"unknown value {value!r}; known values are {', '.join(choices)}"
            raise UsageError(message, path=option, hint=f"{option} {near or choices[0]}")
        message = f"unknown word {value!r}; {self.prog} is followed by one of {', '.join(choices)}"
        raise UsageError(message, hint=f"{self.prog} {near or '--help'}")


def make_parser(verb: str, module: ModuleType, argv: Sequence[str] = ()) -> Parser:
    """Make the parser of a verb. The verb's module adds its arguments to the parser.

    If the module has a function `more_help`, the text that it returns for the words of the command follows the help.
    """
    parser = Parser(prog=f"radfield {verb}", description=module.HELP)
    module.configure(parser)
    _extend_help(parser, getattr(module, "more_help", None), argv)
    return parser


def _extend_help(
    parser: argparse.ArgumentParser, more: Callable[[Sequence[str]], str] | None, argv: Sequence[str]
) -> None:
    """Make a parser and the parsers of its subcommands print more after their help."""
    if isinstance(parser, Parser):
        parser.more_help, parser.argv = more, argv
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for child in action.choices.values():
                _extend_help(child, more, argv)


def parse(verb: str, module: ModuleType, argv: Sequence[str]) -> argparse.Namespace | None:
    """Parse the arguments of a verb.

    Words of the form `key=value` may stand anywhere among the options. With plain argparse, they would have to be
    adjacent.

    Returns:
        The arguments. If the user gives --help, the help is printed and None is returned.

    Raises:
        UsageError: some words are unknown. The error names each unknown word, and the command that was meant.
    """
    argv = _with_negative_numbers(argv)
    parser = make_parser(verb, module, argv)
    try:
        args, rest = parser.parse_known_args(argv)
    except SystemExit:  # argparse's own --help
        return None
    except UsageError as error:
        raise _explained(parser, argv) or error from None
    if hasattr(args, "overrides"):
        args.overrides = [*args.overrides, *(word for word in rest if not word.startswith("-"))]
        rest = [word for word in (*rest, *args.overrides) if word.startswith("-") or "=" not in word]
    if rest:
        hint = f"{parser.prog} --help"
        raise _explained(parser, argv) or UsageError(
            problems=[Problem("", f"unknown argument {word!r}", hint) for word in rest]
        )
    args.command = (parser.prog, *argv)
    return args


def _with_negative_numbers(argv: Sequence[str]) -> list[str]:
    """Join each option with its value if the value is a list of numbers that begins with a minus sign.

    Otherwise, argparse would take the value for another option.

    Example:
        >>> _with_negative_numbers(["--crop", "-1,0,1,1"])
        ['--crop=-1,0,1,1']
    """
    words: list[str] = []
    for word in argv:
        if words and re.fullmatch(r"--[\w-]+", words[-1]) and re.fullmatch(r"-[\d.][\d.eE+-]*(,.*)", word):
            words[-1] += f"={word}"
        else:
            words.append(word)
    return words


def _explained(parser: argparse.ArgumentParser, argv: Sequence[str]) -> UsageError | None:
    from radfield_core.cli.meant import explained  # discovers the plugins, which only a mistake needs

    return explained(parser, argv)
