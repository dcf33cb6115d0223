"""Files that were sent a moment ago: the same answers, without opening them again."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reactorlib.protocols.http import shelf, static
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.representation import SMALL
from reactorlib.protocols.http.server import Site
from reactorlib.protocols.http.shelf import AGE, Kept, Shelf
from reactorlib.testing import StringTransport
from tests.test_http_static import TEXT, Answer, ask, pull, put
from tests.webserver import answers

LARGE = os.urandom(SMALL + 1)
GZIP = b"Accept-Encoding: gzip"


class Clock:
    """The time on the shelf: every file is older than it, and it passes when we say so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.passed = 0.0
        monkeypatch.setattr(shelf, "time", lambda: time.time() + 10)
        monkeypatch.setattr(shelf, "monotonic", lambda: self.passed)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    root.mkdir()
    put(root / "a.txt", TEXT)
    put(root / "large.bin", LARGE)
    put(root / "sub" / "b.html", b"<p>")
    put(tmp_path / "secret.txt", b"secret")
    return root


@pytest.fixture
def opens(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What is opened below the root; none of it stays open."""
    found: list[str] = []
    before = len(os.listdir("/proc/self/fd"))

    def counted(root: bytes, names: Any, follow: bool) -> int:
        found.append(os.fsdecode(b"/".join(names)))
        return real(root, names, follow)

    real = static.open_beneath
    monkeypatch.setattr(static, "open_beneath", counted)
    yield found
    assert len(os.listdir("/proc/self/fd")) == before


def undated(answer: Answer) -> Answer:
    status, fields, body = answer
    return status, {name: value for name, value in fields.items() if name != b"date"}, body


@pytest.mark.usefixtures("clock")
class TestTheSameAnswer:
    def test_of_a_small_file(self, root: Path, opens: list[str]) -> None:
        files = static.File(root)
        first = undated(ask(files, b"/a.txt"))
        assert first[::2] == (200, TEXT)
        assert undated(ask(files, b"/a.txt")) == undated(ask(files, b"/a.txt")) == first
        assert opens == ["a.txt"]

    def test_of_a_large_one_which_is_opened(self, root: Path, opens: list[str]) -> None:
        files = static.File(root)
        first = undated(ask(files, b"/large.bin"))
        assert first[::2] == (200, LARGE)
        assert undated(ask(files, b"/large.bin")) == first
        assert opens == ["large.bin"] * 2

    def test_of_an_index(self, root: Path, opens: list[str]) -> None:
        put(root / "index.html", b"<h1>")
        files = static.File(root)
        assert ask(files, b"/")[2] == ask(files, b"/")[2] == b"<h1>"
        assert opens == ["", "index.html"]

    def test_of_a_name_without_its_extension(self, root: Path, opens: list[str]) -> None:
        files = static.File(root, ignoredExts=[".txt"])
        assert ask(files, b"/a")[2] == ask(files, b"/a")[2] == TEXT
        assert opens == ["a", "a.txt"]

    def test_of_the_root_itself(self, root: Path, opens: list[str]) -> None:
        class Leaf(static.File):
            isLeaf = True

        (root / "link").symlink_to("a.txt")
        file = Leaf(root / "link")
        assert ask(file, b"/")[2] == ask(file, b"/")[2] == TEXT
        assert opens == [""]

    def test_of_each_coding(self, root: Path, opens: list[str]) -> None:
        put(root / "a.txt.gz", b"packed")
        files = static.File(root)
        for _ in range(2):
            status, fields, body = ask(files, b"/a.txt", GZIP)
            assert (status, body) == (200, b"packed")
            assert (fields[b"content-encoding"], fields[b"vary"]) == (b"gzip", b"Accept-Encoding")
            assert ask(files, b"/a.txt")[2] == TEXT
        assert opens == ["a.txt", "a.txt.gz", "a.txt"]

    def test_with_what_was_set_before(self, root: Path) -> None:
        class Marked(static.File):
            def render_GET(self, request: Any) -> Any:
                request.setResponseHeader(b"X-Frame-Options", b"DENY")
                request.setResponseHeader(b"Content-Type", b"x/y")
                return super().render_GET(request)

        files = Marked(root)
        for path in (b"/a.txt", b"/large.bin"):
            first = undated(ask(files, path))
            assert undated(ask(files, path)) == first
            assert first[1][b"x-frame-options"] == b"DENY"
            assert first[1][b"content-type"] != b"x/y"

    def test_is_no_answer_to_other_questions(self, root: Path) -> None:
        files = static.File(root)
        for path, whole in ((b"/a.txt", TEXT), (b"/large.bin", LARGE)):
            tag = ask(files, path)[1][b"etag"]
            assert ask(files, path, b"If-None-Match: " + tag)[0] == 304
            assert ask(files, path, b'If-Match: "other"')[0] == 412
            assert ask(files, path, b"Range: bytes=1-2")[::2] == (206, whole[1:3])
            assert ask(files, path, b"Range: bytes=1-2", GZIP)[::2] == (206, whole[1:3])
            status, fields, _ = ask(files, path, method=b"HEAD")
            assert (status, int(fields[b"content-length"])) == (200, len(whole))
            assert ask(files, path + b"/")[0] == 404
        assert ask(files, b"/sub")[0] == 301

    def test_ends_what_cannot_be_begun(
        self, root: Path, opens: list[str], caplog: pytest.LogCaptureFixture
    ) -> None:
        class Faulty(static.File):
            def render_GET(self, request: Any) -> Any:
                request.setResponseHeader(b"Transfer-Encoding", b"x")
                return super().render_GET(request)

        files = Faulty(root)
        assert [ask(files, b"/large.bin")[0] for _ in range(2)] == [500, 500]
        files.__class__ = static.File
        assert ask(files, b"/large.bin")[0] == 200
        files.__class__ = Faulty
        assert ask(files, b"/large.bin")[0] == 500
        assert len(caplog.records) == 3


def removed(path: Path) -> None:
    path.unlink()


def linked(path: Path) -> None:
    path.rename(path.with_name("kept"))
    path.symlink_to(path.with_name("kept"))


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def shorter(path: Path) -> None:
    os.truncate(path, 10)


def replaced(path: Path) -> None:
    put(path.with_name("new"), b"n" * path.stat().st_size).replace(path)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("path", [b"/a.txt", b"/large.bin"])
@pytest.mark.parametrize(
    ("change", "status"),
    [
        (removed, 404),
        (linked, 403),
        (a_directory, 301),
        (a_pipe, 403),
        (shorter, 200),
        (replaced, 200),
    ],
)
def test_a_change_is_seen_at_once(
    root: Path, path: bytes, change: Callable[[Path], None], status: int
) -> None:
    files = static.File(root)
    file = root / path[1:].decode()
    before = ask(files, path)
    change(file)
    after = ask(files, path)
    assert after[0] == status
    if status == 200:
        assert after[2] == file.read_bytes() != before[2]
        assert after[1][b"etag"] != before[1][b"etag"]


@pytest.mark.usefixtures("clock")
def test_links_that_are_not_followed_any_more(root: Path) -> None:
    (root / "link.txt").symlink_to("../secret.txt")
    files = static.File(root, followLinks=True)
    assert ask(files, b"/link.txt")[2] == b"secret"
    files.followLinks = False
    assert ask(files, b"/link.txt")[0] == 403


class TestAge:
    def test_what_the_file_does_not_tell_is_seen_then(self, root: Path, clock: Clock) -> None:
        files = static.File(root)
        assert ask(files, b"/sub/b.html")[2] == b"<p>"
        assert ask(files, b"/sub/b.html", GZIP)[2] == b"<p>"
        (root / "sub").rename(root / "moved")
        (root / "sub").symlink_to("moved")
        put(root / "moved" / "b.html.gz", b"packed")
        clock.passed = AGE - 0.01
        assert ask(files, b"/sub/b.html")[2] == b"<p>"
        clock.passed = AGE + 0.01
        assert ask(files, b"/sub/b.html")[0] == 404
        files.followLinks = True
        assert ask(files, b"/sub/b.html", GZIP)[2] == b"packed"

    def test_a_file_that_changed_just_now_is_not_kept(self, root: Path, opens: list[str]) -> None:
        put(root / "young.txt", b"1", time.time())
        files = static.File(root)
        for _ in range(2):
            assert ask(files, b"/young.txt")[2] == b"1"
        assert opens == ["young.txt"] * 2


@pytest.mark.usefixtures("clock")
def test_one_look_for_all_that_came_in_a_turn(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = []
    real = os.stat

    def counted(path: Any, **options: Any) -> os.stat_result:
        if isinstance(path, bytes):
            looks.append(path)
        return real(path, **options)

    monkeypatch.setattr(os, "stat", counted)
    transport: Any = StringTransport()
    transport.reactor.turns = 1
    channel = Site(static.File(root)).buildProtocol(None)
    channel.makeConnection(transport)

    def get() -> bytes:
        transport.clear()
        channel.dataReceived(b"GET /a.txt HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        pull(transport)
        one, other = answers(transport.value())
        assert one == other
        return one[2]

    assert (get(), len(looks)) == (TEXT, 1)  # the first of them has opened it
    assert (get(), len(looks)) == (TEXT, 1)
    put(root / "a.txt", TEXT[::-1])
    transport.reactor.turns = 2
    assert (get(), len(looks)) == (TEXT[::-1], 3)  # a look, another opening, a look


class TestBounds:
    def kept(self, root: Path, size: int) -> Kept:
        path = os.fsencode(root / "a.txt")
        body = b"x" * size if size else None
        return Kept(path, (b"a.txt",), b"", os.stat(path), Headers(), body)

    @pytest.mark.usefixtures("clock")
    def test_the_number(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shelf, "MOST", 3)
        held = Shelf()
        for key in range(5):
            held.keep(key, self.kept(root, 0))
        assert [held.find(key, None) is not None for key in range(5)] == [False] * 2 + [True] * 3

    @pytest.mark.usefixtures("clock")
    def test_the_bytes(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shelf, "MOST_BYTES", 100)
        held = Shelf()
        for key, size in ((1, 50), (2, 40), (2, 30), (3, 20), (4, 10), (5, 41)):
            held.keep(key, self.kept(root, size))
        assert [held.find(key, None) is not None for key in range(1, 6)] == [
            False,
            False,
            True,
            True,
            True,
        ]
        held.keep(6, self.kept(root, 101))
        assert not any(held.find(key, None) for key in range(7))
        held.keep(7, self.kept(root, 100))
        assert held.find(7, None) is not None
