"""`radfield bench`: measures the speed of kernels, or of a whole training run, on this machine."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from radfield_core.cli.common import require_positive
from radfield_core.cli.say import say

HELP = """Compare the speed of kernels with their torch reference (micro), or measure the PSNR of a training run over
time (run). Both use one thread by default, because with more threads other load on the machine distorts the result."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="micro|run", required=True)
    micro = actions.add_parser("micro", help="compare the speed of kernels with their torch reference")
    micro.add_argument(
        "names", metavar="NAME", nargs="*", help='benchmarks to run, such as "marching" (default: all benchmarks)'
    )
    micro.add_argument("--device", default="cpu", help='device to run on: "cpu", "cuda" or "cuda:N" (default: cpu)')
    micro.add_argument(
        "--repeats", type=int, default=7, help="number of timed runs; their median is printed (default: 7)"
    )
    run = actions.add_parser("run", help="train a method, and measure the PSNR of held-out views over time")
    run.add_argument("--method", metavar="NAME", required=True, help="name of a method or of one of its presets")
    run.add_argument("--data", metavar="PATH", required=True, help="path of the data set")
    run.add_argument(
        "--seconds", type=float, help="longest training time in seconds (default: the limit that the method sets)"
    )
    run.add_argument("--every", type=int, default=100, help="steps between two evaluations (default: 100)")
    run.add_argument("--views", type=int, default=6, help="number of views in each evaluation (default: 6)")
    run.add_argument(
        "overrides", metavar="key=value", nargs="*", default=[], help="set an option of the run, as in `radfield train`"
    )
    for action in (micro, run):
        action.add_argument("--threads", type=int, default=1, help="number of threads of torch and OpenMP (default: 1)")
        action.add_argument(
            "--out", metavar="DIR", default="outputs/bench", help="folder for the results (default: outputs/bench)"
        )


def run(args: Namespace) -> int:
    """Measure, print the results and write them to files.

    Returns:
        Exit code 0, or 1 if a benchmark failed. If a signal ended the measurement, the exit code for this signal.
    """
    require_positive(args, "threads", "repeats", "every", "views", "seconds")
    _check_names(args)
    set_threads(args.threads)
    return _micro(args) if args.action == "micro" else _run(args)


def _check_names(args: Namespace) -> None:
    """Raise an error if a benchmark, method, data set or option is unknown. No torch is imported."""
    from radfield_core.plugins.registry import get_registry

    if args.action == "micro":
        from radfield_core.bench.offered import chosen

        chosen(get_registry(), args.names)
    else:
        from radfield_core.config.layers import compose

        compose(get_registry(), method=args.method, data=args.data, overrides=args.overrides)


def set_threads(count: int) -> None:
    """Set the number of threads of torch and OpenMP. For OpenMP, this works only if torch has not been imported yet."""
    import os

    os.environ["OMP_NUM_THREADS"] = str(count)
    from radfield_core.runtime.threads import set_policy

    set_policy()
    import torch

    torch.set_num_threads(count)


def _micro(args: Namespace) -> int:
    from radfield_core.files.output import check_file

    path = Path(args.out) / "micro.json"
    check_file(path)
    from radfield_core.bench.machine import machine
    from radfield_core.bench.micro import micro, table, timing_row
    from radfield_core.files.results import write_results

    timings, failures = micro(args.names, device=args.device, repeats=args.repeats)
    print(table(timings))
    rows = [timing_row(timing) for timing in timings]
    write_results(path, {"machine": machine(), "repeats": args.repeats, "rows": rows, "failures": failures})
    say(path)
    for name, reason in failures.items():
        say(f"wrong: the benchmark {name} failed: {reason}")
    return 1 if failures else 0


def _run(args: Namespace) -> int:
    from radfield_core.files.output import check_file

    path = Path(args.out) / f"{args.method}-{Path(args.data).stem}.json"
    picture = path.with_suffix(".png")
    for file in (path, picture):
        check_file(file)
    from radfield_core.bench.learning_curve import Interrupted, plot, whole_run
    from radfield_core.files.results import write_results

    try:
        results = whole_run(
            args.method, args.data, seconds=args.seconds, overrides=args.overrides, every=args.every, views=args.views
        )
    except Interrupted as end:
        print("interrupted: no results were written", file=sys.stderr)
        return end.code
    for threshold, times in results["reached"].items():
        text = f"{times['seconds']:.1f} s ({times['cpu_seconds']:.1f} CPU s)" if times else "not reached"
        print(f"{threshold:>4} dB: {text}")
    write_results(path, results)
    plot(results, picture)
    say(path, picture)
    return 0
