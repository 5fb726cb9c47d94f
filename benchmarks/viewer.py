"""The viewer of a trained run: the time of the first picture, the picture at rest, and the page in Chromium.

    python benchmarks/viewer.py RUN [--chromium PROGRAM] [--picture FILE] [--write]

One thread renders. A visitor without a browser looks along the middle training camera at 256 pixels, then moves five
times; the time to the first picture after each move is measured. The picture at rest is compared with what the model
renders for the same camera. Chromium, without a window, opens the page: its console errors and its requests to other
servers are counted, and its picture is kept.
"""

from __future__ import annotations

import argparse
import base64
import json
import statistics
import subprocess
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from radfield_viewer.client import Client
from radfield_viewer.config import ViewerConfig
from radfield_viewer.observer import Viewer
from radfield_viewer.page import until
from websockets.sync.client import connect

from radfield_core import View, open_run
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


def at_rest(client: Client, live: Any, c2w: np.ndarray) -> tuple[float, float]:
    """Seconds until the sharp picture, and its PSNR against a rendering of the same camera."""
    started = time.perf_counter()
    client.look(c2w, FOV, SIDE, SIDE)
    found = client.picture((SIDE, SIDE), 120)
    seconds = time.perf_counter() - started
    rendered = live.render(View(torch.from_numpy(c2w), stated_camera(SIDE, SIDE, FOV)), None, None)
    error = np.square(found.astype(float) - make_pictures(rendered, SIDE, SIDE)["rgb"]).mean()
    return seconds, float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def in_chromium(
    program: str, url: str, picture: Path | None, seconds: float, visitors: Callable[[], int]
) -> dict[str, Any]:
    """Open the page. Return the console errors, the requests to other servers, and the number of visitors then."""
    options = ["--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
               "--window-size=1200,720", "--remote-debugging-port=0", "--remote-allow-origins=*"]  # fmt: skip
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = subprocess.Popen(
            [program, *options, f"--user-data-dir={profile}", "about:blank"], stderr=subprocess.DEVNULL
        )
        try:
            file, end = Path(profile) / "DevToolsActivePort", time.monotonic() + 60
            while not file.exists() and time.monotonic() < end:
                time.sleep(0.1)
            port = int(file.read_text().split()[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
                target = next(page for page in json.load(answer) if page["type"] == "page")
            found = _visited(target["webSocketDebuggerUrl"], url, picture, seconds)
            return {**found, "visitors": visitors()}
        finally:
            browser.terminate()
            browser.wait()


def _visited(debugger: str, url: str, picture: Path | None, seconds: float) -> dict[str, Any]:
    errors: list[str] = []
    foreign: list[str] = []
    origin = url.removeprefix("http://")
    with connect(debugger, max_size=None) as page:
        for number, method in enumerate(("Runtime.enable", "Log.enable", "Network.enable", "Page.enable")):
            page.send(json.dumps({"id": number, "method": method}))
        page.send(json.dumps({"id": 10, "method": "Page.navigate", "params": {"url": url}}))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                event = json.loads(page.recv(timeout=1))
            except TimeoutError:
                continue
            about, given = event.get("method"), event.get("params", {})
            if about == "Runtime.exceptionThrown" or (
                about == "Log.entryAdded" and given["entry"]["level"] == "error"
            ) or (about == "Runtime.consoleAPICalled" and given["type"] == "error"):  # fmt: skip
                errors.append(json.dumps(given)[:300])
            if about == "Network.requestWillBeSent":
                target = given["request"]["url"]
                if target.startswith(("http", "ws")) and origin not in target:
                    foreign.append(target)
        page.send(json.dumps({"id": 11, "method": "Page.captureScreenshot", "params": {"format": "png"}}))
        while (event := json.loads(page.recv(timeout=60))).get("id") != 11:
            pass
        if picture is not None:
            picture.write_bytes(base64.b64decode(event["result"]["data"]))
    return {"console_errors": errors, "foreign_requests": foreign}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", metavar="RUN", type=Path)
    parser.add_argument("--chromium", metavar="PROGRAM", help="Chromium, to open the page in")
    parser.add_argument("--picture", metavar="FILE", type=Path, help="where to keep Chromium's picture of the page")
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="seconds that Chromium shows the page (default: 60)"
    )
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS}")
    args = parser.parse_args()
    torch.set_num_threads(1)
    run, live = observed(open_run(args.run))
    viewer, done = Viewer(ViewerConfig(port=0)), threading.Event()
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
        "psnr_at_rest": psnr if np.isfinite(psnr) else "equal",
    }
    if args.chromium:
        url = f"http://127.0.0.1:{port}"
        found["chromium"] = in_chromium(args.chromium, url, args.picture, args.seconds, lambda: len(page._visitors))
    done.set()
    work.join()
    viewer._close()
    print(json.dumps(found, indent=1))
    if args.write:
        RESULTS.write_text(json.dumps({**found, "machine": machine(1)}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
