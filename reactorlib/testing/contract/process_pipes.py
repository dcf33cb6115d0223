"""A child's pipes and its terminal: data both ways, pressure both ways, ends in any order."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import termios
from collections.abc import Callable
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib.interfaces import IConsumer, IProcessProtocol, IProcessTransport, IPushProducer
from reactorlib.testing.contract.process_base import Child, ProcessParts
from reactorlib.testing.contract.tcp_peers import Producer

Spawn = Callable[..., Child]

PLENTY = bytes(range(256)) * 4000


class PullProducer:
    """Writes so many pieces, one each time it is asked."""

    def __init__(self, consumer: Any, pieces: int) -> None:
        self.consumer = consumer
        self.left = pieces

    def resumeProducing(self) -> None:
        self.left -= 1
        self.consumer.write(b"x" * 10_000)
        if self.left == 0:
            self.consumer.unregisterProducer()
            self.consumer.closeStdin()

    def stopProducing(self) -> None:
        raise AssertionError("it was let go")


class PipesContract(ProcessParts):
    """Standard input, output and error, and other pipes."""

    def test_it_provides_its_interfaces(self, reactor: Any, spawn: Spawn) -> None:
        for terminal in (False, True):
            child = spawn("sleep", "1000", usePTY=terminal)
            for interface in (IProcessTransport, IConsumer, IPushProducer):
                assert verifyObject(interface, child.transport)
            assert verifyObject(IProcessProtocol, child)
            assert str(child.transport.pid) in repr(child.transport)

    def test_much_goes_through_it_whole(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sh", "-c", "tee /dev/stderr")
        child.transport.writeSequence([PLENTY[:100], PLENTY[100:]])
        child.transport.closeStdin()
        self.until_ended(reactor, child)
        assert child.output == child.errors == PLENTY

    def test_other_descriptors(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn(
            "sh",
            "-c",
            "cat <&3 >&4; echo five >&5; cat <&7 >&4",
            childFDs={3: "w", 4: "r", 5: "r", 7: "w"},
        )
        child.transport.writeToChild(3, b"three ")
        child.transport.closeChildFD(3)
        child.transport.writeToChild(7, b"seven")
        child.transport.closeChildFD(7)
        for number in (0, 4, 6, 100):
            with pytest.raises(KeyError):
                child.transport.writeToChild(number, b"")
        self.until_ended(reactor, child)
        assert child.written == {4: b"three seven", 5: b"five\n"}
        assert sorted(child.lost) == [3, 4, 5, 7]

    def test_a_child_without_pipes(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sh", "-c", "exit 9", childFDs={})
        child.transport.write(b"for nobody")
        child.transport.writeSequence([b"for nobody"])
        producer = Producer()
        child.transport.registerProducer(producer, True)
        child.transport.unregisterProducer()
        child.transport.closeChildFD(1)
        child.transport.loseConnection()
        child.transport.pauseProducing()
        child.transport.resumeProducing()
        self.until_ended(reactor, child)
        assert producer.calls == ["stop"]
        assert child.told == ["made", "exited", "ended"]

    # Ends

    def test_it_closes_its_output_early(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sh", "-c", "exec >&-; read line; exit 3")
        self.turn_until(reactor, lambda: child.lost)
        assert child.told == ["made", 1]
        child.transport.write(b"go on\n")
        self.until_ended(reactor, child)
        assert child.result == (3, None)

    def test_it_closes_its_input_early(self, reactor: Any, spawn: Spawn) -> None:
        """Even with nothing to write, that is told; what is written then is dropped."""
        child = spawn("sh", "-c", "exec sleep 1000 <&-")
        self.turn_until(reactor, lambda: child.lost)
        assert child.told == ["made", 0]
        child.transport.write(b"for nobody")
        child.transport.writeToChild(0, b"for nobody")
        child.transport.closeStdin()
        producer = Producer()
        child.transport.registerProducer(producer, True)
        assert producer.calls == ["stop"]

    def test_a_grandchild_holds_its_pipes(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sh", "-c", "sleep 1000 & echo $!; exit 3")
        self.turn_until(reactor, lambda: "exited" in child.told and child.output.endswith(b"\n"))
        reactor.iterate(0.01)
        assert "ended" not in child.told
        os.kill(int(child.output), signal.SIGKILL)
        self.until_ended(reactor, child)
        assert child.result == (3, None)

    def test_we_close_all_pipes(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sh", "-c", "trap '' PIPE; cat; while echo x; do :; done; exit 3")
        child.transport.stopProducing()
        assert child.lost == []
        self.until_ended(reactor, child)
        assert child.output == b""
        assert child.result == (3, None)

    @pytest.mark.parametrize(("close", "number"), [("closeStdout", 1), ("closeStderr", 2)])
    def test_we_close_one(self, reactor: Any, spawn: Spawn, close: str, number: int) -> None:
        child = spawn("cat")
        getattr(child.transport, close)()
        self.turn_until(reactor, lambda: child.lost)
        assert child.lost == [number]

    # Pressure

    def test_a_child_that_does_not_read_pauses_the_producer(
        self, reactor: Any, spawn: Spawn
    ) -> None:
        child = spawn("sleep", "1000")
        stdin = child.transport.pipes[0]
        producer = Producer()
        child.transport.registerProducer(producer, True)
        stdin.setWriteBufferLimits(1000)
        child.transport.write(b"x" * 10_000)
        reactor.iterate()
        assert producer.calls == ["pause", "resume"]  # the kernel has taken it all
        child.transport.write(bytes(1_000_000))
        reactor.iterate(0.01)
        assert producer.calls == ["pause", "resume", "pause"]
        assert stdin.bufferedBytes > 900_000
        child.transport.signalProcess("KILL")
        self.until_ended(reactor, child)
        assert producer.calls == ["pause", "resume", "pause", "stop"]

    def test_a_child_that_reads_again_resumes_it(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sh", "-c", "kill -STOP $$; exec cat >/dev/null")
        producer = Producer()
        child.transport.registerProducer(producer, True)
        child.transport.write(bytes(1_000_000))
        reactor.iterate(0.01)
        assert producer.calls == ["pause"]
        child.transport.closeStdin()
        self.wake_when_stopped(child)
        self.turn_until(reactor, lambda: producer.calls[1:])
        assert producer.calls == ["pause", "resume"]
        assert 0 not in child.lost
        child.transport.unregisterProducer()
        self.until_ended(reactor, child)
        assert child.result == (0, None)

    def test_any_descriptor_has_its_own_pressure(self, reactor: Any, spawn: Spawn) -> None:
        script = "kill -STOP $$; cat <&7 >/dev/null; exec cat <&3 >/dev/null"
        child = spawn("sh", "-c", script, childFDs={3: "w", 7: "w"})
        full, free = Producer(), Producer()
        child.transport.pipes[3].registerProducer(full, True)
        child.transport.pipes[7].registerProducer(free, True)
        child.transport.writeToChild(3, bytes(1_000_000))
        child.transport.writeToChild(7, b"little")
        reactor.iterate(0.01)
        assert (full.calls, free.calls) == (["pause"], [])
        child.transport.pipes[7].unregisterProducer()
        child.transport.closeChildFD(7)
        self.wake_when_stopped(child)
        self.turn_until(reactor, lambda: full.calls[1:])
        assert (full.calls, free.calls) == (["pause", "resume"], [])
        child.transport.pipes[3].unregisterProducer()
        child.transport.closeChildFD(3)
        self.until_ended(reactor, child)
        assert child.result == (0, None)

    def wake_when_stopped(self, child: Child) -> None:
        """Let a child go on once it has stopped itself."""
        os.waitid(os.P_PID, child.transport.pid, os.WSTOPPED)
        child.transport.signalProcess(signal.SIGCONT)

    def test_a_pull_producer(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("wc", "-c")
        child.transport.registerProducer(PullProducer(child.transport, 50), False)
        self.until_ended(reactor, child)
        assert int(child.output) == 500_000

    def test_a_pause_stops_the_child(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sh", "-c", "while echo xxxxxxx >&2; do echo yyyyyyy; done")
        self.turn_until(reactor, lambda: child.output and child.errors)
        child.transport.pauseProducing()
        reactor.iterate()
        before = dict(child.written)
        reactor.iterate(0.05)
        reactor.iterate(0.05)
        assert child.written == before
        child.transport.resumeProducing()
        wanted = len(before[1]) + 500_000
        self.turn_until(reactor, lambda: len(child.output) > wanted and len(child.errors) > wanted)
        assert set(child.output.split(b"\n")[:-1]) == {b"yyyyyyy"}

    # Terminals

    def test_it_sees_a_terminal_that_is_its_own(self, reactor: Any, spawn: Spawn) -> None:
        script = "tty && tty <&1 && tty <&2 && read line </dev/tty && echo got $line; exit 4"
        child = spawn("sh", "-c", script, usePTY=True)
        child.transport.write(b"typed\n")
        self.until_ended(reactor, child)
        lines = [line for line in child.output.split(b"\r\n") if line != b"typed"]
        assert len(set(lines[:3])) == 1
        assert lines[0].startswith(b"/dev/")
        assert lines[3:] == [b"got typed", b""]
        assert child.lost == [1]
        assert child.result == (4, None)
        assert child.errors == b""

    def test_it_leads_a_session(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sleep", "1000", usePTY=True)
        pid = child.transport.pid
        assert os.getsid(pid) == os.getpgid(pid) == pid
        other = spawn("sleep", "1000")
        assert os.getsid(other.transport.pid) == os.getsid(0)

    def test_much_goes_through_a_terminal_whole(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sh", "-c", "stty raw -echo; echo ready; exec head -c 300000", usePTY=True)
        self.turn_until(reactor, lambda: child.output.startswith(b"ready\n"))
        child.transport.write(PLENTY[:300_000])
        self.until_ended(reactor, child)
        assert child.output == b"ready\n" + PLENTY[:300_000]

    def test_a_terminal_can_be_paused(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sh", "-c", "echo said", usePTY=True)
        child.transport.pauseProducing()
        self.turn_until(reactor, lambda: "exited" in child.told)
        assert child.output == b""
        child.transport.resumeProducing()
        self.until_ended(reactor, child)
        assert child.output == b"said\r\n"

    def test_a_terminal_has_no_parts_to_close(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sh", "-c", "read line", usePTY=True)
        child.transport.closeStdin()
        child.transport.closeStdout()
        child.transport.closeStderr()
        reactor.iterate(0.01)
        assert child.lost == []
        child.transport.writeToChild(0, b"\n")
        self.until_ended(reactor, child)
        assert child.lost == [1]
        assert child.result == (0, None)

    def test_to_hang_up_ends_it(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sleep", "1000", usePTY=True)
        child.transport.loseConnection()
        self.until_ended(reactor, child)
        assert child.result == (None, signal.SIGHUP)
        assert child.transport.fileno() == -1

    def test_a_terminal_has_a_size(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sh", "-c", "read line; stty size", usePTY=True)
        size = struct.pack("HHHH", 33, 99, 0, 0)
        fcntl.ioctl(child.transport.fileno(), termios.TIOCSWINSZ, size)
        child.transport.write(b"\n")
        self.until_ended(reactor, child)
        assert child.output.endswith(b"33 99\r\n")

    def test_a_terminal_that_exists(self, reactor: Any, spawn: Spawn) -> None:
        master, slave = os.openpty()
        name = os.ttyname(slave).encode()
        child = spawn("tty", usePTY=(master, slave, name))
        assert child.transport.fileno() == master
        self.until_ended(reactor, child)
        assert child.output == name + b"\r\n"

    def test_a_terminal_that_exists_stays_its_owners_if_nothing_starts(self, spawn: Spawn) -> None:
        ends = os.openpty()
        with pytest.raises(FileNotFoundError):
            spawn("/no/such/program", usePTY=(*ends, "name"))
        for descriptor in ends:
            os.close(descriptor)

    def test_a_terminal_and_other_descriptors_are_refused(self, spawn: Spawn) -> None:
        with pytest.raises(ValueError, match="childFDs"):
            spawn("true", usePTY=True, childFDs={0: "w"})
