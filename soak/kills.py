"""Kill a process in the middle of saving, again and again: no checkpoint that was acknowledged may be lost.

    python -m soak --cases 0

The last line has the counts. A kill counts as lost, too, if temporary files stay after the next start.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import struct
import tempfile
import time
from pathlib import Path

import torch

from radfield_core.runs import checkpoint
from radfield_core.runs.checkpoint import State

NUMBERS = 200_000


def state(step: int) -> State:
    """A state whose every number is its step."""
    return State(step, {"w": torch.full((NUMBERS,), float(step))}, {"m": torch.full((NUMBERS,), float(step))})


def whole(loaded: State | None) -> bool:
    """True if a state equals, in every part, one that was saved."""
    if loaded is None:
        return False
    return all(bool((tensor == loaded.step).all()) for tensor in (loaded.model["w"], loaded.optimizer["m"]))


def save_forever(folder: Path, first: int, pipe: int) -> None:
    """Save one step after another, and acknowledge each."""
    for step in range(first, first + 10**6):
        checkpoint.save(folder, state(step))
        os.write(pipe, struct.pack("<q", step))


def kill_once(folder: Path, first: int, draw: random.Random) -> tuple[int, bool, bool]:
    """Start to save, kill, and load.

    Returns:
        The step that was loaded, whether the kill hit a save, and whether what was acknowledged is intact.
    """
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        with contextlib.suppress(BaseException):
            save_forever(folder, first, writer)
        os._exit(99)
    os.close(writer)
    data = os.read(reader, 8)  # it is saving by now
    time.sleep(draw.uniform(0.0, 0.04))
    while draw.random() < 0.9 and not any(name.startswith(".tmp") for name in os.listdir(folder)):
        pass  # most kills wait for a save to begin
    time.sleep(draw.uniform(0.0, 0.004))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    while piece := os.read(reader, 1 << 16):
        data += piece
    os.close(reader)
    (acknowledged,) = struct.unpack("<q", data[-8:])
    hit = any(name.startswith(".tmp") for name in os.listdir(folder))
    loaded, _, _ = checkpoint.newest(folder)
    intact = loaded is not None and loaded.step >= acknowledged and whole(loaded)
    checkpoint.clean(folder)
    clean = not any(".tmp" in name for name in os.listdir(folder))
    return acknowledged if loaded is None else loaded.step, hit, intact and clean


def run(kills: int) -> int:
    """Kill, and print the counts. Return the number of kills that lost a checkpoint."""
    torch.set_num_threads(1)
    draw = random.Random(0)  # noqa: S311  not for secrets
    started, step, hits, lost = time.monotonic(), 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="radfield-soak-") as folder:
        for _ in range(kills):
            step, hit, intact = kill_once(Path(folder) / "checkpoints", step + 1, draw)
            hits += hit
            lost += not intact
    seconds = time.monotonic() - started
    print(f"kills: {kills} kill -9, {hits} in the middle of a save, {lost} lost, {seconds:.0f} s", flush=True)
    return lost
