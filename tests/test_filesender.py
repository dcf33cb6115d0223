"""FileSender: a chunk each time the consumer asks."""

from __future__ import annotations

import io
from typing import Any

from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.protocols.basic import FileSender
from reactorlib.protocols.filesender import TransferStopped
from reactorlib.testing import StringTransport


class Asking(StringTransport):
    """Asks a pull producer for the first data at once, as a connection does."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        super().registerProducer(producer, streaming)
        producer.resumeProducing()

    def ask(self, times: int = 1) -> None:
        for _ in range(times):
            self.producer.resumeProducing()


class TestFileSender:
    def send(self, data: bytes, transform: Any = None) -> tuple[Any, Any]:
        transport = Asking()
        sender = FileSender()
        sender.CHUNK_SIZE = 4
        return sender.beginFileTransfer(io.BytesIO(data), transport, transform), transport

    def test_a_chunk_for_each_time_it_is_asked(self) -> None:
        done, transport = self.send(b"123456789")
        assert not transport.streaming
        assert transport.value() == b"1234"
        transport.ask(2)
        assert transport.value() == b"123456789"
        assert not done.called
        transport.ask()
        assert result_of(done) == b"9"
        assert transport.producer is None

    def test_an_empty_file_is_sent_at_once(self) -> None:
        done, transport = self.send(b"")
        assert result_of(done) == b""
        assert transport.producer is None
        assert transport.value() == b""

    def test_each_chunk_is_transformed(self) -> None:
        done, transport = self.send(b"abcdefgh", bytes.upper)
        transport.ask(2)
        assert transport.value() == b"ABCDEFGH"
        assert result_of(done) == b"H"

    def test_a_chunk_that_becomes_nothing_is_passed_over(self) -> None:
        done, transport = self.send(b"----abcd----", lambda chunk: chunk.replace(b"-", b""))
        assert transport.value() == b"abcd"
        transport.ask()
        assert transport.value() == b"abcd"
        assert result_of(done) == b"d"

    def test_a_file_that_cannot_be_read(self) -> None:
        transport = Asking()
        file = io.BytesIO(b"x")
        file.close()
        done = FileSender().beginFileTransfer(file, transport)
        assert failure_of(done).check(ValueError)
        assert transport.producer is None

    def test_a_transform_that_fails(self) -> None:
        done, transport = self.send(b"12345678", lambda chunk: chunk if chunk == b"1234" else 1 / 0)
        transport.ask()
        assert failure_of(done).check(ZeroDivisionError)
        assert transport.value() == b"1234"

    def test_a_consumer_that_stops(self) -> None:
        done, transport = self.send(b"12345678")
        transport.producer.pauseProducing()
        transport.producer.stopProducing()
        assert failure_of(done).check(TransferStopped)


def result_of(deferred: Deferred[Any]) -> Any:
    results: list[Any] = []
    deferred.addBoth(results.append)
    (result,) = results
    return result


def failure_of(deferred: Deferred[Any]) -> Failure:
    failure = result_of(deferred)
    assert isinstance(failure, Failure)
    return failure
