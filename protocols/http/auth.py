"""A resource that asks who is there: Basic (RFC 7617) and Bearer (RFC 6750) authentication.

It holds that nothing behind it is looked up, and nothing of a body is read, for a request
whose credentials were not accepted. Both schemes show the secret to whoever can read the
connection: serve them over TLS, or on a network of your own.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from hashlib import sha256
from inspect import isawaitable
from typing import Any

from reactorlib.protocols.http.delegate import answerBy, handOn
from reactorlib.protocols.http.fields.authorization import Credentials, generateChallenges
from reactorlib.protocols.http.resource import ErrorPage, Resource
from reactorlib.protocols.http.status import UNAUTHORIZED

Checker = Callable[..., Any]


def sameSecret(given: bytes, expected: bytes) -> bool:
    """Whether both are equal, in a time that tells neither where they differ nor how long."""
    return hmac.compare_digest(sha256(given).digest(), sha256(expected).digest())


class Passwords:
    """A checker for Basic: names of users and their passwords, both bytes."""

    def __init__(self, passwords: Mapping[bytes, bytes]) -> None:
        self._passwords = dict(passwords)

    def __call__(self, user: bytes, password: bytes) -> bytes | None:
        expected = self._passwords.get(user)
        # Compared for an unknown user too: the time must not tell which names there are.
        same = sameSecret(password, expected or b"")
        return user if same and expected is not None else None


class Tokens:
    """A checker for Bearer: tokens, and whom each stands for."""

    def __init__(self, tokens: Mapping[bytes, Any]) -> None:
        self._tokens = dict(tokens)

    def __call__(self, token: bytes) -> Any:
        found = None
        for expected, user in self._tokens.items():
            if sameSecret(token, expected):
                found = user
        return found


class AuthenticatedResource(Resource):
    """Lets through to a resource, and to all below it, who proves who he is.

    `basic(user, password)` and `bearer(token)`, of bytes, give the user: anything but None
    or False, which is then `request.user`. They may be asynchronous: a Deferred or a
    coroutine. At least one of them is given; who is refused is told of each that is.
    Raises ValueError without any, or for a realm that cannot stand in a field.
    """

    isLeaf = True
    streaming = True

    def __init__(
        self,
        resource: Any,
        realm: bytes | str,
        basic: Checker | None = None,
        bearer: Checker | None = None,
    ) -> None:
        super().__init__()
        self._resource = resource
        realm = realm.encode("utf-8") if isinstance(realm, str) else realm
        self._schemes: dict[bytes, tuple[Callable[[Credentials], tuple[bytes, ...]], Checker]] = {}
        challenges: list[Credentials] = []
        if basic is not None:
            self._schemes[b"basic"] = (Credentials.userAndPassword, basic)
            challenges.append(Credentials(b"basic", None, {b"realm": realm, b"charset": b"UTF-8"}))
        if bearer is not None:
            self._schemes[b"bearer"] = (_token, bearer)
            challenges.append(Credentials(b"bearer", None, {b"realm": realm}))
        if not challenges:
            raise ValueError("there is no way in: give a checker")
        self._challenges = generateChallenges(challenges)

    def render(self, request: Any) -> Any:
        return self._let_in(request)

    async def _let_in(self, request: Any) -> int:
        user = await self._user(request)
        if user is None or user is False:
            return self._refuse(request)
        request.user = user
        return await handOn(request, self._resource)

    async def _user(self, request: Any) -> Any:
        """Who it is; None if that was not proved."""
        several = len(request.in_headers.getRawHeaders(b"authorization", ())) > 1
        given = None if several else request.in_headers.getHeader(b"authorization")
        if given is None or given.scheme not in self._schemes:
            return None
        read, checker = self._schemes[given.scheme]
        try:
            secrets = read(given)
        except ValueError:
            return None
        user = checker(*secrets)
        return await user if isawaitable(user) else user

    def _refuse(self, request: Any) -> int:
        request.setResponseHeader(b"WWW-Authenticate", self._challenges)
        request.setResponseHeader(b"Cache-Control", b"no-store")
        return answerBy(request, ErrorPage(UNAUTHORIZED, None, "Say who you are."))


def _token(given: Credentials) -> tuple[bytes]:
    if given.token is None:
        raise ValueError("these are no Bearer credentials")
    return (given.token,)
