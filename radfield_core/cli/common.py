"""Arguments that several verbs share."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from radfield_core.config.layers import Composed
    from radfield_core.train.session import Outcome


def add_run_arguments(parser: ArgumentParser) -> None:
    """What defines a run: --method, --data, -c and key=value; and --quiet."""
    parser.add_argument("--method", metavar="NAME", help="a method or one of its presets; without one, all are listed")
    parser.add_argument("--data", metavar="PATH", help="the data set; its format is recognized by looking")
    parser.add_argument("-c", "--config", metavar="FILE", help="a TOML file of options")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors and results")
    parser.add_argument(
        "overrides", metavar="key=value", nargs="*", default=[],
        help="one option, such as trainer.max_steps=2000 or field.encoding=hash; stronger than the file",
    )  # fmt: skip


def compose_from(args: Namespace, *, needs_data: bool = True) -> Composed:
    """The run that the arguments of `add_run_arguments` define, its parts known to fit.

    Says on stderr what was decided for the user, unless told to be quiet.

    Raises UsageError, PluginError or DatasetError with every mistake.
    """
    import sys

    from radfield_core.config.fit import check
    from radfield_core.config.layers import compose
    from radfield_core.plugins.registry import get_registry

    registry = get_registry()
    composed = compose(
        registry, method=args.method, data=args.data, file=args.config, overrides=args.overrides,
        needs_data=needs_data,
    )  # fmt: skip
    check(composed.run, registry)
    if not args.quiet:
        for remark in composed.remarks:
            print(remark, file=sys.stderr)
    return composed


def print_resume_command(outcome: Outcome) -> None:
    """Print how to resume a run that a signal ended."""
    from radfield_core.names import quoted

    command = f"radfield train --resume {quoted(outcome.folder)}"
    print(f"{outcome.reason}: saved after step {outcome.step}; to resume: {command}")
