"""Deferreds: results that come later, callbacks, coroutines and what they wait for.

Where things are, each module standing on those above it:

- errors, timeout, futures: small parts
- debugging: reports of unhandled failures, debug mode
- chain: how callbacks run
- deferred: Deferred
- coroutine: inlineCallbacks, ensureDeferred
- shortcuts: succeed, fail, execute, maybeDeferred
- combine: DeferredList, gatherResults, race
- locks: DeferredLock, DeferredSemaphore, DeferredQueue
"""

from reactorlib.defer.combine import FAILURE, SUCCESS, DeferredList, gatherResults, race
from reactorlib.defer.coroutine import ensureDeferred, inlineCallbacks, returnValue
from reactorlib.defer.debugging import getDebugging, setDebugging
from reactorlib.defer.deferred import Deferred
from reactorlib.defer.errors import (
    AlreadyCalledError,
    CancelledError,
    FailureGroup,
    FirstError,
    NotACoroutineError,
    QueueOverflow,
    QueueUnderflow,
    TimeoutError,
)
from reactorlib.defer.locks import DeferredLock, DeferredQueue, DeferredSemaphore
from reactorlib.defer.shortcuts import execute, fail, logError, maybeDeferred, passthru, succeed

__all__ = [
    "FAILURE",
    "SUCCESS",
    "AlreadyCalledError",
    "CancelledError",
    "Deferred",
    "DeferredList",
    "DeferredLock",
    "DeferredQueue",
    "DeferredSemaphore",
    "FailureGroup",
    "FirstError",
    "NotACoroutineError",
    "QueueOverflow",
    "QueueUnderflow",
    "TimeoutError",
    "ensureDeferred",
    "execute",
    "fail",
    "gatherResults",
    "getDebugging",
    "inlineCallbacks",
    "logError",
    "maybeDeferred",
    "passthru",
    "race",
    "returnValue",
    "setDebugging",
    "succeed",
]
