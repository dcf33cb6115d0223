"""Failure: what it keeps, what it prints, how it raises, and what it must not keep alive."""

from __future__ import annotations

import contextlib
import copy
import gc
import io
import logging
import pickle
import sys
import weakref
from collections.abc import Callable, Generator
from typing import Any, NoReturn

import pytest

from reactorlib.failure import Failure, NoCurrentExceptionError, failure_of_call


class Refusal(Exception):
    """An exception that carries more than its text."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text, code)
        self.code = code


class Picky(Exception):
    """An exception that cannot be made of its own args."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first)


class Forgetful(Exception):
    """An exception whose copy is another one."""

    def __init__(self, text: str) -> None:
        super().__init__(text + "!")


class Mute(Exception):
    """An exception that has no text."""

    def __str__(self) -> str:
        raise ZeroDivisionError


class Thing:
    """Something to hold a weak reference to."""


def inner(message: str) -> NoReturn:
    secret = "local " + message
    raise Refusal(secret, 7)


def outer(message: str = "text") -> Failure:
    try:
        inner(message)
    except Refusal:
        return Failure()


def traceback_depth(error: BaseException) -> int:
    depth, traceback = 0, error.__traceback__
    while traceback is not None:
        depth, traceback = depth + 1, traceback.tb_next
    return depth


class TestMaking:
    def test_of_the_exception_being_handled(self) -> None:
        failure = outer()
        assert failure.type is Refusal
        assert isinstance(failure.value, Refusal)
        assert failure.tb is failure.value.__traceback__ is not None

    def test_of_an_exception(self) -> None:
        error = Refusal("text")
        failure = Failure(error)
        assert (failure.value, failure.type, failure.tb) == (error, Refusal, None)

    def test_of_parts(self) -> None:
        parts = sys.exc_info()
        try:
            inner("text")
        except Refusal:
            parts = sys.exc_info()
        error, kind, traceback = parts[1], parts[0], parts[2]
        assert error is not None
        failure = Failure(error.with_traceback(None), kind, traceback)
        assert failure.type is Refusal
        assert failure.tb is traceback

    def test_of_nothing(self) -> None:
        with pytest.raises(NoCurrentExceptionError):
            Failure()

    def test_of_something_else(self) -> None:
        with pytest.raises(TypeError, match="'text'"):
            Failure("text")  # type: ignore[arg-type]

    def test_of_a_failure(self) -> None:
        first = outer()
        second = Failure(first)
        assert (second.value, second.type, second.tb) == (first.value, first.type, first.tb)
        first.cleanFailure()
        assert [frame[0] for frame in Failure(first).frames] == ["outer", "inner"]

    def test_users_may_add_attributes(self) -> None:
        failure: Any = Failure(Refusal("text"))
        failure.request = 5
        assert failure.request == 5


class TestChecking:
    def test_check_returns_the_first_that_fits(self) -> None:
        failure = Failure(Refusal("text"))
        assert failure.check(KeyError, Exception, Refusal) is Exception
        assert failure.check(KeyError) is None
        assert failure.check() is None

    def test_check_takes_full_names(self) -> None:
        failure = Failure(KeyError("text"))
        assert failure.check("builtins.LookupError") == "builtins.LookupError"
        assert failure.check("LookupError") is None
        assert Failure(Refusal("x")).check(f"{__name__}.Refusal") is not None

    def test_trap_returns_what_fits(self) -> None:
        assert Failure(Refusal("text")).trap(KeyError, Refusal) is Refusal

    def test_trap_raises_what_does_not(self) -> None:
        failure = outer()
        with pytest.raises(Refusal) as raised:
            failure.trap(KeyError)
        assert raised.value is failure.value
        assert raised.traceback[-1].name == "inner"


class TestRaising:
    def test_raises_the_same_exception_where_it_came_from(self) -> None:
        failure = outer()
        with pytest.raises(Refusal) as raised:
            failure.raiseException()
        assert raised.value is failure.value
        names = [entry.name for entry in raised.traceback]
        assert names[-3:] == ["raiseException", "outer", "inner"]

    def test_raising_again_and_again_adds_nothing(self) -> None:
        failure = outer()
        depths = set()
        for _ in range(50):
            with pytest.raises(Refusal):
                failure.raiseException()
            depths.add(traceback_depth(failure.value))
        assert len(depths) == 1

    def test_throws_into_a_generator(self) -> None:
        caught: list[BaseException] = []

        def generator() -> Generator[int, None, None]:
            try:
                yield 1
            except Refusal as error:
                caught.append(error)
                yield 2

        failure, running = outer(), generator()
        next(running)
        assert failure.throwExceptionIntoGenerator(running) == 2
        assert caught == [failure.value]


class TestPrinting:
    def test_traceback_is_like_pythons(self) -> None:
        failure = outer()
        lines = failure.getTraceback().splitlines()
        assert lines[0] == "Traceback (most recent call last):"
        assert "raise Refusal(secret, 7)" in failure.getTraceback()
        assert lines[-1] == f"{__name__}.Refusal: ('local text', 7)"
        assert "local text" not in "".join(lines[:-1])

    def test_traceback_shows_causes(self) -> None:
        error = Refusal("text")
        error.__cause__ = KeyError("cause")
        assert "KeyError: 'cause'" in Failure(error).getTraceback()

    def test_without_frames(self) -> None:
        failure = Failure(ValueError("text"))
        assert failure.getTraceback().endswith("ValueError: text\n")
        assert failure.getBriefTraceback() == (
            "Traceback (failure with no frames): <class 'ValueError'>: text\n"
        )
        assert failure.frames == []

    def test_brief_has_a_line_for_each_frame(self) -> None:
        lines = outer().getBriefTraceback().splitlines()
        assert lines[0] == f"Traceback: {Refusal!r}: ('local text', 7)"
        assert [line.rpartition(":")[2] for line in lines[1:]] == ["outer", "inner"]
        assert all(line.startswith(__file__) for line in lines[1:])

    def test_verbose_shows_variables_if_they_were_asked_for(self) -> None:
        failure = outer()
        assert "secret = " not in failure.getTraceback(detail="verbose")
        failure.captureVars = True
        assert "secret = 'local text'" in failure.getTraceback(detail="verbose")
        assert "secret = " not in failure.getTraceback()
        assert failure.frames[1][3] == [("message", "'text'"), ("secret", "'local text'")]

    def test_unknown_detail(self) -> None:
        with pytest.raises(ValueError, match="'loud'"):
            outer().getTraceback(detail="loud")  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("method", "detail"),
        [
            ("printTraceback", "default"),
            ("printBriefTraceback", "brief"),
            ("printDetailedTraceback", "verbose"),
        ],
    )
    def test_prints_to_a_file(self, method: str, detail: Any) -> None:
        failure, file = outer(), io.StringIO()
        failure.captureVars = True
        getattr(failure, method)(file)
        assert file.getvalue() == failure.getTraceback(detail=detail)

    def test_prints_to_the_log(self, caplog: pytest.LogCaptureFixture) -> None:
        failure = outer()
        failure.printTraceback()
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("reactorlib", logging.ERROR)
        assert record.getMessage() == failure.getTraceback().rstrip("\n")

    def test_str_and_repr(self) -> None:
        failure = Failure(ValueError("text"))
        assert repr(failure) == "<reactorlib.failure.Failure builtins.ValueError: text>"
        assert str(failure) == (
            "[Failure instance: Traceback (failure with no frames): <class 'ValueError'>: text]"
        )

    def test_an_exception_without_text(self) -> None:
        failure = Failure(Mute())
        assert failure.getErrorMessage() == (
            f"<{__name__}.Mute whose __str__ raised builtins.ZeroDivisionError>"
        )
        for text in (repr(failure), str(failure), failure.getTraceback()):
            assert "Mute" in text


class TestCleaning:
    def test_lets_go_of_frames_but_still_prints(self) -> None:
        failure = outer()
        before = failure.frames
        brief = failure.getBriefTraceback()
        failure.cleanFailure()
        assert failure.tb is failure.value.__traceback__ is None
        assert failure.frames == before
        assert failure.getBriefTraceback() == brief
        assert "raise Refusal(secret, 7)" in failure.getTraceback()

    def test_keeps_the_text_of_variables_if_they_were_asked_for(self) -> None:
        failure = outer()
        failure.captureVars = True
        failure.cleanFailure()
        assert "secret = 'local text'" in failure.getTraceback(detail="verbose")

    def test_again_and_without_frames_is_harmless(self) -> None:
        failure = outer()
        failure.cleanFailure()
        failure.cleanFailure()
        assert len(failure.frames) == 2
        bare = Failure(Refusal("text"))
        bare.cleanFailure()
        assert bare.frames == []

    def test_locals_die(self) -> None:
        def fail(thing: Thing) -> Failure:
            try:
                raise Refusal("text")
            except Refusal:
                return Failure()

        thing = Thing()
        alive = weakref.ref(thing)
        failure = fail(thing)
        del thing
        assert alive() is not None
        failure.cleanFailure()
        assert alive() is None


@pytest.mark.parametrize("twin", [copy.copy, lambda failure: pickle.loads(pickle.dumps(failure))])
class TestCopies:
    def test_of_a_failure_with_frames(self, twin: Callable[[Failure], Failure]) -> None:
        failure: Any = outer()
        failure.request = "attribute"
        other: Any = twin(failure)
        assert other.value.args == ("local text", 7)
        assert other.tb is None
        assert other.type is Refusal
        assert other.request == "attribute"
        assert other.getBriefTraceback() == failure.getBriefTraceback()
        assert "raise Refusal(secret, 7)" in other.getTraceback()

    def test_of_a_shared_failure(self, twin: Callable[[Failure], Failure]) -> None:
        other = twin(Failure.shared(Refusal("text", 5)))
        with pytest.raises(Refusal) as raised:
            other.raiseException()
        assert raised.value is not other.value
        assert raised.value.code == 5


class TestSharing:
    def test_raises_faithful_copies(self) -> None:
        reason = Failure.shared(Refusal("text", 5))
        raised: list[BaseException] = [reason.value]
        for _ in range(3):
            with pytest.raises(Refusal) as caught:
                reason.raiseException()
            assert caught.value.args == ("text", 5)
            assert caught.value.code == 5
            assert not any(caught.value is earlier for earlier in raised)
            raised.append(caught.value)
        assert reason.check(Refusal) is Refusal

    def test_nothing_gathers_on_it(self) -> None:
        reason = Failure.shared(Refusal("text"))

        def catch(thing: Thing) -> None:
            try:
                raise KeyError(thing)
            except KeyError:
                with contextlib.suppress(Refusal):
                    reason.trap(ValueError)

        gc.disable()
        try:
            thing = Thing()
            alive = weakref.ref(thing)
            catch(thing)
            del thing
            assert alive() is None
        finally:
            gc.enable()
        value = reason.value
        assert (value.__traceback__, value.__context__, value.__cause__) == (None, None, None)
        reason.cleanFailure()
        assert reason.getTraceback() == f"{__name__}.Refusal: ('text', 0)\n"

    def test_forgets_where_its_exception_was_raised(self) -> None:
        reason = Failure.shared(outer().value)
        assert reason.tb is reason.value.__traceback__ is None

    @pytest.mark.parametrize("value", [Picky("a", "b"), Forgetful("a")])
    def test_refuses_what_cannot_be_copied(self, value: Exception) -> None:
        with pytest.raises(TypeError, match="so it cannot be shared"):
            Failure.shared(value)


class TestFailureOfCall:
    def test_drops_the_catchers_frame(self) -> None:
        try:
            inner("text")
        except Refusal as error:
            failure = failure_of_call(error)
        assert [frame[0] for frame in failure.frames] == ["inner"]

    def test_without_a_traceback(self) -> None:
        assert failure_of_call(Refusal("text")).tb is None
