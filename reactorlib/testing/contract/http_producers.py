"""IChanRequest as a consumer: producers, their turn, and a client that reads slowly."""

from __future__ import annotations

import pytest

from reactorlib.congestion import CONNECTION_BLOCKED, CONNECTION_CLEARED
from reactorlib.testing.contract.http_exchanges import Exchange
from reactorlib.testing.contract.http_heads import nothing
from reactorlib.testing.contract.tcp_peers import Fault, Producer


def fail() -> None:
    """A hook with a fault."""
    raise Fault("of a producer")


class Producers:
    """registerProducer, unregisterProducer, monitorCongestion, ignoreCongestion."""

    def test_a_push_producer_is_paused_and_resumed(self, exchange: Exchange) -> None:
        request, producer = exchange.start(nothing), Producer()
        request.registerProducer(producer, True)
        exchange.block()
        request.write(exchange.plenty)
        exchange.settle()
        assert producer.calls == ["pause"]
        exchange.unblock()
        exchange.until(lambda: producer.calls == ["pause", "resume"])
        request.unregisterProducer()
        request.finish()
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == exchange.plenty
        assert producer.calls == ["pause", "resume"]

    def test_a_pull_producer_is_asked_for_more(self, exchange: Exchange) -> None:
        left = [b"one", b"two", b"three"]

        def produce() -> None:
            request.write(left.pop(0))
            if not left:
                request.unregisterProducer()
                request.finish()

        request, producer = exchange.start(nothing), Producer(resume=produce)
        request.registerProducer(producer, False)
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == b"onetwothree"
        assert producer.calls == ["resume"] * 3

    @pytest.mark.parametrize("streaming", [True, False])
    def test_one_at_a_time(self, exchange: Exchange, streaming: bool) -> None:
        request = exchange.start(nothing)
        request.registerProducer(Producer(), streaming)
        with pytest.raises(RuntimeError, match="registered already"):
            request.registerProducer(Producer(), streaming)
        request.unregisterProducer()
        request.unregisterProducer()
        request.registerProducer(Producer(), streaming)

    def test_to_have_one_sends_the_head(self, exchange: Exchange) -> None:
        request = exchange.start(nothing)
        request.registerProducer(Producer(), True)
        exchange.until(lambda: exchange.answer().code == 200)
        assert not exchange.answer().whole

    def test_the_end_of_the_answer_is_the_producers(self, exchange: Exchange) -> None:
        request, producer = exchange.start(nothing), Producer()
        request.registerProducer(producer, True)
        request.finish()
        exchange.until(lambda: exchange.answer().whole)
        exchange.block()
        assert producer.calls == []

    @pytest.mark.parametrize("streaming", [True, False])
    def test_one_that_comes_too_late_is_stopped(self, exchange: Exchange, streaming: bool) -> None:
        request, producer = exchange.start(nothing), Producer()
        request.finish()
        request.registerProducer(producer, streaming)
        assert producer.calls == ["stop"]

    @pytest.mark.parametrize("streaming", [True, False])
    @pytest.mark.parametrize("behind", [True, False])
    def test_a_loss_stops_it_once(self, exchange: Exchange, streaming: bool, behind: bool) -> None:
        request, producer = exchange.start(nothing, behind=behind), Producer()
        request.registerProducer(producer, streaming)
        before = producer.calls[:]
        exchange.lose()
        assert producer.calls == [*before, "stop"]
        assert request.calls[-1] == "lost"
        request.unregisterProducer()
        late = Producer()
        request.registerProducer(late, streaming)
        assert late.calls == ["stop"]

    @pytest.mark.parametrize("streaming", [True, False])
    @pytest.mark.parametrize("behind", [True, False])
    @pytest.mark.parametrize("close_write", [True, False])
    def test_an_abort_stops_it_once(
        self, exchange: Exchange, streaming: bool, behind: bool, close_write: bool
    ) -> None:
        request, producer = exchange.start(nothing, behind=behind), Producer()
        request.registerProducer(producer, streaming)
        before = producer.calls[:]
        request.abortConnection(close_write)
        if behind:
            exchange.take_turn()
        exchange.until(exchange.ended)
        exchange.lose()
        assert producer.calls == [*before, "stop"]

    def test_a_push_producer_waits_for_its_turn(self, exchange: Exchange) -> None:
        request, producer = exchange.start(nothing, behind=True), Producer()
        request.registerProducer(producer, True)
        assert producer.calls == ["pause"]
        request.write(b"kept")
        exchange.settle()
        assert exchange.answer().code == 0
        exchange.take_turn()
        assert producer.calls == ["pause", "resume"]
        exchange.until(lambda: exchange.answer().body == b"kept")

    def test_it_is_not_resumed_if_the_client_does_not_read(self, exchange: Exchange) -> None:
        request, producer = exchange.start(nothing, behind=True), Producer()
        request.registerProducer(producer, True)
        request.write(exchange.plenty)
        exchange.block()
        exchange.take_turn()
        exchange.settle()
        assert set(producer.calls) == {"pause"}
        exchange.unblock()
        exchange.until(lambda: producer.calls[-1] == "resume")
        exchange.until(lambda: exchange.answer().body == exchange.plenty)

    def test_a_pull_producer_is_asked_when_its_turn_comes(self, exchange: Exchange) -> None:
        request, producer = exchange.start(nothing, behind=True), Producer()
        request.registerProducer(producer, False)
        assert producer.calls == []
        exchange.take_turn()
        exchange.until(lambda: producer.calls)
        assert producer.calls == ["resume"]

    def test_one_that_ends_before_its_turn(self, exchange: Exchange) -> None:
        request, producer = exchange.start(nothing, behind=True), Producer()
        request.registerProducer(producer, True)
        request.write(b"all")
        request.unregisterProducer()
        request.finish()
        exchange.take_turn()
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == b"all"
        assert producer.calls == ["pause"]

    def test_what_it_raises_in_its_turn_costs_the_connection(
        self, exchange: Exchange, caplog: pytest.LogCaptureFixture
    ) -> None:
        request = exchange.start(nothing, behind=True)
        request.registerProducer(Producer(resume=fail), True)
        exchange.take_turn()
        exchange.until(exchange.ended)
        assert exchange.ended() == "reset"
        assert len(caplog.records) == 1

    def test_congestion_is_told(self, exchange: Exchange) -> None:
        request = exchange.start(nothing)
        seen: list[int] = []
        request.monitorCongestion(lambda status, pending: seen.append(status))
        exchange.block()
        request.write(b"head")
        request.write(exchange.plenty)
        exchange.until(lambda: seen)
        assert seen == [CONNECTION_BLOCKED]
        exchange.unblock()
        exchange.until(lambda: exchange.answer().body == b"head" + exchange.plenty)
        assert seen[1] == CONNECTION_CLEARED

    @pytest.mark.parametrize("how", ["ignoreCongestion", "finish"])
    def test_congestion_is_told_no_more(self, exchange: Exchange, how: str) -> None:
        request = exchange.start(nothing)
        seen: list[int] = []
        request.monitorCongestion(lambda status, pending: seen.append(status))
        request.write(b"head")
        getattr(request, how)()
        exchange.block()
        request.write(exchange.plenty)
        exchange.settle()
        assert seen == []
        request.monitorCongestion(lambda status, pending: seen.append(status))
        request.ignoreCongestion()

    def test_congestion_in_its_turn(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, behind=True)
        seen: list[int] = []
        request.monitorCongestion(lambda status, pending: seen.append(status))
        request.write(b"head")
        exchange.settle()
        assert seen == []
        exchange.take_turn()
        exchange.block()
        request.write(exchange.plenty)
        exchange.until(lambda: seen)
        assert seen == [CONNECTION_BLOCKED]

    def test_congestion_ignored_before_its_turn(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, behind=True)
        seen: list[int] = []
        request.monitorCongestion(lambda status, pending: seen.append(status))
        request.ignoreCongestion()
        exchange.block()
        exchange.take_turn()
        request.write(exchange.plenty)
        request.write(exchange.plenty)
        exchange.settle()
        assert seen == []
