"""The listings of the OSE Python manual, of forms and slow clients too, run as they stand.

What they leave out is given here, and a module `netsvc` with a job beside the servlets.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

from reactorlib.protocols.http import servlet
from tests.on_backends import OnEveryBackend
from tests.test_http_forms import URLENCODED, post

LISTING = """
import netsvc

class LoginServlet(netsvc.FormServlet):
    def handleRequest(self):
        if self.containsField("user") and self.containsField("password"):
            user = self.field("user")
            password = self.field("password")
            if self.authenticateUser(user,password):
                self.sendResponse(netsvc.REDIRECT_TEMPORARY)
                self.sendHeader("Location",self.serverRoot())
                self.endHeaders()
                self.endContent()
            else:
                self.sendError(400)
        else:
            self.sendError(400)

    def authenticateUser(self,user,password):
        # ...
        return (user,password) == ("ada","lovelace")

class TestServlet(netsvc.FormServlet):
    def __init__(self,session):
        netsvc.FormServlet.__init__(self,session)
        self._job = netsvc.Job(self.sendLines)
        self._missing = 0
        self.log = []

    def handleRequest(self):
        self._missing = int(self.field("lines"))
        self.sendResponse(200)
        self.sendHeader("Content-Type","text/plain")
        self.endHeaders()
        self.monitorCongestion(self.congested)
        self._job.schedule(netsvc.IDLE_JOB)

    def sendLines(self):
        count = min(100,self._missing)
        self.sendContent(("%099d\\n" % 0) * count)
        self._missing = self._missing - count
        if self._missing:
            self._job.schedule(netsvc.IDLE_JOB)
        else:
            self.ignoreCongestion()
            self.endContent()

    def congested(self,status,pending):
        self.log.append((status,pending))
        if status == netsvc.CONNECTION_BLOCKED:
            self._job.cancel()
        elif status == netsvc.CONNECTION_CLEARED:
            self._job.schedule(netsvc.IDLE_JOB)

    def destroyServlet(self):
        netsvc.FormServlet.destroyServlet(self)
        self._job.cancel()

class HttpServlet(netsvc.HttpServlet):
    def processRequest(self):
        if self.requestMethod() != "GET":
            self.sendError(400)
        else:
            self.sendResponse(200)
            self.sendHeader("Content-Type","text/plain")
            self.endHeaders()
            self.sendContent("Hi there.")
            self.endContent()

class HttpServer(netsvc.HttpServer):
    made = []

    def servlet(self,session):
        if session.servletPath() == "":
            return HttpServlet(session)
        if session.servletPath() == "login":
            return LoginServlet(session)
        if session.servletPath() == "test":
            self.made.append(TestServlet(session))
            return self.made[-1]

server = HttpServer()
"""


class Job:
    """Calls back once, when there is time for it."""

    reactor: ClassVar[Any]

    def __init__(self, callback: Any) -> None:
        self._callback = callback
        self._call: Any = None

    def schedule(self, _priority: int) -> None:
        self.cancel()
        self._call = self.reactor.callLater(0, self._run)

    def cancel(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _run(self) -> None:
        self._call = None
        self._callback()


class TestTheListing(OnEveryBackend):
    @pytest.fixture
    def daemon(self, net: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
        netsvc = ModuleType("netsvc")
        for name in servlet.__all__:
            setattr(netsvc, name, getattr(servlet, name))
        netsvc.Job = Job  # type: ignore[attr-defined]
        netsvc.IDLE_JOB = 2  # type: ignore[attr-defined]
        Job.reactor = net.reactor
        monkeypatch.setitem(sys.modules, "netsvc", netsvc)
        (tmp_path / "listing.py").write_text(LISTING)
        server = runpy.run_path(str(tmp_path / "listing.py"))["server"]
        daemon = servlet.HttpDaemon(0, net.reactor, "127.0.0.1")
        daemon.attach("/app", server)
        daemon.start()
        yield daemon
        stopped: list[Any] = []
        daemon.stop().addCallback(stopped.append)
        net.turn_until(lambda: stopped)

    def ask(self, net: Any, daemon: Any, message: bytes) -> bytes:
        peer = net.new_socket()
        peer.connect(("127.0.0.1", daemon.port()))
        peer.sendall(message)
        return bytes(net.read_all(peer))

    def test_the_first_servlet(self, net: Any, daemon: Any) -> None:
        said = self.ask(net, daemon, b"GET /app HTTP/1.0\r\n\r\n")
        assert b"Content-Type: text/plain\r\n" in said
        assert said.endswith(b"\r\n\r\nHi there.")
        assert b" 400 " in self.ask(net, daemon, b"DELETE /app HTTP/1.0\r\n\r\n")

    def test_the_login(self, net: Any, daemon: Any) -> None:
        good = b"user=ada&password=lovelace"
        for message in (
            post(good, URLENCODED, b"/app/login"),
            b"GET /app/login?%b HTTP/1.1\r\nHost: x\r\n\r\n" % good,
        ):
            said = self.ask(net, daemon, message)
            assert said.startswith(b"HTTP/1.1 302 ")
            assert b"\r\nLocation: http://x/app\r\n" in said
        for bad in (b"user=ada&password=x", b"user=ada"):
            said = self.ask(net, daemon, post(bad, URLENCODED, b"/app/login"))
            assert said.startswith(b"HTTP/1.1 400 ")

    def test_the_slow_client(self, net: Any, daemon: Any) -> None:
        lines = 100_000
        peer = net.new_socket()
        peer.connect(("127.0.0.1", daemon.port()))
        peer.sendall(b"GET /app/test?lines=%d HTTP/1.0\r\n\r\n" % lines)
        made = daemon._servers["/app"].made
        before = len(made)
        net.turn_until(lambda: len(made) > before and made[-1].log)
        net.turn(100)
        test = made[-1]
        assert [status for status, _ in test.log] == [servlet.CONNECTION_BLOCKED]
        assert test._missing > 0
        said = net.read_all(peer)
        assert said.endswith(b"\r\n\r\n" + (b"%099d\n" % 0) * lines)
        statuses = [status for status, _ in test.log]
        assert statuses[:2] == [servlet.CONNECTION_BLOCKED, servlet.CONNECTION_CLEARED]
        assert servlet.CONNECTION_BACKLOG not in statuses
        assert all(pending < 10 for _, pending in test.log)
