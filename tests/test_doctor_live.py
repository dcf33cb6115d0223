"""What doctor reads and measures: files below a folder, and this machine itself."""

from __future__ import annotations

import io
import json
import resource
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from reactorlib.app.doctor import clients, facts, memory
from reactorlib.app.doctor.machine import ASSUMED_KERNEL
from reactorlib.posixbase import Reactor
from tests.backends import BACKENDS
from tests.test_cli import COMMAND, run

SLABS = """slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables
TCP                   81    130   2368   13    8 : tunables    0    0    0 : slabdata     10
filp                1260   1260    192   21    1 : tunables    0    0    0 : slabdata     60
other               1260   1260    192   21    1 : tunables    0    0    0 : slabdata     60
"""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


class TestFacts:
    def test_a_system_that_tells_nothing(self, tmp_path: Path) -> None:
        machine = facts.read("poll", tmp_path, {})
        assert machine.backend == "poll"
        assert machine.manager == "login"
        assert machine.processors >= 1
        assert machine.memory_available > 0
        for name in ("nr_open", "file_max", "port_range", "tcp_mem", "memory_limit", "pids_limit"):
            assert getattr(machine, name) is None

    def test_every_number_that_is_told(self, tmp_path: Path) -> None:
        sysctl = {
            "fs/nr_open": "1048576",
            "fs/file-max": "9223372036854775807",
            "fs/file-nr": "891\t0\t2466177",
            "fs/epoll/max_user_watches": "5491511",
            "net/core/somaxconn": "128",
            "net/ipv4/tcp_max_syn_backlog": "256",
            "net/ipv4/tcp_syncookies": "1",
            "net/ipv4/ip_local_port_range": "32768\t60999",
            "net/ipv4/ip_local_reserved_ports": "80,40000-40009,60999-61005",
            "net/ipv4/tcp_mem": "1 2 3",
            "net/netfilter/nf_conntrack_max": "7",
            "net/netfilter/nf_conntrack_count": "5",
            "kernel/io_uring_disabled": "2",
        }
        files = {f"proc/sys/{name}": f"{value}\n" for name, value in sysctl.items()}
        machine = facts.read("epoll", write(tmp_path, files), {})
        assert machine.nr_open == 1 << 20
        assert machine.file_max == 2**63 - 1
        assert machine.files_open == 891
        assert machine.epoll_watches == 5_491_511
        assert (machine.somaxconn, machine.syn_backlog, machine.syn_cookies) == (128, 256, True)
        assert machine.port_range == (32_768, 60_999)
        assert machine.ports_reserved == 11
        assert machine.ports == 28_232 - 11
        assert machine.tcp_mem == (1, 2, 3)
        assert (machine.conntrack_max, machine.conntrack_used) == (7, 5)
        assert machine.io_uring_disabled == 2

    @pytest.mark.parametrize(
        ("files", "environment", "manager"),
        [
            ({".dockerenv": ""}, {"INVOCATION_ID": "1"}, "container"),
            ({"run/.containerenv": ""}, {}, "container"),
            ({}, {"INVOCATION_ID": "1"}, "systemd"),
            ({"proc/self/cgroup": "0::/system.slice/web.service\n"}, {}, "systemd"),
            ({"proc/self/cgroup": "0::/user.slice/session-1.scope\n"}, {}, "login"),
        ],
    )
    def test_what_set_the_limits(
        self, tmp_path: Path, files: dict[str, str], environment: dict[str, str], manager: str
    ) -> None:
        assert facts.read("epoll", write(tmp_path, files), environment).manager == manager

    def test_control_groups_of_version_2_and_their_parents(self, tmp_path: Path) -> None:
        root = write(
            tmp_path,
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/b/memory.max": "max\n",
                "sys/fs/cgroup/a/memory.max": "1000\n",
                "sys/fs/cgroup/a/memory.current": "700\n",
                "sys/fs/cgroup/a/memory.stat": "anon 5\ninactive_file 300\n",
                "sys/fs/cgroup/a/b/pids.max": "50\n",
                "sys/fs/cgroup/a/b/pids.current": "4\n",
                "sys/fs/cgroup/a/pids.max": "60\n",
                "sys/fs/cgroup/a/pids.current": "59\n",
            },
        )
        machine = facts.read("epoll", root, {})
        assert (machine.memory_limit, machine.memory_used) == (1000, 400)
        assert (machine.pids_limit, machine.pids_used) == (60, 59)

    def test_control_groups_of_version_1(self, tmp_path: Path) -> None:
        root = write(
            tmp_path,
            {
                "proc/self/cgroup": "8:pids:/\n4:memory,other:/x\n0::/\n",
                "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "5000\n",
                "sys/fs/cgroup/memory/x/memory.usage_in_bytes": "100\n",
                "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
                "sys/fs/cgroup/pids/pids.max": "max\n",
            },
        )
        machine = facts.read("epoll", root, {})
        assert (machine.memory_limit, machine.memory_used) == (5000, 100)
        (root / "sys/fs/cgroup/memory/x/memory.limit_in_bytes").unlink()
        assert facts.read("epoll", root, {}).memory_limit is None
        assert machine.pids_limit is None


class TestMemory:
    def test_objects_of_the_kernel(self, tmp_path: Path) -> None:
        path = tmp_path / "slabinfo"
        path.write_text(SLABS)
        assert memory.slab_bytes(path) == 8 * 4096 // 13 + 4096 // 21

    def test_slabs_that_are_not_told(self, tmp_path: Path) -> None:
        path = tmp_path / "slabinfo"
        assert memory.slab_bytes(path) is None
        path.write_text(SLABS.replace("TCP ", "XYZ "))
        assert memory.slab_bytes(path) is None

    @pytest.mark.parametrize("backend", BACKENDS)
    def test_real_connections_leave_nothing_behind(self, backend: str, tmp_path: Path) -> None:
        reactor = Reactor(BACKENDS[backend]())
        try:
            found = memory.measure(reactor, slabs=tmp_path / "none")
            assert not reactor.sinks
        finally:
            reactor.engine.close()
        assert found.sample == 400
        assert 0 < found.user < 10_000
        assert found.kernel == ASSUMED_KERNEL
        assert not found.kernel_known
        assert found.worker > 1 << 20

    def test_connections_that_do_not_come(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broken = tmp_path / "clients.py"
        broken.write_text("raise SystemExit(1)\n")
        monkeypatch.setattr(memory.clients, "__file__", str(broken))
        reactor = Reactor(BACKENDS["poll"]())
        try:
            found = memory.measure(reactor)
        finally:
            reactor.engine.close()
        assert found.sample == 0


class TestClients:
    def test_each_line_is_for_so_many_more(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("\n\n"))
        ends: list[bytes] = []
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def serve() -> None:
                held = []
                for _ in range(3):
                    held.append(listener.accept()[0])
                    held[-1].sendall(held[-1].recv(1))
                for each in held:
                    with each, pytest.raises(ConnectionResetError):
                        ends.append(each.recv(1))

            thread = threading.Thread(target=serve)
            thread.start()
            clients.hold(listener.getsockname()[1], [2, 1])
            thread.join()
        assert capsys.readouterr().out == "2\n3\n"
        assert ends == []


class TestCommand:
    def test_it_concludes_and_its_exit_code_tells(self) -> None:
        done = run("doctor", "--connections", "10", "--workers", "1", "--reactor", "poll")
        assert done.returncode == 0, done.stderr
        assert "1 worker on poll" in done.stdout
        assert done.stdout.endswith("10 connections fit.\n")
        assert done.stderr == ""

    def test_what_does_not_fit(self) -> None:
        done = run("doctor", "--connections", "2000", "--workers", "1", "--reactor", "select")
        assert done.returncode == 1
        assert "the first limit is select's set" in done.stdout
        assert "2,000 connections do not fit." in done.stdout

    def test_json(self) -> None:
        done = run("doctor", "--json")
        assert done.returncode == 0
        told = json.loads(done.stdout)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert told["machine"]["open_files"] == {"soft": soft, "hard": hard}
        assert told["fits"] is True
        assert told["holds"] == min(each["holds"] for each in told["limits"] if each["holds"])
        assert told["machine"]["connection"]["sample"] == 400

    @pytest.mark.parametrize(("limit", "sample"), [(264, 100), (150, 0)])
    def test_few_descriptors_are_measured_with_fewer_connections(
        self, limit: int, sample: int
    ) -> None:
        command = " ".join([*COMMAND, "doctor --json --connections 10 --workers 1"])
        done = subprocess.run(
            ["bash", "-c", f"ulimit -n {limit}; exec {command}"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["holds"] == limit - 64
        assert told["machine"]["connection"]["sample"] == sample
        assert done.stderr == ""

    def test_wrong_numbers(self) -> None:
        done = run("doctor", "--connections", "0")
        assert done.returncode == 2
        assert "1 or more" in done.stderr
