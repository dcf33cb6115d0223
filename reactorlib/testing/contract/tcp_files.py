"""Files that the kernel sends over a connection (ISendfileTransport)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from errno import EISDIR
from typing import IO, Any

import psutil
import pytest

from reactorlib import error
from reactorlib.interfaces import ISendfileTransport
from reactorlib.testing.contract.engine_base import pattern
from reactorlib.testing.contract.tcp_peers import (
    MEGABYTE,
    Net,
    Producer,
    TCPContractBase,
    reset,
)

SIZE = 3 * MEGABYTE + 17
CONTENT = pattern(SIZE)


class FilesContract(TCPContractBase):
    """A file leaves where it was written among the rest, whole or as far as it goes."""

    @pytest.fixture
    def file(self, net: Net) -> Iterator[IO[bytes]]:
        """With CONTENT in it; the fixture `net` looks for descriptors that are left."""
        with tempfile.TemporaryFile() as file:
            file.write(CONTENT)
            file.flush()
            yield file

    def send(self, protocol: Any, *part: Any) -> list[Any]:
        """Send a part of a file; what becomes of it."""
        outcome: list[Any] = []
        protocol.transport.sendFile(*part).addBoth(outcome.append)
        return outcome

    def test_it_leaves_between_the_writes(self, net: Net, file: IO[bytes]) -> None:
        protocol, peer = net.pair()
        assert bool(ISendfileTransport.providedBy(protocol.transport))
        protocol.transport.write(b"before")
        first = self.send(protocol, file, 5, 2 * MEGABYTE)
        second = self.send(protocol, file.fileno(), 0, 10)
        protocol.transport.write(b"after" * 10_000)
        third = self.send(protocol, file, SIZE - 1, 1)
        file.close()
        parts = (CONTENT[5 : 2 * MEGABYTE + 5], CONTENT[:10], b"after" * 10_000, CONTENT[-1:])
        expected = b"before" + b"".join(parts)
        assert protocol.transport.bufferedBytes == len(expected)
        assert net.read(peer, len(expected)) == expected
        net.turn_until(lambda: third)
        assert (first, second, third) == ([2 * MEGABYTE], [10], [1])
        assert protocol.transport.bufferedBytes == 0

    def test_many_small_ones(self, net: Net, file: IO[bytes]) -> None:
        protocol, peer = net.pair()
        outcomes = [self.send(protocol, file, number, 2) for number in range(100)]
        expected = b"".join([CONTENT[number : number + 2] for number in range(100)])
        assert net.read(peer, 200) == expected
        net.turn_until(lambda: outcomes[-1])
        assert outcomes == [[2]] * 100

    def test_no_connection_has_a_turn_to_itself(self, net: Net, file: IO[bytes]) -> None:
        protocol, _ = net.pair()
        os.truncate(file.fileno(), 64 * MEGABYTE)
        self.send(protocol, file, 0, 64 * MEGABYTE)
        for turns in range(1, 4):
            net.turn(1)
            left = 64 * MEGABYTE - protocol.transport.bufferedBytes
            assert left <= turns * MEGABYTE
        protocol.transport.abortConnection()
        net.until_lost(protocol)

    def test_the_end_waits_for_it(self, net: Net, file: IO[bytes]) -> None:
        protocol, peer = net.pair()
        outcome = self.send(protocol, file, 0, SIZE)
        protocol.transport.loseConnection()
        assert net.read_all(peer) == CONTENT
        net.until_lost(protocol)
        assert outcome == [SIZE]
        assert protocol.reason.check(error.ConnectionDone)

    def test_the_end_of_writing_waits_for_it(self, net: Net, file: IO[bytes]) -> None:
        protocol, peer = net.pair()
        self.send(protocol, file, 0, SIZE)
        protocol.transport.loseWriteConnection()
        assert net.read_all(peer) == CONTENT
        with pytest.raises(BrokenPipeError):
            protocol.transport.sendFile(file, 0, 1)

    def test_abort_waits_for_nothing(self, net: Net, file: IO[bytes]) -> None:
        protocol, peer = net.pair()
        os.truncate(file.fileno(), 64 * MEGABYTE)
        outcomes = [self.send(protocol, file, 0, 64 * MEGABYTE) for _ in range(2)]
        net.turn()
        protocol.transport.abortConnection()
        with pytest.raises(BrokenPipeError):
            protocol.transport.sendFile(file, 0, 1)
        assert net.is_reset(peer)
        net.until_lost(protocol)
        for (failure,) in outcomes:
            assert failure.check(error.ConnectionAborted)
        with pytest.raises(BrokenPipeError):
            protocol.transport.sendFile(file, 0, 1)

    def test_its_receiver_resets(self, net: Net, file: IO[bytes]) -> None:
        protocol, peer = net.pair()
        os.truncate(file.fileno(), 64 * MEGABYTE)
        outcome = self.send(protocol, file, 0, 64 * MEGABYTE)
        net.turn()
        reset(peer)
        net.until_lost(protocol)
        assert outcome[0].check(error.ConnectionLost)
        assert protocol.calls == ["made", "lost"]

    @pytest.mark.parametrize("left", [0, 10, 2 * MEGABYTE])
    def test_it_is_shorter(self, net: Net, file: IO[bytes], left: int) -> None:
        protocol, peer = net.pair()
        first = self.send(protocol, file, 0, SIZE)
        second = self.send(protocol, file, 0, 5)
        protocol.transport.write(b"after")
        os.truncate(file.fileno(), left)
        net.turn_until(lambda: second)
        assert (first, second) == ([left], [min(left, 5)])
        expected = CONTENT[:left] + CONTENT[: min(left, 5)] + b"after"
        assert net.read(peer, len(expected)) == expected
        assert protocol.transport.bufferedBytes == 0

    def test_it_is_cut_while_it_is_sent(self, net: Net, file: IO[bytes]) -> None:
        protocol, peer = net.pair()
        os.truncate(file.fileno(), 64 * MEGABYTE)
        outcome = self.send(protocol, file, 0, 64 * MEGABYTE)
        net.turn(10)
        assert outcome == []
        os.truncate(file.fileno(), MEGABYTE)
        protocol.transport.loseConnection()
        received = net.read_all(peer)
        net.until_lost(protocol)
        assert outcome == [len(received)]
        assert MEGABYTE <= len(received) < 64 * MEGABYTE

    def test_it_cannot_be_read(self, net: Net) -> None:
        protocol, peer = net.pair()
        directory = os.open("/", os.O_RDONLY)
        outcome = self.send(protocol, directory, 0, 10)
        os.close(directory)
        protocol.transport.write(b"after")
        assert net.read(peer, 5) == b"after"
        net.turn_until(lambda: outcome)
        assert outcome[0].value.errno == EISDIR

    def test_what_is_no_part_of_a_file(self, net: Net, file: IO[bytes]) -> None:
        protocol, _ = net.pair()
        for part in ((file, 0, 0), (file, -1, 1), (file, 1, 2**63 - 1), (10**6, 0, 1)):
            with pytest.raises(OSError, match="Invalid argument"):
                protocol.transport.sendFile(*part)
        assert protocol.transport.bufferedBytes == 0

    def test_a_slow_reader_costs_no_memory(self, net: Net, file: IO[bytes]) -> None:
        protocol, peer = net.pair()
        size, process = 50 * MEGABYTE, psutil.Process()
        os.truncate(file.fileno(), size)
        before = process.memory_info().rss
        outcome = self.send(protocol, file, 0, size)
        received, most = 0, 0
        for piece in net.pieces(peer):
            received += len(piece)
            most = max(most, process.memory_info().rss - before)
            if received == size:
                break
        net.turn_until(lambda: outcome)
        assert most < 10 * MEGABYTE

    def test_a_producer_is_not_held_up_by_a_file(self, net: Net, file: IO[bytes]) -> None:
        protocol, peer = net.pair()
        transport, push, pull = protocol.transport, Producer(), Producer()
        outcome = self.send(protocol, file, 0, SIZE)
        transport.registerProducer(push, True)
        transport.write(b"x" * 1_000)
        assert push.calls == []
        transport.write(b"x" * 100_000)
        assert push.calls == ["pause"]
        assert net.read(peer, SIZE + 101_000) == CONTENT + b"x" * 101_000
        net.turn_until(lambda: len(push.calls) == 2)
        transport.unregisterProducer()
        self.send(protocol, file, 0, SIZE)
        transport.registerProducer(pull, False)
        assert pull.calls == ["resume"]
        net.read(peer, SIZE)
        net.turn_until(lambda: len(pull.calls) == 2)
        assert outcome == [SIZE]

    def test_a_file_is_one_message(self, net: Net, file: IO[bytes]) -> None:
        protocol, peer = net.pair()
        told: list[Any] = []
        protocol.transport.monitorCongestion(lambda *what: told.append(what))
        os.truncate(file.fileno(), 64 * MEGABYTE)
        outcome = self.send(protocol, file, 0, 64 * MEGABYTE)
        protocol.transport.write(b"x")
        net.turn_until(lambda: told)
        assert told == [(0, 2)]
        os.truncate(file.fileno(), MEGABYTE)
        for _ in net.pieces(peer):
            if outcome:
                break
        assert told[-1][0] == 1
