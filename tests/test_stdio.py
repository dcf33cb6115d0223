"""StandardIO on pipes, on every backend; and programs that use it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.interfaces import IAddress, IConsumer, IPushProducer, ITransport
from reactorlib.stdio import PipeAddress, StandardIO
from reactorlib.testing.contract.tcp_peers import Producer
from tests.on_backends import on_every_backend
from tests.stdio_pieces import (
    PLENTY,
    Files,
    HalfCloseable,
    Recorder,
    StdioCases,
    available,
)


class Pipes(StdioCases):
    """Pipes: both directions, their ends, pressure."""

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

    @pytest.mark.parametrize("own", [True, False])
    def test_the_end_of_the_input_waits_for_no_producer(
        self, reactor: Any, files: Files, own: bool
    ) -> None:
        stdin, theirs = files.pipe()
        result, stdout = files.pipe()
        protocol = Recorder(data=lambda it, data: it.transport.write(data))
        transport, producer = StandardIO(protocol, stdin, stdout, reactor), Producer()
        transport.registerProducer(transport if own else producer, True)
        os.write(theirs, b"hello")
        files.close(theirs)
        assert self.drained(reactor, protocol, result) == b"hello"
        assert protocol.reason is not None
        assert protocol.reason.check(error.ConnectionDone)
        assert producer.calls == ([] if own else ["stop"])

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


globals().update(on_every_backend(Pipes))


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


def test_a_program_on_a_terminal() -> None:
    """It blocks again afterwards, as the shell that gets it back expects."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE) as program:
        assert read_until(ours, b"ready ") == b"ready "
        assert not os.get_blocking(theirs)
        os.write(ours, b"typed\n")
        assert read_until(ours, b"TYPED\r\n") == b"typed\r\nTYPED\r\n"
        os.write(ours, b"\x04")
        assert program.communicate()[1] == b"ConnectionDone\n"
    assert program.returncode == 0
    assert os.get_blocking(theirs)
    os.close(ours)
    os.close(theirs)


def test_a_program_whose_terminal_is_hung_up() -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-c", PROGRAM]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE) as program:
        os.close(theirs)
        read_until(ours, b"ready ")
        os.close(ours)
        assert program.communicate()[1] in (b"ConnectionDone\n", b"ConnectionLost\n")
    assert program.returncode == 0


def read_until(descriptor: int, end: bytes) -> bytes:
    """What comes until it ends so."""
    got = b""
    while not got.endswith(end):
        got += os.read(descriptor, 1024)
    return got


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
