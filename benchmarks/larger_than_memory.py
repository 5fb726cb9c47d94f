"""A set of photographs larger than the memory it may use: how much memory training takes, and at what speed.

    python benchmarks/larger_than_memory.py [--gb 8] [--steps 500] [--methods NAME ...] [--folder DIR] [--write]

Makes `--gb` GB of photographs, as they are when decoded, of the synthetic scene: 48 of them rendered small, enlarged to
3464 × 3464 pixels, with grain, as JPEG, the others copies of those files. Each method then trains as `radfield train`
does, in a process of its own: once on the whole set with 256 MiB for decoded images, so that they are mapped from a
file, and once on every `--part`-th image, kept in memory; the two differ in nothing else. `--write` puts the figures
into benchmarks/results/larger_than_memory.json. Exits 1 if a figure is missed.

Unique memory is what /proc/self/smaps_rollup calls Private_Clean and Private_Dirty, added, at its peak over the whole
run, decoding included, taken five times a second: memory that no other process has. Pages of the mapped file count
while the process has them; the system's page cache, which keeps the file's pages and gives them up when anybody needs
memory, does not. Speed is steps over seconds after the first 50 steps, by the wall's clock and by the processor's,
which tells the truth on a machine that others use too, as long as nothing waits for the disk: the share of the speed in
memory is by the processor's. CPU seconds include those of the system, which maps the pages.
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
LIMIT_GB, SHARE = 1.2, 0.5


def make(folder: Path, n: int) -> None:
    """A Blender folder of n photographs."""
    import numpy as np
    from PIL import Image
    from radfield_synthetic.config import SyntheticConfig
    from radfield_synthetic.dataset import SyntheticParser

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
        Image.fromarray(smooth + grain[shift : shift + SIDE]).save(path, quality=85)
    angle = 2 * math.atan(0.5 * SMALL_SIDE / float(scene.cameras.intrinsics[0, 0]))
    (folder / "transforms_train.json").write_text(json.dumps({"camera_angle_x": angle, "frames": frames}))


class Watch:
    """Peaks of this process's memory, in MB, and when which step ended."""

    def __init__(self) -> None:
        self.peak = {"unique": 0.0, "anonymous": 0.0, "resident": 0.0}
        self.before = self.look()["unique"]
        self.seconds: dict[int, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @staticmethod
    def look() -> dict[str, float]:
        """Unique, anonymous and resident memory now."""
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
    """Observes a run: wall and CPU seconds at the end of each step."""

    def __init__(self) -> None:
        self.started = 0.0
        self.ends: list[tuple[int, float, float]] = []

    @hookimpl
    def radfield_train_started(self) -> None:
        """Decoding is over."""
        self.started = time.perf_counter()

    @hookimpl
    def radfield_step_ended(self, step: int) -> None:
        """Note the time."""
        self.ends.append((step, time.perf_counter(), time.process_time()))


def train(method: str, data: Path, steps: int, overrides: list[str]) -> dict[str, Any]:
    """Train in this process; the figures of the run."""
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
        "steps": last, "decoding_seconds": round(clock.started - started, 1),
        "steps_per_second": round((last - first) / wall, 2),
        "steps_per_cpu_second": round((last - first) / cpu, 2),
        "rays_in_last_step": [row["rays"] for row in rows if "rays" in row][-1],
        "peak_mb": {name: round(value) for name, value in watch.peak.items()},
        "before_mb": round(watch.before),
    }  # fmt: skip


def child(*words: str) -> dict[str, Any]:
    """The figures of a run in a process of its own."""
    command = [sys.executable, __file__, "--child", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        method, data, steps, *overrides = sys.argv[2:]
        print(json.dumps(train(method, Path(data), int(steps), overrides)))
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=8.0, help="size of all images when decoded, GB")
    parser.add_argument("--steps", type=int, default=500, help="of training, each time")
    parser.add_argument("--methods", nargs="+", default=["ngp-small", "nerf-small"])
    parser.add_argument("--part", type=int, default=2, help="every n-th image is for the run in memory")
    parser.add_argument("--folder", type=Path, help="where the photographs go; by default they go afterward")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/larger_than_memory.json")
    args = parser.parse_args()
    from radfield_core.bench.machine import machine
    from radfield_core.bench.micro import write

    n = math.ceil(args.gb * 1e9 / (3 * SIDE * SIDE))
    figures: dict[str, Any] = {
        "images": n, "size": [SIDE, SIDE], "decoded_gb": round(n * 3 * SIDE * SIDE / 1e9, 2), "part": args.part,
        "image_cache_mb": CACHE_MB, "machine": machine(1), "methods": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary) / "photographs"
        if not (folder / "transforms_train.json").exists():
            make(folder, n)
        figures["file_gb"] = round(sum(path.stat().st_size for path in folder.rglob("*.jpg")) / 1e9, 2)
        for method in args.methods:
            words = method, str(folder), str(args.steps)
            mapped = child(*words, f"scene.image_cache_mb={CACHE_MB}")
            memory = child(*words, "scene.image_cache_mb=100000", f"data.train_skip={args.part}")
            ratio = mapped["steps_per_cpu_second"] / memory["steps_per_cpu_second"]
            figures["methods"][method] = {"mapped": mapped, "in_memory": memory, "speed_ratio": round(ratio, 3)}
            rates = " and ".join(f"{each['steps_per_cpu_second']:g}" for each in (mapped, memory))
            print(
                f"{method}: {mapped['peak_mb']['unique'] / 1e3:.2f} GB unique; steps per CPU second, "
                f"mapped and in memory: {rates}, {ratio:.0%}"
            )
    figures["load_average_after"] = machine(1)["load_average"]
    figures["missed"] = [
        f"{method}: {what}"
        for method, each in figures["methods"].items()
        for what, missed in (
            (f"at most {LIMIT_GB:g} GB of unique memory", each["mapped"]["peak_mb"]["unique"] > LIMIT_GB * 1e3),
            (f"at least {SHARE:.0%} of the speed in memory", each["speed_ratio"] < SHARE),
        )
        if missed
    ]
    for missed in figures["missed"]:
        print(f"missed: {missed}")
    if args.write:
        write(figures, RESULTS)
    return 1 if figures["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
