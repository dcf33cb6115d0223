"""Accept and its kin (RFC 9110, 12.5), and the choice among what can be offered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from reactorlib.protocols.http.fields.grammar import Reader, as_token, elements
from reactorlib.protocols.http.fields.mime import MimeType, generateMimeType, read_mime_type

_QUALITY = re.compile(rb"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)")

Qualities = Mapping[bytes, float]
Accepted = Sequence[tuple[MimeType, float]]


def _quality(value: bytes) -> float:
    if _QUALITY.fullmatch(value) is None:
        raise ValueError("a quality is 0 to 1 with three digits at most")
    return float(value)


def _as_quality(quality: float) -> bytes:
    """`;q=` and the quality; nothing for 1."""
    thousandths = round(quality * 1000)
    if not 0 <= thousandths <= 1000:
        raise ValueError(f"a quality is 0 to 1, not {quality}")
    if thousandths == 1000:
        return b""
    return b";q=" + (b"0.%03d" % thousandths).rstrip(b"0").rstrip(b".")


def parseAccept(value: bytes) -> tuple[tuple[MimeType, float], ...]:
    """Accept: media ranges with their qualities, in order."""
    return elements(value, _read_range)


def _read_range(reader: Reader) -> tuple[MimeType, float]:
    kind = read_mime_type(reader)
    params = dict(kind.params)
    quality = _quality(params.pop(b"q", b"1"))
    return MimeType(kind.mediaType, kind.mediaSubtype, params), quality


def generateAccept(accepted: Iterable[tuple[MimeType, float]]) -> bytes:
    """Accept."""
    return b", ".join([generateMimeType(kind) + _as_quality(q) for kind, q in accepted])


def parseQualities(value: bytes) -> dict[bytes, float]:
    """Accept-Charset, -Encoding, -Language and TE: lower-case tokens and their qualities."""
    found: dict[bytes, float] = {}
    for name, quality in elements(value, _read_quality):
        found.setdefault(name, quality)
    return found


def _read_quality(reader: Reader) -> tuple[bytes, float]:
    return reader.token().lower(), _quality(reader.parameters().get(b"q", b"1"))


def generateQualities(qualities: Qualities) -> bytes:
    """Accept-Charset, -Encoding, -Language and TE."""
    return b", ".join([as_token(name) + _as_quality(q) for name, q in qualities.items()])


def _best(offered: Sequence[bytes], qualities: Iterable[float]) -> bytes | None:
    """The offer of the highest quality above 0, the first of equal ones."""
    ranked = [(q, -place) for place, q in enumerate(qualities)]
    quality, place = max(ranked, default=(0.0, 0))
    return offered[-place] if quality > 0 else None


def negotiateType(accepted: Accepted | None, offered: Sequence[bytes]) -> bytes | None:
    """The media type to send, of those offered, the server's favourite first.

    None if the client wants none of them. Without an Accept field it wants any.
    The most specific range that fits an offer gives its quality (RFC 9110, 12.5.1).
    """
    if accepted is None:
        return offered[0] if offered else None
    return _best(offered, [_quality_of_type(accepted, MimeType.fromString(one)) for one in offered])


def _quality_of_type(accepted: Accepted, offer: MimeType) -> float:
    fitting = [
        (_specificity(wanted), quality) for wanted, quality in accepted if _fits(wanted, offer)
    ]
    if not fitting:
        return 0.0
    return max(fitting, key=lambda pair: pair[0])[1]


def _fits(wanted: MimeType, offer: MimeType) -> bool:
    return (
        wanted.mediaType in (b"*", offer.mediaType)
        and wanted.mediaSubtype in (b"*", offer.mediaSubtype)
        and wanted.params.items() <= offer.params.items()
    )


def _specificity(wanted: MimeType) -> tuple[bool, bool, int]:
    return wanted.mediaType != b"*", wanted.mediaSubtype != b"*", len(wanted.params)


def negotiateEncoding(accepted: Qualities | None, offered: Sequence[bytes]) -> bytes | None:
    """The content coding to send; b"identity" is welcome unless refused (RFC 9110, 12.5.3)."""
    if accepted is None:
        return b"identity" if b"identity" in offered else None
    other = accepted.get(b"*", 0.0)
    unnamed = {b"identity": accepted.get(b"*", 0.001)}
    return _best(
        offered, [accepted.get(coding.lower(), unnamed.get(coding, other)) for coding in offered]
    )


def negotiateCharset(accepted: Qualities | None, offered: Sequence[bytes]) -> bytes | None:
    """The charset to send (RFC 9110, 12.5.2)."""
    if accepted is None:
        return offered[0] if offered else None
    other = accepted.get(b"*", 0.0)
    return _best(offered, [accepted.get(one.lower(), other) for one in offered])


def negotiateLanguage(accepted: Qualities | None, offered: Sequence[bytes]) -> bytes | None:
    """The language to send: a tag that is asked for fits longer ones (RFC 4647, 3.3.1)."""
    if accepted is None:
        return offered[0] if offered else None
    return _best(offered, [_quality_of_language(accepted, one.lower()) for one in offered])


def _quality_of_language(accepted: Qualities, tag: bytes) -> float:
    while tag:
        if tag in accepted:
            return accepted[tag]
        tag = tag.rpartition(b"-")[0]
    return accepted.get(b"*", 0.0)
