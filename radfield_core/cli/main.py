"""The program `radfield`. Its first argument is a verb, such as "train", which names the module to run.

Errors are reported on stderr and by the exit code.

Exit codes: 0 success · 1 `doctor`, `check` or a benchmark found a fault · 2 wrong usage, or sizes that do not fit into
memory · 3 training diverged · 4 the run has no surface · 65 invalid data · 69 a plugin is missing, fails or breaks the
interface · 70 bug in the program · 74 reading or writing a file failed · 78 a plugin does not load · 129, 130, 143
ended by a signal · 141 the program that read the output has exited.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, TextIO

from radfield_core import __version__
from radfield_core.errors import STORAGE_HINTS, PluginError, Problem, RadfieldError, UsageError, shortened, summarized
from radfield_core.runtime.colors import write_help, write_message
from radfield_core.runtime.interrupts import signals_unwrapped
from radfield_core.runtime.memory_limit import limited_memory
from radfield_core.runtime.output import safe_output
from radfield_core.runtime.progress import output_error

if TYPE_CHECKING:
    from radfield_core.plugins.blame import Culprit

VERBS = {
    "train": "train a method on a scene",
    "eval": "measure a trained run against images or a reference",
    "render": "render pictures and a video of a trained run",
    "view": "show a trained run in the browser",
    "export": "write the surface of a trained run as a mesh or a point cloud",
    "mesh": "make a mesh with a texture from photographs, a video, a data set or a run",
    "report": "write one HTML file that shows a run, or compares runs",
    "runs": "list runs with their metrics, age and size",
    "compare": "show in what runs differ",
    "data": "inspect, write or convert a data set, or make one from photographs",
    "plugins": "list, explain and check installed plugins, or write a new one",
    "config": "show, check and explain options",
    "doctor": "report on this machine and installation",
    "bench": "measure the speed of kernels, or of a training run",
    "demo": "train, evaluate and render a synthetic scene",
    "completion": "print a script that completes commands in bash, zsh or fish",
}
"""verb -> one line of help. The module `radfield_core.cli.<verb>` is imported only if that verb is run."""

STORAGE_FAILED, BUG, INTERRUPTED, READER_GONE = 74, 70, 130, 141  # exit codes of errors other than RadfieldError


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    with safe_output(), limited_memory(), _terminable():
        return _run(list(sys.argv[1:] if argv is None else argv))


def _run(argv: list[str]) -> int:
    """Run the verb and return its exit code. An exception is printed as an error and turned into an exit code."""
    try:
        with signals_unwrapped():
            code = _dispatch(argv)
        sys.stdout.flush()
        if code == 0 and (error := output_error(sys.stdout)) is not None:
            raise error
        return code
    except BrokenPipeError:  # the program that reads the output, such as `head`, has exited
        _silence_failed()
        return READER_GONE
    except Terminated as end:
        _print_error(f"stopped by {end.signal.name}")
        return 128 + end.signal
    except KeyboardInterrupt:
        _print_error("interrupted")
        return INTERRUPTED
    except RadfieldError as error:
        _print_problems(error.problems)
        return error.code
    except OSError as error:
        return _storage_failed(error)
    except Exception as error:
        return _bug(error)


class Terminated(KeyboardInterrupt):
    """A signal ended the program.

    It is derived from KeyboardInterrupt, so that code that cleans up after Ctrl-C also cleans up after the signal.
    """

    def __init__(self, number: int):
        super().__init__()
        self.signal = signal.Signals(number)


@contextmanager
def _terminable() -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise Terminated inside the block. If a signal is already ignored or handled, leave
    it as it is."""

    def end(number: int, frame: FrameType | None) -> None:
        raise Terminated(number)

    unhandled = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]
    with suppress(ValueError):  # only the main thread can handle signals
        for number in unhandled:
            signal.signal(number, end)
    try:
        yield
    finally:
        with suppress(ValueError):
            for number in unhandled:
                signal.signal(number, signal.SIG_DFL)


def _dispatch(argv: list[str]) -> int:
    verb = argv[0] if argv else "--help"
    if verb in ("-h", "--help", "help"):
        write_help(f"{_help()}\n", sys.stdout)
        return 0
    if verb == "--version":
        print(f"radfield {__version__}")
        return 0
    if verb not in VERBS:
        raise UsageError(f"unknown verb {verb!r}", hint=_verb_meant(argv))
    from radfield_core.cli.parser import (
        parse,
    )  # imported late, because importing argparse takes longer than printing --help

    module = import_module(f"radfield_core.cli.{verb}")
    args = parse(verb, module, argv[1:])
    if args is None:
        return 0
    from radfield_core.cli.logs import printed

    with printed(quiet=getattr(args, "quiet", False)):
        code: int = module.run(args)
    return code


def _verb_meant(argv: list[str]) -> str:
    """Return the command that the user probably meant by words that do not begin with a verb."""
    from radfield_core.cli.meant import verb_meant
    from radfield_core.cli.parser import make_parser

    return verb_meant(argv, list(VERBS), lambda verb: make_parser(verb, import_module(f"radfield_core.cli.{verb}")))


def _help() -> str:
    width = max(map(len, VERBS))
    lines = [
        f"radfield {__version__}: radiance fields from plugins that fit together",
        "",
        "usage: radfield VERB ...",
        "",
        *(f"  {verb:<{width}}  {help}" for verb, help in VERBS.items()),
        "",
        "`radfield VERB --help` explains a verb; `radfield plugins list` shows what is installed.",
    ]
    return "\n".join(lines)


def _print_problems(problems: Iterable[Problem]) -> None:
    """Print each problem as a line on stderr. If the problem has a hint, print the hint on the next line."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    for problem in summarized(problems):
        hint = f"\n  try: {shortened(problem.hint)}" if problem.hint else ""
        _print_error(f"error: {problem.headline()}{hint}")


def _storage_failed(error: OSError) -> int:
    """Print an error of the operating system and return its exit code."""
    if os.environ.get("RADFIELD_DEBUG") == "1":
        raise error
    hint = STORAGE_HINTS.get(error.errno or 0, "Set RADFIELD_DEBUG=1 to see the traceback")
    path = "" if error.filename is None else os.fsdecode(error.filename)
    if not path and _fails(sys.stdout):
        path = "the output of this command"
        hint = STORAGE_HINTS.get(error.errno or 0, "Redirect the output to a file that can be written")
    _print_problems([Problem(path, error.strerror or str(error), hint)])
    _silence_failed()
    return STORAGE_FAILED


def _bug(error: Exception) -> int:
    """Print an unexpected exception on one line and return its exit code."""
    if os.environ.get("RADFIELD_DEBUG") == "1":
        raise error
    if _out_of_memory(error):
        hint = "Choose smaller sizes, such as trainer.n_rays, eval.rays_per_chunk or the width of the field"
        _print_problems([Problem("", "this machine does not have enough memory", hint)])
        return UsageError.code
    text = " ".join(f"{type(error).__name__}: {error}".split())
    hint = "Set RADFIELD_DEBUG=1 to see the traceback"
    found = _culprit(error)
    if found is not None:
        _print_problems([Problem(found.owner, f"failed in {found.hook}: {text}", hint)])
        return PluginError.code
    _print_problems([Problem("", f"unexpected {text}", hint)])
    return BUG


def _culprit(error: Exception) -> Culprit | None:
    """Return the plugin's code that raised an exception, or None if it was radfield's own code."""
    from radfield_core.plugins.blame import culprit_of
    from radfield_core.plugins.registry import get_registry

    if not get_registry.cache_info().currsize:  # no plugin is loaded, or finding plugins has failed
        return None
    return culprit_of(error, get_registry().components, get_registry().plugins)


def _out_of_memory(error: Exception) -> bool:
    """True if an error means that memory has run out. This does not import torch."""
    if "torch" not in sys.modules:
        return isinstance(error, MemoryError)
    from radfield_core.runtime.memory import is_out_of_memory

    return is_out_of_memory(error)


def _fails(stream: TextIO) -> bool:
    """True if a stream cannot be written to."""
    if getattr(stream, "failed", False):
        return True
    try:
        stream.flush()
    except (OSError, ValueError):
        return True
    return output_error(stream) is not None


def _silence_failed() -> None:
    """Redirect failed streams to the null device, so that Python's flush at exit does not fail again."""
    for stream in (sys.stdout, sys.stderr):
        if _fails(stream):
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _print_error(text: str) -> None:
    """Print to stderr. If that fails too, only the exit code reports the error."""
    try:
        write_message(text, sys.stderr)
    except (OSError, ValueError):
        _silence_failed()


if __name__ == "__main__":
    sys.exit(main())
