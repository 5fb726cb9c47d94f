"""Memory and speed of training on photographs that are larger than the memory they may use.

    python benchmarks/larger_than_memory.py [--gb 8] [--steps 500] [--methods NAME ...] [--folder DIR] [--write]

Makes photographs of the synthetic scene that take `--gb` GB when decoded: 48 distinct JPEG files of 3464 × 3464 pixels,
rendered small, enlarged and grained; the others are copies. Each method then trains twice, each time in a process of
its own: on the whole set with 256 MiB for decoded images, so that they are mapped from a file; and on every `--part`-th
image in memory. `--write` saves the results as benchmarks/results/larger_than_memory.json. Exits 1 if a target is
missed.

Memory is the unique memory of the process: Private_Clean + Private_Dirty of /proc/self/smaps_rollup, read five times a
second; the result is its peak over the whole run, with decoding. Pages of the mapped file count while the process maps
them; the page cache of the system does not count. Speed is steps per second after the first 50 steps. The two runs are
compared by CPU seconds, which include the system's for mapping pages, because other jobs may use the machine.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

from radfield_core.cli.bench import set_threads
from radfield_core.plugin import hookimpl

RESULTS = Path(__file__).parent / "results" / "larger_than_memory.json"
SIDE, SMALL_SIDE, DISTINCT, CACHE_MB, FIRST = 3464, 96, 48, 256, 50
LIMIT_GB, MIN_SPEED_SHARE = 1.2, 0.5


def make(folder: Path, n: int) -> None:
    """Make a Blender folder of n photographs."""
    import numpy as np
    from PIL import Image
    from radfield_synthetic.config import SyntheticConfig
    from radfield_synthetic.dataset import SyntheticParser

    from radfield_core.files.pictures import write_picture
    from radfield_core.runtime.progress import tracked

    scene = SyntheticParser(SyntheticConfig(resolution=SMALL_SIDE, n_train=n)).parse("train")
    draw = np.random.default_rng(0)
    grain = draw.integers(0, 12, (2 * SIDE, SIDE, 3), dtype=np.uint8)
    (folder / "train").mkdir(parents=True)
    frames = []
    for index, _ in tracked(range(n), "make photographs"):
        source, path = index % DISTINCT, folder / "train" / f"r_{index}.jpg"
        pose = [*scene.cameras.c2w[source].tolist(), [0.0, 0.0, 0.0, 1.0]]
        frames.append({"file_path": f"train/{path.name}", "transform_matrix": pose})
        if source != index:
            shutil.copyfile(path.with_name(f"r_{source}.jpg"), path)
            continue
        pixels = scene.images[index].numpy()
        small = Image.new("RGB", (SMALL_SIDE, SMALL_SIDE), "white")
        small.paste(Image.fromarray(pixels[..., :3]), mask=Image.fromarray(pixels[..., 3]))
        shift = int(draw.integers(SIDE))
        smooth = np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BILINEAR)) // 16 * 15
        write_picture(path, smooth + grain[shift : shift + SIDE], quality=85)
    angle = 2 * math.atan(0.5 * SMALL_SIDE / float(scene.cameras.intrinsics[0, 0]))
    (folder / "transforms_train.json").write_text(json.dumps({"camera_angle_x": angle, "frames": frames}))


class Watch:
    """Watches the peaks of this process's memory, MB, from a thread."""

    def __init__(self) -> None:
        self.peak = {"unique": 0.0, "anonymous": 0.0, "resident": 0.0}
        self.before = self.look()["unique"]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @staticmethod
    def look() -> dict[str, float]:
        """Unique, anonymous and resident memory at the moment, MB."""
        rows = (line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
        kb = {row[0]: int(row[1]) for row in rows}
        unique = kb["Private_Clean:"] + kb["Private_Dirty:"]
        return {"unique": unique / 1e3, "anonymous": kb["Anonymous:"] / 1e3, "resident": kb["Rss:"] / 1e3}

    def _watch(self) -> None:
        while not self._over.wait(0.2):
            for name, value in self.look().items():
                self.peak[name] = max(self.peak[name], value)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


class Clock:
    """Observes a run and records wall and CPU seconds at the end of each step."""

    def __init__(self) -> None:
        self.started = 0.0
        self.ends: list[tuple[int, float, float]] = []

    @hookimpl
    def radfield_train_started(self) -> None:
        """Note when decoding ended."""
        self.started = time.perf_counter()

    @hookimpl
    def radfield_step_ended(self, step: int) -> None:
        """Note when a step ended."""
        self.ends.append((step, time.perf_counter(), time.process_time()))


def train(method: str, data: Path, steps: int, overrides: list[str]) -> dict[str, Any]:
    """Train in this process and return the memory and speed of the run."""
    set_threads(1)
    from radfield_core.config.layers import compose
    from radfield_core.plugins.registry import get_registry
    from radfield_core.train import session

    registry, clock = get_registry(), Clock()
    run = compose(
        registry,
        method=method,
        data=str(data),
        overrides=[f"trainer.max_steps={steps}", "trainer.log_every=50", *overrides],
    ).run
    registry.hooks.register(clock)
    with tempfile.TemporaryDirectory() as folder, Watch() as watch:
        started = time.perf_counter()
        session.train_run(run, out=Path(folder) / "run", quiet=True, threads="1")
        rows = [json.loads(line) for line in (Path(folder) / "run" / "metrics.jsonl").read_text().splitlines()]
    ends = {step: (wall, cpu) for step, wall, cpu in clock.ends}
    first, last = FIRST, max(ends)
    wall, cpu = (ends[last][i] - ends[first][i] for i in range(2))
    return {
        "steps": last,
        "decoding_seconds": round(clock.started - started, 1),
        "steps_per_second": round((last - first) / wall, 2),
        "steps_per_cpu_second": round((last - first) / cpu, 2),
        "rays_in_last_step": [row["rays"] for row in rows if "rays" in row][-1],
        "peak_mb": {name: round(value) for name, value in watch.peak.items()},
        "before_mb": round(watch.before),
    }


def child(*words: str) -> dict[str, Any]:
    """Run `train` in a process of its own and return its results."""
    command = [sys.executable, __file__, "--child", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    results: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return results


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        method, data, steps, *overrides = sys.argv[2:]
        print(json.dumps(train(method, Path(data), int(steps), overrides)))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=8.0, help="size of all decoded images, GB (default: 8)")
    parser.add_argument("--steps", type=int, default=500, help="steps of each run (default: 500)")
    parser.add_argument("--methods", nargs="+", default=["ngp-small", "nerf-small"])
    parser.add_argument("--part", type=int, default=2, help="the run in memory takes every PART-th image (default: 2)")
    parser.add_argument("--folder", type=Path, help="folder to keep the photographs in (default: a temporary one)")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/larger_than_memory.json")
    args = parser.parse_args()
    from radfield_core.bench.machine import machine
    from radfield_core.files.results import write_results

    n = math.ceil(args.gb * 1e9 / (3 * SIDE * SIDE))
    results: dict[str, Any] = {
        "images": n,
        "size": [SIDE, SIDE],
        "decoded_gb": round(n * 3 * SIDE * SIDE / 1e9, 2),
        "part": args.part,
        "image_cache_mb": CACHE_MB,
        "machine": machine(1),
        "methods": {},
    }
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary) / "photographs"
        if not (folder / "transforms_train.json").exists():
            make(folder, n)
        results["file_gb"] = round(sum(path.stat().st_size for path in folder.rglob("*.jpg")) / 1e9, 2)
        for method in args.methods:
            words = method, str(folder), str(args.steps)
            mapped = child(*words, f"scene.image_cache_mb={CACHE_MB}")
            memory = child(*words, "scene.image_cache_mb=100000", f"data.train_skip={args.part}")
            ratio = mapped["steps_per_cpu_second"] / memory["steps_per_cpu_second"]
            results["methods"][method] = {"mapped": mapped, "in_memory": memory, "speed_ratio": round(ratio, 3)}
            rates = " and ".join(f"{each['steps_per_cpu_second']:g}" for each in (mapped, memory))
            print(
                f"{method}: {mapped['peak_mb']['unique'] / 1e3:.2f} GB unique; steps per CPU second, "
                f"mapped and in memory: {rates}, {ratio:.0%}"
            )
    results["load_average_after"] = machine(1)["load_average"]
    results["missed"] = [
        f"{method}: {what}"
        for method, each in results["methods"].items()
        for what, missed in (
            (f"at most {LIMIT_GB:g} GB of unique memory", each["mapped"]["peak_mb"]["unique"] > LIMIT_GB * 1e3),
            (f"at least {MIN_SPEED_SHARE:.0%} of the speed in memory", each["speed_ratio"] < MIN_SPEED_SHARE),
        )
        if missed
    ]
    for missed in results["missed"]:
        print(f"missed: {missed}")
    if args.write:
        write_results(RESULTS, results)
    return 1 if results["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
