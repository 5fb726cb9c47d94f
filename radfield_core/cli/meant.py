"""Suggest a corrected command for a command line with unknown words.

The corrected command is only shown. It is never run, because the user may have meant something else.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from radfield_core.errors import Problem, RadfieldError, UsageError
from radfield_core.names import nearest, plural, quoted
from radfield_core.plugins.registry import Registry, get_registry

KINDS = {"--method": "method", "--exporter": "exporter", "--metric": "metric"}
"""Option of a verb -> the kind of part that its value names."""

ELSEWHERE = {
    "--case": "--data", "--checkpoint": "--resume", "--ckpt": "--resume", "--conf": "--config", "--datadir": "--data",
    "--dataset": "--data", "--input": "--data", "--load-dir": "--resume", "--load_snapshot": "--resume",
    "--model": "--method", "--model-path": "--out", "--output": "--out", "--output-dir": "--out",
    "--preset": "--method",
    "--scene": "--data", "--source-path": "--data", "--source_path": "--data", "--model_path": "--out", "-s": "--data",
    "-m": "--method", "-o": "--out", "-d": "--data", "--output-path": "--out", "--type": "--format",
}  # fmt: skip
"""Option of another program -> radfield's option with the same meaning."""

SPLITS = ("train", "val", "test")


class Found(NamedTuple):
    """An unknown word, and the words that the user probably meant.

    Attributes:
        message: text that says that the word is unknown.
        words: the words to type instead; empty if nothing is similar.
        hint: hint for the user if `words` is empty.
    """

    message: str
    words: list[str]
    hint: str = ""


def explained(parser: argparse.ArgumentParser, argv: Sequence[str]) -> UsageError | None:
    """Return the error that reports every unknown word of a command line, or None if every word is known.

    If each unknown word has a clear correction, the hint is the complete corrected command.

    Args:
        parser: parser of the verb.
        argv: the words after the verb.
    """
    reader = _Reader(parser, get_registry())
    found = list(reader.read(argv))
    unknown = [each for each in found if each.message]
    if not unknown:
        return None
    if all(each.words for each in unknown):
        command = command_line(parser.prog, [word for each in found for word in each.words])
        problems = [Problem("", each.message, command if each is unknown[-1] else "") for each in unknown]
    else:
        instead = [f"Write {' '.join(map(quoted, each.words))}" if each.words else each.hint for each in unknown]
        problems = [Problem("", each.message, hint) for each, hint in zip(unknown, instead, strict=True)]
    return UsageError(problems=problems)


def command_line(prog: str, words: Sequence[str]) -> str:
    """Return a command in the form in which it is typed into a shell, with options before `key=value` words.

    Example:
        >>> command_line("radfield train", ["trainer.seed=3", "--data", "my scene"])
        "radfield train --data 'my scene' trainer.seed=3"
    """
    last = [word for word in words if not word.startswith("-") and "=" in word and not Path(word).exists()]
    first = [word for word in words if word not in last]
    return " ".join([prog, *map(quoted, [*first, *last])])


def verb_meant(argv: Sequence[str], verbs: Sequence[str], parser_of: Callable[[str], argparse.ArgumentParser]) -> str:
    """Return the command that was meant by words that do not begin with a verb.

    Args:
        argv: the words.
        verbs: the names of all verbs.
        parser_of: returns the parser of a verb. It is called only if no verb has a similar name.
    """
    near = nearest(argv[0], verbs)
    if near:
        return command_line(f"radfield {near}", argv[1:])
    verb = next((word for word in argv if word in verbs), None)
    if verb is not None:  # an option stands before the verb
        at = argv.index(verb)
        return command_line(f"radfield {verb}", [*argv[:at], *argv[at + 1 :]])
    if argv[0].startswith("-"):
        return command_line("radfield train", argv)
    parsers = {verb: parser_of(verb) for verb in verbs}
    for verb, parser in parsers.items():
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction) and argv[0] in action.choices:
                return command_line(f"radfield {verb}", argv)
    error = explained(parsers["train"], argv) if "train" in parsers else None
    hint = error.problems[-1].hint if error else ""
    return hint if hint.startswith("radfield train ") and not hint.endswith("--help") else "radfield --help"


def with_command(error: RadfieldError, prog: str, argv: Sequence[str], method: str | None) -> RadfieldError:
    """Return an error about an unknown method. If the correct name is clear, the hint is the complete corrected
    command."""
    near = get_registry().meant("method", method) if method else ""
    if not near or not any(problem.path == "method" for problem in error.problems):
        return error
    words = [word if word != method else near for word in argv]
    words = [f"--method={near}" if word == f"--method={method}" else word for word in words]
    command = command_line(prog, words)
    return type(error)(
        problems=[each._replace(hint=command) if each.path == "method" else each for each in error.problems]
    )


class _Reader:
    """Reads a command line word by word, as argparse does, but continues after unknown words."""

    def __init__(self, parser: argparse.ArgumentParser, registry: Registry):
        self.prog, self.registry = parser.prog, registry
        self._enter(parser)
        self.method: str | None = None

    def _enter(self, parser: argparse.ArgumentParser) -> None:
        self.prog = parser.prog
        self.options = {name: action for action in parser._actions for name in action.option_strings}
        self.positionals = [action for action in parser._actions if not action.option_strings]
        self.takes_overrides = any(action.dest == "overrides" for action in self.positionals)
        self.positionals = [action for action in self.positionals if action.dest != "overrides"]

    def read(self, argv: Sequence[str]) -> Iterator[Found]:
        """Yield every word, and every option with its value. An unknown one is yielded with its correction."""
        self.method = next((value for name, value in pairwise(argv) if name in ("--method", "--model")), None)
        rest = list(argv)
        while rest:
            word = rest.pop(0)
            name, equals, value = word.partition("=")
            if word.startswith("-") and len(word) > 1 and not _is_number(word):
                if name in self.options:
                    takes = self.options[name].nargs != 0 and not equals and bool(rest)
                    yield Found("", [word, rest.pop(0)] if takes else [word])
                    continue
                if not equals and rest and not rest[0].startswith("--") and "=" not in rest[0]:
                    value = rest.pop(0)
                yield self._option(name, value)
            else:
                yield self._word(word)

    def _word(self, word: str) -> Found:
        """Return the probable meaning of a word that is neither an option nor the value of an option."""
        action = self.positionals[0] if self.positionals else None
        if action is not None:
            if isinstance(action, argparse._SubParsersAction) and word in action.choices:
                self._enter(action.choices[word])
            elif action.nargs not in ("*", "+"):
                self.positionals.pop(0)
            return Found("", [word])
        if "=" in word and self.takes_overrides:
            return Found("", [word])
        meant = self._bare(word)
        help = f"{self.prog} --help"
        hint = f"Write it as key=value, or see {help}" if self.takes_overrides else help
        return Found(f"unknown argument {word!r}", meant, hint)

    def _bare(self, word: str) -> list[str]:
        """Find an option for which a bare word is a suitable value. Return [option, word], or [] if there is no such
        option."""
        path = Path(word)
        for option, kind in KINDS.items():
            if option in self.options and (self.registry.candidates(kind, word) or self._alias(kind, word)):
                return [option, self._alias(kind, word) or word]
        for option, action in self.options.items():
            if action.choices is not None and word in action.choices:
                return [option, word]
        if "--resume" in self.options and (path / "config.toml").is_file():
            return ["--resume", word]
        if "--config" in self.options and path.suffix == ".toml":
            return ["--config", word]
        if "--split" in self.options and word in SPLITS:
            return ["--split", word]
        if "--views" in self.options and word.replace(",", "").isdecimal():
            return ["--views", word]
        if "--data" in self.options and (path.exists() or os.sep in word or self._reads_no_files(word)):
            return ["--data", word]
        if "--out" in self.options and (path.suffix or os.sep in word):
            return ["--out", word]
        for option, kind in KINDS.items():
            if option in self.options and (near := self.registry.meant(kind, word)):
                return [option, near]
        return []

    def _alias(self, kind: str, word: str) -> str:
        """Return radfield's name of a part that other programs call `word`, or "" if there is none."""
        aliases = [part.aliases for part in self.registry.of_kind(kind)]
        return next((each[word.lower()] for each in aliases if word.lower() in each), "")

    def _reads_no_files(self, word: str) -> bool:
        from radfield_core.config.sniff import reads_no_files

        return reads_no_files(self.registry, word)

    def _option(self, name: str, value: str) -> Found:
        """Return the probable meaning of an unknown option: another option of the verb, or a `key=value` word."""
        message = f"unknown option {name!r}"
        same = ELSEWHERE.get(name, "")
        if same in self.options:
            return Found(message, self._with_value(same, value))
        paths = self._paths(name)
        near = self._similar(name)
        if near and not self._is_exact(name, paths):
            return Found(message, self._with_value(near, value))
        written = [f"{path}={value or 'true'}" for path in paths]
        if len(paths) == 1:
            return Found(message, written)
        if written and len(paths) <= 4:
            return Found(f"{message}; it can mean {plural(len(paths), 'option')}", [], "Write " + " or ".join(written))
        return Found(message, [], f"{self.prog} --help")

    def _similar(self, name: str) -> str:
        """Return the option with the most similar name, or "" if none is similar. Hyphens at the start do not count."""
        names = {option.lstrip("-"): option for option in self.options}
        return names.get(nearest(name.lstrip("-"), names), "")

    def _with_value(self, option: str, value: str) -> list[str]:
        flag = self.options[option].nargs == 0
        if not flag and option in KINDS and value:
            value = self._alias(KINDS[option], value) or value
        return [option] if flag or not value else [option, value]

    def _paths(self, name: str) -> list[str]:
        """Return the paths of all options that an unknown option of the command line may refer to."""
        from radfield_core.config.option_names import meant_paths
        from radfield_core.config.option_paths import part_paths, run_paths

        if not self.takes_overrides:
            return []
        kind = next((kind for option, kind in KINDS.items() if option in self.options), "method")
        paths = run_paths(self.registry, self.method) if kind == "method" else part_paths(self.registry, kind)
        if "--method" not in self.options and kind == "method":  # `radfield data` reads data and nothing else
            paths = [path for path in paths if path.startswith("data.")]
        return meant_paths(name.lstrip("-"), paths)

    @staticmethod
    def _is_exact(name: str, paths: Sequence[str]) -> bool:
        """True if the paths found for an option's name end with that name. Hyphens count as underscores."""
        return any(path.endswith(name.lstrip("-").replace("-", "_")) for path in paths)


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
