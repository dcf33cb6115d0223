"""Workers for a program of one's own."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from reactorlib.app.workers import spawning
from reactorlib.app.workers.command import Command, interpreter
from reactorlib.app.workers.forking import Fork
from reactorlib.app.workers.sockets import Opener
from reactorlib.app.workers.supervisor import TO_BE_KILLED, Supervisor, Worker
from reactorlib.app.workers.work import Work
from reactorlib.backends import registry
from reactorlib.endpoints.strings import serverFromString
from reactorlib.error import NoProtocol
from reactorlib.failure import Failure
from reactorlib.posixbase import Reactor
from reactorlib.protocol import Factory

logger = logging.getLogger("reactorlib")


def serve(
    start: Callable[[Any], Any],
    *,
    listen: Sequence[str],
    workers: int,
    method: str = "spawn",
    gracefulTimeout: float = 30.0,
) -> None:
    """Serve with several processes, until a signal ends this one, which looks after them.

    `start(reactor)` is called in each of `workers` processes, with that process's
    reactor, and returns the factory to be served, or a Deferred or coroutine of it.
    `listen` are endpoints as strings, such as `tcp:8080`, which are opened here, once.
    What is promised is that of `--workers`: a worker that dies is replaced, SIGTERM and
    SIGINT let connections finish for up to `gracefulTimeout` seconds, a second SIGINT
    does not, SIGHUP replaces workers one by one, and none outlives this process.

    `method` is one of:

    - "spawn": a worker is a new interpreter, which imports the program anew, so that
      SIGHUP brings in what has changed. `start` has to be importable: a function at the
      top of a module, or such a one in a `functools.partial`. As with multiprocessing,
      the module that the program was started with is imported under another name, so
      that the call of `serve` has to stand under `if __name__ == "__main__":`.
    - "fork": a worker goes on in a copy of this process, as it is now. Quicker, and
      `start` can be anything; but no other thread of the program is there, and SIGHUP
      loads nothing anew. `reactorlib.reactor` begins anew in it.

    A worker's reactor has the backend that was installed here. This process has a
    reactor of its own to look after them; what is done here with `reactorlib.reactor`
    is not seen by any worker. To be called in the main thread.

    Raises InvalidEndpoint or ValueError if the arguments make no sense,
    CannotListenError if a place is taken, and RuntimeError if no worker could begin:
    the log tells why.
    """
    if method not in _METHODS:
        raise ValueError(f"method is 'fork' or 'spawn', not {method!r}")
    if workers < 1:
        raise ValueError(f"the number of workers must be 1 or more, not {workers}")
    work = Work(start, tuple(listen), gracefulTimeout)
    reactor = Reactor(registry.open_another())
    with ExitStack() as ends:
        ends.callback(reactor.close)
        opener = Opener(reactor, workers)
        ends.callback(opener.close)
        launch = _METHODS[method](work, opener, ends)
        for description in listen:
            _open(opener, description, ends)
        grace = gracefulTimeout + TO_BE_KILLED
        supervisor = Supervisor(reactor, launch, workers, grace, opener.is_served)
        supervisor.run()
    if supervisor.failed is not None:
        raise RuntimeError("no worker could begin: the log tells why")


def _spawning(work: Work, opener: Opener, ends: ExitStack) -> Command:
    needed = ends.enter_context(spawning.written(work, opener.name))
    return Command(interpreter(spawning.PROGRAM), opener.opened, os.environ, needed)


def _forking(work: Work, opener: Opener, ends: ExitStack) -> Fork:
    return Fork(work, opener.opened)


_METHODS: dict[str, Callable[[Work, Opener, ExitStack], Callable[[Worker], object]]] = {
    "spawn": _spawning,
    "fork": _forking,
}


def _open(opener: Opener, description: str, ends: ExitStack) -> None:
    outcome: list[Any] = []
    serverFromString(opener, description).listen(Factory()).addBoth(outcome.append)
    for result in outcome:
        if isinstance(result, Failure):
            if result.check(NoProtocol):
                raise ValueError(f"workers have no socket to share at {description!r}")
            result.raiseException()
        tell = partial(logger.info, "%d workers serve %s", opener.workers, result.getHost())
        opener.callWhenRunning(tell)
        if result.descriptor is not None:  # its number is the workers' still
            os.dup2(result.sockets[0].fileno(), result.descriptor, inheritable=False)
            ends.callback(os.close, result.descriptor)
