"""WSGI applications: in one thread in memory, and in threads of their own over TCP."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any
from wsgiref.validate import validator

import pytest

from reactorlib import error
from reactorlib.address import UNIXAddress
from reactorlib.failure import Failure
from reactorlib.protocols.http.gateway import ClientDisconnected
from reactorlib.protocols.http.resource import Resource
from reactorlib.protocols.http.server import Site
from reactorlib.protocols.http.wsgi import WSGIResource
from reactorlib.testing import MemoryReactorClock, StringTransport
from tests.served import PATIENCE, Served, read_all, read_until, served
from tests.webserver import Visitor, answers, errors

GET = b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n"
TEXT = [("Content-Type", "text/plain")]


class Inline:
    """A pool whose only thread is the caller's."""

    def callInThread(self, function: Callable[..., object], *arguments: Any) -> None:
        function(*arguments)


class Client(Visitor):
    """A connection to an application that never has to wait."""

    def __init__(self, application: Any, place: bytes = b"", **addresses: Any) -> None:
        self.reactor = MemoryReactorClock()
        pool: Any = Inline()
        root: Any = WSGIResource(self.reactor, pool, application)
        if place:
            leaf, root = root, Resource()
            root.putChild(place, leaf)
        self.visit(Site(root), StringTransport(**addresses))

    def send(self, data: bytes) -> Client:
        self.channel.dataReceived(data)
        for _ in range(3):
            self.reactor.advance(0)
        return self

    def get(self, path: bytes = b"/", fields: bytes = b"") -> Client:
        return self.send(GET % (path, fields))


def environ_of(data: bytes, place: bytes = b"", **addresses: Any) -> dict[str, Any]:
    environs: list[Any] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        environs.append(environ)
        start_response("204 No Content", [("Content-Length", "0")])
        return [b""]

    client = Client(application, place, **addresses).send(data)
    assert client.answers()[0][0] == 204
    environ: dict[str, Any] = environs[0]
    return environ


class TestEnviron:
    """What an application is told (PEP 3333)."""

    def test_of_a_usual_request(self) -> None:
        fields = b"Accept: a\r\nACCEPT: b\r\nCookie: a=1\r\nCookie: b=2\r\nContent-Type: x/\xe4\r\n"
        environ = environ_of(GET % (b"/app/a%20%c3%a4/?q=%20", fields), b"app")
        assert environ["SCRIPT_NAME"] == "/app"
        assert environ["PATH_INFO"] == "/a \xc3\xa4/"
        assert environ["QUERY_STRING"] == "q=%20"
        assert environ["REQUEST_METHOD"] == "GET"
        assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
        assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("10.0.0.1", "12345")
        assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("192.168.1.1", "54321")
        assert environ["HTTP_ACCEPT"] == "a,b"
        assert environ["HTTP_COOKIE"] == "a=1; b=2"
        assert environ["CONTENT_TYPE"] == "x/\xe4"
        assert environ["HTTP_HOST"] == "x"
        assert environ["wsgi.url_scheme"] == "http"
        assert "CONTENT_LENGTH" not in environ
        assert environ["wsgi.input"].read() == b""

    def test_of_places(self) -> None:
        for path, script, info in (
            (b"/", "", "/"),
            (b"/a/b", "", "/a/b"),
            (b"//a", "", "//a"),
        ):
            environ = environ_of(GET % (path, b""))
            assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == (script, info)
        for path, info in ((b"/app", ""), (b"/app/", "/"), (b"/app/x", "/x")):
            environ = environ_of(GET % (path, b""), b"app")
            assert (environ["SCRIPT_NAME"], environ["PATH_INFO"]) == ("/app", info)

    def test_of_fields_that_deceive(self) -> None:
        environ = environ_of(GET % (b"/", b"Proxy: http://evil\r\nX_Real: 1\r\nX-Real: 2\r\n"))
        assert "HTTP_PROXY" not in environ
        assert environ["HTTP_X_REAL"] == "2"

    def test_over_a_unix_socket(self) -> None:
        environ = environ_of(
            GET % (b"/", b""), hostAddress=UNIXAddress("/run/x"), peerAddress=UNIXAddress(None)
        )
        assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("localhost", "80")
        assert environ["REMOTE_ADDR"] == ""

    def test_its_error_stream_is_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        stream = environ_of(GET % (b"/", b""))["wsgi.errors"]
        assert stream.write("one\n") == 4
        stream.writelines(["\n", "two"])
        stream.flush()
        assert [record.getMessage() for record in caplog.records] == ["one", "two"]


class TestAnswers:
    """What is sent."""

    def get(self, application: Any, method: bytes = b"GET") -> Any:
        self.client = Client(application).send(method + b" / HTTP/1.1\r\nHost: x\r\n\r\n")
        if method == b"HEAD":
            return self.client.said()
        (answer,) = self.client.answers()
        return answer

    def test_a_list_has_its_length(self) -> None:
        def application(environ: Any, start_response: Any) -> list[bytes]:
            start_response("299 Mine", TEXT)
            return [b"he", b"", b"llo"]

        status, fields, body = self.get(application)
        assert (status, body) == (299, b"hello")
        assert fields[b"content-length"] == b"5"

    def test_an_iterator_is_streamed_and_closed(self) -> None:
        closed = False

        def application(environ: Any, start_response: Any) -> Iterator[bytes]:
            nonlocal closed
            try:
                yield b""
                start_response("200 OK", TEXT)
                yield b"one"
                yield b"two"
            finally:
                closed = True

        assert self.get(application)[2] == b"onetwo"
        assert closed

    def test_one_that_knows_its_length(self) -> None:
        class Pieces:
            closed = False

            def __iter__(self) -> Iterator[bytes]:
                return iter([b"one", b"two"])

            def close(self) -> None:
                self.closed = True

        pieces = Pieces()

        def application(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Length", "6")])
            return pieces

        _, fields, body = self.get(application)
        assert (fields[b"content-length"], body) == (b"6", b"onetwo")
        assert pieces.closed

    def test_write(self) -> None:
        def application(environ: Any, start_response: Any) -> list[bytes]:
            write = start_response("200 OK", TEXT)
            write(b"written ")
            write(b"")
            return [b"returned"]

        assert self.get(application)[2] == b"written returned"

    def test_a_file(self) -> None:
        file = BytesIO(b"x" * 60_000)

        def application(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [])
            return environ["wsgi.file_wrapper"](file)

        assert self.get(application)[2] == b"x" * 60_000
        assert file.closed

    def test_a_thing_without_close_in_a_file_wrapper(self) -> None:
        class Readable:
            left = 2

            def read(self, size: int) -> bytes:
                self.left -= 1
                return b"x" * size if self.left >= 0 else b""

        def application(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [])
            return environ["wsgi.file_wrapper"](Readable(), 5)

        assert self.get(application)[2] == b"x" * 10

    def test_head(self) -> None:
        def application(environ: Any, start_response: Any) -> Any:
            start_response("200 OK", [("Content-Length", "5")])
            return [b"hello"] if environ["PATH_INFO"] == "/" else []

        said = self.get(application, b"HEAD")
        assert b"Content-Length: 5\r\n" in said
        assert said.endswith(b"\r\n\r\n")
        said = Client(application).send(b"HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n").said()
        assert b"Content-Length: 5\r\n" in said

    def test_an_answer_that_is_replaced_in_time(self) -> None:
        def application(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", TEXT)
            try:
                raise KeyError
            except KeyError:
                start_response("503 Sorry", [], sys.exc_info())
            return [b"sorry"]

        assert self.get(application)[::2] == (503, b"sorry")


def raising(when: str) -> Any:
    def application(environ: Any, start_response: Any) -> Any:
        if when == "before":
            raise KeyError
        write = start_response("200 OK", TEXT)
        if when == "after the head":
            raise KeyError
        write(b"some")
        if when == "too late":
            try:
                raise KeyError
            except KeyError:
                start_response("500 No", [], sys.exc_info())
        raise KeyError

    return application


def answering(status: Any, headers: Any = (), body: Any = (), again: bool = False) -> Any:
    def application(environ: Any, start_response: Any) -> Any:
        if status:
            start_response(status, list(headers))
        if again:
            start_response(status, list(headers))
        return body

    return application


class TestFaults:
    """Each costs its own answer, and is logged once."""

    @pytest.mark.parametrize(
        ("application", "kind"),
        [
            (raising("before"), KeyError),
            (raising("after the head"), KeyError),
            (answering(None, body=[b"x"]), RuntimeError),
            (answering("200 OK", again=True), RuntimeError),
            (answering("OK"), ValueError),
            (answering(200), ValueError),
            (answering("200 OK", [("a b", "c")]), ValueError),
            (answering("200 OK", [("a", "b\n")]), ValueError),
            (answering("200 OK", [("Transfer-Encoding", "chunked")]), ValueError),
            (answering("200 OK", [("Content-Length", "x")]), ValueError),
            (answering("200 OK", [("Content-Length", "3")], [b"four"]), ValueError),
            (answering("200 OK", body=["text"]), TypeError),
            (answering("200 OK", body=iter(["text"])), TypeError),
            (answering("200 OK", body=None), TypeError),
        ],
    )
    def test_before_anything_was_sent(
        self, application: Any, kind: type, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert Client(application).get().answers()[0][0] == 500
        assert errors(caplog) == [kind]

    @pytest.mark.parametrize("when", ["in the middle", "too late"])
    def test_in_the_middle(self, when: str, caplog: pytest.LogCaptureFixture) -> None:
        with served(threaded(raising(when))) as server:
            said = read_all(server.connect(GET % (b"/", b"")))
        assert b"0\r\n\r\n" not in said
        assert errors(caplog) == [KeyError]

    def test_too_many_bytes_after_some(self, caplog: pytest.LogCaptureFixture) -> None:
        pieces = iter([b"one", b"two"])
        with served(threaded(answering("200 OK", [("Content-Length", "5")], pieces))) as server:
            assert b"two" not in read_all(server.connect(GET % (b"/", b"")))
        assert errors(caplog) == [ValueError]

    def test_too_few_bytes(self, caplog: pytest.LogCaptureFixture) -> None:
        client = Client(answering("200 OK", [("Content-Length", "9")], [b"four"])).get()
        assert client.said().endswith(b"\r\n\r\nfour")
        assert client.transport.disconnecting
        assert "short of its Content-Length" in caplog.text

    def test_close_that_raises(self, caplog: pytest.LogCaptureFixture) -> None:
        class Pieces(list[bytes]):
            def close(self) -> None:
                raise KeyError

        client = Client(answering("200 OK", body=Pieces([b"all"]))).get()
        assert client.answers()[0][2] == b"all"
        assert errors(caplog) == [KeyError]

    def test_system_exit_ends_nothing_else(self, caplog: pytest.LogCaptureFixture) -> None:
        def application(environ: Any, start_response: Any) -> Any:
            sys.exit("enough")

        client = Client(application)
        for _ in range(2):
            assert client.get().answers()[0][0] == 500
            assert errors(caplog) == [SystemExit]


def threaded(application: Any) -> Callable[[Any], Any]:
    return lambda reactor: WSGIResource(reactor, reactor.getThreadPool(), application)


class TestThreads:
    """Over TCP, where a thread may wait."""

    @pytest.fixture
    def echo(self) -> Iterator[Served]:
        """Answers with what it reads, line by line."""

        def application(environ: Any, start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", TEXT)
            yield b"begun\n"
            yield from environ["wsgi.input"]

        with served(threaded(application)) as server:
            yield server

    def test_the_body_is_read_as_it_comes(self, echo: Served) -> None:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection = echo.connect(head)
        with connection:
            assert read_until(connection, b"begun")
            for line in (b"one\n", b"two\n"):
                connection.sendall(b"%x\r\n%b\r\n" % (len(line), line))
                read_until(connection, line)
            connection.sendall(b"0\r\n\r\n")
            read_until(connection, b"0\r\n\r\n")

    def test_a_large_body_both_ways(self, echo: Served) -> None:
        lines = b"".join(b"%0100d\n" % number for number in range(50_000))
        assert echo.get("/", "POST", lines)[2] == b"begun\n" + lines

    def test_a_client_that_waits_is_told_to_go_on_when_the_body_is_read(self) -> None:
        def application(environ: Any, start_response: Any) -> list[bytes]:
            read = environ["wsgi.input"].read()
            start_response("200 OK", TEXT)
            return [read]

        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
        with served(threaded(application)) as server:
            connection = server.connect(head + b"Connection: close\r\n\r\n")
            assert read_until(connection, b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
            connection.sendall(b"abc")
            assert answers(read_all(connection))[0][2] == b"abc"

    def test_small_reads(self) -> None:
        def application(environ: Any, start_response: Any) -> list[bytes]:
            stream = environ["wsgi.input"]
            start_response("200 OK", TEXT)
            read = [stream.read(2), stream.readline(), stream.readline(1), *stream.readlines()]
            return [b"|".join(read)]

        with served(threaded(validator(application))) as server:
            body = b"abcd\nefg\nhi" + b"x" * 100_000
            assert server.get("/", "POST", body)[2] == b"ab|cd\n|e|fg\n|hi" + b"x" * 100_000

    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
    def test_it_is_as_wsgiref_wants_it(self, method: str) -> None:
        def application(environ: Any, start_response: Any) -> Iterator[bytes]:
            environ["wsgi.errors"].flush()
            environ["wsgi.input"].read(100)
            write = start_response("200 OK", TEXT)
            write(b"hello ")
            return iter([b"world"])

        with served(threaded(validator(application))) as server:
            body = b"body" if method == "POST" else None
            status, fields, answer = server.get("/a?b=c", method, body)
        assert (status, fields["content-type"]) == (200, "text/plain")
        assert answer == (b"" if method == "HEAD" else b"hello world")

    def test_a_client_that_does_not_read_stops_its_thread_only(self) -> None:
        made = 0
        ended = threading.Event()

        def application(environ: Any, start_response: Any) -> Iterator[bytes]:
            nonlocal made
            start_response("200 OK", TEXT)
            if environ["PATH_INFO"] == "/small":
                yield b"small"
                return
            try:
                for _ in range(2000):
                    made += 1
                    yield b"x" * 50_000
            finally:
                ended.set()

        with served(threaded(application)) as server:
            connection = server.connect(GET % (b"/large", b"Connection: close\r\n"))
            read = len(read_until(connection, b"xxx"))
            assert server.get("/small")[2] == b"small"
            assert made < 1500
            assert len(read_all(connection)) >= 100_000_000 - read
            assert ended.wait(PATIENCE)

    @pytest.mark.parametrize("stage", ["reading", "writing", "computing"])
    def test_a_client_that_goes_away(self, stage: str, caplog: pytest.LogCaptureFixture) -> None:
        begun, gone, closed = threading.Event(), threading.Event(), threading.Event()
        raised: list[BaseException] = []

        def work(environ: Any, start_response: Any) -> Iterator[bytes]:
            write = start_response("200 OK", TEXT)
            begun.set()
            try:
                if stage == "reading":
                    environ["wsgi.input"].read()
                if stage == "computing":
                    assert gone.wait(PATIENCE)
                while True:
                    write(b"x" * 50_000)
            except OSError as refused:
                raised.append(refused)
                raise ValueError("of the application's") from refused
            finally:
                closed.set()
            yield b""

        with served(threaded(work)) as server:
            connection = server.connect(
                b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nsome"
            )
            assert begun.wait(PATIENCE)
            if stage == "writing":
                read_until(connection, b"xxx")
            connection.close()
            if stage == "computing":
                while server.call(lambda: server.site.outstandingRequests):
                    pass
            gone.set()
            assert closed.wait(PATIENCE)
        assert isinstance(raised[0], ClientDisconnected)
        assert errors(caplog) == []

    def test_an_unread_body_does_not_hold_the_connection(self) -> None:
        with served(threaded(answering("200 OK", body=[b"early"]))) as server:
            assert server.get("/", "POST", b"x" * 50_000)[2] == b"early"

    def test_many_at_once(self) -> None:
        def application(environ: Any, start_response: Any) -> list[bytes]:
            start_response("200 OK", TEXT)
            return [environ["PATH_INFO"].encode()]

        paths = [b"/%d" % number for number in range(200)]
        with served(threaded(application)) as server:
            connection = server.connect(b"".join(GET % (path, b"") for path in paths[:-1]))
            connection.sendall(GET % (paths[-1], b"Connection: close\r\n"))
            assert [answer[2] for answer in answers(read_all(connection))] == paths


def test_a_body_that_nobody_reads_waits_at_its_client() -> None:
    client = Client(answering("200 OK"))
    client.channel.dataReceived(
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"x" * 60_000
    )
    assert client.transport.producerState == "producing"
    client.channel.dataReceived(b"x" * 60_000)
    assert client.transport.producerState == "paused"


def test_nothing_is_delivered_after_the_end() -> None:
    """The thread is still at work when its client goes, in memory where nothing is chance."""
    kept: list[Any] = []

    def application(environ: Any, start_response: Any) -> list[bytes]:
        write = start_response("200 OK", TEXT)
        write(b"one")
        client.channel.connectionLost(Failure(error.ConnectionLost()))
        with pytest.raises(ClientDisconnected):
            write(b"two")
        kept.append(True)
        return []

    client = Client(application)
    client.get()
    assert kept
    assert client.said() == b""
