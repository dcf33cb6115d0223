"""The reading side of an engine's streams, and connects."""

from __future__ import annotations

import random
import socket
from errno import ECONNABORTED, ECONNREFUSED, ECONNRESET

from reactorlib.backends.events import (
    CONNECTED,
    DATA,
    EOF,
    LOST,
    NOTIFY_EMPTIED,
    NOTIFY_EOF,
    SHUT,
    STREAM,
)
from reactorlib.testing.contract.engine_base import EngineParts, pattern, reset
from reactorlib.testing.contract.engine_driver import LOOPBACK, EngineDriver, Handle


class EngineStreams(EngineParts):
    """Data comes whole and in order, ends are told once, a pause holds."""

    def test_a_connection_from_its_start_to_its_end(self, driver: EngineDriver) -> None:
        listener, address = driver.listener()
        client = driver.connecting(address)
        driver.until(lambda: client.count(CONNECTED) and listener.accepted)
        server = listener.accepted[0]
        assert client.write(b"question") == 0
        driver.until(lambda: server.received == b"question")
        assert server.write(b"answer") == 0
        driver.until(lambda: client.received == b"answer")
        client.lose()
        driver.until_lost(client, server)
        assert (client.lost, server.lost) == (0, 0)
        counters = driver.engine.counters()
        assert counters["accepted"] == 1
        assert counters["received"] == counters["sent"] == len(b"questionanswer")
        driver.until(lambda: driver.engine.counters()["open"] == 1)

    def test_data_comes_whole_and_in_order(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        data = pattern(3_000_000)
        chance = random.Random(1)
        done = 0
        while done < len(data):
            part = data[done : done + chance.choice([1, 100, 5_000, 200_000])]
            done += driver.send_some(peer, part)
            driver.turn()
        driver.until_received(handle, len(data))
        assert handle.received == data
        assert driver.engine.counters()["received"] == len(data)

    def test_one_turn_reads_no_connection_twice(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        driver.send_some(peer, bytes(1 << 20))
        while True:
            before = handle.count(DATA)
            if driver.turn(0.05) == 0:
                break
            assert handle.count(DATA) - before <= 1

    def test_many_full_connections_are_all_served(self, driver: EngineDriver) -> None:
        pairs = [driver.connection() for _ in range(100)]
        data = pattern(80_000)
        sent = [0] * len(pairs)
        while any(len(handle.received) < len(data) for handle, _ in pairs):
            for index, (_, peer) in enumerate(pairs):
                sent[index] += driver.send_some(peer, data[sent[index] :])
            driver.turn(0.01)
        assert all(handle.received == data for handle, _ in pairs)

    def test_none_of_many_floods_is_starved(self, driver: EngineDriver) -> None:
        pairs = [driver.connection() for _ in range(30)]
        junk = bytes(1 << 17)
        last = {handle.number: 0 for handle, _ in pairs}
        for turn in range(80):
            for handle, peer in pairs:
                driver.send_some(peer, junk)
                handle.received.clear()
            driver.turn(0.01)
            for handle, _ in pairs:
                if handle.received:
                    last[handle.number] = turn
                assert turn - last[handle.number] < 25, "starved"

    def test_the_end_without_notify_is_the_end(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        peer.sendall(b"last words")
        peer.shutdown(socket.SHUT_WR)
        driver.until_lost(handle)
        assert handle.received == b"last words"
        assert handle.lost == 0
        driver.read_end(peer)

    def test_the_end_does_not_cut_off_what_was_written(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        data = pattern(2_000_000)
        handle.write(data)
        peer.shutdown(socket.SHUT_WR)
        assert driver.read(peer, len(data)) == data
        driver.read_end(peer)
        driver.until_lost(handle)
        assert handle.lost == 0

    def test_the_end_with_notify_leaves_the_other_direction(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        handle.notify(NOTIFY_EOF)
        peer.sendall(b"question")
        peer.shutdown(socket.SHUT_WR)
        driver.until_told(handle, EOF)
        assert handle.received == b"question"
        driver.expect_quiet()
        data = pattern(2_000_000)
        handle.write(data)
        assert driver.read(peer, len(data)) == data
        handle.shut()
        driver.read_end(peer)
        assert handle.count(SHUT) == 1
        driver.expect_quiet()
        handle.lose()
        driver.until_lost(handle)
        assert handle.lost == 0

    def test_a_reset_is_told_once(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        reset(peer)
        driver.until_lost(handle)
        assert handle.lost == ECONNRESET
        driver.expect_quiet()
        assert driver.engine.counters()["open"] == 0

    def test_a_reset_right_after_connecting_is_told(self, driver: EngineDriver) -> None:
        listener, address = driver.listener()
        for _ in range(20):
            peer = driver.client(address)
            peer.sendall(b"x")
            reset(peer)
        driver.until(lambda: len(listener.accepted) == 20)
        driver.until_lost(*listener.accepted)
        assert {handle.lost for handle in listener.accepted} == {ECONNRESET}

    # Pauses

    def test_a_pause_holds(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        peer.sendall(b"one")
        driver.until(lambda: handle.received)
        peer.sendall(b"two")
        handle.pause()
        driver.expect_quiet()
        peer.sendall(b"three")
        peer.shutdown(socket.SHUT_WR)
        driver.expect_quiet()
        handle.resume()
        driver.until_lost(handle)
        assert handle.received == b"onetwothree"

    def test_a_pause_holds_for_what_is_ready_already(self, driver: EngineDriver) -> None:
        pairs = [driver.connection() for _ in range(40)]
        for _, peer in pairs:
            driver.send_some(peer, bytes(60_000))
        driver.until(lambda: any(handle.received for handle, _ in pairs))
        for handle, _ in pairs:
            handle.pause()
        sizes = [len(handle.received) for handle, _ in pairs]
        driver.expect_quiet()
        assert sizes == [len(handle.received) for handle, _ in pairs]
        for handle, _ in pairs:
            handle.resume()
        driver.until(lambda: all(len(handle.received) == 60_000 for handle, _ in pairs))

    def test_pause_and_resume_in_one_turn_change_nothing(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        peer.sendall(b"x")
        for _ in range(3):
            handle.pause()
            handle.resume()
        driver.until(lambda: handle.received)

    def test_a_reset_while_paused_is_told_after_it(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        handle.pause()
        driver.turn()
        reset(peer)
        driver.expect_quiet()
        handle.resume()
        driver.until_lost(handle)
        assert handle.lost == ECONNRESET

    def test_a_reset_while_paused_and_blocked_ends_it(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        handle.pause()
        handle.write(bytes(10_000_000))
        driver.turn()
        reset(peer)
        driver.until_lost(handle)
        assert handle.lost

    # Connects

    def test_a_refused_connect_is_lost_with_the_reason(self, driver: EngineDriver) -> None:
        server = driver.server()
        address = server.getsockname()
        server.close()
        handle = driver.connecting(address)
        driver.until_lost(handle)
        assert handle.lost == ECONNREFUSED
        assert handle.count(CONNECTED) == 0

    def test_what_is_asked_before_the_connect_is_done_after_it(self, driver: EngineDriver) -> None:
        server = driver.server()
        handle = driver.connecting(server.getsockname())
        handle.notify(NOTIFY_EMPTIED)
        data = pattern(300_000)
        handle.write(data[:10])
        handle.write(data[10:])
        handle.pause()
        handle.shut()
        peer = driver.own(server.accept()[0])
        peer.sendall(b"too early")
        assert driver.read(peer, len(data)) == data
        driver.read_end(peer)
        driver.expect_quiet()
        assert handle.count(CONNECTED) == handle.count(SHUT) == 1
        assert handle.events[0][0] == CONNECTED
        handle.resume()
        driver.until(lambda: handle.received == b"too early")

    def test_a_pending_connect_may_be_given_up(self, driver: EngineDriver) -> None:
        address = self._full_server(driver)
        first, second, third = (driver.connecting(address) for _ in range(3))
        driver.expect_quiet()
        third.write(b"never")
        for handle in (first, second, third):
            handle.pause()
            handle.shut()
        driver.expect_quiet()
        first.lose()
        second.abort()
        third.abort()
        driver.until_lost(first, second, third)
        assert (first.lost, second.lost, third.lost) == (0, ECONNABORTED, ECONNABORTED)
        assert driver.engine.counters()["open"] == 0

    def _full_server(self, driver: EngineDriver) -> tuple[str, int]:
        """An address where connects stay on their way: its queue is full."""
        server = driver.own(socket.socket())
        server.bind((LOOPBACK, 0))
        server.listen(0)
        for _ in range(3):
            filler = driver.own(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(server.getsockname())
        address: tuple[str, int] = server.getsockname()
        return address

    # Handles

    def test_calls_with_a_dead_handle_do_nothing(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        peer.close()
        driver.until_lost(handle)
        other, other_peer = driver.connection()  # in the same place
        engine, dead = driver.engine, handle.number
        for number in (dead, 0, -1, 1 << 62):
            assert engine.write(number, b"x", 1) < 0
            for call in (engine.pause, engine.resume, engine.shut, engine.lose, engine.abort):
                call(number)
            engine.notify(number, NOTIFY_EOF)
            engine.watch(number, True, True)
            engine.set_limits(number, 0, 1, 2)
            assert engine.detach(number) == engine.descriptor(number) == -1
            assert engine.buffered(number) == engine.sent(number) == 0
        driver.expect_quiet()
        other.write(b"alive")
        assert driver.read(other_peer, 5) == b"alive"

    def test_a_detached_descriptor_is_the_callers_again(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        handle.write(b"never")
        sock = driver.own(socket.socket(fileno=handle.detach()))
        peer.sendall(b"x")
        driver.expect_quiet()
        sock.setblocking(True)
        assert sock.recv(1) == b"x"
        sock.send(b"y")
        assert peer.recv(9) == b"y"
        again = driver.add(sock, STREAM)
        peer.sendall(b"z")
        driver.until(lambda: again.received == b"z")

    def test_handles_are_never_used_twice(self, driver: EngineDriver) -> None:
        ours, theirs = socket.socketpair()
        driver.own(theirs)
        for _ in range(5_000):
            ours = socket.socket(fileno=driver.add(ours, STREAM).detach())
        driver.own(ours)
        driver.expect_quiet()

    def test_numbers_reused_within_a_turn_are_not_mixed_up(self, driver: EngineDriver) -> None:
        """Connections die and others get their descriptors while their events wait."""
        listener, address = driver.listener()
        chance = random.Random(8)
        living: list[tuple[socket.socket, bytes]] = []
        sayings: set[bytes] = set()
        known: set[Handle] = set()
        for number in range(1_000):
            saying = b"%06d" % number
            peer = driver.client(address)
            peer.sendall(saying)
            sayings.add(saying)
            living.append((peer, saying))
            if chance.random() < 0.9:
                victim, _ = living.pop(chance.randrange(len(living)))
                chance.choice([reset, socket.socket.close])(victim)
            if chance.random() < 0.2:
                driver.turn()
                known |= set(listener.accepted)
                self._lose_some(known, chance)
        driver.until(lambda: len(listener.accepted) == 1_000)
        for peer, _ in living:
            peer.close()
        driver.until_lost(*listener.accepted)
        for handle in listener.accepted:
            assert handle.count(LOST) == 1
            assert not handle.received or bytes(handle.received) in sayings
            sayings.discard(bytes(handle.received))

    def _lose_some(self, handles: set[Handle], chance: random.Random) -> None:
        for handle in sorted(handles, key=lambda handle: handle.number):
            if handle.lost is not None:
                handles.discard(handle)
            elif chance.random() < 0.3:
                chance.choice([handle.lose, handle.abort])()
