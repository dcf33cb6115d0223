"""Answers in capitals. Serve it: reactorlib run examples/shout.py:factory"""

from reactorlib.protocol import Factory, Protocol


class Shout(Protocol):
    def dataReceived(self, data):
        self.transport.write(data.upper())


factory = Factory.forProtocol(Shout)
