"""Files and data as resources, on a connection in memory."""

from __future__ import annotations

import errno
import gc
import io
import os
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reactorlib import error
from reactorlib.failure import Failure
from reactorlib.protocols.http import static
from reactorlib.protocols.http.beneath import open_beneath
from reactorlib.protocols.http.byteranges import MOST_PARTS
from reactorlib.protocols.http.representation import SMALL
from reactorlib.protocols.http.resource import Resource
from reactorlib.protocols.http.server import Site
from reactorlib.testing import StringTransport
from tests.webserver import answers

LONG_AGO = 1_000_000_000
DATE = b"Sun, 09 Sep 2001 01:46:40 GMT"
TEXT = b"0123456789" * 10
LARGE = os.urandom(3 * SMALL + 7)

Answer = tuple[int, dict[bytes, bytes], bytes]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    put(root / "a.txt", TEXT)
    put(root / "large.bin", LARGE)
    put(root / "sub" / "deep" / "b.html", b"<p>")
    put(tmp_path / "secret.txt", b"secret")
    return root


def put(path: Path, data: bytes, when: float = LONG_AGO) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, (when, when))
    return path


def ask(resource: Any, path: bytes, *lines: bytes, method: bytes = b"GET") -> Answer:
    transport: Any = StringTransport()
    channel = Site(resource).buildProtocol(None)
    channel.makeConnection(transport)
    fields = b"".join([line + b"\r\n" for line in lines])
    channel.dataReceived(b"%b %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (method, path, fields))
    pull(transport)
    said = transport.value()
    if method == b"HEAD":
        head, _, rest = said.partition(b"\r\n\r\n")
        assert rest == b""
        fields_of_head = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        return int(said.split(b" ")[1]), fields_of_head, b""
    (answer,) = answers(said)
    return answer


def pull(transport: Any) -> None:
    """What a reactor does for a pull producer."""
    while transport.producer is not None and not transport.streaming:
        transport.producer.resumeProducing()


def etag(resource: Any, path: bytes) -> bytes:
    return ask(resource, path)[1][b"etag"]


class TestWhole:
    def test_a_small_and_a_large_file(self, root: Path) -> None:
        status, fields, body = ask(static.File(root), b"/a.txt")
        assert (status, body) == (200, TEXT)
        assert fields[b"content-type"] == b"text/plain; charset=utf-8"
        assert fields[b"last-modified"] == DATE
        assert fields[b"accept-ranges"] == b"bytes"
        assert re.fullmatch(rb'"[0-9a-f]+-64-[0-9a-f]+"', fields[b"etag"])
        status, fields, body = ask(static.File(root), b"/large.bin")
        assert (status, body) == (200, LARGE)
        assert fields[b"content-length"] == b"%d" % len(LARGE)
        assert fields[b"content-type"] == b"application/octet-stream"

    @pytest.mark.parametrize("path", [b"/a.txt", b"/large.bin"])
    def test_head(self, root: Path, path: bytes) -> None:
        status, fields, _ = ask(static.File(root), path, method=b"HEAD")
        assert status == 200
        assert int(fields[b"content-length"]) == (root / path[1:].decode()).stat().st_size
        assert fields[b"last-modified"] == DATE.lower()

    def test_an_empty_file(self, root: Path) -> None:
        put(root / "empty", b"")
        assert ask(static.File(root), b"/empty")[::2] == (200, b"")
        assert ask(static.File(root), b"/empty", b"Range: bytes=0-")[::2] == (200, b"")

    def test_one_file_at_a_place(self, root: Path) -> None:
        site = Resource()
        site.putChild(b"robots.txt", static.File(root / "a.txt"))
        assert ask(site, b"/robots.txt")[2] == TEXT
        assert ask(site, b"/robots.txt/")[0] == 404
        assert ask(site, b"/robots.txt/more")[0] == 404

    def test_other_methods(self, root: Path) -> None:
        status, fields, _ = ask(static.File(root), b"/a.txt", b"Content-Length: 0", method=b"POST")
        assert (status, fields[b"allow"]) == (405, b"GET, HEAD, OPTIONS")

    def test_names_are_unquoted(self, root: Path) -> None:
        put(root / "ä b%", b"x")
        assert ask(static.File(root), b"/%C3%A4%20b%25")[2] == b"x"

    def test_types(self, root: Path) -> None:
        put(root / "x.Svg", b"")
        put(root / "x.own", b"")
        put(root / ".txt", b"")
        files = static.File(root, "text/x-default")
        files.contentTypes = {**files.contentTypes, ".own": "x/y; z=1"}
        assert ask(files, b"/x.Svg")[1][b"content-type"] == b"image/svg+xml"
        assert ask(files, b"/x.own")[1][b"content-type"] == b"x/y; z=1"
        assert ask(files, b"/.txt")[1][b"content-type"] == b"text/x-default; charset=utf-8"

    def test_a_young_file_may_change_unnoticed(self, root: Path) -> None:
        put(root / "young", b"x", time.time() + 5)
        now = int(time.time())
        fields = ask(static.File(root), b"/young")[1]
        assert fields[b"etag"].startswith(b'W/"')
        assert fields[b"last-modified"] <= fields[b"date"] or now != int(time.time())

    def test_a_subclass_answers_below_too(self, root: Path) -> None:
        class Uncached(static.File):
            def render_GET(self, request: Any) -> Any:
                request.setHeader(b"Cache-Control", b"no-cache")
                return super().render_GET(request)

        files = Uncached(root)
        assert ask(files, b"/sub/deep/b.html")[1][b"cache-control"] == b"no-cache"
        child = files.getChild(b"sub", type("Request", (), {"postpath": [b"x"], "prepath": []}))
        assert child.path == f"{root}/sub/x"


class TestConditions:
    def test_versions_that_are_known(self, root: Path) -> None:
        files = static.File(root)
        tag = etag(files, b"/a.txt")
        for line in (b"If-None-Match: " + tag, b"If-Modified-Since: " + DATE):
            status, fields, body = ask(files, b"/a.txt", line)
            assert (status, body) == (304, b"")
            assert fields[b"etag"] == tag
            assert fields[b"last-modified"] == DATE

    def test_versions_that_are_expected(self, root: Path) -> None:
        files = static.File(root)
        assert ask(files, b"/a.txt", b'If-Match: "other"')[0] == 412
        before = b"If-Unmodified-Since: Sat, 08 Sep 2001 01:46:40 GMT"
        assert ask(files, b"/a.txt", before)[0] == 412
        tag = etag(files, b"/a.txt")
        assert ask(files, b"/a.txt", b"If-Match: " + tag, before)[0] == 200
        assert ask(files, b"/a.txt", b"If-None-Match: " + tag, b'If-Match: "other"')[0] == 412

    def test_a_changed_file_has_another_tag(self, root: Path) -> None:
        files = static.File(root)
        tag = etag(files, b"/a.txt")
        put(root / "a.txt", TEXT[::-1], LONG_AGO + 1e-6)
        assert etag(files, b"/a.txt") != tag

    def test_a_range_if_it_is_of_this_version(self, root: Path) -> None:
        files = static.File(root)
        tag = etag(files, b"/a.txt")
        part = b"Range: bytes=0-1"
        assert ask(files, b"/a.txt", part, b"If-Range: " + tag)[0] == 206
        assert ask(files, b"/a.txt", part, b"If-Range: " + DATE)[0] == 206
        assert ask(files, b"/a.txt", part, b'If-Range: "other"')[::2] == (200, TEXT)
        assert ask(files, b"/a.txt", part, b"If-Range: W/" + tag)[0] == 200


class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "start", "stop"),
        [
            (b"0-0", 0, 1),
            (b"5-", 5, 100),
            (b"-3", 97, 100),
            (b"90-500", 90, 100),
            (b"-500", 0, 100),
        ],
    )
    def test_one(self, root: Path, asked: bytes, start: int, stop: int) -> None:
        status, fields, body = ask(static.File(root), b"/a.txt", b"Range: bytes=" + asked)
        assert (status, body) == (206, TEXT[start:stop])
        assert fields[b"content-range"] == b"bytes %d-%d/100" % (start, stop - 1)
        assert fields[b"content-type"] == b"text/plain; charset=utf-8"

    def test_one_of_a_large_file(self, root: Path) -> None:
        status, _, body = ask(static.File(root), b"/large.bin", b"Range: bytes=7-40000")
        assert (status, body) == (206, LARGE[7:40001])

    @pytest.mark.parametrize("path", [b"/a.txt", b"/large.bin"])
    def test_several(self, root: Path, path: bytes) -> None:
        whole = (root / path[1:].decode()).read_bytes()
        size = len(whole)
        asked = b"Range: bytes=%d-,0-1,3-%d,999999-" % (size - 2, size - 10)
        status, fields, body = ask(static.File(root), path, asked)
        assert status == 206
        assert b"content-range" not in fields
        (boundary,) = re.findall(
            rb"^multipart/byteranges; boundary=(\S+)$", fields[b"content-type"]
        )
        before, *parts, end = body.split(b"\r\n--" + boundary)
        assert (before, end) == (b"", b"--\r\n")
        spans = [(size - 2, size), (0, 2), (3, size - 9)]
        for part, (start, stop) in zip(parts, spans, strict=True):
            head, _, content = part.partition(b"\r\n\r\n")
            assert b"Content-Type: " in head
            assert b"Content-Range: bytes %d-%d/%d" % (start, stop - 1, size) in head
            assert content == whole[start:stop]

    @pytest.mark.parametrize(
        "asked",
        [
            b"bytes=0-10,5-20",
            b"bytes=" + b",".join([b"%d-%d" % (n * 2, n * 2) for n in range(MOST_PARTS + 1)]),
            b"bytes=" + b",".join([b"0-0"] * 100),
            b"bytes=5-3",
            b"bytes=x",
            b"lines=0-1",
        ],
    )
    def test_what_is_answered_with_the_whole(self, root: Path, asked: bytes) -> None:
        assert ask(static.File(root), b"/a.txt", b"Range: " + asked)[::2] == (200, TEXT)

    def test_what_is_not_there(self, root: Path) -> None:
        status, fields, _ = ask(static.File(root), b"/a.txt", b"Range: bytes=100-,-0")
        assert (status, fields[b"content-range"]) == (416, b"bytes */100")

    def test_only_for_get(self, root: Path) -> None:
        status, fields, _ = ask(static.File(root), b"/a.txt", b"Range: bytes=0-1", method=b"HEAD")
        assert (status, fields[b"content-length"]) == (200, b"100")


class TestNoWayOut:
    @pytest.mark.parametrize(
        "path",
        [
            *(
                b"/../secret.txt",
                b"/%2e%2e/secret.txt",
                b"/sub/../../secret.txt",
                b"/..%2fsecret.txt",
            ),
            *(b"/..%5csecret.txt", b"/..\\secret.txt", b"/a.txt%00", b"/a.txt%00.html", b"/%00"),
            *(b"//etc/passwd", b"/%2fetc%2fpasswd", b"/sub//deep/b.html", b"/./a.txt", b"/sub/."),
            *(b"/..", b"/../", b"/sub/..", b"/" + b"x" * 300, b"/a.txt/", b"/a.txt/x", b"/none"),
            *(b"/none/", b"/sub/none", b"/sub/deep/none/x", b"/sub%2fdeep%2fb.html"),
        ],
    )
    def test_places_that_are_none(self, root: Path, path: bytes) -> None:
        for follow in (False, True):
            status, _, body = ask(static.File(root, followLinks=follow), path)
            assert status == 404
            assert b"secret" not in body
            assert b"root:" not in body

    def test_links(self, root: Path, tmp_path: Path) -> None:
        (root / "link.txt").symlink_to(tmp_path / "secret.txt")
        (root / "inside.txt").symlink_to(root / "a.txt")
        (root / "up").symlink_to(tmp_path)
        (root / "loop").symlink_to("loop")
        files = static.File(root)
        for path in (b"/link.txt", b"/inside.txt", b"/up", b"/up/", b"/up/secret.txt", b"/loop"):
            status, _, body = ask(files, path)
            assert status in (403, 404)
            assert b"secret" not in body
        assert ask(files, b"/up/root/a.txt")[0] == 404
        following = static.File(root, followLinks=True)
        assert ask(following, b"/link.txt")[2] == b"secret"
        assert ask(following, b"/up/secret.txt")[2] == b"secret"
        assert ask(following, b"/loop")[0] == 403

    def test_the_way_to_the_root_is_the_owners(self, root: Path, tmp_path: Path) -> None:
        (tmp_path / "current").symlink_to(root)
        assert ask(static.File(tmp_path / "current"), b"/a.txt")[2] == TEXT
        assert ask(static.File(tmp_path / "current" / "sub"), b"/deep/b.html")[2] == b"<p>"

    def test_what_is_no_file(self, root: Path) -> None:
        os.mkfifo(root / "fifo")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(root / "socket"))
            for name in (b"/fifo", b"/socket"):
                assert ask(static.File(root), name)[0] == 403
        assert ask(static.File("/dev"), b"/null")[0] == 403
        assert ask(static.File("/dev/zero"), b"/")[0] == 403

    @pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM])
    def test_what_may_not_be_read(
        self, root: Path, number: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*arguments: Any, **settings: Any) -> int:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, "open", refuse)
        assert ask(static.File(root), b"/a.txt")[0] == 403

    def test_a_disk_that_fails(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*arguments: Any, **settings: Any) -> int:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, "open", fail)
        assert ask(static.File(root), b"/a.txt")[0] == 500
        assert len(caplog.records) == 1


class Slow:
    """A client that has asked for a large file, and reads none of it yet."""

    def __init__(self, root: Path, *lines: bytes) -> None:
        self.transport: Any = StringTransport()
        self.channel = Site(static.File(root)).buildProtocol(None)
        self.channel.makeConnection(self.transport)
        self.transport.block()
        fields = b"".join([line + b"\r\n" for line in lines])
        self.channel.dataReceived(b"GET /large.bin HTTP/1.1\r\nHost: x\r\n%b\r\n" % fields)


@pytest.fixture
def count(root: Path) -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.usefixtures("count")
class TestWhileItIsSent:
    @pytest.mark.parametrize("lines", [(), (b"Range: bytes=0-20000,20002-",)])
    def test_it_shrinks(
        self, root: Path, lines: tuple[bytes], caplog: pytest.LogCaptureFixture
    ) -> None:
        put(root / "large.bin", LARGE * 10)
        slow = Slow(root, *lines)
        os.truncate(root / "large.bin", 30_000)
        pull(slow.transport)
        assert slow.transport.disconnecting
        assert len(caplog.records) == 1
        assert "short of its Content-Length" in caplog.text

    def test_a_small_one_shrinks(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Shrunk(io.FileIO):
            def __init__(self, descriptor: int) -> None:
                super().__init__(descriptor)
                os.truncate(root / "a.txt", 10)

        monkeypatch.setattr(static, "FileIO", Shrunk)
        assert ask(static.File(root), b"/a.txt")[0] == 500
        assert len(caplog.records) == 1

    def test_it_vanishes(self, root: Path) -> None:
        slow = Slow(root)
        (root / "large.bin").unlink()
        pull(slow.transport)
        assert answers(slow.transport.value())[0][2] == LARGE

    def test_its_client_goes(self, root: Path, caplog: pytest.LogCaptureFixture) -> None:
        slow = Slow(root)
        slow.transport.producer.stopProducing()
        slow.channel.connectionLost(Failure(error.ConnectionLost()))
        assert caplog.records == []

    def test_the_disk_fails(
        self, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Failing(io.FileIO):
            def read(self, size: int | None = -1) -> bytes:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(static, "FileIO", Failing)
        slow = Slow(root)
        pull(slow.transport)
        assert slow.transport.disconnected
        assert len(caplog.records) == 1


class TestDirectories:
    def test_a_place_without_its_slash(self, root: Path) -> None:
        status, fields, _ = ask(static.File(root), b"/sub/deep?a=b/c")
        assert (status, fields[b"location"]) == (301, b"./deep/?a=b/c")
        site = Resource()
        site.putChild(b"", static.File(root))
        assert ask(site, b"//sub")[1][b"location"] == b"./sub/"

    def test_indexes(self, root: Path) -> None:
        files = static.File(root)
        assert ask(files, b"/sub/deep/")[0] == 403
        put(root / "sub/deep/index.htm", b"second")
        assert ask(files, b"/sub/deep/")[2] == b"second"
        put(root / "sub/deep/index.html", b"first")
        assert ask(files, b"/sub/deep/")[2] == b"first"
        (root / "index.html").mkdir()
        files.indexNames = ["index.html", "a.txt"]
        assert ask(files, b"/")[2] == TEXT

    def test_lists(self, root: Path) -> None:
        put(root / 'q"&<b>', b"x")
        put(root / "javascript:x", b"")
        put(root / ".hidden", b"")
        (root / os.fsdecode(b"\xff")).write_bytes(b"")
        (root / "link").symlink_to("a.txt")
        os.mkfifo(root / "fifo")
        files = static.File(root, listDirectories=True)
        status, fields, page = ask(files, b"/")
        assert (status, fields[b"content-type"]) == (200, b"text/html; charset=utf-8")
        places = re.findall(rb'href="([^"]*)"', page)
        assert places == [
            *(b"./a.txt", b"./javascript%3Ax", b"./large.bin"),
            *(b"./q%22%26%3Cb%3E", b"./sub/", b"./%FF"),
        ]
        assert b"<td class=size>100<td>2001-09-09 01:46" in page
        assert b"q&quot;&amp;&lt;b&gt;" in page
        assert ask(files, b"/q%22%26%3Cb%3E")[2] == b"x"
        assert b"./link" in ask(static.File(root, listDirectories=True, followLinks=True), b"/")[2]

    def test_the_title_is_escaped(self, root: Path) -> None:
        (root / "<i>").mkdir()
        page = ask(static.File(root, listDirectories=True), b"/%3Ci%3E/")[2]
        assert b"<title>/&lt;i&gt;/</title>" in page


class TestExtensions:
    def test_some_may_be_left_away(self, root: Path) -> None:
        assert ask(static.File(root), b"/sub/deep/b")[0] == 404
        files = static.File(root, ignoredExts=[".txt"])
        assert ask(files, b"/sub/deep/b")[0] == 404
        files.ignoreExt(".html")
        status, fields, body = ask(files, b"/sub/deep/b")
        assert (status, body) == (200, b"<p>")
        assert fields[b"content-type"] == b"text/html; charset=utf-8"

    def test_any(self, root: Path) -> None:
        files = static.File(root, allowExt=True)
        assert ask(files, b"/sub/deep/b")[2] == b"<p>"
        assert ask(files, b"/a")[2] == TEXT
        assert ask(files, b"/none")[0] == 404


class TestPrecompressed:
    ACCEPTS = b"Accept-Encoding: gzip, br, zstd;q=0.5"

    def test_the_best_that_is_there(self, root: Path) -> None:
        files = static.File(root)
        seen = set()
        for suffix, coding in ((".zst", b"zstd"), (".gz", b"gzip"), (".br", b"br")):
            put(root / ("a.txt" + suffix), coding)
            status, fields, body = ask(files, b"/a.txt", self.ACCEPTS)
            assert (status, fields[b"content-encoding"], body) == (200, coding, coding)
            assert fields[b"vary"] == b"Accept-Encoding"
            assert fields[b"content-type"] == b"text/plain; charset=utf-8"
            seen.add(fields[b"etag"])
        assert len(seen | {etag(files, b"/a.txt")}) == 4
        for line in (
            b"Accept-Encoding: identity",
            b"Accept-Encoding: gzip;q=0",
            b"X: y",
            b"Accept-Encoding: ;",
        ):
            status, fields, body = ask(files, b"/a.txt", line)
            assert (status, body) == (200, TEXT)
            assert b"content-encoding" not in fields
            assert fields[b"vary"] == b"Accept-Encoding"

    def test_of_an_index(self, root: Path) -> None:
        put(root / "index.html", b"plain")
        put(root / "index.html.gz", b"packed")
        assert ask(static.File(root), b"/", self.ACCEPTS)[2] == b"packed"

    def test_what_is_out_of_date_or_no_file(self, root: Path, tmp_path: Path) -> None:
        put(root / "a.txt.gz", b"old", LONG_AGO - 1)
        (root / "a.txt.br").mkdir()
        (root / "a.txt.zst").symlink_to(tmp_path / "secret.txt")
        assert ask(static.File(root), b"/a.txt", self.ACCEPTS)[2] == TEXT

    def test_pictures_are_sent_as_they_are(self, root: Path) -> None:
        put(root / "x.png", b"plain")
        put(root / "x.png.gz", b"packed")
        _, fields, body = ask(static.File(root), b"/x.png", self.ACCEPTS)
        assert body == b"plain"
        assert b"vary" not in fields

    def test_one_that_is_asked_for_by_its_name(self, root: Path) -> None:
        put(root / "x.tar.gz", b"packed")
        _, fields, body = ask(static.File(root), b"/x.tar.gz")
        assert (fields[b"content-type"], body) == (b"application/gzip", b"packed")
        assert b"content-encoding" not in fields


def test_data() -> None:
    data = static.Data(TEXT, "text/plain")
    site = Resource()
    site.putChild(b"x", data)
    status, fields, body = ask(site, b"/x")
    assert (status, body) == (200, TEXT)
    assert fields[b"content-type"] == b"text/plain; charset=utf-8"
    assert ask(site, b"/x", b"If-None-Match: " + fields[b"etag"])[0] == 304
    assert ask(site, b"/x", b"Range: bytes=1-2")[2] == b"12"
    site.putChild(b"large", static.Data(LARGE, "x/y"))
    assert ask(site, b"/large")[2] == LARGE


@pytest.mark.parametrize("name", [b"", b".", b"..", b"a/b", b"a\\b", b"a\0b"])
def test_no_name_that_leads_elsewhere_is_opened(name: bytes, root: Path) -> None:
    for follow in (True, False):
        with pytest.raises(FileNotFoundError):
            open_beneath(os.fsencode(root), [b"sub", name], follow)
