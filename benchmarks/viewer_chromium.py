"""A visitor of the viewer's page in headless Chromium, whose websocket is read along. Used by benchmarks/viewer.py."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import numpy as np
from PIL import Image
from radfield_viewer.client import unpacked
from websockets.sync.client import connect
from websockets.sync.connection import Connection

SWITCHES = (
    "--headless=new", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--hide-scrollbars",
    "--remote-debugging-port=0", "--remote-allow-origins=*", "--no-first-run", "--disable-background-networking",
)  # fmt: skip
QUIET_SECONDS = 1.0
"""A camera has stopped if the page has sent no other one for so long."""


class Chromium:
    """The page in Chromium.

    Attributes:
        errors: errors of the console.
        foreign: requests to other servers.
        cameras: time and content of each camera that the page has sent, in the clock of Chromium.
        pictures: time, picture [H, W, 3] and format of each picture of the model that it has received.
    """

    def __init__(self, debugger: Connection, url: str):
        self._socket, self._origin, self._number = debugger, url.removeprefix("http://"), 0
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.cameras: list[tuple[float, dict[str, Any]]] = []
        self.pictures: list[tuple[float, np.ndarray, str]] = []
        for domain in ("Runtime", "Log", "Network", "Page"):
            self.call(f"{domain}.enable")
        self.call("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=True, flatten=True)
        self.call("Page.navigate", url=url)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the DevTools protocol."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=120))
            if message.get("id") == self._number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                found: dict[str, Any] = message["result"]
                return found
            self._note(message)

    def watch(self, seconds: float) -> None:
        """Take in what happens within some seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                self._note(json.loads(self._socket.recv(timeout=left)))
            except TimeoutError:
                return

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def until(self, what: str, done: Any, seconds: float = 90.0) -> None:
        """Take in what happens until `done()` is true. Raises TimeoutError if it never is."""
        end = time.monotonic() + seconds
        while not done():
            if time.monotonic() > end:
                raise TimeoutError(f"never: {what}")
            self.watch(0.1)

    def press(self, text: str, seconds: float = 20.0) -> None:
        """Press the button, the tab or the option with a text."""
        script = (
            "(() => { const all = [...document.querySelectorAll('button, [role=option], .mantine-Paper-root *')];"
            f"const one = all.filter(e => e.textContent.trim() === {json.dumps(text)} && e.offsetParent).pop();"
            "if (one) one.click(); return Boolean(one); })()"
        )
        self.until(f"something to press with the text {text!r}", lambda: self.value(script), seconds)
        self.watch(0.5)

    def choose(self, label: str, option: str) -> None:
        """Choose an option of a dropdown."""
        script = (
            "(() => { const l = [...document.querySelectorAll('label')].find(e => e.textContent.trim() === "
            f"{json.dumps(label)}); const e = document.getElementById(l.htmlFor); "
            "e.scrollIntoView({block: 'center'}); const b = e.getBoundingClientRect(); "
            "return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )
        for attempt in range(5):  # a page that is still being laid out moves away from the mouse
            self.click(*self.value(script))
            self.watch(0.5)
            try:
                self.press(option, seconds=3.0)
                return
            except TimeoutError:
                if attempt == 4:
                    raise

    def click(self, x: float, y: float) -> None:
        """Click at a place of the window."""
        self._mouse("mousePressed", x, y)
        self._mouse("mouseReleased", x, y)

    def turn(self, dx: float) -> None:
        """Drag over the scene, and wait until the camera has stopped and its sharp picture is there."""
        self._mouse("mousePressed", 400, 360)
        for share in (0.25, 0.5, 0.75, 1.0):
            self._mouse("mouseMoved", 400 + share * dx, 360)
        self._mouse("mouseReleased", 400 + dx, 360)
        self.rest()

    def rest(self) -> None:
        """Wait until the camera has stopped and its sharp picture is there."""
        count = -1
        while count != len(self.cameras):
            count = len(self.cameras)
            self.watch(QUIET_SECONDS)
        self.until("a sharp picture", lambda: self.sharp_after_stop)

    @property
    def sharp_after_stop(self) -> bool:
        """True if a sharp picture came after the last camera."""
        return bool(self.cameras) and any(
            at > self.cameras[-1][0] and form == "png" for at, _, form in reversed(self.pictures)
        )

    def first_picture_seconds(self) -> float:
        """Return the seconds from the last camera to the first picture after it."""
        stopped = self.cameras[-1][0]
        return next(at for at, _, _ in self.pictures if at > stopped) - stopped

    def visit(self, folder: Path, positions: np.ndarray) -> dict[str, Any]:
        """Look, go to cameras, turn, save a path of two keyframes, and return what was seen.

        Args:
            folder: the folder of the run.
            positions: the centers of the cameras of the run, by their numbers.
        """
        self.rest()
        first, reached = [], 0.0
        for number in (i % len(positions) for i in range(1, 6)):
            self.choose("go to camera", str(number))
            self.rest()
            first.append(self.first_picture_seconds())
            reached = max(reached, float(np.abs(self.position - positions[number]).max()))
        self.press("Camera path")
        self.press("Add keyframe here")
        self.turn(60)
        self.press("Add keyframe here")
        before = set(folder.glob("camera_paths/*"))
        self.press("Save")
        self.until("a saved path", lambda: set(folder.glob("camera_paths/*")) - before)
        (saved,) = set(folder.glob("camera_paths/*")) - before
        return {
            "first_picture_seconds": {"median": median(first), "least": min(first), "most": max(first)},
            "distance_from_the_chosen_camera": reached,
            "keyframes_of_the_saved_path": len(json.loads(saved.read_text())["keyframes"]),
            "console_errors": self.errors,
            "foreign_requests": self.foreign,
        }

    @property
    def position(self) -> np.ndarray:
        """The center [3] of the last camera."""
        return np.asarray(self.cameras[-1][1]["position"], np.float64)

    def show_scene(self) -> None:
        """Close notices and move a little away, for a picture of the scene with its cameras."""
        self.rest()
        self.value("document.querySelectorAll('.mantine-Notification-closeButton').forEach(b => b.click())")
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=400, y=360, deltaX=0, deltaY=120)
        self.turn(-90)

    def screenshot(self) -> Image.Image:
        """Return what the window shows."""
        data = base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
        return Image.open(io.BytesIO(data)).convert("RGB")

    def _mouse(self, kind: str, x: float, y: float) -> None:
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def _note(self, event: dict[str, Any]) -> None:
        about, given = event.get("method"), event.get("params", {})
        if (
            about == "Runtime.exceptionThrown"
            or (about == "Log.entryAdded" and given["entry"]["level"] == "error")
            or (about == "Runtime.consoleAPICalled" and given["type"] == "error")
        ):
            self.errors.append(json.dumps(given)[:300])
        elif about == "Network.requestWillBeSent":
            target = given["request"]["url"]
            if target.startswith(("http", "ws")) and self._origin not in target:
                self.foreign.append(target)
        elif about == "Target.attachedToTarget":  # viser's websocket belongs to a worker
            for method in ("Network.enable", "Runtime.runIfWaitingForDebugger"):
                self._number += 1
                self._socket.send(json.dumps({"id": self._number, "method": method, "sessionId": given["sessionId"]}))
        elif about == "Network.webSocketFrameSent" and given["response"]["opcode"] == 2:
            message = msgspec.msgpack.decode(base64.b64decode(given["response"]["payloadData"]))
            for each in message if isinstance(message, list) else [message]:
                if each.get("type") == "ViewerCameraMessage":
                    self.cameras.append((given["timestamp"], each))
        elif about == "Network.webSocketFrameReceived" and given["response"]["opcode"] == 2:
            for each in unpacked(base64.b64decode(given["response"]["payloadData"])):
                if each["type"] == "BackgroundImageMessage" and each["rgb_data"]:
                    picture = np.asarray(Image.open(io.BytesIO(each["rgb_data"])).convert("RGB"))
                    self.pictures.append((given["timestamp"], picture, each["format"]))


@contextmanager
def opened(program: str, url: str, width: int = 1200, height: int = 720) -> Iterator[Chromium]:
    """Open a page in headless Chromium."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        words = [program, *SWITCHES, f"--window-size={width},{height}", f"--user-data-dir={profile}", "about:blank"]
        browser = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with connect(_debugger(Path(profile) / "DevToolsActivePort"), max_size=None) as debugger:
                page = Chromium(debugger, url)
                page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                          mobile=False)  # fmt: skip
                yield page
        finally:
            browser.terminate()
            browser.wait()


def _debugger(port_file: Path) -> str:
    """Return the address of the first tab, once the browser listens."""
    end = time.monotonic() + 60
    while True:
        try:
            port = int(port_file.read_text().split()[0])
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
                return next(str(tab["webSocketDebuggerUrl"]) for tab in json.load(answer) if tab["type"] == "page")
        except (OSError, IndexError, ValueError, StopIteration):
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
