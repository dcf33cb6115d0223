"""Streams as much as one asks for, a gigabyte if not told, to clients of any speed.

Serve it: reactorlib run examples/slow_client.py:start
Ask it: curl --limit-rate 10K 'http://127.0.0.1:PORT/?bytes=1000000000'

Data is made only while the client takes it, so that a slow one costs no memory.
"""

from reactorlib.protocols.http import servlet

PIECE = 16_384


class Stream(servlet.FormServlet):
    """Sends a piece each time the reactor has time, and none while the client is behind."""

    def __init__(self, session):
        super().__init__(session)
        self.missing = 0
        self.job = None

    def handleRequest(self):
        size = self.field("bytes") if self.containsField("bytes") else "1000000000"
        if not (isinstance(size, str) and size.isdecimal()):
            self.sendError(400, "How many bytes?")
            return
        self.missing = int(size)
        self.sendResponse(200)
        self.sendHeader("Content-Type", "application/octet-stream")
        self.sendHeader("Content-Length", self.missing)
        self.endHeaders()
        self.monitorCongestion(self.congested)
        self.go_on()

    def go_on(self):
        if self.job is None:
            self.job = self.reactor.callLater(0, self.send_piece)

    def wait(self):
        if self.job is not None:
            self.job.cancel()
            self.job = None

    def send_piece(self):
        self.job = None
        count = min(PIECE, self.missing)
        self.missing -= count
        if self.missing:
            self.go_on()
        self.sendContent(b"x" * count)
        if not self.missing:
            self.endContent()

    def congested(self, status, pending):
        if status == servlet.CONNECTION_BLOCKED:
            self.wait()
        elif status == servlet.CONNECTION_CLEARED and self.missing:
            self.go_on()

    def destroyServlet(self):
        super().destroyServlet()
        self.wait()


class Streams(servlet.HttpServer):
    def servlet(self, session):
        return Stream(session) if session.servletPath() == "" else None


def start(reactor):
    daemon = servlet.HttpDaemon(0, reactor, "127.0.0.1")
    daemon.attach("/", Streams())
    daemon.start()
    print(f"slow_client on 127.0.0.1:{daemon.port()} ({reactor.name})", flush=True)
