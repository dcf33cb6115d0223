"""Endpoints on processes: programs to connect to, and this program's own input and output."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.backends import available
from reactorlib.endpoints import (
    InvalidEndpoint,
    ProcessEndpoint,
    StandardErrorBehavior,
    clientFromString,
    serverFromString,
)
from reactorlib.endpoints.process import ProcessAddress, ProcessStream
from reactorlib.interfaces import IAddress, ITransport
from reactorlib.testing.contract.tcp_peers import (
    Fault,
    HalfCloser,
    Net,
    Producer,
    Recorder,
    RecordingFactory,
    Refuser,
    raises,
)
from tests.deferreds import results_of
from tests.on_backends import OnEveryBackend

# Says what it reads in capitals, a line at a time, and ends with its input.
SHOUT = "import sys\nfor line in sys.stdin:\n    print(line.upper(), end='', flush=True)"


def python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


class TestProcess(OnEveryBackend):
    def connect(self, net: Net, program: str, build: Any = Recorder, **options: Any) -> Any:
        """The protocol of a connection to a Python program."""
        command = python(program)
        endpoint = ProcessEndpoint(net.reactor, command[0], command, env=None, **options)
        return self.run_until(net.reactor, endpoint.connect(RecordingFactory(build)))

    def test_a_conversation(self, net: Net) -> None:
        protocol = self.connect(net, SHOUT)
        transport = protocol.transport
        verifyObject(ITransport, transport)
        verifyObject(IAddress, transport.getPeer())
        assert transport.getPeer() == transport.getHost() == ProcessAddress()
        transport.write(b"hello\n")
        net.turn_until(lambda: protocol.received == b"HELLO\n")
        transport.writeSequence([b"one\n", b"two\n"])
        net.turn_until(lambda: protocol.received == b"HELLO\nONE\nTWO\n")
        transport.loseConnection()
        assert transport.disconnecting
        net.until_lost(protocol)
        assert protocol.reason.check(error.ProcessDone, error.ProcessTerminated)

    def test_the_end_of_its_output_is_the_end(self, net: Net) -> None:
        protocol = self.connect(net, "print('bye', end='')")
        net.until_lost(protocol)
        assert protocol.received == b"bye"
        assert protocol.reason.check(error.ProcessDone)

    def test_a_program_that_closes_its_output_is_left(self, net: Net) -> None:
        protocol = self.connect(net, "import os, sys\nos.close(1)\nsys.stdin.read()")
        net.until_lost(protocol)
        assert protocol.reason.check(error.ProcessDone)

    def test_it_is_left_whatever_a_producer_still_has(self, net: Net) -> None:
        producer = Producer()

        def register(protocol: Recorder) -> None:
            protocol.transport.registerProducer(producer, True)

        program = "import os, sys\nos.close(1)\nsys.stdin.read()"
        protocol = self.connect(net, program, lambda: Recorder(made=register))
        net.until_lost(protocol)
        assert protocol.reason.check(error.ProcessDone)
        assert producer.calls == ["stop"]

    def test_half_an_end(self, net: Net) -> None:
        protocol = self.connect(net, "import sys\nprint(sys.stdin.read() * 2, end='')", HalfCloser)
        protocol.transport.write(b"hello")
        protocol.transport.loseWriteConnection()
        net.until_lost(protocol)
        assert protocol.received == b"hellohello"
        assert protocol.calls == ["made", "write_lost", "data", "read_lost", "lost"]

    def test_its_failure_is_the_reason(self, net: Net) -> None:
        protocol = self.connect(net, "raise SystemExit(5)")
        net.until_lost(protocol)
        assert protocol.reason.value.exitCode == 5

    def test_aborting_kills(self, net: Net) -> None:
        protocol = self.connect(net, "import time\ntime.sleep(1000)")
        protocol.transport.abortConnection()
        net.until_lost(protocol)
        assert protocol.reason.value.signal == 9
        protocol.transport.abortConnection()

    def test_nothing_is_delivered_after_the_end(self, net: Net) -> None:
        def lose(protocol: Recorder, data: bytes) -> None:
            protocol.transport.loseConnection()

        endless = "import sys\nwhile True:\n    print('x' * 1000)"
        protocol = self.connect(net, endless, lambda: Recorder(data=lose))
        net.until_lost(protocol)
        assert protocol.calls == ["made", "data", "lost"]

    def test_a_producer(self, net: Net) -> None:
        protocol = self.connect(net, "import time\ntime.sleep(1000)")
        producer = Producer()
        protocol.transport.registerProducer(producer, True)
        protocol.transport.write(bytes(1_000_000))
        assert producer.calls == ["pause"]
        protocol.transport.abortConnection()
        net.until_lost(protocol)
        assert producer.calls == ["pause", "stop"]

    @pytest.mark.parametrize("flag", StandardErrorBehavior)
    def test_standard_error(self, net: Net, caplog: Any, flag: StandardErrorBehavior) -> None:
        caplog.set_level("INFO", logger="reactorlib")
        program = "import sys\nprint('mine', file=sys.stderr)"
        protocol = self.connect(net, program, errFlag=flag)
        net.until_lost(protocol)
        assert protocol.received == b""
        if flag is StandardErrorBehavior.LOG:  # the other pipe may be read after the end of this
            net.turn_until(lambda: "mine" in caplog.text)
        else:
            assert "mine" not in caplog.text

    def test_a_program_that_does_not_exist(self, net: Net) -> None:
        factory = RecordingFactory()
        connecting = ProcessEndpoint(net.reactor, "/no/such/program").connect(factory)
        with pytest.raises(FileNotFoundError, match="/no/such/program"):
            self.run_until(net.reactor, connecting)
        assert factory.protocols[0].calls == []

    def test_a_factory_that_makes_nothing(self, net: Net) -> None:
        connecting = ProcessEndpoint(net.reactor, "/no/such/program").connect(Refuser())
        with pytest.raises(error.NoProtocol):
            self.run_until(net.reactor, connecting)

    def test_a_protocol_that_raises(self, net: Net, logged_errors: Any) -> None:
        factory = RecordingFactory(lambda: Recorder(made=raises))
        connecting = ProcessEndpoint(net.reactor, sys.executable, python(SHOUT)).connect(factory)
        with pytest.raises(Fault):
            self.run_until(net.reactor, connecting)
        net.until_lost(*factory.protocols)
        assert len(logged_errors.take(Fault)) == 1

    def test_a_string(self, net: Net) -> None:
        connecting = clientFromString(net.reactor, r"process:printf:%s-%s:a\:b:c").connect(
            RecordingFactory()
        )
        protocol = self.run_until(net.reactor, connecting)
        net.until_lost(protocol)
        assert protocol.received == b"a:b-c"

    def test_no_environment_by_default(self, net: Net) -> None:
        connecting = ProcessEndpoint(net.reactor, "/usr/bin/env").connect(RecordingFactory())
        protocol = self.run_until(net.reactor, connecting)
        net.until_lost(protocol)
        assert protocol.received == b""

    def test_the_transport_has_what_the_process_has(self, net: Net) -> None:
        protocol = self.connect(net, SHOUT)
        transport: ProcessStream = protocol.transport
        assert transport.pid > 0
        assert transport.reactor is net.reactor
        with pytest.raises(AttributeError):
            transport.nonsense  # noqa: B018
        transport.loseConnection()
        net.until_lost(protocol)


@pytest.mark.parametrize("backend", available())
def test_standard_input_and_output(backend: str) -> None:
    program = """
from reactorlib import reactor
from reactorlib.endpoints import serverFromString
from reactorlib.protocol import Factory, Protocol

class Shout(Protocol):
    def dataReceived(self, data):
        self.transport.write(data.upper())

    def connectionLost(self, reason):
        self.factory.ended = True
        reactor.stop()

serverFromString(reactor, "stdio").listen(Factory.forProtocol(Shout))
reactor.run()
"""
    done = subprocess.run(
        python(program),
        input=b"hello",
        capture_output=True,
        timeout=30,
        env={**os.environ, "REACTORLIB_REACTOR": backend},
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"HELLO", b"")


def test_a_factory_that_refuses_standard_input_and_output() -> None:
    listening = serverFromString(object(), "stdio").listen(Refuser())
    with pytest.raises(error.NoProtocol, match="Refuser"):
        raise results_of(listening)[0]


def test_stdio_has_no_fields() -> None:
    with pytest.raises(InvalidEndpoint, match="too many positional"):
        serverFromString(object(), "stdio:0")
