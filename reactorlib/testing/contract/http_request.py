"""IChanRequest and IRequest, for the channel of a web server and for its double alike.

`HTTPRequestContract` has all of it; whoever carries requests runs it with an
`exchange` of its own.
"""

from __future__ import annotations

from reactorlib.testing.contract.http_bodies import Bodies
from reactorlib.testing.contract.http_ends import Ends, Switching
from reactorlib.testing.contract.http_heads import Faults, Heads
from reactorlib.testing.contract.http_producers import Producers


class HTTPRequestContract(Heads, Faults, Bodies, Producers, Ends, Switching):
    """Everything that carries a request must do. Needs the fixture `exchange`."""


__all__ = ["HTTPRequestContract"]
