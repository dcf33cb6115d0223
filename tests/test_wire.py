"""The small services, on a simulated network."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from reactorlib.protocol import Protocol
from reactorlib.protocols import wire
from reactorlib.protocols.wire import QOTD, Chargen, Daytime, Discard, Echo, Time, Who
from reactorlib.testing import AccumulatingProtocol, Link, StringTransport


def talk(service: Any, *, seed: int = 1) -> tuple[Link, AccumulatingProtocol]:
    """A client of a service on a simulated network."""
    client = AccumulatingProtocol()
    link = Link(seed)
    link.connect(client, service)
    return link, client


def answer(service: Any) -> bytes:
    """What a service says before it closes, though the client says something, too."""
    link, client = talk(service)
    client.transport.write(b"anything")
    link.run()
    assert client.closed
    return client.data


def test_echo() -> None:
    link, client = talk(Echo())
    client.transport.write(b"hello")
    link.run()
    assert client.data == b"hello"


def test_echo_does_not_read_from_who_does_not_read() -> None:
    echo = Echo()
    link, client = talk(echo)
    client.transport.pauseProducing()
    client.transport.write(b"x" * 1_000_000)
    link.run()
    assert not echo.transport.receiving
    assert echo.transport.bufferedBytes < 200_000
    client.transport.resumeProducing()
    link.run()
    assert len(client.data) == 1_000_000


def test_discard() -> None:
    link, client = talk(Discard())
    client.transport.write(b"x" * 100_000)
    link.run()
    assert client.data == b""
    assert not client.closed
    assert client.transport.bufferedBytes == 0


class TestChargen:
    def test_the_pattern_of_the_rfc(self) -> None:
        transport = StringTransport()
        chargen = Chargen()
        chargen.makeConnection(transport)
        assert transport.streaming is False
        transport.producer.resumeProducing()
        transport.producer.resumeProducing()
        lines = transport.value().split(b"\r\n")
        assert lines.pop() == b""
        printing = bytes(range(32, 127))
        assert lines[0] == printing[:72]
        assert lines[1] == printing[1:73]
        assert lines[94] == printing[94:] + printing[:71]
        assert lines[95:190] == lines[:95]
        assert {len(line) for line in lines} == {72}
        assert lines == lines[:95] * (len(lines) // 95)

    def test_it_sends_as_fast_as_it_is_read_and_no_faster(self) -> None:
        chargen = Chargen()
        client = AccumulatingProtocol()
        link = Link(2, bandwidth=1_000_000, delay=0.01)
        link.connect(client, chargen)
        link.advance(1)
        assert 500_000 < len(client.data) <= 1_000_000
        client.transport.pauseProducing()
        link.advance(1)
        arrived = len(client.data)
        assert chargen.transport.bufferedBytes <= len(Chargen.noise)
        link.advance(10)
        assert len(client.data) == arrived
        client.transport.resumeProducing()
        link.advance(1)
        assert len(client.data) > arrived

    @pytest.mark.parametrize("who", ["client", "server"])
    def test_either_may_end_it(self, who: str) -> None:
        ended = []

        class Told(Chargen):
            def connectionLost(self, reason: Any = None) -> None:
                ended.append(reason)

        chargen = Told()
        link, client = talk(chargen)
        link.advance(0.5)
        (client if who == "client" else chargen).transport.loseConnection()
        link.run()
        assert len(ended) == 1
        assert client.closed


def test_the_quote_of_the_day() -> None:
    class Mine(QOTD):
        def getQuote(self) -> bytes:
            return b"To be or not to be.\r\n"

    assert answer(Mine()) == b"To be or not to be.\r\n"
    assert answer(QOTD()).endswith(b".\r\n")


def test_who_is_there() -> None:
    class Mine(Who):
        def getUsers(self) -> bytes:
            return b"alice\r\nbob\r\n"

    assert answer(Mine()) == b"alice\r\nbob\r\n"
    assert answer(Who()) == b"root\r\n"


def test_the_base_has_no_answer() -> None:
    with pytest.raises(NotImplementedError):
        wire._Answer().makeConnection(StringTransport())


class TestTimes:
    @pytest.fixture
    def now(self, monkeypatch: pytest.MonkeyPatch) -> list[float]:
        now = [1_000_000_000.9]
        gmtime = time.gmtime
        monkeypatch.setattr(time, "time", lambda: now[0])
        monkeypatch.setattr(time, "gmtime", lambda: gmtime(now[0]))
        return now

    def test_daytime(self, now: list[float]) -> None:
        assert answer(Daytime()) == b"Sun Sep  9 01:46:40 2001 UTC\r\n"

    def test_daytime_now(self) -> None:
        assert re.fullmatch(rb"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} UTC\r\n", answer(Daytime()))

    @pytest.mark.parametrize(
        ("seconds", "number"),
        [
            (0, 2_208_988_800),
            (-2_208_988_800, 0),
            # The examples of RFC 868.
            (2_398_291_200 - 2_208_988_800, 2_398_291_200),
            (2_524_521_600 - 2_208_988_800, 2_524_521_600),
            (2**32 - 2_208_988_800 + 5.5, 5),
        ],
    )
    def test_time(self, now: list[float], seconds: float, number: int) -> None:
        now[0] = seconds
        assert int.from_bytes(answer(Time()), "big") == number
        assert len(answer(Time())) == 4


def test_every_service_is_a_protocol() -> None:
    for name in wire.__all__:
        assert issubclass(getattr(wire, name), Protocol)
