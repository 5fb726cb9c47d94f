"""`radfield eval`: metrics of a run on a split, by the NerfBaselines protocol, into results.json."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

HELP = "Render every view of a split, compare it with its image, and write results.json into the run."


def configure(parser: ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("path", metavar="RUN", help="a run folder or one of its checkpoints")
    parser.add_argument("--split", default="test", help="the split to evaluate (default: test)")
    parser.add_argument("--device", help="auto, cpu, cuda or cuda:N; by default the run's own")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but the result")


def run(args: Namespace) -> int:
    """Evaluate; exit code 0."""
    from radfield_core.threads import set_policy

    set_policy()
    from radfield_core.assembly import open_run
    from radfield_core.reports import evaluate_split

    trained = open_run(Path(args.path), args.device)
    evaluate_split(trained, args.split, quiet=args.quiet)
    return 0
