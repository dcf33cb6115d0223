"""A chat room; docs/chat.md explains it. Serve it: reactorlib run examples/chat.py:factory"""

from reactorlib.protocol import Factory
from reactorlib.protocols.basic import LineReceiver


class Chat(LineReceiver):
    """One visitor: first a name, then what he says."""

    delimiter = b"\n"
    MAX_LENGTH = 500
    name = None

    def connectionMade(self):
        self.sendLine(b"Who are you?")

    def lineReceived(self, line):
        line = line.strip()
        if self.name is None:
            self.enter(line)
        else:
            self.factory.tell(self, self.name + b": " + line)

    def enter(self, name):
        if not name or name in self.factory.visitors:
            self.sendLine(b"Choose another name.")
            return
        self.name = name
        self.factory.visitors[name] = self
        self.sendLine(b"Hello, " + name + b".")
        self.factory.tell(self, name + b" is here.")

    def connectionLost(self, reason):
        if self.name is not None:
            del self.factory.visitors[self.name]
            self.factory.tell(self, self.name + b" has left.")


class ChatFactory(Factory):
    """The room: what all visitors share."""

    protocol = Chat

    def __init__(self):
        self.visitors = {}

    def tell(self, speaker, line):
        for visitor in self.visitors.values():
            if visitor is not speaker:
                visitor.sendLine(line)


factory = ChatFactory()
