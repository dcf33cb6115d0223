"""What nobody handled is told once; debug mode; and nothing is kept alive."""

from __future__ import annotations

import gc
import logging
import sys
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from reactorlib.defer import (
    AlreadyCalledError,
    CancelledError,
    Deferred,
    DeferredList,
    ensureDeferred,
    fail,
    getDebugging,
    passthru,
    setDebugging,
    succeed,
)
from reactorlib.failure import Failure
from tests.deferreds import WAYS, Boom, boom, result_of, wait_for, wait_inline, waiting_for


@pytest.fixture(autouse=True)
def no_collector() -> Iterator[None]:
    """Let only reference counts collect, so that a cycle shows.

    A traceback that somebody holds is a cycle of its own: it leads to the frames that
    called, and their variables.
    """
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def debugging() -> Iterator[None]:
    setDebugging(True)
    yield
    setDebugging(False)


def drop(make: Callable[[], Any]) -> None:
    """Make something and let it go, and what its traceback keeps."""
    make()
    gc.collect()


class TestReports:
    def test_a_failure_that_nobody_handled(self, caplog: pytest.LogCaptureFixture) -> None:
        drop(lambda: succeed(1).addCallback(boom))
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("reactorlib", logging.CRITICAL)
        assert record.getMessage() == "Unhandled error in Deferred"
        assert record.exc_info is not None
        assert record.exc_info[0] is Boom
        assert 'raise Boom("text")' in caplog.text

    @pytest.mark.parametrize(
        "make",
        [
            lambda: fail(Boom()),
            lambda: Deferred().errback(Boom()),
            lambda: Deferred().callback(Failure(Boom())),
            lambda: ensureDeferred(wait_for(fail(Boom()))),
            lambda: succeed(1).addCallback(lambda _: fail(Boom())),
            lambda: fail(Boom()).addCallback(boom),
            lambda: fail(Boom()).addErrback(boom),
            lambda: DeferredList([fail(Boom())]),
        ],
    )
    def test_once_for_each_way(
        self, make: Callable[[], Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        drop(make)
        assert len(caplog.records) == 1

    def test_a_cancel_that_nobody_looks_at(self, caplog: pytest.LogCaptureFixture) -> None:
        drop(lambda: Deferred[int]().cancel())
        (record,) = caplog.records
        assert record.exc_info is not None
        assert record.exc_info[0] is CancelledError

    def test_of_one_that_is_paused(self, caplog: pytest.LogCaptureFixture) -> None:
        deferred: Deferred[int] = Deferred()
        deferred.pause()
        deferred.errback(Boom())
        del deferred
        assert len(caplog.records) == 1

    def test_of_the_waiter_alone(self, caplog: pytest.LogCaptureFixture) -> None:
        inner: Deferred[int] = Deferred()
        outer = waiting_for(inner)
        inner.errback(Boom())
        del inner
        assert caplog.records == []
        del outer
        assert len(caplog.records) == 1

    def test_of_the_waiter_for_one_that_was_to_be_reported(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        inner: Deferred[int] = Deferred()
        inner.pause()
        inner.errback(Boom())
        outer = waiting_for(inner)
        inner.unpause()
        del inner
        assert caplog.records == []
        del outer
        assert len(caplog.records) == 1

    @pytest.mark.parametrize(
        "make",
        [
            lambda: fail(Boom()).addErrback(lambda _: None),
            lambda: fail(Boom()).addBoth(lambda _: None),
            lambda: fail(Boom()).addErrback(lambda _: Deferred()),
            lambda: result_of(fail(Boom())),
            lambda: result_of(ensureDeferred(wait_for(fail(Boom())))),
            lambda: DeferredList([fail(Boom())], consumeErrors=True),
            lambda: Deferred(),
        ],
    )
    def test_none_of_what_was_handled(
        self, make: Callable[[], Any], caplog: pytest.LogCaptureFixture
    ) -> None:
        drop(make)
        gc.collect()
        assert caplog.records == []

    def test_none_of_what_is_handled_late(self, caplog: pytest.LogCaptureFixture) -> None:
        deferred = fail(Boom())
        deferred.addCallback(lambda _: 1)
        deferred.addErrback(lambda _: None)
        del deferred
        assert caplog.records == []

    def test_one_for_a_failure_after_a_handled_one(self, caplog: pytest.LogCaptureFixture) -> None:
        drop(lambda: fail(KeyError()).addErrback(lambda _: None).addCallback(boom))
        (record,) = caplog.records
        assert record.exc_info is not None
        assert record.exc_info[0] is Boom

    def test_of_a_failure_that_was_cleaned(self, caplog: pytest.LogCaptureFixture) -> None:
        deferred = succeed(1).addCallback(boom)
        deferred.result.cleanFailure()
        del deferred
        (record,) = caplog.records
        assert 'raise Boom("text")' in record.getMessage()


class TestDebugMode:
    def test_is_off_unless_asked_for(self) -> None:
        assert getDebugging() is False
        setDebugging(True)
        assert getDebugging() is True
        setDebugging(False)
        assert getDebugging() is False

    @pytest.mark.usefixtures("debugging")
    def test_reports_tell_where_it_was_made_and_fired(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def make_it() -> Deferred[Any]:
            return Deferred()

        def fire_it(deferred: Deferred[Any]) -> None:
            deferred.errback(Boom())

        drop(lambda: fire_it(make_it()))
        message = caplog.records[0].getMessage()
        made, fired = message.split("Deferred was first invoked at:")
        assert "Deferred was created at:" in made
        assert "in make_it" in [line for line in made.splitlines() if "File " in line][-1]
        assert "in fire_it" in fired

    @pytest.mark.usefixtures("debugging")
    def test_firing_twice_tells_of_the_first_time(self) -> None:
        def fire_it(deferred: Deferred[Any]) -> None:
            deferred.callback(1)

        deferred: Deferred[Any] = Deferred()
        fire_it(deferred)
        with pytest.raises(AlreadyCalledError, match="in fire_it"):
            deferred.callback(2)

    def test_a_deferred_from_before_is_known_from_its_firing(self) -> None:
        deferred: Deferred[Any] = Deferred()
        setDebugging(True)
        try:
            deferred.callback(1)
        finally:
            setDebugging(False)
        with pytest.raises(AlreadyCalledError, match="first invoked at") as raised:
            deferred.callback(2)
        assert "created" not in str(raised.value)

    @pytest.mark.usefixtures("debugging")
    def test_nothing_is_reported_that_is_right(self, caplog: pytest.LogCaptureFixture) -> None:
        assert result_of(ensureDeferred(wait_for(succeed(1)))) == 1
        assert caplog.records == []


class Thing:
    """Something to hold a weak reference to."""


class TestNothingIsKeptAlive:
    def test_by_one_that_was_fired(self) -> None:
        thing = Thing()
        alive = weakref.ref(thing)
        deferred: Deferred[Any] = Deferred(partial(print, thing))
        deferred.addCallback(lambda _, thing: None, thing)
        del thing
        assert alive() is not None
        deferred.callback(None)
        assert alive() is None

    def test_by_a_callback_that_ran_before_a_pause(self) -> None:
        thing = Thing()
        alive = weakref.ref(thing)
        pending: Deferred[int] = Deferred()
        deferred: Deferred[Any] = Deferred()
        deferred.addCallback(lambda _, thing: pending, thing).addCallback(lambda _: None)
        del thing
        deferred.callback(None)
        assert alive() is None
        assert not pending.called

    @pytest.mark.parametrize("error", [None, Boom()])
    def test_by_a_chain(self, error: Boom | None) -> None:
        inner: Deferred[Any] = Deferred()
        outer = waiting_for(inner).addErrback(lambda _: None)
        references = weakref.ref(inner), weakref.ref(outer)
        inner.callback(error and Failure(error))
        del inner, outer
        assert [reference() for reference in references] == [None, None]

    @WAYS
    @pytest.mark.parametrize(
        ("outcome", "late"), [(passthru, False), (passthru, True), (boom, True)]
    )
    def test_by_a_coroutine(self, waits: Any, outcome: Any, late: bool) -> None:
        thing = Thing()
        pending: Deferred[Any] = Deferred().addCallback(outcome)
        if not late:
            pending.callback(thing)
        deferred = waits(pending)
        references = weakref.ref(pending), weakref.ref(deferred), weakref.ref(thing)
        if late:
            pending.callback(thing)
        result_of(deferred)
        del thing, pending, deferred
        assert [reference() for reference in references] == [None, None, None]

    def test_by_a_generator_that_yields_what_has_failed(self) -> None:
        pending = succeed(1).addCallback(boom)
        references = [weakref.ref(pending)]
        deferred = wait_inline(pending)
        references.append(weakref.ref(deferred))
        result_of(deferred)
        del pending, deferred
        assert [reference() for reference in references] == [None, None]

    def test_by_a_caught_error(self) -> None:
        async def catch(pending: Deferred[Any], thing: Thing) -> str:
            try:
                await pending
            except Boom:
                return "caught"
            return "not raised"

        thing = Thing()
        alive = weakref.ref(thing)
        pending: Deferred[Any] = Deferred()
        deferred = ensureDeferred(catch(pending, thing))
        pending.errback(Boom())
        assert result_of(deferred) == "caught"
        del thing, pending, deferred
        assert alive() is None

    @pytest.mark.parametrize("late", [False, True])
    def test_by_an_error_that_was_awaited(self, late: bool) -> None:
        async def catch(pending: list[Deferred[Any]]) -> Any:
            try:
                await pending.pop()
            except Boom as error:
                return weakref.ref(error)

        pending: Deferred[Any] = Deferred()
        if not late:
            pending.errback(Boom())
        deferred = ensureDeferred(catch([pending]))
        if late:
            pending.errback(Boom())
        del pending
        assert result_of(deferred)() is None

    def test_by_an_error_that_a_coroutine_raised(self) -> None:
        def fail_with(thing: Thing) -> None:
            raise Boom(thing)

        async def fail_later(pending: Deferred[Any], thing: Thing) -> None:
            await pending
            fail_with(thing)

        thing = Thing()
        alive = weakref.ref(thing)
        pending: Deferred[Any] = Deferred()
        deferred = ensureDeferred(fail_later(pending, thing))
        pending.callback(1)
        del thing, pending
        assert alive() is not None
        deferred.addErrback(lambda _: None)
        assert alive() is None

    def test_by_an_error_that_is_handled(self) -> None:
        def fail_with(_: object, thing: Thing) -> None:
            raise Boom(thing)

        thing = Thing()
        alive = weakref.ref(thing)
        deferred = succeed(1).addCallback(fail_with, thing)
        del thing
        assert alive() is not None
        deferred.addErrback(lambda _: None)
        assert alive() is None

    def test_by_a_cancelled_one(self) -> None:
        deferred: Deferred[int] = Deferred()
        alive = weakref.ref(deferred)
        deferred.cancel()
        deferred.addErrback(lambda _: None)
        del deferred
        assert alive() is None

    def test_by_a_shared_reason(self) -> None:
        reason = Failure.shared(Boom("text"))

        async def catch(thing: Thing) -> Any:
            try:
                raise KeyError(thing)
            except KeyError:
                try:
                    await succeed(1).addCallback(lambda _: reason)
                except Boom as error:
                    return error.args
            return None

        for late in (False, True):
            thing = Thing()
            alive = weakref.ref(thing)
            assert result_of(ensureDeferred(catch(thing))) == ("text",)
            pending: Deferred[Any] = Deferred()
            deferred = ensureDeferred(wait_for(pending))
            pending.errback(reason)
            assert isinstance(result_of(deferred), Boom)
            del thing, pending, deferred
            assert alive() is None, late
        assert (reason.value.__traceback__, reason.value.__context__) == (None, None)


def test_a_pending_deferred_is_small() -> None:
    assert sys.getsizeof(Deferred()) <= 96
    assert not hasattr(Deferred(), "__dict__")
