"""Who looks after a Deferred: reports what nobody handled, remembers where it began.

Guarantees:

- A failure that is a Deferred's result when the Deferred is collected is logged,
  once, with its traceback; one that was handled or passed on never is.
- While debugging is off, a Deferred that does not fail has no Watch.

A Watch must never refer to its Deferred: it reports because both are collected
together, and a cycle between them would put that off.
"""

from __future__ import annotations

import logging
import sys
import traceback

from reactorlib.failure import Failure

__all__ = ["Watch", "getDebugging", "setDebugging", "switch"]

logger = logging.getLogger("reactorlib")


class Switch:
    """Whether debugging is on, as one attribute that is cheap to read."""

    __slots__ = ("on",)

    def __init__(self) -> None:
        self.on = False


switch = Switch()


def setDebugging(on: bool) -> None:
    """Remember from now on where each Deferred is made and fired, or no longer do so.

    Reports of unhandled failures and AlreadyCalledErrors then tell it.  It makes
    every Deferred many times slower.
    """
    switch.on = bool(on)


def getDebugging() -> bool:
    """Return whether debugging is on."""
    return switch.on


class Watch:
    """What is known about one Deferred beyond its result.

    Attributes:
        failure: the failure to report if the Deferred is collected now, or None.
    """

    __slots__ = ("_creator", "_invoker", "failure")

    failure: Failure | None

    def __init__(self) -> None:
        self.failure = None
        self._creator = ""
        self._invoker = ""

    def note_creator(self) -> None:
        """Remember the stack above the constructor, which calls this."""
        self._creator = "".join(traceback.format_stack(sys._getframe(2)))

    def note_invoker(self) -> None:
        """Remember the stack above `callback`, which calls this."""
        self._invoker = "".join(traceback.format_stack(sys._getframe(2)))

    def describe(self) -> str:
        """Return where the Deferred was made and fired; empty if that is not known."""
        made = f"\nDeferred was created at:\n{self._creator}" if self._creator else ""
        fired = f"\nDeferred was first invoked at:\n{self._invoker}" if self._invoker else ""
        return (made + fired).rstrip("\n")

    def __del__(self) -> None:
        failure = self.failure
        if failure is None:
            return
        text = f"Unhandled error in Deferred{self.describe()}"
        if failure.tb is None and failure.frames:
            text = f"{text}\n{failure.getTraceback().rstrip()}"
        logger.critical("%s", text, exc_info=(failure.type, failure.value, failure.tb))
