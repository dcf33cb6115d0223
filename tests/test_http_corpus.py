"""The corpus of HTTP/1.1 messages: whole, byte by byte, with bytes behind, and in any pieces."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactorlib.protocols.http.corpus import ACCEPTED, REQUESTS, RESPONSES, Case
from reactorlib.protocols.http.parser import HTTPParseError, ResponseHead
from tests.checkout import ROOT, load
from tests.pieces import cut, places

TARGET: Any = load(ROOT / "tools" / "fuzz" / "run.py").load("http_requests")
MessageReader = TARGET.MessageReader

SHORT = [case for case in REQUESTS if len(case.data) < 700]

# The security history: every advisory about what an HTTP/1.1 server reads.
HISTORY = """
    CVE-2020-10108 GHSA-4ppp-gpcr-7qf6 CVE-2020-10109 CVE-2022-24801 CVE-2023-46137
    CVE-2024-41671 #12754 #9646 CVE-2022-39348 CVE-2024-41810 CVE-2016-1000111 CVE-2019-9512
    #3795 #10144 #7564 CVE-2025-43859 CVE-2023-37276 CVE-2023-30589 CVE-2023-47641
    CVE-2024-52304 CVE-2025-58056 CVE-2025-55315 CVE-2025-53643 CVE-2023-41419 CVE-2025-69224
    CVE-2025-69225 CVE-2026-69243 CVE-2026-111750 CVE-2024-1135 CVE-2024-6827 #3364
    CVE-2019-16785 CVE-2022-32214 CVE-2019-16786 GHSA-m5ff-3wj3-8ph4 CVE-2024-49768
    GHSA-73m2-3pwg-5fgc CVE-2021-22959 CVE-2021-22960 CVE-2022-32213 CVE-2022-32215
    CVE-2022-35256 CVE-2025-23167 CVE-2020-7694 GHSA-753j-mpmx-qq6g CVE-2024-52804
    CVE-2025-47287 CVE-2026-42580
"""


def name(case: Case) -> str:
    return f"{case.identifier}: {case.attempt}".replace(" ", "_")


def bytewise(data: bytes) -> list[bytes]:
    return [data[place : place + 1] for place in range(len(data))]


def outcome(reader: Any) -> tuple[int, int]:
    return reader.status, reader.complete


def expected(case: Case) -> tuple[int, int]:
    return case.outcomes[0], case.messages


every_request = pytest.mark.parametrize("case", REQUESTS, ids=name)
every_response = pytest.mark.parametrize("case", RESPONSES, ids=name)


class TestRequests:
    @every_request
    def test_whole(self, case: Case) -> None:
        assert outcome(MessageReader().feed_all([case.data])) == expected(case)

    @pytest.mark.parametrize("case", SHORT, ids=name)
    def test_byte_by_byte_as_with_all_bytes_so_far(self, case: Case) -> None:
        """What can not become valid any more is refused then and there."""
        grown = MessageReader()
        for place, byte in enumerate(bytewise(case.data)):
            grown.feed(byte)
            so_far = MessageReader().feed_all([case.data[: place + 1]])
            assert outcome(grown) == outcome(so_far)
            assert grown.reason == so_far.reason
        assert outcome(grown) == expected(case)
        whole = MessageReader().feed_all([case.data]).messages
        assert grown.messages[: case.messages] == whole[: case.messages]

    @every_request
    def test_the_long_ones_in_small_pieces(self, case: Case) -> None:
        pieces = [case.data[place : place + 97] for place in range(0, len(case.data), 97)]
        assert outcome(MessageReader().feed_all(pieces)) == expected(case)

    @every_request
    def test_with_a_request_behind_it(self, case: Case) -> None:
        behind = b"GET /behind HTTP/1.1\r\nHost: example.com\r\n\r\n"
        reader = MessageReader().feed_all([case.data + behind])
        assert outcome(reader) == (case.outcomes[0], case.messages + case.is_valid)

    @every_request
    def test_with_nonsense_behind_it(self, case: Case) -> None:
        reader = MessageReader().feed_all([case.data + b"\0" * 40])
        assert outcome(reader) == (400 if case.is_valid else case.outcomes[0], case.messages)

    @given(st.sampled_from(REQUESTS), places)
    def test_in_any_pieces(self, case: Case, cuts: list[int]) -> None:
        assert outcome(MessageReader().feed_all(cut(case.data, cuts))) == expected(case)

    @given(st.data())
    def test_changed_somewhere(self, data: Any) -> None:
        message = bytearray(data.draw(st.sampled_from(SHORT)).data)
        start = data.draw(st.integers(0, len(message)))
        end = data.draw(st.integers(start, len(message)))
        message[start:end] = data.draw(st.sampled_from(TARGET.TOKENS) | st.binary(max_size=9))
        TARGET.check(bytes(message), Random(data.draw(st.integers(0, 2**32))))


class TestResponses:
    @every_response
    def test_whole_and_with_bytes_behind(self, case: Case) -> None:
        for behind in (b"", b"\0\r\n", b"HTTP/1.1 200 OK\r\n\r\n"):
            assert self.parse(case.data + behind, len(case.data)) == case.outcomes[0]

    @every_response
    def test_byte_by_byte(self, case: Case) -> None:
        for end in range(4, len(case.data[:20_000]) + 5):
            status, length = self.step(b"HTTP" + case.data, end)
            if status or length:
                break
        assert status == case.outcomes[0]
        assert length == (len(case.data) if case.is_valid else 0)

    def step(self, data: bytes, end: int) -> tuple[int, int]:
        try:
            return 0, ResponseHead().parse(data, 4, end, max(4, end - 1))
        except HTTPParseError as error:
            return error.status, 0

    def parse(self, data: bytes, length: int) -> int:
        try:
            assert ResponseHead().parse(data) == length
        except HTTPParseError as error:
            return error.status
        return ACCEPTED


class TestCorpus:
    def test_it_covers_the_security_history(self) -> None:
        told = " ".join(case.identifier for case in (*REQUESTS, *RESPONSES)).split()
        assert set(HISTORY.split()) - set(told) == set()

    def test_it_is_no_repetition(self) -> None:
        for cases in (REQUESTS, RESPONSES):
            data = Counter((case.data, case.identifier) for case in cases)
            assert [key for key, count in data.items() if count > 1] == []

    def test_its_outcomes_are_statuses(self) -> None:
        statuses = {ACCEPTED, 400, 404, 405, 413, 414, 417, 431, 501, 505}
        assert {status for case in REQUESTS for status in case.outcomes} == statuses
        assert all(case.messages == 0 or case.is_valid or case.outcomes for case in REQUESTS)

    def test_it_is_large(self) -> None:
        assert len(REQUESTS) > 350
        assert len(RESPONSES) > 30
