"""Servlets, on a connection in memory."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib import error
from reactorlib.address import IPv4Address, UNIXAddress
from reactorlib.failure import Failure
from reactorlib.protocols.http import servlet as netsvc
from reactorlib.protocols.http.fields.authorization import Credentials
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.parser import HTTPParseError
from tests.servlets import Calls, Client, Server, calls, hello, nothing
from tests.test_http_forms import post

# What is asked


def test_what_a_request_says() -> None:
    client = Client(calls(hello), "/app")
    client.get(b"/app/a%20b/%C3%BC?x=%20", b"X-Two: a", b"X-Two: b", b"Content-Type: t/x; y=z")
    servlet = client.servlet
    assert servlet.requestMethod() == "GET"
    assert servlet.url() == "http://www.example:8000/app/a%20b/%C3%BC?x=%20"
    assert servlet.protocolVersion() == "HTTP/1.1"
    assert (servlet.serverHost(), servlet.serverPort()) == ("www.example", "8000")
    assert servlet.requestPath() == "/app/a b/ü"
    assert servlet.queryString() == "x=%20"
    assert (servlet.clientHost(), servlet.clientPort()) == ("192.168.1.1", "54321")
    assert servlet.remoteUser() == ""
    assert servlet.headers() == {
        "host": "www.example:8000",
        "x-two": "a, b",
        "content-type": "t/x; y=z",
    }
    assert servlet.containsHeader("x-two")
    assert not servlet.containsHeader("X-Two")
    assert not servlet.containsHeader("x-three")
    assert servlet.header("x-two") == "a, b"
    for name in ("x-three", "X-Two"):
        with pytest.raises(KeyError):
            servlet.header(name)
    assert (servlet.contentLength(), servlet.contentType()) == (-1, "t/x; y=z")
    assert servlet.serverRoot() == "http://www.example:8000/app"
    assert servlet.serverPath() == "/app"
    assert servlet.servletPath() == "a b/ü"
    assert (servlet.servletInfo(), servlet.sessionId(), servlet.sessionContext()) == ("", "", "")
    assert servlet.reactor is client.transport.reactor
    assert repr(servlet) == "<Calls GET '/app/a b/ü'>"


def test_what_it_does_not_say() -> None:
    client = Client(calls(hello))
    client.send(b"GET http://other:81/x HTTP/1.1\r\nHost: other:81\r\n\r\n")
    assert client.servlet.url() == "http://other:81/x"
    assert client.servlet.requestPath() == "/x"
    client.connect(hostAddress=UNIXAddress("/socket"), peerAddress=UNIXAddress(None))
    client.send(b"GET /%ff HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
    servlet = client.servlet
    assert servlet.requestPath() == "/\udcff"
    assert servlet.protocolVersion() == "HTTP/1.0"
    assert (servlet.serverHost(), servlet.serverPort()) == ("", "80")
    assert (servlet.clientHost(), servlet.clientPort()) == ("", "")
    assert (servlet.contentLength(), servlet.contentType()) == (0, "")


def test_a_session_can_be_bound() -> None:
    def make(session: Any) -> Any:
        session.bindServlet("a", "b")
        session.bindSession("1", "here")
        return Calls(session, hello)

    client = Client(make)
    client.get(b"/a/b")
    servlet = client.servlet
    assert (servlet.servletPath(), servlet.servletInfo()) == ("a", "b")
    assert (servlet.sessionId(), servlet.sessionContext()) == ("1", "here")


# The answer


def test_an_answer() -> None:
    client = Client(calls(hello))
    status, fields, body = client.get()
    assert (status, fields[b"content-type"], body) == (200, b"text/plain", b"Hi there.")
    assert b"connection" not in fields
    assert not client.closing
    assert client.servlet.destroyed == 1
    assert client.get()[0] == 200


def test_a_message_of_its_own() -> None:
    def answer(servlet: Any) -> None:
        servlet.sendResponse(299, "Very Well")
        servlet.endHeaders()
        servlet.endContent()

    client = Client(calls(answer))
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert client.said().startswith(b"HTTP/1.1 299 Very Well\r\n")
    assert client.closing


def test_the_connection_is_kept_only_if_both_lengths_are_known() -> None:
    def unknown(servlet: Any) -> None:
        servlet.sendResponse(200)
        servlet.endHeaders()
        servlet.sendContent(b"x")
        servlet.endContent()

    client = Client(calls(unknown))
    status, fields, body = client.get()
    assert (status, fields[b"connection"], body) == (200, b"close", b"x")
    assert client.closing

    client = Client(calls(hello))
    assert b"connection" not in client.get(b"/", b"Content-Length: 0")[1]
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert b"Connection: close\r\n" in client.said()
    assert client.closing


def test_content_is_gathered() -> None:
    client = Client(calls(nothing))
    client.get()
    servlet = client.servlet
    servlet.sendResponse(200)
    servlet.endHeaders()
    servlet.sendContent(b"x" * 4096)
    assert client.said() == b""
    servlet.sendContent("ü")
    assert b"x\xc3\xbc\r\n" in client.said()
    servlet.sendContent(b"one")
    servlet.flushContent()
    servlet.flushContent()
    assert client.said() == b"3\r\none\r\n"
    servlet.endContent()
    assert client.said() == b"0\r\n\r\n"
    assert servlet.destroyed == 1


def test_an_error() -> None:
    client = Client(calls(lambda servlet: servlet.sendError(404)))
    status, fields, page = client.get()
    assert (status, fields[b"connection"]) == (404, b"close")
    assert b"<title>404 Not Found</title>" in page
    assert b"<h1>404 Not Found</h1>" in page
    assert client.closing
    client = Client(calls(lambda servlet: servlet.sendError(400, "<p>really</p>")))
    assert b"<body><p>really</p></body>" in client.get()[2]


def test_a_servlet_that_overrides_nothing() -> None:
    client = Client(netsvc.HttpServlet)
    assert client.get()[0] == 501
    netsvc.HttpServlet.processContent(client.servlet, b"x")


def test_the_order_of_an_answer() -> None:
    client = Client(calls(nothing))
    client.get()
    servlet = client.servlet
    for early in (
        lambda: servlet.sendHeader("A", "b"),
        servlet.endHeaders,
        lambda: servlet.sendContent(b""),
        servlet.endContent,
    ):
        with pytest.raises(RuntimeError, match="sendResponse, sendHeader"):
            early()
    servlet.sendResponse(200)
    with pytest.raises(ValueError, match="control character"):
        servlet.sendHeader("A", "b\r\nC: d")
    servlet.endHeaders()
    with pytest.raises(RuntimeError):
        servlet.sendError(500)


def test_an_answer_that_is_written_down() -> None:
    written = b"HTTP/1.1 202 Fine\r\nX: 1\r\nX: 2\r\nConnection: keep-alive\r\n"
    written += b"Content-Length: 2\r\n\r\nok"
    for response in (written, written.decode()):
        client = Client(calls(lambda servlet, response=response: servlet.sendComplete(response)))
        client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        said = client.said()
        assert said.startswith(b"HTTP/1.1 202 Fine\r\n")
        assert said.endswith(b"\r\n\r\nok")
        assert b"X: 1\r\nX: 2\r\n" in said
        assert said.count(b"Connection: close\r\n") == said.count(b"Connection:") == 1
        assert client.closing


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (b"HTTP/1.1 200 OK\r\nA: b\r\n", ValueError),
        (b"nonsense\r\n\r\n", HTTPParseError),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", ValueError),
    ],
)
def test_what_is_no_answer(response: bytes, fault: type[Exception]) -> None:
    client = Client(calls(nothing))
    client.get()
    with pytest.raises(fault):
        client.servlet.sendComplete(response)


def test_the_names_of_statuses() -> None:
    assert netsvc.HttpServlet.statusText(404) == "Not Found"
    assert netsvc.HttpServlet.statusText(299) == ""


def test_shutdown() -> None:
    def answer(servlet: Any) -> None:
        servlet.sendResponse(200)
        servlet.endHeaders()
        servlet.sendContent(b"x" * 5000)
        servlet.shutdown()

    client = Client(calls(answer))
    client.get()
    assert client.transport.disconnected
    client.channel.connectionLost(Failure(error.ConnectionAborted()))
    assert client.servlet.destroyed == 1


# Content


def test_content_comes_in_pieces() -> None:
    client = Client(calls(nothing))
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    client.send(head)
    assert client.said().startswith(b"HTTP/1.1 100 ")
    client.send(b"he", b"llo")
    assert client.servlet.content == b"hello"
    hello(client.servlet)
    assert client.answers()[0][2] == b"Hi there."


def test_content_after_the_answer_is_dropped() -> None:
    client = Client(calls(hello))
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe", b"llo")
    assert client.servlet.content == b""
    assert len(client.answers()) == 1
    client.get()
    assert len(client.server.made) == 2


# Ends


def test_a_client_that_goes_away() -> None:
    client = Client(calls(nothing))
    client.get()
    servlet = client.servlet
    client.channel.connectionLost(Failure(error.ConnectionLost()))
    assert servlet.destroyed == 1
    hello(servlet)
    servlet.sendError(500)
    servlet.flushContent()
    servlet.monitorCongestion(print)
    servlet.ignoreCongestion()
    assert servlet.destroyed == 1


def test_a_servlet_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    def raises(servlet: Any) -> None:
        raise RuntimeError("a fault")

    client = Client(calls(raises))
    assert client.get()[0] == 500
    assert client.servlet.destroyed == 1
    assert len(caplog.records) == 1
    client = Client(calls(raises))
    client.server.make = lambda session: raises(session)
    assert client.get()[0] == 500


def test_a_servlet_that_cannot_be_destroyed(caplog: pytest.LogCaptureFixture) -> None:
    class Stubborn(Calls):
        def destroyServlet(self) -> None:
            raise RuntimeError("a fault")

    client = Client(lambda session: Stubborn(session, hello))
    assert client.get()[0] == 200
    assert client.get()[0] == 200
    assert "destroyServlet" in caplog.text


# Where it is found


def test_the_nearest_server_answers() -> None:
    client = Client(calls(hello))
    deep = Server(calls(hello))
    client.daemon.attach("/a/b", deep)
    for uri, place in [
        (b"/a/b", ""),
        (b"/a/b/", ""),
        (b"/a/./x/../b//c/", "c/"),
        (b"/%61/b/c", "c"),
    ]:
        client.get(uri)
        assert (deep.made[-1].serverPath(), deep.made[-1].servletPath()) == ("/a/b", place)
    for uri, place in [(b"/a/bc", "a/bc"), (b"/a/b/..", "a/"), (b"/", "")]:
        client.get(uri)
        assert (client.servlet.serverPath(), client.servlet.servletPath()) == ("/", place)


@pytest.mark.parametrize("uri", [b"/../x", b"/%2e%2e/app", b"/a/../../app", b"/app/%00", b"/other"])
def test_places_that_are_none(uri: bytes) -> None:
    client = Client(calls(hello), "/app")
    assert client.get(uri)[0] == 404
    assert client.server.made == []


def test_a_server_that_has_no_servlet() -> None:
    client = Client(lambda session: None)
    assert client.get()[0] == 404
    client.daemon.attach("/", netsvc.HttpServer())
    client.connect()
    assert client.get()[0] == 404
    client.connect()
    assert client.get(b"*", method=b"OPTIONS")[0] == 404


@pytest.mark.parametrize("path", ["", "a", "/a/", "//a", "/a/../b", "/.."])
def test_paths_for_no_server(path: str) -> None:
    with pytest.raises(ValueError, match="path of a server"):
        netsvc.HttpDaemon(80).attach(path, netsvc.HttpServer())


def authorization(user: bytes, password: bytes) -> bytes:
    headers = Headers()
    headers.setHeader(b"Authorization", Credentials.basic(user, password))
    (value,) = headers.getRawHeaders(b"Authorization")
    return b"Authorization: " + bytes(value)


def test_users_are_authorised(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(calls(hello))
    asked = []

    def authorise(login: str, password: str) -> bool:
        asked.append((login, password))
        if login == "fault":
            raise RuntimeError("a fault")
        return (login, password) == ("ü", "secret")

    client.server.authorise = authorise  # type: ignore[method-assign]
    status, fields, _ = client.get()
    assert (status, fields[b"www-authenticate"]) == (
        401,
        b'Basic realm="www.example", charset="UTF-8"',
    )
    for field in (
        b"Authorization: Basic nonsense",
        b"Authorization: Bearer x",
        authorization(b"\xff", b""),
    ):
        client.connect()
        assert client.get(b"/", field)[0] == 401
    assert asked == [("", "")] * 4
    client.connect()
    assert client.get(b"/", authorization("ü".encode(), b"secret"))[0] == 200
    assert client.servlet.remoteUser() == "ü"
    assert client.get(b"/", authorization(b"fault", b"secret"))[0] == 500
    assert "a fault" in caplog.text


def test_hosts_are_authorised() -> None:
    client = Client(calls(hello))
    client.daemon.authorise = lambda host: host != "192.0.2.1"  # type: ignore[method-assign]
    assert client.daemon.factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 5)) is None
    assert client.daemon.factory.buildProtocol(UNIXAddress(None)) is not None


# Those that are ready


def test_the_error_servlet() -> None:
    client = Client(lambda session: netsvc.ErrorServlet(session, 503, "later"))
    status, _, page = client.get()
    assert (status, b"<body>later</body>" in page) == (503, True)


def test_the_redirect_servlet() -> None:
    client = Client(lambda session: netsvc.RedirectServlet(session, "/there"))
    status, fields, _ = client.get()
    assert (status, fields[b"location"]) == (302, b"http://www.example:8000/there")
    assert not client.closing
    permanent = netsvc.REDIRECT_PERMANENT
    client = Client(lambda session: netsvc.RedirectServlet(session, "https://x/", permanent))
    status, fields, _ = client.get()
    assert (status, fields[b"location"]) == (301, b"https://x/")


def test_the_echo_servlet() -> None:
    client = Client(netsvc.EchoServlet)
    page = client.get(b"/<x>?a=b", b"X-Y: <z>")[2]
    for text in (b"<th>requestMethod<td>GET", b"/&lt;x&gt;", b"<th>x-y<td>&lt;z&gt;"):
        assert text in page
    client.send(post(b"<content>", b"text/plain"))
    assert b"<pre>&lt;content&gt;</pre>" in client.said()
    client.send(post(b"x" * 100_000, b"text/plain")[:80_000], b"x" * 20_200)
    assert b"<pre>%b</pre>" % (b"x" * 65_536) in client.said()


# Congestion


def test_congestion_is_told_and_a_fault_closes(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(calls(nothing))
    client.get()
    servlet = client.servlet
    servlet.sendResponse(200)
    servlet.endHeaders()
    seen: list[tuple[int, int]] = []
    servlet.monitorCongestion(lambda status, pending: seen.append((status, pending)))
    client.transport.block()
    servlet.sendContent(b"x" * 5000)
    assert seen == [(netsvc.CONNECTION_BLOCKED, 1)]
    client.transport.unblock()
    assert seen[1:] == [(netsvc.CONNECTION_CLEARED, 0)]
    servlet.ignoreCongestion()
    client.transport.block()
    servlet.sendContent(b"x" * 5000)
    assert len(seen) == 2
    client.transport.unblock()

    def raises(status: int, pending: int) -> None:
        raise RuntimeError("a fault")

    servlet.monitorCongestion(raises)
    client.transport.block()
    servlet.sendContent(b"x" * 5000)
    assert client.transport.disconnected
    assert caplog.text.count("Unhandled error") == 1


def test_the_requests_of_a_connection_are_served_one_at_a_time() -> None:
    client = Client(calls(nothing))
    client.send(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n")
    assert len(client.server.made) == 1
    hello(client.servlet)
    assert len(client.server.made) == 2
    hello(client.servlet)
    assert len(client.answers()) == 2


def test_a_late_servlet_leaves_the_next_ones_congestion_alone() -> None:
    client = Client(calls(nothing))
    client.get()
    first = client.servlet
    hello(first)
    client.get()
    seen: list[int] = []
    client.servlet.sendResponse(200)
    client.servlet.endHeaders()
    client.servlet.monitorCongestion(lambda status, pending: seen.append(status))
    first.ignoreCongestion()
    client.transport.block()
    client.servlet.sendContent(b"x" * 5000)
    assert seen == [netsvc.CONNECTION_BLOCKED]
