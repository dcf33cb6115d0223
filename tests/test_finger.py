"""Finger: queries and answers, and the standard client."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from reactorlib.protocols.finger import Finger, FolderFingerFactory
from reactorlib.testing import AccumulatingProtocol, Link, StringTransport
from tests.alone import run_alone
from tests.pieces import divisions


class Recording(Finger):
    def getUser(self, slash_w: bool, user: bytes) -> None:
        self.asked = ("user", slash_w, user)

    def getDomain(self, slash_w: bool) -> None:
        self.asked = ("domain", slash_w)

    def forwardQuery(self, slash_w: bool, user: bytes, host: bytes) -> None:
        self.asked = ("forward", slash_w, user, host)


def ask(protocol: Any, query: bytes) -> Any:
    protocol.makeConnection(StringTransport())
    protocol.dataReceived(query + b"\r\n")
    return protocol


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        (b"", ("domain", False)),
        (b"  ", ("domain", False)),
        (b"/W", ("domain", True)),
        (b"/w ", ("domain", True)),
        (b"joe", ("user", False, b"joe")),
        (b" joe ", ("user", False, b"joe")),
        (b"/W joe", ("user", True, b"joe")),
        (b"joe smith", ("user", False, b"joe smith")),
        (b"@host", ("forward", False, b"", b"host")),
        (b"/W joe@host", ("forward", True, b"joe", b"host")),
        (b"joe@one@two", ("forward", False, b"joe@one", b"two")),
    ],
)
def test_queries(query: bytes, asked: tuple[Any, ...]) -> None:
    assert ask(Recording(), query).asked == asked


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (b"", b"Finger online list denied\r\n"),
        (b"joe", b"Login: joe\r\nNo such user\r\n"),
        (b"\x1b[2Jjoe\xff\0", b"Login: ?[2Jjoe??\r\nNo such user\r\n"),
        (b"joe@host", b"Finger forwarding service denied\r\n"),
    ],
)
def test_by_default_all_is_refused_and_nothing_unsafe_sent(query: bytes, answer: bytes) -> None:
    protocol = ask(Finger(), query)
    assert protocol.transport.value() == answer
    assert protocol.transport.disconnecting


def test_one_query_is_answered_in_every_division() -> None:
    for pieces in divisions(b"one\r\ntwo\r\n"):
        protocol = Finger()
        protocol.makeConnection(StringTransport())
        for piece in pieces:
            protocol.dataReceived(piece)
        assert protocol.transport.value() == b"Login: one\r\nNo such user\r\n"


def test_a_query_that_is_too_long_loses_the_connection() -> None:
    protocol = ask(Recording(), b"x" * 513)
    assert protocol.transport.disconnecting
    assert not hasattr(protocol, "asked")


def test_who_does_not_ask_or_does_not_read_is_cut_off() -> None:
    for query in (b"", b"joe\r\n"):
        protocol = Finger()
        protocol.makeConnection(StringTransport())
        protocol.transport.block()
        protocol.dataReceived(query)
        protocol.transport.reactor.advance(29)
        assert not protocol.transport.disconnected
        protocol.transport.reactor.advance(2)
        assert protocol.transport.disconnected


class TestFolder:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "users"
        folder.mkdir()
        (folder / "joe").write_bytes(b"Joe Smith\nPlan:\r\n\tsleep \x1b[31m\n\n")
        (folder / "ann").write_bytes(b"Ann\n")
        (folder / ".hidden").write_bytes(b"secret")
        (folder / "more").mkdir()
        (tmp_path / "outside").write_bytes(b"secret")
        return folder

    def ask(self, folder: Path, query: bytes) -> bytes:
        """On a simulated network, with an end to it."""
        link = Link(seed=1)
        client = AccumulatingProtocol()
        link.connect(client, FolderFingerFactory(folder).buildProtocol(None))
        client.transport.write(query + b"\r\n")
        link.run()
        assert client.closed
        assert not link.clock.getDelayedCalls()
        return client.data

    def test_a_user(self, folder: Path) -> None:
        answer = b"Login: joe\r\nJoe Smith\r\nPlan:\r\n\tsleep ?[31m\r\n"
        assert self.ask(folder, b"joe") == self.ask(folder, b"/W joe") == answer

    def test_the_list(self, folder: Path) -> None:
        assert self.ask(folder, b"") == b"ann\r\njoe\r\n"

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        assert self.ask(tmp_path, b"") == b"No one\r\n"

    @pytest.mark.parametrize(
        "name", [b"../outside", b".hidden", b"more", b".", b"/etc/passwd", b"x"]
    )
    def test_nothing_else_is_told(self, folder: Path, name: bytes) -> None:
        assert self.ask(folder, name) == b"Login: " + name + b"\r\nNo such user\r\n"

    def test_a_file_that_cannot_be_read(self, folder: Path, monkeypatch: Any) -> None:
        def refuse(*args: Any) -> None:
            raise PermissionError

        monkeypatch.setattr("builtins.open", refuse)
        assert self.ask(folder, b"ann") == b"Login: ann\r\nNo such user\r\n"

    def test_a_long_file_is_cut(self, folder: Path) -> None:
        (folder / "joe").write_bytes(b"x" * 100_000)
        assert len(self.ask(folder, b"joe")) == len(b"Login: joe\r\n\r\n") + 65_536

    def test_the_standard_client(self, folder: Path) -> None:
        assert shutil.which("finger"), "this test needs a finger client (Debian: finger)"
        assert run_alone(CLIENT, str(folder)) == CONVERSATIONS


CLIENT = """
command = [sys.executable, "-m", "reactorlib", "finger", sys.argv[1], "--port", "79"]
server = subprocess.Popen([*command, "--host", "127.0.0.1"], stdout=subprocess.PIPE)
server.stdout.readline()
try:
    for query in ("joe@127.0.0.1", "@127.0.0.1", "nobody@127.0.0.1", "joe@two@127.0.0.1"):
        print("$ finger", query, flush=True)
        subprocess.run(["finger", query], timeout=20)
finally:
    server.terminate()
    server.wait(20)
"""

CONVERSATIONS = """\
$ finger joe@127.0.0.1
Login: joe
Joe Smith
Plan:
\tsleep ?[31m
$ finger @127.0.0.1
ann
joe
$ finger nobody@127.0.0.1
Login: nobody
No such user
$ finger joe@two@127.0.0.1
Finger forwarding service denied
"""
