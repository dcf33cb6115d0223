"""Each example serves a client as its docstring says."""

from __future__ import annotations

import re

import pytest

from tests.checkout import ROOT
from tests.test_cli import connect, serving

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))


def read_until(sock, pattern):
    text = b""
    while not re.search(pattern, text):
        chunk = sock.recv(4096)
        assert chunk, text
        text += chunk
    return text


def shout(port):
    with connect(port) as sock:
        sock.sendall(b"hello")
        read_until(sock, b"HELLO")


def chat(port):
    with connect(port) as ada, connect(port) as ben:
        for sock, name in ((ada, b"Ada"), (ben, b"Ben")):
            read_until(sock, b"Who are you")
            sock.sendall(name + b"\n")
            read_until(sock, b"Hello, " + name)
        ada.sendall(b"Good morning\n")
        read_until(ben, b"Ada: Good morning\n")


def ticker(port):
    with connect(port) as sock:
        read_until(sock, rb"[\d.]+\n[\d.]+\n")


CLIENTS = {client.__name__: client for client in (shout, chat, ticker)}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_example(example):
    attribute = re.search(r"reactorlib run examples/\w+\.py:(\w+)", example.read_text())[1]
    with serving("run", f"{example}:{attribute}", "--port", "0") as (_process, port, _line):
        CLIENTS[example.stem](port)
