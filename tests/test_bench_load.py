"""The load generator of the benchmark tool: what it counts, and what it refuses."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))

from bench import machine
from bench.processes import BenchError, output_of
from bench.workshop import CHECKOUT, Workshop

CORE, _ = machine.cores()


@pytest.fixture
def generator() -> str:
    return Workshop(CHECKOUT / "build" / "bench").load


class Answering:
    """A server on a thread that answers what it reads with `answer` of it."""

    def __init__(self, answer: Callable[[bytes], bytes]) -> None:
        self._answer = answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(10)
        self.port = str(self._listener.getsockname()[1])
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Answering:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection, suppress(ConnectionError):
            while data := connection.recv(65536):
                connection.sendall(self._answer(data))


class AnsweringInPieces(Answering):
    """One that answers each request of "GET\\r\\n\\r\\n" with `answer`, so many bytes at a time."""

    def __init__(self, answer: bytes, piece: int) -> None:
        super().__init__(lambda data: b"")
        self._whole, self._piece = answer, piece

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with connection, suppress(ConnectionError):
            while data := connection.recv(65536):
                answers = self._whole * data.count(b"GET")
                for start in range(0, len(answers), self._piece):
                    connection.sendall(answers[start : start + self._piece])


SIZED = b"HTTP/1.1 200 OK\r\nServer: s\r\ncontent-length:  5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
    b"2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nTrailer: t\r\n\r\n"
)


class TestAnswersOfHTTP:
    def load(
        self, generator: str, answer: bytes, piece: int = 1000, pipelined: int = 1
    ) -> dict[str, float]:
        with AnsweringInPieces(answer, piece) as server:
            numbers = ["1", str(pipelined), "0.3", str(os.getpid())]
            command = [generator, "http", "127.0.0.1", server.port, *numbers, "GET", "hello"]
            told: dict[str, float] = json.loads(output_of(command, CORE, timeout=30))
        return told

    @pytest.mark.parametrize("answer", [SIZED, CHUNKED])
    @pytest.mark.parametrize("piece", [1, 7, 1000])
    @pytest.mark.parametrize("pipelined", [1, 3])
    def test_whole_answers_are_counted(
        self, generator: str, answer: bytes, piece: int, pipelined: int
    ) -> None:
        told = self.load(generator, answer, piece, pipelined)
        assert told["operations"] > 0
        assert told["operations"] % pipelined == 0
        assert told["received"] == told["operations"] * len(answer)

    @pytest.mark.parametrize(
        ("answer", "complaint"),
        [
            (SIZED.replace(b"200", b"404"), "another status than 200"),
            (SIZED.replace(b"HTTP/1.1", b"HTTP/1.0"), "another status than 200"),
            (SIZED.replace(b"5", b"6"), "another Content-Length"),
            (SIZED.replace(b"content-length", b"content-weight"), "neither a Content-Length"),
            (SIZED.replace(b"hello", b"hallo"), "other bytes than were expected"),
            (SIZED + SIZED, "more answers than it was asked for"),
            (SIZED.replace(b"\r\n\r\n", b"\n\n"), "does not end with CR LF"),
            (CHUNKED.replace(b"llo", b"ll"), "other bytes|another size than it says"),
            (CHUNKED.replace(b"llo", b"lloo"), "another size than it says"),
            (CHUNKED.replace(b"3;", b"4;"), "longer than was expected"),
            (CHUNKED.replace(b"3;x=y\r\nllo\r\n", b""), "body of an answer has another length"),
            (CHUNKED.replace(b"3;", b"?;"), "chunk of an answer has no size"),
            (CHUNKED.replace(b"Chunked", b"gzip"), "neither a Content-Length nor chunks"),
        ],
    )
    def test_any_other_answer_is_refused(
        self, generator: str, answer: bytes, complaint: str
    ) -> None:
        with pytest.raises(BenchError, match=complaint):
            self.load(generator, answer)

    def test_the_client_reads_while_it_sends(self, generator: str) -> None:
        """More than all buffers hold is echoed, by a server that does one thing at a time."""
        size = 20_000_000
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size

        def answer(data: bytes) -> bytes:
            return head + data[4:] if data.startswith(b"POST") else data

        with Answering(answer) as server:
            numbers = ["1", str(size), "0.05", str(os.getpid())]
            command = [generator, "http-post", "127.0.0.1", server.port, *numbers, "POST"]
            assert json.loads(output_of(command, CORE, timeout=60))["seconds"] >= 0.05

    def test_each_request_can_have_its_own_connection(self, generator: str) -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=100) as listener:
            listener.settimeout(10)
            accepted = 0

            def serve() -> None:
                nonlocal accepted
                with suppress(TimeoutError, OSError):
                    while True:
                        connection, _ = listener.accept()
                        accepted += 1
                        with connection, suppress(ConnectionError):
                            if connection.recv(100):
                                connection.sendall(SIZED)

            thread = threading.Thread(target=serve)
            thread.start()
            numbers = ["2", "1", "0.5", str(os.getpid())]
            port = str(listener.getsockname()[1])
            command = [generator, "http-connect", "127.0.0.1", port, *numbers, "GET", "hello"]
            told = json.loads(output_of(command, CORE, timeout=30))
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
        assert 0 < told["operations"] <= accepted

    def test_no_body_can_be_expected(self, generator: str) -> None:
        arguments = ["http", "127.0.0.1", "1", "1", "1", "0.05", "1", "GET", ""]
        with pytest.raises(BenchError, match="not all above zero"):
            output_of([generator, *arguments], CORE, timeout=30)


class TestEchoes:
    def load(self, generator: str, port: str) -> str:
        arguments = ["pingpong", "127.0.0.1", port, "1", "100", "0.5", str(os.getpid())]
        return output_of([generator, *arguments], CORE, timeout=30)

    def test_an_echo_is_counted(self, generator: str) -> None:
        with Answering(lambda data: data) as server:
            assert json.loads(self.load(generator, server.port))["operations"] > 0

    @pytest.mark.parametrize(
        ("answer", "complaint"),
        [
            (lambda data: data[::-1], "other bytes"),
            (lambda data: data + b"x", "more than it was sent"),
        ],
    )
    def test_an_answer_that_is_no_echo_is_refused(
        self, generator: str, answer: Callable[[bytes], bytes], complaint: str
    ) -> None:
        with Answering(answer) as server, pytest.raises(BenchError, match=complaint):
            self.load(generator, server.port)

    def test_a_server_that_closes_is_refused(self, generator: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = str(listener.getsockname()[1])
            closing = threading.Thread(target=lambda: listener.accept()[0].close())
            closing.start()
            with pytest.raises(BenchError, match=r"closed a connection|reset by peer|Broken pipe"):
                self.load(generator, port)
            closing.join()
