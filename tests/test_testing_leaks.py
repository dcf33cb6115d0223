"""What a test has left behind is found and named."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

import pytest

from reactorlib.testing import leaks

logger = logging.getLogger("reactorlib")


class TestLoggedErrors:
    def test_those_of_a_kind_are_taken(self) -> None:
        with leaks.recorded_errors() as errors:
            logger.error("first", exc_info=KeyError("one"))
            logger.error("second", exc_info=ValueError("two"))
            assert [record.getMessage() for record in errors.take(KeyError)] == ["first"]
            (left,) = errors.describe()
        assert left.startswith("logged: second\n")
        assert "ValueError: two" in left

    def test_all_are_taken_those_without_an_exception_too(self) -> None:
        with leaks.recorded_errors() as errors:
            logger.error("plain")
            logger.error("other", exc_info=KeyError("one"))
            assert len(errors.take()) == 2
            assert errors.describe() == []

    def test_nothing_is_recorded_afterwards(self) -> None:
        with leaks.recorded_errors() as errors:
            pass
        logger.error("late")
        assert errors.records == []


class TestFreshReactors:
    @pytest.fixture
    def fresh(self) -> leaks.FreshReactors:
        return leaks.FreshReactors(lambda: None, grace=0.05)

    def test_nothing_is_left(self, fresh: leaks.FreshReactors) -> None:
        assert fresh.close() == []

    @pytest.mark.parametrize("with_proc", [True, False])
    def test_a_descriptor(self, monkeypatch: pytest.MonkeyPatch, with_proc: bool) -> None:
        def no_proc(path: Any) -> str:
            raise FileNotFoundError(path)

        if not with_proc:
            monkeypatch.setattr(os, "readlink", no_proc)
        fresh = leaks.FreshReactors(lambda: None, grace=0)
        ends = os.pipe()
        try:
            left = fresh.close()
        finally:
            for end in ends:
                os.close(end)
        assert [text.partition(":")[0] for text in left] == [f"descriptor {end}" for end in ends]
        assert all(("pipe:" if with_proc else "inode") in text for text in left)

    def test_a_thread_has_the_time_of_grace(self, fresh: leaks.FreshReactors) -> None:
        ended = threading.Event()
        thread = threading.Thread(target=ended.wait, name="lasting")
        thread.start()
        try:
            assert fresh.close() == ["thread lasting"]
        finally:
            ended.set()
            thread.join()
        assert fresh.close() == []

    def test_a_thread_that_ends_in_time_is_none(self) -> None:
        fresh = leaks.FreshReactors(lambda: None, grace=20)
        begin = threading.Event()
        thread = threading.Thread(target=begin.wait)
        thread.start()
        threading.Timer(0.05, begin.set).start()
        assert fresh.close() == []
