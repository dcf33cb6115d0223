"""IReactorFDSet: how the watch of a descriptor ends."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib import error
from reactorlib.testing.contract.base import ContractBase, LoggedErrors, Pairs
from reactorlib.testing.contract.channel import Channel, receive


def fail(channel: Channel) -> None:
    """An action with a fault."""
    raise ZeroDivisionError


class DescriptorEndsContract(ContractBase):
    """connectionLost comes once, for the right reason, and disturbs nobody else."""

    @pytest.mark.parametrize("role", ["Reader", "Writer"])
    def test_a_fault_ends_the_watch_and_is_logged_once(
        self, reactor: Any, pairs: Pairs, logged_errors: LoggedErrors, role: str
    ) -> None:
        ours, theirs = pairs()
        theirs.send(b"x")
        channel = Channel(ours, on_read=fail, on_write=fail)
        getattr(reactor, f"add{role}")(channel)
        self.turn_until(reactor, lambda: channel.lost)
        reactor.iterate()
        assert [reason.type for reason in channel.lost] == [ZeroDivisionError]
        assert len(logged_errors.take(ZeroDivisionError)) == 1
        assert reactor.getReaders() == reactor.getWriters() == []

    @pytest.mark.parametrize("removes_itself", [False, True])
    @pytest.mark.parametrize("raises", [False, True])
    def test_connectionLost_comes_once_for_what_ends_the_watch(
        self,
        reactor: Any,
        pairs: Pairs,
        logged_errors: LoggedErrors,
        raises: bool,
        removes_itself: bool,
    ) -> None:
        reason = error.ConnectionDone()

        def end(channel: Channel) -> object:
            if removes_itself:
                reactor.removeReader(channel)
                reactor.removeWriter(channel)
                reactor.addReader(channel)
            if raises:
                raise reason
            return reason

        ours, theirs = pairs()
        theirs.send(b"x")
        channel = Channel(ours, on_read=end)
        reactor.addReader(channel)
        reactor.addWriter(channel)
        self.turn_until(reactor, lambda: channel.lost)
        reactor.iterate()
        assert [lost.value for lost in channel.lost] == [reason]
        assert reactor.removeAll() == []
        assert len(logged_errors.take()) == raises

    @pytest.mark.parametrize("raises", [False, True])
    def test_a_fault_in_connectionLost_is_logged_and_not_repeated(
        self, reactor: Any, pairs: Pairs, logged_errors: LoggedErrors, raises: bool
    ) -> None:
        def end(channel: Channel) -> object:
            if raises:
                raise KeyError
            return error.ConnectionDone()

        ours, theirs = pairs()
        theirs.send(b"x")
        channel = Channel(ours, on_read=end, on_lost=fail)
        reactor.addReader(channel)
        self.turn_until(reactor, lambda: channel.lost)
        reactor.iterate()
        assert len(channel.lost) == 1
        assert len(logged_errors.take(ZeroDivisionError)) == 1
        assert len(logged_errors.take(KeyError)) == raises

    def test_who_forgets_its_descriptor_is_told(self, reactor: Any, pairs: Pairs) -> None:
        ours, theirs = pairs()
        channel = Channel(ours)
        reactor.addReader(channel)
        channel.number = -1
        theirs.send(b"x")
        self.turn_until(reactor, lambda: channel.lost)
        assert channel.lost[0].check(error.ConnectionFdescWentAway)
        assert channel.reads == 0
        assert reactor.getReaders() == []

    def test_a_number_closed_unannounced_serves_its_next_owner(
        self, reactor: Any, pairs: Pairs
    ) -> None:
        ours, _ = pairs()
        silent = Channel(ours)
        reactor.addReader(silent)
        ours.close()
        ours, theirs = pairs()
        heir = Channel(ours, on_read=receive)
        assert heir.number == silent.number
        reactor.addReader(heir)
        theirs.send(b"x")
        self.turn_until(reactor, lambda: heir.reads and silent.lost)
        reactor.iterate()
        assert (heir.reads, silent.reads) == (1, 0)
        assert silent.lost[0].check(error.ConnectionFdescWentAway)
        assert reactor.removeAll() == [heir]

    def test_an_object_may_come_back_with_another_descriptor(
        self, reactor: Any, pairs: Pairs
    ) -> None:
        ours, _ = pairs()
        channel = Channel(ours, on_read=receive)
        reactor.addReader(channel)
        replacement, theirs = pairs()
        ours.close()
        replacement.setblocking(False)
        channel.sock, channel.number = replacement, replacement.fileno()
        reactor.addReader(channel)
        theirs.send(b"x")
        self.turn_until(reactor, lambda: channel.reads)
        assert channel.lost == []
        assert reactor.removeAll() == [channel]

    def test_a_descriptor_closed_after_removal_disturbs_nobody(
        self, reactor: Any, pairs: Pairs
    ) -> None:
        gone, heirs = pairs(), pairs()
        channel, other = Channel(gone[0]), Channel(heirs[0], on_read=receive)
        reactor.addReader(channel)
        reactor.addReader(other)
        gone[0].close()
        reactor.removeReader(channel)
        heirs[1].send(b"x")
        self.turn_until(reactor, lambda: other.reads)
        assert channel.lost == []
        reactor.removeReader(other)

    def test_the_end_of_a_run_ends_every_watch_once(self, reactor: Any, pairs: Pairs) -> None:
        channel = Channel(pairs()[0])
        reactor.addReader(channel)
        reactor.addWriter(channel)
        reactor.callLater(0, reactor.stop)
        self.run_guarded(reactor)
        assert [reason.type for reason in channel.lost] == [error.ConnectionLost]
        assert reactor.removeAll() == []

    def test_who_cannot_tell_its_descriptor_is_ended(
        self, reactor: Any, pairs: Pairs, logged_errors: LoggedErrors
    ) -> None:
        """A closed file object raises when it is asked."""

        class Closed(Channel):
            def fileno(self) -> int:
                if self.number < 0:
                    raise ValueError("I/O operation on closed file")
                return self.number

        ours, theirs = pairs()
        channel = Closed(ours)
        reactor.addReader(channel)
        channel.number = -1
        theirs.send(b"x")
        self.turn_until(reactor, lambda: channel.lost)
        reactor.iterate()
        assert [reason.type for reason in channel.lost] == [ValueError]
        assert len(logged_errors.take(ValueError)) == 1

    def test_a_slow_reader_is_named(
        self, reactor: Any, pairs: Pairs, caplog: pytest.LogCaptureFixture
    ) -> None:
        reactor.slowCallbackThreshold = 0.0
        ours, theirs = pairs()
        channel = Channel(ours, on_read=receive)
        reactor.addReader(channel)
        theirs.send(b"x")
        self.turn_until(reactor, lambda: channel.reads)
        assert any("doRead of" in message and "Channel" in message for message in caplog.messages)
        reactor.removeReader(channel)
