"""Gathering what a batch of strings makes a protocol send: nobody may see a difference."""

from __future__ import annotations

import pytest

from reactorlib.backends import open_engine
from reactorlib.posixbase import Reactor
from reactorlib.protocol import Factory, Protocol
from reactorlib.protocols.basic import LineReceiver
from reactorlib.testing import AccumulatingProtocol, StringTransport

BATCH = b"".join(b"%d\r\n" % number for number in range(10))


class Lines(LineReceiver):
    def __init__(self, answer):
        self.answer = answer

    def lineReceived(self, line):
        self.answer(self, line)


def answered(answer, data=BATCH):
    protocol, transport = Lines(answer), StringTransport()
    protocol.makeConnection(transport)
    protocol.dataReceived(data)
    return protocol, transport


def test_a_direct_write_keeps_its_place():
    def answer(protocol, line):
        protocol.sendLine(b"line " + line)
        protocol.transport.write(b"raw " + line + b"\n")

    _, transport = answered(answer)
    expected = b"".join(b"line %d\r\nraw %d\n" % (n, n) for n in range(10))
    assert transport.value() == expected


def test_what_was_sent_before_a_close_leaves():
    def answer(protocol, line):
        protocol.sendLine(b"line " + line)
        if line == b"5":
            protocol.transport.loseConnection()

    _, transport = answered(answer)
    assert transport.value() == b"".join(b"line %d\r\n" % n for n in range(6))


def test_what_was_sent_before_an_exception_leaves():
    def answer(protocol, line):
        protocol.sendLine(line)
        if line == b"5":
            raise ZeroDivisionError

    protocol, transport = Lines(answer), StringTransport()
    protocol.makeConnection(transport)
    with pytest.raises(ZeroDivisionError):
        protocol.dataReceived(BATCH)
    assert transport.value() == b"".join(b"%d\r\n" % n for n in range(6))
    protocol.sendLine(b"afterwards")
    assert transport.value().endswith(b"5\r\nafterwards\r\n")


def test_a_count_of_what_is_buffered_includes_it():
    counts = []

    def answer(protocol, line):
        protocol.sendLine(b"x" * 98)
        counts.append(protocol.transport.bufferedBytes)

    _, transport = answered(answer)
    assert len(transport.value()) == 1000
    assert len(set(counts)) in (1, 10)  # as the transport sends at once, or keeps


def test_messages_are_counted_one_by_one_when_congestion_is_monitored():
    told = []

    def answer(protocol, line):
        if line == b"5":
            protocol.transport.monitorCongestion(lambda status, pending: told.append(pending))
        protocol.sendLine(line)

    _, transport = answered(answer, b"".join(b"%d\r\n" % n for n in range(10)) * 30)
    assert transport.value() == BATCH * 30
    assert told in ([], [256, 0])  # as the transport sends at once, or keeps


def test_a_nested_turn_sends_what_was_gathered():
    """A protocol that waits for the answer to what it has just sent must get it."""
    reactor = Reactor(open_engine())
    heard = []

    class Asking(LineReceiver):
        def lineReceived(self, line):
            self.sendLine(b"question " + line)
            until = len(heard) + 1
            for _ in range(1000):
                if len(heard) >= until:
                    return
                reactor.iterate(0.05)

    class Client(Protocol):
        def connectionMade(self):
            self.transport.write(BATCH)

        def dataReceived(self, data):
            heard.extend(data.splitlines())

    try:
        factory = Factory.forProtocol(Asking)
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        client = AccumulatingClientFactory(Client)
        reactor.connectTCP("127.0.0.1", port.getHost().port, client)
        for _ in range(1000):
            if len(heard) >= 10:
                break
            reactor.iterate(0.05)
        assert heard == [b"question %d" % number for number in range(10)]
    finally:
        reactor.close()


class AccumulatingClientFactory(Factory):
    """Connects one protocol class; nothing is to be told."""

    noisy = False

    def __init__(self, protocol):
        self.protocol = protocol

    def startedConnecting(self, connector):
        pass


def test_it_cannot_be_corked_twice_and_uncorking_is_harmless():
    transport = StringTransport()
    AccumulatingProtocol().makeConnection(transport)
    transport.uncork()
    gatherer = LineReceiver()
    assert transport.cork(gatherer)
    assert not transport.cork(gatherer)
    transport.uncork()
    assert transport.cork(gatherer)
