"""FileServlet and FileServer, in memory and on real connections."""

from __future__ import annotations

import os
import socket
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from reactorlib import error
from reactorlib.failure import Failure
from reactorlib.protocols.http import servlet as netsvc
from tests.on_backends import OnEveryBackend
from tests.servlets import Client, hello
from tests.webserver import answers


class Served(Client):
    """A connection to a FileServer."""

    def __init__(self, folder: Path, path: str = "/") -> None:
        super().__init__(lambda session: None)
        self.files = netsvc.FileServer(str(folder))
        self.daemon = netsvc.HttpDaemon(80)
        self.daemon.attach(path, self.files)
        self.connect()

    def get(self, uri: bytes = b"/", *fields: bytes, method: bytes = b"GET") -> Any:
        if self.closing:
            self.connect()
        found = super().get(uri, *fields, method=method)
        while found is None and self.channel.requests:
            self.transport.reactor.advance(0)
            found = next(iter(answers(self.said())), None)
        return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "page.html").write_bytes(b"<p>page")
    (root / "sub" / "note.txt").write_bytes(b"note")
    (root / "tool.py").write_bytes(b"tool")
    (root / "ü b.unknown").write_bytes(b"odd")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    return root


def test_files_are_served_by_type(folder: Path) -> None:
    client = Served(folder)
    status, fields, body = client.get(b"/page.html")
    assert (status, fields[b"content-type"], body) == (200, b"text/html", b"<p>page")
    assert client.get(b"/sub/note.txt?x")[2] == b"note"
    assert client.get(b"/%C3%BC%20b.unknown")[1][b"content-type"] == b"application/octet-stream"
    client.files.map(".py", "text/plain")
    assert client.get(b"/tool.py")[1][b"content-type"] == b"text/plain"
    assert client.files.directory() == str(folder)
    assert not client.closing


def test_methods(folder: Path) -> None:
    client = Served(folder)
    client.send(b"HEAD /page.html HTTP/1.1\r\nHost: x\r\n\r\n")
    said = client.said()
    assert b"Content-Length: 7\r\n" in said
    assert said.endswith(b"\r\n\r\n")
    status, fields, _ = client.get(b"/page.html", method=b"DELETE")
    assert (status, fields[b"allow"]) == (405, b"GET, HEAD")


def test_directories(folder: Path) -> None:
    client = Served(folder, "/files")
    for uri in (b"/files?x=y", b"/files/sub?x=y"):
        status, fields, _ = client.get(uri)
        place = b"http://www.example:8000" + uri.replace(b"?", b"/?")
        assert (status, fields[b"location"]) == (302, place)
    assert client.get(b"/files/")[0] == 403
    assert client.get(b"/files/sub/")[0] == 403
    client.files.index("note.txt")
    assert client.get(b"/files/")[0] == 403
    assert client.get(b"/files/sub/")[2] == b"note"
    client.files.index("page.html")
    client.files.index("tool.py")
    assert client.get(b"/files/")[2] == b"tool"
    client.files.hide(".py")
    assert client.get(b"/files/")[2] == b"<p>page"


def test_what_is_not_there(folder: Path) -> None:
    client = Served(folder)
    client.files.hide(".html")
    os.symlink(folder.parent / "secret.txt", folder / "link.txt")
    os.symlink(folder.parent, folder / "up")
    os.mkfifo(folder / "pipe.txt")
    for uri in (
        b"/none.txt",
        b"/page.html",
        b"/tool.py/",
        b"/tool.py/info",
        b"/link.txt",
        b"/up/",
        b"/up/secret.txt",
        b"/pipe.txt",
        b"/../secret.txt",
        b"/%2e%2e/secret.txt",
        b"/..%2fsecret.txt",
        b"/tool.py%00.html",
    ):
        assert client.get(uri)[0] == 404, uri


def test_links_inside(folder: Path) -> None:
    os.symlink(folder / "sub", folder / "again")
    assert Served(folder).get(b"/again/note.txt")[2] == b"note"


def test_plugins(folder: Path) -> None:
    class Tool(netsvc.HttpServlet):
        def processRequest(self) -> None:
            hello(self)

    made: list[Any] = []

    def factory(session: Any, path: str) -> Any:
        made.append((path, session.servletPath(), session.servletInfo()))
        return Tool(session)

    client = Served(folder)
    client.files.plugin(".py", factory)
    assert client.get(b"/tool.py")[2] == b"Hi there."
    assert client.get(b"/tool.py/a/b")[2] == b"Hi there."
    path = str(folder / "tool.py")
    assert made == [(path, "tool.py", ""), (path, "tool.py", "a/b")]


def test_16_kib_at_a_time_and_none_while_the_client_is_congested(tmp_path: Path) -> None:
    name = tmp_path / "large"
    name.write_bytes(b"x" * 100_000)
    client = Client(lambda session: netsvc.FileServlet(session, str(name), "a/b"))
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    advance = client.transport.reactor.advance
    assert client.said().count(b"x") == 16_384
    client.transport.block()
    for _ in range(5):
        advance(0)
    assert client.transport.bufferedBytes == 16_384
    client.transport.unblock()
    advance(0)
    assert client.said() == b"x" * (100_000 - 16_384)
    assert client.servlet._file.closed


@pytest.mark.parametrize(("name", "status"), [("", 403), ("none", 404), ("pipe", 404)])
def test_what_is_no_file(tmp_path: Path, name: str, status: int) -> None:
    os.mkfifo(tmp_path / "pipe")
    client = Client(lambda session: netsvc.FileServlet(session, str(tmp_path / name)))
    assert client.get()[0] == status


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    client = Client(lambda session: netsvc.FileServlet(session, str(tmp_path / "empty")))
    status, fields, body = client.get()
    assert (status, body, b"content-type" in fields) == (200, b"", False)
    assert not client.closing


def test_a_file_that_shrinks_while_it_is_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    name = tmp_path / "large"
    name.write_bytes(b"x" * 100_000)
    client = Client(lambda session: netsvc.FileServlet(session, str(name)))
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    os.truncate(name, 20_000)
    for _ in range(3):
        client.transport.reactor.advance(0)
    assert client.said().count(b"x") == 20_000
    assert client.closing
    assert "80000 bytes short" in caplog.text


def test_a_client_that_goes_away(tmp_path: Path) -> None:
    name = tmp_path / "large"
    name.write_bytes(b"x" * 100_000)
    client = Client(lambda session: netsvc.FileServlet(session, str(name)))
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    servlet = client.servlet
    client.channel.connectionLost(Failure(error.ConnectionLost()))
    assert servlet._file.closed
    assert client.transport.reactor.getDelayedCalls() == []


class TestOnConnections(OnEveryBackend):
    def test_a_slow_client_costs_no_memory(self, net: Any, tmp_path: Path, backend: str) -> None:
        size = 60_000_000 if backend == "epoll" else 20_000_000
        with open(tmp_path / "large", "wb") as file:
            file.truncate(size)
        daemon = netsvc.HttpDaemon(0, net.reactor, "127.0.0.1")
        daemon.attach("/", netsvc.FileServer(str(tmp_path)))
        peer = net.new_socket()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        peer.connect(("127.0.0.1", daemon.port()))
        tracemalloc.start()
        try:
            peer.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            net.turn_until(lambda: any(each.requests for each in daemon.factory._channels))
            (channel,) = daemon.factory._channels
            waiting = 0
            for _ in range(2000):  # without a word about congestion it would be 32 MB
                net.turn(1)
                waiting = max(waiting, channel.transport.bufferedBytes)
            assert 0 < waiting < 256 * 1024
            received = sum(map(len, net.pieces(peer)))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert size < received < size + 1000
        assert peak < 2_000_000
        stopped: list[Any] = []
        daemon.stop().addCallback(stopped.append)
        net.turn_until(lambda: stopped)

    def test_a_daemon_begins_and_ends(self, net: Any) -> None:
        class Server(netsvc.HttpServer):
            def servlet(self, session: Any) -> Any:
                return netsvc.EchoServlet(session)

        daemon = netsvc.HttpDaemon(0, net.reactor, "127.0.0.1")
        daemon.attach("/", Server())
        number = daemon.port()
        daemon.start()
        assert daemon.port() == number
        peer = net.new_socket()
        peer.connect(("127.0.0.1", number))
        assert b"200 OK" in net.read(peer, 1, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        stopped: list[Any] = []
        daemon.stop().addCallback(stopped.append)
        assert net.read_all(peer) is not None
        net.turn_until(lambda: stopped)
        daemon.stop().addCallback(stopped.append)
        assert len(stopped) == 2
        daemon.start()
        daemon.stop()
        net.turn()

    def test_a_host_that_is_not_welcome(self, net: Any) -> None:
        class Private(netsvc.HttpDaemon):
            def authorise(self, host: str) -> bool:
                return host != "127.0.0.1"

        daemon = Private(0, net.reactor, "127.0.0.1")
        peer = net.new_socket()
        peer.connect(("127.0.0.1", daemon.port()))
        assert net.read_all(peer) == b""
        daemon.stop()
        net.turn()
