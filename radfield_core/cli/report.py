"""`radfield report`: writes one HTML file that shows a run, or that compares runs."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from radfield_core.cli.common import DEVICE_HELP, place_of_data
from radfield_core.cli.say import say

if TYPE_CHECKING:
    from radfield_core.config.run import RunConfig
    from radfield_core.config.slots import Choice
    from radfield_core.train.session import Outcome

HELP = """Write one HTML file that shows a run: its cameras, curves, held-out views beside the truth, metrics, options
and warnings. The file needs nothing else, and can be mailed. With several runs, write one that compares them."""

PART = "report"
"""Name of the observer that writes reports. radfield-report offers it."""


class ReportWriter(Protocol):
    """What the observer that writes reports can do beside observing."""

    def write(
        self, runs: Sequence[Path], out: Path | None = None, *, device: str | None = None, data: Path | None = None
    ) -> Path:
        """Write a report about one run, or one that compares several, and return the file."""


def configure(parser: ArgumentParser) -> None:
    """Add the verb's arguments."""
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="a run folder or one of its checkpoints; several are compared"
    )
    parser.add_argument(
        "--out", metavar="FILE", help="the file to write (default: report.html in the folder of the only run)"
    )
    parser.add_argument(
        "--with", dest="more", metavar="WHAT", choices=("mesh",), action="append", default=[],
        help='"mesh" extracts the surface, and shows it in 3-D; the same as mesh=true',
    )  # fmt: skip
    parser.add_argument(
        "--data", metavar="PATH", help="present path of the run's data, if they were moved (default: the stored path)"
    )
    parser.add_argument("--device", help=DEVICE_HELP)
    parser.add_argument("-q", "--quiet", action="store_true", help="print only the name of the written file")
    parser.add_argument(
        "overrides",
        metavar="key=value",
        nargs="*",
        default=[],
        help="set an option of the report; `radfield report --help` lists them",
    )


def more_help(argv: Sequence[str]) -> str:
    """Return text that lists the options of a report."""
    from radfield_core.cli.options_help import options_of_part

    return options_of_part("observer", PART)


def run(args: Namespace) -> int:
    """Write the report and return exit code 0."""
    args.overrides += [word for word in args.runs if _sets_option(word)]
    args.runs = [word for word in args.runs if not _sets_option(word)]
    choice = _checked(args)
    from radfield_core.runtime.threads import set_policy

    set_policy()
    out = None if args.out is None else Path(args.out)
    say(_writer(choice).write([Path(path) for path in args.runs], out, device=args.device, data=place_of_data(args)))
    return 0


def add_no_report(parser: ArgumentParser) -> None:
    """Add the option --no-report."""
    parser.add_argument("--no-report", action="store_true", help="do not write report.html when training has ended")


def write_after_training(outcome: Outcome, run: RunConfig, *, quiet: bool) -> None:
    """Write the report of a run that has been trained, and print its name.

    With `quiet`, the name is not printed. If radfield-report is not installed, or if the run lists the observer itself,
    do nothing. If the report cannot be written, only warn: the run is on the disk.
    """
    import logging

    from radfield_core.config.layers import compose_part
    from radfield_core.errors import RadfieldError
    from radfield_core.names import quoted
    from radfield_core.plugins.registry import get_registry

    registry = get_registry()
    listed = any(choice.component.key == f"observer:{PART}" for choice in run.observers.values())
    if listed or not registry.candidates("observer", PART):
        return
    try:
        path = _writer(compose_part(registry, "observer", PART)).write([outcome.folder])
    except Exception as error:  # a report of any kind of run must never make its training fail
        name = "" if isinstance(error, RadfieldError) else f"{type(error).__name__}: "
        text = name + " ".join(str(error).split())
        message = "the report could not be written, and the run is complete: %s; to repeat: radfield report %s"
        logging.getLogger(__name__).warning(message, text, quoted(outcome.folder))
        return
    if not quiet:
        say(f"report   {path}")


def _sets_option(word: str) -> bool:
    """Return True if a word is `key=value`, and no path."""
    return "=" in word and not Path(word).exists()


def _checked(args: Namespace) -> Choice:
    """Return the observer with its options. No torch is imported. Raises an error that lists every mistake."""
    from radfield_core.config.layers import compose_part
    from radfield_core.config.mistakes import Mistakes
    from radfield_core.files.output import check_folder
    from radfield_core.names import quoted
    from radfield_core.plugins.registry import get_registry
    from radfield_core.runs.folder import find_run
    from radfield_core.runs.stored_run import stored_run

    mistakes, choice = Mistakes(), None
    words = [*args.overrides, *(f"{what}=true" for what in args.more)]
    with mistakes.collect():
        choice = compose_part(get_registry(), "observer", PART, words)
    if not args.runs:
        mistakes.add("", "no run is named", "radfield report outputs/latest")
    for path in args.runs:
        with mistakes.collect():
            found, _ = find_run(Path(path))
            if args.out is None:
                check_folder(found.path)
            if args.data is not None:
                stored_run(found, Path(args.data))
    several = len(args.runs) > 1
    if several and args.out is None:
        command = " ".join(["radfield report", *map(quoted, args.runs), "--out compared.html"])
        mistakes.add("--out", "a report on several runs needs a file", command)
    if several and args.data is not None:
        mistakes.add("--data", "several runs cannot have one place of data", "Leave out --data")
    if args.out is not None:
        with mistakes.collect():
            check_folder(Path(args.out).parent)
    if args.out is not None and Path(args.out).is_dir():
        mistakes.add("--out", f"{args.out} is a folder", f"--out {quoted(Path(args.out) / 'report.html')}")
    mistakes.finish()
    assert choice is not None
    return choice


def _writer(choice: Choice) -> ReportWriter:
    return cast(ReportWriter, choice.load()(choice.config))
