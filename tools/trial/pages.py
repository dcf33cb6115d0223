"""What the nodes of the trial serve: who answers, and whom he takes the client to be.

An answer takes its time, so that at any moment some are not finished: FAST for most
places, SLOW for /slow, in seconds.
"""

from __future__ import annotations

import json
import os
from typing import Any

from reactorlib import reactor
from reactorlib.protocols.http.resource import Resource
from reactorlib.task import deferLater

NAME = "TRIAL_NODE"
FAST, SLOW = 0.02, 0.5


class Answer(Resource):
    isLeaf = True

    async def render_GET(self, request: Any) -> bytes:
        await deferLater(reactor, SLOW if request.uri == b"/slow" else FAST)
        told = {"node": os.environ[NAME], "client": request.getClientAddress().host}
        return json.dumps(told).encode()


root = Answer()
