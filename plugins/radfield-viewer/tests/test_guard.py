"""Who may talk to the viewer: requests as attackers send them, over real connections."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest

pytest.importorskip("viser", reason="radfield-viewer is not installed: pip install -e plugins/radfield-viewer")

import websockets.asyncio.server as websocket_server
from radfield_viewer import server as servers
from radfield_viewer.client import Client
from radfield_viewer.guard import Guard, is_loopback
from radfield_viewer.server import start, stop, url_of
from websockets.exceptions import InvalidStatus

from radfield_core import PluginError, UsageError

TOKEN = "a-token-for-tests"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server for this machine only."""
    server = start("127.0.0.1", 0, Guard("127.0.0.1", clients=3))
    yield server.get_port()
    stop(server)


@pytest.fixture(scope="module")
def open_port() -> Iterator[int]:
    """A server that other machines reach, with a token."""
    server = start("0.0.0.0", 0, Guard("0.0.0.0", token=TOKEN))
    yield server.get_port()
    stop(server)


def get(port: int, path: str = "/", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    response = connection.getresponse()
    response.body = response.read()  # type: ignore[attr-defined]
    return response


def raw(port: int, text: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(text)
        return connection.recv(65536)


def test_the_page_is_served_to_this_machine_under_its_own_names(port: int) -> None:
    for name in (f"127.0.0.1:{port}", f"localhost:{port}", "localhost:9000", "LOCALHOST"):
        response = get(port, Host=name)
        assert response.status == 200 and b"<html" in response.body.lower(), name  # type: ignore[attr-defined]
    assert response.headers["X-Frame-Options"] == "DENY" and response.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "host", ["evil.example", f"evil.example:{80}", "127.0.0.1.evil.example", "localhost@evil.example", "[::1",
             "10.0.0.1", ""]
)  # fmt: skip
def test_a_foreign_name_is_refused_as_after_dns_rebinding(host: str, port: int) -> None:
    assert get(port, Host=host).status == 403


def test_a_request_with_no_name_or_two_is_refused(port: int) -> None:
    for text in (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"):
        assert b"403 Forbidden" in raw(port, text)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://localhost.x.example"])
def test_a_websocket_of_another_page_is_refused(origin: str, port: int) -> None:
    with pytest.raises(InvalidStatus, match="403"):
        Client(port, origin=origin)
    assert get(port, Origin=origin).status == 403


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "//etc/passwd",
             "/assets/..\\..\\x", "/etc/passwd", "/%00", "/" + "a" * 4000]
)  # fmt: skip
def test_no_file_outside_the_page_is_served(path: str, port: int) -> None:
    response = get(port, path)
    assert response.status in (400, 404, 500) and b"root:" not in response.body  # type: ignore[attr-defined]
    assert get(port).status == 200


def test_more_pages_than_allowed_are_refused_and_a_place_becomes_free(port: int) -> None:
    clients = [Client(port) for _ in range(3)]
    for _ in range(5):
        with pytest.raises(InvalidStatus, match="503"):
            Client(port)
    for client in clients:
        client.close()
    for _ in range(100):
        try:
            Client(port).close()
            return
        except InvalidStatus:
            pass
    raise AssertionError("no place became free")


@pytest.mark.parametrize(
    "data", [b"", b"\xff" * 100, "text", b"\x81\xa4type\xa4None", b"\x81\xa4type\xb4ViewerCameraMessage"]
)
def test_messages_that_are_none_end_one_connection_only(data: bytes | str, port: int) -> None:
    client = Client(port)
    client.send_bytes(data)
    list(client.received(0.2))
    client.vanish()
    assert get(port).status == 200


def test_without_the_token_nothing_is_served(open_port: int) -> None:
    for path in ("/", "/?token=", "/?token=wrong", f"/?token={TOKEN}&token={TOKEN}", f"/?Token={TOKEN}"):
        assert get(open_port, path).status == 403, path
    name = Guard("0.0.0.0", token=TOKEN)._cookie
    for cookie in ("", f"{name}=", f"{name}=wrong", "radfield-viewer=1", f"other={TOKEN}", "=;=,", "\x80"):
        assert get(open_port, Cookie=cookie).status == 403
    with pytest.raises(InvalidStatus, match="403"):
        Client(open_port)
    with pytest.raises(InvalidStatus, match="403"):
        Client(open_port, path="/?token=wrong")


def test_the_url_with_the_token_gives_a_cookie_that_opens_page_and_websocket(open_port: int) -> None:
    first = get(open_port, f"/?token={TOKEN}")
    cookie = first.headers["Set-Cookie"]
    assert first.status == 303 and first.headers["Location"] == "/"
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie
    kept = cookie.partition(";")[0]
    assert get(open_port, Cookie=kept).status == 200
    Client(open_port, headers={"Cookie": kept}).close()
    Client(open_port, path=f"/?token={TOKEN}").close()
    assert get(open_port, Cookie=kept, Host="evil.example").status == 403
    with pytest.raises(InvalidStatus, match="403"):
        Client(open_port, origin="http://evil.example", headers={"Cookie": kept})


def test_only_other_addresses_have_a_token_and_it_is_random() -> None:
    assert Guard("127.0.0.1").token is None and Guard("localhost").token is None and Guard("::1").token is None
    one, other = Guard("0.0.0.0").token, Guard("0.0.0.0").token
    assert one is not None and one != other and len(one) >= 22  # 128 bits in base64
    assert one in url_of("0.0.0.0", 80, Guard("0.0.0.0", token=one))
    assert not is_loopback("192.168.0.1") and not is_loopback("example.org") and not is_loopback("")


def test_a_server_for_this_machine_is_bound_to_its_loopback_only(port: int) -> None:
    found = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
    for address in found - {"127.0.0.1", "::1"}:
        with pytest.raises(OSError), socket.create_connection((address, port), timeout=2):
            pass


def test_the_server_never_offers_the_page_to_the_internet(port: int) -> None:
    server = start("127.0.0.1", 0, Guard("127.0.0.1"))
    try:
        client = Client(server.get_port())
        client.send("ShareUrlRequest")
        list(client.received(0.2))
        assert server.request_share_url() is None and server._share_tunnel is None
        client.close()
    finally:
        stop(server)


@pytest.mark.parametrize("host", ["203.0.113.7", "no-such-host.invalid", "not an address"])
def test_an_address_that_is_not_this_machines_is_refused_at_once(host: str) -> None:
    with pytest.raises(UsageError, match="no server can be started"):
        start(host, 0, Guard(host))


def test_a_viser_that_goes_around_the_guard_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Guard, "before", lambda self, answer: answer)
    with pytest.raises(PluginError, match="unchecked"):
        start("127.0.0.1", 0, Guard("127.0.0.1"))
    assert websocket_server.serve.__module__.startswith("websockets") and not servers._STARTING.locked()
