"""Any order of bytes, calls, time and loss: the channel gives only what HTTP allows.

Answers come in the order of their requests; each is whole, or is the last and cut
off; after a refusal, or an answer that ends the connection, nothing is served; and
nothing but what the application raised is logged.
"""

from __future__ import annotations

import logging
from io import BytesIO
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)

from reactorlib.error import ConnectionLost
from reactorlib.failure import Failure
from reactorlib.protocols.http.headers import Headers
from reactorlib.testing.contract.http_answers import read_answer
from reactorlib.testing.contract.tcp_peers import Fault, Producer
from reactorlib.testing.leaks import LoggedErrors
from tests.webserver import Recorded, Server

LOGGER = logging.getLogger("reactorlib")
HEAD = b"%b /%d HTTP/1.%d\r\nHost: x\r\n"
BAD = [b"GET / HTTP/1.1\n\n", b"\0", b"GET /\r\n\r\n", b"X" * 9000, b"GET / HTTP/3.0\r\n\r\n"]
EXTRAS = [b"", b"", b"Connection: close\r\n", b"Connection: keep-alive\r\n"]
BODIES = [
    b"\r\n",
    b"\r\n",
    b"Content-Length: 4\r\n\r\nbody",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\nX: y\r\n\r\n",
    b"Content-Length: 4\r\nExpect: 100-continue\r\n\r\nbody",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\nboX",
    b"Content-Length: 200000\r\n\r\n",
]
ACTIONS = [
    *("write", "write", "large", "finish", "finish", "push", "pull", "unregister", "pause"),
    *("resume", "accept", "early", "monitor", "ignore", "close", "reset", "last"),
]


class LenientServer(Server):
    lenient = True


class Call(Recorded):
    """One request: checks the order of what it is called with."""

    machine: ChannelMachine

    def process(self) -> Any:
        self.number = len(self.machine.server.requests)
        self.machine.server.requests.append(self)
        assert not self.machine.is_over, "served after the end"
        self.setResponseHeader(b"X-Number", b"%d" % self.number)
        self.react()

    def handleContentChunk(self, data: bytes) -> None:
        assert self.lost is None
        assert not self.complete
        assert not self.finished
        super().handleContentChunk(data)
        self.react()

    def handleContentComplete(self) -> None:
        assert self.lost is None
        assert not self.complete
        assert not self.finished
        super().handleContentComplete()
        self.react()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        assert not self.finished
        super().connectionLost(reason)
        self.react()

    def react(self) -> None:
        """Do what was planned to be done in the next callback."""
        plan, self.machine.plan = self.machine.plan, []
        for action in plan:
            self.machine.act(self, action)


class ChannelMachine(RuleBasedStateMachine):
    """One connection."""

    def __init__(self) -> None:
        super().__init__()
        self.errors = LoggedErrors()
        LOGGER.addHandler(self.errors)
        self.server = LenientServer(maxUnread=1000, maxContentLength=100_000)
        kind = type("Call", (Call,), {"machine": self})
        self.server.channel.makeRequest = kind
        self.to_send = b""
        self.plan: list[str] = []
        self.raised = 0
        self.lost = self.ended = self.is_over = False
        self.sent = 0

    def teardown(self) -> None:
        LOGGER.removeHandler(self.errors)
        if not self.lost:
            self.lose()
        assert self.server.transport.reactor.getDelayedCalls() == []
        assert self.server.factory.outstandingRequests == 0

    # The client

    @rule(
        method=st.sampled_from([b"GET", b"HEAD", b"POST", b"OPTIONS"]),
        minor=st.sampled_from([1, 1, 1, 0]),
        extra=st.sampled_from(EXTRAS),
        body=st.sampled_from(BODIES),
    )
    def ask(self, method: bytes, minor: int, extra: bytes, body: bytes) -> None:
        if minor == 0 and b"chunked" in body:
            minor = 1
        self.to_send += HEAD % (method, self.sent, minor) + extra + body
        self.sent += 1

    @rule(bad=st.sampled_from(BAD))
    def ask_badly(self, bad: bytes) -> None:
        self.to_send += bad

    @precondition(lambda self: self.to_send)
    @rule(size=st.integers(1, 400))
    def send(self, size: int) -> None:
        transport = self.server.transport
        if transport.receiving and not (self.ended or self.lost):
            data, self.to_send = self.to_send[:size], self.to_send[size:]
            self.server.channel.dataReceived(data)

    @precondition(lambda self: not (self.ended or self.lost))
    @rule()
    def end(self) -> None:
        if self.server.transport.receiving:
            self.ended = True
            self.server.channel.readConnectionLost()

    @rule()
    def block(self) -> None:
        self.server.transport.block()

    @rule()
    def unblock(self) -> None:
        self.server.transport.unblock()

    @precondition(lambda self: not self.lost)
    @rule()
    def lose(self) -> None:
        self.lost = True
        producer = self.server.transport.producer
        if producer is not None:
            producer.stopProducing()
        self.server.channel.connectionLost(Failure(ConnectionLost()))

    @precondition(lambda self: not self.lost)
    @rule(seconds=st.sampled_from([0.5, 14.0, 16.0, 241.0]))
    def wait(self, seconds: float) -> None:
        self.server.advance(seconds)

    # The application

    @rule(plan=st.lists(st.sampled_from([*ACTIONS, "raise"]), max_size=3))
    def planned(self, plan: list[str]) -> None:
        self.plan = plan

    @precondition(lambda self: self.server.requests)
    @rule(index=st.integers(0, 5), action=st.sampled_from(ACTIONS))
    def do(self, index: int, action: str) -> None:
        self.act(self.server.requests[-1 - index % len(self.server.requests)], action)

    @precondition(lambda self: self.server.transport.producer is not None and not self.lost)
    @rule()
    def pull(self) -> None:
        transport = self.server.transport
        if not (transport.streaming or transport.bufferedBytes):
            transport.producer.resumeProducing()

    @rule()
    def drain(self) -> None:
        self.server.channel.drain()

    def act(self, request: Any, action: str) -> None:
        if action == "raise":
            self.raised += 1
            raise Fault
        if request.finished and action in ("push", "pull"):
            return
        try:
            self.actions(request, action)
        except (RuntimeError, TypeError):  # the head has been sent, or a producer is there
            assert action in ("early", "push", "pull", "last")

    def actions(self, request: Any, action: str) -> None:
        mark = b"<%d>" % request.number
        done: dict[str, Any] = {
            "write": lambda: request.write(mark),
            "large": lambda: request.write(mark * 10_000),
            "finish": request.finish,
            "push": lambda: request.registerProducer(Producer(), True),
            "pull": lambda: request.writeFile(BytesIO(mark * 1000)).addErrback(lambda _: None),
            "pause": request.pauseProducing,
            "resume": request.resumeProducing,
            "accept": request.acceptData,
            "early": lambda: request.writeIntermediateResponse(103, Headers()),
            "monitor": lambda: request.monitorCongestion(lambda *_: None),
            "ignore": request.ignoreCongestion,
            "close": request.abortConnection,
            "reset": lambda: request.abortConnection(False),
            "last": lambda: request.setResponseHeader(b"Connection", b"close"),
            "unregister": lambda: self.unregister(request),
        }
        done[action]()

    def unregister(self, request: Any) -> None:
        """A file's producer ends by itself."""
        if isinstance(request.chanRequest._producer, Producer):
            request.unregisterProducer()

    # What must hold

    @invariant()
    def answers_are_legal(self) -> None:
        transport = self.server.transport
        gone = transport.disconnecting or self.lost
        data, number = transport.value(), 0
        while data:
            requests = self.server.requests
            method = requests[number].method if number < len(requests) else b"GET"
            answer, rest = read_answer(data, method, gone)
            if answer.code and b"x-number" not in answer.fields and answer.code != 500:
                assert 400 <= answer.code < 500 or answer.code == 505
                assert not rest
                assert transport.disconnecting or self.lost
            elif answer.code and answer.code != 500:
                assert answer.fields[b"x-number"] == b"%d" % number
                assert answer.body == (b"<%d>" % number * 20_000)[: len(answer.body)]
            assert answer.whole or not rest
            data, number = rest, number + 1
        self.is_over = gone or self.is_over

    @invariant()
    def only_the_application_raised(self) -> None:
        logged = self.errors.records
        assert all(each.exc_info and each.exc_info[0] is Fault for each in logged)
        assert len(logged) == self.raised

    @invariant()
    def nothing_is_corked(self) -> None:
        assert self.server.transport.reactor.corked is None


TestChannelMachine = ChannelMachine.TestCase
TestChannelMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
