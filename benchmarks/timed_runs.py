"""Runs of the command line that take a given time of one core: training, evaluation, and the file of results.

All schedules of the presets are shares of the run, so a run must be planned for its time: the number of its steps is
found by shorter runs. Time is that of the processor in training steps, so that other programs do not change it much.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from radfield_core.bench.machine import machine
from radfield_core.files.results import write_results

RADFIELD = Path(sys.executable).parent / "radfield"
ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}
FIRST_STEPS, PILOT = 200, 0.25
"""Number of steps of the first run, and the share of the time that the second one takes."""
USED, AIM, LIMIT = 0.98, 0.99, 0.999
"""Shares of the time: what a run takes at least, what it is planned for, and after what it is ended."""
TRIES = 3
"""Largest number of runs of more than half the time, unless the caller states another."""


def train(words: list[str], data: Path, out: Path) -> dict[str, Any]:
    """Train on one thread. Return the last entry of the run's log, with the memory of the process in MiB."""
    command = [str(RADFIELD), "train", "--data", str(data), "--out", str(out), "--quiet", *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=ONE_THREAD)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    entries = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {**[entry for entry in entries if "eval" not in entry][-1], "memory_mib": usage.ru_maxrss // 1024}


def train_for(
    seconds: float, words: list[str], data: Path, out: Path, steps: int = FIRST_STEPS, tries: int = TRIES
) -> dict[str, Any]:
    """Train a run that takes a time of the processor: at least 98 % of it, and never more than it.

    Runs get longer until one takes the time. None may take longer: the time also ends it. A run that is ended so is
    kept if it has done 98 % of its steps. If the tries are used up, the last run is kept as it is.

    Args:
        seconds: the time.
        words: arguments of `radfield train` after the data.
        data: path of the data.
        out: folder of the run.
        steps: number of steps of the first run.
        tries: largest number of runs that take more than half the time.

    Returns:
        What `train` returns, with the number of steps that were `planned`.
    """
    limits = ["trainer.eval_views=0", "trainer.log_every=10", "trainer.clock=processor"]
    runs: list[tuple[int, float]] = []
    while True:
        ends = [f"trainer.max_steps={steps}", f"trainer.max_seconds={LIMIT * seconds:g}"]
        last = {**train([*words, *limits, *ends], data, out), "planned": steps}
        share, done = last["cpu_seconds"] / seconds, last["step"] / steps
        runs.append((last["step"], share))
        if (share >= USED and done >= USED) or sum(used > 0.5 for _, used in runs) == tries:
            return last
        shutil.rmtree(out)
        steps = next_steps(runs)


def next_steps(runs: list[tuple[int, float]]) -> int:
    """Return the number of steps of the next run, after runs whose steps and shares of the time are given.

    The difference of the last two runs leaves out what a run does once, such as reading the images.
    """
    (fewer, less), (more, longer) = [(0, 0.0), *runs][-2:]
    goal = AIM if longer >= PILOT / 2 else PILOT
    if more == fewer or (longer - less) * (more - fewer) <= 0:
        fewer, less = 0, 0.0
    return max(1, more + int((goal - longer) * (more - fewer) / (longer - less)))


def evaluated(out: Path) -> dict[str, float]:
    """Evaluate the held-out views of a run, and return the mean metrics."""
    subprocess.run([str(RADFIELD), "eval", str(out), "--quiet"], check=True, stdout=subprocess.DEVNULL, env=ONE_THREAD)
    metrics = json.loads((out / "results.json").read_text())["metrics"]
    return {name: round(value, 4) for name, value in metrics.items()}


def facts(words: list[str], last: dict[str, Any]) -> dict[str, Any]:
    """Return what the results say of a run: its options after `--method`, its steps and times, and the machine."""
    return {
        "options": words[1:],
        "steps": last["step"],
        "planned_steps": last.get("planned", last["step"]),
        "cpu_seconds": round(last["cpu_seconds"], 1),
        "seconds": round(last["seconds"], 1),
        "memory_mib": last["memory_mib"],
        "load": round(os.getloadavg()[1], 1),
        "machine": machine(threads=1),
    }


def store(path: Path, name: str, results: dict[str, dict[str, Any]]) -> None:
    """Add the results of a scene to a file. Another process may add those of another scene meanwhile."""
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = json.loads(path.read_text()) if path.is_file() else {}
        write_results(path, {**kept, name: {**kept.get(name, {}), **results}})
    path.with_suffix(".lock").unlink(missing_ok=True)
