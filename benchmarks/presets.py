"""CPU time of a training step of every preset, on one thread: the source of the expected times that `train` prints.

    python benchmarks/presets.py [PRESET …] [--seconds 40] [--steps N] [--write]

Each preset trains on the synthetic scene for a while. The time per step is the CPU time divided by the number of steps,
which other load on the machine disturbs less than wall time does. Steps of splats cost more later in a run: for them,
`--steps 600` trains a whole run of this length. `--write` saves the results as
benchmarks/results/presets.json; the preset files state them as `step_seconds`, which a test compares.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "presets.json"


def measure(preset: str, seconds: float, steps: int | None) -> dict[str, Any]:
    """Train a preset for some seconds. Return the number of steps and the CPU time per step, in seconds."""
    from radfield_core.config.layers import compose
    from radfield_core.plugins.registry import get_registry
    from radfield_core.runs.folder import RunFolder
    from radfield_core.train.session import loop, prepare, record

    limits = [f"trainer.max_seconds={seconds}", "trainer.eval_views=0", "trainer.device=cpu"]
    if steps is not None:
        limits.append(f"trainer.max_steps={steps}")
    run = compose(get_registry(), method=preset, overrides=["data.type=synthetic", *limits]).run
    with tempfile.TemporaryDirectory(prefix="radfield-presets-") as folder:
        prepared = prepare(run, RunFolder(Path(folder)), quiet=True)
        record(prepared)
        loop(prepared, keep_folder=False)
    counters = prepared.trainer.counters
    return {"steps": counters.step, "step_seconds": float(f"{counters.cpu_seconds / counters.step:.3g}")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", metavar="PRESET", nargs="*", help="presets to measure (default: all)")
    parser.add_argument("--seconds", type=float, default=40.0, help="seconds of training of each preset (default: 40)")
    parser.add_argument("--steps", type=int, help="length of the run (default: that of the preset)")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name}, and keep its other presets")
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from radfield_core.bench.machine import machine
    from radfield_core.files.results import write_results
    from radfield_core.plugins.registry import get_registry

    torch.set_num_threads(1)
    stored = json.loads(RESULTS.read_text(encoding="utf-8"))["presets"] if RESULTS.exists() else {}
    for preset in args.presets or get_registry().names("method"):
        stored[preset] = measure(preset, args.seconds, args.steps)
        print(f"{preset:<20} {stored[preset]['step_seconds']:>9.4g} s per step ({stored[preset]['steps']} steps)")
        if args.write:
            write_results(
                RESULTS, {"machine": machine(), "scene": "synthetic", "presets": dict(sorted(stored.items()))}
            )


if __name__ == "__main__":
    main()
