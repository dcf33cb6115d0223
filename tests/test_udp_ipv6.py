"""Groups and scopes of IPv6, on every backend, in a network of its own.

The loopback interface has no route to them, so a child process makes a pair of
virtual links in a name space that nobody else sees.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import traceback
from collections.abc import Callable
from functools import partial
from socket import if_nametoindex
from time import monotonic
from typing import Any

import pytest

from reactorlib.defer import Deferred
from reactorlib.posixbase import Reactor
from reactorlib.testing.contract.udp_peers import Datagrams
from tests.backends import BACKENDS

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
PATIENCE = 20.0

LINKS = """
link set lo up
link add v0 type veth peer name v1
link set v0 up
link set v1 up
addr add fd00::9/64 dev v0 nodad
addr add fe80::9/64 dev v0 nodad
addr add fe80::9/64 dev v1 nodad
"""

GROUP, OTHER_GROUP = "ff11::77:1", "ff11::77:2"


def leave_the_network() -> None:
    """Who is not root becomes it, in a name space of users."""
    flags = CLONE_NEWNET | (0 if os.geteuid() == 0 else CLONE_NEWUSER)
    user = os.geteuid()
    if ctypes.CDLL(None, use_errno=True).unshare(flags):
        raise OSError(ctypes.get_errno(), "there can be no network of its own")
    if flags & CLONE_NEWUSER:
        with open("/proc/self/uid_map", "w") as table:
            table.write(f"0 {user} 1")
    ip = shutil.which("ip", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert ip, "install iproute2: this test makes links with it"
    subprocess.run([ip, "-batch", "-"], input=LINKS, text=True, check=True)


def apart(work: Callable[[], None]) -> None:
    """Do it in a child process that has a network of its own."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            leave_the_network()
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Exchange:
    """Two ports, of which one is a member of groups."""

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self.member, self.sender = (reactor.listenMulticast(0, Datagrams(), "::") for _ in "12")
        self.received = self.member.protocol.received

    def send(self, data: bytes, group: str) -> None:
        self.sender.write(data, (group, self.member.port))
        self.reactor.iterate(0)

    def until_received(self, data: bytes, again: Callable[[], object] = tuple) -> None:
        end = monotonic() + PATIENCE
        while data not in self.received:
            assert monotonic() < end, f"{data!r} is not among {self.received}"
            again()
            self.reactor.iterate(0.05)

    def expect(self, *data: bytes) -> None:
        """So much has come by now, and nothing else."""
        self.send(b"marker", OTHER_GROUP)
        self.until_received(b"marker")
        assert self.received == [*data, b"marker"]
        self.received.clear()

    def groups(self) -> None:
        """The system chooses nothing, the test all."""
        now(self.sender.setOutgoingInterface("v0"))
        now(self.member.joinGroup(OTHER_GROUP, "v0"))
        first = b"new links need a moment"
        self.until_received(first, again=lambda: self.send(first, OTHER_GROUP))
        self.send(b"the last of these", OTHER_GROUP)
        self.until_received(b"the last of these")
        self.received.clear()
        for interface in ("v0", self.sender.getOutgoingInterface()):
            now(self.sender.setOutgoingInterface(interface))
            self.send(b"too early", GROUP)
            now(self.member.joinGroup(GROUP, interface))
            self.send(b"to all", GROUP)
            now(self.member.leaveGroup(GROUP, interface))
            self.send(b"too late", GROUP)
            self.expect(b"to all")
        self.sender.setLoopbackMode(False)
        self.send(b"for other machines", OTHER_GROUP)
        self.sender.setLoopbackMode(True)
        self.expect()

    def scopes(self) -> None:
        """An address of a link means nothing without its link, there and back."""
        for name in ("v0", "v1"):
            peer, link = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM), if_nametoindex(name)
            peer.bind(("fe80::9", 0, 0, link))
            peer.settimeout(PATIENCE)
            question = name.encode(), ("fe80::9", self.member.port, 0, link)
            self.until_received(question[0], again=partial(peer.sendto, *question))
            sender = self.member.protocol.senders[-1]
            assert sender == peer.getsockname()
            assert sender[3] == link
            self.member.write(b"answer", sender)
            self.member.write(b"by name", (f"fe80::9%{name}", sender[1]))
            self.reactor.iterate(0)
            assert [peer.recv(9) for _ in range(2)] == [b"answer", b"by name"]


def now(deferred: Deferred[None]) -> None:
    """These do not wait for anything; nor may they fail."""
    results: list[object] = []
    deferred.addBoth(results.append)
    assert results == [None]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("what", [Exchange.groups, Exchange.scopes])
def test_datagrams_and_where_they_go(backend: str, what: Callable[[Exchange], None]) -> None:
    BACKENDS[backend]().close()  # the child need not build it
    apart(lambda: what(Exchange(Reactor(BACKENDS[backend]()))))
