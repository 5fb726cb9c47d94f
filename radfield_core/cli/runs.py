"""`radfield runs`: lists the runs below a folder."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from radfield_core.errors import UsageError

if TYPE_CHECKING:
    from radfield_core.runs.listing import Measured, RunFacts

HELP = """List the runs below a folder, the newest first: scene, method, step, metrics, age and size. The metrics are
those of `radfield eval` or, without them, those of the last evaluation during training."""

SORTS = ("age", "psnr", "size", "scene")
UNITS = ((86400 * 365, "year"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "folders", metavar="DIR", nargs="*", default=["outputs"], help="folders of runs, or runs (default: outputs)"
    )
    parser.add_argument(
        "--sort",
        metavar="KEY",
        default="age",
        choices=SORTS,
        help='"age" (newest first), "psnr" (best first), "size" (largest first) or "scene" (default: age)',
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per run")


def run(args: Namespace) -> int:
    """List the runs and return exit code 0."""
    from radfield_core.cli.say import say
    from radfield_core.names import quoted
    from radfield_core.runs.listing import facts, find_runs

    missing = [folder for folder in args.folders if not Path(folder).is_dir()]
    if missing and args.folders == ["outputs"]:
        say("no runs yet: there is no folder `outputs` here; try: radfield demo, or name a folder")
        return 0
    if missing:
        raise UsageError("there is no such folder", path=missing[0], hint=f"ls {quoted(Path(missing[0]).parent)}")
    paths = dict.fromkeys(path for folder in args.folders for path in find_runs(Path(folder)))
    found = sorted((facts(path) for path in paths), key=lambda each: _order(each, args.sort))
    if args.json:
        print(*(_json(each) for each in found), sep="\n", end="\n" if found else "")
        return 0
    if not found:
        say(f"no runs below {', '.join(args.folders)}")
        return 0
    say(*table([("run", "scene", "method", "step", "PSNR", "SSIM", "measured on", "age", "size"), *map(_row, found)]))
    return 0


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table. Each column is as wide as its longest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def described(measured: Measured, step: int | None) -> str:
    """Return text that says what was evaluated, such as "4 val views" or "test, at step 5000"."""
    what = measured.split if measured.whole else f"{measured.views} {measured.split} views"
    what += "" if measured.fit_color == "none" else ", fitted colors"
    what += "" if measured.fit_cameras == "none" else ", fitted cameras"
    return what if measured.step == step else f"{what}, at step {measured.step}"


def metric(measured: Measured | None, name: str) -> str:
    """Return a metric as text, or "" if it was not measured."""
    value = None if measured is None else measured.metrics.get(name)
    return "" if value is None else f"{value:.4f}" if name == "ssim" else f"{value:.2f}"


def age(seconds: float) -> str:
    """Return a duration in its largest unit, such as "3 hours"."""
    from radfield_core.names import plural

    length, unit = next(((length, unit) for length, unit in UNITS if seconds >= length), UNITS[-1])
    return plural(max(int(seconds // length), 0), unit)


def size(n: int) -> str:
    """Return a number of bytes in a readable unit, such as "1.2 GB"."""
    value, units = float(n), ["B", "kB", "MB", "GB", "TB"]
    while value >= 1000.0 and len(units) > 1:
        value /= 1000.0
        units.pop(0)
    return f"{value:.0f} {units[0]}" if value >= 100.0 or units[0] == "B" else f"{value:.1f} {units[0]}"


def _row(found: RunFacts) -> tuple[str, ...]:
    import time

    if found.step is None:
        step = "none saved"
    else:
        step = f"{found.step}" + (f" of {found.max_steps}" if found.max_steps not in (None, found.step) else "")
        step += "" if found.best is None else f", best {found.best}"
    on = "" if found.measured is None else described(found.measured, found.step)
    return (
        str(found.path), found.scene if not found.fault else "?", found.method or f"config.toml {found.fault}", step,
        metric(found.measured, "psnr"), metric(found.measured, "ssim"), on,
        age(time.time() - found.modified), size(found.size),
    )  # fmt: skip


def _order(found: RunFacts, key: str) -> tuple[object, ...]:
    psnr = -1.0 if found.measured is None else found.measured.metrics.get("psnr", -1.0)
    first = {"age": -found.modified, "psnr": -psnr, "size": -found.size, "scene": 0.0}[key]
    return first, found.scene, -found.modified, str(found.path)


def _json(found: RunFacts) -> str:
    import json

    measured = found.measured
    return json.dumps(
        {
            "path": str(found.path), "scene": found.scene, "method": found.method, "step": found.step,
            "max_steps": found.max_steps, "best": found.best, "seconds": found.seconds,
            "modified": found.modified, "bytes": found.size, "fault": found.fault,
            "metrics": {} if measured is None else dict(measured.metrics),
            "measured": None if measured is None else {
                "split": measured.split, "views": measured.views, "step": measured.step, "whole": measured.whole,
                "fit_color": measured.fit_color, "fit_cameras": measured.fit_cameras,
            },
        }
    )  # fmt: skip
