"""Starting a process on a core, and ending it for certain.

Whatever leaves the `with` block, an interrupt included, the process has ended
when the block has. Processes have a session of their own, so that the
terminal's Ctrl-C reaches only us and the ending keeps its order. If we are
killed, the kernel kills them.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class BenchError(Exception):
    """Something could not be built, started or measured; the text says what."""


class Process:
    """A running process with its output at hand."""

    def __init__(self, command: Sequence[str], core: int, errors: IO[bytes]) -> None:
        self._errors = errors
        self._name = os.path.basename(command[0])
        self._popen = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
            preexec_fn=lambda: _prepare(core),
        )
        self.pid = self._popen.pid

    def first_line(self, timeout: float) -> str:
        """The first line of its output; BenchError when none comes within `timeout` seconds."""
        output = self._popen.stdout
        assert output is not None
        readable, _, _ = select.select([output], [], [], timeout)
        line = output.readline().decode() if readable else ""
        if not line.strip():
            raise BenchError(self._explanation("printed nothing"))
        return line

    def output(self, timeout: float) -> str:
        """All of its output; BenchError when it fails or does not end within `timeout` seconds."""
        try:
            text, _ = self._popen.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as problem:
            raise BenchError(self._explanation("did not end in time")) from problem
        if self._popen.returncode != 0:
            raise BenchError(self._explanation(f"ended with status {self._popen.returncode}"))
        return text.decode()

    def wait_unreaped(self) -> None:
        """Wait for its end, but leave its figures in /proc."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def close_input(self, timeout: float) -> None:
        """End its standard input and give it `timeout` seconds to end by itself."""
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        self._wait(timeout)

    def end(self) -> None:
        """Terminate it, kill it when that does not help, and reap it."""
        with self._popen:
            try:
                self._popen.terminate()
                self._wait(2)
            finally:
                self._popen.kill()

    def _wait(self, timeout: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout)

    def last_words(self) -> str:
        """The last line that it wrote to stderr so far; "" for none."""
        size = os.fstat(self._errors.fileno()).st_size
        text = os.pread(self._errors.fileno(), size, 0).decode(errors="replace")
        return text.strip().rpartition("\n")[2]

    def _explanation(self, what: str) -> str:
        words = self.last_words()
        return f"{self._name} {what}: {words}" if words else f"{self._name} {what}"


def _prepare(core: int) -> None:
    """Run in the child before its program.

    A session is a scheduling group of its own, and a process's niceness counts
    only within it: the group has to be given ours.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    os.sched_setaffinity(0, {core})
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(os.nice(0)))


@contextmanager
def started(command: Sequence[str], core: int) -> Iterator[Process]:
    """A process on `core` that ends with the block."""
    with tempfile.TemporaryFile() as errors:
        process = Process(command, core, errors)
        try:
            yield process
        finally:
            process.end()


def output_of(command: Sequence[str], core: int, timeout: float) -> str:
    """Run a command on `core` to its end and return what it printed."""
    with started(command, core) as process:
        return process.output(timeout)
