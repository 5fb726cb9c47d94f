"""Fuzz every file format: damaged files must give clear error messages, and never anything else.

    python -m soak --kills 0                            # 100,000 cases of all formats in turn
    python -m soak --kills 0 --first 4711 --cases 1     # one case again, which its number decides

A case is a fault if reading raises anything but an error in words, ends with exit code 70, prints control characters,
takes more than 10 s or more than 1 GiB, or ends the process. The last line has the counts; the exit code is 1 if there
is a fault.
"""

from __future__ import annotations

import os
import random
import resource
import select
import signal
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch

from radfield_core.errors import Problem, RadfieldError
from radfield_core.files.cache import cache_dir
from soak.targets import Target, damaged, targets

MAX_SECONDS = 10.0
MAX_GROWTH = 2**30
BATCH = 5000
"""Cases per process. The next process starts with a memory that no case has touched."""


class TooSlow(BaseException):
    """A case took too long. No code that reads files catches a BaseException."""


@contextmanager
def limited_time() -> Iterator[None]:
    """Raise TooSlow inside the block after MAX_SECONDS."""

    def late(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"took more than {MAX_SECONDS:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, MAX_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def run_case(number: int, found: list[Target], peak: int) -> tuple[str, str]:
    """Run one case, which its number decides.

    Args:
        number: the number of the case.
        found: what is fuzzed.
        peak: the largest memory of this process so far, in bytes.

    Returns:
        "read", "refused" or "fault", and the description of the fault.
    """
    draw = random.Random(number)  # noqa: S311  not for secrets
    target = found[number % len(found)]
    file = draw.choice(target.files)
    contents = {path: path.read_bytes() for path in file.parent.iterdir() if path.is_file()}
    file.write_bytes(damaged(file, contents[file], draw))
    outcome, text = "read", ""
    try:
        target.after(file)
        with limited_time(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", RuntimeWarning)  # of numpy: nobody checked the numbers
            target.read()
    except RadfieldError as error:
        outcome, text = "refused", _unclear(error)
    except (Exception, TooSlow) as error:
        where = "".join(traceback.format_exception(error)[-4:])
        outcome, text = "fault", f"{type(error).__name__}: {error}\n{where}"
    finally:
        for path, data in contents.items():
            path.write_bytes(data)
    grown = _memory() - peak
    if grown > MAX_GROWTH:
        outcome, text = "fault", f"took {grown / 2**20:.0f} MiB. {text}"
    if text:
        return "fault", f"case {number}, {target.name}, {file.name}: {text}"
    return outcome, ""


def _unclear(error: RadfieldError) -> str:
    """Return what is wrong with the text of an error, or ""."""
    for problem in error.problems:
        if not isinstance(problem, Problem) or not problem.message.strip():
            return f"an error without a message: {error!r}"
        if not str(problem).replace("\n", "").isprintable() or len(str(problem)) > 6100:
            return f"an error that cannot be printed: {str(problem)[:200]!r}"
    return ""


def _memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_batch(numbers: range, folder: Path, pipe: int) -> None:
    """Run cases in this process, and write a line about each to a pipe."""
    torch.set_num_threads(1)
    os.fsync = lambda handle: None  # type: ignore[assignment]  # no machine crashes here, and waiting takes most of the time
    found = targets(folder)
    for number in numbers:
        os.write(pipe, f"start {number}\n".encode())
        outcome, text = run_case(number, found, _memory())
        os.write(pipe, f"{outcome} {text!a}\n".encode())


class Batch:
    """A process that runs cases, watched from outside. A process that dies or hangs is a fault of its last case."""

    def __init__(self, numbers: range):
        self.numbers = numbers
        self.outcomes: Counter[str] = Counter()
        self.faults: list[str] = []

    def run(self) -> None:
        """Run all cases. After a case that ended the process, continue with the next in a new one."""
        rest = self.numbers
        while rest:
            rest = self._run_some(rest)

    def _run_some(self, numbers: range) -> range:
        reader, writer = os.pipe()
        with tempfile.TemporaryDirectory(prefix="radfield-soak-") as folder:
            pid = os.fork()
            if pid == 0:
                os.close(reader)
                code = 1
                try:
                    os.environ.setdefault("NUMBA_CACHE_DIR", str(cache_dir("kernels")))
                    os.environ["RADFIELD_CACHE"] = str(Path(folder) / "cache")
                    os.chdir(folder)
                    run_batch(numbers, Path(folder) / "examples", writer)
                    code = 0
                except BaseException:
                    traceback.print_exc()
                os._exit(code)
            os.close(writer)
            last, code = self._watch(reader, pid)
            os.close(reader)
        if last is None:
            raise SystemExit("the examples could not be made")
        if code == 0:
            return range(0)
        self.outcomes["fault"] += 1
        self.faults.append(f"case {last}: ended the process ({code})")
        return range(last + 1, numbers.stop)

    def _watch(self, reader: int, pid: int) -> tuple[int | None, int]:
        """Collect the outcomes. Return the number of the last case that began, and the exit code of the process."""
        last, data = None, b""
        while True:
            ready, _, _ = select.select([reader], [], [], 20 * MAX_SECONDS)
            if not ready:
                os.kill(pid, signal.SIGKILL)
                break
            piece = os.read(reader, 1 << 16)
            if not piece:
                break
            *lines, data = (data + piece).split(b"\n")
            for line in lines:
                word, _, text = line.decode().partition(" ")
                if word == "start":
                    last = int(text)
                else:
                    self.outcomes[word] += 1
                    if word == "fault":
                        self.faults.append(text.strip("'\"").replace("\\n", "\n"))
        return last, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run(cases: int, first: int = 0) -> int:
    """Fuzz, print the faults as they come and the counts at the end. Return the number of faults."""
    started, outcomes, faults = time.monotonic(), Counter[str](), 0
    for start in range(first, first + cases, BATCH):
        batch = Batch(range(start, min(start + BATCH, first + cases)))
        batch.run()
        outcomes += batch.outcomes
        faults += len(batch.faults)
        for text in batch.faults:
            print(text, flush=True)
        print(f"{sum(outcomes.values())} cases, {faults} faults, {time.monotonic() - started:.0f} s", flush=True)
    print(
        f"fuzzing: {sum(outcomes.values())} cases: {outcomes['read']} read, {outcomes['refused']} refused in words, "
        f"{faults} faults, {time.monotonic() - started:.0f} s"
    )
    return faults
