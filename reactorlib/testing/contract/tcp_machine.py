"""Everything from inside everywhere: a state machine of two connections and their peers.

Whatever protocols do in whichever callback, to themselves and to each other,
and whatever their peers do meanwhile: connectionMade comes first and once,
connectionLost last and once, never inside a call; data comes whole and in
order, and never while a connection is paused or being closed.
"""

from __future__ import annotations

import contextlib
import random
import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from reactorlib.testing.contract.tcp_peers import (
    HalfCloser,
    Net,
    Producer,
    RecordingFactory,
    TCPContractBase,
    reset,
)

SENT = random.Random(11).randbytes(1 << 21)
CALLBACKS = (
    "made",
    "data",
    "read_lost",
    "write_lost",
    "lost",
    "pause",
    "resume",
    "stop",
    "congestion",
)
DEEPEST = 3


class Subject(HalfCloser):
    """A protocol that does what it was told in advance, and checks what it is told.

    `plans` has for each callback what to do in it, the next time first; `faults`
    what was against the rules.
    """

    def __init__(self, reactor: Any) -> None:
        super().__init__()
        self.reactor = reactor
        self.other = self
        self.plans: dict[str, deque[list[Plan]]] = {name: deque() for name in CALLBACKS}
        self.faults: list[str] = []
        self.nests = self.depth = 0
        self.closing = self.paused = False

    def note(self, name: str, *arguments: object) -> None:
        self.check(name)
        super().note(name, *arguments)
        self.follow(name)

    def check(self, name: str) -> None:
        """Whether a callback may come now."""
        rules = {
            "after the loss": "lost" in self.calls,
            "out of order": (name == "made") != (not self.calls),
            "twice": name != "data" and name in self.calls,
            "after an end": name == "data" and self.closing,
            "in a pause": name == "data" and self.paused,
        }
        self.faults += [f"{name} {what}: {self.calls}" for what, broken in rules.items() if broken]

    def follow(self, name: str) -> None:
        """Carry out the next plan there is for a callback."""
        plans = self.plans[name]
        for action, to_other in plans.popleft() if plans else ():
            (self.other if to_other else self).act(action)

    def act(self, action: Callable[[Subject], object]) -> None:
        if self.transport is None:
            return
        before = self.calls.count("lost"), self.nests, self.other.nests
        action(self)
        after = self.calls.count("lost"), self.nests, self.other.nests
        if before[0] != after[0] and before[1:] == after[1:]:
            self.faults.append(f"lost inside {action.__name__}")

    # Actions

    def abort(self) -> None:
        self.transport.abortConnection()
        self.closing = True

    def lose(self) -> None:
        self.transport.loseConnection()
        self.closing = True

    def lose_write(self) -> None:
        self.transport.loseWriteConnection()

    def pause(self) -> None:
        self.transport.pauseProducing()
        self.paused = True

    def resume(self) -> None:
        self.paused = False
        self.transport.resumeProducing()

    def write(self) -> None:
        self.transport.write(b"x" * 100)

    def write_much(self) -> None:
        self.transport.write(b"x" * (1 << 18))

    def push(self) -> None:
        self.register(True)

    def pull(self) -> None:
        self.register(False)

    def register(self, streaming: bool) -> None:
        self.unregister()
        hooks = {name: partial(self.follow, name) for name in ("pause", "resume", "stop")}
        with contextlib.suppress(RuntimeError):  # what unregister did may have registered one
            self.transport.registerProducer(Producer(**hooks), streaming)

    def unregister(self) -> None:
        self.transport.unregisterProducer()

    def monitor(self) -> None:
        self.transport.monitorCongestion(lambda *_: self.follow("congestion"))

    def ignore(self) -> None:
        self.transport.ignoreCongestion()

    def nest(self) -> None:
        if self.depth < DEEPEST:
            self.depth += 1
            self.nests += 1
            self.reactor.iterate(0)
            self.depth -= 1


Action = Callable[[Subject], object]
Plan = tuple[Action, bool]

actions = st.sampled_from(
    [
        Subject.abort,
        Subject.lose,
        Subject.lose_write,
        Subject.pause,
        Subject.resume,
        Subject.write,
        Subject.write_much,
        Subject.push,
        Subject.pull,
        Subject.unregister,
        Subject.monitor,
        Subject.ignore,
        Subject.nest,
    ]
)
plans = st.lists(st.tuples(actions, st.booleans()), min_size=1, max_size=3)
two_plans = st.lists(plans, min_size=2, max_size=2)
which = st.integers(0, 1)


class Peer:
    """The other end: sends SENT, and may end in three ways."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.sent = 0

    def send(self, size: int) -> None:
        with contextlib.suppress(OSError):
            self.sent += self.sock.send(SENT[self.sent : self.sent + size])

    def read(self) -> None:
        with contextlib.suppress(OSError):
            while self.sock.recv(1 << 16):
                pass

    def shut(self) -> None:
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        with contextlib.suppress(OSError):
            reset(self.sock)


class Machine(RuleBasedStateMachine):
    """Two Subjects with their peers, on a port of `net`."""

    net: Net
    subject_type: type[Subject] = Subject

    def __init__(self) -> None:
        super().__init__()
        self.subjects: list[Subject] = []
        self.peers: list[Peer] = []

    @initialize(made=two_plans)
    def connect(self, made: list[list[Plan]]) -> None:
        self.begin(made=made)

    def begin(self, **planned: list[list[Plan]]) -> None:
        """Connect two subjects that have each a plan for some callbacks."""
        first, second = self.subjects = [self.subject_type(self.net.reactor) for _ in range(2)]
        first.other, second.other = second, first
        for name, each in planned.items():
            for subject, plan in zip(self.subjects, each, strict=True):
                subject.plans[name].append(plan)
        unused = iter(self.subjects)
        self.port = self.listen(RecordingFactory(lambda: next(unused)))
        self.peers = [Peer(self.dial()) for _ in self.subjects]
        self.net.turn_until(lambda: first.calls and second.calls)

    def listen(self, factory: RecordingFactory) -> Any:
        """The port of the subjects."""
        return self.net.listen(factory)

    def dial(self) -> Any:
        """A peer's socket."""
        return self.net.dial(self.port)

    @rule(who=which, name=st.sampled_from(CALLBACKS), plan=plans)
    def plan(self, who: int, name: str, plan: list[Plan]) -> None:
        self.subjects[who].plans[name].append(plan)

    @rule(who=which, action=actions)
    def act(self, who: int, action: Action) -> None:
        self.subjects[who].act(action)

    @rule(times=st.integers(1, 3))
    def turn(self, times: int) -> None:
        self.net.turn(times)

    @rule(who=which, size=st.sampled_from([1, 1000, 100_000]))
    def peer_sends(self, who: int, size: int) -> None:
        self.peers[who].send(size)

    @rule(size=st.sampled_from([1, 1000]), times=st.integers(1, 2))
    def both_peers_send(self, size: int, times: int) -> None:
        for peer in self.peers:
            peer.send(size)
        self.net.turn(times)

    @rule(who=which)
    def peer_reads(self, who: int) -> None:
        self.peers[who].read()

    @rule(who=which, how=st.sampled_from([Peer.shut, Peer.close, Peer.reset]))
    def peer_ends(self, who: int, how: Callable[[Peer], None]) -> None:
        how(self.peers[who])

    @invariant()
    def rules_are_kept(self) -> None:
        for subject, peer in zip(self.subjects, self.peers, strict=True):
            assert subject.faults == []
            assert subject.received == SENT[: len(subject.received)]
            assert len(subject.received) <= peer.sent

    def teardown(self) -> None:
        for subject in self.subjects:
            for planned in subject.plans.values():
                planned.clear()
        for subject, peer in zip(self.subjects, self.peers, strict=True):
            self.deliver(subject, peer)
            peer.close()
            subject.unregister()
            subject.lose()
            self.net.until_lost(subject)
            assert subject.calls[-1] == "lost"
        self.rules_are_kept()
        self.net.close()
        self.net.ports.clear()
        self.net.sockets.clear()

    def deliver(self, subject: Subject, peer: Peer) -> None:
        """All that was sent arrives, unless the connection ends first."""
        subject.resume()
        if peer.sock.fileno() >= 0:
            self.net.turn_until(
                lambda: subject.closing or subject.reason or len(subject.received) == peer.sent
            )


class MachineContract(TCPContractBase):
    """`machine_settings` say how long trouble is looked for, `machine` by what."""

    machine: type[Machine] = Machine

    machine_settings = settings(
        max_examples=60,
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )

    def test_legal_sequences_only(self, net: Net) -> None:
        machine = type("Machine", (self.machine,), {"net": net})
        run_state_machine_as_test(machine, settings=self.machine_settings)
