"""Counts visits, with two processes. Start it: python examples/workers.py tcp:8080

SIGHUP to the first process replaces both one by one, with this file read anew; one
that dies is replaced; at SIGTERM visitors may stay for up to ten seconds.
"""

import logging
import os
import sys

from reactorlib.app.workers import serve
from reactorlib.protocol import Factory, Protocol


class Visit(Protocol):
    def connectionMade(self):
        self.factory.visits += 1
        text = f"You are visitor {self.factory.visits} of process {os.getpid()}\n"
        self.transport.write(text.encode())
        self.transport.loseConnection()


class Visits(Factory):
    protocol = Visit
    visits = 0


def start(reactor):
    return Visits()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    serve(start, listen=sys.argv[1:], workers=2, gracefulTimeout=10)
