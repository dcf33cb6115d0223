"""The accepting side of an engine."""

from __future__ import annotations

import os
import socket
import struct
import tempfile
from collections.abc import Callable
from errno import ECONNABORTED, EMFILE, ERANGE

import pytest

from reactorlib.backends.events import CONNECTING, LISTENER, OVERLOAD, STREAM, WATCHED
from reactorlib.error import SelectLimitError
from reactorlib.testing.contract.engine_base import EngineParts, numbers_used_up, only_descriptors
from reactorlib.testing.contract.engine_driver import LOOPBACK, EngineDriver, Handle


class EngineListeners(EngineParts):
    """Whoever can be accepted is, and a listener outlives a lack of descriptors."""

    def test_an_ipv4_peer_is_named(self, driver: EngineDriver) -> None:
        listener, address = driver.listener()
        client = driver.client(address)
        driver.until(lambda: listener.accepted)
        host, port = client.getsockname()
        packed = port << 32 | int.from_bytes(socket.inet_aton(host), "big")
        assert listener.events[0][2] == packed

    def test_an_ipv6_peer_is_named(self, driver: EngineDriver) -> None:
        server = driver.server(socket.AF_INET6, "::1")
        address = server.getsockname()
        listener = driver.add(server, LISTENER)
        clients = [driver.client(address[:2]) for _ in range(3)]
        names: list[tuple[bytes, int, int, int]] = []
        while len(names) < 3:
            before = len(listener.events)
            driver.turn(0.05)
            for _, _, peer in listener.events[before:]:
                place = -2 - peer
                names.append(struct.unpack("=16sIII", driver.engine.arena[place : place + 28]))
        expected = [client.getsockname() for client in clients]
        assert [
            (socket.inet_ntop(socket.AF_INET6, name[0]), *name[1:]) for name in names
        ] == expected

    def test_a_unix_peer_has_no_name(self, driver: EngineDriver) -> None:
        with tempfile.TemporaryDirectory() as directory:
            sock = socket.socket(socket.AF_UNIX)
            sock.bind(f"{directory}/socket")
            sock.listen()
            listener = driver.add(sock, LISTENER)
            client = driver.own(socket.socket(socket.AF_UNIX))
            client.connect(f"{directory}/socket")
            driver.until(lambda: listener.accepted)
        assert listener.events[0][2] == -1
        client.sendall(b"x")
        driver.until(lambda: listener.accepted[0].received)

    def test_a_crowd_is_accepted(self, driver: EngineDriver) -> None:
        listener, address = driver.listener()
        clients = [driver.client(address) for _ in range(400)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number)
        driver.until(lambda: len(listener.accepted) == 400)
        driver.until(lambda: all(handle.received for handle in listener.accepted))
        heard = sorted(int(handle.received) for handle in listener.accepted)
        assert heard == list(range(400))
        assert driver.engine.counters()["accepted"] == 400

    def test_accepted_descriptors_are_not_inherited_and_do_not_block(
        self, driver: EngineDriver
    ) -> None:
        listener, address = driver.listener()
        driver.client(address)
        driver.until(lambda: listener.accepted)
        descriptor = listener.accepted[0].descriptor
        assert not os.get_inheritable(descriptor)
        assert not os.get_blocking(descriptor)

    def test_a_pause_leaves_them_in_the_queue(self, driver: EngineDriver) -> None:
        listener, address = driver.listener()
        listener.pause()
        for _ in range(3):
            driver.client(address)
        driver.expect_quiet()
        listener.resume()
        driver.until(lambda: len(listener.accepted) == 3)

    @pytest.mark.parametrize(("end", "number"), [(Handle.lose, 0), (Handle.abort, ECONNABORTED)])
    def test_a_listener_ends(
        self, driver: EngineDriver, end: Callable[[Handle], None], number: int
    ) -> None:
        listener, address = driver.listener()
        driver.client(address)
        end(listener)
        driver.until_lost(listener)
        assert listener.lost == number
        assert driver.engine.counters()["open"] == 0
        with pytest.raises(ConnectionRefusedError):
            driver.client(address)

    def test_what_does_not_listen_is_lost(self, driver: EngineDriver) -> None:
        sock = socket.socket()
        sock.bind((LOOPBACK, 0))
        listener = driver.add(sock, LISTENER)
        driver.until_lost(listener)
        assert listener.lost != 0

    # Out of descriptors

    def test_out_of_descriptors_one_is_turned_away_and_the_listener_waits(
        self, driver: EngineDriver
    ) -> None:
        listener, address = driver.listener()
        clients = [driver.own(socket.socket()) for _ in range(6)]
        holder, holder_peer = driver.connection()
        for client in clients:
            client.connect(address)
        with only_descriptors(2):
            driver.until_told(listener, OVERLOAD)
            listener.paused = True
            assert len(listener.accepted) == 2
            assert listener.events[-1] == (OVERLOAD, EMFILE, 1)
            assert clients[2].recv(1) == b""  # told at once
            with pytest.raises(OSError, match="Too many open files"):
                os.dup(0)  # what was spent for that is kept again
            driver.expect_quiet()
            holder_peer.sendall(b"served")
            driver.until(lambda: holder.received)
            listener.resume()
            driver.until_told(listener, OVERLOAD, 2)
            listener.paused = True
            driver.expect_quiet()
            listener.accepted[0].abort()
            driver.turn()
            listener.resume()
            driver.until(lambda: len(listener.accepted) == 3)
            driver.until_told(listener, OVERLOAD, 3)
            listener.paused = True
        driver.expect_quiet()
        listener.resume()
        driver.client(address)
        driver.until(lambda: len(listener.accepted) == 4)
        assert listener.lost is None

    # Descriptors that the backend cannot hold

    def test_descriptors_above_its_limit(self, driver: EngineDriver) -> None:
        limit = 1024 if self.descriptor_limit is None else self.descriptor_limit
        listener, address = driver.listener()
        clients = [driver.own(socket.socket()) for _ in range(2)]
        with numbers_used_up(limit) as taken:
            assert os.dup(taken[0]) == limit
            os.close(limit)
            for client in clients:
                client.connect(address)
            if self.descriptor_limit is None:
                driver.until(lambda: len(listener.accepted) == 2)
                assert max(handle.descriptor for handle in listener.accepted) > limit
                return
            driver.until_told(listener, OVERLOAD)
            listener.paused = True
            assert listener.events == [(OVERLOAD, ERANGE, 1)]
            driver.expect_quiet()
            os.close(taken.pop())
            listener.resume()
            driver.until(lambda: len(listener.accepted) == 1)
            assert listener.accepted[0].descriptor == limit - 1

    def test_a_descriptor_above_its_limit_is_refused(self, driver: EngineDriver) -> None:
        limit = 1024 if self.descriptor_limit is None else self.descriptor_limit
        ours, theirs = socket.socketpair()
        driver.own(theirs)
        with numbers_used_up(limit):
            high = driver.own(ours.dup())
        ours.close()
        assert high.fileno() >= limit
        if self.descriptor_limit is None:
            handle = driver.add(high, STREAM)
            theirs.sendall(b"x")
            driver.until(lambda: handle.received)
            return
        for kind in (STREAM, CONNECTING, LISTENER, WATCHED):
            with pytest.raises(SelectLimitError, match=str(limit)):
                driver.engine.add(high.fileno(), kind)
        theirs.sendall(b"x")
        assert high.recv(1) == b"x"
        assert driver.engine.counters()["open"] == 0
