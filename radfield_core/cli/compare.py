"""`radfield compare`: shows how runs differ in their results, options and versions."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from radfield_core.errors import UsageError

if TYPE_CHECKING:
    from radfield_core.runs.listing import RunFacts

HELP = """Compare runs, or checkpoints of runs: their metrics, the options in which they differ, and the versions of
their plugins. Results that cannot be compared, for example because they come from different views, are reported."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="two or more run folders, or checkpoints of runs")


def run(args: Namespace) -> int:
    """Print the comparison and return exit code 0."""
    from radfield_core.cli.runs import table
    from radfield_core.cli.say import say
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.runs.folder import find_run
    from radfield_core.runs.listing import facts

    if len(args.runs) < 2:
        raise UsageError("one run cannot be compared", hint=f"radfield compare {args.runs[0]} ANOTHER_RUN")
    mistakes, found = Mistakes(), []
    for path in args.runs:
        with mistakes.collect():
            folder, checkpoint = find_run(Path(path))
            found.append(facts(folder.path, checkpoint))
    mistakes.finish()
    names = [chr(ord("A") + index) if index < 26 else str(index + 1) for index in range(len(found))]
    for name, path, each in zip(names, args.runs, found, strict=True):
        say(f"{name}  {path}: {each.method} on {each.scene}")
    say("", *table([("", *names), *_results(found)]))
    for line in (*_views(found[0], found[1]), *_cautions(found)):
        say(line)
    for title, rows in (
        ("options", list(_differences([each.options for each in found]))),
        ("plugins", list(_differences([each.plugins for each in found]))),
    ):
        say("", *(table([(f"different {title}", *names), *rows]) if rows else [f"{title}: no differences"]))
    return 0


def _results(found: list[RunFacts]) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the table of results."""
    from radfield_core.cli.runs import described, metric, size

    yield "step", *("none saved" if each.step is None else str(each.step) for each in found)
    if any(each.best is not None for each in found):
        yield "best step", *("" if each.best is None else str(each.best) for each in found)
    yield "training, s", *("" if each.seconds is None else f"{each.seconds:.1f}" for each in found)
    yield "size", *(size(each.size) for each in found)
    yield "measured on", *("" if e.measured is None else described(e.measured, e.step) for e in found)
    for name in dict.fromkeys(name for each in found if each.measured for name in each.measured.metrics):
        yield name.upper() if name in ("psnr", "ssim") else name, *(metric(each.measured, name) for each in found)


def _views(a: RunFacts, b: RunFacts) -> Iterator[str]:
    """Yield a line that compares the PSNR of two runs on those views that were evaluated in both runs."""
    from radfield_core.names import plural

    if a.measured is None or b.measured is None or a.measured.split != b.measured.split or a.scene != b.scene:
        return
    first, second = a.measured.per_view, b.measured.per_view
    gains = [second[name] - first[name] for name in first if name in second]
    if gains:
        better, mean = sum(gain > 0 for gain in gains), sum(gains) / len(gains)
        of = plural(len(gains), "view")
        yield f"B has the higher PSNR in {better} of {of}; the mean difference is {mean:+.2f} dB"


def _cautions(found: list[RunFacts]) -> Iterator[str]:
    """Yield a line for each reason why the metrics cannot be compared."""
    from radfield_core.names import quoted

    measured = [each.measured for each in found if each.measured is not None]
    if len({each.scene for each in found}) > 1:
        yield "caution: the runs have different scenes"
    if len({(each.split, each.views, each.size, each.whole) for each in measured}) > 1:
        yield "caution: the metrics come from different views or sizes, so they cannot be compared"
    for what, fits in (
        ("colors", {each.fit_color for each in measured}),
        ("cameras", {each.fit_cameras for each in measured}),
    ):
        if len(fits) > 1:
            yield f"caution: {what} were fitted to the images for some of the metrics only, so they cannot be compared"
    for path in dict.fromkeys(each.path for each in found if each.measured is None or not each.measured.whole):
        yield f"for metrics of the whole test split: radfield eval {quoted(path)}"


def _differences(tables: list[Mapping[str, str]]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each name whose value is not the same in all tables."""
    for name in dict.fromkeys(name for table in tables for name in table):
        values = [table.get(name, "absent") for table in tables]
        if len(set(values)) > 1:
            yield name, *values
