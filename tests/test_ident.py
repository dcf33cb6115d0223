"""Ident: queries, answers, what is never told, and real connections."""

from __future__ import annotations

import getpass
import ipaddress
import os
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reactorlib.address import IPv4Address, IPv6Address
from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.protocols.ident import (
    HiddenUser,
    IdentClient,
    IdentError,
    IdentServer,
    InvalidPort,
    NoUser,
    ProcServerMixin,
)
from reactorlib.testing import Link, StringTransport
from tests.alone import run_alone
from tests.pieces import divisions

HOST, PEER = IPv4Address("TCP", "10.0.0.1", 113), IPv4Address("TCP", "10.0.0.2", 4000)


class Server(IdentServer):
    """Answers by the server's port: an answer, an error, or a Deferred of them."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.asked: list[Any] = []

    def lookup(self, serverAddress: Any, clientAddress: Any) -> Any:
        self.asked.append((serverAddress, clientAddress))
        answer = self.answers[f"port{serverAddress[1]}"]
        if isinstance(answer, Exception):
            raise answer
        return answer


def connected(protocol: Any) -> Any:
    protocol.makeConnection(StringTransport(HOST, PEER))
    return protocol


def reply(protocol: Any, query: bytes) -> bytes:
    connected(protocol).dataReceived(query + b"\r\n")
    value: bytes = protocol.transport.value()
    return value


class TestServer:
    def test_an_answer(self) -> None:
        server = Server(port6191=("UNIX", "stjohns"))
        assert reply(server, b"6191, 23") == b"6191, 23 : USERID : UNIX : stjohns\r\n"
        assert server.asked == [(("10.0.0.1", 6191), ("10.0.0.2", 23))]
        assert not server.transport.disconnecting

    @pytest.mark.parametrize("query", [b"6191,23", b" 6191 ,\t23 ", b"06191, 023"])
    def test_white_space_and_zeros_do_not_matter(self, query: bytes) -> None:
        server = Server(port6191=("UNIX", "joe"))
        assert reply(server, query) == b"6191, 23 : USERID : UNIX : joe\r\n"

    @pytest.mark.parametrize("error", [IdentError, NoUser, HiddenUser, InvalidPort])
    def test_an_error(self, error: type[IdentError]) -> None:
        name = error.identDescription.encode()
        assert reply(Server(port1=error("why")), b"1, 2") == b"1, 2 : ERROR : " + name + b"\r\n"

    def test_by_default_nothing_is_told(self) -> None:
        assert reply(IdentServer(), b"1, 2") == b"1, 2 : ERROR : UNKNOWN-ERROR\r\n"

    @pytest.mark.parametrize("answer", [ZeroDivisionError("secret"), ("one",), None])
    def test_a_fault_of_the_program_is_logged_and_not_told(
        self, answer: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert reply(Server(port1=answer), b"1, 2") == b"1, 2 : ERROR : UNKNOWN-ERROR\r\n"
        (record,) = caplog.records
        assert record.exc_info

    @pytest.mark.parametrize("query", [b"0, 1", b"1, 0", b"65536, 1", b"1, 99999"])
    def test_ports_that_are_none(self, query: bytes) -> None:
        server = Server()
        assert reply(server, query) == query + b" : ERROR : INVALID-PORT\r\n"
        assert not server.asked

    @pytest.mark.parametrize(
        "query",
        [b"", b"1", b"1, 2, 3", b"a, 1", b"1, -1", b"1.0, 1", b"1, 100000", b"1;2", b",", b"1,"],
    )
    def test_what_is_no_query_loses_the_connection(self, query: bytes) -> None:
        server = Server()
        assert reply(server, query) == b""
        assert server.transport.disconnecting

    def test_a_query_that_is_too_long_loses_the_connection(self) -> None:
        server = Server()
        assert reply(server, b"1, 2" + b" " * 1000) == b""
        assert server.transport.disconnecting

    def test_a_name_cannot_end_the_line(self) -> None:
        server = Server(port1=("UNIX", "joe\r\n2, 2 : USERID : UNIX : root\0é"))
        assert reply(server, b"1, 2") == (
            b"1, 2 : USERID : UNIX : joe??2, 2 : USERID : UNIX : root??\r\n"
        )
        long = Server(port1=("UNIX", "x" * 2000))
        assert len(reply(long, b"1, 2")) == 1002

    def test_answers_come_in_order_however_long_they_take(self) -> None:
        for pieces in divisions(b"1, 9\r\n2, 9\r\n3, 9\r\n"):
            slow: Deferred[tuple[str, str]] = Deferred()
            server = connected(Server(port1=("A", "one"), port2=slow, port3=("C", "three")))
            for piece in pieces:
                server.dataReceived(piece)
            assert len(server.asked) == 2
            assert server.transport.producerState == "paused"
            slow.callback(("B", "two"))
            assert [line.split()[-1] for line in server.transport.value().splitlines()] == [
                b"one",
                b"two",
                b"three",
            ]
            assert server.transport.producerState == "producing"

    def test_an_answer_that_comes_too_late(self) -> None:
        slow: Deferred[tuple[str, str]] = Deferred()
        server = connected(Server(port1=slow))
        server.dataReceived(b"1, 9\r\n2, 9\r\n")
        server.transport.connected = False
        slow.callback(("B", "two"))
        assert len(server.asked) == 1


class TestClient:
    @pytest.fixture
    def client(self) -> Any:
        return connected(IdentClient())

    def test_one_query_after_the_other(self, client: Any) -> None:
        first, second = client.lookup(1, 2), client.lookup(3, 4)
        assert client.transport.value() == b"1, 2\r\n"
        client.dataReceived(b"1, 2 : USERID : UNIX : joe : smith\r\n")
        assert result_of(first) == ("USERID", "UNIX : joe : smith")
        assert client.transport.value() == b"1, 2\r\n3, 4\r\n"
        client.dataReceived(b"3,4:OTHERS:anything\r\n")
        assert result_of(second) == ("OTHERS", "anything")

    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            (b"1, 2 : ERROR : NO-USER", NoUser),
            (b"1,2:ERROR:INVALID-PORT", InvalidPort),
            (b"1, 2 : ERROR : HIDDEN-USER", HiddenUser),
            (b"1, 2 : ERROR : UNKNOWN-ERROR", IdentError),
            (b"1, 2 : ERROR : X-OTHER", IdentError),
            (b"nonsense", IdentError),
            (b"\xff:\xfe", IdentError),
        ],
    )
    def test_errors(self, client: Any, answer: bytes, error: type[IdentError]) -> None:
        asked = client.lookup(1, 2)
        client.dataReceived(answer + b"\r\n")
        failure = result_of(asked)
        assert type(failure.value) is error
        assert str(failure.value).startswith(error.identDescription)

    def test_the_end_fails_what_is_open(self, client: Any) -> None:
        asked = [client.lookup(1, 2), client.lookup(3, 4)]
        client.connectionLost()
        assert all(result_of(each).check(IdentError) for each in asked)
        assert not client.queries

    def test_what_was_not_asked_for_is_logged(
        self, client: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level("INFO"):
            client.dataReceived(b"1, 2 : USERID : UNIX : joe\r\n")
        assert "without being asked" in caplog.text

    def test_with_a_server_on_a_simulated_network(self) -> None:
        client, server = IdentClient(), Server(port1=("UNIX", "joe"), port2=NoUser())
        link = Link(seed=1)
        link.connect(client, server)
        first, second = client.lookup(1, 10), client.lookup(2, 20)
        link.run()
        assert result_of(first) == ("USERID", "UNIX : joe")
        assert result_of(second).check(NoUser)


def result_of(deferred: Deferred[Any]) -> Any:
    results: list[Any] = []
    deferred.addBoth(results.append)
    (result,) = results
    assert isinstance(result, tuple | Failure)
    return result


class System(ProcServerMixin, IdentServer):
    pass


NAMELESS = 3_999_999_999


def entry(local: str, remote: str, uid: int) -> str:
    """A line of the kernel's table of connections; an address is HOST PORT."""
    return f"   0: {packed(local)} {packed(remote)} 01 0:0 0:0 0 {uid} 0 1 1\n"


def packed(address: str) -> str:
    host, port = address.split()
    number = ipaddress.ip_address(host).packed
    words = [int.from_bytes(number[at : at + 4], sys.byteorder) for at in range(0, len(number), 4)]
    return "".join(f"{word:08X}" for word in words) + f":{int(port):04X}"


TABLES = {
    "tcp": [("10.0.0.1 80", "10.0.0.2 4000", 0), ("10.0.0.1 80", "10.0.0.3 4000", NAMELESS)],
    "tcp6": [
        ("::ffff:10.0.0.1 22", "::ffff:10.0.0.2 4000", 0),
        ("2001:db8::1 22", "2001:db8::2 4000", 0),
    ],
}


class TestSystem:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Any:
        class FromFiles(System):
            TABLES = (str(tmp_path / "tcp"), str(tmp_path / "tcp6"))

        for name, entries in TABLES.items():
            (tmp_path / name).write_text("sl ...\n" + "".join(entry(*each) for each in entries))
        return FromFiles()

    def test_a_user(self, server: Any) -> None:
        assert server.lookup(("10.0.0.1", 80), ("10.0.0.2", 4000)) == ("UNIX", "root")

    def test_the_tables_are_written_as_the_kernel_s(self) -> None:
        if sys.byteorder == "little":
            assert packed("127.0.0.1 22") == "0100007F:0016"

    def test_lines_of_other_ports_are_not_parsed(
        self, server: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parsed: list[str] = []
        parse = server.parseLine
        monkeypatch.setattr(server, "parseLine", lambda line: (parsed.append(line), parse(line))[1])
        server.lookup(("10.0.0.1", 22), ("10.0.0.2", 4000))
        assert len(parsed) == 1

    def test_a_line_of_one_s_own(self) -> None:
        class Other(System):
            def entries(self) -> Iterator[str]:
                yield entry("127.0.0.1 25", "1.2.3.4 762", 0)

        parsed = Other().parseLine(next(Other().entries()))
        assert parsed == (("127.0.0.1", 25), ("1.2.3.4", 762), 0)
        assert Other().lookup(*parsed[:2]) == ("UNIX", "root")

    def test_ipv4_in_ipv6(self, server: Any) -> None:
        assert server.lookup(("10.0.0.1", 22), ("10.0.0.2", 4000)) == ("UNIX", "root")

    def test_ipv6(self, server: Any) -> None:
        server.makeConnection(
            StringTransport(
                IPv6Address("TCP", "2001:db8::1", 113), IPv6Address("TCP", "2001:db8::2", 9)
            )
        )
        server.dataReceived(b"22, 4000\r\n")
        assert server.transport.value() == b"22, 4000 : USERID : UNIX : root\r\n"

    @pytest.mark.parametrize(
        ("local", "remote"),
        [
            (("10.0.0.1", 81), ("10.0.0.2", 4000)),
            (("10.0.0.1", 80), ("10.0.0.2", 4001)),
            (("10.0.0.9", 80), ("10.0.0.2", 4000)),
            (("10.0.0.1", 80), ("10.0.0.9", 4000)),
            (("10.0.0.1", 80), ("10.0.0.3", 4000)),  # has a number without a name
        ],
    )
    def test_nobody(self, server: Any, local: Any, remote: Any) -> None:
        with pytest.raises(NoUser):
            server.lookup(local, remote)

    @pytest.fixture
    def pair(self) -> Iterator[tuple[Any, Any]]:
        """A real connection of this process with itself."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            accepting = threading.Thread(target=lambda: ends.append(listener.accept()[0]))
            ends: list[socket.socket] = []
            accepting.start()
            client = socket.create_connection(listener.getsockname())
            accepting.join(20)
            with client, ends[0]:
                yield ends[0].getsockname(), client.getsockname()

    def test_a_real_connection_is_this_user_s(self, pair: tuple[Any, Any]) -> None:
        assert System().lookup(*pair) == ("UNIX", getpass.getuser())
        assert System().getUsername(os.getuid()) == getpass.getuser()


def test_a_client_that_is_not_ours() -> None:
    """tcpserver asks the host of who connects, on port 113 only, and passes the answer on."""
    assert shutil.which("tcpserver"), "this test needs an ident client (Debian: ucspi-tcp)"
    assert run_alone(ASKED_BY_TCPSERVER) == "root\n"


ASKED_BY_TCPSERVER = """
def started(*command):
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline()

place = ("--host", "127.0.0.1", "--port", "113")
server, _ = started(sys.executable, "-m", "reactorlib", "ident", *place)
say_who = ("sh", "-c", 'echo "$TCPREMOTEINFO"')
tcpserver, port = started("tcpserver", "-1", "-H", "-l", "local", "127.0.0.1", "0", *say_who)
try:
    with socket.create_connection(("127.0.0.1", int(port)), 20) as client:
        print(client.makefile().read(), end="")
finally:
    for process in (server, tcpserver):
        process.terminate()
        process.wait(20)
"""
