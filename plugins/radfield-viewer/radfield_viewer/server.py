"""viser's server behind the guard."""

from __future__ import annotations

import contextlib
import http.client
import io
import socket
import threading
from collections.abc import Iterator
from typing import Any

import viser
import websockets.asyncio.server as websocket_server

from radfield_core import PluginError, UsageError
from radfield_viewer.guard import MAX_MESSAGE, Guard, silent_logger

_STARTING = threading.Lock()


class GuardedServer(viser.ViserServer):
    """viser's server, without its offer to share the page through a server on the internet."""

    def request_share_url(self, verbose: bool = True) -> None:
        """Refuse: the page would be open to everybody who knows the URL."""


def start(host: str, port: int, guard: Guard) -> GuardedServer:
    """Start a server whose every request passes the guard.

    Raises:
        UsageError: the address cannot be used.
        PluginError: the guard is not in front of the server, because viser was built in another way.
    """
    _check_address(host)
    with _STARTING, _in_front(guard), contextlib.redirect_stdout(io.StringIO()):  # viser prints a panel
        server = GuardedServer(host=host, port=port, label="radfield", verbose=False)
    if not _guards(host, server.get_port()):
        stop(server)
        message = f"viser {viser.__version__} lets requests pass unchecked"
        raise PluginError(message, hint="pip install viser==1.1.1")
    return server


def stop(server: viser.ViserServer) -> None:
    """Stop a server."""
    with contextlib.redirect_stdout(io.StringIO()):  # viser prints that it stopped
        server.stop()


def url_of(host: str, port: int, guard: Guard) -> str:
    """Return the URL of the page, with the token if one is needed.

    Example:
        >>> url_of("127.0.0.1", 7860, Guard("127.0.0.1"))
        'http://127.0.0.1:7860'
    """
    name = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104
    return f"http://{name}:{port}" + (f"/?token={guard.token}" if guard.token else "")


@contextlib.contextmanager
def _in_front(guard: Guard) -> Iterator[None]:
    """Inside the block, websockets starts servers behind the guard. viser has no option for that."""
    serve = websocket_server.serve

    def guarded(handler: Any, *arguments: Any, **options: Any) -> Any:
        options["process_request"] = guard.before(options.get("process_request"))
        options |= {"max_size": MAX_MESSAGE, "logger": silent_logger()}
        return serve(guard.counted(handler), *arguments, **options)

    websocket_server.serve = guarded  # type: ignore[assignment,misc]
    try:
        yield
    finally:
        websocket_server.serve = serve  # type: ignore[misc]


def _check_address(host: str) -> None:
    """Raise UsageError if no server can be bound to an address. viser would wait forever."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except OSError as error:
        message = f"no server can be started at {host!r:.100}: {error.strerror or error}"
        raise UsageError(message, path="host", hint="--host 127.0.0.1, or an address of this machine") from None


def _guards(host: str, port: int) -> bool:
    """Return True if the server refuses a request with a foreign name."""
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    connection = http.client.HTTPConnection(here, port, timeout=10)
    try:
        connection.request("GET", "/", headers={"Host": "radfield.invalid"})
        return connection.getresponse().status == http.HTTPStatus.FORBIDDEN
    except OSError:
        return False
    finally:
        connection.close()
