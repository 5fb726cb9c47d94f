"""CPU time of `radfield --help` and `radfield plugins list`, relative to starting Python.

    python benchmarks/startup.py [--repeats 15] [--write]

Times are user + system time of the child process: the minimum of many alternating runs, which other load on the machine
raises least. Modules are byte-compiled before, as pip leaves them. `--write` saves the results as
benchmarks/results/startup.json. Exits 1 if a limit is exceeded.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

SCRIPT = Path(sys.executable).parent / "radfield"
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "radfield --help": [str(SCRIPT), "--help"],
    "radfield plugins list": [str(SCRIPT), "plugins", "list"],
}
LIMITS = {"radfield --help": 4.0, "radfield plugins list": 9.0}


def cpu_seconds(arguments: list[str], environ: dict[str, str]) -> float:
    """User and system time of one run of the interpreter, seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)


def measure(repeats: int) -> dict[str, float]:
    """The minimum CPU time of each command, seconds."""
    best = dict.fromkeys(COMMANDS, float("inf"))
    with tempfile.TemporaryDirectory() as cache:
        environ = {**os.environ, "PYTHONPYCACHEPREFIX": cache}
        environ.pop("PYTHONDONTWRITEBYTECODE", None)
        for _ in range(repeats):
            for name, arguments in COMMANDS.items():
                best[name] = min(best[name], cpu_seconds(arguments, environ))
    return best


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15, help="number of runs of each command (default: 15)")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/startup.json")
    args = parser.parse_args()
    times = measure(args.repeats)
    bare = times["python -c pass"]
    print(f"{'command':<24} {'CPU ms':>8} {'× bare':>8} {'limit':>8}")
    for name, seconds in times.items():
        limit = f"{LIMITS[name]:.0f}" if name in LIMITS else ""
        print(f"{name:<24} {1e3 * seconds:>8.1f} {seconds / bare:>8.2f} {limit:>8}")
    if args.write:
        from radfield_core.bench.machine import machine
        from radfield_core.files.results import write_results

        results = {name: {"cpu_ms": round(1e3 * s, 2), "ratio": round(s / bare, 2)} for name, s in times.items()}
        path = Path(__file__).parent / "results" / "startup.json"
        write_results(path, {"machine": machine(), "limits": LIMITS, "results": results})
    return 0 if all(times[name] <= limit * bare for name, limit in LIMITS.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
