"""Servlets that are sent forms."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.protocols.http import servlet as netsvc
from reactorlib.protocols.http.forms import FormLimits, Upload
from tests.servlets import Client
from tests.test_http_forms import MULTIPART, URLENCODED, part, post, whole


class Fields(netsvc.FormServlet):
    def handleRequest(self) -> None:
        page = repr(sorted(self.fields().items())).encode()
        self.sendResponse(200)
        self.sendHeader("Content-Length", len(page))
        self.endHeaders()
        self.sendContent(page)
        self.endContent()


def test_a_form_by_get_and_by_post() -> None:
    client = Client(Fields)
    query = b"a=1&b=%C3%BC&a=2&c="
    page = client.get(b"/?" + query)[2]
    assert page.decode() == "[('a', ['1', '2']), ('b', 'ü'), ('c', '')]"
    for step in (1, 1000):
        message = post(query, URLENCODED)
        client.send(*[message[start : start + step] for start in range(0, len(message), step)])
        assert client.answers()[0][2] == page
    client.send(
        post(
            whole(
                *[part(*p) for p in [(b"a", b"1"), (b"b", "ü".encode()), (b"a", b"2"), (b"c", b"")]]
            )
        )
    )
    assert client.answers()[0][2] == page
    assert client.servlet.containsField("a")
    assert not client.servlet.containsField("x")
    assert client.servlet.field("b") == "ü"
    with pytest.raises(KeyError):
        client.servlet.field("x")
    assert not client.closing


def test_a_form_without_fields() -> None:
    client = Client(Fields)
    assert client.get()[2] == b"[]"
    client.send(post(b"", URLENCODED), post(b"{}", b"application/json"))
    assert [body for _, _, body in client.answers()] == [b"[]", b"[]"]


def test_an_upload_to_a_servlet() -> None:
    def handle(servlet: Any) -> None:
        upload = servlet.field("f")
        assert isinstance(upload, Upload)
        servlet.sendError(400, f"{upload.filename}: {upload.file.read().decode()}")

    client = Client(Fields)
    client.server.make = lambda session: type("Form", (Fields,), {"handleRequest": handle})(session)
    client.send(post(whole(part(b"f", b"text", b"name"))))
    assert b"name: text" in client.said()
    with pytest.raises(ValueError, match="closed"):
        client.servlet.field("f").file.seek(0) or client.servlet.field("f").file.read()


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (b"PUT / HTTP/1.1\r\nHost: x\r\n\r\n", 501),
        (b"HEAD / HTTP/1.0\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (post(b"nonsense", MULTIPART), 400),
        (post(b"", MULTIPART), 400),
        (post(b"a=1&b=2&c=3", URLENCODED), 413),
        (post(b"x", b"multipart/form-data"), 400),
        (b"GET /?a&b&c HTTP/1.1\r\nHost: x\r\n\r\n", 413),
    ],
)
def test_forms_that_are_refused(message: bytes, status: int) -> None:
    client = Client(type("Form", (Fields,), {"formLimits": FormLimits(maxFields=2)}))
    client.send(message)
    assert client.said().startswith(b"HTTP/1.1 %d " % status)
    assert client.closing


def test_content_that_nobody_waits_for_any_more() -> None:
    client = Client(Fields)
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
    servlet = client.servlet
    servlet.destroyServlet()
    servlet.processContent(b"x")
    assert servlet.fields() == {}


def test_a_form_servlet_that_handles_nothing() -> None:
    assert Client(netsvc.FormServlet).get()[0] == 501
