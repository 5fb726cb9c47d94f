"""`radfield config`: shows the options of a run and where each value comes from, and lists the options that exist."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from radfield_core.cli.common import add_run_arguments, compose_from
from radfield_core.cli.say import say

if TYPE_CHECKING:
    from radfield_core.config.run import RunConfig

HELP = "Show the options of a run, check a file that sets options, or list the options of a part."


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="show|validate|options", required=True)
    show = actions.add_parser(
        "show", help="print all options of a run as a TOML file that can be used to repeat the run"
    )
    add_run_arguments(show)
    show.add_argument("--origin", action="store_true", help="print where the value of each option comes from")
    show.add_argument(
        "--rates",
        action="store_true",
        help="print the learning rates and weight decay of each group of parameters instead; this builds the model",
    )
    validate = actions.add_parser(
        "validate",
        help="check that all options in a file exist, that their values are valid and that the parts fit together",
    )
    validate.add_argument("file", metavar="FILE", help="a TOML file that sets options of a run")
    options = actions.add_parser("options", help="list the options of a part, or the options that every run has")
    options.add_argument(
        "part",
        metavar="KIND:NAME",
        nargs="?",
        help="the part, such as encoding:hash or method:ngp-small (default: the options that every run has)",
    )


def run(args: Namespace) -> int:
    """Run the chosen action and return exit code 0."""
    if args.action == "show":
        return _show(args)
    return _validate(args.file) if args.action == "validate" else _options(args.part)


def _show(args: Namespace) -> int:
    from radfield_core.config.files import dump, dump_lines

    composed = compose_from(args, needs_data=False)
    if args.rates:
        return _rates(composed.run)
    if not args.origin:
        print(dump(composed.run), end="")
        return 0
    rows = [(path, value, composed.origins.get(path, "")) for path, value in dump_lines(composed.run)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for path, value, origin in rows:
        print(f"{path:<{widths[0]}} = {value:<{widths[1]}}  # {origin}")
    return 0


def _rates(run: RunConfig) -> int:
    from radfield_core.cli.runs import table
    from radfield_core.config.fit import check
    from radfield_core.plugins.registry import get_registry
    from radfield_core.train.planned_rates import planned_rates

    check(run, get_registry())
    half = run.trainer.max_steps // 2 + 1
    rows: list[tuple[str, ...]] = [
        ("group", "numbers", "weight decay", "lr in step 1", f"in step {half}", f"in step {run.trainer.max_steps}")
    ]
    for group in planned_rates(run):
        rates = [f"{rate:.3g}" for rate in group.rates]
        rows.append((group.name, f"{group.size:,}", f"{group.weight_decay:g}", *rates))
    for line in table(rows):
        print(line)
    return 0


def _validate(file: str) -> int:
    from radfield_core.config.fit import check
    from radfield_core.config.layers import compose
    from radfield_core.plugins.registry import get_registry

    registry = get_registry()
    composed = compose(registry, file=file, needs_data=False)
    check(composed.run, registry)
    data = "" if composed.run.data is not None else "; it sets no data set, so training needs --data"
    say(f"{file}: valid, method {composed.run.method.name}{data}")
    return 0


def _options(part: str | None) -> int:
    from radfield_core.config.reference import option_rows
    from radfield_core.config.run import RunConfig

    options, title, preset = (RunConfig, "every run", {}) if part is None else _part_options(part)
    print(title)
    for row in option_rows(options, preset=preset):
        print(f"\n{row.path} = {row.default}" if row.default else f"\n{row.path}, required")
        print(f"    {row.kind}\n    {row.help}")
    return 0


def _part_options(part: str) -> tuple[Any, str, dict[str, Any]]:
    """Return three values that describe the options of a part "kind:name".

    They are the class of its options, a title for the list of the options, and the table of values that a preset sets.
    The table is empty if the name is not that of a preset.
    """
    from radfield_core.config.files import read_preset
    from radfield_core.config.structure import options_of
    from radfield_core.errors import UsageError
    from radfield_core.plugin import KINDS
    from radfield_core.plugins.registry import get_registry

    registry = get_registry()
    kind, _, name = part.partition(":")
    if kind not in KINDS or not name:
        found = [f"{each}:{part}" for each in KINDS if registry.candidates(each, part)]
        example = found[0] if found else "encoding:hash"
        raise UsageError(
            f"{part!r} does not have the form KIND:NAME; the kinds are {', '.join(KINDS)}",
            hint=f"radfield config options {example}",
        )
    component = registry.find(kind, name)
    title = f"{component.key} ({component.distribution}): {component.summary}"
    bare = name.rpartition(":")[2]
    if bare not in component.preset:
        return options_of(component), title, {}
    preset = read_preset(component, bare).get("method", {})
    title += f"\nThe values are those of preset {bare}. To see everything it sets: radfield config show --method {name}"
    return options_of(component), title, preset if isinstance(preset, dict) else {}
