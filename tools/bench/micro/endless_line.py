"""A line without an end, in pieces of 100 bytes, given to a LineReceiver that would take it.

The arguments: the package that LineReceiver is of, as in lines.py; how many bytes; after
how many seconds to give up. Prints the pairs of bytes received and processor seconds
used so far, eight for each doubling.
"""

# mypy: ignore-errors

from __future__ import annotations

import importlib
import json
import sys
from time import process_time

OURS = sys.argv[1] == "reactorlib"
SIZE, SECONDS = int(sys.argv[2]), float(sys.argv[3])
PIECE = b"x" * 100
FIRST = 65_536
basic = importlib.import_module("reactorlib.protocols.basic" if OURS else "twisted.protocols.basic")


class Transport:
    disconnecting = False


class Endless(basic.LineReceiver):
    MAX_LENGTH = 2 * SIZE


def main() -> None:
    protocol = Endless()
    protocol.makeConnection(Transport())
    points, next_point = [], FIRST
    begun = process_time()
    for received in range(len(PIECE), SIZE + len(PIECE), len(PIECE)):
        protocol.dataReceived(PIECE)
        if received >= min(next_point, SIZE):
            points.append((received, process_time() - begun))
            next_point *= 2**0.125
            if points[-1][1] > SECONDS:
                break
    print(json.dumps(points))


main()
