"""The viewer of a trained run: the time of the first picture, the picture at rest, and the page in Chromium.

    python benchmarks/viewer.py RUN [--chromium PROGRAM] [--picture FILE] [--side N] [--write]

One thread renders. A visitor without a browser looks along the middle training camera at 256 pixels, then moves five
times; the time to the first picture after each move is measured. The picture at rest is compared with what the model
renders for the same camera. Then Chromium, without a window, opens the page, goes to five cameras, turns, and saves a
path of two keyframes. Its websocket is read along: the time from each stop of its camera to the first picture after it,
and its last picture beside what the model renders for the camera that it sent. Its console errors and its requests to
other servers are listed, and its picture can be kept. benchmarks/viewer_training.py does the same while a run trains.
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from radfield_viewer.client import Client
from radfield_viewer.config import ViewerConfig
from radfield_viewer.observer import Viewer
from radfield_viewer.page import until
from radfield_viewer.poses import c2w_of
from viewer_chromium import opened

from radfield_core import LiveRun, ObservedRun, View, open_run
from radfield_core.bench.machine import machine
from radfield_core.render import make_pictures, stated_camera
from radfield_core.runs.live import observed

SIDE, FOV, MOVES = 256, 45.0, 5
RESULTS = Path(__file__).parent / "results" / "viewer.json"


def first_pictures(client: Client, c2w: np.ndarray) -> list[float]:
    """Seconds from each stop of the camera to the first picture, whatever its size."""
    found = []
    for move in range(MOVES):
        moved = c2w.copy()
        moved[:, 3] += 0.02 * (move + 1) * c2w[:, 0]
        started = time.perf_counter()
        client.look(moved, FOV, SIDE, SIDE)
        next(m for m in client.received(60) if m["type"] == "BackgroundImageMessage" and m["rgb_data"])
        found.append(time.perf_counter() - started)
    return found


def at_rest(client: Client, live: Any, c2w: np.ndarray) -> tuple[float, float | str]:
    """Seconds until the sharp picture, and its PSNR against a rendering of the same camera."""
    started = time.perf_counter()
    client.look(c2w, FOV, SIDE, SIDE)
    found = client.picture((SIDE, SIDE), 120)
    seconds = time.perf_counter() - started
    rendered = live.render(View(torch.from_numpy(c2w), stated_camera(SIDE, SIDE, FOV)), None, None)
    return seconds, decibels(found, make_pictures(rendered, SIDE, SIDE)["rgb"])


def in_chromium(program: str, port: int, picture: Path | None, run: ObservedRun, live: LiveRun) -> dict[str, Any]:
    """Visit the page with Chromium, and compare its last picture at rest with a rendering of the camera it sent."""
    positions = run.scene.cameras.c2w[:, :, 3].double().numpy()
    with opened(program, f"http://127.0.0.1:{port}") as page:
        if picture is not None:
            page.show_scene()
            page.screenshot().save(picture)
        found = page.visit(run.folder, positions)
        sent, shown = page.cameras[-1][1], page.pictures[-1][1]
    pose = c2w_of(SimpleNamespace(wxyz=sent["wxyz"], position=sent["position"]))
    assert pose is not None
    height, width = shown.shape[:2]
    camera = stated_camera(width, height, float(np.degrees(sent["fov"])))
    rendered = live.render(View(torch.from_numpy(pose), camera), None, None)
    return {**found, "psnr_at_rest": decibels(shown, make_pictures(rendered, width, height)["rgb"])}


def decibels(picture: np.ndarray, expected: np.ndarray) -> float | str:
    """Return the PSNR of a picture, or "equal"."""
    error = np.square(picture.astype(float) - expected).mean()
    return "equal" if error == 0 else float(10 * np.log10(255**2 / error))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", type=Path)
    parser.add_argument("--chromium", metavar="PROGRAM", help="Chromium, to open the page in")
    parser.add_argument("--picture", metavar="FILE", type=Path, help="where to keep Chromium's picture of the page")
    parser.add_argument(
        "--side", type=int, default=SIDE, help=f"height of pictures at rest in pixels (default: {SIDE})"
    )
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS}")
    args = parser.parse_args()
    torch.set_num_threads(1)
    run, live = observed(open_run(args.run))
    viewer, done = Viewer(ViewerConfig(port=0, side=args.side)), threading.Event()
    page = viewer._open(run, training=False)
    assert viewer._server is not None
    port = viewer._server.get_port()
    work = threading.Thread(target=until, args=(done.is_set, page, live))
    work.start()
    c2w = run.scene.cameras.c2w[len(run.scene.cameras) // 2].double().numpy()
    client = Client(port)
    sharp, psnr = at_rest(client, live, c2w)
    first = first_pictures(client, c2w)
    client.close()
    found: dict[str, Any] = {
        "method": run.config.method.name,
        "side": SIDE,
        "first_picture_seconds": {"median": statistics.median(first), "least": min(first), "most": max(first)},
        "sharp_picture_seconds": sharp,
        "psnr_at_rest": psnr,
    }
    if args.chromium:
        found["chromium"] = in_chromium(args.chromium, port, args.picture, run, live)
    done.set()
    work.join()
    viewer._close()
    print(json.dumps(found, indent=1))
    if args.write:
        RESULTS.write_text(json.dumps({**found, "machine": machine(1)}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
