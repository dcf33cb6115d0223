"""The standard fields: what they mean, and what is sent for it."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from reactorlib.protocols.http.fields.authorization import Credentials
from reactorlib.protocols.http.fields.dates import full_year, generateDate, parseDate
from reactorlib.protocols.http.fields.etags import ETag
from reactorlib.protocols.http.fields.hosts import Host, parseNode
from reactorlib.protocols.http.fields.mime import MimeDisposition, MimeType
from reactorlib.protocols.http.headers import Headers
from tests.http_fields import MEANINGS


@pytest.mark.parametrize(("name", "value", "meaning", "sent"), MEANINGS)
def test_what_a_field_means(name, value, meaning, sent):
    headers = Headers(rawHeaders={name: [value]})
    assert headers.getHeader(name) == meaning
    assert type(headers.getHeader(name)) is type(meaning)
    headers.setHeader(name, meaning)
    assert headers.getRawHeaders(name) == [value if sent is None else sent]
    assert headers.getHeader(name) == meaning


class TestDates:
    def test_two_digits_are_never_more_than_fifty_years_ahead(self):
        this_year = datetime.now(timezone.utc).year
        years = {full_year(digits) for digits in range(100)}
        assert min(years) == this_year - 49
        assert max(years) == this_year + 50
        assert {year % 100 for year in years} == set(range(100))

    def test_every_month_and_day(self):
        for days in range(366 * 4):
            assert parseDate(generateDate(days * 86_400)) == days * 86_400
        assert generateDate(-1.5) == b"Wed, 31 Dec 1969 23:59:59 GMT"


class TestETags:
    def test_strong_and_weak_comparison(self):
        """The table of RFC 9110, 8.8.3.2."""
        one, weak_one = ETag(b"1"), ETag(b"1", weak=True)
        for left, right, strong, weak in [
            (weak_one, weak_one, False, True),
            (weak_one, ETag(b"2", weak=True), False, False),
            (weak_one, one, False, True),
            (one, weak_one, False, True),
            (one, one, True, True),
            (one, None, False, False),
        ]:
            assert left.match(right, strongCompare=True) is strong
            assert left.match(right, strongCompare=False) is weak


class TestCredentials:
    def test_basic(self):
        credentials = Credentials.basic(b"Aladdin", b"open:sesame")
        headers = Headers({"authorization": credentials})
        assert headers.getRawHeaders("authorization") == [b"Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ=="]
        assert headers.getHeader("authorization").userAndPassword() == (b"Aladdin", b"open:sesame")
        with pytest.raises(ValueError, match="colon"):
            Credentials.basic(b"a:b", b"")

    @pytest.mark.parametrize(
        "credentials",
        [
            Credentials(b"bearer", b"YTpi"),
            Credentials(b"basic"),
            Credentials(b"basic", b"YWI="),
            Credentials(b"basic", b"YTp"),
        ],
    )
    def test_what_is_not_basic(self, credentials):
        with pytest.raises(ValueError):  # noqa: PT011
            credentials.userAndPassword()

    def test_secrets_are_not_shown(self):
        assert "s3cret" not in repr(Credentials(b"bearer", b"s3cret"))
        assert "s3cret" not in repr(Credentials(b"digest", None, {b"response": b"s3cret"}))


def test_types_with_equal_parameters_are_equal():
    one = MimeType.fromString(b"text/html;a=b;c=d")
    other = MimeType.fromString(b"TEXT/html; c=d; a=b")
    assert one == other
    assert len({one, other}) == 1


def test_a_name_of_a_file_keeps_its_letters():
    for filename in ("100%", 'a"b', "a\\b", "a\u0000b", "", "a;b=c", "\U0001f600"):
        headers = Headers({"content-disposition": MimeDisposition(b"attachment", filename)})
        assert headers.getHeader("content-disposition").filename == filename


def test_a_name_that_browsers_decode_in_different_ways_is_sent_in_both_forms():
    """RFC 6266, appendix D: quotes, backslashes and percent signs."""
    for filename, encoded in (("100%", b"100%25"), ('a"b', b"a%22b"), ("a\\b", b"a%5Cb")):
        headers = Headers({"content-disposition": MimeDisposition(b"attachment", filename)})
        assert headers.toBytes().endswith(b";filename*=UTF-8''%b\r\n" % encoded)


def test_nodes():
    assert parseNode(b"_hidden") == Host(b"_hidden")
    assert parseNode(b"[::1]:4711") == Host(b"::1", 4711)
    with pytest.raises(ValueError, match="node"):
        parseNode(b"")
