"""Decides which requests the viewer's server answers, before viser sees them.

A page of another site can make a browser send requests to this machine. Three checks keep it out: the header `Host`
must name this server, because a name that an attacker controls can be made to lead here (DNS rebinding); the header
`Origin`, which browsers add to every websocket, must be the page of this server; and if the server can be reached from
other machines, a random token is needed. The first page gets it in its URL, and then in a cookie.
"""

from __future__ import annotations

import hmac
import http
import ipaddress
import logging
import secrets
import socket
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
MAX_MESSAGE = 2**20
"""Largest message in bytes that a page may send. Positions of cameras and values of buttons are far smaller."""

HEADERS = {
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""Headers of every answer: no other page may show the viewer in a frame, and no request tells the URL and its token."""

Handler = Callable[[ServerConnection], Awaitable[None]]
Before = Callable[[ServerConnection, Request], Response | None]


class Guard:
    """Checks requests.

    Args:
        host: the address that the server is bound to.
        clients: largest number of websockets at once.
        token: the token that requests need; by default a random one, or none if only this machine reaches the server.

    Attributes:
        token: the token, or None.
    """

    def __init__(self, host: str, clients: int = 8, token: str | None = None):
        self._host, self._clients, self._open = host.lower(), clients, 0
        self._local = is_loopback(host)
        self.token = token or (None if self._local else secrets.token_urlsafe(16))

    def before(self, answer: Before | None) -> Before:
        """Return a function that answers requests as `answer` does, if they are allowed."""

        def checked(connection: ServerConnection, request: Request) -> Response | None:
            response = self.refusal(request)
            if response is None and answer is not None:
                response = answer(connection, request)
            if response is not None:
                for name, value in HEADERS.items():
                    response.headers[name] = value
            return response

        return checked

    def counted(self, handler: Handler) -> Handler:
        """Return a handler of websockets that counts how many are open."""

        async def handle(connection: ServerConnection) -> None:
            self._open += 1
            try:
                await handler(connection)
            finally:
                self._open -= 1

        return handle

    def refusal(self, request: Request) -> Response | None:
        """Return the answer to a request that is refused or that brings the token, or None for an allowed request."""
        hosts, origins = request.headers.get_all("Host"), request.headers.get_all("Origin")
        if len(hosts) != 1 or not self._is_own(hosts[0]):
            return _refused(http.HTTPStatus.FORBIDDEN, "this name does not lead to the viewer; use the printed URL")
        if any(not _same_origin(origin, hosts[0]) for origin in origins) or len(origins) > 1:
            return _refused(http.HTTPStatus.FORBIDDEN, "another page may not use the viewer")
        websocket = "websocket" in request.headers.get("Upgrade", "").lower()
        if self.token is not None and not self._has_cookie(request):
            if not self._has_token(request):
                return _refused(http.HTTPStatus.FORBIDDEN, "the token is missing or wrong; use the printed URL")
            if not websocket:
                return self._with_cookie()
        if websocket and self._open >= self._clients:
            return _refused(http.HTTPStatus.SERVICE_UNAVAILABLE, "too many pages are open; close one of them")
        return None

    def _is_own(self, host: str) -> bool:
        """Return True if the header `Host` names this server. Its port may be that of a tunnel."""
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            return False
        if name is None or "@" in host:
            return False
        if self._local:
            return name in LOOPBACK_NAMES or name == self._host
        own = {self._host, socket.gethostname().lower(), socket.getfqdn().lower()}
        return name in LOOPBACK_NAMES | own or _is_address(name)  # nobody can make an address lead elsewhere

    def _has_token(self, request: Request) -> bool:
        given = parse_qs(urlsplit(request.path).query).get("token", [])
        return len(given) == 1 and hmac.compare_digest(given[0].encode(), str(self.token).encode())

    def _has_cookie(self, request: Request) -> bool:
        for line in request.headers.get_all("Cookie"):
            try:
                found = SimpleCookie(line).get(self._cookie)
            except CookieError:
                continue
            if found is not None and hmac.compare_digest(found.value.encode(), str(self.token).encode()):
                return True
        return False

    @property
    def _cookie(self) -> str:
        """Name of the cookie. Cookies do not depend on the port, so each token has its own name."""
        return f"radfield-viewer-{_hash(str(self.token))}"

    def _with_cookie(self) -> Response:
        cookie = f"{self._cookie}={self.token}; HttpOnly; SameSite=Strict; Path=/"
        headers = Headers({"Location": "/", "Set-Cookie": cookie, "Content-Length": "0"})
        return Response(http.HTTPStatus.SEE_OTHER, "See Other", headers)


def _hash(token: str) -> str:
    """Return eight letters that differ for different tokens and do not tell the token."""
    return hmac.new(b"radfield-viewer", token.encode(), "sha256").hexdigest()[:8]


def is_loopback(host: str) -> bool:
    """Return True if only this machine reaches a server that is bound to an address.

    Example:
        >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
        (True, True, False)
    """
    return host.lower() == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _same_origin(origin: str, host: str) -> bool:
    return origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")


def _refused(status: http.HTTPStatus, reason: str) -> Response:
    body = f"{status.value} {status.phrase}: {reason}\n".encode()
    headers = Headers({"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))})
    return Response(status, status.phrase, headers, body)


def silent_logger() -> Any:
    """Return a logger that prints nothing: what strangers send must not fill the terminal."""
    logger = logging.getLogger("radfield_viewer.websockets")
    logger.setLevel(logging.CRITICAL + 1)
    logger.propagate = False
    return logger
