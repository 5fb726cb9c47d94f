"""`radfield export`: writes the surface of a run as a mesh or a point cloud."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from radfield_core.cli.common import add_trained_run, check_part_of_run, check_run, place_of_data
from radfield_core.cli.say import say

if TYPE_CHECKING:
    from radfield_core.runs.folder import RunFolder

HELP = """Write the surface of a run as a mesh or a point cloud in the coordinates of the data set. A JSON file next to
it states the unit, the upward axis and the transform from scene coordinates to these coordinates."""


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
        "--out", metavar="PATH", help="file or folder to write to (default: exports/ in the run folder)"
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
    """Export the surface and return exit code 0. Raises NoSurface if the run has no surface."""
    from radfield_core.config.layers import compose_part
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.plugins.registry import get_registry

    mistakes = Mistakes()
    with mistakes.collect():
        _check_place(check_run(args), args.out)
    words = list(args.overrides)
    words += [f"{key}={value}" for key in ("format", "resolution") if (value := getattr(args, key)) is not None]
    with mistakes.collect():
        choice = compose_part(get_registry(), "exporter", args.exporter, words)
    mistakes.finish()
    check_part_of_run(choice, args)
    from radfield_core.runtime.threads import set_policy

    set_policy()
    from radfield_core.runs.exporting import export
    from radfield_core.runs.trained import open_run

    out = Path(args.out) if args.out else None
    if out is not None and args.out.endswith(os.sep):  # the user means a folder, even if it does not exist yet
        out /= choice.component.name
    for path in export(open_run(Path(args.path), args.device, place_of_data(args)), choice, out):
        say(path)
    return 0


def _check_place(run: RunFolder, out: str | None) -> None:
    """Raise StorageError if nothing can be written to the path given by --out or, without --out, to its default."""
    from radfield_core.files.output import check_file, check_folder

    if out is None or out.endswith(os.sep) or Path(out).is_dir():
        check_folder(run.path / "exports" if out is None else Path(out))
    else:
        check_file(Path(out))
