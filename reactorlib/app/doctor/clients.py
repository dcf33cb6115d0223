"""Holds connections in a process of its own, so that the server's memory is the server's.

    python clients.py PORT COUNT...

For each COUNT it opens so many more to the loopback port, each with one byte sent and
echoed, writes a line, and waits for one. It resets all when its input ends or does not
come. The standard library alone.
"""

from __future__ import annotations

import socket
import struct
import sys

PATIENCE = 10.0  # seconds


def hold(port: int, counts: list[int]) -> None:
    """Open and wait, as the module says."""
    held = []
    for count in counts:
        for _ in range(count):
            held.append(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
            held[-1].sendall(b"x")
            held[-1].recv(1)
        print(len(held), flush=True)
        sys.stdin.readline()
    for each in held:
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        each.close()


if __name__ == "__main__":
    hold(int(sys.argv[1]), [int(argument) for argument in sys.argv[2:]])
