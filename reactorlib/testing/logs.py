"""Log records kept for a test."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, overload

_Self = TypeVar("_Self", bound="EventLoggingObserver")


class EventLoggingObserver(logging.Handler, Sequence[logging.LogRecord]):
    """A logging handler that is the sequence of the records it got."""

    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self._events: list[logging.LogRecord] = []

    @classmethod
    def createWithCleanup(cls: type[_Self], testInstance: Any, publisher: logging.Logger) -> _Self:
        """One that is added to a logger, and removed by the test's addCleanup."""
        observer = cls()
        publisher.addHandler(observer)
        testInstance.addCleanup(publisher.removeHandler, observer)
        return observer

    def emit(self, record: logging.LogRecord) -> None:
        self._events.append(record)

    __call__ = emit

    def __len__(self) -> int:
        return len(self._events)

    def __iter__(self) -> Iterator[logging.LogRecord]:
        return iter(self._events)

    @overload
    def __getitem__(self, index: int) -> logging.LogRecord: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[logging.LogRecord]: ...

    def __getitem__(self, index: int | slice) -> logging.LogRecord | Sequence[logging.LogRecord]:
        return self._events[index]
