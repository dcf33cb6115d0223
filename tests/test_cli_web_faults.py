"""Applications that go wrong and clients that go away, at `reactorlib web`: real processes.

What is a program's fault is logged with a traceback, once; what is a client's, never. In
either case the server goes on.
"""

from __future__ import annotations

import re
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, IncompleteRead
from pathlib import Path

import pytest

from tests.test_cli import COMMAND

HOST = "127.0.0.1"
PIECE = b"x" * 1000
LARGE = 20_000_000

APPLICATIONS = """
from reactorlib.defer import Deferred
from reactorlib.protocols.http.resource import Resource

PIECE = b"x" * 1000
LARGE = 20_000_000


def wsgi(environ, start_response):
    fault = environ["PATH_INFO"].strip("/")
    environ["wsgi.input"].read()
    if fault == "before":
        1 / 0
    length = {"few": "2000", "many": "500", "fewer": "2000", "more": "1500"}.get(fault)
    fields = [("Content-Type", "text/plain")]
    start_response("200 OK", fields + ([("Content-Length", length)] if length else []))
    return {
        "type": lambda: "text",
        "few": lambda: [PIECE],
        "many": lambda: [PIECE],
        "nothing": lambda: None,
        "after": Closing,
    }.get(fault, lambda: pieces(fault))()


class Closing:
    def __iter__(self):
        return iter([PIECE])

    def close(self):
        1 / 0


def pieces(fault):
    for _ in range(LARGE // 1000 if fault == "large" else 1):
        yield PIECE
    if fault == "during":
        1 / 0
    if fault == "more":
        yield PIECE


async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    fault = scope["path"].strip("/")
    while (await receive()).get("more_body"):
        pass
    if fault == "before":
        1 / 0
    if fault == "nothing":
        return
    length = {"few": b"2000", "many": b"500", "fewer": b"2000", "more": b"1500"}.get(fault)
    fields = [(b"content-type", b"text/plain")]
    fields += [(b"content-length", length)] if length else []
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    data = "text" if fault == "type" else PIECE
    whole = fault in ("type", "few", "many")
    await send({"type": "http.response.body", "body": data, "more_body": not whole})
    if fault == "during":
        1 / 0
    for _ in range(LARGE // 1000 - 1 if fault == "large" else 0):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    if not whole:
        last = PIECE if fault == "more" else b""
        await send({"type": "http.response.body", "body": last})
    if fault == "after":
        1 / 0


class Faulty(Resource):
    isLeaf = True

    def render_GET(self, request):
        fault = request.postpath[0].decode()
        if fault == "before":
            1 / 0
        length = {"few": b"2000", "many": b"500", "fewer": b"2000", "more": b"1500"}.get(fault)
        if length:
            request.setResponseHeader(b"Content-Length", length)
        if fault == "after":
            request.write(PIECE)
            request.finish()
            1 / 0
        return {
            "type": lambda: "text",
            "nothing": lambda: None,
            "few": lambda: PIECE,
            "many": lambda: PIECE,
        }.get(fault, lambda: self.pieces(fault))()

    async def pieces(self, fault):
        for _ in range(LARGE // 1000 if fault == "large" else 1):
            yield PIECE
        if fault == "during":
            1 / 0
        if fault == "more":
            yield PIECE

    def render_POST(self, request):
        return b""


resource = Faulty()
"""

# What a client is answered, None where it is cut off; in one piece, or in several.
FAULTS = {
    "before": 500,
    "during": None,
    "after": 200,
    "type": 500,
    "nothing": 500,
    "few": None,
    "fewer": None,
    "many": 500,
    "more": None,
}
WITHOUT_A_TRACEBACK = ("few", "fewer")  # it would lead nowhere

HEAD = b" HTTP/1.1\r\nHost: x\r\n"
UPLOAD = b"POST /up" + HEAD + b"Content-Length: 100000\r\n"
# What a client has sent when it goes, and how many bytes it has read.
STAGES = [
    (b"", 0),
    (b"GE", 0),
    (b"GET /large" + HEAD + b"X-Half: ", 0),
    (b"GET /large" + HEAD + b"\r\n", 0),
    (b"GET /large" + HEAD + b"\r\n", 100_000),
    (b"GET /large" + HEAD + b"\r\nGET /large" + HEAD + b"\r\n", 100_000),
    (UPLOAD + b"\r\n", 0),
    (UPLOAD + b"Expect: 100-continue\r\n\r\n", 0),
    (UPLOAD + b"\r\n" + bytes(50_000), 0),
    (UPLOAD + b"\r\n" + bytes(100_000), 0),
    (b"POST /up" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n10\r\nhalf", 0),
]
RESET = struct.pack("ii", 1, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faults")
    (folder / "faults.py").write_text(APPLICATIONS)
    (folder / "large").write_bytes(bytes(LARGE))
    return folder


class Server:
    """A process that serves; `told` is what it has logged so far."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        assert process.stdout is not None
        match = re.search(r":(\d+) ", process.stdout.readline())
        assert match, log.read_text()
        self.place = (HOST, int(match[1]))
        self._log = log

    def told(self) -> str:
        return self._log.read_text()

    def get(self, path: str) -> tuple[int, bytes] | None:
        """Status and body; None for an answer that is cut off, of which some may be lost."""
        connection = HTTPConnection(*self.place, timeout=60)
        connection.request("GET", path)
        try:
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (IncompleteRead, ConnectionResetError):
            return None
        finally:
            connection.close()


@contextmanager
def faulty(folder: Path, log: Path, *flags: str) -> Iterator[Server]:
    """It has to end well, whatever happened."""
    listen = ["--listen", f"tcp:0:interface={HOST}", "--no-access-log"]
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            [*COMMAND, "web", *listen, *flags],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
        ) as process,
    ):
        try:
            yield Server(process, log)
        finally:
            process.terminate()
            assert process.wait(60) == 0


@contextmanager
def serving(kind: str, folder: Path, log: Path) -> Iterator[Server]:
    """Of one kind; a proxy stands before an application that nobody else sees."""
    if kind == "static":
        with faulty(folder, log, ".") as server:
            yield server
    elif kind == "proxy":
        with serving("asgi", folder, log.with_name("behind")) as behind:
            target = "http://{}:{}".format(*behind.place)
            with faulty(folder, log, "--proxy", target) as server:
                yield server
            assert " ERROR " not in behind.told()
    else:
        with faulty(folder, log, f"--{kind}", f"faults.py:{kind}") as server:
            yield server


@pytest.mark.parametrize("kind", ["asgi", "resource", "wsgi"])
def test_an_application_that_goes_wrong(kind: str, folder: Path, tmp_path: Path) -> None:
    found = {}
    with serving(kind, folder, tmp_path / "log") as server:
        for fault in FAULTS:
            answer = server.get(f"/{fault}")
            found[fault] = answer and answer[0]
            assert server.get("/none") == (200, PIECE)
    assert found == FAULTS
    told = server.told()
    assert told.count(" ERROR ") == len(FAULTS)
    assert told.count("Traceback") == len(FAULTS) - len(WITHOUT_A_TRACEBACK)


def take(client: socket.socket, size: int) -> None:
    """Read so much."""
    while size > 0:
        data = client.recv(size)
        assert data
        size -= len(data)


@pytest.mark.parametrize("kind", ["asgi", "proxy", "resource", "static", "wsgi"])
def test_clients_that_go_away(kind: str, folder: Path, tmp_path: Path) -> None:
    """At every stage, with a FIN or a reset."""
    with serving(kind, folder, tmp_path / "log") as server:
        for sent, size in STAGES:
            for reset in (False, True):
                with socket.create_connection(server.place, timeout=60) as client:
                    client.sendall(sent)
                    take(client, size)
                    if reset:
                        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        answer = server.get("/faults.py")
        assert answer is not None
        assert answer[0] == 200
    told = server.told()
    assert " ERROR " not in told
    assert "Traceback" not in told


def test_a_back_end_that_goes_wrong(folder: Path, tmp_path: Path) -> None:
    """What it answers is passed on; an answer that is cut off is, or there is none but 502."""
    with serving("asgi", folder, tmp_path / "behind") as behind:
        target = "http://{}:{}".format(*behind.place)
        with faulty(folder, tmp_path / "log", "--proxy", target) as server:
            for fault, expected in FAULTS.items():
                answer = server.get(f"/{fault}")
                found = answer and answer[0]
                assert found == expected or (expected, found) == (None, 502)
            assert server.get("/none") == (200, PIECE)
    assert "Traceback" not in server.told()
