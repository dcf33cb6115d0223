"""What the parts of ProcessContract stand on: children that are looked after."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psutil
import pytest

from reactorlib.error import ProcessExitedAlready
from reactorlib.failure import Failure
from reactorlib.protocol import ProcessProtocol
from reactorlib.testing.contract.base import ContractBase

Reaction = Callable[..., object]


class Child(ProcessProtocol):
    """Keeps what it was told of a child, in order; does what `reactions` say besides.

    A reaction stands under a method's name and is called with this and the
    method's arguments.
    """

    def __init__(self, **reactions: Reaction) -> None:
        self.reactions = reactions
        self.told: list[Any] = []
        self.written: dict[int, bytes] = {}
        self.reason: Failure | None = None

    @property
    def output(self) -> bytes:
        """What came from its standard output."""
        return self.written.get(1, b"")

    @property
    def errors(self) -> bytes:
        """What came from its standard error."""
        return self.written.get(2, b"")

    @property
    def lost(self) -> list[int]:
        """The pipes that are closed."""
        return [each for each in self.told if isinstance(each, int)]

    @property
    def result(self) -> tuple[int | None, int | None]:
        """The exit code and the signal that ended it."""
        assert self.reason is not None
        value: Any = self.reason.value
        return value.exitCode, value.signal

    def connectionMade(self) -> None:
        self.told.append("made")
        self._react("connectionMade")

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        assert type(data) is bytes
        self.written[childFD] = self.written.get(childFD, b"") + data
        self._react("childDataReceived", childFD, data)

    def childConnectionLost(self, childFD: int) -> None:
        self.told.append(childFD)
        self._react("childConnectionLost", childFD)

    def processExited(self, reason: Failure) -> None:
        self.told.append("exited")
        self.reason = reason
        self._react("processExited", reason)

    def processEnded(self, reason: Failure) -> None:
        assert reason.value is self.reason.value  # type: ignore[union-attr]
        self.told.append("ended")
        self._react("processEnded", reason)

    def _react(self, method: str, *arguments: Any) -> None:
        if method in self.reactions:
            self.reactions[method](self, *arguments)


class ProcessParts(ContractBase):
    """The base of every part.

    `descriptor_limit` is the first descriptor that the backend cannot hold, if
    there is one. `waits_by_pidfd` False has a thread wait for each child.
    """

    descriptor_limit: int | None = None
    waits_by_pidfd: bool | None = None

    def make_reactor(self) -> Any:
        reactor = super().make_reactor()
        if self.waits_by_pidfd is not None:
            reactor.waitsByPidfd = self.waits_by_pidfd
        return reactor

    @pytest.fixture
    def spawn(self, reactor: Any) -> Iterator[Callable[..., Child]]:
        """Starts programs: arguments, and the options of spawnProcess or reactions.

        What still runs after the test is killed, and each child must have been
        waited for by then.
        """
        children: list[Child] = []
        others = set(psutil.Process().children())

        def spawn(*arguments: Any, **options: Any) -> Child:
            names = [name for name in options if hasattr(Child, name)]
            child = Child(**{name: options.pop(name) for name in names})
            options = {"args": arguments, "env": None, **options}
            reactor.spawnProcess(child, arguments[0], **options)
            children.append(child)
            return child

        yield spawn
        for child in children:
            if "exited" not in child.told:
                kill(child)
        self.until_ended(reactor, *children)
        for child in children:
            assert child.told[0] == "made"
            assert child.told[-1] == "ended"
            assert sorted(child.lost) == sorted(child.transport.pipes)
            assert len(child.told) == len(child.lost) + 3
        assert set(psutil.Process().children()) <= others

    def until_ended(self, reactor: Any, *children: Child) -> None:
        """Turn the reactor until processEnded was called for each of them."""
        __tracebackhide__ = True
        self.turn_until(reactor, lambda: all("ended" in child.told for child in children))


def kill(child: Child) -> None:
    """End a child, if it has not ended; its pipes may be in others' hands."""
    with suppress(ProcessExitedAlready):
        child.transport.signalProcess("KILL")
    for number in child.transport.pipes:
        child.transport.closeChildFD(number)
    child.transport.loseConnection()
