"""Each example serves a client as its docstring says."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.test_cli import connect, read_all, serving

EXAMPLES = sorted(
    path for path in (ROOT / "examples").glob("*.py") if "reactorlib run" in path.read_text()
)


def read_until(sock, pattern):
    text = b""
    while not re.search(pattern, text):
        chunk = sock.recv(4096)
        assert chunk, text
        text += chunk
    return text


def shout(port, _process):
    with connect(port) as sock:
        sock.sendall(b"hello")
        read_until(sock, b"HELLO")


def chat(port, _process):
    with connect(port) as ada, connect(port) as ben:
        for sock, name in ((ada, b"Ada"), (ben, b"Ben")):
            read_until(sock, b"Who are you")
            sock.sendall(name + b"\n")
            read_until(sock, b"Hello, " + name)
        ada.sendall(b"Good morning\n")
        read_until(ben, b"Ada: Good morning\n")


def ticker(port, _process):
    with connect(port) as sock:
        read_until(sock, rb"[\d.]+\n[\d.]+\n")


def most_memory(process):
    """The most bytes of memory that a process has ever held."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


def slow_client(port, process):
    with connect(port) as sock:
        sock.sendall(b"GET /?bytes=x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 400 " in read_all(sock)
    size = 3_000_000
    with connect(port) as sock:
        sock.sendall(b"GET /?bytes=%d HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % size)
        assert len(read_all(sock).partition(b"\r\n\r\n")[2]) == size
    before = most_memory(process)
    with connect(port) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        read_until(sock, b"Content-Length: 1000000000\r\n")
        missing = 1_000_000_000 - 1_000_000  # what the head came with, and some more
        while missing > 0 and (piece := sock.recv(1 << 20)):
            missing -= len(piece)
        assert missing <= 0
    assert most_memory(process) - before < 20_000_000


CLIENTS = {client.__name__: client for client in (shout, chat, ticker, slow_client)}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example(example):
    attribute = re.search(r"reactorlib run examples/\w+\.py:(\w+)", example.read_text())[1]
    with serving("run", f"{example}:{attribute}", "--port", "0") as (process, port, _line):
        CLIENTS[example.stem](port, process)


def test_workers():
    place = "tcp:0:interface=127.0.0.1"
    with subprocess.Popen(
        [sys.executable, ROOT / "examples" / "workers.py", place],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            told = map(re.compile(r"2 workers serve .*port=(\d+)").match, process.stderr)
            port = int(next(filter(None, told))[1])
            with connect(port) as sock:
                assert re.fullmatch(rb"You are visitor 1 of process \d+\n", read_all(sock))
        finally:
            process.send_signal(signal.SIGTERM)
        assert "Traceback" not in process.communicate(timeout=60)[1]
    assert process.returncode == 0
