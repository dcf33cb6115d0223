"""UDP ports: what they send, and where they are connected to."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from reactorlib import error
from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_peers import Fault, raises
from reactorlib.testing.contract.udp_peers import (
    HOSTS,
    LOOPBACK,
    Datagrams,
    UDPContractBase,
    UDPNet,
)

LONGEST = {LOOPBACK: 65_507, "::1": 65_527}
IMPOSSIBLE = (LOOPBACK, 0)  # an address that the kernel refuses to send to

# Of Linux; the socket module does not know them.
IPV6_FLOWINFO, IPV6_FLOWINFO_SEND = 11, 33


class UDPOutputContract(UDPContractBase):
    """Writing, connecting, broadcast."""

    def test_each_write_is_a_datagram(self, net: UDPNet) -> None:
        port, peer = net.listen(), net.new_socket()
        address = peer.getsockname()
        for piece in (b"one", bytearray(b"two"), memoryview(b"t-h-r-e-e")[::2], b""):
            port.write(piece, address)
        port.writeSequence([b"a", bytearray(b"b"), b"c"], address)
        assert net.receive(peer, 5) == [b"one", b"two", b"three", b"", b"abc"]

    def test_a_write_takes_a_copy(self, net: UDPNet) -> None:
        port, peer = net.listen(), net.new_socket()
        data = bytearray(b"before")
        port.write(data, peer.getsockname())
        data[:] = b"after!"
        assert net.receive(peer) == [b"before"]

    def test_many_writes_of_one_turn_keep_their_order_and_receivers(self, net: UDPNet) -> None:
        port, peers = net.listen(), [net.new_socket() for _ in range(5)]
        for number in range(1000):
            port.write(b"%d" % number, peers[number % 5].getsockname())
        for first, peer in enumerate(peers):
            expected = [b"%d" % number for number in range(first, 1000, 5)]
            assert net.receive(peer, 200) == expected

    def test_writing_from_the_first_callback(self, net: UDPNet) -> None:
        peer = net.new_socket()
        net.listen(Datagrams(start=lambda p: p.transport.write(b"hello", peer.getsockname())))
        assert net.receive(peer) == [b"hello"]

    @pytest.mark.parametrize("host", HOSTS)
    def test_the_longest_datagram_and_a_longer_one(self, net: UDPNet, host: str) -> None:
        port, peer = net.listen(interface=host), net.new_socket(host)
        for data in (b"x" * (LONGEST[host] + 1), memoryview(b"x" * (LONGEST[host] + 1))):
            with pytest.raises(error.MessageLengthError, match=str(LONGEST[host])):
                port.write(data, peer.getsockname())
        port.write(b"x" * LONGEST[host], peer.getsockname())
        assert net.receive(peer) == [b"x" * LONGEST[host]]

    @pytest.mark.parametrize("data", ["text", 5, None, [b"list"]])
    def test_what_is_not_bytes_is_refused(self, net: UDPNet, data: Any) -> None:
        port = net.listen()
        with pytest.raises(TypeError, match=f"bytes.*{type(data).__name__}") as caught:
            port.write(data, (LOOPBACK, 9))
        assert ("encode" in str(caught.value)) == isinstance(data, str)

    @pytest.mark.parametrize("host", HOSTS)
    @pytest.mark.parametrize(
        "address",
        [
            ("localhost", 9),
            ("name.invalid", 9),
            ("", 9),
            ("192.0.2.256", 9),
            ("::ffff", -1),
            ("fe80::1%nowhere", 9),
            (LOOPBACK, 65_536),
            (LOOPBACK,),
            (LOOPBACK, 9, 0, 0, 0),
            (9, LOOPBACK),
            "127.0.0.1:9",
        ],
    )
    def test_only_numeric_addresses_are_taken(self, net: UDPNet, host: str, address: Any) -> None:
        port = net.listen(interface=host)
        with pytest.raises(error.InvalidAddressError) as caught:
            port.write(b"x", address)
        assert str(caught.value)

    def test_an_address_of_the_other_protocol_is_refused(self, net: UDPNet) -> None:
        for host, other in (HOSTS, HOSTS[::-1]):
            with pytest.raises(error.InvalidAddressError, match="not a numeric address"):
                net.listen(interface=host).write(b"x", (other, 9))

    def test_ipv6_addresses_may_be_short_or_have_a_scope(self, net: UDPNet) -> None:
        port, peer = net.listen(interface="::1"), net.new_socket("::1")
        number = peer.getsockname()[1]
        for address in (("::1", number), ("::1", number, 0), ("::1", number, 0, 0)):
            port.write(b"short", address)
        port.write(b"scoped", ("::1%1", number))
        assert net.receive(peer, 4) == [b"short"] * 3 + [b"scoped"]

    def test_flow_information_goes_with_the_address(self, net: UDPNet) -> None:
        port, peer = net.listen(interface="::1"), net.new_socket("::1")
        port.getHandle().setsockopt(socket.IPPROTO_IPV6, IPV6_FLOWINFO_SEND, 1)
        peer.setsockopt(socket.IPPROTO_IPV6, IPV6_FLOWINFO, 1)
        port.write(b"x", ("::1", peer.getsockname()[1], 0x12345, 0))
        net.turn()
        data, [(_, kind, value)], _, _ = peer.recvmsg(9, 100)
        assert (data, kind, value) == (b"x", IPV6_FLOWINFO, b"\0\x01\x23\x45")

    def test_an_address_must_be_there(self, net: UDPNet) -> None:
        with pytest.raises(ValueError, match="address"):
            net.listen().write(b"x")

    def test_another_thread_is_turned_away(self, net: UDPNet) -> None:
        refused: list[str] = []

        def intrude(port: Any, address: Any) -> None:
            for call in (lambda: port.write(b"intruder", address), port.stopListening):
                with pytest.raises(RuntimeError, match="callFromThread"):
                    call()
                refused.append(address)

        def invite(protocol: Datagrams, datagram: bytes, addr: Any) -> None:
            thread = threading.Thread(target=intrude, args=(protocol.transport, addr))
            thread.start()
            thread.join()

        protocol, peer = net.pair(Datagrams(received=invite))
        peer.send(b"x")
        net.turn_until(lambda: protocol.received)
        assert len(refused) == 2
        assert net.is_quiet(peer)
        peer.send(b"still here")
        net.turn_until(lambda: len(protocol.received) == 2)

    # What cannot be sent

    def test_what_is_refused_is_logged_and_holds_up_nothing(
        self, net: UDPNet, log: pytest.LogCaptureFixture
    ) -> None:
        port, peer = net.listen(), net.new_socket()
        for number in range(100):
            port.write(b"lost", IMPOSSIBLE)
            port.write(b"%d" % number, peer.getsockname())
        assert net.receive(peer, 100) == [b"%d" % number for number in range(100)]
        net.turn()
        (record,) = log.records
        assert "100 datagram(s)" in record.getMessage()
        assert "EINVAL" in record.getMessage()

    def test_losses_are_logged_once_a_second_and_at_the_end(
        self, net: UDPNet, log: pytest.LogCaptureFixture
    ) -> None:
        port = net.listen()
        for _ in range(5):
            port.write(b"lost", IMPOSSIBLE)
            net.turn()
        assert len(log.records) == 1
        self.run_until(net.reactor, port.stopListening())
        assert "1 datagram(s)" in log.messages[0]
        assert "4 datagram(s)" in log.messages[1]

    # Connected ports

    @pytest.mark.parametrize("host", HOSTS)
    def test_a_connected_port_speaks_with_one_other(self, net: UDPNet, host: str) -> None:
        port, peer, stranger = (
            net.listen(interface=host),
            net.new_socket(host),
            net.new_socket(host),
        )
        address = peer.getsockname()
        port.connect(*address[:2])
        port.write(b"without")
        port.write(b"with", address)
        port.writeSequence([b"in ", b"parts"])
        assert net.receive(peer, 3) == [b"without", b"with", b"in parts"]
        stranger.sendto(b"stranger", port.getHandle().getsockname())
        peer.sendto(b"friend", port.getHandle().getsockname())
        net.turn_until(lambda: port.protocol.received)
        assert port.protocol.received == [b"friend"]
        assert port.protocol.senders == [address]
        with pytest.raises(ValueError, match="another"):
            port.write(b"x", stranger.getsockname())
        with pytest.raises(RuntimeError, match="already"):
            port.connect(*address[:2])

    def test_only_a_numeric_address_can_be_connected_to(self, net: UDPNet) -> None:
        port, peer = net.listen(), net.new_socket()
        with pytest.raises(error.InvalidAddressError):
            port.connect("localhost", 9)
        port.write(b"as before", peer.getsockname())
        assert net.receive(peer) == [b"as before"]

    @pytest.mark.parametrize("host", HOSTS)
    def test_a_refusal_is_told_and_the_port_stays(self, net: UDPNet, host: str) -> None:
        port, peer = net.listen(interface=host), net.new_socket(host)
        address = peer.getsockname()
        peer.close()
        port.connect(*address[:2])
        for _ in range(3):
            port.write(b"is anybody there?")
            net.turn_until(lambda: "refused" in port.protocol.calls)
            port.protocol.calls.remove("refused")
        reborn = net.new_socket(host, address[1])
        port.write(b"now there is")
        assert net.receive(reborn) == [b"now there is"]
        assert port.connected

    def test_a_refusal_does_not_cost_what_is_sent_next(self, net: UDPNet) -> None:
        port, peer = net.listen(), net.new_socket()
        address = peer.getsockname()
        peer.close()
        port.connect(*address)
        port.getHandle().send(b"refused, but nobody has been told yet")
        reborn = net.new_socket(port=address[1])
        for number in range(40):
            port.write(b"%d" % number)
        assert net.receive(reborn, 40) == [b"%d" % number for number in range(40)]
        assert "refused" in port.protocol.calls

    def test_a_fault_about_a_refusal_is_logged_once(
        self, net: UDPNet, logged_errors: LoggedErrors
    ) -> None:
        port, peer = net.listen(Datagrams(refused=raises)), net.new_socket()
        address = peer.getsockname()
        peer.close()
        port.connect(*address)
        port.write(b"is anybody there?")
        net.turn_until(lambda: "refused" in port.protocol.calls)
        assert len(logged_errors.take(Fault)) == 1
        assert port.connected

    # Broadcast

    def test_broadcast_must_be_allowed(self, net: UDPNet, log: pytest.LogCaptureFixture) -> None:
        port, peer = net.listen(), net.keep(net.listen(interface="127.255.255.255"))
        address = ("127.255.255.255", peer.port)
        assert port.getBroadcastAllowed() is False
        port.write(b"forbidden", address)
        net.turn_until(lambda: log.records)
        assert "EACCES" in log.messages[0]
        port.setBroadcastAllowed(True)
        assert port.getBroadcastAllowed() is True
        port.write(b"allowed", address)
        net.turn_until(lambda: peer.protocol.received)
        assert peer.protocol.received == [b"allowed"]
        port.write(b"to the whole network", ("<broadcast>", peer.port))
        port.setBroadcastAllowed(False)
        assert port.getBroadcastAllowed() is False
