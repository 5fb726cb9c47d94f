"""A visitor of the page without a browser, for tests and benchmarks. It speaks viser's protocol."""

from __future__ import annotations

import contextlib
import io
import socket
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import viser
import zstandard
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from radfield_viewer.poses import Array, wxyz_of

LEAST_TIMEOUT, READY_SECONDS = 0.01, 30.0


class Client:
    """A connection to the page.

    Args:
        port: port of the server, on this machine.
        origin: the page that the request comes from; by default the server's own.
        path: path and query of the URL.
        headers: more headers of the request.

    Attributes:
        controls: label of a control -> its identifier.
    """

    def __init__(self, port: int, origin: str | None = None, path: str = "/", headers: dict[str, str] | None = None):
        self._socket: ClientConnection = connect(
            f"ws://127.0.0.1:{port}{path}",
            origin=Origin(origin or f"http://127.0.0.1:{port}"),
            subprotocols=[Subprotocol(f"viser-v{viser.__version__}")],
            additional_headers=headers,
            max_size=None,
            compression=None,
        )
        self.controls: dict[str, str] = {}
        next(message for message in self.received(READY_SECONDS) if message["type"] == "ReplayDoneMessage")

    def look(self, c2w: Array, fov: float, width: int, height: int) -> None:
        """Look along the pose c2w [3, 4], with an angle of `fov` degrees from the top to the bottom of the window."""
        center, forward = c2w[:, 3], -c2w[:, 2]
        self.send(
            "ViewerCameraMessage",
            wxyz=wxyz_of(c2w).tolist(),
            position=center.tolist(),
            fov=float(np.radians(fov)),
            near=0.01,
            far=1000.0,
            image_height=height,
            image_width=width,
            look_at=(center + forward).tolist(),
            up_direction=c2w[:, 1].tolist(),
        )

    def set(self, label: str, value: Any) -> None:
        """Give a control a value. A button is pressed with True."""
        self.send("GuiUpdateMessage", uuid=self.controls[label], updates={"value": value})

    def send(self, kind: str, **content: Any) -> None:
        """Send a message."""
        self._socket.send(msgspec.msgpack.encode({"type": kind, **content}))

    def send_bytes(self, data: bytes | str) -> None:
        """Send anything."""
        self._socket.send(data)

    def picture(self, shape: tuple[int, int], seconds: float = 30.0, exact: bool = True) -> np.ndarray:
        """Wait for a picture [H, W, 3] of a shape (H, W), and return it.

        Args:
            shape: height and width in pixels.
            seconds: longest time to wait.
            exact: True to wait for one without losses.

        Raises:
            TimeoutError: no such picture came.
        """
        for message in self.received(seconds):
            if message["type"] == "BackgroundImageMessage" and message["rgb_data"] is not None:
                picture = np.asarray(Image.open(io.BytesIO(message["rgb_data"])))
                if picture.shape[:2] == shape and (message["format"] == "png" or not exact):
                    return picture
        raise TimeoutError(f"no picture of {shape}")

    def text(self, words: str, seconds: float = 30.0) -> str:
        """Wait for a text on the page that contains some words, and return it.

        Raises:
            TimeoutError: no such text came.
        """
        for message in self.received(seconds):
            for value in (*message.get("updates", {}).values(), *message.get("props", {}).values()):
                if isinstance(value, str) and words in value:
                    return value
        raise TimeoutError(f"no text with {words!r}")

    def received(self, seconds: float) -> Iterator[dict[str, Any]]:
        """Yield the messages that come within some seconds."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            try:
                data = self._socket.recv(timeout=max(left, LEAST_TIMEOUT))
            except (TimeoutError, ConnectionClosed):
                return
            assert isinstance(data, bytes)
            for message in unpacked(data):
                label = message.get("props", {}).get("label")
                if "uuid" in message and isinstance(label, str):
                    self.controls[label] = message["uuid"]
                yield message

    def vanish(self) -> None:
        """Close the connection without a word."""
        with contextlib.suppress(OSError):  # the server may have closed it already
            self._socket.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def unpacked(data: bytes) -> list[dict[str, Any]]:
    """Return the messages of one packet of viser: metadata compressed with zstd, and then arrays."""
    size, packed = (int.from_bytes(data[start : start + 8], "little") for start in (0, 8))
    inner = zstandard.ZstdDecompressor().decompress(data[16 : 16 + packed], max_output_size=size)
    content = msgspec.msgpack.decode(inner)
    buffers, offset = [], 16 + packed
    for length in content["binaryBufferLengths"]:
        offset += -offset % 8
        buffers.append(data[offset : offset + length])
        offset += length

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            if "__binary_index" in value:
                return buffers[value["__binary_index"]]
            return {key: filled(item) for key, item in value.items()}
        return [filled(item) for item in value] if isinstance(value, (list, tuple)) else value

    return [filled(message) for message in content["messages"]]
