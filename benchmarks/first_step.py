"""Time from `radfield train` to the first step, and the memory of training.

    python benchmarks/first_step.py DATA [--method ngp-small] [--repeats 3] [--seconds 20] [--threads 1] [--write]

Starts the command with an empty cache of compiled kernels, then again with the cache that it left. A step has ended
when metrics.jsonl has its line. CPU seconds are given too, because a busy machine changes them little; the memory is
the peak of the longest run. Both are read from /proc, so this runs on Linux only. `--write` adds the results of this
method and data to benchmarks/results/first_step.json. Exits 1 if a limit is exceeded.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RADFIELD = Path(sys.executable).parent / "radfield"
LIMITS = {"warm_seconds": 5.0, "cold_seconds": 15.0, "peak_mib": 1536.0}
TICKS = os.sysconf("SC_CLK_TCK")


def start(data: Path, method: str, out: Path, seconds: float, environ: dict[str, str]) -> dict[str, float]:
    """Wall and CPU seconds to the first step, and the peak memory, MiB, after `seconds` more of training."""
    words = ["train", "--method", method, "--data", str(data), "--out", str(out), "--quiet"]
    began = time.perf_counter()
    with subprocess.Popen([str(RADFIELD), *words, "trainer.log_every=1"], env=environ) as process:
        metrics = out / "metrics.jsonl"
        while not (metrics.exists() and metrics.stat().st_size):
            if process.poll() is not None:
                raise SystemExit(f"radfield train ended with {process.returncode} before its first step")
            time.sleep(0.01)
        wall, cpu = time.perf_counter() - began, cpu_seconds(process.pid)
        time.sleep(seconds)
        peak = peak_mib(process.pid)
        process.send_signal(signal.SIGTERM)
    return {"seconds": wall, "cpu_seconds": cpu, "peak_mib": peak}


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mib(pid: int) -> float:
    """The peak of a process's resident memory, MiB."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--method", default="ngp-small")
    parser.add_argument("--repeats", type=int, default=3, help="number of starts with a filled cache (default: 3)")
    parser.add_argument(
        "--seconds", type=float, default=20.0, help="training after the first step, for the peak (default: 20)"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/first_step.json")
    args = parser.parse_args()
    if not Path("/proc/self/status").exists():
        raise SystemExit("this benchmark reads /proc, which this system does not have")
    with tempfile.TemporaryDirectory() as folder:
        environ = {**os.environ, "OMP_NUM_THREADS": str(args.threads), "NUMBA_CACHE_DIR": f"{folder}/cache"}
        spans = [args.seconds, *[0.0] * args.repeats]
        runs = [start(args.data, args.method, Path(folder) / str(i), span, environ) for i, span in enumerate(spans)]
    cold, *warm = runs
    found = {
        "cold_seconds": cold["seconds"],
        "cold_cpu_seconds": cold["cpu_seconds"],
        "warm_seconds": statistics.median(run["seconds"] for run in warm),
        "warm_cpu_seconds": statistics.median(run["cpu_seconds"] for run in warm),
        "peak_mib": cold["peak_mib"],
    }
    for name, value in found.items():
        print(f"{name:<18} {value:>8.1f}" + (f"   limit {LIMITS[name]:g}" if name in LIMITS else ""))
    if args.write:
        from radfield_core.bench.machine import machine
        from radfield_core.files.results import write_results

        path = Path(__file__).parent / "results" / "first_step.json"
        rounded = {name: round(value, 2) for name, value in found.items()}
        facts = {"machine": machine(threads=args.threads), "limits": LIMITS}
        write_results(
            path, {**json.loads(path.read_text()), f"{args.method} on {args.data.stem}": {**facts, **rounded}}
        )
    return 0 if all(found[name] <= limit for name, limit in LIMITS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
