# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs out: the disk, descriptors, memory, the patience of those who read slowly."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Client, ScriptedHop, Tunnel, free_port
from observe import Load, ask, children, eventually, missing, sample
from test_no_loss import descriptors, resident

MEGABYTE = 1024 * 1024
BUDGET = 128 * MEGABYTE
ROW = b"z" * 996 + b"\r\n"
LARGE = b"Subject: large\r\n\r\n" + ROW * (25 * MEGABYTE // len(ROW) - 1)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(b"x" * 256)
    return ballast


def only_worker(tunnel: Tunnel) -> int:
    (worker,) = children(tunnel.process.pid)
    return worker


def test_a_full_disk_costs_lines_of_the_log_and_nothing_else(tmp_path: Path, disk: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel, port = Tunnel(tmp_path, hop.port), free_port()
        tunnel.options = ["--workers", "2"]
        tunnel.config["status"] = {"port": port}
        tunnel.log, tunnel.errors = disk / "journal", disk / "errors"
        with tunnel.running():
            ballast = fill(disk)
            with Load(tunnel.port).running() as load:
                time.sleep(1)
                # A reload needs no room either.
                tunnel.process.send_signal(signal.SIGHUP)
                tunnel.notice("READY=1")
                time.sleep(0.5)
            assert load.accepted
            assert not load.refused
            assert not load.interrupted
            assert not missing(load, hop)
            lost = sample(ask(port, "/metrics")[1], "log_lines_lost_total")
            assert lost >= len(load.accepted) / 2
            ballast.unlink()
            # Each worker tells of its own.
            for _ in range(20):
                assert Client(tunnel.port).begin().deliver(b"Subject: after\r\n\r\nx\r\n").startswith("250")
            assert tunnel.stop() == 0
            records = whole_lines(tunnel.log)
            assert any(record["event"] == "log lines lost" for record in records)
            assert sum(record["event"] == "transaction" for record in records[-21:]) >= 18
            tunnel.log.unlink()
            tunnel.log.touch()


def whole_lines(file: Path) -> list[dict[str, object]]:
    """The line that met the end of the disk may be cut; every other one is whole."""
    records, cut = [], 0
    for line in file.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            cut += 1
    assert cut <= 4
    return records


def test_nothing_of_a_message_is_ever_in_a_file(tmp_path: Path) -> None:
    """There is no spool that could be full, or read by others: no process has a file open for writing but the log."""
    with ScriptedHop(END=ScriptedHop.SLOW + b"250 kept\r\n").running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        with tunnel.running():
            sending = threading.Thread(target=lambda: Client(tunnel.port, timeout=60).begin().deliver(LARGE))
            sending.start()
            written: set[str] = set()
            looks = 0
            while sending.is_alive():
                for pid in (tunnel.process.pid, *children(tunnel.process.pid)):
                    written |= files_written(pid)
                looks += 1
            sending.join()
    assert looks > 10
    assert len(hop.messages) == 1
    assert written == {str(tunnel.log), str(tunnel.errors)}


def files_written(pid: int) -> set[str]:
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            writable = int(Path(f"/proc/{pid}/fdinfo/{link.name}").read_text().split("flags:\t")[1].split()[0], 8) & 3
            if writable and stat.S_ISREG(link.stat().st_mode):
                found.add(str(link.readlink()))
    return found


def limit_descriptors(pid: int, more: int) -> None:
    """Let the process `pid` open `more` descriptors than it has now."""
    highest = max(int(link.name) for link in Path(f"/proc/{pid}/fd").iterdir())
    free = highest + 1 - descriptors(pid)
    _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (highest + 1 + more - free, hard))


@pytest.mark.parametrize("balanced", [False, True], ids=["direct", "balanced"])
def test_without_descriptors_clients_wait_or_are_turned_away_and_later_ones_are_served(
    tmp_path: Path, balanced: bool
) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        if balanced:
            tunnel.tunnel["proxy_protocol"] = ["127.0.0.9"]
        with tunnel.running():
            assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n").startswith("250")
            worker = only_worker(tunnel)
            limit_descriptors(worker, 8)
            held = [Client(tunnel.port, timeout=3) for _ in range(40)]
            served = [client for client in held if greeted(client)]
            assert 2 <= len(served) <= 10
            # Who is inside can still deliver: there is a connection to the next hop.
            assert served[0].ask(b"EHLO x\r\n").startswith("250")
            assert served[0].deliver(b"\r\nsome\r\n").startswith("250")
            assert children(tunnel.process.pid) == {worker}
            used = cpu_seconds(worker)
            time.sleep(1)
            # Waiting for descriptors is no reason to be busy.
            assert cpu_seconds(worker) - used < 0.5
            for client in held:
                client.close()
            eventually(lambda: serves(tunnel.port), 5)
            assert children(tunnel.process.pid) == {worker}


def greeted(client: Client) -> bool:
    client.socket.settimeout(0.2)
    try:
        return client.reply().startswith("220")
    except OSError:
        return False
    finally:
        client.socket.settimeout(5)


def serves(port: int) -> bool:
    try:
        client = Client(port, timeout=3)
        return client.reply().startswith("220") and client.ask(b"EHLO x\r\n").startswith("250")
    except OSError:
        return False


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_without_a_descriptor_for_the_next_hop_the_client_is_told_to_come_again(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        with tunnel.running():
            worker = only_worker(tunnel)
            before = resource.prlimit(worker, resource.RLIMIT_NOFILE)
            client = Client(tunnel.port)
            assert client.reply().startswith("220")
            limit_descriptors(worker, 0)
            assert client.ask(b"EHLO x\r\n") == "421 4.4.1 Next hop unavailable"
            (record,) = tunnel.wait_journal("next hop unavailable")
            assert os.strerror(errno.EMFILE) in str(record["reason"])
            resource.prlimit(worker, resource.RLIMIT_NOFILE, before)
            assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n").startswith("250")
            assert children(tunnel.process.pid) == {worker}


SPARE = [(4, True), (16, True), (30, True), (50, True), (65, True), (80, True), (140, True), (4, False), (30, False)]


@pytest.mark.parametrize(("spare", "rules"), SPARE)
def test_without_memory_for_one_message_it_is_refused_and_the_others_live(
    tmp_path: Path, spare: int, rules: bool
) -> None:
    """Where memory ends depends on `spare`: while the message arrives, in the rules, or on the way out."""
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        if not rules:
            tunnel.service["profiles"] = []
        with tunnel.running():
            other = Client(tunnel.port).begin()
            assert other.deliver(b"\r\nbefore\r\n").startswith("250")
            worker = only_worker(tunnel)
            _, hard = resource.prlimit(worker, resource.RLIMIT_AS)
            resource.prlimit(worker, resource.RLIMIT_AS, (address_space(worker) + spare * MEGABYTE, hard))
            large = Client(tunnel.port, timeout=30).begin()
            reply = large.deliver(LARGE)
            assert reply.startswith(("250", "452 4.3.1", "451 4.3.0")), reply
            assert len(hop.messages) == 1 + reply.startswith("250")
            if rules and spare < 25:
                assert reply.startswith("452 4.3.1")
            # Its session goes on, too.
            assert large.deliver(b"\r\nsmall\r\n").startswith("250")
            assert other.deliver(b"\r\nafter\r\n").startswith("250")
            assert Client(tunnel.port).begin().deliver(b"\r\nnew\r\n").startswith("250")
            assert children(tunnel.process.pid) == {worker}


def address_space(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")


@contextlib.contextmanager
def sink(*options: str) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """A next hop that swallows; smtp-sink of Postfix."""
    port = free_port()
    process = subprocess.Popen(["/usr/sbin/smtp-sink", "-u", "nobody", *options, f"127.0.0.1:{port}", "1000"])
    try:
        eventually(lambda: serves_octets(port))
        yield port, process
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait()


def serves_octets(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 2) as connection:
            return connection.recv(3) == b"220"
    except OSError:
        return False


class Watch:
    """The most memory that a process has at any time, in octets."""

    def __init__(self, pid: int) -> None:
        self.peak = resident(pid)
        self._pid, self._end = pid, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._end.wait(0.02):
            self.peak = max(self.peak, resident(self._pid))


@pytest.mark.parametrize("rules", [True, False], ids=["rules", "passing"])
def test_two_hundred_large_messages_at_once_stay_within_bounds(tmp_path: Path, rules: bool) -> None:
    """5 GB at once: 4 times `bytes_in_flight` is the bound under rules, 1.5 MB a session without.

    What no rule looks at is held in parts; whoever finds no room waits, and at last is told to come again.
    """
    replies: list[str] = []
    whole = LARGE + b".\r\n"
    # RFC 5321 4.5.3.2.7: a server waits five minutes for the next command, and on a busy machine a turn can be late.
    with sink("-t", "300") as (port, _process):
        tunnel = Tunnel(tmp_path, port)
        tunnel.config["limits"] = {"connections_per_client": 300, "bytes_in_flight": BUDGET}
        tunnel.config["timeouts"] = {"reply": 60, "data_reply": 120}
        if not rules:
            tunnel.service["profiles"] = []
        with tunnel.running():
            Client(tunnel.port).begin().deliver(b"\r\nx\r\n")
            worker = only_worker(tunnel)
            before = resident(worker)
            ready = threading.Barrier(200)

            def send() -> None:
                client = Client(tunnel.port, timeout=400).begin()
                client.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
                opening = [client.reply() for _ in range(3)]
                ready.wait(120)
                # One copy for all: it is the tunnel's memory that is looked at.
                replies.append(client.ask(whole) if opening[2].startswith("354") else opening[2])
                client.close()

            senders = [threading.Thread(target=send) for _ in range(200)]
            with Watch(worker) as watch:
                for sender in senders:
                    sender.start()
                for sender in senders:
                    sender.join(450)
            # A message under the rules is held as it came and as it leaves, and copied on its way between.
            assert watch.peak - before < (4 * BUDGET if rules else 200 * 1.5 * MEGABYTE)
            assert len(replies) == 200, tunnel.log.read_text()[-4000:]
            assert {reply[:9] for reply in replies} <= {"250 2.0.0", "452 4.3.1"}
            # They have their turns, one after the other: BUDGET holds five. How many until patience ends, only the
            # machine's speed says: 150 on an idle one with two cores, 45 when two others want each of them.
            assert sum(reply.startswith("250") for reply in replies) >= 20
            assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n").startswith("250")
            assert children(tunnel.process.pid) == {worker}


def test_a_next_hop_that_stops_reading_stops_the_client(tmp_path: Path) -> None:
    """Back-pressure: what the next hop does not take stays with the client, not in our memory."""
    with sink() as (port, hop):
        tunnel = Tunnel(tmp_path, port)
        tunnel.service["profiles"] = []
        tunnel.config["timeouts"] = {"reply": 30, "data_reply": 30}
        with tunnel.running():
            clients = [Client(tunnel.port).begin() for _ in range(5)]
            for client in clients:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
                client.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
                assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
                # The next hop has begun to receive it.
                client.send(b"\r\n" + ROW * 200)
            worker = only_worker(tunnel)
            time.sleep(0.3)
            before = resident(worker)
            hop.send_signal(signal.SIGSTOP)
            rests = [memoryview(ROW * 24_000 + b".\r\n") for _ in clients]
            push(clients, rests, 3)
            # The kernel's buffers on the way take some megabytes each; then nothing moves any more.
            assert all(len(rest) > MEGABYTE for rest in rests)
            assert resident(worker) - before < 5 * 2 * MEGABYTE
            # Nobody else is kept waiting by it before the next hop is needed.
            assert Client(tunnel.port).reply().startswith("220")
            hop.send_signal(signal.SIGCONT)
            push(clients, rests, 20)
            for client in clients:
                client.socket.settimeout(20)
                # A stream that met a timeout reads no more.
                assert client.socket.recv(100).startswith(b"250")


def push(clients: list[Client], rests: list[memoryview], seconds: float) -> None:
    """Send as much as the peer takes, at most for `seconds`; `rests` is what is left."""
    end = time.monotonic() + seconds
    while any(rests) and time.monotonic() < end:
        for place, client in enumerate(clients):
            client.socket.settimeout(0)
            with contextlib.suppress(BlockingIOError):
                while rests[place]:
                    rests[place] = rests[place][client.socket.send(rests[place][:MEGABYTE]) :]
        time.sleep(0.005)


def test_many_slow_writers_hold_little_and_delay_nobody(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.config["limits"] = {"connections_per_client": 400}
        with tunnel.running():
            Client(tunnel.port).begin().deliver(b"\r\nx\r\n")
            worker = only_worker(tunnel)
            before = resident(worker)
            slow = [Client(tunnel.port).begin() for _ in range(200)]
            for client in slow:
                client.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
                assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
                client.send(b"\r\n")
            with Watch(worker) as watch:
                for _ in range(30):
                    for client in slow:
                        client.send(b"drip\r\n")
                    begun = time.monotonic()
                    assert Client(tunnel.port).begin().deliver(b"\r\nquick\r\n").startswith("250")
                    assert time.monotonic() - begun < 2
            assert watch.peak - before < 200 * 100_000
            for client in slow:
                assert client.ask(b".\r\n").startswith("250")
    assert hop.messages.count(b"\r\n" + b"drip\r\n" * 30) == 200


def test_clients_that_read_no_reply_are_not_answered_into_memory(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.tunnel["advanced_settings"] = {"idle_connection_timeout": 3}
        with tunnel.running():
            Client(tunnel.port).begin().deliver(b"\r\nx\r\n")
            worker = only_worker(tunnel)
            before = resident(worker)
            deaf = [Client(tunnel.port).begin() for _ in range(20)]
            # 40 MB of questions each.
            rests = [memoryview(b"VRFY x\r\n" * 5_000_000) for _ in deaf]
            with Watch(worker) as watch, contextlib.suppress(OSError):
                push(deaf, rests, 4)
            assert all(rests)
            assert watch.peak - before < 20 * 2 * MEGABYTE
            eventually(lambda: sum(cut(client) for client in deaf) == len(deaf), 60)
            assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n").startswith("250")


def cut(client: Client) -> bool:
    """Whether the other side ended the connection."""
    state = client.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state != 1
