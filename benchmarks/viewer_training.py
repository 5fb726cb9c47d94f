"""The viewer while a run trains: how much training it costs, and the page in Chromium.

    python benchmarks/viewer_training.py [--method ngp-small] [--steps 400] [--chromium PROGRAM] [--write]

The same steps are trained with nobody watching, and with a visitor, in a process of its own, who moves 30 times a
second at 256 pixels. Printed are the seconds of both: by the clock, of the processor in the thread that trains, and of
the processor in all threads, which include the server of the page; the share of the time that rendering took, and
whether both models are the same, bit for bit. Each is trained `--repeats` times in turns, and the least time counts.
Then Chromium visits a third training, as in benchmarks/viewer.py. One thread trains and renders.
`--write` saves the results as benchmarks/results/viewer_training.json. Exits 1 if training keeps less than 80 % of its
speed in the thread that trains, or if the models differ.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from radfield_viewer import observer
from radfield_viewer.client import Client
from radfield_viewer.observer import Viewer
from radfield_viewer.server import url_of
from viewer_chromium import opened
from websockets.exceptions import ConnectionClosed

from radfield_core import compose, get_registry, open_run, train_run
from radfield_core.bench.machine import machine
from radfield_core.files.results import write_results
from radfield_core.runs.observers import Observers

SIDE, FOV, PER_SECOND = 256, 45.0, 30.0
SPEED_LIMIT = 0.8
CLOCKS = ("seconds", "cpu_seconds_of_the_thread_that_trains", "cpu_seconds_of_all_threads")
WORDS = ["data.resolution=96", "data.n_train=40", "trainer.eval_views=0", "trainer.log_every=5"]
WATCHED = ["observers.v=viewer", "observers.v.port=0", f"observers.v.side={SIDE}"]
RESULTS = Path(__file__).parent / "results" / "viewer_training.json"


def visit(port: int) -> None:
    """Move around the scene until the page closes. Prints a line when connected, and at the end the pictures seen."""
    client, pictures, number = Client(port), 0, 0
    print("connected", flush=True)
    try:
        while True:
            angle = 0.05 * number
            c, s = np.cos(angle), np.sin(angle)
            client.look(np.array([[-s, 0, c, 4 * c], [c, 0, s, 4 * s], [0, 1, 0, 0.0]]), FOV, SIDE, SIDE)
            number += 1
            end, received = time.monotonic() + 1 / PER_SECOND, client.received(1 / PER_SECOND)
            pictures += sum(message["type"] == "BackgroundImageMessage" for message in received)
            if time.monotonic() < end:  # `received` returned early: the connection is closed
                break
    except (ConnectionClosed, OSError):
        pass
    print(pictures, flush=True)


class Moving:
    """The visitor who moves, and the time that rendering for it takes in the thread that trains."""

    def __init__(self) -> None:
        self.looking, self.pictures = 0.0, 0
        self._process: subprocess.Popen[str] | None = None
        self._look = Viewer.look

    def come(self, port: int) -> None:
        """Let the visitor come, and wait until it is there."""
        words = [sys.executable, __file__, "--visit", str(port)]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()

    def look(self, viewer: Viewer, live: Any) -> None:
        started = time.perf_counter()
        self._look(viewer, live)
        self.looking += time.perf_counter() - started

    def leave(self) -> None:
        """Wait until the visitor has seen that the page is closed."""
        assert self._process is not None
        self.pictures = int(self._process.communicate(timeout=120)[0].split()[-1])


def trained(method: str, steps: int, out: Path, words: list[str]) -> dict[str, float]:
    """Train, and return the seconds from the first step to the last one, with what comes between two steps."""
    times: list[tuple[float, float, float]] = []
    wanting = Observers.wanting_a_look

    def asked(observers: Observers) -> list[str]:
        times.append((time.perf_counter(), time.thread_time(), time.process_time()))
        return wanting(observers)

    run = compose(get_registry(), method=method, data="synthetic",
                  overrides=[*WORDS, f"trainer.max_steps={steps}", *words]).run  # fmt: skip
    with patch.object(Observers, "wanting_a_look", asked):
        train_run(run, out=out, quiet=True)
    spent = [last - first for first, last in zip(times[0], times[-1], strict=True)]
    return {**dict(zip(CLOCKS, spent, strict=True)), "steps": len(times) - 1}


def welcoming(arrive: Callable[[int], None]) -> Any:
    """Return a patch that calls `arrive(port)` when the page is open, before the first step."""

    def then(host: str, port: int, guard: Any) -> str:
        arrive(port)
        return url_of(host, port, guard)

    return patch.object(observer, "url_of", then)


def cost(method: str, steps: int, repeats: int, work: Path) -> dict[str, Any]:
    """Return what a visitor costs, and whether the models are the same."""
    plain, watched, shares, pictures = [], [], [], 0
    for n in range(repeats):
        plain.append(trained(method, steps, work / f"plain-{n}", []))
        moving = Moving()
        with welcoming(moving.come), patch.object(Viewer, "look", lambda viewer, live, m=moving: m.look(viewer, live)):
            watched.append(trained(method, steps, work / f"watched-{n}", WATCHED))
        moving.leave()
        shares.append(moving.looking / watched[-1]["seconds"])
        pictures = moving.pictures
    one, other = (open_run(work / name).model.state_dict() for name in ("plain-0", "watched-0"))
    result: dict[str, Any] = {"steps": plain[0]["steps"], "pictures": pictures}
    for name in CLOCKS:
        least = [min(each[name] for each in found) for found in (plain, watched)]
        result[name] = {"alone": least[0], "watched": least[1], "speed_kept": least[0] / least[1]}
    return {
        **result,
        "share_of_rendering": max(shares),
        "bit_equal": all(torch.equal(one[name], other[name]) for name in one),
    }


def chromium(program: str, method: str, work: Path) -> dict[str, Any]:
    """Visit a training with Chromium. A signal ends the training after the visit."""
    found: dict[str, Any] = {}

    def visited(port: int) -> None:
        try:
            positions = compose_positions(method)
            with opened(program, f"http://127.0.0.1:{port}") as page:
                found.update(page.visit(work / "visited", positions))
        finally:
            os.kill(os.getpid(), signal.SIGINT)

    visitors: list[threading.Thread] = []

    def arrive(port: int) -> None:
        visitors.append(threading.Thread(target=visited, args=(port,)))
        visitors[0].start()

    with welcoming(arrive):
        seconds = trained(method, 10**6, work / "visited", WATCHED)
    visitors[0].join()
    return {**found, "steps_trained_meanwhile": seconds["steps"]}


def compose_positions(method: str) -> np.ndarray:
    """Return the centers of the training cameras, by their numbers."""
    from radfield_core.runs.scenes import Scenes

    run = compose(get_registry(), method=method, data="synthetic", overrides=WORDS).run
    return np.asarray(Scenes(run).views("train").cameras.c2w[:, :, 3].double().numpy())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="ngp-small", help="the method to train (default: ngp-small)")
    parser.add_argument("--steps", type=int, default=400, help="number of steps (default: 400)")
    parser.add_argument("--repeats", type=int, default=2, help="number of times that each is trained (default: 2)")
    parser.add_argument("--chromium", metavar="PROGRAM", help="Chromium, to visit a training")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS}")
    parser.add_argument("--visit", metavar="PORT", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.visit:
        visit(args.visit)
        return 0
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, Any] = {"method": args.method, "side": SIDE, "share": 0.2}
        found |= cost(args.method, args.steps, args.repeats, Path(folder))
        if args.chromium:
            found["chromium"] = chromium(args.chromium, args.method, Path(folder))
    print(json.dumps(found, indent=1))
    if args.write:
        known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
        write_results(RESULTS, {**known, args.method: {**found, "machine": machine(1)}})
    return 0 if found["bit_equal"] and found[CLOCKS[1]]["speed_kept"] >= SPEED_LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
