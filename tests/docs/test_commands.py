"""Commands in the documentation are commands of the program: verbs, options, presets and parts that exist."""

from __future__ import annotations

import argparse
import shlex
from importlib import import_module

import attrs
import pytest
from markdown import DOCS, ROOT, commands

from radfield_core.cli.main import VERBS
from radfield_core.cli.parser import parse
from radfield_core.config.layers import compose, compose_part
from radfield_core.config.structure import options_of
from radfield_core.plugins.registry import get_registry

EXECUTED = [DOCS / "authors" / "tutorial.md", DOCS / "python.md"]
"""Pages whose code is run as a whole by another test."""

BUILT = ("reference", "_build")
PAGES = [page for page in DOCS.rglob("*.md") if page not in EXECUTED and not set(page.parts) & {*BUILT}]
FOUND = sorted(
    {
        (page.relative_to(ROOT).as_posix(), command)
        for page in (*PAGES, ROOT / "README.md")
        for command in commands(page)
        if "acme" not in command  # parts that the tutorial builds
    }
)


@pytest.mark.parametrize(("page", "command"), FOUND, ids=[f"{page}: {command}" for page, command in FOUND])
def test_a_command_is_understood(page: str, command: str) -> None:
    _, verb, *words = shlex.split(command)
    assert verb in VERBS
    bare = all(word.isalpha() and word.islower() for word in words)  # a verb that a sentence mentions
    args = parse(verb, import_module(f"radfield_core.cli.{verb}"), [*words, "--help"] if bare else words)
    if args is not None:
        _options_exist(verb, args)


def _options_exist(verb: str, args: argparse.Namespace) -> None:
    """Compose what the command's options say, without the data, which is the reader's own."""
    registry = get_registry()
    given = getattr(args, "overrides", [])
    options = [option for option in given if not option.startswith("data.")]
    readers = {each.name for part in registry.of_kind("dataparser") for each in attrs.fields(options_of(part))}
    assert {option.partition("=")[0].removeprefix("data.") for option in given if option not in options} <= readers
    if getattr(args, "method", None):
        compose(registry, method=args.method, overrides=options, needs_data=False)
    if verb == "eval" and args.metric:
        compose_part(registry, "metric", args.metric, options)
    if verb == "export":
        compose_part(registry, "exporter", args.exporter, options)
    if verb == "config" and args.action == "options" and getattr(args, "name", None):
        kind, _, name = args.name.partition(":")
        assert name in registry.names(kind) or registry.candidates(kind, name)
