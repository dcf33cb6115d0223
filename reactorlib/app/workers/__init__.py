"""Several processes that serve the same ports, and one that looks after them.

The supervisor opens the listening sockets and keeps them; workers inherit them and
never bind, so that a worker that leaves resets nobody: what has been queued for it
waits for the next one. See `supervisor` for what it promises, `worker` for the other
side, `sockets` for what both know of a place.
"""
