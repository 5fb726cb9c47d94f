"""`radfield export`: writes files from a trained run, such as its surface as a mesh or a point cloud."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from radfield_core.cli.common import add_trained_run, check_part_of_run, check_run, place_of_data
from radfield_core.cli.say import say

if TYPE_CHECKING:
    from radfield_core.config.slots import Choice

HELP = """Write files from a trained run, such as its surface as a mesh or a point cloud, in the coordinates of the data
set. A JSON file with each export states the unit, the upward axis and the transform from scene coordinates to these
coordinates. A file of the same name, or an earlier export to the same folder, is replaced when the new one is
complete."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    add_trained_run(parser)
    parser.add_argument("--exporter", metavar="NAME", default="mesh", help="name of the exporter (default: mesh)")
    parser.add_argument(
        "--format",
        help="file format, such as ply, obj, glb or stl; the same as format=... (default: the suffix of --out)",
    )
    parser.add_argument(
        "--resolution",
        metavar="CELLS",
        type=int,
        help="number of grid cells along the longest side; the same as resolution=...",
    )
    parser.add_argument(
        "--out", metavar="PATH", help="file or folder to write to (default: exports/NAME in the run folder)"
    )
    parser.add_argument(
        "overrides",
        metavar="key=value",
        nargs="*",
        default=[],
        help="set an option of the exporter; `radfield export --exporter NAME --help` lists them",
    )


def more_help(argv: Sequence[str]) -> str:
    """Return text that lists the options of the exporter that a command names."""
    from radfield_core.cli.options_help import chosen_name, options_of_part

    return options_of_part("exporter", chosen_name(argv, "--exporter", "mesh"))


def run(args: Namespace) -> int:
    """Export the run and return exit code 0. Raises NoSurface if the run has no surface."""
    from radfield_core.config.layers import compose_part
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.plugins.registry import get_registry
    from radfield_core.runs.export_target import check_target

    mistakes = Mistakes()
    words = list(args.overrides)
    words += [f"{key}={value}" for key in ("format", "resolution") if (value := getattr(args, key)) is not None]
    folder = choice = None
    with mistakes.collect():
        folder = check_run(args)
    with mistakes.collect():
        choice = compose_part(get_registry(), "exporter", args.exporter, words)
    if folder is not None and choice is not None:
        with mistakes.collect():
            check_target(choice, _target(choice, args))
    mistakes.finish()
    assert folder is not None and choice is not None
    check_part_of_run(choice, args)
    from radfield_core.runtime.threads import set_policy

    set_policy()
    from radfield_core.runs.exporting import export
    from radfield_core.runs.trained import open_run

    out = None if args.out is None else _target(choice, args)
    files = export(open_run(Path(args.path), args.device, place_of_data(args)), choice, out)
    _say_files(choice, files)
    return 0


def _target(choice: Choice, args: Namespace) -> Path:
    """Return the file or folder to which the exporter writes."""
    from radfield_core.runs.export_target import target_of
    from radfield_core.runs.folder import find_run
    from radfield_core.runs.stored_results import place_for

    if args.out is None:
        folder, checkpoint = find_run(Path(args.path))
        return target_of(choice, place_for(folder, checkpoint, "exports") / choice.component.name)
    return target_of(choice, Path(args.out), inside=args.out.endswith(os.sep))


def _say_files(choice: Choice, files: Sequence[Path]) -> None:
    """Print the exported files, or the folder that holds them."""
    from radfield_core.names import plural
    from radfield_core.runs.export_target import output_of

    if output_of(choice).is_folder:
        say(f"{files[-1].parent} ({plural(len(files), 'file')})")
        return
    for path in files:
        say(path)
