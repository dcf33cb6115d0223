"""Failure: an exception and its traceback as a value that can be passed on.

Guarantees:

- Making one formats nothing and reads no file; that is left to who prints it.
- A Failure never adds to the traceback of its exception: every raise begins
  again from the traceback that the Failure was made with.
- A shared Failure (``Failure.shared``) never lends its exception out: what is
  raised is a fresh copy.  So a million connections may hold the same one, and
  neither frames nor other exceptions gather on it.
- Printing works for every exception, also for one whose ``__str__`` raises.

This module must never import another module of the package.
"""

from __future__ import annotations

import copy
import logging
import sys
import traceback
from collections.abc import Generator
from types import TracebackType
from typing import IO, Any, Literal, NoReturn, TypeAlias

__all__ = ["Failure", "NoCurrentExceptionError", "failure_of_call"]

logger = logging.getLogger("reactorlib")

Detail: TypeAlias = Literal["brief", "default", "verbose"]
Frame: TypeAlias = tuple[str, str, int, list[tuple[str, str]], tuple[()]]
_ExceptionClass: TypeAlias = type[BaseException]
_DETAILS = ("brief", "default", "verbose")


class NoCurrentExceptionError(Exception):
    """A Failure was to be made of the exception being handled, and there is none."""


class Failure:
    """An exception, kept with its traceback.

    Attributes:
        value: the exception.
        type: its class.
        tb: its traceback as it was when this Failure was made, or None.
        captureVars: whether verbose output shows the variables of each frame.
    """

    __slots__ = ("__dict__", "__weakref__", "_stack", "captureVars", "tb", "type", "value")

    value: BaseException
    type: _ExceptionClass
    tb: TracebackType | None
    captureVars: bool
    _stack: traceback.StackSummary | None

    def __init__(
        self,
        exc_value: BaseException | Failure | None = None,
        exc_type: _ExceptionClass | None = None,
        exc_tb: TracebackType | None = None,
        captureVars: bool = False,
    ) -> None:
        """Keep `exc_value`, or the exception that is being handled if it is None.

        `exc_tb` takes the place of the exception's own traceback.  A Failure is
        accepted instead of an exception, and copied.

        Raises NoCurrentExceptionError when there is no exception to keep, and
        TypeError when `exc_value` is something else.
        """
        if exc_value is None:
            exc_value = sys.exc_info()[1]
            if exc_value is None:
                raise NoCurrentExceptionError("no exception is being handled")
        self._stack = None
        if not isinstance(exc_value, BaseException):
            if not isinstance(exc_value, Failure):
                raise TypeError(f"a Failure needs an exception, not {exc_value!r}")
            self._stack = exc_value._stack
            exc_tb = exc_tb or exc_value.tb
            exc_value = exc_value.value
        self.value = exc_value
        self.type = exc_type or exc_value.__class__
        self.tb = exc_tb or exc_value.__traceback__
        self.captureVars = captureVars

    @staticmethod
    def shared(value: BaseException) -> Failure:
        """Return a Failure for a reason that many will hold, such as a clean close.

        Whatever raises it raises a copy of `value`, made by `copy.copy`.

        Raises TypeError when `value` cannot be copied faithfully.
        """
        return _SharedFailure(value)

    def as_exception(self) -> BaseException:
        """Return the exception to raise, with the traceback it was kept with."""
        return self.value.with_traceback(self.tb)

    def check(self, *errorTypes: _ExceptionClass | str) -> _ExceptionClass | str | None:
        """Return the first of `errorTypes` that this is an instance of, or None.

        A type is a class or a class's full name, ``"package.module.Name"``.
        """
        for error in errorTypes:
            if isinstance(error, str):
                if error in map(_full_name, self.type.__mro__):
                    return error
            elif issubclass(self.type, error):
                return error
        return None

    def trap(self, *errorTypes: _ExceptionClass | str) -> _ExceptionClass | str:
        """Do as `check` does, but raise the exception if it is none of `errorTypes`."""
        matched = self.check(*errorTypes)
        if matched is None:
            self.raiseException()
        return matched

    def raiseException(self) -> NoReturn:
        """Raise the exception, with the traceback it was kept with."""
        raise self.as_exception()

    def throwExceptionIntoGenerator(self, g: Generator[Any, Any, Any]) -> Any:
        """Raise the exception where `g` is suspended; return what `g` yields next."""
        return g.throw(self.as_exception())

    def cleanFailure(self) -> None:
        """Let go of the traceback, so that no frame and no local variable is kept.

        What the traceback said is kept as text and still printed.
        """
        if self.tb is not None:
            self._stack = self._extract_stack(self.captureVars)
            self.tb = self.value.__traceback__ = None

    @property
    def frames(self) -> list[Frame]:
        """The frames, outermost first: function, file, line, variables, ().

        Variables are pairs of name and repr, and absent without `captureVars`.
        """
        return [
            (
                frame.name,
                frame.filename,
                frame.lineno or 0,
                sorted((frame.locals or {}).items()),
                (),
            )
            for frame in self._extract_stack(self.captureVars)
        ]

    def getErrorMessage(self) -> str:
        """Return the text of the exception."""
        try:
            return str(self.value)
        except Exception as error:
            return f"<{_full_name(self.type)} whose __str__ raised {_full_name(type(error))}>"

    def getTraceback(self, elideFrameworkCode: int = 0, detail: Detail = "default") -> str:
        """Return the traceback as text that ends with a newline.

        `detail` is "default" (as Python prints it), "brief" (one line for each
        frame) or "verbose" (with variables, if `captureVars` was set).
        `elideFrameworkCode` is accepted for compatibility: no frame is left out.

        Raises ValueError for any other `detail`.
        """
        if detail not in _DETAILS:
            raise ValueError(f"detail is one of {', '.join(_DETAILS)}, not {detail!r}")
        if detail == "brief":
            return self._format_brief()
        with_variables = detail == "verbose" and self.captureVars
        report = traceback.TracebackException(
            self.type, self.value, self.tb, capture_locals=with_variables
        )
        if self.tb is None and self._stack:
            report.stack = self._stack
        return "".join(report.format())

    def getBriefTraceback(self) -> str:
        """Return the traceback as text with one line for each frame."""
        return self._format_brief()

    def printTraceback(
        self,
        file: IO[str] | None = None,
        elideFrameworkCode: int = 0,
        detail: Detail = "default",
    ) -> None:
        """Write `getTraceback` to `file`, or log it as an error if `file` is None."""
        text = self.getTraceback(elideFrameworkCode, detail)
        if file is None:
            logger.error("%s", text.rstrip("\n"))
        else:
            file.write(text)

    def printBriefTraceback(self, file: IO[str] | None = None, elideFrameworkCode: int = 0) -> None:
        """Do as `printTraceback` does, in brief."""
        self.printTraceback(file, elideFrameworkCode, "brief")

    def printDetailedTraceback(
        self, file: IO[str] | None = None, elideFrameworkCode: int = 0
    ) -> None:
        """Do as `printTraceback` does, with variables."""
        self.printTraceback(file, elideFrameworkCode, "verbose")

    def __str__(self) -> str:
        return f"[Failure instance: {self._format_brief().rstrip()}]"

    def __repr__(self) -> str:
        return f"<{_full_name(Failure)} {_full_name(self.type)}: {self.getErrorMessage()}>"

    def __reduce__(self) -> tuple[Any, ...]:
        stack = [
            (frame.filename, frame.lineno or 0, frame.name, frame.line)
            for frame in self._extract_stack(False)
        ]
        return _restore, (type(self), self.value, stack, self.__dict__)

    def _format_brief(self) -> str:
        frames = self._extract_stack(False)
        head = "Traceback" if frames else "Traceback (failure with no frames)"
        lines = [f"{frame.filename}:{frame.lineno}:{frame.name}\n" for frame in frames]
        return f"{head}: {self.type}: {self.getErrorMessage()}\n{''.join(lines)}"

    def _extract_stack(self, with_variables: bool) -> traceback.StackSummary:
        if self.tb is None:
            return self._stack or traceback.StackSummary()
        return traceback.StackSummary.extract(
            traceback.walk_tb(self.tb), lookup_lines=False, capture_locals=with_variables
        )


class _SharedFailure(Failure):
    """A Failure whose exception is never raised itself."""

    __slots__ = ()

    def __init__(self, value: BaseException) -> None:
        super().__init__(value)
        self.cleanFailure()
        try:
            twin = copy.copy(value)
        except Exception as error:
            raise TypeError(f"{value!r} cannot be copied, so it cannot be shared") from error
        if type(twin) is not type(value) or twin.args != value.args:
            raise TypeError(f"{value!r} is not copied faithfully, so it cannot be shared")

    def as_exception(self) -> BaseException:
        return copy.copy(self.value)


def failure_of_call(error: BaseException) -> Failure:
    """Return the Failure of an exception that the caller of this has just caught.

    The catcher's own frame is dropped from the traceback: through it the failure
    would keep the catcher's variables alive, itself often among them.
    """
    traceback_from_here = error.__traceback__
    if traceback_from_here is not None:
        error.__traceback__ = traceback_from_here.tb_next
    return Failure(error)


def _full_name(class_: type[Any]) -> str:
    return f"{class_.__module__}.{class_.__qualname__}"


def _restore(
    class_: type[Failure],
    value: BaseException,
    stack: list[tuple[str, int, str, str | None]],
    attributes: dict[str, Any],
) -> Failure:
    """Make a Failure again of what was pickled or copied; variables are not."""
    failure = class_(value)
    failure.tb = None
    failure._stack = traceback.StackSummary.from_list(stack)
    failure.__dict__.update(attributes)
    return failure
