"""Conditional requests, by the paragraphs of RFC 9110, 13."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from twisted.web import _responses

from reactorlib.protocols.http import status
from reactorlib.protocols.http.fields.etags import ETag
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.preconditions import checkIfRange, checkPreconditions

THEN, NOW, LATER = 784111777, 784111778, 784111779
BEFORE, SAME, AFTER, FUTURE = (
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:38 GMT",
    "Sun, 06 Nov 1994 08:49:39 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
)
CHANGED, KEPT = status.PRECONDITION_FAILED, status.NOT_MODIFIED


@dataclass
class Asked:
    method: bytes
    in_headers: Headers
    out_headers: Headers = field(default_factory=Headers)


@dataclass
class Answer:
    code: int = 200
    headers: Headers = field(default_factory=Headers)


def request(method: str = "GET", **fields: str) -> Asked:
    raw = {name.replace("_", "-"): [value] for name, value in fields.items()}
    return Asked(method.encode(), Headers(rawHeaders=raw))


def check(asked: Asked, exists: bool = True, etag: ETag | None = ETag(b"a")) -> int | None:  # noqa: B008
    return checkPreconditions(asked, None, exists, etag, NOW + 0.9)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
class TestIfMatch:
    @pytest.mark.parametrize("value", ['"a"', '"b", "a"', "*"])
    def test_the_version_that_is_there(self, method, value):
        assert check(request(method, If_Match=value)) is None

    @pytest.mark.parametrize("value", ['"b"', 'W/"a"', "a", ""])
    def test_another_or_one_that_cannot_be_read(self, method, value):
        assert check(request(method, If_Match=value)) == CHANGED

    def test_nothing_is_there(self, method):
        assert check(request(method, If_Match="*"), exists=False) == CHANGED
        assert check(request(method, If_Match='"a"'), etag=None) == CHANGED

    def test_weak_tags_never_match(self, method):
        assert check(request(method, If_Match='W/"a"'), etag=ETag(b"a", weak=True)) == CHANGED

    def test_it_goes_before_if_unmodified_since(self, method):
        assert check(request(method, If_Match='"a"', If_Unmodified_Since=BEFORE)) is None
        assert check(request(method, If_Match='"b"', If_Unmodified_Since=AFTER)) == CHANGED


@pytest.mark.parametrize("method", ["GET", "PUT"])
class TestIfUnmodifiedSince:
    def test_dates(self, method):
        assert check(request(method, If_Unmodified_Since=BEFORE)) == CHANGED
        assert check(request(method, If_Unmodified_Since=SAME)) is None
        assert check(request(method, If_Unmodified_Since=AFTER)) is None

    def test_without_a_date_to_compare(self, method):
        assert check(request(method, If_Unmodified_Since="yesterday")) is None
        assert checkPreconditions(request(method, If_Unmodified_Since=BEFORE)) is None


class TestIfNoneMatch:
    @pytest.mark.parametrize("value", ['"a"', 'W/"a"', '"b", "a"', "*"])
    def test_the_version_that_is_there(self, value):
        assert check(request("GET", If_None_Match=value)) == KEPT
        assert check(request("HEAD", If_None_Match=value)) == KEPT
        assert check(request("GET", If_None_Match=value, Range="bytes=0-1")) == KEPT
        for method in ("PUT", "POST", "DELETE"):
            assert check(request(method, If_None_Match=value)) == CHANGED

    @pytest.mark.parametrize("method", ["GET", "PUT"])
    def test_another_or_none(self, method):
        assert check(request(method, If_None_Match='"b"')) is None
        assert check(request(method, If_None_Match='"a"'), etag=None) is None
        assert check(request(method, If_None_Match="*"), exists=False) is None

    def test_what_cannot_be_read_changes_nothing(self):
        assert check(request("GET", If_None_Match="a")) is None
        assert check(request("PUT", If_None_Match="a")) == CHANGED

    def test_it_goes_before_if_modified_since(self):
        assert check(request(If_None_Match='"b"', If_Modified_Since=AFTER)) is None
        assert check(request(If_None_Match='"a"', If_Modified_Since=BEFORE)) == KEPT

    def test_it_comes_after_if_match(self):
        assert check(request(If_Match='"b"', If_None_Match='"a"')) == CHANGED
        assert check(request(If_Match='"a"', If_None_Match='"a"')) == KEPT


class TestIfModifiedSince:
    def test_dates(self):
        assert check(request(If_Modified_Since=BEFORE)) is None
        assert check(request(If_Modified_Since=SAME)) == KEPT
        assert check(request("HEAD", If_Modified_Since=AFTER)) == KEPT

    def test_only_reading_looks_at_it(self):
        assert check(request("PUT", If_Modified_Since=AFTER)) is None

    @pytest.mark.parametrize("value", [FUTURE, "yesterday", ""])
    def test_what_is_no_date_that_was(self, value):
        assert check(request(If_Modified_Since=value)) is None

    def test_without_a_date_to_compare(self):
        assert checkPreconditions(request(If_Modified_Since=AFTER)) is None
        assert check(request(If_Modified_Since=AFTER), exists=False) is None


@pytest.mark.parametrize("method", ["OPTIONS", "CONNECT", "TRACE"])
def test_methods_without_a_version(method):
    assert check(request(method, If_Match='"b"', If_None_Match="*")) is None


def test_without_conditions():
    assert check(request()) is None


class TestWhatIsCompared:
    def test_the_fields_of_the_response(self):
        asked = request(If_None_Match='"a"')
        fields = Headers({"etag": ETag(b"a"), "last-modified": NOW})
        assert checkPreconditions(asked, Answer(200, fields)) == KEPT
        assert checkPreconditions(request(If_Modified_Since=SAME), Answer(200, fields)) == KEPT

    @pytest.mark.parametrize("code", [301, 404, 500])
    def test_an_answer_that_is_no_success_stays(self, code):
        asked = request("PUT", If_Match='"b"')
        assert checkPreconditions(asked, Answer(code)) is None
        assert checkPreconditions(asked, Answer(204)) == CHANGED

    def test_the_fields_that_are_going_out(self):
        asked = request(If_None_Match='"a"')
        assert checkPreconditions(asked) is None
        asked.out_headers.setHeader("etag", ETag(b"a"))
        assert checkPreconditions(asked) == KEPT

    def test_what_is_given_goes_before(self):
        asked = request(If_None_Match='"a"')
        answer = Answer(200, Headers({"etag": ETag(b"a")}))
        assert checkPreconditions(asked, answer, etag=ETag(b"b")) is None


class TestIfRange:
    ANSWER = Answer(200, Headers({"etag": ETag(b"a"), "last-modified": NOW}))

    @pytest.mark.parametrize("value", ['"a"', SAME])
    def test_the_version_that_is_there(self, value):
        assert checkIfRange(request(If_Range=value), self.ANSWER)

    @pytest.mark.parametrize("value", ['"b"', 'W/"a"', BEFORE, AFTER, "", "x", '"a", "b"'])
    def test_another_or_one_that_cannot_be_read(self, value):
        assert not checkIfRange(request(If_Range=value), self.ANSWER)

    def test_without_it(self):
        assert checkIfRange(request(Range="bytes=0-1"), self.ANSWER)

    def test_without_anything_to_compare(self):
        assert not checkIfRange(request(If_Range='"a"'), Answer())
        assert not checkIfRange(request(If_Range=SAME), Answer())

    def test_a_date_of_this_second_may_be_of_two_versions(self):
        answer = Answer(200, Headers({"last-modified": 253402300799}))
        assert not checkIfRange(request(If_Range=FUTURE), answer)


def test_each_status_has_a_phrase():
    codes = {
        value for name, value in vars(status).items() if name.isupper() and name != "RESPONSES"
    }
    assert codes == set(status.RESPONSES)
    assert status.RESPONSES[status.NOT_FOUND] == b"Not Found"


def test_twisted_names_are_there():
    for name, value in vars(_responses).items():
        if name.isupper() and isinstance(value, int):
            assert getattr(status, name.lstrip("_")) == value
