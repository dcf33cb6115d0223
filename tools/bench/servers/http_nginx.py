"""Hello world by nginx: its worker alone, as a single process. Neither outlives the other.

With a size as the argument, a file of so many bytes, by sendfile; with "cached" behind
it, nginx keeps the file open, and looks whether it is still the same once a second.

Needs nginx to be installed. Prints the port and nginx's process. Until nginx
has the port, a socket of ours keeps it free.
"""

# mypy: ignore-errors

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

CONFIGURATION = """
daemon off;
master_process off;
worker_processes 1;
error_log stderr;
pid {folder}/pid;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    fastcgi_temp_path {folder}/fastcgi;
    proxy_temp_path {folder}/proxy;
    scgi_temp_path {folder}/scgi;
    uwsgi_temp_path {folder}/uwsgi;
    default_type text/plain;
    server {{
        listen 127.0.0.1:{port} backlog=1024 reuseport;
        location / {{ {answer} }}
    }}
}}
"""
PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def reserved_port() -> socket.socket:
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind(("127.0.0.1", 0))
    return reserved


def answer(folder: str) -> str:
    if len(sys.argv) == 1:
        return 'return 200 "Hello, World!\\n";'
    Path(folder, "file").write_bytes(b"f" * int(sys.argv[1]))
    os.chmod(folder, 0o755)
    cache = "open_file_cache max=1000; open_file_cache_valid 1s;" * ("cached" in sys.argv)
    return f"root {folder}; sendfile on; tcp_nopush on; {cache}"


def start(folder: str, port: int) -> subprocess.Popen:
    file = Path(folder, "nginx.conf")
    file.write_text(CONFIGURATION.format(folder=folder, port=port, answer=answer(folder)))
    return subprocess.Popen(
        [shutil.which("nginx") or "/usr/sbin/nginx", "-e", "stderr", "-p", folder, "-c", str(file)],
        stdout=subprocess.DEVNULL,
        preexec_fn=lambda: libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL),
    )


def announce(nginx: subprocess.Popen, port: int) -> None:
    while nginx.poll() is None:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            print(port, nginx.pid, flush=True)
            return
        time.sleep(0.01)


signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())
with tempfile.TemporaryDirectory() as folder, reserved_port() as reserved:
    port = reserved.getsockname()[1]
    nginx = start(folder, port)
    try:
        announce(nginx, port)
        sys.exit(nginx.wait())
    finally:
        nginx.terminate()
        nginx.wait()
