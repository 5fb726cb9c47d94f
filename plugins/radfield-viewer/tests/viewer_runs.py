"""Small runs, and a viewer of one in a thread, for the tests of this plugin."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import viser
from radfield_viewer.config import ViewerConfig
from radfield_viewer.observer import Viewer
from radfield_viewer.page import until

from radfield_core import compose, get_registry, open_run, train_run
from radfield_core.runs.live import observed

WORDS = [
    "data.type=synthetic", "data.resolution=16", "data.n_train=3", "data.n_val=1", "data.n_test=1",
    "trainer.n_rays=16", "trainer.log_every=1", "trainer.eval_share=none", "trainer.eval_views=0",
]  # fmt: skip
METHODS = {
    "nerf-small": ["field.width=8", "field.depth=2", "field.skip_layer=none", "sampler.n_samples=8",
                   "sampler.n_importance=8"],
    "ngp": ["field.encoding.n_levels=2", "field.encoding.log2_table_size=9", "sampler.resolution=16",
            "sampler.num_samples=32", "trainer.target_samples=1000"],
    "splat": ["method.start_gaussians=100", "method.max_gaussians=150", "method.degree=1"],
}  # fmt: skip


def train(out: Path, steps: int, *words: str, method: str = "nerf-small") -> Path:
    """Train a run of a few steps, and return its folder."""
    options = [*WORDS, *METHODS[method], f"trainer.max_steps={steps}", *words]
    if method == "splat":
        options.remove("trainer.n_rays=16")
    return train_run(compose(get_registry(), method=method, overrides=options).run, out=out, quiet=True).folder


@contextmanager
def shown(folder: Path, **options: object) -> Iterator[tuple[Viewer, int]]:
    """Show a trained run. Yields the viewer and its port."""
    run, live = observed(open_run(folder))
    viewer, done = Viewer(ViewerConfig(port=0, **options)), threading.Event()  # type: ignore[arg-type]
    page = viewer._open(run, training=False)
    assert viewer._server is not None
    work = threading.Thread(target=until, args=(done.is_set, page, live))
    work.start()
    try:
        yield viewer, viewer._server.get_port()
    finally:
        done.set()
        work.join()
        viewer._close()


def strangers(port: int, n: int) -> list[socket.socket]:
    """Open connections that misbehave, and return them: a quarter each never speaks, ends within its request, opens a
    websocket and never reads, and opens a websocket and vanishes."""
    request = (
        f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        f"Sec-WebSocket-Protocol: viser-v{viser.__version__}\r\n\r\n"
    ).encode()
    found = []
    for i in range(n):
        connection = socket.create_connection(("127.0.0.1", port), timeout=60)
        found.append(connection)
        connection.sendall((b"", request[: len(request) // 2], request, request)[i % 4])
        if i % 4 >= 2:
            assert connection.recv(12) == b"HTTP/1.1 101"
        if i % 4 == 3:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # reset at once
            connection.close()
    return found
