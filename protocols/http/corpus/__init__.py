"""Messages that HTTP/1.1 servers and clients were attacked with, and what is right to do.

`REQUESTS` is for servers: all are complete, so each has an answer. `RESPONSES`
is for clients. Tests, fuzzers and audits read them; what is new is added here.

Of the security history that they retell, these have no bytes to send, and are
tested where they belong: what a server or client writes (CVE-2019-12387,
CVE-2020-7695, CVE-2022-21712, CVE-2024-41810), decompression (CVE-2025-69223)
and peers that are gone (CVE-2024-49769).
"""

from __future__ import annotations

from reactorlib.protocols.http.corpus.bodies import BODIES
from reactorlib.protocols.http.corpus.case import ACCEPTED, Case
from reactorlib.protocols.http.corpus.chunks import CHUNKS
from reactorlib.protocols.http.corpus.fields import FIELDS
from reactorlib.protocols.http.corpus.hosts import HOSTS
from reactorlib.protocols.http.corpus.lines import LINES
from reactorlib.protocols.http.corpus.responses import RESPONSES
from reactorlib.protocols.http.corpus.streams import STREAMS

REQUESTS = (*LINES, *HOSTS, *FIELDS, *BODIES, *CHUNKS, *STREAMS)

__all__ = ["ACCEPTED", "REQUESTS", "RESPONSES", "Case"]
