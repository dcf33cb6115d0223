"""IChanRequest: the bodies of the request and of the answer."""

from __future__ import annotations

from io import BytesIO
from tempfile import TemporaryFile
from typing import Any

import pytest

from reactorlib.protocols.http.headers import Headers
from reactorlib.testing.contract.http_exchanges import Exchange
from reactorlib.testing.contract.http_heads import nothing


class Bodies:
    """What comes in pieces, and what is written in pieces."""

    def test_the_body_of_the_request(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, b"POST", has_body=True)
        assert request.calls == ["process"]
        exchange.deliver(b"one")
        exchange.until(lambda: request.content == b"one")
        exchange.deliver(b"two")
        exchange.end_body(((b"X-Sum", b"6"),))
        exchange.until(lambda: request.calls[-1] == "complete")
        assert request.calls == ["process", "chunk", "chunk", "complete"]
        assert request.content == b"onetwo"
        assert request.in_trailers.getRawHeaders(b"x-sum") == [b"6"]

    def test_none_of_it_comes_in_a_pause(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, b"POST", has_body=True)
        request.pauseProducing()
        exchange.deliver(b"one")
        exchange.deliver(b"two")
        exchange.end_body()
        exchange.settle()
        assert request.calls == ["process"]
        request.resumeProducing()
        exchange.until(lambda: request.calls[-1] == "complete")
        assert request.content == b"onetwo"

    def test_a_pause_in_each_piece(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, b"POST", has_body=True)
        came: list[bytes] = []

        def chunk(data: bytes) -> None:
            came.append(data)
            request.pauseProducing()

        request.handleContentChunk = chunk
        for number in range(3):
            exchange.deliver(b"%d" % number)
            exchange.until(lambda: len(came) > number)  # noqa: B023
            exchange.settle()
            request.resumeProducing()
        exchange.end_body()
        exchange.until(lambda: request.calls[-1] == "complete")
        assert came == [b"0", b"1", b"2"]

    def test_a_pause_without_a_body_changes_nothing(self, exchange: Exchange) -> None:
        request = exchange.start(nothing)
        request.pauseProducing()
        request.resumeProducing()
        request.resumeProducing()
        request.finish()
        exchange.until(lambda: exchange.answer().whole)

    def test_an_answer_before_the_body(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, b"POST", has_body=True)
        request.finish()
        exchange.deliver(b"unwanted")
        exchange.end_body()
        exchange.until(lambda: exchange.answer().whole)
        assert request.calls == ["process"]
        assert request.chanRequest.persistent

    def test_pieces_of_the_answer(self, exchange: Exchange) -> None:
        request = exchange.start(nothing)
        for number in range(50):
            request.write(b"%d," % number)
        request.write(b"")
        request.write(b"y" * 40_000)
        exchange.settle()
        assert not exchange.answer().whole
        request.finish()
        exchange.until(lambda: exchange.answer().whole)
        numbers = b"".join(b"%d," % number for number in range(50))
        assert exchange.answer().body == numbers + b"y" * 40_000
        assert exchange.ended() == ""

    def test_pieces_to_1_0_end_with_the_connection(self, exchange: Exchange) -> None:
        keep = ((b"Connection", b"keep-alive"),)
        request = exchange.start(nothing, headers=keep, version=(1, 0))
        assert request.chanRequest.persistent
        request.write(b"one")
        request.write(b"two")
        assert not request.chanRequest.persistent
        request.finish()
        exchange.until(lambda: exchange.ended() == "closed")
        assert exchange.answer().body == b"onetwo"

    @pytest.mark.parametrize(
        ("version", "option", "lasts"),
        [
            ((1, 1), b"x", True),
            ((1, 1), b"close", False),
            ((1, 0), b"x", False),
            ((1, 0), b"keep-alive", True),
        ],
    )
    def test_whether_the_connection_lasts(
        self, exchange: Exchange, version: tuple[int, int], option: bytes, lasts: bool
    ) -> None:
        headers = ((b"Connection", option),)
        request = exchange.start(nothing, headers=headers, version=version)
        request.write(b"all")
        assert request.chanRequest.persistent == lasts or version == (1, 0)
        request.finish()
        if not lasts:
            exchange.until(lambda: exchange.ended() == "closed")
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == b"all"

    def test_the_application_may_end_it(self, exchange: Exchange) -> None:
        request = exchange.start(nothing)
        request.setResponseHeader(b"Connection", b"close")
        request.write(b"last")
        request.finish()
        exchange.until(lambda: exchange.ended() == "closed")
        assert not request.chanRequest.persistent
        assert exchange.answer().body == b"last"

    @pytest.mark.parametrize(("method", "code"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
    def test_some_answers_have_no_body(self, exchange: Exchange, method: bytes, code: int) -> None:
        request = exchange.start(nothing, method)
        request.setResponseCode(code)
        request.write(b"dropped")
        request.write(b"too")
        request.finish()
        exchange.until(lambda: exchange.answer().whole)
        assert (exchange.answer().code, exchange.answer().body) == (code, b"")
        assert exchange.ended() == ""

    def test_a_length_is_kept(self, exchange: Exchange) -> None:
        request = exchange.start(nothing)
        request.setResponseHeader(b"Content-Length", b"4")
        request.write(b"abc")
        with pytest.raises(ValueError, match="1 are left"):
            request.write(b"de")
        request.write(b"d")
        with pytest.raises(ValueError, match="0 are left"):
            request.write(b"e")
        request.finish()
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == b"abcd"
        assert exchange.ended() == ""

    def test_too_short_a_body_costs_the_connection(
        self, exchange: Exchange, caplog: pytest.LogCaptureFixture
    ) -> None:
        request = exchange.start(nothing)
        request.setResponseHeader(b"Content-Length", b"4")
        request.write(b"abc")
        request.finish()
        exchange.until(lambda: exchange.ended() == "closed")
        assert [each.getMessage() for each in caplog.records if "1 bytes short" in each.message]
        assert not request.chanRequest.persistent

    @pytest.mark.parametrize("data", ["text", 5, None])
    def test_what_is_not_bytes_is_refused(self, exchange: Exchange, data: Any) -> None:
        carrier = exchange.start(nothing).chanRequest
        carrier.writeHeaders(200, Headers())
        with pytest.raises(TypeError, match="bytes"):
            carrier.write(data)
        carrier.write(bytearray(b"fi"))
        carrier.write(memoryview(b"ne"))
        carrier.finish()
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == b"fine"

    def test_all_at_once(self, exchange: Exchange) -> None:
        carrier = exchange.start(nothing).chanRequest
        carrier.writeResponse(404, Headers(rawHeaders={b"X": [b"y"]}), b"nothing here", b"Gone")
        exchange.until(lambda: exchange.answer().whole)
        answer = exchange.answer()
        assert (answer.code, answer.reason, answer.body) == (404, b"Gone", b"nothing here")
        assert answer.fields == {b"x": b"y"}

    def test_a_length_beside_the_fields(self, exchange: Exchange) -> None:
        carrier = exchange.start(nothing).chanRequest
        carrier.writeHeaders(200, Headers(), None, 4)
        with pytest.raises(ValueError, match="4 are left"):
            carrier.write(b"abcde")
        carrier.write(b"abcd")
        carrier.finish()
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == b"abcd"
        assert exchange.ended() == ""

    @pytest.mark.parametrize("size", [5, 300_000])
    def test_a_file_is_all_of_it(self, exchange: Exchange, size: int) -> None:
        request = exchange.start(nothing)
        with TemporaryFile(buffering=0) as file:
            file.write(b"before" + b"x" * size + b"behind")
            request.finishWithFile(file, 6, size)
            exchange.until(lambda: exchange.answer().whole)
            assert exchange.answer().body == b"x" * size
            exchange.until(lambda: file.closed)
        assert exchange.ended() == ""

    def test_a_file_of_another_kind(self, exchange: Exchange) -> None:
        request, file = exchange.start(nothing), BytesIO(b"before" + b"x" * 300_000)
        request.finishWithFile(file, 6, 299_999)
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == b"x" * 299_999
        exchange.until(lambda: file.closed)

    def test_a_file_that_is_asked_for_its_length(self, exchange: Exchange) -> None:
        request, file = exchange.start(nothing, b"HEAD"), BytesIO()
        request.finishWithFile(file, 0, 300)
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == b""
        assert request.getResponseHeader(b"Content-Length") == b"300"
        exchange.until(lambda: file.closed)

    def test_a_file_that_ends_too_early(
        self, exchange: Exchange, caplog: pytest.LogCaptureFixture
    ) -> None:
        request = exchange.start(nothing)
        with TemporaryFile(buffering=0) as file:
            file.write(b"abc")
            request.finishWithFile(file, 0, 4)
            exchange.until(lambda: exchange.ended() == "closed")
            exchange.until(lambda: file.closed)
        assert [each.getMessage() for each in caplog.records if "1 bytes short" in each.message]

    def test_a_file_behind_something_else(self, exchange: Exchange) -> None:
        request, file = exchange.start(nothing), BytesIO(b"x")
        request.write(b"first")
        with pytest.raises(RuntimeError, match="before"):
            request.finishWithFile(file, 0, 1)
        request.finish()
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == b"first"
        assert not file.closed

    def test_a_file(self, exchange: Exchange) -> None:
        data = bytes(range(256)) * 2000
        request = exchange.start(nothing)
        sent: list[Any] = []
        request.writeFile(BytesIO(b"before" + data)).addBoth(sent.append)
        exchange.until(lambda: sent)
        request.finish()
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == b"before" + data
        assert sent == [6 + len(data)]

    def test_a_file_of_the_system(self, exchange: Exchange) -> None:
        data = bytes(range(256)) * 2000
        with TemporaryFile() as file:
            file.write(data)
            file.seek(100)
            request = exchange.start(nothing)
            request.setResponseHeader(b"Content-Length", b"1000")
            sent: list[Any] = []
            request.writeFile(file, 1000).addBoth(sent.append)
            exchange.until(lambda: sent)
        request.finish()
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == data[100:1100]
        assert sent == [1000]

    def test_some_of_a_file(self, exchange: Exchange) -> None:
        request = exchange.start(nothing)
        file = BytesIO(b"0123456789")
        file.seek(2)
        request.writeFile(file, 5).addBoth(lambda _: request.finish())
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == b"23456"
