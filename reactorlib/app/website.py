"""The site that `reactorlib web` serves: it sees its application out, and may end by itself."""

from __future__ import annotations

import logging
from typing import Any

from reactorlib.app.applications import Application
from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.protocols.http.factory import HTTPFactory
from reactorlib.protocols.http.server import Site

logger = logging.getLogger("reactorlib")


class WebSite(Site):
    """A Site of an application, whose lifespan ends when its last connection has closed."""

    def __init__(self, application: Application, **settings: Any) -> None:
        super().__init__(application.resource, **settings)
        self._lifespan = application.lifespan

    def allConnectionsClosed(self) -> Deferred[None]:
        """See HTTPFactory; and the application has ended."""
        closed = super().allConnectionsClosed()
        if self._lifespan is not None:
            closed.addCallback(lambda _: self._lifespan.shutdown()).addErrback(_not_ended)
        return closed


def _not_ended(failure: Failure) -> None:
    logger.error("The application did not end well: %s", failure.getErrorMessage())


def endAfter(count: int, factory: HTTPFactory, reactor: Any) -> None:
    """Have the program end, in good order, with the request of that number."""
    make = factory.protocol.requestFactory  # type: ignore[union-attr]
    left = count

    def counting(*arguments: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            logger.info("%d requests have come: it ends", count)
            reactor.callSoon(reactor.stop)
        return make(*arguments)

    factory.protocol.requestFactory = staticmethod(counting)  # type: ignore[union-attr]
