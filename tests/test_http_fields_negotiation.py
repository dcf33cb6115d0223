"""The choice among what can be offered (RFC 9110, 12.5)."""

from __future__ import annotations

import pytest

from reactorlib.protocols.http.fields.accept import (
    negotiateCharset,
    negotiateEncoding,
    negotiateLanguage,
    negotiateType,
    parseAccept,
    parseQualities,
)


@pytest.mark.parametrize(
    ("accept", "offered", "chosen"),
    [
        (None, [b"text/html"], b"text/html"),
        (None, [], None),
        (b"*/*", [], None),
        (b"*/*", [b"text/html", b"text/plain"], b"text/html"),
        (b"text/plain, text/html", [b"text/html", b"text/plain"], b"text/html"),
        (b"text/plain, text/html;q=0.9", [b"text/html", b"text/plain"], b"text/plain"),
        (b"text/*;q=0.3, text/html;q=0.7, */*;q=0.5", [b"text/plain", b"image/png"], b"image/png"),
        (
            b"text/html;level=1, text/html;q=0.1",
            [b"text/html", b"text/html;level=1"],
            b"text/html;level=1",
        ),
        (b"*/*, text/html;q=0", [b"text/html"], None),
        (b"image/*", [b"text/html"], None),
    ],
)
def test_types(accept, offered, chosen):
    accepted = None if accept is None else parseAccept(accept)
    assert negotiateType(accepted, offered) == chosen


@pytest.mark.parametrize(
    ("accept", "offered", "chosen"),
    [
        (None, [b"gzip", b"identity"], b"identity"),
        (None, [b"gzip"], None),
        (b"", [b"gzip", b"identity"], b"identity"),
        (b"gzip", [b"identity", b"gzip"], b"gzip"),
        (b"gzip;q=0.001", [b"gzip", b"identity"], b"gzip"),
        (b"gzip, br", [b"br", b"gzip", b"identity"], b"br"),
        (b"*", [b"br", b"identity"], b"br"),
        (b"*;q=0", [b"br", b"identity"], None),
        (b"identity;q=0, gzip;q=0", [b"gzip", b"identity"], None),
        (b"*;q=0, identity", [b"gzip", b"identity"], b"identity"),
    ],
)
def test_encodings(accept, offered, chosen):
    accepted = None if accept is None else parseQualities(accept)
    assert negotiateEncoding(accepted, offered) == chosen


def test_charsets():
    offered = [b"UTF-8", b"iso-8859-1"]
    assert negotiateCharset(None, offered) == b"UTF-8"
    assert negotiateCharset(None, []) is None
    assert negotiateCharset(parseQualities(b"iso-8859-1, utf-8;q=0.7"), offered) == b"iso-8859-1"
    assert negotiateCharset(parseQualities(b"koi8-r, *;q=0.1"), offered) == b"UTF-8"
    assert negotiateCharset(parseQualities(b"koi8-r"), offered) is None


def test_languages():
    offered = [b"en", b"de-CH", b"fr"]
    assert negotiateLanguage(None, offered) == b"en"
    assert negotiateLanguage(None, []) is None
    assert negotiateLanguage(parseQualities(b"de, en;q=0.5"), offered) == b"de-CH"
    assert negotiateLanguage(parseQualities(b"de-AT"), offered) is None
    assert negotiateLanguage(parseQualities(b"it, *;q=0.1, en;q=0"), offered) == b"de-CH"
