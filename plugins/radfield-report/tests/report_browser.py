"""A page in headless Chromium, driven over its DevTools protocol with the standard library alone."""

from __future__ import annotations

import base64
import json
import os
import shutil
import socket
import struct
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECONDS = 40.0


class Page:
    """A page that is open in a browser.

    Attributes:
        errors: messages of the console that are errors, and exceptions.
        requests: addresses that the page asked for, but for itself and `data:` addresses.
        dialogs: texts of dialogs that the page opened.
    """

    def __init__(self, address: str):
        _, _, rest = address.partition("://")
        host, _, path = rest.partition("/")
        name, _, port = host.partition(":")
        self._socket = socket.create_connection((name, int(port)), timeout=SECONDS)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        self._file = self._socket.makefile("rb")
        while self._file.readline().strip():
            pass
        self._number = 0
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.dialogs: list[str] = []

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        self._send({"id": self._number, "method": method, "params": parameters})
        while True:
            message = self._receive()
            if message.get("id") == self._number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait_for(self, expression: str) -> None:
        """Wait until an expression in the page is true."""
        until = time.monotonic() + SECONDS
        while not self.value(expression):
            assert time.monotonic() < until, f"never true: {expression}"
            time.sleep(0.05)

    def drag(self, selector: str, dx: float, dy: float = 0.0, start: tuple[float, float] = (0.5, 0.5)) -> None:
        """Drag the mouse over an element. `start` is where it begins, as shares of its width and height."""
        box = self.value(
            f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center', "
            "behavior: 'instant'}); const b = e.getBoundingClientRect(); return [b.x, b.y, b.width, b.height]; })()"
        )
        x, y = box[0] + start[0] * box[2], box[1] + start[1] * box[3]
        held: dict[str, Any] = {"button": "left", "buttons": 1, "clickCount": 1}
        self.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **held)
        for step in (0.5, 1.0):
            self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + step * dx, y=y + step * dy, **held)
        self.call("Input.dispatchMouseEvent", type="mouseReleased", x=x + dx, y=y + dy, **held)
        self.frame()

    def frame(self) -> None:
        """Wait until the page has drawn what changed."""
        self.value("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def picture(self, selector: str) -> bytes:
        """Return what is seen of an element, as PNG."""
        self.frame()
        x, y, width, height = self.value(
            f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView({{block: 'center', "
            "behavior: 'instant'}); const b = e.getBoundingClientRect(); "
            "return [b.x + scrollX, b.y + scrollY, b.width, b.height]; })()"
        )
        clip = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        return base64.b64decode(self.call("Page.captureScreenshot", clip=clip)["data"])

    def _note(self, message: dict[str, Any]) -> None:
        method, found = message.get("method"), message.get("params", {})
        if method == "Log.entryAdded" and found["entry"]["level"] == "error":
            self.errors.append(found["entry"]["text"])
        elif method == "Runtime.exceptionThrown":
            self.errors.append(str(found["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and found["type"] in ("error", "assert"):
            self.errors.append(str(found["args"]))
        elif method == "Network.requestWillBeSent" and not found["request"]["url"].startswith("data:"):
            self.requests.append(found["request"]["url"])
        elif method == "Page.javascriptDialogOpening":
            self.dialogs.append(found["message"])
            self._number += 1
            self._send({"id": self._number, "method": "Page.handleJavaScriptDialog", "params": {"accept": True}})

    def _send(self, message: dict[str, Any]) -> None:
        content, mask = json.dumps(message).encode(), os.urandom(4)
        length = len(content)
        head = bytes([0x81, 0x80 | min(length, 126)]) if length < 126 else b"\x81\xfe" + struct.pack(">H", length)
        assert length < 2**16
        self._socket.sendall(head + mask + bytes(byte ^ mask[i % 4] for i, byte in enumerate(content)))

    def _receive(self) -> dict[str, Any]:
        content = b""
        while True:
            first, second = self._file.read(2)
            length = second & 0x7F
            if length > 125:
                form, size = (">H", 2) if length == 126 else (">Q", 8)
                (length,) = struct.unpack(form, self._file.read(size))
            content += self._file.read(length)
            if first & 0x80:
                return json.loads(content)


@contextmanager
def opened(path: Path, width: int = 1200, height: int = 900) -> Iterator[Page]:
    """Open a file from disk in headless Chromium. The page does not wait for anything: see `Page.wait_for`."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:  # Chromium may still write
        words = [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--no-first-run",
            f"--user-data-dir={home}", f"--window-size={width},{height}", "--hide-scrollbars", "--mute-audio",
            "--disable-background-networking", "--disable-extensions", "about:blank",
        ]  # fmt: skip
        browser = subprocess.Popen(
            words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, "HOME": home}
        )
        try:
            page = Page(_address(Path(home) / "DevToolsActivePort"))
            for domain in ("Page", "Log", "Runtime", "Network"):
                page.call(f"{domain}.enable")
            page.call("Page.navigate", url=path.resolve().as_uri())
            page.wait_for("document.readyState === 'complete' && location.protocol === 'file:'")
            page.requests.remove(path.resolve().as_uri())
            yield page
        finally:
            browser.kill()
            browser.wait()


def _address(port_file: Path) -> str:
    """Return the address of the first tab, once the browser listens."""
    until = time.monotonic() + SECONDS
    while True:
        try:
            port = port_file.read_text().split()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=SECONDS) as answer:
                tabs = json.load(answer)
            return next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        except (OSError, IndexError, StopIteration, ValueError):
            assert time.monotonic() < until, "the browser does not start"
            time.sleep(0.05)
