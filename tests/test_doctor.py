"""`reactorlib doctor`: the machine is a value, so that any machine can be asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reactorlib.app.doctor.machine import (
    Finding,
    Machine,
    PerConnection,
    question,
)
from reactorlib.app.doctor.text import text
from reactorlib.app.doctor.verdict import Verdict, conclude
from reactorlib.app.doctor.words import bytes_text
from reactorlib.rlimit import UNLIMITED, Limits

GIB = 1 << 30

SERVER = Machine(
    system="Linux",
    backend="epoll",
    open_files=Limits(1024, 20_000),
    processors=2,
    memory_available=23 * GIB,
    manager="login",
    nr_open=1 << 20,
    file_max=2_466_177,
    files_open=1_000,
    epoll_watches=5_491_511,
    somaxconn=4096,
    syn_backlog=2048,
    syn_cookies=True,
    port_range=(32_768, 60_999),
    tcp_mem=(287_901, 383_868, 575_802),
    io_uring_disabled=0,
    connection=PerConnection(460, 3_956, 400, True, 16 << 20),
)
DARWIN = Machine(
    system="Darwin",
    backend="kqueue",
    open_files=Limits(256, UNLIMITED),
    processors=8,
    memory_available=8 * GIB,
)
SMALL = replace(
    SERVER, manager="container", memory_limit=64 << 20, memory_used=16 << 20, pids_limit=20
)


def asked(machine: Machine, connections: int | None = None, workers: int | None = None) -> Verdict:
    return conclude(machine, question(machine, connections, workers))


def found(verdict: Verdict, name: str) -> Finding:
    (finding,) = (each for each in [*verdict.limits, *verdict.notes] if each.name == name)
    return finding


class TestConclusion:
    def test_a_worker_for_each_processor_where_nothing_is_asked_for(self) -> None:
        verdict = asked(SERVER)
        assert verdict.asked.workers == 2
        assert verdict.holds == 2 * (20_000 - 64)
        assert verdict.fits
        assert verdict.sentence() == (
            "This machine holds about 39,872 connections with 2 workers; "
            "the first limit is open files"
        )

    def test_as_many_workers_as_the_connections_take(self) -> None:
        verdict = asked(SERVER, 60_000)
        assert verdict.asked.workers == 4
        assert verdict.fits
        assert asked(SERVER, 1).asked.workers == 1
        assert asked(SERVER, 2 * 19_936).asked.workers == 2
        assert asked(SERVER, 2 * 19_936 + 1).asked.workers == 3

    def test_the_workers_that_are_given_may_be_too_few(self) -> None:
        verdict = asked(SERVER, 60_000, 3)
        assert verdict.holds == 59_808
        assert not verdict.fits
        assert verdict.first.name == "open files"
        assert "`--workers 4` holds 79,744" in verdict.first.advice

    @pytest.mark.parametrize(("connections", "fits"), [(59_808, True), (59_809, False)])
    def test_the_bound_itself_fits(self, connections: int, fits: bool) -> None:
        verdict = asked(SERVER, connections, 3)
        assert verdict.fits is fits
        assert verdict.limits[0].too_little is not fits

    def test_memory_is_the_first_limit_of_a_small_container(self) -> None:
        verdict = asked(SMALL, 60_000)
        usable = int(48 * (1 << 20) * 0.9) - 4 * (16 << 20)
        assert verdict.holds == max(usable // 4_416, 0) == 0
        assert verdict.first.name == "memory"
        assert asked(SMALL, 5_000).holds == (int(48 * (1 << 20) * 0.9) - (16 << 20)) // 4_416
        assert "the control group's limit of 64.0 MiB" in verdict.first.source
        assert "--memory" in verdict.first.advice

    def test_a_limit_above_the_machine_is_none(self) -> None:
        verdict = asked(replace(SERVER, memory_limit=100 * GIB))
        assert found(verdict, "memory").source == "the machine's memory"

    def test_too_many_connections_for_24_gib(self) -> None:
        machine = replace(SERVER, open_files=Limits(1 << 20, 1 << 20), tcp_mem=None)
        verdict = asked(machine, 10_000_000)
        assert verdict.asked.workers == 10
        assert [each.name for each in verdict.limits if each.too_little] == [
            "files of the system",
            "epoll's watches",
            "memory",
        ]
        assert verdict.first.name == "files of the system"
        assert "fs.file-max=" in verdict.first.advice

    def test_a_machine_that_tells_little(self) -> None:
        verdict = asked(DARWIN, 60_000, 4)
        assert {each.name for each in verdict.limits} == {"open files", "memory"}
        assert verdict.notes == []
        assert verdict.holds == 4 * (10_240 - 64)
        assert "launchctl limit maxfiles 15064" in verdict.first.advice
        assert "launchd" in verdict.first.source


class TestOpenFiles:
    def test_an_unlimited_hard_limit_ends_at_nr_open(self) -> None:
        machine = replace(SERVER, open_files=Limits(1024, UNLIMITED))
        assert asked(machine, 5, 1).limits[0].holds == (1 << 20) - 64
        assert asked(replace(machine, nr_open=None), 5, 1).limits[0].holds == (1 << 20) - 64
        assert "hard unlimited" in asked(machine).limits[0].state

    def test_a_hard_limit_below_what_is_kept_free_holds_none(self) -> None:
        verdict = asked(replace(SERVER, open_files=Limits(32, 32)), 10)
        assert verdict.holds == 0
        assert not verdict.fits

    @pytest.mark.parametrize(
        ("manager", "first"),
        [
            ("container", "`docker run --ulimit nofile=30064:30064` (elsewhere `LimitNOFILE="),
            ("systemd", "`LimitNOFILE=30064` in the unit's [Service] (elsewhere `docker"),
            ("login", "`* hard nofile 30064` in /etc/security/limits.conf"),
        ],
    )
    def test_what_set_the_limit_can_lift_it(self, manager: str, first: str) -> None:
        advice = asked(replace(SERVER, manager=manager), 60_000, 2).first.advice
        assert first in advice
        assert "nr_open" not in advice

    def test_nr_open_comes_before_the_hard_limit(self) -> None:
        advice = asked(SERVER, 2_000_000, 1).limits[0].advice
        assert "first `sysctl -w fs.nr_open=2000064`" in advice


class TestSelect:
    machine = replace(SERVER, backend="select")

    def test_its_set_is_the_first_limit(self) -> None:
        verdict = asked(self.machine, 1_000, 1)
        assert verdict.first.name == "select's set"
        assert verdict.holds == 1024 - 64
        assert "--reactor epoll" in verdict.first.advice
        assert not verdict.fits

    def test_more_workers_hold_more(self) -> None:
        assert asked(self.machine, 1_000).asked.workers == 2
        assert asked(self.machine, 1_000).fits

    def test_the_others_know_neither_its_set_nor_the_watches_of_epoll(self) -> None:
        names = {each.name for each in asked(replace(SERVER, backend="poll")).limits}
        assert names.isdisjoint({"select's set", "epoll's watches"})


class TestOtherLimits:
    def test_files_of_the_system(self) -> None:
        assert found(asked(SERVER), "files of the system").holds == 2_466_177 - 1_000 - 2 * 64

    def test_a_table_that_is_full_holds_none(self) -> None:
        verdict = asked(replace(SERVER, file_max=900), 1)
        assert found(verdict, "files of the system").holds == 0

    def test_buffers_of_tcp(self) -> None:
        finding = found(asked(SERVER, 1_000_000), "TCP's buffers")
        assert finding.holds == 575_802
        assert "with 1,000,000 connections" in finding.state
        assert "1.5 KiB each" in finding.state
        assert "tcp_mem='575802 767736 1151604'" in finding.advice
        assert finding.too_little

    def test_processes(self) -> None:
        verdict = asked(replace(SMALL, pids_used=17, memory_limit=None), 60_000)
        finding = found(verdict, "processes")
        assert "enough for 2 workers" in finding.state
        assert finding.holds == 2 * 19_936
        assert verdict.first is finding
        assert found(asked(SMALL), "processes").holds is None

    def test_no_process_is_left(self) -> None:
        assert found(asked(replace(SMALL, pids_used=20), 1), "processes").holds == 0

    def test_the_firewall_counts_only_where_it_is_asked(self) -> None:
        machine = replace(SERVER, conntrack_max=262_144)
        assert "the firewall's table" not in {each.name for each in asked(machine).limits}
        verdict = asked(replace(machine, conntrack_used=144), 300_000)
        finding = found(verdict, "the firewall's table")
        assert finding.holds == 262_000
        assert "nf_conntrack_max=300144" in finding.advice
        assert verdict.first is finding


class TestNotes:
    def test_ports_of_one_source_address(self) -> None:
        verdict = asked(SERVER, 60_000)
        ports = found(verdict, "ports of clients")
        assert "28,232 connections to one listening port" in ports.state
        assert ports.advice == "a load test, or a proxy in front, needs 3 source addresses"
        assert verdict.fits, "the ports are the clients' affair"
        assert not found(asked(SERVER, 28_232), "ports of clients").too_little
        assert found(asked(SERVER, 28_233), "ports of clients").too_little

    def test_reserved_ports_and_none_at_all(self) -> None:
        few = replace(SERVER, port_range=(1000, 1009), ports_reserved=10)
        assert found(asked(few, 5), "ports of clients").too_little

    def test_a_short_accept_queue(self) -> None:
        assert not found(asked(SERVER), "accept queue").too_little
        short = found(asked(replace(SERVER, somaxconn=128)), "accept queue")
        assert short.too_little
        assert "128 connections may wait" in short.state
        assert "somaxconn=2048" in short.advice

    def test_a_short_queue_of_syns_matters_without_cookies(self) -> None:
        short = replace(SERVER, syn_backlog=128)
        assert not found(asked(short), "half-open connections").too_little
        finding = found(asked(replace(short, syn_cookies=False)), "half-open connections")
        assert finding.too_little
        assert "tcp_max_syn_backlog=2048" in finding.advice

    @pytest.mark.parametrize(
        ("value", "told"), [(0, "to all"), (1, "its group"), (2, "switched off")]
    )
    def test_io_uring(self, value: int, told: str) -> None:
        assert told in found(asked(replace(SERVER, io_uring_disabled=value)), "io_uring").state


class TestText:
    def test_everything_is_told_once(self) -> None:
        verdict = asked(SERVER, 60_000, 3)
        told = text(verdict)
        for finding in [*verdict.limits, *verdict.notes]:
            assert finding.name in told
        assert "! open files" in told
        assert "  memory" in told
        assert "measured on 400 connections" in told
        assert told.count("60,000 connections do not fit.") == 1
        assert "\n- open files: start more processes" in told
        assert max(map(len, told.splitlines())) <= 96

    def test_what_fits_needs_no_advice(self) -> None:
        told = text(asked(SERVER, 1_000))
        assert told.endswith("1,000 connections fit.")
        assert "!" not in told

    def test_without_a_number_the_first_limit_is_told_how_to_lift(self) -> None:
        told = text(asked(SERVER))
        assert "fit" not in told
        assert "- open files: start more processes: `--workers 3` holds 59,808" in told

    def test_what_is_assumed_is_called_so(self) -> None:
        told = text(asked(DARWIN))
        assert "server: assumed; the kernel's part assumed" in told
        assert "To know" not in told

    @pytest.mark.parametrize(
        ("number", "told"),
        [(1, "1 bytes"), (1023, "1023 bytes"), (1536, "1.5 KiB"), (24 * GIB, "24.0 GiB")],
    )
    def test_bytes(self, number: int, told: str) -> None:
        assert bytes_text(number) == told
