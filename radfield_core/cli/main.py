"""The program `radfield`: finds the verb, imports that verb's module only, and turns errors into lines and exit codes.

Exit codes: 0 done · 1 doctor or check found something · 2 usage · 3 diverged · 4 no surface · 65 bad data · 69 plugin
missing · 70 a fault of the program · 74 reading or writing failed · 129, 130, 143 stopped by a signal · 141 nobody
reads.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType
from typing import TextIO

from radfield_core import __version__
from radfield_core.errors import RadfieldError, UsageError
from radfield_core.names import nearest
from radfield_core.runtime.interrupts import signals_unwrapped

VERBS = {
    "train": "train a method on a scene",
    "eval": "compare rendered views with the images of a split",
    "render": "render images and a video from a run",
    "export": "write a run's surface as a mesh or a point cloud",
    "data": "inspect a data set, make one, or bring it into another format",
    "plugins": "list what is installed and what is wrong with it",
    "config": "show, check and explain the options of a run",
    "doctor": "report on this machine and installation",
    "bench": "measure the kernels, or how fast a method learns",
    "demo": "train, evaluate and render a synthetic scene",
}
"""verb -> one line; `radfield_core.cli.<verb>` is imported only when it is named."""

HINTS = {
    errno.ENOSPC: "making room on the disk",
    errno.EACCES: "a place that you may write to",
    errno.EROFS: "a place that can be written to",
    errno.EEXIST: "another name: there is something else of this one",
    errno.ENOTDIR: "another name: a part of this one is a file",
}
"""errno -> what to try."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started the program
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115  to the program's end
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a log is read while it is written
    with _terminable():
        return _run(argv)


def _run(argv: Sequence[str] | None) -> int:
    try:
        with signals_unwrapped():
            code = _dispatch(list(sys.argv[1:] if argv is None else argv))
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader, such as `head`, has enough
        _silence(sys.stdout)
        return 141
    except Terminated as end:
        _tell(f"stopped by {end.signal.name}")
        return 128 + end.signal
    except KeyboardInterrupt:
        _tell("interrupted")
        return 130
    except RadfieldError as error:
        _report(error)
        return error.code
    except OSError as error:
        if os.environ.get("RADFIELD_DEBUG") == "1":
            raise
        where = f"{error.filename}: " if error.filename else ""
        hint = HINTS.get(error.errno or 0, "RADFIELD_DEBUG=1 to see where")
        _tell(f"error: {where}{error.strerror or error}\n  try: {hint}")
        try:
            sys.stdout.flush()
        except OSError:
            _silence(sys.stdout)
        return 74
    except Exception as error:
        if os.environ.get("RADFIELD_DEBUG") == "1":
            raise
        text = " ".join(f"{type(error).__name__}: {error}".split())
        _tell(f"error: unexpected {text}\n  try: RADFIELD_DEBUG=1 for the traceback")
        return 70


class Terminated(KeyboardInterrupt):
    """A signal that ends the program: like Ctrl-C it lets whatever is half done be tidied up."""

    def __init__(self, number: int):
        super().__init__()
        self.signal = signal.Signals(number)


@contextmanager
def _terminable() -> Iterator[None]:
    """Here SIGTERM and SIGHUP raise Terminated, unless they are ignored or somebody else takes them."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Terminated(number)

    mine = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]
    with suppress(ValueError):  # outside the main thread there are no signals to take
        for number in mine:
            signal.signal(number, end)
    try:
        yield
    finally:
        with suppress(ValueError):
            for number in mine:
                signal.signal(number, signal.SIG_DFL)


def _dispatch(argv: list[str]) -> int:
    verb = argv[0] if argv else "--help"
    if verb in ("-h", "--help", "help"):
        print(_help())
        return 0
    if verb == "--version":
        print(f"radfield {__version__}")
        return 0
    if verb not in VERBS:
        raise UsageError(f"unknown verb {verb!r}", hint=f"radfield {nearest(verb, VERBS) or '--help'}")
    from radfield_core.cli.parser import parse  # argparse takes longer to import than --help to print

    module = import_module(f"radfield_core.cli.{verb}")
    args = parse(verb, module, argv[1:])
    if args is None:
        return 0
    from radfield_core.cli.logs import printed

    with printed(quiet=getattr(args, "quiet", False)):
        code: int = module.run(args)
    return code


def _help() -> str:
    width = max(map(len, VERBS))
    lines = [
        f"radfield {__version__}: radiance fields from plugins that fit together",
        "",
        "usage: radfield VERB ...",
        "",
        *(f"  {verb:<{width}}  {help}" for verb, help in VERBS.items()),
        "",
        "`radfield VERB --help` explains a verb; `radfield plugins list` says what is installed.",
    ]
    return "\n".join(lines)


def _report(error: RadfieldError) -> None:
    """Print every problem, each with what to try, and never a traceback."""
    with suppress(OSError):
        sys.stdout.flush()
    for problem in error.problems:
        where = f"{problem.path}: " if problem.path else ""
        _tell(f"error: {where}{problem.message}" + (f"\n  try: {problem.hint}" if problem.hint else ""))


def _silence(stream: TextIO) -> None:
    """What Python still has to write to a stream at exit must not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _tell(text: str) -> None:
    """Print to stderr; if even that is full or closed, the exit code says what there is to say."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _silence(sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
