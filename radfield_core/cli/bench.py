"""`radfield bench`: how fast the kernels are, and how fast a method learns, on this machine."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

from radfield_core.errors import UsageError

HELP = (
    "Measure every kernel against its torch reference (micro), or PSNR against seconds of a whole run (run). "
    "On one thread unless told otherwise: two that wait for each other measure the machine's other users."
)


def configure(parser: ArgumentParser) -> None:
    """Arguments of the verb."""
    actions = parser.add_subparsers(dest="action", metavar="micro|run", required=True)
    micro = actions.add_parser("micro", help="kernels: torch reference and kernels in one process, and their ratio")
    micro.add_argument(
        "names", metavar="NAME", nargs="*", help="what to measure, such as marching; default: everything"
    )
    micro.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    micro.add_argument("--repeats", type=int, default=7, help="of which the median counts (default: 7)")
    run = actions.add_parser("run", help="train, and write down PSNR against seconds of held-out views")
    run.add_argument("--method", metavar="NAME", required=True, help="a method or one of its presets")
    run.add_argument("--data", metavar="PATH", required=True, help="the data set")
    run.add_argument("--seconds", type=float, help="seconds of training (default: as the method has it)")
    run.add_argument("--every", type=int, default=100, help="steps between points of the curve (default: 100)")
    run.add_argument("--views", type=int, default=6, help="views of a point of the curve (default: 6)")
    run.add_argument("overrides", metavar="key=value", nargs="*", default=[], help="options, as for radfield train")
    for action in (micro, run):
        action.add_argument("--threads", type=int, default=1, help="of torch and OpenMP (default: 1)")
        action.add_argument("--out", metavar="DIR", default="outputs/bench", help="default: outputs/bench")


def run(args: Namespace) -> int:
    """Measure, print and write; exit code 0, or that of a signal which breaks the measurement off."""
    for name in ("threads", "repeats", "every", "views", "seconds"):
        value = getattr(args, name, None)
        if value is not None and not value > 0:
            raise UsageError(f"{value} is not above zero", path=f"--{name}", hint=f"--{name} 1")
    set_threads(args.threads)
    return _micro(args) if args.action == "micro" else _run(args)


def set_threads(count: int) -> None:
    """Give torch and OpenMP a number of threads; before torch is loaded, so that OpenMP hears of it."""
    import os

    os.environ["OMP_NUM_THREADS"] = str(count)
    from radfield_core.runtime.threads import set_policy

    set_policy()
    import torch

    torch.set_num_threads(count)


def _micro(args: Namespace) -> int:
    from radfield_core.bench.machine import machine
    from radfield_core.bench.micro import micro, table, timing_row, write

    timings = micro(args.names, device=args.device, repeats=args.repeats)
    print(table(timings))
    path = Path(args.out) / "micro.json"
    write({"machine": machine(), "repeats": args.repeats, "rows": [timing_row(timing) for timing in timings]}, path)
    print(path)
    return 0


def _run(args: Namespace) -> int:
    from radfield_core.bench.learning_curve import Interrupted, plot, whole_run
    from radfield_core.bench.micro import write

    try:
        figures = whole_run(
            args.method, args.data, seconds=args.seconds, overrides=args.overrides, every=args.every, views=args.views
        )
    except Interrupted as end:
        print("the measurement is broken off", file=sys.stderr)
        return end.code
    for threshold, when in figures["reached"].items():
        said = f"{when['seconds']:.1f} s ({when['cpu_seconds']:.1f} s of the processor)" if when else "not reached"
        print(f"{threshold:>4} dB: {said}")
    path = Path(args.out) / f"{args.method}-{Path(args.data).stem}.json"
    write(figures, path)
    plot(figures, path.with_suffix(".png"))
    print(f"{path}\n{path.with_suffix('.png')}")
    return 0
