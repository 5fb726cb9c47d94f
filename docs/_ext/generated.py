"""Reference pages made from the code before each build, so that they cannot drift from it."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from pages import Row, table, write
from sphinx.application import Sphinx

from radfield_core.cli.main import VERBS
from radfield_core.cli.parser import make_parser
from radfield_core.config.reference import option_rows
from radfield_core.config.run import RunConfig
from radfield_core.config.structure import options_of
from radfield_core.plugins.registry import get_registry


def code(text: str) -> str:
    """Text in backticks, or nothing."""
    return f"`{text}`" if text else ""


def command_line() -> str:
    """Every verb with its help as the program prints it."""
    pages = ["# Command line\n", table(("verb", ""), [(code(verb), text) for verb, text in VERBS.items()])]
    for verb in VERBS:
        parser = make_parser(verb, import_module(f"radfield_core.cli.{verb}"))
        pages += [f"## radfield {verb}\n", f"```text\n{_help(parser)}```\n"]
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for name, child in action.choices.items():
                    pages += [f"### radfield {verb} {name}\n", f"```text\n{_help(child)}```\n"]
    return "\n".join(pages)


def _help(parser: argparse.ArgumentParser) -> str:
    parser.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=100)
    return parser.format_help()


def options() -> str:
    """Options of a run and of every installed first-party part."""
    header = ("option", "takes", "default", "")
    pages = ["# Options\n", "## The run\n", _rows(header, RunConfig)]
    for component in get_registry().components:
        pages.append(f"## {component.key}\n\n{component.summary}. From `{component.distribution}`.\n")
        rows = _rows(header, options_of(component))
        pages.append(rows if rows else "No options.\n")
    return "\n".join(pages)


def _rows(header: Row, config: object) -> str:
    rows = [(code(row.path), row.kind, code(row.default), row.help) for row in option_rows(config)]
    return table(header, rows) if rows else ""


def parts() -> str:
    """A table of the installed parts, with what each provides and requires."""
    rows = [
        (code(c.key), c.summary, ", ".join(sorted(c.provides)), "; ".join(_needs(c.requires)), code(c.distribution))
        for c in get_registry().components
    ]
    words = "What the words mean: [capabilities](../authors/capabilities.md).\n"
    return "\n".join(
        ["# Parts and what fits\n", words, table(("part", "", "provides", "requires", "distribution"), rows)]
    )


def _needs(requires: object) -> list[str]:
    return [f"{slot}: {', '.join(sorted(words))}" for slot, words in sorted(dict(requires).items())]  # type: ignore[call-overload]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    pages = {"cli": command_line, "options": options, "parts": parts}
    app.connect("builder-inited", lambda app: write(Path(app.srcdir) / "reference", pages))
    return {"parallel_read_safe": True}
