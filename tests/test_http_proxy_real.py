"""The reverse proxy over TCP and UNIX sockets, before servers of three kinds."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reactorlib.defer import Deferred
from reactorlib.protocols.http.encoding import EncodingResourceWrapper
from reactorlib.protocols.http.proxy import ReverseProxyResource
from reactorlib.protocols.http.resource import Resource
from reactorlib.protocols.http.server import Site
from reactorlib.ssl import CertificateOptions
from reactorlib.testing.certificates import Authority
from reactorlib.testing.contract.tcp_peers import Net, reset
from tests.on_backends import OnEveryBackend

NGINX = "/usr/sbin/nginx"
HOST = "127.0.0.1"
BIG = bytes(range(256)) * 40_000  # ten megabytes

NGINX_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen unix:{folder}/socket;
        root {folder}/site;
        location = /seen {{ return 200 "$http_x_forwarded_for $host $connection_requests"; }}
        location = /empty {{ return 204; }}
    }}
}}
"""


class Echo(Resource):
    """Sends back what it is sent, piece by piece."""

    isLeaf = True
    streaming = True

    async def render_POST(self, request: Any) -> AsyncIterator[bytes]:
        return request.body()  # type: ignore[no-any-return]


class Digest(Resource):
    """The hash of what it is sent."""

    isLeaf = True
    streaming = True

    async def render_POST(self, request: Any) -> bytes:
        found = hashlib.sha256()
        async for piece in request.body():
            found.update(piece)
        return found.digest()


class Drip(Resource):
    """More than anybody takes at once; `made` is how many pieces were."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.made = 0
        self.ended = False

    async def render_GET(self, request: Any) -> AsyncIterator[bytes]:
        return self.pieces()

    async def pieces(self) -> AsyncIterator[bytes]:
        try:
            for _ in range(1000):
                self.made += 1
                yield b"x" * 100_000
        finally:
            self.ended = True


class Silent(Resource):
    """Never answers."""

    isLeaf = True

    def render_GET(self, request: Any) -> Deferred[bytes]:
        return Deferred()


def asked(port: int, path: str, body: bytes | None = None, **fields: str) -> tuple[int, Any, bytes]:
    """What a plain client is answered."""
    client = http.client.HTTPConnection(HOST, port, timeout=20)
    try:
        client.request("GET" if body is None else "POST", path, body, fields)
        answer = client.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        client.close()


class TestProxy(OnEveryBackend):
    @pytest.fixture
    def proxies(self, net: Net, reactor: Any) -> Iterator[list[ReverseProxyResource]]:
        """Those whose connections are to be closed at the end."""
        made: list[ReverseProxyResource] = []
        yield made
        for proxy in made:
            if proxy.pool is not None:
                self.run_until(reactor, proxy.pool.closeCachedConnections())

    @pytest.fixture
    def serve(
        self, net: Net, reactor: Any, proxies: list[ReverseProxyResource]
    ) -> Callable[..., int]:
        """Listen with a proxy before an URL, or before a resource of our own."""

        def serve(target: Any, wrap: Callable[[Any], Any] = lambda proxy: proxy) -> int:
            if not isinstance(target, str):
                back_end = net.listen(Site(target))
                target = f"http://{HOST}:{back_end.getHost().port}"
            proxies.append(ReverseProxyResource.fromURL(target))
            port: int = net.listen(Site(wrap(proxies[-1]))).getHost().port
            return port

        return serve

    def in_thread(self, reactor: Any, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function gives that blocks, while the reactor turns."""
        found: list[Any] = []

        def run() -> None:
            try:
                found.append(function(*arguments))
            except Exception as raised:
                found.append(raised)

        thread = threading.Thread(target=run)
        thread.start()
        self.turn_until(reactor, lambda: not thread.is_alive())
        thread.join()
        return found[0]

    def test_our_own_server(self, reactor: Any, serve: Callable[..., int]) -> None:
        port = serve(Digest())
        status, _, body = self.in_thread(reactor, asked, port, "/", BIG)
        assert (status, body) == (200, hashlib.sha256(BIG).digest())

    def test_many_requests_on_one_connection(
        self, reactor: Any, net: Net, serve: Callable[..., int]
    ) -> None:
        port = serve(Echo())
        factory = net.ports[0].factory

        def several() -> list[bytes]:
            client = http.client.HTTPConnection(HOST, port, timeout=20)
            bodies = []
            for number in range(10):
                client.request("POST", "/", b"%d" % number)
                bodies.append(client.getresponse().read())
            client.close()
            return bodies

        assert self.in_thread(reactor, several) == [b"%d" % number for number in range(10)]
        assert factory.outstandingRequests == 1

    def test_compressed_on_the_way(self, reactor: Any, serve: Callable[..., int]) -> None:
        class Text(Resource):
            isLeaf = True

            def render_GET(self, request: Any) -> bytes:
                request.setHeader("Content-Type", "text/plain")
                return b"again " * 10_000

        port = serve(Text(), EncodingResourceWrapper)
        client = {"Accept-Encoding": "gzip"}
        _, headers, body = self.in_thread(reactor, lambda: asked(port, "/", **client))
        assert headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(body) == b"again " * 10_000

    def test_a_slow_client_holds_the_back_end(
        self, reactor: Any, net: Net, serve: Callable[..., int]
    ) -> None:
        drip = Drip()
        port = serve(drip)
        peer = net.new_socket()
        peer.connect((HOST, port))
        peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        made = -1
        while drip.made != made:  # until all buffers are full
            made = drip.made
            net.turn(50)
        assert 0 < made < 900
        reset(peer)
        self.turn_until(reactor, lambda: drip.ended)
        assert drip.made < 900

    def test_a_back_end_that_is_not_there(self, reactor: Any, serve: Callable[..., int]) -> None:
        with socket.socket() as free:
            free.bind((HOST, 0))
            port = serve(f"http://{HOST}:{free.getsockname()[1]}")
            assert self.in_thread(reactor, asked, port, "/")[0] == 502

    def test_over_tls(
        self,
        reactor: Any,
        net: Net,
        serve: Callable[..., int],
        proxies: list[ReverseProxyResource],
        tmp_path: Path,
    ) -> None:
        authority = Authority(tmp_path)
        own = authority.issue("back.example")
        settings = CertificateOptions(own.privateKey, own.certificate)
        back_end = reactor.listenSSL(0, Site(Digest()), settings, interface=HOST)
        net.ports.append(back_end)
        number = back_end.getHost().port
        port = serve("https://back.example")
        wrong = serve("https://back.example")
        place = f"tls:{HOST}:{number}:trustRoots={authority.root}:hostname="
        proxies[0].endpoint = place + "back.example"
        proxies[1].endpoint = place + "else.example"
        body = self.in_thread(reactor, asked, port, "/", BIG)[2]
        assert body == hashlib.sha256(BIG).digest()
        assert self.in_thread(reactor, asked, wrong, "/")[0] == 502

    def test_a_back_end_that_does_not_answer(
        self, reactor: Any, serve: Callable[..., int], proxies: list[ReverseProxyResource]
    ) -> None:
        port = serve(Silent())
        proxies[0].timeout = 0.2
        assert self.in_thread(reactor, asked, port, "/")[0] == 504

    def test_a_back_end_that_dies(self, reactor: Any, net: Net, serve: Callable[..., int]) -> None:
        listener = net.listener()
        port = serve(f"http://{HOST}:{listener.getsockname()[1]}")

        def die() -> None:
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            reset(connection)

        dying = threading.Thread(target=die)
        dying.start()
        outcome = self.in_thread(reactor, asked, port, "/")
        dying.join()
        assert isinstance(outcome, ConnectionError | http.client.IncompleteRead)

    def test_a_back_end_that_restarts(
        self, reactor: Any, net: Net, serve: Callable[..., int]
    ) -> None:
        """The kept connection is dead when the next request comes."""
        listener = net.listener()
        port = serve(f"http://{HOST}:{listener.getsockname()[1]}")

        def answer(then: Callable[[socket.socket], None]) -> None:
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            then(connection)

        def wait_and_reset(connection: socket.socket) -> None:
            connection.recv(1000)  # the next request
            reset(connection)

        def serve_twice() -> None:
            answer(wait_and_reset)
            answer(socket.socket.close)

        serving = threading.Thread(target=serve_twice)
        serving.start()
        assert self.in_thread(reactor, asked, port, "/")[2] == b"ok"
        assert self.in_thread(reactor, asked, port, "/")[2] == b"ok"
        serving.join()

    @pytest.fixture
    def nginx(self, tmp_path: Path) -> Iterator[Path]:
        """The folder of an nginx, which listens at `socket` in it."""
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "big").write_bytes(BIG)
        file = tmp_path / "conf"
        file.write_text(NGINX_CONFIGURATION.format(folder=tmp_path))
        command = [NGINX, "-p", str(tmp_path), "-c", str(file), "-e", str(tmp_path / "error")]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        yield tmp_path
        process.kill()
        process.communicate(timeout=20)

    def test_nginx(self, reactor: Any, serve: Callable[..., int], nginx: Path) -> None:
        self.turn_until(reactor, (nginx / "socket").exists)
        place = str(nginx / "socket").replace("/", "%2F")
        port = serve(f"http+unix://{place}")
        status, headers, body = self.in_thread(reactor, asked, port, "/big")
        assert (status, headers["Server"][:5]) == (200, "nginx")
        assert body == BIG
        ranged = self.in_thread(reactor, lambda: asked(port, "/big", Range="bytes=256-260"))
        assert (ranged[0], ranged[2]) == (206, b"\x00\x01\x02\x03\x04")
        assert self.in_thread(reactor, asked, port, "/empty")[0] == 204
        assert self.in_thread(reactor, asked, port, "/none")[0] == 404
        seen = self.in_thread(reactor, asked, port, "/seen")[2]
        assert seen == b"127.0.0.1 localhost 5"  # all on one connection

    def test_pythons_own_server(
        self, reactor: Any, serve: Callable[..., int], tmp_path: Path
    ) -> None:
        """HTTP/1.0: each answer ends with its connection."""
        (tmp_path / "big").write_bytes(BIG)
        command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", HOST]
        process = subprocess.Popen(
            [*command, "--directory", str(tmp_path)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stdout is not None
            number = process.stdout.readline().split(" port ")[1].split(" ")[0]
            port = serve(f"http://{HOST}:{number}")
            for _ in range(2):
                status, _, body = self.in_thread(reactor, asked, port, "/big")
                assert (status, body) == (200, BIG)
            assert b"big" in self.in_thread(reactor, asked, port, "/")[2]
            assert self.in_thread(reactor, asked, port, "/", b"x")[0] == 501
        finally:
            process.kill()
            process.communicate(timeout=20)
