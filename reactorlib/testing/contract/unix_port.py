"""Listening on UNIX sockets: names, files, permissions, locks, adopted sockets."""

from __future__ import annotations

import os
import socket
import stat
import threading
from errno import EADDRINUSE
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.address import UNIXAddress
from reactorlib.interfaces import IListeningPort, IReactorUNIX
from reactorlib.lockfile import isLocked
from reactorlib.testing.contract.tcp_client import FullSocket
from reactorlib.testing.contract.tcp_peers import Recorder, RecordingFactory, echo
from reactorlib.testing.contract.unix_peers import (
    UNIXContractBase,
    UNIXNet,
    every_kind_of_name,
)

NOBODY = 2**22 + 1  # above what Linux gives out as a process id


def deserted(name: str) -> str:
    """The file of a socket whose listener is gone."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(name)
        sock.listen()
    return name


class UNIXPortContract(UNIXContractBase):
    """Ports: their names, their files, their end."""

    def refusal(self, net: UNIXNet, name: Any, **options: Any) -> error.CannotListenError:
        """Why it is impossible to listen; the factory is told nothing."""
        factory = RecordingFactory()
        with pytest.raises(error.CannotListenError, match="Cannot listen on") as caught:
            net.reactor.listenUNIX(name, factory, **options)
        assert factory.calls == []
        return caught.value

    # Names

    @every_kind_of_name
    def test_it_serves_under_its_name(self, net: UNIXNet, make_name: Any) -> None:
        name = make_name(net)
        assert verifyObject(IReactorUNIX, net.reactor)
        port = net.listen(lambda: Recorder(data=echo), name)
        assert verifyObject(IListeningPort, port)
        assert port.getHost() == UNIXAddress(name)
        assert repr(name) in repr(port)
        _, peer = net.accepted(port, net.dial(port))
        assert port.factory.addresses == [UNIXAddress(None)]
        assert net.ask(peer, b"hello") == b"hello"

    @every_kind_of_name
    def test_a_peer_may_have_a_name(self, net: UNIXNet, make_name: Any) -> None:
        port, peer, name = net.listen(), net.new_socket(), make_name(net)
        peer.bind(name)
        peer.connect(port.getHost().name)
        protocol, _ = net.accepted(port, peer)
        assert port.factory.addresses == [UNIXAddress(name)]
        assert protocol.transport.getPeer() == UNIXAddress(name)

    def test_an_abstract_name_has_no_file(self, net: UNIXNet) -> None:
        name = "\0" + net.name()
        port = net.listen(Recorder, name, wantPID=1)
        assert list(net.folder.iterdir()) == []
        port.stopListening()
        net.turn_until(lambda: not port.connected)
        net.listen(Recorder, name)

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("/tmp/" + "x" * 150, "too long"),
            ("\0" + "x" * 150, "too long"),
            ("/tmp/nul\0inside", "NUL"),
            ("/no/such/folder/socket", "ENOENT"),
            ("/dev/null/socket", "ENOTDIR"),
            ("", "empty"),
            (5, "not int"),
            (None, "not NoneType"),
        ],
    )
    def test_what_cannot_be_a_name(self, net: UNIXNet, name: Any, reason: str) -> None:
        for options in ({}, {"wantPID": 1}):
            assert reason in str(self.refusal(net, name, **options))

    # Files

    def test_the_file_is_removed_at_the_end(self, net: UNIXNet) -> None:
        port = net.listen()
        path = Path(port.port)
        assert path.is_socket()
        self.run_until(net.reactor, port.stopListening())
        assert not path.exists()
        port.startListening()
        assert path.is_socket()

    def test_the_end_of_a_run_removes_the_file(self, net: UNIXNet) -> None:
        port = net.listen(wantPID=1)
        net.reactor.callWhenRunning(net.reactor.stop)
        self.run_guarded(net.reactor)
        assert list(net.folder.iterdir()) == []
        assert not port.connected

    def test_another_ones_file_is_not_removed(self, net: UNIXNet) -> None:
        port = net.listen()
        os.unlink(port.port)
        other = net.listener(port.port)
        self.run_until(net.reactor, port.stopListening())
        assert Path(port.port).is_socket()
        assert other.getsockname() == port.port

    def test_a_file_that_has_vanished_is_no_fault(self, net: UNIXNet) -> None:
        port = net.listen(wantPID=1)
        for path in net.folder.iterdir():
            path.unlink()
        self.run_until(net.reactor, port.stopListening())

    @pytest.mark.parametrize("mode", [0o600, 0o660, 0o666, 0o777])
    def test_permissions(self, net: UNIXNet, mode: int) -> None:
        port = net.listen(mode=mode)
        assert stat.S_IMODE(os.stat(port.port).st_mode) == mode

    def test_permissions_are_never_wider_than_asked_for(
        self, net: UNIXNet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[int] = []

        def look(path: Any, mode: int) -> None:
            seen.append(stat.S_IMODE(os.stat(path).st_mode))

        monkeypatch.setattr(os, "chmod", look)
        net.listen(mode=0o600)
        assert seen == [0o600]

    @pytest.mark.parametrize("locked", [0, 1])
    @pytest.mark.parametrize("what", ["file", "folder", "link", "listener", "datagrams"])
    def test_what_is_in_the_way_stays(self, net: UNIXNet, what: str, locked: int) -> None:
        name = net.name()
        if what == "file":
            Path(name).write_text("precious")
        elif what == "folder":
            Path(name).mkdir()
        elif what == "link":
            Path(name).symlink_to("nowhere")
        elif what == "listener":
            net.listener(name)
        else:
            net.bound(name)
        refusal = self.refusal(net, name, wantPID=locked)
        assert refusal.socketError.errno == EADDRINUSE  # type: ignore[attr-defined]
        assert "exists" in str(refusal)
        assert os.path.lexists(name)
        assert not os.path.lexists(name + ".lock")

    def test_a_deserted_socket_is_in_the_way_without_a_lock(self, net: UNIXNet) -> None:
        name = deserted(net.name())
        assert "EADDRINUSE" in str(self.refusal(net, name))
        assert Path(name).is_socket()

    # Locks

    def test_a_lock_beside_the_socket(self, net: UNIXNet) -> None:
        port = net.listen(wantPID=True)
        assert os.readlink(port.port + ".lock") == str(os.getpid())
        self.run_until(net.reactor, port.stopListening())
        assert list(net.folder.iterdir()) == []

    def test_a_deserted_socket_is_replaced_under_a_lock(self, net: UNIXNet) -> None:
        name = deserted(net.name())
        os.symlink(str(NOBODY), name + ".lock")
        port = net.listen(Recorder, name, wantPID=1)
        net.accepted(port, net.dial(port))
        assert isLocked(name + ".lock")

    def test_what_another_process_has_locked_is_refused(self, net: UNIXNet) -> None:
        name = deserted(net.name())
        os.symlink(str(os.getppid()), name + ".lock")
        assert "has the lock" in str(self.refusal(net, name, wantPID=1))
        assert Path(name).is_socket()
        assert os.readlink(name + ".lock") == str(os.getppid())

    def test_a_port_that_is_locked_in_this_process(self, net: UNIXNet) -> None:
        port = net.listen(wantPID=1)
        assert "has the lock" in str(self.refusal(net, port.port, wantPID=1))
        net.accepted(port, net.dial(port))

    def test_what_is_no_lock_is_refused(self, net: UNIXNet) -> None:
        name = net.name()
        Path(name + ".lock").write_text("precious")
        assert "no lock" in str(self.refusal(net, name, wantPID=1))
        assert Path(name + ".lock").read_text() == "precious"

    def test_no_descriptor_for_the_socket(
        self, net: UNIXNet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = net.name()
        with monkeypatch.context() as patched:
            patched.setattr(socket, "socket", FullSocket)
            assert "EMFILE" in str(self.refusal(net, name))

    def test_a_start_that_fails_leaves_nothing(
        self, net: UNIXNet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(descriptor: int, kind: int) -> int:
            raise error.SelectLimitError(descriptor, 0)

        with monkeypatch.context() as patched:
            patched.setattr(net.reactor.engine, "add", refuse)
            with pytest.raises(error.CannotListenError, match="FD_SETSIZE"):
                net.reactor.listenUNIX(net.name(), RecordingFactory(), wantPID=1)
        assert list(net.folder.iterdir()) == []

    # Adopted sockets

    @every_kind_of_name
    def test_a_listening_socket_is_adopted_and_stays_its_owners(
        self, net: UNIXNet, make_name: Any
    ) -> None:
        name = make_name(net)
        owned = net.listener(name)
        factory = RecordingFactory(lambda: Recorder(data=echo))
        port = net.reactor.adoptStreamPort(owned.fileno(), socket.AF_UNIX, factory)
        assert port.getHost() == UNIXAddress(name)
        protocol, peer = net.accepted(port, net.dial(port))
        assert net.ask(peer, b"adopted") == b"adopted"
        assert protocol.transport.getPeerCredentials().pid == os.getpid()
        self.run_until(net.reactor, port.stopListening())
        net.new_socket().connect(name)
        owned.accept()[0].close()

    def test_a_connected_socket_is_adopted(self, net: UNIXNet) -> None:
        ours, theirs = socket.socketpair()
        net.sockets += [theirs]
        factory = RecordingFactory(lambda: Recorder(data=echo))
        protocol = net.reactor.adoptStreamConnection(ours.fileno(), socket.AF_UNIX, factory)
        ours.close()
        assert factory.addresses == [UNIXAddress(None)]
        assert protocol.transport.getPeerCredentials().pid == os.getpid()
        assert net.ask(theirs, b"adopted") == b"adopted"

    def test_another_thread_is_turned_away(self, net: UNIXNet) -> None:
        port, refused = net.listen(), []

        def intrude() -> None:
            with pytest.raises(RuntimeError, match="callFromThread"):
                port.stopListening()
            refused.append(True)

        net.reactor.engine.own(True)
        thread = threading.Thread(target=intrude)
        thread.start()
        thread.join()
        net.reactor.engine.own(False)
        assert refused
        net.accepted(port, net.dial(port))
        self.run_until(net.reactor, port.stopListening())
