"""What an engine tells of all its connections to who looks at them."""

from __future__ import annotations

import os

from reactorlib.backends.events import PIPE, WATCHED
from reactorlib.testing.contract.engine_base import EngineParts
from reactorlib.testing.contract.engine_calls import in_thread
from reactorlib.testing.contract.engine_driver import EngineDriver


class EngineSurvey(EngineParts):
    """States, what waits, and what was moved: by lookers that do not disturb each other."""

    def test_events_are_counted(self, driver: EngineDriver) -> None:
        handle, peer = driver.pair()
        peer.send(b"x")
        driver.until_received(handle, 1)
        assert driver.engine.counters()["events"] == 1

    def test_an_empty_engine_has_nothing_to_tell(self, driver: EngineDriver) -> None:
        seen = driver.engine.survey().look()
        assert seen == (0, 0, 0, 0, 0, [], [])

    def test_connections_are_counted_by_their_state(self, driver: EngineDriver) -> None:
        survey = driver.engine.survey()
        peers = [driver.pair() for _ in range(6)]
        for handle, _ in peers[:2]:
            handle.pause()
        (closing, _), (lingering, _) = peers[2:4]
        closing.pause()
        closing.write(bytes(2_000_000))
        closing.lose()
        lingering.lose()
        driver.until_lost(lingering)
        seen = survey.look()
        assert (seen.open, seen.paused, seen.closing, seen.lingering) == (2, 2, 1, 1)

    def test_one_that_is_aborted_is_closing_until_it_is_told(self, driver: EngineDriver) -> None:
        handle, _ = driver.pair()
        handle.abort()
        survey = driver.engine.survey()
        assert survey.look().closing == 1
        driver.until_lost(handle)
        assert survey.look().closing == 0

    def test_listeners_are_named_and_are_no_connections(self, driver: EngineDriver) -> None:
        numbers = {driver.listener()[0].number for _ in range(3)}
        seen = driver.engine.survey().look()
        assert set(seen.listeners) == numbers
        assert seen.open == 0

    def test_what_is_no_socket_is_no_connection(self, driver: EngineDriver) -> None:
        reading, writing = os.pipe()
        driver.add(reading, PIPE)
        driver.add(writing, WATCHED)
        assert driver.engine.survey().look().open == 0
        os.close(writing)

    def test_what_waits_to_be_sent_is_summed_up(self, driver: EngineDriver) -> None:
        survey = driver.engine.survey()
        handles = [driver.pair()[0] for _ in range(2)]
        for handle in handles:
            handle.write(bytes(3_000_000))
        driver.turn()
        waiting = [handle.buffered for handle in handles]
        assert min(waiting) > 0
        assert survey.look().buffered == sum(waiting)

    def test_each_looker_compares_with_his_own_last_look(self, driver: EngineDriver) -> None:
        first, second = driver.engine.survey(), driver.engine.survey()
        handle, peer = driver.pair()
        peer.send(b"12345")
        driver.until_received(handle, 5)
        assert first.look().busiest == [(handle.number, 5, 0, 0)]
        handle.write(b"123")
        driver.read(peer, 3)
        assert first.look().busiest == [(handle.number, 0, 3, 0)]
        assert first.look().busiest == []
        assert second.look().busiest == [(handle.number, 5, 3, 0)]

    def test_the_busiest_come_first_and_are_few(self, driver: EngineDriver) -> None:
        survey = driver.engine.survey()
        pairs = [driver.pair() for _ in range(30)]
        sizes = [(number * 7) % 31 for number in range(1, 31)]
        for (handle, peer), size in zip(pairs, sizes, strict=True):
            peer.send(bytes(size))
            driver.until_received(handle, size)
        busiest = survey.look().busiest
        most = sorted(sizes, reverse=True)[: len(busiest)]
        assert 1 < len(busiest) < 30
        assert [each.received for each in busiest] == most

    def test_who_comes_later_in_the_same_place_is_another(self, driver: EngineDriver) -> None:
        survey = driver.engine.survey()
        for size in (9, 2):
            handle, peer = driver.pair()
            peer.send(bytes(size))
            driver.until_received(handle, size)
            assert [each.received for each in survey.look().busiest] == [size]
            peer.close()
            driver.until_lost(handle)
        assert survey.look().busiest == []

    def test_a_table_that_grows_is_compared_as_before(self, driver: EngineDriver) -> None:
        survey = driver.engine.survey()
        handle, peer = driver.pair()
        peer.send(bytes(100))
        driver.until_received(handle, 100)
        survey.look()
        others = [driver.pair()[0] for _ in range(400)]
        peer.send(b"x")
        driver.until_received(handle, 101)
        seen = survey.look()
        assert seen.open == 1 + len(others)
        assert seen.busiest == [(handle.number, 1, 0, 0)]

    def test_only_the_engines_thread_may_look(self, driver: EngineDriver) -> None:
        survey = driver.engine.survey()
        driver.engine.own(True)
        outcome = in_thread(survey.look)
        driver.engine.own(False)
        assert isinstance(outcome, RuntimeError)
        driver.engine.close()
        assert survey.look().open == 0
