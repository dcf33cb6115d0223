"""Too much: no descriptor left, refusals of accept(2), FD_SETSIZE, a flood.

A server that lacks descriptors runs in a process of its own; the test is its
peer. Refusals are made by strace(1), which has to be installed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import logging
import multiprocessing
import os
import re
import resource
import select
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from errno import ECONNABORTED, EMFILE, ENFILE, ENOBUFS, ENOMEM, errorcode
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from time import monotonic, process_time
from typing import Any

import pytest

from reactorlib.protocol import Factory, Protocol
from reactorlib.testing.contract.base import ContractBase, LoggedErrors
from reactorlib.testing.contract.tcp_peers import (
    LOOPBACK,
    Fault,
    Net,
    Recorder,
    RecordingFactory,
    TCPContractBase,
    echo,
    raises,
)

PR_SET_PTRACER, ANY_PROCESS = 0x59616D61, ctypes.c_ulong(-1)  # prctl(2), on systems with Yama
FORK = multiprocessing.get_context("fork")
DESCRIPTORS = 64
CLIENTS = 200
REFUSALS = 3


class Server:
    """What runs in the child: echoes, and answers questions about itself.

    `report` gives its state as JSON, `fill` and two numbers do what `fill` says,
    `free` undoes it, `stop` ends the process.
    """

    def __init__(self, contract: ContractBase, pipe: Pipe) -> None:
        self.reactor = contract.make_reactor()
        self.reactor.raiseDescriptorLimit = False
        self.factory = RecordingFactory(lambda: Recorder(data=self.answer))
        self.log: list[logging.LogRecord] = []
        self.kept: list[int] = []
        self.outgoing = RecordingFactory()
        logging.getLogger("reactorlib").addFilter(self.keep)
        port = self.reactor.listenTCP(0, self.factory, 500, LOOPBACK)
        pipe.send(port.port)

    def keep(self, record: logging.LogRecord) -> bool:
        self.log.append(record)
        return False

    def answer(self, protocol: Recorder, data: bytes) -> None:
        if data == b"report":
            protocol.transport.write(json.dumps(self.report()).encode() + b"\n")
        elif data == b"stop":
            self.reactor.stop()
        else:
            if data.startswith(b"fill"):
                self.fill(*map(int, data.split()[1:]))
            if data == b"free":
                for descriptor in self.kept:
                    os.close(descriptor)
            echo(protocol, data)

    def report(self) -> dict[str, Any]:
        return {
            "processor": process_time(),
            "log": [record.getMessage() for record in self.log],
            "tracebacks": sum(bool(record.exc_info) for record in self.log),
            "told": [type(reason).__name__ for reason in self.factory.reasons],
            "numbers": [getattr(reason, "errno", None) for reason in self.factory.reasons],
            "outgoing": [str(reason.value) for reason in self.outgoing.reasons],
            "open": count_descriptors(),
            "threads": threading.active_count(),
        }

    def fill(self, below: int, port: int) -> None:
        """Take every descriptor below a number, then connect to a port."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (below + 300, hard))
        self.kept = [os.dup(0)]
        while self.kept[-1] < below:
            self.kept.append(os.dup(0))
        self.reactor.connectTCP(LOOPBACK, port, self.outgoing)


def serve(contract: ContractBase, pipe: Pipe) -> None:
    """A child's program: an ordinary server that strace may attach to."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PTRACER, ANY_PROCESS, 0, 0, 0)
    Server(contract, pipe).reactor.run()


def serve_with_few_descriptors(contract: ContractBase, pipe: Pipe) -> None:
    """A child's program: a server that may open few descriptors."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    Server(contract, pipe).reactor.run()


def flood(contract: ContractBase, pipe: Pipe) -> None:
    """A child's program: a peer that sends without end."""
    with socket.create_connection((LOOPBACK, pipe.recv())) as peer, contextlib.suppress(OSError):
        while True:
            peer.sendall(b"x" * (1 << 20))


class Flooded(Protocol):
    """Counts what comes."""

    received = 0

    def dataReceived(self, data: bytes) -> None:
        self.received += len(data)


class Client:
    """A blocking peer of a Server."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection((LOOPBACK, port), timeout=10)

    def ask(self, data: bytes) -> bytes:
        """An empty answer: the connection was ended by the server."""
        try:
            self.socket.sendall(data)
            return self.socket.recv(1 << 16)
        except ConnectionError:
            return b""

    def report(self) -> dict[str, Any]:
        self.socket.sendall(b"report")
        with self.socket.makefile("rb") as lines:
            return dict(json.loads(lines.readline()))


class OverloadContract(TCPContractBase):
    """Servers that live on.

    `descriptor_limit` is the first descriptor that the engine cannot hold, if
    there is one. A crowd is kept out for `crowded_seconds`.
    """

    descriptor_limit: int | None = None
    crowded_seconds = 5.0

    @pytest.fixture
    def child(self) -> Iterator[Callable[..., tuple[Any, Pipe]]]:
        """Runs a program in a child; gives the process and a pipe to it. It must end well."""
        children: list[Any] = []

        def start(program: Callable[[Any, Pipe], None]) -> tuple[Any, Pipe]:
            ours, theirs = FORK.Pipe()
            process = FORK.Process(target=program, args=(self, theirs))
            process.start()
            theirs.close()
            children.append((process, ours))
            return process, ours

        yield start
        for process, pipe in children:
            pipe.close()
            process.join(self.patience)
            if process.exitcode is None:
                process.kill()
                process.join()
            assert process.exitcode == 0
            process.close()

    @pytest.fixture
    def clients(self, child: object) -> Iterator[Callable[[int], Client]]:
        """Makes clients, closed after the test; the first one then stops the server."""
        made: list[Client] = []

        def make(port: int) -> Client:
            made.append(Client(port))
            return made[-1]

        yield make
        made[0].ask(b"stop")
        for client in made:
            client.socket.close()

    def test_the_factory_is_told_and_one_peer_at_a_time_turned_away(
        self, net: Net, log: pytest.LogCaptureFixture
    ) -> None:
        port = net.listen(lambda: Recorder(data=echo))
        old, factory = net.accepted(port, net.dial(port))[1], port.factory
        peers = [net.dial(port) for _ in range(20)]
        with no_descriptor_left() as limit:
            net.turn_until(lambda: len(factory.reasons) == 2)
            assert net.ask(old, b"still") == b"still"
        reasons = [(reason.errno, reason.limit) for reason in factory.reasons]
        assert reasons == [(EMFILE, limit)] * 2
        (line,) = log.messages
        assert "1 turned away" in line
        assert str(limit) in line
        assert [net.read_all(peer) for peer in peers[:2]] == [b"", b""]
        assert net.ask(peers[-1], b"back") == b"back"

    def test_a_fault_in_overloaded(self, net: Net, logged_errors: LoggedErrors) -> None:
        port = net.listen(RecordingFactory(overloaded=raises))
        net.dial(port)
        peer = net.dial(port)
        with no_descriptor_left():
            net.turn_until(lambda: port.factory.reasons)
        assert net.accepted(port, peer)[0].calls == ["made"]
        assert len(logged_errors.take(Fault)) == len(port.factory.reasons)

    def test_an_overloaded_port_can_be_stopped(self, net: Net) -> None:
        port = net.listen(Factory.forProtocol(Recorder))
        net.dial(port)
        with no_descriptor_left():
            net.turn_until(net.reactor.getDelayedCalls)
            port.stopListening()
            net.turn_until(lambda: not port.connected)
        assert net.reactor.getDelayedCalls() == []

    def test_no_descriptor_is_left(self, child: Any, clients: Any) -> None:
        port = child(serve_with_few_descriptors)[1].recv()
        old = [clients(port) for _ in range(5)]
        assert [client.ask(b"early") for client in old] == [b"early"] * 5
        before = old[0].report()
        crowd = [clients(port) for _ in range(CLIENTS)]
        begun = monotonic()
        while monotonic() - begun < self.crowded_seconds:
            assert [client.ask(b"still") for client in old] == [b"still"] * 5
            select.select([], [], [], 0.05)
        seconds, after = monotonic() - begun, old[0].report()
        assert after["processor"] - before["processor"] < 0.2 * seconds
        assert 1 <= len(after["log"]) <= seconds + 2 <= 10
        assert "cannot accept" in after["log"][0]
        assert after["tracebacks"] == 0
        assert set(after["told"]) == {"FileDescriptorLimit"}
        for client in crowd:
            client.socket.close()
        released = monotonic()
        latest = clients(port)
        assert latest.ask(b"back") == b"back"
        assert monotonic() - released < 1
        latest.socket.close()
        names = ("open", "threads")
        while [(last := old[0].report())[name] for name in names] != [before[n] for n in names]:
            assert monotonic() - released < self.patience, last

    @pytest.mark.skipif(sys.platform != "linux", reason="strace(1) is of Linux")
    @pytest.mark.parametrize("number", [ENFILE, ENOBUFS, ENOMEM, ECONNABORTED])
    def test_accept_is_refused(self, child: Any, clients: Any, tmp_path: Path, number: int) -> None:
        process, pipe = child(serve)
        port = pipe.recv()
        old = clients(port)
        assert old.ask(b"early") == b"early"
        with refused_accept(process.pid, number, tmp_path / "trace"):
            while clients(port).ask(b"served?") != b"served?":
                assert old.ask(b"still") == b"still"
            report = old.report()
        assert (tmp_path / "trace").read_text().count("(INJECTED)") == REFUSALS
        told = 0 if number == ECONNABORTED else REFUSALS
        assert report["numbers"] == [number] * told
        assert len(report["log"]) == min(1, told)
        assert report["tracebacks"] == 0
        assert set(report["told"]) <= {"FileDescriptorLimit" if number == ENFILE else "OSError"}

    def test_descriptors_that_the_backend_cannot_hold(self, child: Any, clients: Any) -> None:
        limited = self.descriptor_limit is not None
        port = child(serve)[1].recv()
        old = clients(port)
        with socket.create_server((LOOPBACK, 0)) as target:
            command = b"fill %d %d" % (self.descriptor_limit or 1024, target.getsockname()[1])
            assert old.ask(command) == command
            report = self.crowded(old, [clients(port) for _ in range(20)])
        assert set(report["told"]) == ({"SelectLimitError"} if limited else set())
        assert len(report["log"]) == limited
        assert report["tracebacks"] == 0
        assert len(report["outgoing"]) == limited
        assert all("FD_SETSIZE" in each for each in report["outgoing"])
        assert old.ask(b"free") == b"free"
        assert clients(port).ask(b"back") == b"back"

    def crowded(self, old: Client, crowd: list[Client]) -> dict[str, Any]:
        """The server's report when it has answered its crowd, or could not."""
        if self.descriptor_limit is None:
            assert [client.ask(b"served") for client in crowd] == [b"served"] * len(crowd)
        report = old.report()
        while self.descriptor_limit is not None and not report["told"]:
            report = old.report()
        return report

    def test_a_flood_starves_nobody(self, net: Net, child: Any) -> None:
        flood_port = net.listen(RecordingFactory(Flooded))
        port = net.listen(lambda: Recorder(data=echo))
        child(flood)[1].send(flood_port.port)
        peers = [net.dial(port) for _ in range(100)]
        flooded = flood_port.factory.protocols
        net.turn_until(lambda: flooded and flooded[0].received > 10_000_000)
        net.turn_until(lambda: len(port.factory.protocols) == 100)
        rounds = [self.round(net, peers) for _ in range(20)]
        assert max(turns for turns, _, _ in rounds) <= 3
        assert sorted(used for _, used, _ in rounds)[10] < 0.05
        assert sorted(seconds for _, _, seconds in rounds)[10] < 0.05
        flooded[0].transport.abortConnection()
        net.turn_until(lambda: not flooded[0].transport.connected)

    def round(self, net: Net, peers: list[socket.socket]) -> tuple[int, float, float]:
        """One echo for each peer: turns until the last one has come, seconds of work and in all.

        What others do on this machine is in the last figure, and in an odd one of work.
        """
        begun, used, turns, waiting = monotonic(), process_time(), 0, set(peers)
        for peer in peers:
            peer.sendall(b"x" * 100)
        while waiting:
            net.turn(1)
            turns += 1
            for peer in select.select(list(waiting), [], [], 0)[0]:
                assert peer.recv(1000) == b"x" * 100
                waiting.remove(peer)
        return turns, process_time() - used, monotonic() - begun


def count_descriptors() -> int:
    """How many are open; it opens none itself."""
    count = 0
    for descriptor in range(2048):
        with contextlib.suppress(OSError):
            os.fstat(descriptor)
            count += 1
    return count


@contextlib.contextmanager
def no_descriptor_left() -> Iterator[int]:
    """This process can open nothing; gives the limit."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        yield lowest
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@contextlib.contextmanager
def refused_accept(process: int, number: int, trace: Path) -> Iterator[None]:
    """The next accepts of a process fail, which `trace` tells."""
    program = shutil.which("strace")
    assert program, "install strace: this test makes the system refuse with it"
    inject = f"inject=accept4:error={errorcode[number]}:when=1..{REFUSALS}"
    command = [program, "-p", str(process), "-o", str(trace), "-e", "trace=accept4", "-e", inject]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr is not None
        attached = tracer.stderr.readline()
        assert re.search(rb"[Aa]ttached", attached), attached
        try:
            yield
        finally:
            tracer.terminate()
