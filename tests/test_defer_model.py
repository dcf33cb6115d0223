"""Random programs of Deferreds do what a model of them does.

The model is the shortest thing that could be right: it recurses, it pops from the
front of its list, and it knows nothing of reports, speed or memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactorlib.defer import AlreadyCalledError, CancelledError, Deferred
from reactorlib.failure import Failure
from tests.deferreds import Boom

COUNT = 4


class Model:
    """A Deferred, slow and simple."""

    def __init__(self) -> None:
        self.callbacks: list[tuple[Any, Any]] = []
        self.called = False
        self.paused = 0
        self.result: Any = None
        self.running = False
        self.ignore_next = False

    def addCallbacks(self, callback: Any, errback: Any) -> None:
        self.callbacks.append((callback, errback))
        self.run()

    def callback(self, result: Any) -> None:
        if self.called and not self.ignore_next:
            raise AlreadyCalledError
        if self.called:
            self.ignore_next = False
            return
        self.called, self.result = True, result
        self.run()

    def cancel(self) -> None:
        target, passed = self, [self]
        while isinstance(target.result, Model):
            target = target.result
            if target in passed:
                return
            passed.append(target)
        if not target.called:
            target.ignore_next = target.called = True
            target.result = Failure(CancelledError())
            target.run()

    def pause(self) -> None:
        self.paused += 1

    def unpause(self) -> None:
        self.paused -= 1
        self.run()

    def run(self) -> None:
        while self.called and self.callbacks and not self.paused and not self.running:
            callback, errback = self.callbacks.pop(0)
            if isinstance(callback, Model):
                waiter, waiter.result, self.result = callback, self.result, None
                waiter.unpause()
                continue
            self.running = True
            try:
                self.result = (errback if isinstance(self.result, Failure) else callback)(
                    self.result
                )
            except Boom as error:
                self.result = Failure(error)
            self.running = False
            if isinstance(self.result, Model):
                self.wait()

    def wait(self) -> None:
        other = self.result
        if other.called and not other.paused:
            self.result, other.result = other.result, None
        else:
            self.paused += 1
            other.callbacks.append((self, self))


@dataclass(frozen=True)
class Step:
    """Something to do to one Deferred."""

    name: str
    index: int
    value: int = 0
    returns: str = ""
    inside: tuple[Step, ...] = ()


Trace: TypeAlias = list[Any]


class Firing(Protocol):
    """What a Deferred and its model have in common."""

    called: bool
    paused: int
    result: Any

    def addCallbacks(self, callback: Any, errback: Any) -> Any: ...
    def callback(self, result: Any) -> None: ...
    def cancel(self) -> None: ...
    def pause(self) -> None: ...
    def unpause(self) -> None: ...


class Run:
    """A program on one kind of Deferreds, and the trace that it leaves."""

    def __init__(self, make: type[Any]) -> None:
        self.deferreds: list[Firing] = [make() for _ in range(COUNT)]
        self.pauses = [0] * COUNT
        self.trace: Trace = []

    def show(self, value: Any) -> object:
        if isinstance(value, Failure):
            return type(value.value).__name__, *value.value.args
        return self.deferreds.index(value) if value in self.deferreds else value

    def do(self, step: Step) -> None:
        deferred = self.deferreds[step.index]
        if step.name == "add":
            deferred.addCallbacks(self.body("callback", step), self.body("errback", step))
        elif step.name == "pass":
            deferred.addCallbacks(self.body("callback", step), lambda failure: failure)
        elif step.name == "fire":
            self.fire(deferred, step.value)
        elif step.name == "fail":
            self.fire(deferred, Failure(Boom(step.value)))
        elif step.name == "cancel":
            deferred.cancel()
        elif step.name == "pause":
            self.pauses[step.index] += 1
            deferred.pause()
        elif self.pauses[step.index]:
            self.pauses[step.index] -= 1
            deferred.unpause()

    def fire(self, deferred: Firing, result: Any) -> None:
        try:
            deferred.callback(result)
        except AlreadyCalledError:
            self.trace.append("already called")

    def body(self, kind: str, step: Step) -> Any:
        def callback(result: Any) -> Any:
            self.trace.append((kind, step.index, self.show(result)))
            for inner in step.inside:
                self.do(inner)
            if step.returns == "raise":
                raise Boom(step.value)
            if step.returns == "failure":
                return Failure(Boom(step.value))
            if step.returns == "deferred" and step.value % COUNT != step.index:
                return self.deferreds[step.value % COUNT]
            return result if step.returns == "same" else step.value

        return callback

    def outcome(self, program: list[Step]) -> tuple[Trace, Trace]:
        for step in program:
            self.do(step)
        for index in range(COUNT):
            while self.pauses[index]:
                self.do(Step("unpause", index))
            if not self.deferreds[index].called:
                self.do(Step("fire", index, 1000 + index))
        states = [(one.paused, self.show(one.result)) for one in self.deferreds]
        for one in self.deferreds:
            one.addCallbacks(lambda _: None, lambda _: None)
        return self.trace, states


def steps(inside: st.SearchStrategy[tuple[Step, ...]]) -> st.SearchStrategy[Step]:
    adding = st.builds(
        Step,
        st.sampled_from(["add", "add", "pass"]),
        st.integers(0, COUNT - 1),
        st.integers(0, 99),
        st.sampled_from(["value", "same", "raise", "failure", "deferred", "deferred"]),
        inside,
    )
    others = st.builds(
        Step,
        st.sampled_from(["fire", "fail", "cancel", "pause", "unpause", "unpause"]),
        st.integers(0, COUNT - 1),
        st.integers(0, 99),
    )
    return adding | others


nothing: st.SearchStrategy[tuple[Step, ...]] = st.just(())
programs = st.lists(steps(nothing | st.tuples(steps(nothing | st.tuples(steps(nothing))))))


@pytest.mark.filterwarnings("error")
@given(programs)
def test_a_deferred_does_what_its_model_does(program: list[Step]) -> None:
    assert Run(Deferred).outcome(program) == Run(Model).outcome(program)
