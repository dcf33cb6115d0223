"""Certificates for tests, made by trustme when they are asked for."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import trustme

from reactorlib.ssl import PrivateCertificate


class Authority:
    """Signs certificates. All are kept as PEM files in `folder`.

    `root` is the file of its own certificate, for those who shall trust it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._authority = trustme.CA()
        self.root = folder / "root.pem"
        self._authority.cert_pem.write_to_path(self.root)

    def issue(self, *names: str, not_after: datetime | None = None, **options: Any) -> Any:
        """A PrivateCertificate for host names or addresses; one file for each of its two."""
        issued = self._authority.issue_cert(*names, not_after=not_after, **options)
        self._count += 1
        key = self._folder / f"key{self._count}.pem"
        chain = self._folder / f"chain{self._count}.pem"
        issued.private_key_pem.write_to_path(key)
        chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
        return PrivateCertificate(key, chain)
