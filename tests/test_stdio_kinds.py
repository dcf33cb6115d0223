"""StandardIO on sockets, terminals and files; faults, and the end of a run; on every backend."""

from __future__ import annotations

import errno
import os
import socket
import tty
from pathlib import Path
from typing import Any

import pytest

from reactorlib import error
from reactorlib.error import SelectLimitError
from reactorlib.stdio import StandardIO
from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.engine_base import numbers_used_up
from reactorlib.testing.contract.tcp_peers import Producer
from tests.on_backends import on_every_backend
from tests.stdio_pieces import (
    PLENTY,
    Files,
    HalfCloseable,
    Recorder,
    StdioCases,
    available,
    fault,
)


class Kinds(StdioCases):
    """Each kind of descriptor has its own traps."""

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

    def test_descriptors_that_the_backend_cannot_hold(self, reactor: Any, files: Files) -> None:
        stdin, _ = files.pipe()
        _, stdout = files.pipe()
        protocol = Recorder()
        with numbers_used_up(1024):
            if reactor.name == "select":
                with pytest.raises(SelectLimitError):
                    StandardIO(protocol, stdin, stdout, reactor)
            else:
                StandardIO(protocol, stdin, stdout, reactor).loseConnection()
        if protocol.told:
            self.ended(reactor, protocol)
        assert os.get_blocking(stdin)
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


globals().update(on_every_backend(Kinds))
