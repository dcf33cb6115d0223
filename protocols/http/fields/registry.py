"""DefaultHTTPHandler: which field is read and written by what."""

from __future__ import annotations

from reactorlib.protocols.http.fields.accept import (
    generateAccept,
    generateQualities,
    parseAccept,
    parseQualities,
)
from reactorlib.protocols.http.fields.authorization import (
    generateChallenges,
    generateCredentials,
    parseChallenges,
    parseCredentials,
)
from reactorlib.protocols.http.fields.caching import generateCacheControl, parseCacheControl
from reactorlib.protocols.http.fields.cookies import (
    generateCookies,
    generateSetCookies,
    parseCookies,
    parseSetCookies,
)
from reactorlib.protocols.http.fields.dates import generateDate, parseDate
from reactorlib.protocols.http.fields.etags import (
    generateETag,
    generateETags,
    generateIfRange,
    parseETag,
    parseETags,
    parseIfRange,
)
from reactorlib.protocols.http.fields.grammar import (
    as_number,
    as_protocols,
    as_tokens,
    lower_tokens,
    number,
    protocols,
    tokens,
)
from reactorlib.protocols.http.fields.handler import Codec, HeaderHandler, joined, single
from reactorlib.protocols.http.fields.hosts import (
    generateForwarded,
    generateForwardedFor,
    generateHost,
    parseForwarded,
    parseForwardedFor,
    parseHost,
)
from reactorlib.protocols.http.fields.links import (
    generateItems,
    generateLinks,
    parseItems,
    parseLinks,
)
from reactorlib.protocols.http.fields.mime import (
    MimeType,
    generateMimeDisposition,
    generateMimeType,
    parseMimeDisposition,
)
from reactorlib.protocols.http.fields.plain import (
    generateRetryAfter,
    parseRetryAfter,
    text,
    uri,
)
from reactorlib.protocols.http.fields.ranges import (
    generateContentRange,
    generateRange,
    parseContentRange,
    parseRange,
)

_DATE = single(parseDate, generateDate)
_NUMBER = single(number, as_number)
_TOKENS = joined(tokens, as_tokens)
_LOWER_TOKENS = joined(lower_tokens, as_tokens)
_QUALITIES = joined(parseQualities, generateQualities)
_ETAGS = joined(parseETags, generateETags)
_CREDENTIALS = single(parseCredentials, generateCredentials)
_CHALLENGES = joined(parseChallenges, generateChallenges)
_URI = single(uri, uri)
_TEXT = single(text, text)

DefaultHTTPHandler = HeaderHandler(
    {
        b"accept": joined(parseAccept, generateAccept),
        b"accept-charset": _QUALITIES,
        b"accept-encoding": _QUALITIES,
        b"accept-language": _QUALITIES,
        b"accept-ranges": _LOWER_TOKENS,
        b"age": _NUMBER,
        b"allow": _TOKENS,
        b"authorization": _CREDENTIALS,
        b"cache-control": joined(parseCacheControl, generateCacheControl),
        b"connection": _LOWER_TOKENS,
        b"content-disposition": single(parseMimeDisposition, generateMimeDisposition),
        b"content-encoding": _LOWER_TOKENS,
        b"content-language": _LOWER_TOKENS,
        b"content-length": _NUMBER,
        b"content-location": _URI,
        b"content-range": single(parseContentRange, generateContentRange),
        b"content-type": single(MimeType.fromString, generateMimeType),
        b"cookie": Codec(parseCookies, generateCookies),
        b"date": _DATE,
        b"etag": single(parseETag, generateETag),
        b"expect": _LOWER_TOKENS,
        b"expires": _DATE,
        b"forwarded": joined(parseForwarded, generateForwarded),
        b"host": single(parseHost, generateHost),
        b"if-match": _ETAGS,
        b"if-modified-since": _DATE,
        b"if-none-match": _ETAGS,
        b"if-range": single(parseIfRange, generateIfRange),
        b"if-unmodified-since": _DATE,
        b"last-modified": _DATE,
        b"link": joined(parseLinks, generateLinks),
        b"location": _URI,
        b"max-forwards": _NUMBER,
        b"proxy-authenticate": _CHALLENGES,
        b"proxy-authorization": _CREDENTIALS,
        b"range": single(parseRange, generateRange),
        b"referer": _URI,
        b"retry-after": single(parseRetryAfter, generateRetryAfter),
        b"server": _TEXT,
        b"server-timing": joined(parseItems, generateItems),
        b"set-cookie": Codec(parseSetCookies, generateSetCookies),
        b"te": _QUALITIES,
        b"trailer": _LOWER_TOKENS,
        b"transfer-encoding": _LOWER_TOKENS,
        b"upgrade": joined(protocols, as_protocols),
        b"user-agent": _TEXT,
        b"vary": _LOWER_TOKENS,
        b"www-authenticate": _CHALLENGES,
        b"x-forwarded-for": joined(parseForwardedFor, generateForwardedFor),
    }
)
