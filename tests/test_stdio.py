"""StandardIO on every backend and on every kind of descriptor."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from zope.interface import implementer
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.failure import Failure
from reactorlib.interfaces import (
    IAddress,
    IConsumer,
    IHalfCloseableProtocol,
    IPushProducer,
    ITransport,
)
from reactorlib.protocol import Protocol, connectionDone
from reactorlib.stdio import PipeAddress, StandardIO
from reactorlib.testing.contract.base import ContractBase, LoggedErrors
from reactorlib.testing.contract.tcp_peers import Producer
from tests.backends import BACKENDS

PLENTY = bytes(range(256)) * 4000


class Recorder(Protocol):
    """Keeps what it was told; does what `reactions` say besides."""

    def __init__(self, **reactions: Callable[..., object]) -> None:
        self.reactions = reactions
        self.told: list[str] = []
        self.data = b""
        self.reason: Failure | None = None

    def note(self, name: str, *arguments: Any) -> None:
        self.told.append(name)
        if name in self.reactions:
            self.reactions[name](self, *arguments)

    def connectionMade(self) -> None:
        self.note("made")

    def dataReceived(self, data: bytes) -> None:
        assert type(data) is bytes
        self.data += data
        if "data" in self.reactions:
            self.reactions["data"](self, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reason = reason
        self.note("lost")


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    """One that is told of each direction's end."""

    def readConnectionLost(self) -> None:
        self.note("read lost")

    def writeConnectionLost(self) -> None:
        self.note("write lost")


class Files:
    """The test's own descriptors, by name, closed after it."""

    def __init__(self) -> None:
        self.open: set[int] = set()

    def add(self, *descriptors: int) -> tuple[int, ...]:
        self.open.update(descriptors)
        return descriptors

    def close(self, *descriptors: int) -> None:
        for descriptor in descriptors:
            self.open.remove(descriptor)
            os.close(descriptor)

    def pipe(self) -> tuple[int, int]:
        reading, writing = self.add(*os.pipe())
        return reading, writing


def fault(*arguments: Any) -> None:
    raise ZeroDivisionError


def read_all(descriptor: int) -> bytes:
    """All that is in a pipe whose writing end is closed."""
    return b"".join(iter(lambda: os.read(descriptor, 100_000), b""))


def available(descriptor: int) -> bytes:
    """What is in a pipe, which does not block."""
    try:
        return os.read(descriptor, 1 << 20)
    except BlockingIOError:
        return b""


class Cases(ContractBase):
    """All of them, for one backend."""

    @pytest.fixture
    def files(self, new_reactor: Any) -> Iterator[Files]:
        """Closed before what the test has left is looked for."""
        files = Files()
        yield files
        files.close(*list(files.open))

    def ended(self, reactor: Any, protocol: Recorder) -> None:
        self.turn_until(reactor, lambda: "lost" in protocol.told)
        reactor.iterate()
        assert protocol.told.count("lost") == 1
        assert protocol.told[-1] == "lost"

    def drained(self, reactor: Any, protocol: Recorder, descriptor: int) -> bytes:
        """All that was written until the end, read while the reactor turns."""
        os.set_blocking(descriptor, False)
        got = b""
        while "lost" not in protocol.told:
            reactor.iterate(0.01)
            got += available(descriptor)
        return got + available(descriptor)

    # Pipes

    def test_both_ways(self, reactor: Any, files: Files) -> None:
        stdin, theirs = files.pipe()
        result, stdout = files.pipe()
        protocol = Recorder(data=lambda it, data: it.transport.write(data.upper()))
        transport = StandardIO(protocol, stdin, stdout, reactor)
        for interface in (ITransport, IConsumer, IPushProducer):
            assert verifyObject(interface, transport)
        assert verifyObject(IAddress, transport.getHost())
        assert transport.getPeer() == transport.getHost() == PipeAddress()
        assert "Recorder" in repr(transport)
        os.write(theirs, b"one ")
        self.turn_until(reactor, lambda: protocol.data)
        os.write(theirs, b"two")
        files.close(theirs)
        assert self.drained(reactor, protocol, result) == b"ONE TWO"
        assert protocol.told == ["made", "lost"]
        assert protocol.reason is not None
        assert protocol.reason.type is error.ConnectionDone

    def test_the_descriptors_stay_open_and_block_again(self, reactor: Any, files: Files) -> None:
        stdin, theirs = files.pipe()
        _, stdout = files.pipe()
        protocol = Recorder()
        StandardIO(protocol, stdin, stdout, reactor)
        assert not os.get_blocking(stdin)
        assert not os.get_blocking(stdout)
        files.close(theirs)
        self.ended(reactor, protocol)
        assert os.get_blocking(stdin)
        assert os.get_blocking(stdout)
        os.set_blocking(stdin, False)
        again = Recorder()
        StandardIO(again, stdin, stdout, reactor)
        self.ended(reactor, again)
        assert not os.get_blocking(stdin)
        assert os.get_blocking(stdout)

    def test_their_owner_may_close_them_before(self, reactor: Any, files: Files) -> None:
        stdin, theirs = files.pipe()
        result, stdout = files.pipe()
        protocol = Recorder(data=lambda it, data: it.transport.write(data))
        transport = StandardIO(protocol, stdin, stdout, reactor)
        files.close(stdin, stdout)
        others = files.add(os.open(os.devnull, os.O_RDWR), os.open(os.devnull, os.O_RDWR))
        os.write(theirs, b"still")
        self.turn_until(reactor, lambda: protocol.data)
        transport.loseConnection()
        assert self.drained(reactor, protocol, result) == b"still"
        assert all(map(os.get_blocking, others))

    def test_the_end_of_the_input_waits_for_the_output(self, reactor: Any, files: Files) -> None:
        stdin, theirs = files.pipe()
        result, stdout = files.pipe()
        protocol = Recorder()
        StandardIO(protocol, stdin, stdout, reactor).write(PLENTY)
        files.close(theirs)
        reactor.iterate(0.01)
        reactor.iterate(0.01)
        assert protocol.told == ["made"]
        assert self.drained(reactor, protocol, result) == PLENTY
        assert protocol.reason is not None
        assert protocol.reason.check(error.ConnectionDone)

    def test_loseConnection(self, reactor: Any, files: Files) -> None:
        stdin, theirs = files.pipe()
        result, stdout = files.pipe()
        protocol = Recorder()
        transport = StandardIO(protocol, stdin, stdout, reactor)
        os.write(theirs, b"never read")
        transport.writeSequence([PLENTY, b"end"])
        transport.loseConnection()
        transport.loseConnection()
        assert transport.disconnecting
        assert protocol.told == ["made"]
        assert self.drained(reactor, protocol, result) == PLENTY + b"end"
        assert protocol.data == b""
        for call in (transport.loseConnection, transport.abortConnection):
            call()
        transport.write(b"dropped")
        transport.writeSequence([b"dropped"])
        transport.unregisterProducer()
        transport.pauseProducing()
        transport.resumeProducing()
        self.ended(reactor, protocol)

    def test_abortConnection(self, reactor: Any, files: Files) -> None:
        stdin, _ = files.pipe()
        _, stdout = files.pipe()
        protocol = Recorder()
        transport = StandardIO(protocol, stdin, stdout, reactor)
        transport.write(PLENTY)
        transport.abortConnection()
        assert protocol.told == ["made"]
        self.ended(reactor, protocol)
        assert protocol.reason is not None
        assert protocol.reason.check(error.ConnectionAborted)

    def test_no_data_after_the_end_of_it(self, reactor: Any, files: Files) -> None:
        stdin, theirs = files.pipe()
        _, stdout = files.pipe()
        protocol = Recorder(data=lambda it, data: it.transport.loseConnection())
        StandardIO(protocol, stdin, stdout, reactor)
        os.write(theirs, b"x" * 60_000)
        self.turn_until(reactor, lambda: protocol.data)
        os.write(theirs, b"more")
        first = protocol.data
        self.ended(reactor, protocol)
        assert protocol.data == first

    def test_nobody_reads_the_output_any_more(self, reactor: Any, files: Files) -> None:
        stdin, _ = files.pipe()
        result, stdout = files.pipe()
        protocol = Recorder()
        StandardIO(protocol, stdin, stdout, reactor)
        reactor.iterate()
        files.close(result)
        self.ended(reactor, protocol)
        assert protocol.reason is not None
        assert protocol.reason.type is error.ConnectionLost

    # Half a connection

    def test_each_direction_ends_by_itself(self, reactor: Any, files: Files) -> None:
        stdin, theirs = files.pipe()
        result, stdout = files.pipe()
        protocol = HalfCloseable()
        transport = StandardIO(protocol, stdin, stdout, reactor)
        files.close(theirs)
        self.turn_until(reactor, lambda: "read lost" in protocol.told)
        transport.write(PLENTY)
        transport.loseWriteConnection()
        assert self.drained(reactor, protocol, result) == PLENTY
        assert protocol.told == ["made", "read lost", "lost"]

    def test_the_output_ends_first(self, reactor: Any, files: Files) -> None:
        stdin, theirs = files.pipe()
        _, stdout = files.pipe()
        protocol = HalfCloseable()
        transport = StandardIO(protocol, stdin, stdout, reactor)
        transport.loseWriteConnection()
        self.turn_until(reactor, lambda: "write lost" in protocol.told)
        transport.write(b"dropped")
        transport.loseWriteConnection()
        producer = Producer()
        transport.registerProducer(producer, True)
        assert producer.calls == ["stop"]
        os.write(theirs, b"heard")
        self.turn_until(reactor, lambda: protocol.data)
        files.close(theirs)
        self.ended(reactor, protocol)
        assert protocol.told == ["made", "write lost", "lost"]

    def test_a_protocol_that_is_not_told_reads_on(self, reactor: Any, files: Files) -> None:
        stdin, theirs = files.pipe()
        _, stdout = files.pipe()
        protocol = Recorder()
        transport = StandardIO(protocol, stdin, stdout, reactor)
        transport.loseWriteConnection()
        reactor.iterate()
        reactor.iterate()
        os.write(theirs, b"heard")
        self.turn_until(reactor, lambda: protocol.data)
        transport.loseConnection()
        assert protocol.told == ["made"]
        self.ended(reactor, protocol)

    def test_one_that_is_told_outlives_its_reader(self, reactor: Any, files: Files) -> None:
        stdin, theirs = files.pipe()
        result, stdout = files.pipe()
        protocol = HalfCloseable()
        StandardIO(protocol, stdin, stdout, reactor)
        files.close(result)
        self.turn_until(reactor, lambda: "write lost" in protocol.told)
        os.write(theirs, b"heard")
        files.close(theirs)
        self.ended(reactor, protocol)
        assert protocol.data == b"heard"

    # Pressure

    def test_a_pause_holds(self, reactor: Any, files: Files) -> None:
        stdin, theirs = files.pipe()
        _, stdout = files.pipe()
        protocol = Recorder(data=lambda it, data: it.transport.pauseProducing())
        transport = StandardIO(protocol, stdin, stdout, reactor)
        os.write(theirs, b"one")
        self.turn_until(reactor, lambda: protocol.data)
        os.write(theirs, b"two")
        reactor.iterate(0.01)
        assert protocol.data == b"one"
        transport.resumeProducing()
        self.turn_until(reactor, lambda: protocol.data == b"onetwo")
        transport.stopProducing()
        self.ended(reactor, protocol)

    def test_a_slow_reader_pauses_the_producer(self, reactor: Any, files: Files) -> None:
        stdin, _ = files.pipe()
        result, stdout = files.pipe()
        protocol = Recorder()
        transport = StandardIO(protocol, stdin, stdout, reactor)
        producer = Producer()
        transport.registerProducer(producer, True)
        transport.write(PLENTY)
        assert producer.calls == ["pause"]
        transport.loseConnection()
        os.set_blocking(result, False)
        got = b""
        while producer.calls == ["pause"]:
            reactor.iterate(0.01)
            got += available(result)
        assert producer.calls == ["pause", "resume"]
        transport.write(b"last")
        transport.unregisterProducer()
        assert got + self.drained(reactor, protocol, result) == PLENTY + b"last"

    # Sockets and terminals

    def test_one_socket_for_both(self, reactor: Any, files: Files) -> None:
        ours, theirs = socket.socketpair()
        protocol = Recorder(data=lambda it, data: it.transport.write(data))
        with ours, theirs:
            StandardIO(protocol, ours.fileno(), ours.fileno(), reactor)
            theirs.send(b"question")
            self.turn_until(reactor, lambda: protocol.data)
            reactor.iterate()
            assert theirs.recv(100) == b"question"
            theirs.shutdown(socket.SHUT_WR)
            self.ended(reactor, protocol)
            assert os.get_blocking(ours.fileno())
            assert protocol.told == ["made", "lost"]

    def test_a_terminal(self, reactor: Any, files: Files) -> None:
        """What is typed is no sign that nobody sees the output, not even at the end."""
        ours, theirs = files.add(*os.openpty())
        tty.setraw(theirs)
        protocol = Recorder()
        transport = StandardIO(protocol, theirs, theirs, reactor)
        os.write(ours, b"typed")
        self.turn_until(reactor, lambda: protocol.data == b"typed")
        transport.pauseProducing()
        os.write(ours, b"ahead")
        transport.write(PLENTY)
        reactor.iterate(0.01)
        transport.loseConnection()
        got = self.drained(reactor, protocol, ours)
        os.set_blocking(ours, True)
        while len(got) < len(PLENTY):  # the terminal passes it on in its own time
            got += os.read(ours, len(PLENTY))
        assert got == PLENTY
        assert protocol.reason is not None
        assert protocol.reason.check(error.ConnectionDone)
        assert os.get_blocking(theirs)

    def test_a_terminal_is_hung_up(self, reactor: Any, files: Files) -> None:
        ours, theirs = files.add(*os.openpty())
        protocol = Recorder()
        StandardIO(protocol, theirs, theirs, reactor)
        reactor.iterate()
        files.close(ours)
        self.ended(reactor, protocol)

    # Files

    def test_a_file_is_read_in_slices(self, reactor: Any, files: Files, tmp_path: Path) -> None:
        """Between two of them others have their turn."""
        (tmp_path / "input").write_bytes(PLENTY)
        (stdin,) = files.add(os.open(tmp_path / "input", os.O_RDONLY))
        result, stdout = files.pipe()
        turns: list[int] = []

        def turn() -> None:
            turns.append(len(protocol.data))
            if protocol.reason is None:
                reactor.callSoon(turn)

        protocol = Recorder(data=lambda it, data: it.transport.write(b"."))
        StandardIO(protocol, stdin, stdout, reactor)
        reactor.callSoon(turn)
        assert protocol.data == b""
        assert set(self.drained(reactor, protocol, result)) == {ord(".")}
        assert protocol.data == PLENTY
        assert len(set(turns)) > 10

    def test_a_file_is_read_at_the_consumers_pace(
        self, reactor: Any, files: Files, tmp_path: Path
    ) -> None:
        (tmp_path / "input").write_bytes(PLENTY)
        (stdin,) = files.add(os.open(tmp_path / "input", os.O_RDONLY))
        result, stdout = files.pipe()
        protocol = Recorder(data=lambda it, data: it.transport.write(data))
        transport = StandardIO(protocol, stdin, stdout, reactor)
        transport.registerProducer(transport, True)
        reactor.iterate(0.01)
        reactor.iterate(0.01)
        reactor.iterate(0.01)
        first = len(protocol.data)
        reactor.iterate(0.01)
        assert len(protocol.data) == first < len(PLENTY)
        os.set_blocking(result, False)
        got = b""
        while len(got) < len(PLENTY):
            reactor.iterate(0.01)
            got += available(result)
        transport.unregisterProducer()
        assert got + self.drained(reactor, protocol, result) == PLENTY

    def test_a_file_is_written(self, reactor: Any, files: Files, tmp_path: Path) -> None:
        stdin, theirs = files.pipe()
        (stdout,) = files.add(os.open(tmp_path / "output", os.O_WRONLY | os.O_CREAT))
        protocol = Recorder()
        transport = StandardIO(protocol, stdin, stdout, reactor)
        transport.write(PLENTY)
        transport.writeSequence([bytearray(b"one"), memoryview(b"two")])
        with pytest.raises(TypeError):
            transport.write("text")  # type: ignore[arg-type]
        files.close(theirs)
        self.ended(reactor, protocol)
        assert (tmp_path / "output").read_bytes() == PLENTY + b"onetwo"
        assert os.get_blocking(stdin)

    def test_producers_of_a_file(self, reactor: Any, files: Files, tmp_path: Path) -> None:
        stdin, _ = files.pipe()
        (stdout,) = files.add(os.open(tmp_path / "output", os.O_WRONLY | os.O_CREAT))
        transport = StandardIO(Recorder(), stdin, stdout, reactor)
        protocol = transport.protocol
        push = Producer()
        transport.registerProducer(push, True)
        with pytest.raises(RuntimeError, match="registered"):
            transport.registerProducer(push, True)
        transport.write(PLENTY)
        transport.unregisterProducer()
        assert push.calls == []
        pull = Producer(resume=lambda: transport.write(b"x"))
        transport.registerProducer(pull, False)
        transport.loseConnection()
        for _ in range(5):
            reactor.iterate()
        assert protocol.told == ["made"]
        transport.unregisterProducer()
        self.ended(reactor, protocol)
        assert len(pull.calls) >= 5
        assert (tmp_path / "output").stat().st_size == len(PLENTY) + len(pull.calls)

    def test_a_producer_of_a_file_that_fails(self, reactor: Any, files: Files) -> None:
        stdin, _ = files.pipe()
        (stdout,) = files.add(os.open("/dev/full", os.O_WRONLY))
        protocol = Recorder()
        transport = StandardIO(protocol, stdin, stdout, reactor)
        producer = Producer()
        transport.registerProducer(producer, True)
        transport.write(b"x")
        transport.write(b"x")
        self.ended(reactor, protocol)
        assert protocol.reason is not None
        assert protocol.reason.type is error.ConnectionLost
        assert protocol.reason.value.args == (errno.ENOSPC,)
        assert producer.calls == ["stop"]

    def test_there_is_nothing_to_read(self, reactor: Any, files: Files) -> None:
        (null,) = files.add(os.open(os.devnull, os.O_RDWR))
        protocol = Recorder()
        StandardIO(protocol, null, null, reactor)
        assert protocol.told == ["made"]
        self.ended(reactor, protocol)
        assert protocol.reason is not None
        assert protocol.reason.check(error.ConnectionDone)

    def test_what_cannot_be_read(self, reactor: Any, files: Files, tmp_path: Path) -> None:
        (folder,) = files.add(os.open(tmp_path, os.O_RDONLY))
        _, stdout = files.pipe()
        protocol = Recorder()
        StandardIO(protocol, folder, stdout, reactor)
        self.ended(reactor, protocol)
        assert protocol.reason is not None
        assert protocol.reason.value.args == (errno.EISDIR,)

    # Faults

    @pytest.mark.parametrize("kind", ["pipe", "file"])
    @pytest.mark.parametrize("method", ["made", "data", "read lost", "write lost", "lost"])
    def test_a_fault_costs_the_connection(
        self,
        reactor: Any,
        files: Files,
        tmp_path: Path,
        logged_errors: LoggedErrors,
        method: str,
        kind: str,
    ) -> None:
        if kind == "pipe":
            stdin, theirs = files.pipe()
            os.write(theirs, b"data")
            files.close(theirs)
        else:
            (tmp_path / "input").write_bytes(b"data")
            (stdin,) = files.add(os.open(tmp_path / "input", os.O_RDONLY))
        _, stdout = files.pipe()
        protocol = HalfCloseable(**{method: fault})
        transport = StandardIO(protocol, stdin, stdout, reactor)
        if method == "write lost":
            transport.pauseProducing()
            transport.loseWriteConnection()
        elif method == "lost":
            transport.loseConnection()
        assert "lost" not in protocol.told
        self.ended(reactor, protocol)
        assert len(logged_errors.take(ZeroDivisionError)) == 1
        assert protocol.reason is not None
        assert bool(protocol.reason.check(ZeroDivisionError)) == (method != "lost")
        assert os.get_blocking(stdin)

    @pytest.mark.parametrize("wrong", ["input", "output"])
    def test_a_descriptor_that_is_not_open(self, reactor: Any, files: Files, wrong: str) -> None:
        right, other = files.pipe()
        stdin, stdout = (9999, other) if wrong == "input" else (right, 9999)
        with pytest.raises(OSError, match="Bad file descriptor"):
            StandardIO(Recorder(), stdin, stdout, reactor)
        assert os.get_blocking(right)
        assert not reactor.sinks

    # The end of a run

    @pytest.mark.parametrize("reading", ["pipe", "file"])
    @pytest.mark.parametrize("writing", ["pipe", "file"])
    @pytest.mark.parametrize("protocol_class", [Recorder, HalfCloseable])
    def test_the_end_of_a_run(
        self,
        reactor: Any,
        files: Files,
        tmp_path: Path,
        reading: str,
        writing: str,
        protocol_class: type[Recorder],
    ) -> None:
        stdin, _ = files.pipe()
        result, stdout = files.pipe()
        if reading == "file":
            (tmp_path / "input").write_bytes(PLENTY)
            (stdin,) = files.add(os.open(tmp_path / "input", os.O_RDONLY))
        if writing == "file":
            (stdout,) = files.add(os.open(tmp_path / "output", os.O_WRONLY | os.O_CREAT))
        protocol = protocol_class()
        transport = StandardIO(protocol, stdin, stdout, reactor)

        def last_words() -> None:
            transport.write(b"x" * 30_000)
            reactor.stop()

        reactor.callWhenRunning(last_words)
        self.run_guarded(reactor)
        assert protocol.told[0] == "made"
        assert protocol.told[-1] == "lost"
        written = tmp_path / "output" if writing == "file" else None
        got = written.read_bytes() if written else os.read(result, 100_000)
        assert got == b"x" * 30_000


for _name in BACKENDS:
    globals()[f"Test_{_name}"] = type(
        f"Test_{_name}",
        (Cases,),
        {"__module__": __name__, "make_engine": lambda self, name=_name: BACKENDS[name]()},
    )


# A program

PROGRAM = """
import sys
from reactorlib import reactor
from reactorlib.protocol import Protocol
from reactorlib.stdio import StandardIO

class Shout(Protocol):
    def connectionMade(self):
        self.transport.write(b"ready ")

    def dataReceived(self, data):
        self.transport.write(data.upper())

    def connectionLost(self, reason):
        print(reason.type.__name__, file=sys.stderr)
        reactor.stop()

StandardIO(Shout())
reactor.run()
"""


def shout(stdin: Any = None, stdout: Any = subprocess.PIPE, **options: Any) -> tuple[Any, bytes]:
    """What the program writes to its two outputs."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        stdout=stdout,
        stderr=subprocess.PIPE,
        check=True,
        **({} if stdin is None else {"stdin": stdin}),
        **options,
    )
    return ran.stdout, ran.stderr


def test_a_program_in_a_pipeline() -> None:
    output, errors = shout(input=b"abc" * 100_000)
    assert output == b"ready " + b"ABC" * 100_000
    assert errors == b"ConnectionDone\n"


def test_a_program_between_files(tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(b"abc" * 100_000)
    with open(tmp_path / "input", "rb") as stdin, open(tmp_path / "output", "wb") as stdout:
        assert shout(stdin, stdout)[1] == b"ConnectionDone\n"
    assert (tmp_path / "output").read_bytes() == b"ready " + b"ABC" * 100_000


def test_a_program_without_input() -> None:
    assert shout(subprocess.DEVNULL) == (b"ready ", b"ConnectionDone\n")


def test_a_program_whose_reader_leaves() -> None:
    reading, writing = os.pipe()
    silent, silence = os.pipe()

    def leave() -> None:
        assert os.read(reading, 100) == b"ready "
        os.close(reading)

    reader = threading.Thread(target=leave)
    reader.start()
    assert shout(silent, writing)[1] == b"ConnectionLost\n"
    reader.join()
    for descriptor in (writing, silent, silence):
        os.close(descriptor)
