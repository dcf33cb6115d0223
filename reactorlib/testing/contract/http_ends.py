"""IChanRequest: how exchanges end, and what has no effect any more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reactorlib.protocols.http.headers import Headers
from reactorlib.testing.contract.http_exchanges import Exchange
from reactorlib.testing.contract.http_heads import EARLY, nothing
from reactorlib.testing.protocols import AccumulatingProtocol

AGREED = Headers(rawHeaders={b"Connection": [b"Upgrade"], b"Upgrade": [b"echo"]})
UPGRADE = ((b"Connection", b"Upgrade"), (b"Upgrade", b"echo"))

Call = Callable[[Any], object]
EVERYTHING: dict[str, Call] = {
    "acceptData": lambda carrier: carrier.acceptData(),
    "writeIntermediateResponse": lambda carrier: carrier.writeIntermediateResponse(103, EARLY),
    "writeHeaders": lambda carrier: carrier.writeHeaders(200, Headers()),
    "write": lambda carrier: carrier.write(b"behind"),
    "writeResponse": lambda carrier: carrier.writeResponse(200, Headers(), b"behind"),
    "finish": lambda carrier: carrier.finish(),
    "close": lambda carrier: carrier.abortConnection(),
    "reset": lambda carrier: carrier.abortConnection(False),
    "stopProducing": lambda carrier: carrier.stopProducing(),
    "pauseProducing": lambda carrier: carrier.pauseProducing(),
    "resumeProducing": lambda carrier: carrier.resumeProducing(),
    "unregisterProducer": lambda carrier: carrier.unregisterProducer(),
    "monitorCongestion": lambda carrier: carrier.monitorCongestion(None),
    "ignoreCongestion": lambda carrier: carrier.ignoreCongestion(),
    "switchProtocol": lambda carrier: carrier.switchProtocol(AccumulatingProtocol()),
}


class Ends:
    """finish, abortConnection, connectionLost."""

    @pytest.mark.parametrize("name", EVERYTHING)
    def test_nothing_has_an_effect_after_the_end(self, exchange: Exchange, name: str) -> None:
        request = exchange.start(nothing)
        request.write(b"body")
        request.finish()
        EVERYTHING[name](request.chanRequest)
        exchange.until(lambda: exchange.answer().whole)
        exchange.settle()
        assert exchange.answer().body == b"body"
        assert exchange.answer().intermediates == []
        assert exchange.ended() == ""
        assert request.calls == ["process", "complete"]

    @pytest.mark.parametrize("name", EVERYTHING)
    def test_nothing_has_an_effect_after_the_loss(self, exchange: Exchange, name: str) -> None:
        request = exchange.start(nothing)
        exchange.lose()
        assert request.calls == ["process", "complete", "lost"]
        EVERYTHING[name](request.chanRequest)
        assert exchange.answer().code == 0
        assert request.calls == ["process", "complete", "lost"]

    def test_a_finished_one_is_not_told_of_a_loss(self, exchange: Exchange) -> None:
        request = exchange.start(nothing)
        request.finish()
        exchange.lose()
        assert "lost" not in request.calls

    def test_a_loss_in_the_middle(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, b"POST", has_body=True)
        exchange.deliver(b"some")
        exchange.until(lambda: request.content == b"some")
        request.write(b"one")
        exchange.lose()
        assert request.calls == ["process", "chunk", "lost"]
        request.write(b"two")
        request.finish()
        request.finish()

    def test_an_end_after_what_was_written(self, exchange: Exchange) -> None:
        request = exchange.start(nothing)
        request.write(b"half")
        request.abortConnection()
        request.write(b"never")
        request.finish()
        exchange.until(lambda: exchange.ended() == "closed")
        assert exchange.answer().body == b"half"
        assert not exchange.answer().whole

    @pytest.mark.parametrize("how", ["abort", "stop"])
    def test_a_reset(self, exchange: Exchange, how: str) -> None:
        request = exchange.start(nothing, b"POST", has_body=True)
        if how == "abort":
            request.abortConnection(False)
        else:
            request.stopProducing()
        request.write(b"never")
        request.finish()
        exchange.until(lambda: exchange.ended() == "reset")
        assert exchange.answer().code == 0

    @pytest.mark.parametrize("close_write", [True, False])
    def test_an_end_before_its_turn_comes_in_its_turn(
        self, exchange: Exchange, close_write: bool
    ) -> None:
        request = exchange.start(nothing, behind=True)
        request.write(b"never")
        request.abortConnection(close_write)
        request.write(b"never")
        exchange.settle()
        assert exchange.ended() == ""
        exchange.take_turn()
        exchange.until(lambda: exchange.ended() == "closed")
        assert exchange.answer().code == 0
        exchange.lose()
        assert request.calls.count("lost") == 1

    def test_an_answer_waits_for_its_turn(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, behind=True)
        request.writeIntermediateResponse(103, EARLY)
        request.setResponseHeader(b"X-One", b"1")
        request.write(b"one")
        request.write(b"two")
        request.finish()
        request.write(b"behind")
        exchange.settle()
        assert exchange.answer().code == 0
        assert exchange.answer().intermediates == []
        exchange.take_turn()
        exchange.until(lambda: exchange.answer().whole)
        answer = exchange.answer()
        assert answer.intermediates == [(103, {b"link": b"</a.css>"})]
        assert (answer.fields, answer.body) == ({b"x-one": b"1"}, b"onetwo")

    def test_an_answer_that_goes_on_in_its_turn(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, behind=True)
        request.write(b"one")
        exchange.take_turn()
        request.write(b"two")
        request.finish()
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == b"onetwo"


class Switching:
    """switchProtocol."""

    def test_to_the_protocol_that_was_agreed_on(self, exchange: Exchange) -> None:
        request, other = exchange.start(nothing, headers=UPGRADE), AccumulatingProtocol()
        request.setResponseCode(101)
        request.setResponseHeader(b"Connection", b"Upgrade")
        request.setResponseHeader(b"Upgrade", b"echo")
        request.switchProtocol(other)
        exchange.until(lambda: exchange.answer().whole)
        answer = exchange.answer()
        assert (answer.code, answer.fields) == (101, {b"upgrade": b"echo"})
        assert request.finished
        request.chanRequest.switchProtocol(AccumulatingProtocol())
        request.write(b"behind")
        request.finish()
        exchange.settle()
        assert exchange.answer().body == b""
        assert exchange.ended() == ""

    def test_to_a_tunnel(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, b"CONNECT")
        request.switchProtocol(AccumulatingProtocol())
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().code == 200
        assert exchange.ended() == ""

    def test_a_tunnel_that_nobody_takes_is_closed(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, b"CONNECT")
        request.write(b"dropped")
        request.finish()
        exchange.until(lambda: exchange.ended() == "closed")
        assert exchange.answer().body == b""

    def test_not_before_the_head(self, exchange: Exchange) -> None:
        carrier = exchange.start(nothing, headers=UPGRADE).chanRequest
        with pytest.raises(RuntimeError, match="before that"):
            carrier.switchProtocol(AccumulatingProtocol())
        carrier.writeHeaders(200, Headers())
        with pytest.raises(RuntimeError, match="before that"):
            carrier.switchProtocol(AccumulatingProtocol())

    def test_not_unasked(self, exchange: Exchange) -> None:
        carrier = exchange.start(nothing).chanRequest
        with pytest.raises(ValueError, match="101"):
            carrier.writeHeaders(101, AGREED)

    def test_not_for_1_0(self, exchange: Exchange) -> None:
        carrier = exchange.start(nothing, headers=UPGRADE, version=(1, 0)).chanRequest
        with pytest.raises(ValueError, match="101"):
            carrier.writeHeaders(101, AGREED)

    def test_not_before_the_body_has_come(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, b"POST", UPGRADE, has_body=True)
        carrier = request.chanRequest
        exchange.deliver(b"some")
        with pytest.raises(RuntimeError, match="body"):
            carrier.writeHeaders(101, AGREED)
        exchange.end_body()
        exchange.until(lambda: request.calls[-1] == "complete")
        carrier.writeHeaders(101, AGREED)
        carrier.switchProtocol(AccumulatingProtocol())
        exchange.until(lambda: exchange.answer().code == 101)

    def test_a_tunnel_with_any_success(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, b"CONNECT")
        assert request.calls == ["process", "complete"]
        request.chanRequest.writeHeaders(204, Headers())
        request.chanRequest.switchProtocol(AccumulatingProtocol())
        exchange.until(lambda: exchange.answer().code == 204)
