"""A file of so many bytes as the argument says."""

# mypy: ignore-errors

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from reactorlib import reactor
from reactorlib.protocols.http.server import Site
from reactorlib.protocols.http.static import File

with tempfile.TemporaryDirectory() as folder:
    Path(folder, "file").write_bytes(b"f" * int(sys.argv[1]))
    site = Site(File(folder), maxRequests=5000)
    port = reactor.listenTCP(0, site, backlog=1024, interface="127.0.0.1")
    print(port.getHost().port, flush=True)
    reactor.run()
