"""A certificate that the other side of a TLS connection has shown."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Certificate:
    """An X.509 certificate. Two are equal if they are the same, byte for byte.

    `der` is all of it. `details` is what the standard library's
    `SSLSocket.getpeercert` tells of it (`subject`, `subjectAltName`,
    `notAfter` and others): empty unless the certificate was verified.
    """

    der: bytes
    details: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def dumpPEM(self) -> bytes:
        """The certificate as PEM."""
        return ssl.DER_cert_to_PEM_cert(self.der).encode("ascii")

    def digest(self, method: str = "sha256") -> bytes:
        """Its fingerprint, in capital hexadecimal digits with colons: b"0A:1B:…"."""
        return hashlib.new(method, self.der).digest().hex(":").upper().encode("ascii")
