"""`radfield config`: the options of a run as they compose, where they came from, and which there are."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

from radfield_core.cli.common import add_run_arguments, compose_from

HELP = "Show the options of a run, check a file of them, or list the options that there are."


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="show|validate|options", required=True)
    show = actions.add_parser("show", help="every option as TOML that composes to itself")
    add_run_arguments(show)
    show.add_argument("--origin", action="store_true", help="say of each option where its value came from")
    validate = actions.add_parser("validate", help="check a file: options, ranges, and whether the parts fit")
    validate.add_argument("file", metavar="FILE", help="a TOML file of options")
    options = actions.add_parser("options", help="the options of a part, or those of every run")
    options.add_argument(
        "part", metavar="KIND:NAME", nargs="?", help="such as encoding:hash or method:ngp-small; default: a run"
    )


def run(args: Namespace) -> int:
    """Run the verb and return its exit code."""
    if args.action == "show":
        return _show(args)
    return _validate(args.file) if args.action == "validate" else _options(args.part)


def _show(args: Namespace) -> int:
    from radfield_core.config.files import dump, dump_lines

    composed = compose_from(args, needs_data=False)
    if not args.origin:
        print(dump(composed.run), end="")
        return 0
    rows = [(path, value, composed.origins.get(path, "")) for path, value in dump_lines(composed.run)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for path, value, origin in rows:
        print(f"{path:<{widths[0]}} = {value:<{widths[1]}}  # {origin}")
    return 0


def _validate(file: str) -> int:
    from radfield_core.config.fit import check
    from radfield_core.config.layers import compose
    from radfield_core.plugins.registry import get_registry

    registry = get_registry()
    composed = compose(registry, file=file, needs_data=False)
    check(composed.run, registry)
    data = "" if composed.run.data is not None else "; it leaves the data to --data"
    print(f"{file}: fine, method {composed.run.method.name}{data}")
    return 0


def _options(part: str | None) -> int:
    from radfield_core.config.files import read_preset
    from radfield_core.config.reference import option_rows
    from radfield_core.config.run import RunConfig
    from radfield_core.config.structure import options_of
    from radfield_core.errors import UsageError
    from radfield_core.plugin import KINDS
    from radfield_core.plugins.registry import get_registry

    preset: Any = {}
    if part is None:
        options, title = RunConfig, "every run"
    else:
        kind, _, name = part.partition(":")
        if kind not in KINDS or not name:
            meant = [f"{each}:{part}" for each in KINDS if get_registry().candidates(each, part)]
            hint = " or ".join(meant) or f"one of {', '.join(KINDS)}, as in encoding:hash"
            raise UsageError(f"{part!r} is not KIND:NAME", hint=hint)
        component = get_registry().find(kind, name)
        options, title = options_of(component), f"{component.key} ({component.distribution}): {component.summary}"
        bare = name.rpartition(":")[2]
        if bare in component.preset:
            preset = read_preset(component, bare).get("method", {})
            title += f"\nvalues are those of preset {bare}; all that it sets: radfield config show --method {name}"
    print(title)
    for row in option_rows(options, preset=preset if isinstance(preset, dict) else {}):
        print(f"\n{row.path} = {row.default}" if row.default else f"\n{row.path}, must be given")
        print(f"    {row.kind}\n    {row.help}")
    return 0
