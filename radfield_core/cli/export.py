"""`radfield export`: a mesh or a point cloud of a run, in the data's own coordinates."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace
from pathlib import Path

HELP = "Write a run's surface as a mesh or a point cloud, in the data's own coordinates, with a sidecar that says so."


def configure(parser: ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("path", metavar="RUN", help="a run folder or one of its checkpoints")
    parser.add_argument("--exporter", metavar="NAME", default="mesh", help="what to write (default: mesh)")
    parser.add_argument(
        "--format", help="file format, such as ply, obj, glb, stl, if not by the ending of --out; short for format=…"
    )
    parser.add_argument("--resolution", type=int, help="cells along the longest side; short for resolution=…")
    parser.add_argument("--out", metavar="FILE", help="file or folder to write to; by default exports/ in the run")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N; by default the run's own")
    parser.add_argument(
        "overrides", metavar="key=value", nargs="*", default=[],
        help="an option of the exporter (`radfield config options exporter:mesh`)",
    )  # fmt: skip


def run(args: Namespace) -> int:
    """Export; exit code 0, or 4 if there is no surface."""
    from radfield_core.runtime.threads import set_policy

    set_policy()
    from radfield_core.config.layers import compose_part
    from radfield_core.plugins.registry import get_registry

    words = list(args.overrides)
    words += [f"{key}={value}" for key in ("format", "resolution") if (value := getattr(args, key)) is not None]
    choice = compose_part(get_registry(), "exporter", args.exporter, words)
    from radfield_core.runs.exporting import export
    from radfield_core.runs.trained import open_run

    out = Path(args.out) if args.out else None
    if out is not None and args.out.endswith(os.sep):  # a folder, also before it is there
        out /= choice.component.name
    for path in export(open_run(Path(args.path), args.device), choice, out):
        print(path)
    return 0
