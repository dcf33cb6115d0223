"""Sockets from systemd: what the variables say, and what becomes of them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reactorlib import systemd
from reactorlib.backends import available
from reactorlib.endpoints import InvalidEndpoint, serverFromString
from reactorlib.systemd import ListenFDs
from reactorlib.testing.contract.tcp_peers import Net, Recorder, RecordingFactory, echo
from tests.on_backends import OnEveryBackend

VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Three listening sockets whose descriptors follow one another, inheritable."""
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    start = max(sock.fileno() for sock in made) + 10
    for number, sock in enumerate(made):
        os.dup2(sock.fileno(), start + number)
        sock.close()
    placed = [socket.socket(fileno=start + number) for number in range(3)]
    yield placed
    for sock in placed:
        try:
            sock.close()
        except OSError:  # an endpoint has closed it
            sock.detach()


def environment(count: Any, names: str | None = None, pid: Any = None) -> dict[str, str]:
    told = {"LISTEN_PID": str(os.getpid() if pid is None else pid), "LISTEN_FDS": str(count)}
    return {**told, "OTHER": "kept", **({} if names is None else {"LISTEN_FDNAMES": names})}


class TestListenFDs:
    def test_descriptors_and_names(self, sockets: list[socket.socket]) -> None:
        start = sockets[0].fileno()
        environ = environment(3, "web:admin:web")
        inherited = ListenFDs.fromEnvironment(environ, start)
        assert inherited.inheritedDescriptors() == [start, start + 1, start + 2]
        assert inherited.inheritedNamedDescriptors() == {"web": start + 2, "admin": start + 1}
        assert inherited.pairs() == [("web", start), ("admin", start + 1), ("web", start + 2)]
        assert environ == {"OTHER": "kept"}
        assert not any(os.get_inheritable(sock.fileno()) for sock in sockets)

    def test_without_names(self, sockets: list[socket.socket]) -> None:
        start = sockets[0].fileno()
        inherited = ListenFDs.fromEnvironment(environment(2), start)
        assert inherited.pairs() == [("unknown", start), ("unknown", start + 1)]
        assert os.get_inheritable(sockets[2].fileno())

    @pytest.mark.parametrize(
        ("names", "expected"),
        [("web", ["web", "unknown"]), ("web:", ["web", ""]), ("a:b:c", ["a", "b"])],
    )
    def test_too_few_names_and_too_many(
        self, sockets: list[socket.socket], names: str, expected: list[str]
    ) -> None:
        start = sockets[0].fileno()
        inherited = ListenFDs.fromEnvironment(environment(2, names), start)
        assert inherited.pairs() == list(zip(expected, [start, start + 1], strict=True))

    @pytest.mark.parametrize("count", ["4", "999999999"])
    def test_more_than_are_open(self, sockets: list[socket.socket], count: str) -> None:
        start = sockets[0].fileno()
        environ = environment(count, "web:admin:db:more")
        names = [name for name, _ in ListenFDs.fromEnvironment(environ, start).pairs()]
        assert names == ["web", "admin", "db"]

    def test_it_starts_at_3(self) -> None:
        assert systemd.START == 3

    @pytest.mark.parametrize("pid", ["1", "", "nonsense", "-1", "99999999999999999999"])
    def test_variables_for_another_process_are_left_alone(self, pid: str) -> None:
        environ = environment(1, "web", pid)
        before = dict(environ)
        assert ListenFDs.fromEnvironment(environ).inheritedDescriptors() == []
        assert environ == before

    def test_no_variables(self) -> None:
        assert ListenFDs.fromEnvironment({}).inheritedDescriptors() == []

    @pytest.mark.parametrize("count", ["0", "", "-1", "x", "\u0663", "9999999999"])
    def test_a_number_that_is_none(self, count: str) -> None:
        environ = environment(count, "web")
        assert ListenFDs.fromEnvironment(environ).inheritedDescriptors() == []
        assert environ == {"OTHER": "kept"}

    def test_the_process_s_own_environment(
        self, monkeypatch: pytest.MonkeyPatch, sockets: list[socket.socket]
    ) -> None:
        for name, value in environment(1, "web").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(systemd, "START", sockets[0].fileno())
        assert ListenFDs.fromEnvironment(start=sockets[0].fileno()).pairs()
        assert not {*VARIABLES} & {*os.environ}


class TestStrings(OnEveryBackend):
    @pytest.fixture(autouse=True)
    def inherited(
        self, sockets: list[socket.socket], monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[list[socket.socket]]:
        """This process has three sockets from systemd: web, admin, web."""
        numbers = [sock.fileno() for sock in sockets]
        given = ListenFDs(numbers, ["web", "admin", "web"])
        monkeypatch.setattr(systemd, "inherited", lambda: given)
        return sockets

    @pytest.mark.parametrize(
        ("description", "number"),
        [("systemd:0", 0), ("systemd:index=2", 2), ("systemd:name=admin", 1)],
    )
    def test_one_of_them(
        self, net: Net, sockets: list[socket.socket], description: str, number: int
    ) -> None:
        place = sockets[number].getsockname()
        factory = RecordingFactory(lambda: Recorder(data=echo))
        listening = serverFromString(net.reactor, description).listen(factory)
        port = self.run_until(net.reactor, listening)
        net.ports.append(port)
        assert (port.getHost().host, port.getHost().port) == place
        assert net.ask(net.dial(port), b"hello") == b"hello"

    @pytest.mark.parametrize(
        ("description", "reason"),
        [
            ("systemd:3", "from 0 to 2, not '3'"),
            ("systemd:index=-1", "from 0 to 2"),
            ("systemd:name=db", r"0 sockets named 'db'.*0 'web', 1 'admin', 2 'web'"),
            ("systemd:name=web", "2 sockets named 'web'; give the index"),
            ("systemd", "3 sockets; give the index"),
            ("systemd:0:name=web", "not both"),
            ("systemd:0:domain=INET", r"\[index\], \[name\]"),
        ],
    )
    def test_none_of_them(self, reactor: Any, description: str, reason: str) -> None:
        with pytest.raises(InvalidEndpoint, match=reason):
            serverFromString(reactor, description)

    def test_the_only_one(self, net: Net, monkeypatch: pytest.MonkeyPatch, sockets: Any) -> None:
        only = ListenFDs([sockets[1].fileno()])
        monkeypatch.setattr(systemd, "inherited", lambda: only)
        listening = serverFromString(net.reactor, "systemd").listen(RecordingFactory())
        net.ports.append(self.run_until(net.reactor, listening))

    def test_there_are_none(self, reactor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(systemd, "inherited", lambda: ListenFDs([]))
        with pytest.raises(InvalidEndpoint, match="LISTEN_FDS, LISTEN_PID"):
            serverFromString(reactor, "systemd:0")


def test_the_environment_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    systemd.inherited.cache_clear()
    try:
        assert systemd.inherited() is systemd.inherited()
    finally:
        systemd.inherited.cache_clear()


PROGRAM = """
import json, os, socket
from reactorlib.endpoints import serverFromString
from reactorlib.protocol import Factory
from reactorlib.protocols.wire import Echo

def start(reactor):
    listening = serverFromString(reactor, "systemd:name=web").listen(Factory.forProtocol(Echo))
    def tell(port):
        left = sorted(name for name in os.environ if name.startswith("LISTEN_"))
        print(json.dumps([left, os.get_inheritable(3), is_open(4)]), flush=True)
    listening.addCallback(tell)

def is_open(number):
    try:
        os.fstat(number)
    except OSError:
        return False
    return True
"""

# Stands in for systemd: descriptor 4 is the socket that counts, and the pid is the program's own.
STAND_IN = 'exec 3<&"$0" 4<&"$1"; shift; LISTEN_PID=$$ exec "$@"'


def launch(
    command: list[str], fds: tuple[int, ...] = (), cwd: Path | None = None, **environ: str
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=fds,
        text=True,
        cwd=cwd,
        env={**os.environ, **environ},
    )


def end(process: subprocess.Popen[str]) -> str:
    """Stop it in good order; what it said on standard error."""
    process.terminate()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    return errors


REACTORLIB = [sys.executable, "-m", "reactorlib"]


def test_a_program_started_with_sockets(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with (
        socket.create_server(("127.0.0.1", 0)) as other,
        socket.create_server(("127.0.0.1", 0)) as web,
    ):
        place = web.getsockname()
        numbers = (other.fileno(), web.fileno())
        shell = ["bash", "-c", STAND_IN, *map(str, numbers)]
        process = launch(
            [*shell, *REACTORLIB, "run", f"{program}:start"],
            fds=numbers,
            LISTEN_FDS="2",
            LISTEN_FDNAMES="other:web",
        )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "[[], false, false]\n"
        with socket.create_connection(place, timeout=20) as peer:
            peer.sendall(b"hello")
            assert peer.recv(10) == b"hello"
    finally:
        end(process)


@pytest.mark.parametrize("place", ["systemd:0", "systemd:name=web", "fd:3"])
@pytest.mark.parametrize("backend", available())
def test_systemd_socket_activate(tmp_path: Path, backend: str, place: str) -> None:
    path = tmp_path / "socket"
    activate = ["systemd-socket-activate", "--listen", str(path), "--fdname", "web"]
    command = [*REACTORLIB, "--reactor", backend, "echo", "--listen", place]
    process = launch([*activate, *command], cwd=tmp_path)
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        assert "Listening on" in process.stderr.readline()
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(20)
            peer.connect(str(path))
            peer.sendall(b"hello")  # starts the program
            assert process.stdout.readline().startswith(f"echo on unix:{path} ({backend})")
            assert peer.recv(10) == b"hello"
    finally:
        end(process)
