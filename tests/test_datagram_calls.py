"""How often the kernel is asked for datagrams: many are taken and sent in one call."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

# 200 datagrams wait before the first turn, and 100 answers go out in one.
PROGRAM = """
import socket
from reactorlib.backends.engine import Engine
from reactorlib.backends.events import DATAGRAM, DATAGRAM_SOCKET

engine = Engine("epoll")
ours, peer = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
for each in (ours, peer):
    each.bind(("127.0.0.1", 0))
for number in range(200):
    peer.sendto(b"%d" % number, ours.getsockname())
ours.setblocking(False)
handle = engine.add(ours.detach(), DATAGRAM_SOCKET)
for _ in range(2):
    records = [record for record in engine.turn(0) if record[0] == DATAGRAM]
    print(len(records))
for _ in range(100):
    assert engine.send_to(handle, b"answer", 6, records[0][3]) == 0
engine.turn(0)
peer.setblocking(False)
print(sum(peer.recv(9) == b"answer" for _ in range(100)))
engine.close()
peer.close()
"""


def test_many_datagrams_are_one_call_and_a_turn_has_an_end(tmp_path: Path) -> None:
    tracer = shutil.which("strace")
    assert tracer, "install strace: this test counts system calls with it"
    trace = tmp_path / "trace"
    command = [tracer, "-f", "-o", str(trace), "-e", "trace=/^(recv|send).*msg"]
    ran = subprocess.run(
        [*command, sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["128", "72", "100"]
    calls = trace.read_text()
    assert calls.count("recvmmsg(") == 4 + 3
    assert calls.count("sendmmsg(") == 4
    assert "recvmsg(" not in calls
    assert "sendmsg(" not in calls
