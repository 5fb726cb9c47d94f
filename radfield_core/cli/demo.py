"""`radfield demo`: trains on the synthetic scene, evaluates, renders, and says where the pictures are."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from radfield_core.errors import UsageError

HELP = "Train on a synthetic scene, evaluate and render it: everything once, in a few minutes, nothing to download."

METHOD = "ngp-small"
DATA = "synthetic"


def configure(parser: ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("--out", metavar="DIR", help="the run's folder (default: outputs/demo/<method>/<time>)")
    parser.add_argument("--seconds", type=float, default=40.0, help="seconds of training (default: 40)")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but results")


def run(args: Namespace) -> int:
    """Train, evaluate, render; exit code 0, or that of a signal."""
    if not args.seconds > 0:
        raise UsageError("training takes some time", path="--seconds", hint="--seconds 40")
    from radfield_core.runtime.threads import set_policy

    threads = set_policy()
    from radfield_core.cli.common import print_resume_command
    from radfield_core.cli.eval import print_evaluation
    from radfield_core.config.layers import compose
    from radfield_core.plugins.registry import get_registry
    from radfield_core.runs.folder import fresh_folder
    from radfield_core.runs.reports import render_path, render_split
    from radfield_core.runs.trained import open_run
    from radfield_core.train.session import train_run

    overrides = [f"data.type={DATA}", f"trainer.max_seconds={args.seconds}"]
    options = compose(get_registry(), method=METHOD, overrides=overrides).run
    out = Path(args.out) if args.out else fresh_folder(Path("outputs") / "demo" / METHOD)
    outcome = train_run(options, out=out, quiet=args.quiet, threads=threads)
    if outcome.exit_code:
        print_resume_command(outcome)
        return outcome.exit_code
    trained = open_run(out)
    print_evaluation(trained, "test", quiet=args.quiet)
    images = out / "images"
    render_split(trained, "test", "3", images, quiet=args.quiet)
    video = render_path(trained, "turntable", 30, images, quiet=args.quiet)
    print(f"pictures: {images}\nvideo:    {video}")
    return 0
