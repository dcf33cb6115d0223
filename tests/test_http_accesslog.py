"""The access log: what is counted, what is written, and what it must never do."""

from __future__ import annotations

import json
import logging
import re
from errno import EBADF, ECONNRESET
from pathlib import Path
from typing import Any

import pytest

from reactorlib import error
from reactorlib.address import IPv4Address
from reactorlib.backends.events import LOST as LOST_EVENT
from reactorlib.defer import succeed
from reactorlib.failure import Failure
from reactorlib.protocols.http.accesslog import (
    LONGEST,
    AccessLog,
    Entry,
    combined,
    escaped,
    jsonLine,
)
from reactorlib.protocols.http.headers import Headers
from reactorlib.testing import StringTransport
from tests.webserver import GET, Server

LOST = Failure(error.ConnectionLost())


def logged(*arguments: Any, **settings: Any) -> tuple[Server, list[Entry]]:
    server = Server(*arguments, **settings)
    entries: list[Entry] = []
    server.factory.log = entries.append
    server.connect()
    return server, entries


def answer(*pieces: bytes, length: int | None = None, code: int = 200) -> Any:
    def process(request: Any) -> None:
        request.setResponseCode(code)
        if length is not None:
            request.setResponseHeader(b"Content-Length", str(length))
        for piece in pieces:
            request.write(piece)
        request.finish()

    return process


def test_none_by_default() -> None:
    server = Server()
    assert server.factory.log is None
    assert server.channel.exchange.__name__ == "ChannelRequest"
    server, entries = logged(answer(b"a"))
    assert server.factory.log == entries.append
    server.factory.log = None
    server.connect()
    server.get(b"/")
    assert (server.said()[-1:], entries) == (b"a", [])


@pytest.mark.parametrize(
    ("pieces", "length", "size"),
    [
        ((), None, 0),
        ((b"hello",), None, 5),
        ((b"hello", b"", b"you"), None, 8),  # chunked, or until the end
        ((b"hello", b"you"), 8, 8),
        ((b"x" * 70_000, b"y"), None, 70_001),
    ],
)
@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
def test_sizes(pieces: tuple[bytes, ...], length: int | None, size: int, version: bytes) -> None:
    server, entries = logged(answer(*pieces, length=length))
    server.send(b"GET /a HTTP/%b\r\nHost: x\r\n\r\n" % version)
    (entry,) = entries
    assert (entry.status, entry.size, entry.complete) == (200, size, True)
    assert (entry.method, entry.uri, entry.version) == (b"GET", b"/a", (1, int(version[-1:])))


@pytest.mark.parametrize("pieces", [(b"hello",), (b"hello", b"you")])
def test_head_has_no_body(pieces: tuple[bytes, ...]) -> None:
    server, entries = logged(answer(*pieces))
    server.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [(e.method, e.status, e.size) for e in entries] == [(b"HEAD", 200, 0)]


def test_an_answer_without_a_body() -> None:
    server, entries = logged(answer(code=304))
    server.get(b"/")
    assert [(e.status, e.size) for e in entries] == [(304, 0)]


def test_the_time() -> None:
    server, entries = logged()
    server.get(b"/")
    server.advance(2.5)
    server.requests[0].answer(b"late")
    assert [(e.seconds, e.size) for e in entries] == [(2.5, 4)]


def test_an_answer_is_logged_when_its_turn_has_come() -> None:
    server, entries = logged()
    server.get(b"/1", b"/2")
    server.requests[1].answer()
    assert entries == []
    server.requests[0].answer()
    assert sorted(e.uri for e in entries) == [b"/1", b"/2"]
    assert [(e.complete, e.size) for e in entries] == [(True, 2)] * 2


def test_an_answer_that_was_given_up_before_its_turn(caplog: pytest.LogCaptureFixture) -> None:
    server, entries = logged()
    server.get(b"/1", b"/2")
    server.requests[1].write(b"some")
    server.requests[1].write(b"more")
    server.requests[1].abortConnection(False)
    server.requests[0].answer()
    assert sorted((e.uri, e.status, e.size, e.complete) for e in entries) == [
        (b"/1", 200, 2, True),
        (b"/2", None, 0, False),
    ]

    async def process(request: Any) -> None:
        if request.uri == b"/2":
            request.write(b"some")
            request.write(b"more")
            raise ZeroDivisionError

    server, entries = logged(process)
    server.get(b"/1", b"/2")
    server.requests[0].answer()
    assert sorted((e.uri, e.status, e.size, e.complete) for e in entries) == [
        (b"/1", 200, 2, True),
        (b"/2", 500, 50, True),
    ]


def test_what_was_never_sent() -> None:
    server, entries = logged()
    server.get(b"/1", b"/2", b"/3")
    server.requests[1].answer()
    server.requests[2].write(b"some")
    server.channel.connectionLost(LOST)
    assert [(e.uri, e.status, e.size, e.complete) for e in entries] == [
        (b"/1", None, 0, False),
        (b"/2", None, 0, False),
        (b"/3", None, 0, False),
    ]
    server.requests[0].answer()  # too late
    assert len(entries) == 3


@pytest.mark.parametrize("length", [None, 100])
def test_an_answer_that_is_cut_off(length: int | None) -> None:
    server, entries = logged()
    server.get(b"/")
    request = server.requests[0]
    if length is not None:
        request.setResponseHeader(b"Content-Length", str(length))
    request.write(b"0123456")
    request.write(b"789")
    server.channel.connectionLost(LOST)
    assert [(e.status, e.size, e.complete) for e in entries] == [(200, 10, False)]


def blocked(write: Any, length: int | None) -> tuple[Server, list[Entry], Any]:
    """A server whose client stops reading after the first 10 bytes of a body."""
    server, entries = logged()
    server.get(b"/")
    request = server.requests[0]
    if length is not None:
        request.setResponseHeader(b"Content-Length", str(length))
    request.write(b"01234")
    request.write(b"56789")
    server.transport.block()
    write(request)
    return server, entries, request


@pytest.mark.parametrize("length", [None, 100])
@pytest.mark.parametrize("taken", [None, 0, 1, 7, 8, 11, 14, 15])
def test_what_the_kernel_never_took_is_not_counted(length: int | None, taken: int | None) -> None:
    def write(request: Any) -> None:
        request.write(b"abcdefgh")

    server, entries, _ = blocked(write, length)
    framed = 8 if length else 13  # 8 CRLF abcdefgh CRLF
    assert server.transport.bufferedBytes == framed
    left = framed if taken is None else max(0, framed - taken)
    server.transport = server.channel.transport = Lost(server.transport, left)
    server.channel.connectionLost(LOST)
    body = 8 - left if length else max(0, 8 - max(0, left - 2))
    assert [(e.size, e.complete) for e in entries] == [(10 + body, False)]


class Lost:
    """A transport whose connection has gone, with so many bytes unsent."""

    def __init__(self, transport: Any, unsent: int) -> None:
        self._transport = transport
        self.bufferedBytes = unsent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


@pytest.mark.parametrize("pieces", [1, 2])
def test_much_that_waits_is_logged_when_it_has_left(pieces: int) -> None:
    def write(request: Any) -> None:
        for _ in range(pieces):
            request.write(b"x" * 50_000 * (3 - pieces))
        request.finish()

    server, entries, _ = blocked(write, None)
    server.advance(1.5)
    assert entries == []
    server.transport.unblock()
    assert [(e.size, e.complete, e.seconds) for e in entries] == [(100_010, True, 1.5)]
    server.get(b"/")
    server.channel.connectionLost(LOST)
    assert len(entries) == 2


@pytest.mark.parametrize(
    ("unsent", "size", "complete"),
    [(0, 100_010, True), (5, 100_010, False), (7, 100_010, False), (8, 100_009, False)],
)
def test_much_that_never_left(unsent: int, size: int, complete: bool) -> None:
    def write(request: Any) -> None:
        request.write(b"x" * 100_000)
        request.finish()

    server, entries, _ = blocked(write, None)
    server.channel.transport = Lost(server.transport, unsent)
    server.channel.connectionLost(LOST)
    assert [(e.size, e.complete) for e in entries] == [(size, complete)]


def test_a_file_until_the_end_of_the_connection(tmp_path: Path) -> None:
    server, entries = logged()
    server.channel.send_file = lambda file, offset, count: succeed(count)
    server.send(b"GET / HTTP/1.0\r\nHost: x\r\n\r\n")
    (tmp_path / "file").write_bytes(b"12345")
    with open(tmp_path / "file", "rb") as file:
        server.requests[0].writeFile(file)
    server.requests[0].finish()
    assert [(e.size, e.complete) for e in entries] == [(5, True)]


def test_what_is_written_when_the_loss_is_not_told_yet() -> None:
    """The engine knows of a loss before it is told: an application must not run on in vain."""

    class Dead:
        def write(self, *_: object) -> int:
            return -EBADF

        def __getattr__(self, name: str) -> Any:
            return lambda *_: 0

    server, entries = logged()
    server.get(b"/")
    (request,) = server.requests
    request.setResponseHeader(b"Content-Length", b"10")
    request.write(b"hello")
    server.transport._engine = Dead()
    assert not server.channel.choked
    request.write(b"never")
    assert server.channel.choked
    request.finish()
    assert entries == []
    server.transport.event(LOST_EVENT, ECONNRESET, 0)
    assert server.transport.bufferedBytes == 5
    server.channel.connectionLost(LOST)
    assert [(e.size, e.complete) for e in entries] == [(5, False)]


def test_what_was_written_too_late_is_not_counted() -> None:
    server, entries, request = blocked(lambda request: None, 100)
    request.abortConnection()
    request.write(b"late")
    server.channel.connectionLost(LOST)
    assert [(e.size, e.complete) for e in entries] == [(10, False)]

    def process(request: Any) -> None:
        request.setResponseHeader(b"Content-Length", b"10")
        request.write(b"one")
        request.write(b"two")  # gathered, for another request follows
        request.abortConnection(False)

    server, entries = logged(process)
    server.get(b"/", b"/")
    server.channel.connectionLost(LOST)
    assert [(e.size, e.complete) for e in entries] == [(0, False)]


def test_chunks_are_not_remembered_for_ever() -> None:
    server, entries, request = blocked(lambda request: None, None)
    for number in range(3_000):
        if number == 1_500:
            server.transport.unblock()
            server.transport.block()
        request.write(b"x")
    exchange = request.chanRequest
    assert len(exchange._chunks._sizes) <= 1_500
    assert server.transport.bufferedBytes == 9_000
    server.channel.connectionLost(LOST)
    assert [(e.size, e.complete) for e in entries] == [(1_510, False)]


def test_who_is_turned_away_is_logged() -> None:
    server, entries = logged(maxRequests=1)
    server.connect()
    for refusal in (server.factory.buildProtocol(None), server.factory.buildRefusal(None)):
        transport = StringTransport()
        refusal.makeConnection(transport)
        entry = entries.pop()
        assert (entry.status, entry.complete, entry.version) == (503, True, None)
        assert transport.value().endswith(b"later.\n")
        assert entry.size == len(transport.value().partition(b"\r\n\r\n")[2])
        assert entry.client == transport.getPeer()


def test_an_answer_that_is_too_short() -> None:
    server, entries = logged(answer(b"hello", b"you", length=10))
    server.get(b"/")
    assert [(e.size, e.complete) for e in entries] == [(8, False)]


def test_a_fault_of_the_application(caplog: pytest.LogCaptureFixture) -> None:
    def process(request: Any) -> None:
        raise ZeroDivisionError

    server, entries = logged(process)
    server.get(b"/")
    assert [e.status for e in entries] == [500]


def test_what_no_application_answers() -> None:
    server, entries = logged()
    server.send(b"\x00\x1b[31m\r\n\r\n")
    (entry,) = entries
    assert (entry.method, entry.uri, entry.version, entry.status) == (b"", b"", None, 400)
    assert ' "-" 400 ' in combined(entry)
    server, entries = logged(maxContentLength=3)
    server.send(b"POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
    assert [(e.uri, e.status) for e in entries] == [(b"/p", 413)]


def test_another_protocol() -> None:
    def process(request: Any) -> None:
        request.setResponseCode(101)
        request.setResponseHeader(b"Connection", b"Upgrade")
        request.setResponseHeader(b"Upgrade", b"chat")
        request.switchProtocol(Any)

    server, entries = logged(process)
    server.channel.hand_over = lambda protocol: None
    server.send(
        b"GET /w HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: chat\r\n\r\n",
    )
    assert [(e.status, e.size, e.complete) for e in entries] == [(101, 0, True)]


def test_a_log_that_raises_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(answer(b"fine"))
    server.factory.log = lambda entry: 1 / 0
    server.connect()
    server.get(b"/", b"/")
    assert server.said().count(b"fine") == 2
    assert [record.getMessage() for record in caplog.records] == ["The access log failed"] * 2


# Lines

ENTRY = Entry(
    IPv4Address("TCP", "192.0.2.1", 5),
    971186136.25,
    0.0123456,
    b"GET",
    b"/a?b",
    (1, 1),
    200,
    2326,
    True,
    Headers(rawHeaders={b"Referer": [b"http://x/"], b"User-Agent": [b"first", b"curl/8"]}),
)
LINE = re.compile(
    r'(\S+) - - \[([^]]+)\] "((?:[^"\\]|\\.)*)" (\d+|-) (\d+) '
    r'"((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)" (\d+\.\d+)'
)


def entry(**changes: Any) -> Entry:
    return Entry(**{**vars(ENTRY), **changes})


def test_combined() -> None:
    assert combined(ENTRY) == (
        '192.0.2.1 - - [10/Oct/2000:13:55:36 +0000] "GET /a?b HTTP/1.1" 200 2326 '
        '"http://x/" "curl/8" 0.012346'
    )


def test_what_there_is_none_of() -> None:
    bare = entry(client=None, method=b"", uri=b"", version=None, status=None, headers=Headers())
    assert combined(bare).startswith("- - - [10/Oct/2000:13:55:36 +0000] ")
    assert combined(bare).endswith(' "-" - 2326 "-" "-" 0.012346')
    told = json.loads(jsonLine(bare))
    assert [name for name, value in told.items() if value is None] == [
        *("client", "method", "uri", "version", "status", "referer", "userAgent"),
    ]


def test_json() -> None:
    assert json.loads(jsonLine(ENTRY)) == {
        "time": 971186136.25,
        "client": "192.0.2.1",
        "method": "GET",
        "uri": "/a?b",
        "version": "1.1",
        "status": 200,
        "size": 2326,
        "seconds": 0.012346,
        "complete": True,
        "referer": "http://x/",
        "userAgent": "curl/8",
    }


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"plain", "plain"),
        (b'a"b', r"a\"b"),
        (rb"a\b", r"a\\b"),
        (b"\x1b[31mred", r"\x1b[31mred"),  # uvicorn's CVE-2020-7694
        (b"\r\n\t\x00\x7f", r"\x0d\x0a\x09\x00\x7f"),
        ("é".encode(), r"\xc3\xa9"),
        (b"\x9b31m", r"\x9b31m"),
        (b"a" * LONGEST, "a" * LONGEST),
        (b"a" * (LONGEST + 1), "a" * LONGEST + "..."),
        (b'"' * (LONGEST + 1), r"\"" * LONGEST + "..."),
    ],
)
def test_escaped(data: bytes, text: str) -> None:
    assert escaped(data) == text


def test_no_byte_of_a_client_ends_a_field_or_a_line() -> None:
    every = bytes(range(256))
    nasty = entry(
        method=every,
        uri=every,
        headers=Headers.deferred(lambda: [(b"referer", every), (b"user-agent", every)]),
    )
    match = LINE.fullmatch(combined(nasty))
    assert match
    assert all(match[field].encode() == escaped(every).encode() for field in (6, 7))
    line = jsonLine(nasty)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["userAgent"].encode("latin-1") == every


@pytest.mark.parametrize(("format", "begin"), [("combined", "192.0.2.1"), ("json", '{"time"')])
def test_it_goes_through_logging(format: str, begin: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "reactorlib.access"):
        AccessLog(format)(ENTRY)
    (record,) = caplog.records
    assert record.name == "reactorlib.access"
    assert record.getMessage().startswith(begin)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "reactorlib.access"):
        AccessLog(format)(ENTRY)
    assert caplog.records == []


def test_no_such_format() -> None:
    with pytest.raises(KeyError):
        AccessLog("xml")


def test_from_bytes_to_a_line() -> None:
    server, entries = logged(answer(b"ok"))
    server.send(GET % b"/%1b")
    assert '"GET /%1b HTTP/1.1" 200 2 ' in combined(entries[0])
