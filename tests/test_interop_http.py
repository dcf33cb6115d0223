"""HTTP/1.1 with programs not written here: clients, and proxies in front. Real processes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest
import requests

from reactorlib.protocols.http.corpus import REQUESTS
from tests.fronts import FRONTS, in_front
from tests.test_cli import run
from tests.test_cli_listen import place_of, serving
from tests.webserver import answers

HOST = "127.0.0.1"

# Tells of each request what came, and the port of the connection that it came by.
PROGRAM = """
import hashlib, json
from reactorlib.protocols.http.factory import HTTPFactory
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.request import Request

class Page(Request):
    def process(self):
        self.digest, self.size = hashlib.sha256(), 0
        if self.uri == b"/refused":
            return self.writePage(413, "no")
        self.acceptData()
        if self.uri == b"/early":
            self.writeIntermediateResponse(103, Headers(rawHeaders={b"Link": [b"</a.css>"]}))

    def handleContentChunk(self, data):
        self.digest.update(data)
        self.size += len(data)

    def handleContentComplete(self):
        if self.finished:
            return
        if self.uri == b"/stream":
            for number in range(1000):
                self.write(b"%d\\n" % number)
        elif self.uri == b"/large":
            self.setResponseHeader(b"Content-Length", b"%d" % 5_000_000)
            self.write(bytes(5_000_000))
        else:
            self.setResponseHeader(b"Content-Type", b"application/json")
            self.write(json.dumps({
                "method": self.method.decode(),
                "uri": self.uri.decode(),
                "version": self.clientproto,
                "size": self.size,
                "digest": self.digest.hexdigest(),
                "port": self.getClientAddress().port,
            }).encode())
        self.finish()

factory = HTTPFactory(Page)
"""

UPLOAD = bytes(range(256)) * 8_000
DIGEST = hashlib.sha256(UPLOAD).hexdigest()
STREAM = b"".join(b"%d\n" % number for number in range(1000))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interop")
    (folder / "server.py").write_text(PROGRAM)
    (folder / "upload").write_bytes(UPLOAD)
    return folder


@pytest.fixture(scope="module")
def place(folder: Path) -> Iterator[str]:
    """HOST:PORT of our server; a traceback in its log fails the test that ends it."""
    flags = ["--listen", f"tcp:0:interface={HOST}"]
    with serving("run", f"{folder}/server.py:factory", *flags) as process:
        yield "{}:{}".format(*place_of(process))


@pytest.fixture(scope="module")
def url(place: str) -> str:
    return f"http://{place}"


def told(*command: str | Path, stdin: bytes = b"") -> tuple[bytes, str]:
    """What a program writes to its standard output and error, once it has ended well."""
    env = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=60, env=env)
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.decode()


def is_uploaded(answer: bytes | str | dict[str, Any]) -> bool:
    found = answer if isinstance(answer, dict) else json.loads(answer)
    return bool(found["digest"] == DIGEST and found["size"] == len(UPLOAD))


class TestCurl:
    def curl(self, *arguments: str | Path, stdin: bytes = b"") -> tuple[bytes, str]:
        return told("curl", "-sS", "-v", *arguments, stdin=stdin)

    def test_an_upload_that_waits_for_100(self, url: str, folder: Path) -> None:
        flags = ["-H", "Expect: 100-continue", "--expect100-timeout", "50"]
        output, log = self.curl("-T", folder / "upload", *flags, f"{url}/up")
        assert is_uploaded(output)
        assert log.count("< HTTP/1.1 100 Continue") == 1

    def test_an_upload_that_nobody_wants(self, url: str, folder: Path) -> None:
        flags = ["-H", "Expect: 100-continue", "--expect100-timeout", "50"]
        output, log = self.curl("-T", folder / "upload", *flags, f"{url}/refused")
        assert b"413" in output
        assert "100 Continue" not in log

    def test_a_chunked_upload(self, url: str) -> None:
        output, log = self.curl("-T", "-", f"{url}/up", stdin=UPLOAD)
        assert "> Transfer-Encoding: chunked" in log
        assert is_uploaded(output)

    def test_http_1_0(self, url: str, folder: Path) -> None:
        output, log = self.curl("--http1.0", "--data-binary", f"@{folder}/upload", f"{url}/up")
        assert json.loads(output)["version"] == [1, 0]
        assert is_uploaded(output)
        output, log = self.curl("--http1.0", f"{url}/stream")
        assert output == STREAM
        assert "Transfer-Encoding" not in log

    def test_one_connection_for_all(self, url: str) -> None:
        output, log = self.curl(f"{url}/1", f"{url}/stream", f"{url}/2", "-w", "#%{num_connects}#")
        assert output.split(b"#")[1::2] == [b"1", b"0", b"0"]
        assert "< Transfer-Encoding: chunked" in log

    def test_head(self, url: str) -> None:
        output, _ = self.curl("--head", f"{url}/a", f"{url}/b", "-w", "#%{num_connects}#")
        assert output.count(b"HTTP/1.1 200 OK") == 2
        assert output.split(b"#")[1::2] == [b"1", b"0"]

    def test_early_hints(self, url: str) -> None:
        output, log = self.curl(f"{url}/early")
        assert log.index("< HTTP/1.1 103 Early Hints") < log.index("< HTTP/1.1 200 OK")
        assert "< Link: </a.css>" in log
        assert json.loads(output)["uri"] == "/early"

    def test_many_at_once(self, url: str, folder: Path) -> None:
        flags = ["--parallel", "--parallel-max", "20", "--output-dir", folder, "-o", "many-#1"]
        self.curl(*flags, f"{url}/[0-99]")
        for number in range(100):
            assert json.loads((folder / f"many-{number}").read_text())["uri"] == f"/{number}"


class TestWget:
    def wget(self, *arguments: str | Path) -> tuple[bytes, str]:
        return told("wget", "--no-config", "--tries=1", "--output-document=-", "-S", *arguments)

    def test_it_uses_a_connection_again(self, url: str) -> None:
        output, log = self.wget(f"{url}/stream", f"{url}/large", f"{url}/a")
        assert output.startswith(STREAM + bytes(5_000_000) + b"{")
        assert log.count("Reusing existing connection") == 2

    def test_it_uploads(self, url: str, folder: Path) -> None:
        output, _ = self.wget(f"--post-file={folder / 'upload'}", f"{url}/up")
        assert is_uploaded(output)

    def test_head(self, url: str) -> None:
        _, log = self.wget("--spider", f"{url}/a")
        assert "HTTP/1.1 200 OK" in log


def upload_in_pieces() -> Iterator[bytes]:
    for start in range(0, len(UPLOAD), 10_007):
        yield UPLOAD[start : start + 10_007]


class TestPythonClients:
    def test_requests(self, url: str) -> None:
        with requests.Session() as session:
            session.trust_env = False
            assert is_uploaded(session.put(f"{url}/up", data=UPLOAD).json())
            assert is_uploaded(session.post(f"{url}/up", data=upload_in_pieces()).json())
            assert session.get(f"{url}/stream").content == STREAM
            assert session.head(f"{url}/stream").status_code == 200
            assert len(session.get(f"{url}/large").content) == 5_000_000
            ports = {session.get(f"{url}/{number}").json()["port"] for number in range(5)}
            assert len(ports) == 1
            assert session.post(f"{url}/refused", data=b"a").status_code == 413

    def test_httpx(self, url: str) -> None:
        with httpx.Client(trust_env=False) as client:
            assert is_uploaded(client.put(f"{url}/up", content=UPLOAD).json())
            assert is_uploaded(client.post(f"{url}/up", content=upload_in_pieces()).json())
            assert client.get(f"{url}/stream").content == STREAM
            assert client.get(f"{url}/early").json()["uri"] == "/early"
            assert client.head(f"{url}/stream").status_code == 200
            with client.stream("GET", f"{url}/large") as response:
                assert sum(map(len, response.iter_bytes())) == 5_000_000
            ports = {client.get(f"{url}/{number}").json()["port"] for number in range(5)}
            assert len(ports) == 1

    def test_aiohttp(self, url: str) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            for piece in upload_in_pieces():
                yield piece

        async def ask() -> None:
            async with aiohttp.ClientSession() as session:
                for data in (BytesIO(UPLOAD), pieces()):
                    async with session.put(f"{url}/up", data=data, expect100=True) as response:
                        assert is_uploaded(await response.json())
                async with session.get(f"{url}/stream") as response:
                    assert await response.read() == STREAM
                async with session.head(f"{url}/stream") as response:
                    assert response.status == 200
                many = await asyncio.gather(*[get(session, number) for number in range(200)])
                assert many == [f"/{number}" for number in range(200)]

        async def get(session: aiohttp.ClientSession, number: int) -> str:
            async with session.get(f"{url}/{number}") as response:
                uri: str = (await response.json())["uri"]
                return uri

        asyncio.run(ask())


def test_pipelining(place: str) -> None:
    host, port = place.split(":")
    get = b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n"
    post = b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello"
    last = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    sent = b"".join([(post if number % 7 == 3 else get) % number for number in range(500)])
    with socket.create_connection((host, int(port)), timeout=20) as peer:
        peer.sendall(sent + last)
        data = b""
        while chunk := peer.recv(100_000):
            data += chunk
    found = [(status, json.loads(body)) for status, _, body in answers(data)]
    assert [body["uri"] for _, body in found] == [*(f"/{n}" for n in range(500)), "/last"]
    assert {status for status, _ in found} == {200}
    assert [body["size"] for _, body in found[:500]] == [5 * (n % 7 == 3) for n in range(500)]


class TestProxies:
    @pytest.fixture(params=FRONTS)
    def proxy(self, request: pytest.FixtureRequest, place: str, tmp_path: Path) -> Iterator[str]:
        with in_front(request.param, place, tmp_path) as proxy:
            yield proxy

    def test_all_that_a_client_does(self, proxy: str) -> None:
        with httpx.Client(trust_env=False, base_url=f"http://{proxy}") as client:
            assert is_uploaded(client.put("/up", content=UPLOAD).json())
            assert is_uploaded(client.post("/up", content=upload_in_pieces()).json())
            assert client.get("/stream").content == STREAM
            assert client.head("/stream").status_code == 200
            assert len(client.get("/large").content) == 5_000_000
            assert client.post("/refused", content=b"a").status_code == 413

    def test_it_keeps_connections_to_us(self, proxy: str) -> None:
        ports = Counter(
            httpx.get(f"http://{proxy}/{number}", trust_env=False).json()["port"]
            for number in range(20)
        )
        assert len(ports) <= 4

    def test_nothing_is_smuggled_through_it_to_us(self, proxy: str) -> None:
        """What it takes wrongly is its own; but we never see other requests than it does."""
        report = json.loads(run("http-audit", proxy, "--json", "--timeout", "3").stdout)
        assert report["cases"] == len(REQUESTS)
        kinds = Counter(finding["found"] for finding in report["findings"])
        assert kinds["lost"] == kinds["failed"] == 0
        smuggled = [each["attempt"] for each in report["findings"] if each["found"] == "smuggled"]
        # Where we refuse, a proxy may go on: what is behind was a request for both of us.
        assert set(smuggled) <= {"a good request behind a bad one must not be served"}
