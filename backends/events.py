"""What an engine reports and takes, by the numbers that the C source gives."""

from __future__ import annotations

from typing import Final

from reactorlib.backends.compiled import load

_lib = load().lib

# What a descriptor is for: the second argument of IEngine.add.
LISTENER: Final[int] = _lib.ENGINE_LISTENER
CONNECTING: Final[int] = _lib.ENGINE_CONNECTING
STREAM: Final[int] = _lib.ENGINE_STREAM
PIPE: Final[int] = _lib.ENGINE_PIPE
WATCHED: Final[int] = _lib.ENGINE_WATCHED
WRITER: Final[int] = _lib.ENGINE_WRITER
DATAGRAM_SOCKET: Final[int] = _lib.ENGINE_DATAGRAM

# What has happened: the first number of a record; engine_api.h has the others.
DATA: Final[int] = _lib.EVENT_DATA
EOF: Final[int] = _lib.EVENT_EOF
LOST: Final[int] = _lib.EVENT_LOST
ACCEPTED: Final[int] = _lib.EVENT_ACCEPTED
OVERLOAD: Final[int] = _lib.EVENT_OVERLOAD
CONNECTED: Final[int] = _lib.EVENT_CONNECTED
READABLE: Final[int] = _lib.EVENT_READABLE
WRITABLE: Final[int] = _lib.EVENT_WRITABLE
DRAINED: Final[int] = _lib.EVENT_DRAINED
BLOCKED: Final[int] = _lib.EVENT_BLOCKED
CLEARED: Final[int] = _lib.EVENT_CLEARED
EMPTIED: Final[int] = _lib.EVENT_EMPTIED
SHUT: Final[int] = _lib.EVENT_SHUT
DATAGRAM: Final[int] = _lib.EVENT_DATAGRAM
REFUSED: Final[int] = _lib.EVENT_REFUSED
SEND_FAILED: Final[int] = _lib.EVENT_SEND_FAILED
DESCRIPTOR: Final[int] = _lib.EVENT_DESCRIPTOR
FILE_SENT: Final[int] = _lib.EVENT_FILE_SENT

# What a stream reports only when asked: the mask of IEngine.notify.
NOTIFY_EOF: Final[int] = _lib.NOTIFY_EOF
NOTIFY_CONGESTION: Final[int] = _lib.NOTIFY_CONGESTION
NOTIFY_EMPTIED: Final[int] = _lib.NOTIFY_EMPTIED
