"""`radfield eval`: a run's images against those of a split (results.json), or its geometry against a reference."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from radfield_core.names import plural

if TYPE_CHECKING:
    from radfield_core.runs.trained import Trained

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
    from radfield_core.runs.reports import measure, value_lines, write_results
    from radfield_core.runs.trained import open_run

    trained = open_run(Path(args.path), args.device)
    if metric is None:
        print_evaluation(trained, args.split, quiet=args.quiet)
        return 0
    found = measure(trained, metric, args.split, None if args.reference == "auto" else Path(args.reference))
    values = {name: value for name, value in found.items() if name not in ("metric", "step", "reference")}
    print("\n".join(value_lines(values)))
    path = trained.folder.path / f"{found['metric']}.json"
    write_results(found, path)
    print(path)
    return 0


def print_evaluation(trained: Trained, split: str, *, quiet: bool) -> None:
    """Evaluate a split, print its metrics, and only then write them, so that a full disk loses no result."""
    from radfield_core.render.image_metrics import format_metrics
    from radfield_core.runs.reports import evaluate_split, group_table, results_path, write_results

    results = evaluate_split(trained, split, quiet=quiet)
    for line in group_table(results.get("groups", {}), results["metrics"]):
        print(line)
    views = plural(len(results["per_image"]), "view")
    print(f"{split}, {views}, step {trained.step}: {format_metrics(results['metrics'])}")
    path = results_path(trained, split)
    write_results(results, path)
    print(path)
