"""Seconds of training with one thread and with the default of `radfield train`, in turn, for several presets.

    python benchmarks/threads.py [--data DATA] [--presets ngp-small tiny-nerf mipnerf-small] [--rounds 5] [--busy 1]

Each training is a process of its own, because OpenMP reads its settings when it is loaded. In each round, every
setting trains the same steps once, so that a change in the machine's load affects all settings alike. `--busy N` runs
N processes beside the training that compute without end. `--with NAME=VALUE` adds a setting of environment variables.
Medians are printed and saved as benchmarks/results/threads.json, or threads-busy.json with `--busy`. The exit code is 1
if the default is slower than one thread by more than 3 %.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from radfield_core.bench.machine import machine
from radfield_core.files.results import write_results

RESULTS = Path(__file__).parent / "results"
SETTINGS = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
ONE, DEFAULT = "one thread", "default"
STEPS = {"ngp-small": 300, "tiny-nerf": 400, "mipnerf-small": 120, "neus-fast": 100}


NOISE = 0.03
"""Two medians whose ratio differs from 1 by less than this count as equal."""


def seconds(preset: str, data: str, steps: int, environment: dict[str, str]) -> tuple[float, int]:
    """Train in a new process. Return the seconds of its steps, without start and evaluation, and its threads."""
    words = ["train", "--method", preset, "--data", data, f"trainer.max_steps={steps}", "trainer.eval_views=1"]
    clean = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "radfield_core.cli.main", *words, "--out", str(Path(folder) / "run")]
        done = subprocess.run(command, env={**clean, **environment}, capture_output=True, text=True)
    found = re.search(r"trained [\d,]+ steps? in ([\d.]+) s", done.stdout)
    threads = re.search(r"device +cpu \((\d+) threads?\)", done.stdout)
    if done.returncode or found is None or threads is None:
        raise SystemExit(f"{' '.join(command)} failed: {done.stderr[-2000:]}")
    return float(found[1]), int(threads[1])


@contextmanager
def busy(count: int) -> Iterator[None]:
    """Run processes beside the block that compute without end."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="synthetic", help="data set (default: the synthetic scene)")
    parser.add_argument("--presets", nargs="+", default=["ngp-small", "tiny-nerf", "mipnerf-small"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="processes that compute beside the training")
    parser.add_argument("--steps", type=int, help="steps of each training (default: by preset)")
    parser.add_argument("--with", dest="more", action="append", nargs="+", default=[], metavar="NAME=VALUE")
    args = parser.parse_args()
    settings = {ONE: {"OMP_NUM_THREADS": "1"}, DEFAULT: {}}
    settings |= {" ".join(words): dict(word.split("=", 1) for word in words) for words in args.more}
    rows, slower = [], False
    with busy(args.busy):
        for preset in args.presets:
            times: dict[str, list[tuple[float, int]]] = {name: [] for name in settings}
            for _ in range(args.rounds):
                for name, environment in settings.items():
                    steps = args.steps or STEPS.get(preset, 100)
                    times[name].append(seconds(preset, args.data, steps, environment))
            one = median(duration for duration, _ in times[ONE])
            for name, found in times.items():
                ratio = median(duration for duration, _ in found) / one
                slower |= name == DEFAULT and ratio > 1 + NOISE
                used = sorted({threads for _, threads in found})
                durations = sorted(duration for duration, _ in found)
                rows.append({"preset": preset, "setting": name, "threads": used, "seconds": durations, "ratio": ratio})
                text = f"median {median(durations):7.2f} s, {ratio:.2f} of one thread, with {used} threads"
                print(f"{preset:<14} {name:<44} {text}", flush=True)
    name = "threads-busy.json" if args.busy else "threads.json"
    write_results(RESULTS / name, {"machine": machine(), "busy": args.busy, "data": Path(args.data).name, "rows": rows})
    return int(slower)


if __name__ == "__main__":
    sys.exit(main())
