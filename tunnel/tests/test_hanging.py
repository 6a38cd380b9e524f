# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stops without ending: a worker, the supervisor, whoever reads the log, a next hop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Client, ScriptedHop, Tunnel, free_port
from observe import Load, ask, children, eventually, missing, sample

HANG = 3


def test_a_worker_that_hangs_is_killed_in_time_and_the_others_go_on(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.options = ["--workers", "2"]
        tunnel.config["timeouts"] = {"hang": HANG}
        with tunnel.running():
            workers = children(tunnel.process.pid)
            victim = min(workers)
            time.sleep(1.2)
            begun = time.monotonic()
            os.kill(victim, signal.SIGSTOP)
            with Load(tunnel.port).running() as load:
                eventually(lambda: victim not in children(tunnel.process.pid), HANG + 4)
                took = time.monotonic() - begun
                count = len(load.accepted)
                eventually(lambda: len(children(tunnel.process.pid)) == 2)
                eventually(lambda: len(load.accepted) > count)
            # The sign of life before the stop was up to a second old; the supervisor looks every second.
            assert HANG - 1.5 < took < HANG + 3
            (hung,) = tunnel.journal("worker hung")
            assert hung["process"] in ("worker 0", "worker 1")
            assert count > 5
            assert not missing(load, hop)
            assert tunnel.stop() == 0


def test_a_worker_that_stops_before_its_first_sign_of_life_is_found(tmp_path: Path) -> None:
    """A killed worker's successor is stopped as soon as it exists, when it has told nobody anything yet."""
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.config["timeouts"] = {"hang": HANG}
    with tunnel.running():
        for _ in range(2):
            (first,) = eventually_children(tunnel.process.pid)
            os.kill(first, signal.SIGKILL)
            while first in children(tunnel.process.pid):
                pass
            while not (fresh := children(tunnel.process.pid)):
                pass
            (second,) = fresh
            os.kill(second, signal.SIGSTOP)
            eventually(lambda stopped=second: stopped not in children(tunnel.process.pid), HANG + 4)
        assert len(tunnel.journal("worker hung")) == 2
        eventually(lambda: children(tunnel.process.pid))


def eventually_children(pid: int) -> set[int]:
    eventually(lambda: children(pid))
    return children(pid)


def test_mail_goes_on_while_the_supervisor_is_stopped(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.options = ["--workers", "2"]
        tunnel.config["timeouts"] = {"hang": HANG}
        with tunnel.running():
            os.kill(tunnel.process.pid, signal.SIGSTOP)
            for _ in range(20):
                assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n").startswith("250")
            time.sleep(HANG + 1)
            before = children(tunnel.process.pid)
            os.kill(tunnel.process.pid, signal.SIGCONT)
            time.sleep(1.5)
            # It was the one that was away: nobody else is to pay for it.
            assert children(tunnel.process.pid) == before
            # The same when all were stopped, and the supervisor runs on first.
            for pid in (tunnel.process.pid, *before):
                os.kill(pid, signal.SIGSTOP)
            time.sleep(HANG + 2)
            os.kill(tunnel.process.pid, signal.SIGCONT)
            time.sleep(0.5)
            for pid in before:
                os.kill(pid, signal.SIGCONT)
            time.sleep(1.5)
            assert children(tunnel.process.pid) == before
            assert not tunnel.journal("worker hung")
            assert tunnel.stop() == 0


@pytest.fixture(params=["pipe", "socket"])
def stalled(request: pytest.FixtureRequest) -> Iterator[tuple[int, int]]:
    """A reader's end that is not read, and a writer's end for the service."""
    if request.param == "pipe":
        reader, writer = os.pipe()
    else:
        ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        reader, writer = (os.dup(end.fileno()) for end in ends)
        for end in ends:
            end.close()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_a_reader_of_the_log_that_stalls_does_not_stall_mail(tmp_path: Path, stalled: tuple[int, int]) -> None:
    """As when the journal of the host is stopped: what it holds back is lost lines, and is told of afterwards."""
    reader, writer = stalled
    with ScriptedHop().running() as hop:
        tunnel, port = Tunnel(tmp_path, hop.port), free_port()
        tunnel.options = ["--workers", "2"]
        tunnel.config["status"] = {"port": port}
        tunnel.stdout = writer
        tunnel.log.touch()
        with tunnel.running():
            client = Client(tunnel.port).begin()
            begun = time.monotonic()
            sent = 0
            while sample(ask(port, "/metrics")[1], "log_lines_lost_total") < 20:
                for _ in range(100):
                    assert client.deliver(b"\r\nx\r\n").startswith("250")
                    sent += 1
                assert time.monotonic() - begun < 60
            lost = sample(ask(port, "/metrics")[1], "log_lines_lost_total")
            # The supervisor writes, too, when it reloads.
            tunnel.reload()
            assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n").startswith("250")
            lines = drain(reader)
            # The worker that served this client lost most; it is of the generation that the reload retired.
            assert client.deliver(b"\r\nx\r\n").startswith("250")
            client.close()
            lines += drain(reader)
            records = [json.loads(line) for line in lines if line.endswith(b"}") and line.startswith(b"{")]
            told = sum(int(record["lines"]) for record in records if record["event"] == "log lines lost")
            assert lost <= told <= lost + 3
            transactions = [record for record in records if record["event"] == "transaction"]
            # One more: the new worker that served the client in between may have lost its line, and has had no other.
            assert sent + 2 - len(transactions) <= told + 1
            assert tunnel.stop() == 0


def drain(reader: int) -> list[bytes]:
    """Read until nothing comes for a while."""
    os.set_blocking(reader, False)
    content, quiet = b"", 0
    while quiet < 10:
        try:
            content += os.read(reader, 1 << 20)
        except BlockingIOError:
            quiet += 1
            time.sleep(0.05)
    return content.split(b"\n")


STAGES = ["connect", "MAIL", "RCPT", "DATA", "END"]


@pytest.mark.parametrize("stage", STAGES)
def test_a_next_hop_that_is_stopped_holds_nobody_longer_than_its_deadline(tmp_path: Path, stage: str) -> None:
    """A real server, stopped: its kernel still takes connections and octets. What it never answered is the client's."""
    port = free_port()
    sink = subprocess.Popen(["/usr/sbin/smtp-sink", "-u", "nobody", f"127.0.0.1:{port}", "100"])
    try:
        eventually(lambda: listens(port))
        tunnel = Tunnel(tmp_path, port)
        tunnel.config["timeouts"] = {"connect": 2, "reply": 2, "data_reply": 2, "drain": 5}
        with tunnel.running():
            client = Client(tunnel.port)
            steps = [
                ("connect", b"EHLO x\r\n", "250"),
                ("MAIL", b"MAIL FROM:<a@b>\r\n", "250"),
                ("RCPT", b"RCPT TO:<c@d>\r\n", "250"),
                ("DATA", b"DATA\r\n", "354"),
                ("END", b"\r\nx\r\n.\r\n", "250"),
            ]
            assert client.reply().startswith("220")
            for name, octets, good in steps:
                if name == stage:
                    sink.send_signal(signal.SIGSTOP)
                begun = time.monotonic()
                reply = client.ask(octets)
                if not reply.startswith(good):
                    break
            took = time.monotonic() - begun
            # DATA itself is answered by the tunnel; whether the next hop takes the message comes after.
            assert reply.startswith("421 4.4."), reply
            assert 1.5 < took < 8
            sink.send_signal(signal.SIGCONT)
            assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n").startswith("250")
    finally:
        sink.send_signal(signal.SIGCONT)
        sink.kill()
        sink.wait()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def test_the_others_are_served_while_one_waits_for_a_silent_next_hop(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.config["timeouts"] = {"reply": 4, "data_reply": 4}
        with tunnel.running():
            hop.script["."] = ScriptedHop.SILENT
            slow = Client(tunnel.port).begin()
            waiting = threading.Thread(target=slow.deliver, args=(b"\r\nx\r\n",))
            waiting.start()
            eventually(lambda: hop.messages)
            hop.script["."] = b"250 2.0.0 kept\r\n"
            begun = time.monotonic()
            for _ in range(20):
                assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n").startswith("250")
            assert time.monotonic() - begun < 3
            waiting.join(10)
            assert not waiting.is_alive()
