"""nginx and HAProxy in front of a server of ours: real processes."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HOST = "127.0.0.1"
NGINX = "/usr/sbin/nginx"
HAPROXY = "/usr/sbin/haproxy"
FRONTS = ("nginx", "haproxy")

NGINX_CONFIGURATION = """
daemon off; user root; worker_processes 1; error_log stderr; pid {folder}/nginx.pid;
events {{ worker_connections 100; }}
http {{
    access_log off;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    {site}
}}
"""

# A server's part of it; its port and its target are changed.
NGINX_SITE = """
upstream us { server TARGET; keepalive 4; }
server {
    listen 80;
    client_max_body_size 0;
    proxy_http_version 1.1;
    proxy_request_buffering off;
    location / {
        proxy_pass http://us;
        proxy_set_header Connection "";
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto https;
    }
}
"""

HAPROXY_CONFIGURATION = """
global
    maxconn 100
defaults
    mode http
    http-reuse always
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    option forwardfor
listen test
    bind fd@{number}
    http-request set-header X-Forwarded-Proto https
    server us {target} {options}
"""


@contextmanager
def in_front(
    kind: str, target: str, folder: Path, options: str = "", site: str = NGINX_SITE
) -> Iterator[str]:
    """The place of a proxy in front of that place.

    `options` are HAProxy's for its server, `site` is nginx's configuration of it. The
    proxy inherits its port, which is bound already.
    """
    with socket.create_server((HOST, 0)) as sock, (folder / "log").open("wb") as log:
        port, number = sock.getsockname()[1], sock.fileno()
        file = folder / f"{kind}.cfg"
        if kind == "nginx":
            site = site.replace("TARGET", target).replace("listen 80;", f"listen {HOST}:{port};")
            file.write_text(NGINX_CONFIGURATION.format(folder=folder, site=site))
        else:
            values = {"number": number, "target": target, "options": options}
            file.write_text(HAPROXY_CONFIGURATION.format(**values))
        # In NGINX, nginx is told of inherited listeners.
        process = subprocess.Popen(
            [NGINX, "-c", str(file)] if kind == "nginx" else [HAPROXY, "-q", "-db", "-f", file],
            pass_fds=[number],
            env={**os.environ, "NGINX": f"{number};"},
            stderr=log,
        )
    try:
        yield f"{HOST}:{port}"
    finally:
        process.terminate()
        process.wait(20)
