"""Forms: their fields, their files, and what is no form."""

from __future__ import annotations

import io
import random
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from reactorlib import error
from reactorlib.defer import Deferred, ensureDeferred
from reactorlib.failure import Failure
from reactorlib.protocols.http import formparsers, forms, resource, server
from reactorlib.protocols.http.forms import FormError, FormLimits
from tests.checkout import run
from tests.on_backends import OnEveryBackend
from tests.test_http_site import Browser

URLENCODED = b"application/x-www-form-urlencoded"
MULTIPART = b"multipart/form-data; boundary=XyZ"
NAMELESS = b'--XyZ\r\nContent-Disposition: form-data; name=""\r\n\r\nx\r\n--XyZ--'


def post(body: bytes, kind: bytes = MULTIPART, uri: bytes = b"/") -> bytes:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (uri, kind, len(body)) + body


def part(name: bytes, value: bytes, filename: bytes | None = None, kind: bytes = b"") -> bytes:
    tail = b"" if filename is None else b'; filename="%b"' % filename
    tail += b"\r\nContent-Type: %b" % kind if kind else b""
    return b'--XyZ\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (
        name,
        tail,
        value,
    )


def whole(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--XyZ--\r\n"


class Taking(resource.Resource):
    """Keeps the request, and answers what the test says."""

    isLeaf = True
    rendered: ClassVar[list[Any]] = []

    def __init__(self, answer: Any = b"taken") -> None:
        super().__init__()
        self.answer = answer
        self.requests: list[Any] = []

    def render_POST(self, request: Any) -> Any:
        self.requests.append(request)
        self.rendered.append(request)
        return self.answer(request) if callable(self.answer) else self.answer

    render_GET = render_POST
    render_PUT = render_POST


@pytest.fixture(autouse=True)
def finished() -> Iterator[None]:
    """Every request is finished at the end: what a form holds open until then is closed."""
    yield
    while Taking.rendered:
        Taking.rendered.pop().finish()


class Reading(Taking):
    """A resource that streams."""

    streaming = True


def submit(message: bytes, answer: Any = server.NOT_DONE_YET, step: int = 0, **limits: Any) -> Any:
    """The request that comes of a form, cut into pieces; it is not finished."""
    browser = Browser(page := Taking(answer))
    browser.site.protocol.requestFactory.formLimits = FormLimits(**limits)
    step = step or len(message)
    for start in range(0, len(message), step):
        browser.send(message[start : start + step])
    return page.requests[0] if page.requests else browser.answers()[0]


def refused(message: bytes, **limits: Any) -> int:
    """The status that a form is refused with; it has not been rendered."""
    browser = Browser(page := Taking())
    browser.site.protocol.requestFactory.formLimits = FormLimits(**limits)
    browser.send(message)
    assert page.requests == []
    status: int = browser.answers()[0][0]
    return status


@pytest.mark.parametrize("step", [1, 2, 7, 0])
def test_an_urlencoded_form(step: int) -> None:
    body = b"a=1&b=x+y%26z&a=2&empty=&bare&&%3d=%3D"
    request = submit(post(body, URLENCODED, b"/?a=0&q=%20"), step=step)
    assert request.args == {
        b"a": [b"0", b"1", b"2"],
        b"q": [b" "],
        b"b": [b"x y&z"],
        b"empty": [b""],
        b"bare": [b""],
        b"=": [b"="],
    }
    assert request.content.read() == body
    assert request.files == {}


def test_names_in_another_encoding() -> None:
    """A browser sends them in that of the page, and does not say which it is."""
    body = whole(part("größe".encode("latin-1"), b"x", "ä.bin".encode("latin-1")))
    request = submit(post(body))
    (upload,) = request.files["größe".encode("latin-1")]
    assert (upload.filename, upload.file.read()) == ("\N{REPLACEMENT CHARACTER}.bin", b"x")


@pytest.mark.parametrize("step", [1, 2, 7, 0])
def test_a_multipart_form(step: int) -> None:
    body = whole(
        part(b"note", b"two\r\nlines"),
        part(b"photo", b"\x00--XyZ\r\n", b"a b.png", b"image/png"),
        part(b"photo", b"second", "grün%22.txt".encode()),
        part(b"none", b"", b""),
        part(b"note", b""),
    )
    request = submit(post(body, uri=b"/?q=1"), step=step)
    assert request.args == {b"q": [b"1"], b"note": [b"two\r\nlines", b""]}
    first, second = request.files[b"photo"]
    assert list(request.files) == [b"photo"]
    assert (first.name, first.filename, first.contentType) == (b"photo", "a b.png", b"image/png")
    assert (second.filename, second.contentType) == ('grün".txt', b"application/octet-stream")
    assert second.file.read() == b"second"
    assert first.file.read() == b"\x00--XyZ\r\n"
    assert first.file is first.file
    assert (first.size, second.size) == (8, 6)
    assert repr(first) == "<Upload b'photo' 'a b.png', 8 bytes>"
    assert request.content.read() == b""


def test_a_file_is_read_like_any_other() -> None:
    request = submit(post(whole(part(b"a", b"one\ntwo\n", b"x"), part(b"b", b"other", b"y"))))
    file = request.files[b"a"][0].file
    assert list(file) == [b"one\n", b"two\n"]
    assert file.read() == b""
    assert file.seek(-4, io.SEEK_END) == 4
    assert file.read(2) == b"tw"
    assert file.tell() == 6
    file.seek(100)
    assert file.read() == b""
    with pytest.raises(ValueError, match="before the beginning"):
        file.seek(-9, io.SEEK_END)
    assert file.seekable()
    assert not file.writable()


def test_what_is_no_form_is_content() -> None:
    for kind in (b"application/json", b"nonsense"):
        request = submit(post(b"a=1", kind))
        assert (request.args, request.content.read()) == ({}, b"a=1")
    request = submit(post(b"a=1", URLENCODED).replace(b"POST", b"PUT", 1))
    assert (request.args, request.content.read()) == ({}, b"a=1")
    assert submit(b"GET /?a=1 HTTP/1.1\r\nHost: x\r\n\r\n").files == {}


def test_small_files_stay_in_memory_and_large_ones_do_not() -> None:
    small = submit(post(whole(*[part(b"f", b"x" * 10, b"f")] * 10)), maxMem=100)
    assert not small._body.store._rolled
    large = submit(post(whole(*[part(b"f", b"%d" % n * 10, b"f") for n in range(11)])), maxMem=100)
    store = large._body.store
    assert store._rolled
    assert [each.file.read() for each in large.files[b"f"]] == [b"%d" % n * 10 for n in range(11)]
    large.finish()
    assert store.closed
    with pytest.raises(ValueError, match="closed"):
        large.files[b"f"][0].file.read()


def test_a_lost_connection_closes_the_files() -> None:
    browser = Browser(Taking())
    browser.send(post(whole(part(b"f", b"x" * 100, b"f")))[:-60])
    body = browser.channel.requests[0].request._body
    browser.channel.connectionLost(Failure(error.ConnectionLost()))
    assert body.store.closed


@pytest.mark.parametrize(
    "message",
    [
        post(b"--XyZ\r\n"),
        post(b"no boundary at all"),
        post(whole(b"--XyZ\r\nContent-Type: text/plain\r\n\r\nx\r\n")),
        post(whole(b"--XyZ\r\nContent-Disposition: attachment; name=a\r\n\r\nx\r\n")),
        post(NAMELESS),
        post(whole(part(b"a", b"x", kind=b"text/plain\r\nContent-Length: 5"))),
        post(b"a=1", b"multipart/form-data"),
        post(b"a=1", b"multipart/form-data; boundary=%b" % (b"x" * 71)),
        post(b"a=1", b'multipart/form-data; boundary=""'),
    ],
)
def test_a_malformed_form(message: bytes) -> None:
    assert refused(message) == 400


def test_the_limits() -> None:
    two = whole(part(b"a", b"1"), part(b"b", b"2", b"f"))
    pairs = post(b"a=1&b=2", URLENCODED)
    assert refused(post(two), maxFields=1) == 413
    assert refused(pairs, maxFields=1) == 413
    assert refused(post(two), maxSize=len(two) - 1) == 413
    assert refused(pairs, maxSize=6) == 413
    assert refused(post(two), maxFileSize=0) == 413
    assert refused(post(whole(part(b"aa", b"12"), part(b"b", b"3"))), maxFieldsSize=5) == 413
    assert refused(pairs, maxFieldsSize=3) == 413
    assert refused(post(b"a=1234", URLENCODED), maxFieldsSize=4) == 413
    assert submit(pairs, maxFields=2, maxSize=7, maxFieldsSize=4).args == {
        b"a": [b"1"],
        b"b": [b"2"],
    }
    large = part(b"a", b"1", b"x" * 5000)
    assert refused(post(whole(large))) == 413


def test_a_refusal_leaves_nothing() -> None:
    browser = Browser(Taking())
    browser.send(post(whole(part(b"f", b"x" * 200_000, b"f")))[:150_000])
    store = browser.channel.requests[0].request._body.store
    assert store._rolled
    browser.send(b"x" * 51_000 + b"\r\n--XyZ nonsense")
    assert browser.answers()[0][0] == 400
    assert store.closed


def test_too_many_arguments() -> None:
    def ask(request: Any) -> bytes:
        return b"%d" % len(request.args)

    async def ask_later(request: Any) -> bytes:
        return ask(request)

    for answer in (ask, ask_later):
        browser = Browser(Taking(answer))
        browser.send(b"GET /?" + b"a&" * 1025 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert browser.answers()[0][0] == 413
    assert submit(b"GET /?" + b"a&" * 1024 + b" HTTP/1.1\r\nHost: x\r\n\r\n").args


def test_a_refusal_that_comes_too_late_cuts_the_answer_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def answer(request: Any) -> bytes:
        for _ in range(pieces):
            request.write(b"begun")
        raise FormError(400, "<no>")

    browser = Browser(Reading(answer))
    pieces = 1
    browser.send(post(b"a=1"))
    ((status, _, page),) = browser.answers()
    assert (status, b"begun" in page, b"&lt;no&gt;" in page) == (400, False, True)
    pieces = 2
    browser.send(post(b"a=1"))
    assert browser.transport.disconnected
    assert caplog.records == []


def test_without_the_library(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(formparsers, "multipart", None)
    body = whole(part(b"a", b"1"))
    request = submit(post(body))
    assert request.content.read() == body
    for ask in (lambda: request.args, lambda: request.files):
        with pytest.raises(forms.MissingLibrary, match=r"pip install 'reactorlib\[forms\]'"):
            ask()
    assert submit(post(b"a=1", URLENCODED)).args == {b"a": [b"1"]}
    browser = Browser(Taking(lambda request: b"%d" % len(request.args)))
    browser.send(post(body))
    assert browser.answers()[0][0] == 500
    assert "reactorlib[forms]" in caplog.text


def test_the_library_need_not_be_there(tmp_path: Path) -> None:
    program = "import sys; sys.modules['multipart'] = None\n"
    program += "from reactorlib.protocols.http import formparsers, forms\n"
    program += "assert formparsers.multipart is None"
    assert run(sys.executable, "-c", program, cwd=tmp_path).stderr == ""


# Streamed


async def every_part(request: Any) -> bytes:
    said = []
    async for each in forms.parts(request):
        value = b"".join([piece async for piece in each])
        assert [piece async for piece in each] == []
        said.append(
            b"%b %b %b %b" % (each.name, repr(each.filename).encode(), each.contentType, value)
        )
    return b"|".join(said)


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
def test_the_parts_of_a_form(step: int) -> None:
    browser = Browser(Reading(every_part))
    message = post(whole(part(b"a", b"1"), part(b"f", b"x\r\ny", b"n", b"a/b"), part(b"e", b"")))
    for start in range(0, len(message), step):
        browser.send(message[start : start + step])
    said = b"a None text/plain 1|f 'n' a/b x\r\ny|e None text/plain "
    assert browser.answers()[0][2] == said
    browser.send(post(b"a=1&b=+", URLENCODED))
    assert browser.answers()[0][2] == b"a None text/plain 1|b None text/plain  "


def test_parts_that_are_not_read() -> None:
    async def names(request: Any) -> bytes:
        return b" ".join([each.name async for each in forms.parts(request)])

    browser = Browser(Reading(names))
    browser.send(post(whole(*[part(b"f%d" % n, b"x" * 70_000, b"f") for n in range(3)])))
    assert browser.answers()[0][2] == b"f0 f1 f2"


@pytest.mark.parametrize(
    ("message", "limits", "status"),
    [
        (post(b"a=1", b"text/plain"), {}, 415),
        (post(b"--XyZ\r\n"), {}, 400),
        (post(whole(part(b"a", b"1"))[:-12]), {}, 400),
        (post(whole(part(b"a", b"1"), part(b"b", b"2"))), {"maxFields": 1}, 413),
        (post(whole(part(b"a", b"12"))), {"maxFileSize": 1}, 413),
        (post(whole(part(b"a", b"12"))), {"maxSize": 30}, 413),
    ],
)
def test_parts_that_are_refused(
    message: bytes, limits: dict[str, int], status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def read(request: Any) -> bytes:
        async for each in forms.parts(request, FormLimits(**limits)):
            await each.skip()
        return b"read"

    browser = Browser(Reading(read))
    browser.send(message)
    assert browser.answers()[0][0] == status
    assert caplog.records == []


def test_the_parts_come_as_fast_as_they_are_read() -> None:
    gate: Deferred[None] = Deferred()

    async def slow(request: Any) -> bytes:
        size = 0
        async for each in forms.parts(request):
            await gate
            async for piece in each:
                size += len(piece)
        return b"%d" % size

    browser = Browser(Reading(slow))
    message = post(whole(part(b"f", b"x" * 300_000, b"f")))
    browser.send(message[:75_000])
    browser.send(message[75_000:150_000])
    assert browser.transport.producerState == "paused"
    gate.callback(None)
    assert browser.transport.producerState == "producing"
    browser.send(message[150_000:])
    assert browser.answers()[0][2] == b"300000"


def test_a_client_that_goes_away_between_the_parts(caplog: pytest.LogCaptureFixture) -> None:
    ends: list[Any] = []

    async def answer(request: Any) -> bytes:
        try:
            return await every_part(request)
        except error.ConnectionLost as lost:
            ends.append(lost)
            raise

    browser = Browser(Reading(answer))
    browser.send(post(whole(part(b"a", b"1")))[:-9])
    browser.channel.connectionLost(Failure(error.ConnectionLost()))
    assert len(ends) == 1
    assert caplog.records == []


def test_a_body_that_is_cut_off_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    browser = Browser(Reading(every_part), maxContentLength=100)
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n"
    browser.send(head % MULTIPART + b"7\r\n--XyZ\r\n\r\n")
    browser.send(b"FFF\r\n")
    assert browser.answers()[0][0] == 413
    assert caplog.records == []


def test_a_body_is_read_by_one() -> None:
    async def answer(request: Any) -> bytes:
        first = ensureDeferred(request.body().__anext__())
        with pytest.raises(RuntimeError, match="being read already"):
            await request.body().__anext__()
        return await first

    browser = Browser(Reading(answer))
    browser.send(post(b"a=1", URLENCODED)[:-3])
    browser.send(b"a=1")
    assert browser.answers()[0][2] == b"a=1"


def test_a_resource_that_streams_has_no_content() -> None:
    async def answer(request: Any) -> bytes:
        assert (request.content.read(), request.files, request.args) == (b"", {}, {})
        return b"".join([piece async for piece in request.body()])

    browser = Browser(Reading(answer))
    browser.send(post(b"a=1", URLENCODED))
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert [body for _, _, body in browser.answers()] == [b"a=1", b""]
    gathered = submit(post(b"a=1", URLENCODED))
    with pytest.raises(RuntimeError, match="set `streaming`"):
        gathered.body()


# Real connections


def large_file(size: int) -> bytes:
    seed = 7
    return random.Random(seed).randbytes(size)


class Sums(Taking):
    """Tells the size of what was uploaded, and whether it is what was sent."""

    def __init__(self, expected: bytes) -> None:
        super().__init__(self.check)
        self.expected = expected

    def check(self, request: Any) -> bytes:
        (upload,) = request.files[b"f"]
        offset = 0
        while piece := upload.file.read(65_536):
            assert piece == self.expected[offset : offset + len(piece)]
            offset += len(piece)
        return b"%d %b" % (offset, request.args[b"a"][0])


class StreamedSums(Reading):
    def __init__(self, expected: bytes) -> None:
        super().__init__(self.check)
        self.expected = expected

    async def check(self, request: Any) -> bytes:
        offset = 0
        async for each in forms.parts(request):
            async for piece in each:
                if each.filename is not None:
                    assert piece == self.expected[offset : offset + len(piece)]
                    offset += len(piece)
        return b"%d b" % offset


class TestOnConnections(OnEveryBackend):
    @pytest.mark.parametrize("page", [Sums, StreamedSums])
    def test_an_upload_takes_no_more_memory_than_it_may(
        self, net: Any, page: Any, backend: str
    ) -> None:
        size = 20_000_000 if backend == "epoll" else 2_000_000
        data = large_file(size)
        port = net.listen(server.Site(page(data)))
        peer = net.dial(port)
        message = post(whole(part(b"a", b"b"), part(b"f", data, b"f")))
        tracemalloc.start()
        try:
            said = net.read(peer, 1, message)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert b"%d b" % size in said
        assert peak < 1_000_000

    def test_a_client_that_goes_away(self, net: Any) -> None:
        port = net.listen(server.Site(page := Taking()))
        peer = net.dial(port)
        peer.sendall(post(whole(part(b"f", b"x" * 200_000, b"f")))[:150_000])
        site = port.factory
        net.turn_until(lambda: any(channel.requests for channel in site._channels))
        (channel,) = site._channels
        body = channel.requests[0].request._body
        net.turn_until(lambda: body._size > 140_000)
        peer.close()
        net.turn_until(lambda: site.outstandingRequests == 0)
        assert body.store.closed
        assert page.requests == []
