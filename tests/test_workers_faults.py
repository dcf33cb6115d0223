"""Workers under load when something dies, is replaced, runs out, or comes all at once."""

from __future__ import annotations

import os
import random
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
import pytest

from reactorlib.tcp import BACKLOG
from tests.test_cli import COMMAND
from tests.test_cli_listen import ask, place_of, serving
from tests.test_load_tool import told
from tests.working import (
    PATIENCE,
    connections_of,
    is_served,
    serving_workers,
    some,
    workers_of,
)

PLACE = ["--listen", "tcp:0:interface=127.0.0.1"]
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Client(threading.Thread):
    """Asks over one connection, again and again, until it is lost or told to end."""

    def __init__(self, address: Any, enough: threading.Event) -> None:
        super().__init__()
        self._socket = socket.create_connection(address, PATIENCE)
        self.port = self._socket.getsockname()[1]
        self.asked = 0
        self._enough = enough
        assert is_served(self._socket)
        self.start()

    def run(self) -> None:
        with self._socket:
            while not self._enough.is_set() and is_served(self._socket):
                self.asked += 1

    @property
    def was_lost(self) -> bool:
        return not self.is_alive() and not self._enough.is_set()


@contextmanager
def busy(address: Any, count: int) -> Iterator[list[Client]]:
    enough = threading.Event()
    clients = [Client(address, enough) for _ in range(count)]
    try:
        yield clients
    finally:
        enough.set()
        for client in clients:
            client.join(PATIENCE)


def until(condition: Callable[[], bool]) -> None:
    end = monotonic() + PATIENCE
    while not condition():
        assert monotonic() < end, "it did not happen"
        threading.Event().wait(0.01)


def go_on(clients: list[Client]) -> None:
    """Wait until each has been answered since."""
    before = {client: client.asked for client in clients}
    until(lambda: all(client.asked > asked for client, asked in before.items()))


def test_one_that_is_killed_under_load_costs_its_own_connections_only() -> None:
    begun = monotonic()
    with serving("echo", *PLACE, "--workers", "2") as process:
        address = place_of(process)
        workers = serving_workers(process, address, 2)
        to_begin = monotonic() - begun
        with busy(address, 30) as clients:
            victim = min(workers)
            its = {each.raddr.port for each in connections_of(victim) if each.raddr}
            os.kill(victim, signal.SIGKILL)
            killed = monotonic()
            for _ in range(20):  # some come into the queue of the dead one, and wait for the next
                assert ask(address) == b"hello"
            assert monotonic() - killed < 1 + to_begin
            until(lambda: {each.port for each in clients if each.was_lost} == its)
            go_on([each for each in clients if each.port not in its])


def test_a_supervisor_that_is_killed_under_load_costs_nobody_anything() -> None:
    """What has begun is finished, and then all workers are gone."""
    with subprocess.Popen(
        [*COMMAND, "echo", *PLACE, "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        address = place_of(process)
        workers = [psutil.Process(pid) for pid in serving_workers(process, address, 2)]
        with busy(address, 20) as clients:
            process.kill()
            until(lambda: is_closed(address))
            go_on(clients)
        _, alive = psutil.wait_procs(workers, PATIENCE)
        assert alive == []


def is_closed(address: Any) -> bool:
    with suppress(ConnectionRefusedError), socket.create_connection(address, PATIENCE):
        return False
    return True


class Browser(threading.Thread):
    """Asks for a page again and again; `kept` tells whether over one connection.

    As every client that keeps connections, it looks whether the server has closed one
    before it asks over it.
    """

    def __init__(self, address: Any, kept: bool, enough: threading.Event) -> None:
        super().__init__()
        self._address = address
        self._kept = kept
        self._enough = enough
        self._socket = socket.socket()
        self._is_open = False
        self.pages = 0
        self.failure: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            while not self._enough.is_set():
                self._ask()
                self.pages += 1
        except BaseException as failure:
            self.failure = failure
        self._socket.close()

    def _ask(self) -> None:
        if not self._is_open or select.select([self._socket], [], [], 0)[0]:
            self._socket.close()
            self._socket = socket.create_connection(self._address, PATIENCE)
        self._socket.sendall(GET)
        head = self._read(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        self._read(b"</html>\n")
        self._is_open = self._kept and b"Connection: close" not in head
        self._rest = b""

    _rest = b""

    def _read(self, end: bytes) -> bytes:
        data = self._rest
        while end not in data:
            piece = self._socket.recv(65536)
            assert piece, f"the answer ends after {data!r}"
            data += piece
        head, _, self._rest = data.partition(end)
        return head + end


def see_more(browsers: list[Browser]) -> None:
    """Wait until each has had a page since, or has failed."""
    before = {each: each.pages for each in browsers}
    until(lambda: all(each.failure or each.pages > pages for each, pages in before.items()))


def test_a_reload_under_load_fails_no_request() -> None:
    enough = threading.Event()
    with serving("web", *PLACE, "--workers", "2", "--no-access-log") as process:
        address = place_of(process)
        before = serving_workers(process, address, 2, GET)
        browsers = [Browser(address, number % 2 == 0, enough) for number in range(8)]
        try:
            for _ in range(2):
                process.send_signal(signal.SIGHUP)
                before = some(process, 2, but=before)
                see_more(browsers)
        finally:
            enough.set()
            for each in browsers:
                each.join(PATIENCE)
        assert [each.failure for each in browsers if each.failure] == []


class Download:
    """Has asked for a file, and has read its head; it has room for little of the rest."""

    ROOM = 1 << 17  # bytes

    def __init__(self, address: Any, content: bytes) -> None:
        self._rest = memoryview(content)
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.ROOM)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(address)
        self._socket.sendall(GET.replace(b"/ ", b"/file ", 1))
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._socket.recv(1024)
        self._take(data.partition(b"\r\n\r\n")[2])

    def read_some(self) -> bool:
        """Whether there is more to be read."""
        piece = self._socket.recv(self.ROOM)
        assert piece, f"{len(self._rest)} bytes are missing"
        self._take(piece)
        return bool(self._rest)

    def close(self) -> None:
        self._socket.close()

    def _take(self, piece: bytes) -> None:
        assert self._rest[: len(piece)] == piece
        self._rest = self._rest[len(piece) :]


def test_the_end_cuts_no_slow_download_short(tmp_path: Path) -> None:
    """They take longer than any reactor waits for what it has still to write."""
    content = random.Random(1).randbytes(6_000_000)  # more than a kernel takes
    (tmp_path / "file").write_bytes(content)
    command = ["web", *PLACE, "--workers", "2", "--no-access-log", str(tmp_path)]
    with serving(*command) as process, ExitStack() as ends:
        address = place_of(process)
        downloads = [Download(address, content) for _ in range(100)]
        for each in downloads:
            ends.callback(each.close)
        workers = workers_of(process)
        process.send_signal(signal.SIGTERM)
        until(lambda: all(each.raddr for pid in workers for each in connections_of(pid)))
        assert sum(len(connections_of(pid)) for pid in workers) == len(downloads)
        while downloads:
            downloads = [each for each in downloads if each.read_some()]
            threading.Event().wait(0.05)
        process.wait(PATIENCE)


def test_descriptors_run_out_in_a_worker_and_come_back() -> None:
    with serving("echo", *PLACE, "--workers", "1") as process:
        address = place_of(process)
        (pid,) = serving_workers(process, address, 1)
        worker = psutil.Process(pid)
        with busy(address, 5) as clients:
            limits = worker.rlimit(psutil.RLIMIT_NOFILE)
            worker.rlimit(psutil.RLIMIT_NOFILE, (worker.num_fds() + 20, limits[1]))
            crowd = [socket.create_connection(address, PATIENCE) for _ in range(100)]
            until(lambda: any(select.select(crowd, [], [], 0)))  # somebody is turned away
            before = worker.cpu_times().user
            go_on(clients)
            for peer in crowd:
                peer.close()
            assert ask(address) == b"hello"
            assert worker.cpu_times().user - before < 5
        assert workers_of(process) == {pid}


@pytest.fixture
def stopped() -> Iterator[Callable[[set[int]], Callable[[], None]]]:
    """Stops processes; what is given has them go on, as the end of the test does."""
    all_of_them: set[int] = set()

    def go_on() -> None:
        for pid in all_of_them:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def stop(pids: set[int]) -> Callable[[], None]:
        all_of_them.update(pids)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return go_on

    yield stop
    go_on()


def test_ten_thousand_at_once_are_more_than_the_queues_hold_and_all_are_served(
    stopped: Callable[[set[int]], Callable[[], None]],
) -> None:
    """Nobody accepts for a second: two queues are full, and the kernel has the rest try again."""
    with serving("echo", *PLACE, "--workers", "2") as process:
        address = place_of(process)
        go_on = stopped(serving_workers(process, address, 2))
        timer = threading.Timer(1.0, go_on)
        timer.start()
        flags = ("--processes", "1", "--sources", "4", "--hold", "0.1", "--seconds", "100")
        result = told(f"{address[0]}:{address[1]}", "--connections", "10000", *flags)
        timer.join()
    assert 2 * (BACKLOG + 1) < 10_000
    assert result["went_well"], result
    assert result["opened"] == result["answered"] == 10_000
    assert result["failures"] == result["losses"] == {}


def test_a_queue_outlives_the_worker_that_it_was_for(
    stopped: Callable[[set[int]], Callable[[], None]],
) -> None:
    """Those who wait for one that is killed are served by the next, reset by nobody."""
    with serving("echo", *PLACE, "--workers", "2") as process:
        address = place_of(process)
        workers = serving_workers(process, address, 2)
        stopped(workers)
        peers = [socket.create_connection(address, PATIENCE) for _ in range(200)]
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        assert [peer for peer in peers if not is_served(peer)] == []
        for peer in peers:
            peer.close()
