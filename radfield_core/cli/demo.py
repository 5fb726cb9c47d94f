"""`radfield demo`: trains, evaluates and renders a synthetic scene with one command."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from radfield_core.cli.common import add_quiet, print_resume_command, require_positive
from radfield_core.cli.report import add_no_report, write_after_training
from radfield_core.cli.say import say

HELP = """Train on a synthetic scene, evaluate the result, and render pictures and a video. This takes a few minutes and
downloads nothing."""

METHOD = "ngp-small"
DATA = "synthetic"
VIEWS = 3
FRAMES = 30


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("--out", metavar="DIR", help="the run folder (default: outputs/demo/<method>/<time>)")
    parser.add_argument("--seconds", type=float, default=40.0, help="seconds of training (default: 40)")
    add_no_report(parser)
    add_quiet(parser)


def run(args: Namespace) -> int:
    """Train, evaluate, render and return exit code 0. If a signal ends the training, return the signal's exit code."""
    require_positive(args, "seconds")
    from radfield_core.runtime.threads import set_policy

    threads = set_policy()
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
    render_split(trained, "test", str(VIEWS), images, quiet=args.quiet)
    video = render_path(trained, "turntable", FRAMES, images, quiet=args.quiet)
    say(f"pictures: {images}", f"video:    {video}")
    if not args.no_report:
        write_after_training(outcome, options, quiet=args.quiet)
    return 0
