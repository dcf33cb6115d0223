"""Everything from inside everywhere, over TLS: the state machine of TCP, and what TLS adds.

The hand-shake is told once, before any data and not after an end. It may be
done at once, or bit by bit while protocols and peers do what they like. With
startTLS it may begin in any callback.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from typing import Any, cast

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule
from zope.interface import implementer

from reactorlib.interfaces import IHandshakeListener
from reactorlib.testing.contract.tcp_machine import (
    CALLBACKS,
    Machine,
    MachineContract,
    Peer,
    Plan,
    Subject,
    two_plans,
    which,
)
from reactorlib.testing.contract.tcp_peers import LOOPBACK, RecordingFactory
from reactorlib.testing.contract.tls_peers import NAME, Settings, TLSContractBase, TLSNet
from reactorlib.testing.tlspeer import TLSPeer


@implementer(IHandshakeListener)
class TLSSubject(Subject):
    """A Subject that listens to the hand-shake. Set `settings` in a subclass."""

    settings: Settings

    def __init__(self, reactor: Any) -> None:
        super().__init__(reactor)
        self.plans["shaken"] = deque()

    def handshakeCompleted(self) -> None:
        self.note("shaken")

    def check(self, name: str) -> None:
        super().check(name)
        if name == "shaken" and self.closing:
            self.faults.append("shaken after an end")
        if name == "data" and self.transport.TLS and "shaken" not in self.calls:
            self.faults.append("data before the hand-shake was told")

    def start_tls(self) -> None:
        with contextlib.suppress(RuntimeError):  # it speaks TLS already
            self.transport.startTLS(self.settings.server())


class TLSMachine(Machine):
    """Two Subjects on a port that begins with TLS."""

    net: TLSNet
    eager = True

    @initialize(made=two_plans, shaken=two_plans, eager=st.booleans())
    def connect(self, made: list[list[Plan]], shaken: list[list[Plan]], eager: bool) -> None:
        self.subject_type = type("Subject", (TLSSubject,), {"settings": self.net.settings})
        self.eager = eager
        self.begin(made=made, shaken=shaken)

    def dial(self) -> Any:
        if self.eager:
            return self.net.dial(self.port)
        return self.wrap(self.net.dial_plain(self.port))

    def wrap(self, plain: Any) -> TLSPeer:
        """A peer that does its part of the hand-shake when it sends or reads."""
        self.net.peers.append(TLSPeer(plain, self.net.client.getContext(), NAME))
        return self.net.peers[-1]


class StartTLSMachine(TLSMachine):
    """Two Subjects that begin TLS when they are told to."""

    def listen(self, factory: RecordingFactory) -> Any:
        self.net.ports.append(self.net.reactor.listenTCP(0, factory, interface=LOOPBACK))
        return self.net.ports[-1]

    def dial(self) -> Any:
        return self.net.dial_plain(self.port)

    @rule(who=which, name=st.sampled_from(CALLBACKS), to_other=st.booleans())
    def plan_to_start(self, who: int, name: str, to_other: bool) -> None:
        self.subjects[who].plans[name].append([(cast(Any, TLSSubject.start_tls), to_other)])

    @rule(who=which)
    def start(self, who: int) -> None:
        self.subjects[who].act(cast(Any, TLSSubject.start_tls))

    @rule(who=which)
    def peer_starts(self, who: int) -> None:
        """If it has sent nothing that would be taken for TLS."""
        subject, peer = self.subjects[who], self.peers[who]
        if self.is_awaited(subject, peer) and peer.sent == len(subject.received):
            peer.sock = cast(Any, self.wrap(peer.sock))

    def is_awaited(self, subject: Subject, peer: Peer) -> bool:
        """Whether the subject speaks TLS, and its peer does not, but could."""
        plain = peer.sock.fileno() >= 0 and not isinstance(peer.sock, TLSPeer)
        return plain and bool(subject.transport.TLS)

    def deliver(self, subject: Subject, peer: Peer) -> None:
        if not self.is_awaited(subject, peer):
            super().deliver(subject, peer)


class PatientNet(TLSNet):
    """One whose peers may be refused in the middle of the hand-shake."""

    def shake(self, peer: TLSPeer) -> None:
        with contextlib.suppress(OSError):
            super().shake(peer)


class TLSMachineContract(TLSContractBase, MachineContract):
    """Everything from inside everywhere, on a port that begins with TLS."""

    machine = TLSMachine

    @pytest.fixture
    def net(self, reactor: Any, settings: Settings) -> Iterator[PatientNet]:
        """Ports and peers on the reactor of the test."""
        net = PatientNet(self, reactor, settings)
        yield net
        net.close()


class StartTLSMachineContract(TLSMachineContract):
    """Everything from inside everywhere, startTLS included."""

    machine = StartTLSMachine
