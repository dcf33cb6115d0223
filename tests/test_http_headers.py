"""Headers: raw and typed, in order, in any case, and nothing on the wire that must not be."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactorlib.protocols.http.fields.handler import HeaderHandler, each, joined, single
from reactorlib.protocols.http.headers import Headers

TOKEN = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=8).map(str.encode)
VALUE = st.lists(
    st.integers(0x20, 0xFF).filter(lambda byte: byte != 0x7F) | st.just(9), max_size=200
).map(bytes)


def three() -> Headers:
    headers = Headers()
    headers.addRawHeader(b"Host", b"a")
    headers.addRawHeader(b"x-ONE", b"1")
    headers.addRawHeader(b"Host", b"b")
    return headers


class TestUpdate:
    def test_fields_take_the_place_of_those_of_their_names(self):
        headers, other = three(), Headers(rawHeaders={b"host": [b"c"], b"X-Two": [b"2"]})
        headers.update(other)
        assert headers.checkedLines() == (b"x-ONE: 1\r\n", b"host: c\r\n", b"X-Two: 2\r\n")
        assert headers.getRawHeaders(b"Host") == [b"c"]
        assert headers.plain
        assert len(other) == 2

    def test_into_none_and_of_itself(self):
        headers = Headers()
        headers.update(three())
        headers.update(headers)
        assert headers == three()

    def test_what_is_typed_is_read_again(self):
        headers = Headers(headers={b"content-length": 1})
        assert headers.getHeader(b"content-length") == 1
        headers.update(Headers(headers={b"content-length": 2}))
        assert headers.getHeader(b"content-length") == 2
        assert not headers.plain

    def test_of_those_that_came(self):
        headers = Headers.deferred(lambda: [(b"Host", b"a")])
        headers.update(Headers.deferred(lambda: [(b"X", b"\r\n")]))
        assert headers.getRawHeaders(b"x") == [b"\r\n"]
        with pytest.raises(ValueError, match="control"):
            headers.checkedLines()

    def test_not_of_what_is_sent(self):
        headers = three()
        headers.makeImmutable()
        with pytest.raises(TypeError):
            headers.update(Headers())


class TestRaw:
    def test_words_in_names(self):
        for headers in (three(), Headers.deferred(lambda: [(b"X-One", b"1"), (b"Host", b"a")])):
            assert headers.mentions(b"if-", b"x-o")
            assert not headers.mentions(b"1", b"if-")
            assert not headers.mentions()

    def test_of_each_name_by_itself_or_all(self):
        headers = three()
        assert headers.getRawHeaders(b"x-one") == [b"1"]
        assert set(headers.names()) == {b"host", b"x-one"}
        assert headers.getRawHeaders(b"x-one") == [b"1"]
        assert headers.getRawHeaders(b"other", 5) == 5

    def test_names_have_no_case(self):
        headers = Headers(rawHeaders={b"Content-Type": [b"text/plain"]})
        for name in (b"content-type", b"CONTENT-TYPE", "Content-Type"):
            assert headers.hasHeader(name)
            assert name in headers
            assert headers.getRawHeaders(name) == [b"text/plain"]

    def test_what_is_not_there(self):
        headers = Headers()
        assert not headers.hasHeader(b"host")
        assert headers.getRawHeaders(b"host") is None
        assert headers.getRawHeaders(b"host", [b"x"]) == [b"x"]
        headers.removeHeader(b"host")
        assert headers.toBytes() == b""

    def test_order_and_caps_are_kept_over_all_fields(self):
        assert three().toBytes() == b"Host: a\r\nx-ONE: 1\r\nHost: b\r\n"
        assert three().getRawHeaders(b"HOST") == [b"a", b"b"]
        assert list(three().getAllRawHeaders()) == [(b"Host", [b"a", b"b"]), (b"X-One", [b"1"])]

    def test_setting_anew_replaces_all_and_goes_to_the_end(self):
        headers = three()
        headers.setRawHeaders(b"host", [b"c", b"d"])
        assert headers.toBytes() == b"x-ONE: 1\r\nhost: c\r\nhost: d\r\n"
        headers.setRawHeaders(b"Host", [])
        assert headers.toBytes() == b"x-ONE: 1\r\n"
        assert not headers.hasHeader(b"host")

    def test_removing(self):
        headers = three()
        headers.removeHeader("HOST")
        assert headers.toBytes() == b"x-ONE: 1\r\n"
        assert len(headers) == 1

    def test_text_is_taken(self):
        headers = Headers()
        headers.setRawHeaders("Name", ["caf\xe9"])
        headers.addRawHeader("Other", "x")
        assert headers.toBytes() == b"Name: caf\xe9\r\nOther: x\r\n"
        with pytest.raises(ValueError, match="codec"):
            headers.addRawHeader("Name", "\u20ac")

    def test_a_list_that_was_given_out_changes_nothing(self):
        headers = three()
        headers.getRawHeaders(b"host").append(b"c")
        next(headers.getAllRawHeaders())[1].append(b"c")
        assert headers == three()

    def test_one_value_in_place_of_a_list(self):
        with pytest.raises(TypeError, match="not a value"):
            Headers().setRawHeaders("host", "a")
        with pytest.raises(TypeError, match="bytes or str"):
            Headers().setRawHeaders(b"host", b"a")

    @pytest.mark.parametrize(
        "name",
        [b"Content-Type", b"ETag", b"WWW-Authenticate", b"TE", b"DNT", b"X-Forwarded-For"],
    )
    def test_canonical_caps(self, name):
        assert Headers.canonicalNameCaps(name.lower()) == name
        assert Headers().canonicalNameCaps(name.upper()) == name

    @settings(deadline=None)
    @given(st.lists(st.tuples(TOKEN, VALUE), max_size=8))
    def test_it_behaves_as_a_list_of_pairs(self, pairs):
        headers = Headers()
        for name, value in pairs:
            headers.addRawHeader(name, value)
        lines = [b"%b: %b\r\n" % pair for pair in pairs]
        assert headers.toBytes() == b"".join(lines) == Headers.deferred(lambda: pairs).toBytes()
        assert len(headers) == len(pairs)
        for name, _ in pairs:
            mine = [value for other, value in pairs if other.lower() == name.lower()]
            assert headers.getRawHeaders(name.swapcase()) == mine
        for name, value in pairs:
            headers.setRawHeaders(name, [value])
        last = {name.lower(): value for name, value in pairs}
        assert {name.lower(): values for name, values in headers.getAllRawHeaders()} == {
            key: [value] for key, value in last.items()
        }


class TestWholes:
    def test_equality_is_of_names_and_values(self):
        assert Headers(rawHeaders={"a": ["1"], "b": ["2"]}) == Headers(
            rawHeaders={"B": ["2"], "A": ["1"]}
        )
        assert three() != Headers(rawHeaders={"host": ["b", "a"], "x-one": ["1"]})
        assert three() != 3

    def test_empty_headers_are_true(self):
        assert Headers()
        assert len(Headers()) == 0

    def test_a_copy_has_a_life_of_its_own(self):
        headers = three()
        headers.makeImmutable()
        twin = headers.copy()
        assert twin == headers
        twin.addRawHeader(b"host", b"c")
        twin.setRawHeaders(b"x-one", [b"2"])
        assert headers == three()
        assert twin.getRawHeaders(b"host") == [b"a", b"b", b"c"]

    def test_immutable_headers_cannot_be_changed(self):
        headers = Headers(rawHeaders=dict(three().getAllRawHeaders()), handler=NUMBERS)
        headers.makeImmutable()
        for change in (
            lambda: headers.setRawHeaders(b"a", [b"b"]),
            lambda: headers.setHeader(b"one", 3),
            lambda: headers.addRawHeader(b"a", b"b"),
            lambda: headers.removeHeader(b"host"),
        ):
            with pytest.raises(TypeError, match="immutable"):
                change()
        assert headers == three()

    def test_secrets_are_not_shown(self):
        headers = Headers()
        for name in ("Authorization", "cookie", "Proxy-Authorization", "Set-Cookie"):
            headers.addRawHeader(name, "hunter2")
        headers.addRawHeader("Host", "a")
        shown = repr(headers)
        assert "hunter2" not in shown
        assert shown.count("(hidden)") == 4
        assert "b'Host': b'a'" in shown

    def test_they_have_no_hash(self):
        with pytest.raises(TypeError):
            hash(Headers())


class TestDeferred:
    PAIRS = ((b"Host", b"a"), (b"x-ONE", b"1"), (b"Host", b"b"))

    @pytest.mark.parametrize(
        "look",
        [
            lambda headers: headers.hasHeader(b"host"),
            lambda headers: headers.getRawHeaders(b"host"),
            lambda headers: headers.getHeader(b"one"),
            lambda headers: list(headers.getAllRawHeaders()),
            lambda headers: headers.toBytes(),
            lambda headers: headers.copy(),
            lambda headers: headers == three(),
            len,
            repr,
        ],
    )
    def test_the_fields_are_made_once_at_the_first_look(self, look):
        calls = []

        def make():
            calls.append(1)
            return self.PAIRS

        headers = Headers.deferred(make, NUMBERS)
        assert calls == []
        look(headers)
        assert headers == three()
        assert headers.toBytes() == three().toBytes()
        assert calls == [1]

    def test_changes_come_after_what_was_deferred(self):
        for change in (
            lambda headers: headers.setRawHeaders(b"host", [b"c"]),
            lambda headers: headers.addRawHeader(b"Host", b"c"),
            lambda headers: headers.removeHeader(b"host"),
        ):
            deferred, plain = Headers.deferred(lambda: self.PAIRS), three()
            change(deferred)
            change(plain)
            assert deferred.toBytes() == plain.toBytes()

    def test_what_failed_to_be_made_is_not_taken_for_nothing(self):
        def make():
            raise MemoryError

        headers = Headers.deferred(make)
        for _ in range(2):
            with pytest.raises(MemoryError):
                headers.hasHeader(b"host")


class TestWhatMustNotBeSent:
    """Twisted #12754, CVE-2019-12387, CVE-2020-7695 of uvicorn."""

    @pytest.mark.parametrize("bad", [*range(9), *range(10, 32), 127])
    @pytest.mark.parametrize("length", [0, 1000])
    def test_controls_in_values(self, bad, length):
        headers = three()
        value = b"a%c Set-Cookie: x%b" % (bad, b"y" * length)
        for change in (
            headers.addRawHeader,
            lambda *pair: headers.setRawHeaders(pair[0], pair[1:]),
        ):
            with pytest.raises(ValueError, match="control") as caught:
                change(b"Host", value)
            assert "Set-Cookie" not in str(caught.value)
            with pytest.raises(ValueError, match="control"):
                change("Host", value.decode("latin-1"))
        assert headers == three()
        with pytest.raises(ValueError, match="control"):
            Headers.deferred(lambda: [(b"a", value)]).toBytes()

    @pytest.mark.parametrize("value", [b"", b"\t", b"a\tb", b"\x80\xff", b"a: b"])
    def test_values_that_may_be(self, value):
        assert Headers(rawHeaders={"a": [value]}).toBytes() == b"a: %b\r\n" % value

    def test_names_are_tokens(self):
        token = set(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz".lower())
        token |= set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        for byte in range(256):
            name = b"a%cb" % byte
            if byte in token:
                Headers().addRawHeader(name, b"x")
                continue
            with pytest.raises(ValueError, match="token"):
                Headers().addRawHeader(name, b"x")
            with pytest.raises(ValueError, match="token"):
                Headers.deferred(lambda name=name: [(name, b"x")]).toBytes()
        with pytest.raises(ValueError, match="token"):
            Headers().setRawHeaders(b"", [b"x"])

    @pytest.mark.parametrize("name", ["\u212aeep", "\u017fet", "na\xefve"])
    def test_names_are_ascii_aiohttp_cve_2025_69224(self, name):
        """The Kelvin sign has the lower case k, and the long s the upper case S."""
        headers = Headers()
        with pytest.raises(ValueError, match="ascii"):
            headers.addRawHeader(name, b"x")
        with pytest.raises(ValueError, match="ascii"):
            headers.hasHeader(name)
        assert Headers.canonicalNameCaps(b"na\xefve") == b"Na\xefve"


def _number(value: bytes) -> int:
    if not value.isdigit():
        raise ValueError("not a number")
    return int(value)


def _written(value: int) -> bytes:
    return b"%d" % value


NUMBERS = HeaderHandler(
    {
        b"one": single(_number, _written),
        b"list": joined(lambda value: value.split(b", "), b", ".join),
        b"each": each(_number, _written),
    }
)


class TestTyped:
    def test_a_value_is_read_once_and_when_it_is_asked_for(self):
        calls = []

        def parse(value: bytes) -> list[bytes]:
            calls.append(value)
            return [value]

        handler = NUMBERS.extended({b"seen": single(parse, b"".join)})
        headers = Headers(rawHeaders={b"Seen": [b"x"]}, handler=handler)
        assert calls == []
        assert headers.getHeader(b"seen") is headers.getHeader("SEEN")
        assert calls == [b"x"]
        headers.setRawHeaders(b"Seen", [b"y"])
        assert headers.getHeader(b"seen") == [b"y"]
        headers.addRawHeader(b"Seen", b"z")
        assert headers.getHeader(b"seen") is None
        headers.removeHeader(b"seen")
        assert headers.getHeader(b"seen") is None
        assert headers.getHeader(b"seen", 3) == 3

    def test_values_are_written_and_read(self):
        headers = Headers({"One": 1, "list": [b"a", b"b"], "each": (1, 2)}, handler=NUMBERS)
        assert headers.toBytes() == b"One: 1\r\nlist: a, b\r\neach: 1\r\neach: 2\r\n"
        assert headers.getHeader(b"one") == 1
        assert headers.getHeader(b"list") == [b"a", b"b"]
        assert headers.getHeader(b"each") == (1, 2)
        assert headers.copy().getHeader(b"one") == 1

    def test_lines_of_a_list_are_one_list(self):
        headers = Headers(rawHeaders={"list": ["a, b", "c"]}, handler=NUMBERS)
        assert headers.getHeader("list") == [b"a", b"b", b"c"]

    @pytest.mark.parametrize("values", [["x"], ["1", "2"], [""]])
    def test_what_is_malformed_is_as_if_not_there(self, values):
        headers = Headers(rawHeaders={"one": values}, handler=NUMBERS)
        assert headers.getHeader("one") is None
        assert headers.getHeader("one", 7) == 7
        assert headers.hasHeader("one")

    def test_without_a_parser(self):
        headers = Headers(rawHeaders={"other": ["x"]}, handler=NUMBERS)
        with pytest.raises(ValueError, match="other"):
            headers.getHeader("other")
        with pytest.raises(ValueError, match="other"):
            headers.setHeader("other", 1)
        with pytest.raises(ValueError, match="absent"):
            headers.getHeader("absent")
