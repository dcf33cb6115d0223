"""Authorization and WWW-Authenticate, and those for proxies (RFC 9110, 11)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from reactorlib.protocols.http.fields.grammar import (
    BLANKS,
    Parameters,
    Reader,
    as_quoted,
    as_token,
    as_word,
    elements,
    whole,
)

_TOKEN68 = re.compile(rb"[A-Za-z0-9\-._~+/]+=*(?=[ \t]*(?:,|\Z))")
_IS_PARAMETER = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+[ \t]*=")


@dataclass(frozen=True)
class Credentials:
    """What proves who asks, or (in WWW-Authenticate) what is wanted as a proof.

    `scheme` is in lower case. After it stands either one `token` or parameters, by
    lower-case name. Neither is shown by repr.
    """

    scheme: bytes
    token: bytes | None = field(default=None, repr=False)
    params: Parameters = field(default_factory=dict, repr=False)

    @classmethod
    def basic(cls, user: bytes, password: bytes) -> Credentials:
        """Those of the scheme Basic (RFC 7617). Raises ValueError for a colon in `user`."""
        if b":" in user:
            raise ValueError("a user's name has no colon")
        pair = b"%b:%b" % (user, password)
        return cls(b"basic", binascii.b2a_base64(pair, newline=False))

    def userAndPassword(self) -> tuple[bytes, bytes]:
        """The two of the scheme Basic. Raises ValueError if it is another, or malformed."""
        if self.scheme != b"basic" or self.token is None:
            raise ValueError("these are no Basic credentials")
        user, colon, password = binascii.a2b_base64(self.token).partition(b":")
        if not colon:
            raise ValueError("these are no Basic credentials")
        return user, password


def parseCredentials(value: bytes) -> Credentials:
    """Authorization."""
    return whole(value, _read)


def parseChallenges(value: bytes) -> tuple[Credentials, ...]:
    """WWW-Authenticate: the challenges, each with its own parameters."""
    return elements(value, _read)


def _read(reader: Reader) -> Credentials:
    scheme = reader.token().lower()
    if not reader.matched(BLANKS):
        return Credentials(scheme)
    token = _TOKEN68.match(reader.data, reader.position)
    if token is not None:
        reader.position = token.end()
        return Credentials(scheme, token[0])
    return Credentials(scheme, None, _read_parameters(reader))


def _read_parameters(reader: Reader) -> dict[bytes, bytes]:
    """Take parameters up to the comma before the next scheme, which has no "=" behind it."""
    found: dict[bytes, bytes] = {}
    end = reader.position
    while _IS_PARAMETER.match(reader.data, reader.position) is not None:
        name = reader.token().lower()
        if name in found:
            raise ValueError(f"{name!r} stands twice")
        found[name] = reader.value_of_parameter()
        end = reader.position
        if not reader.take(b","):
            break
        while reader.take(b","):
            pass
        reader.matched(BLANKS)
    reader.position = end
    return found


def generateCredentials(value: Credentials) -> bytes:
    """Authorization."""
    scheme = as_token(value.scheme).capitalize()
    if value.token is not None:
        if _TOKEN68.fullmatch(value.token) is None:
            raise ValueError("the token has a byte that cannot stand in one")
        return b"%b %b" % (scheme, value.token)
    if not value.params:
        return scheme
    return (
        scheme
        + b" "
        + b", ".join(
            [
                b"%b=%b" % (as_token(name), _argument(name, text))
                for name, text in value.params.items()
            ]
        )
    )


def _argument(name: bytes, value: bytes) -> bytes:
    """Old clients want the realm in quotes (RFC 9110, 11.5)."""
    return as_quoted(value) if name == b"realm" else as_word(value)


def generateChallenges(challenges: Iterable[Credentials]) -> bytes:
    """WWW-Authenticate."""
    return b", ".join([generateCredentials(challenge) for challenge in challenges])
