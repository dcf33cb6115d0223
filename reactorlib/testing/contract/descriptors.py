"""IReactorFDSet: descriptors that are read and written by somebody else."""

from __future__ import annotations

import os
from typing import Any

import pytest

from reactorlib import error
from reactorlib.testing.contract.base import ContractBase, Pairs
from reactorlib.testing.contract.channel import Channel, receive


class DescriptorsContract(ContractBase):
    """What every reactor does with addReader and addWriter."""

    # Readiness

    def test_reports_readable_while_there_is_input(self, reactor: Any, pairs: Pairs) -> None:
        ours, theirs = pairs()
        got: list[bytes] = []
        channel = Channel(ours, on_read=lambda _: got.append(ours.recv(2)))
        reactor.addReader(channel)
        reactor.iterate()
        assert channel.reads == 0
        theirs.send(b"abcd")
        self.turn_until(reactor, lambda: len(got) == 2)
        reactor.iterate()
        assert got == [b"ab", b"cd"]
        reactor.removeReader(channel)
        theirs.send(b"x")
        reactor.iterate()
        assert channel.reads == 2

    def test_reports_writable_while_there_is_room(self, reactor: Any, pairs: Pairs) -> None:
        ours, theirs = pairs()
        channel = Channel(ours, on_write=lambda _: ours.send(b"x" * 65536))
        reactor.addWriter(channel)
        quiet: list[int] = []
        reactor.iterate()
        while channel.writes not in quiet:
            quiet.append(channel.writes)
            reactor.iterate()
        theirs.recv(1 << 24)
        self.turn_until(reactor, lambda: channel.writes > quiet[-1])
        reactor.removeWriter(channel)
        full = channel.writes
        reactor.iterate()
        assert channel.writes == full

    def test_reads_pipes(self, reactor: Any) -> None:
        reading, writing = os.pipe()
        got: list[bytes] = []

        class End:
            def fileno(self) -> int:
                return reading

            def doRead(self) -> None:
                got.append(os.read(reading, 100))

            def connectionLost(self, reason: Any) -> None:
                raise AssertionError(reason)

        end = End()
        reactor.addReader(end)
        os.write(writing, b"hello")
        self.turn_until(reactor, lambda: got)
        os.close(writing)
        self.turn_until(reactor, lambda: len(got) == 2)  # the end is readable
        reactor.removeReader(end)
        os.close(reading)
        assert got == [b"hello", b""]

    def test_one_object_reads_and_writes(self, reactor: Any, pairs: Pairs) -> None:
        ours, theirs = pairs()
        channel = Channel(ours, on_read=receive, on_write=reactor.removeWriter)
        reactor.addReader(channel)
        reactor.addWriter(channel)
        theirs.send(b"x")
        self.turn_until(reactor, lambda: channel.reads and channel.writes)
        reactor.iterate()
        assert (channel.reads, channel.writes) == (1, 1)
        theirs.send(b"x")
        self.turn_until(reactor, lambda: channel.reads == 2)
        reactor.removeReader(channel)

    def test_wakes_a_waiting_turn(self, reactor: Any, pairs: Pairs) -> None:
        ours, theirs = pairs()
        channel = Channel(ours, on_read=receive)
        reactor.addReader(channel)
        theirs.send(b"x")
        reactor.iterate(self.patience)
        assert channel.reads == 1
        reactor.removeReader(channel)

    def test_many_are_all_served(self, reactor: Any, pairs: Pairs) -> None:
        channels = []
        for _ in range(200):
            ours, theirs = pairs()
            channels.append(Channel(ours, on_read=receive))
            reactor.addReader(channels[-1])
            theirs.send(b"x")
        self.turn_until(reactor, lambda: all(channel.reads for channel in channels))
        reactor.iterate()
        assert {channel.reads for channel in channels} == {1}
        reactor.removeAll()

    # What is watched

    def test_tells_what_is_watched(self, reactor: Any, pairs: Pairs) -> None:
        reader, writer, both = (Channel(pairs()[0]) for _ in range(3))
        for each in (reader, both, reader):
            reactor.addReader(each)
        for each in (writer, both):
            reactor.addWriter(each)
        assert set(reactor.getReaders()) == {reader, both}
        assert len(reactor.getReaders()) == 2
        assert set(reactor.getWriters()) == {writer, both}
        reactor.removeWriter(both)
        assert set(reactor.getReaders()) == {reader, both}
        removed = reactor.removeAll()
        assert len(removed) == 3
        assert set(removed) == {reader, writer, both}
        assert reactor.getReaders() == reactor.getWriters() == []
        assert reader.lost == writer.lost == both.lost == []

    def test_to_remove_what_was_not_added_is_no_error(self, reactor: Any, pairs: Pairs) -> None:
        channel = Channel(pairs()[0])
        reactor.removeReader(channel)
        reactor.removeWriter(channel)
        reactor.addReader(channel)
        reactor.removeWriter(channel)
        assert reactor.getReaders() == [channel]
        reactor.removeReader(channel)
        reactor.removeReader(channel)

    def test_equal_objects_are_two(self, reactor: Any, pairs: Pairs) -> None:
        class Equal(Channel):
            def __eq__(self, other: object) -> bool:
                return isinstance(other, Equal)

            __hash__ = None  # type: ignore[assignment]

        one, two = (Equal(pairs()[0]) for _ in range(2))
        reactor.addReader(one)
        reactor.addReader(two)
        assert len(reactor.getReaders()) == 2
        reactor.removeReader(one)
        assert reactor.getReaders()[0] is two
        reactor.removeReader(two)

    def test_without_a_descriptor_it_is_refused(self, reactor: Any, pairs: Pairs) -> None:
        channel = Channel(pairs()[0])
        channel.number = -1
        with pytest.raises(error.ConnectionFdescWentAway):
            reactor.addReader(channel)
        assert reactor.getReaders() == []

    def test_a_file_is_read_or_refused(self, reactor: Any, pairs: Pairs) -> None:
        """Regular files are always ready; some kernels' interfaces take none."""
        channel = Channel(pairs()[0], on_read=reactor.removeReader)
        with open(__file__, "rb") as file:
            channel.number = file.fileno()
            try:
                reactor.addReader(channel)
            except OSError:
                assert reactor.getReaders() == []
            else:
                self.turn_until(reactor, lambda: channel.reads)

    # In the middle of a turn

    def test_who_is_removed_in_a_turn_is_left_alone_in_it(self, reactor: Any, pairs: Pairs) -> None:
        channels: list[Channel] = []

        def remove_the_others(channel: Channel) -> None:
            receive(channel)
            for other in channels:
                if other is not channel:
                    reactor.removeReader(other)

        for _ in range(5):
            ours, theirs = pairs()
            channels.append(Channel(ours, on_read=remove_the_others))
            reactor.addReader(channels[-1])
            theirs.send(b"x")
        self.turn_until(reactor, lambda: any(channel.reads for channel in channels))
        reactor.iterate()
        assert sum(channel.reads for channel in channels) == 1
        assert len(reactor.removeAll()) == 1

    def test_a_number_given_out_again_in_a_turn_is_not_confused(
        self, reactor: Any, pairs: Pairs
    ) -> None:
        """Each one that is read closes the others, whose numbers new sockets take."""
        for _ in range(50):
            fresh: list[Channel] = []
            channels: list[Channel] = []

            def replace_the_others(
                channel: Channel, old: list[Channel] = channels, new: list[Channel] = fresh
            ) -> None:
                for other in old:
                    reactor.removeReader(other)
                    other.sock.close()
                for _ in old:
                    new.append(Channel(pairs()[0]))
                    reactor.addReader(new[-1])

            for _ in range(3):
                ours, theirs = pairs()
                channels.append(Channel(ours, on_read=replace_the_others))
                reactor.addReader(channels[-1])
                theirs.send(b"x")
            self.turn_until(reactor, fresh.copy)
            reactor.iterate()
            assert [channel.reads for channel in fresh] == [0, 0, 0]
            assert sum(channel.reads for channel in channels) == 1
            assert reactor.removeAll() == fresh

    def test_reader_may_stop_its_own_writing(self, reactor: Any, pairs: Pairs) -> None:
        ours, theirs = pairs()

        def read(channel: Channel) -> None:
            receive(channel)
            reactor.removeReader(channel)
            reactor.removeWriter(channel)

        channel = Channel(ours, on_read=read)
        theirs.send(b"x")
        reactor.addReader(channel)
        reactor.addWriter(channel)
        self.turn_until(reactor, lambda: channel.reads)
        written = channel.writes
        reactor.iterate()
        assert channel.writes == written

    def test_nested_turns_neither_lose_nor_double(self, reactor: Any, pairs: Pairs) -> None:
        got: list[bytes] = []

        def read(channel: Channel) -> None:
            got.append(channel.sock.recv(10))
            reactor.iterate()

        sent = [b"%d" % number for number in range(20)]
        for message in sent:
            ours, theirs = pairs()
            reactor.addReader(Channel(ours, on_read=read))
            theirs.send(message)
        self.turn_until(reactor, lambda: len(got) >= len(sent))
        reactor.iterate()
        assert sorted(got) == sorted(sent)
        assert {channel.reads for channel in reactor.removeAll()} == {1}

    def test_the_way_out_loses_no_event_of_the_turn(self, reactor: Any, pairs: Pairs) -> None:
        def leave(channel: Channel) -> None:
            receive(channel)
            raise SystemExit

        channels = []
        for _ in range(3):
            ours, theirs = pairs()
            channels.append(Channel(ours, on_read=leave))
            reactor.addReader(channels[-1])
            theirs.send(b"x")
        for _ in channels:
            with pytest.raises(SystemExit):
                self.run_guarded(reactor)
        assert [channel.reads for channel in channels] == [1, 1, 1]
        assert len(reactor.removeAll()) == 3
