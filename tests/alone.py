"""Scripts in a network of their own, for programs that know no port but the standard one."""

from __future__ import annotations

import os
import subprocess
import sys

BEGINNING = """
import fcntl, socket, struct, subprocess, sys

SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 0x41
with socket.socket() as any_socket:
    fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", UP_AND_RUNNING))
"""


def run_alone(script: str, *arguments: str) -> str:
    """What a script prints where there is only 127.0.0.1, every port is free and it is root.

    The script finds `socket`, `subprocess` and `sys` imported.
    """
    network = ["unshare", "--map-root-user", "--net"]
    done = subprocess.run(
        [*network, sys.executable, "-c", BEGINNING + script, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
