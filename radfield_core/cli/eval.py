"""`radfield eval`: a run's images against those of a split (results.json), or its geometry against a reference."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

HELP = (
    "Render every view of a split, compare it with its image, and write results.json into the run, "
    "or results-SPLIT.json for another split than test; "
    "or measure something else, such as the distance of its surface from a reference."
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("path", metavar="RUN", help="a run folder or one of its checkpoints")
    parser.add_argument("--split", default="test", help="the split to evaluate (default: test)")
    parser.add_argument("--metric", metavar="NAME", help="measure this instead, such as chamfer or point-to-mesh")
    parser.add_argument(
        "--reference", metavar="FILE", default="auto", help="what --metric compares with (default: what the data know)"
    )
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N; by default the run's own")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but the result")
    parser.add_argument(
        "overrides", metavar="key=value", nargs="*", default=[],
        help="an option of the metric (`radfield config options metric:chamfer`)",
    )  # fmt: skip


def run(args: Namespace) -> int:
    """Evaluate; exit code 0."""
    from radfield_core.runtime.threads import set_policy

    set_policy()
    from radfield_core.config.layers import compose_part
    from radfield_core.errors import UsageError
    from radfield_core.plugins.registry import get_registry

    if args.metric is None and (args.overrides or args.reference != "auto"):
        raise UsageError("--reference and key=value belong to --metric", hint="--metric chamfer")
    metric = compose_part(get_registry(), "metric", args.metric, args.overrides) if args.metric else None
    from radfield_core.runs.reports import evaluate_split, measure
    from radfield_core.runs.trained import open_run

    trained = open_run(Path(args.path), args.device)
    if metric is None:
        evaluate_split(trained, args.split, quiet=args.quiet)
    else:
        measure(trained, metric, args.split, None if args.reference == "auto" else Path(args.reference))
    return 0
