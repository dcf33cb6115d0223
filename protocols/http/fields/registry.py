"""DefaultHTTPHandler: which field is read and written by what."""

from __future__ import annotations

from reactorlib.protocols.http.fields.handler import HeaderHandler

DefaultHTTPHandler = HeaderHandler({})
