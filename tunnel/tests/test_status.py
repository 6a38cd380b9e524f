# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the service tells of itself: metrics, health and readiness, and the lines of its journal."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from harness import Client, Mailbox, Pki, ScriptedHop, Tunnel, free_port
from observe import ask, children, eventually, sample
from test_end_to_end import CARD


def test_metrics_add_up_over_workers_restarts_and_reloads(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel, port = Tunnel(tmp_path, hop.port), free_port()
        tunnel.options = ["--workers", "2"]
        tunnel.config["status"] = {"address": "127.0.0.1", "port": port}
        with tunnel.running():
            for _ in range(6):
                assert Client(tunnel.port).begin().deliver(CARD).startswith("250")
            # The client has its reply before it is counted; who is killed in between counts it never.
            eventually(lambda: sample(ask(port, "/metrics")[1], "transaction_seconds_count") == 6)
            os.kill(min(children(tunnel.process.pid)), signal.SIGKILL)
            tunnel.wait_journal("worker ended")
            tunnel.tunnel["clients"] = ["127.0.0.2"]
            tunnel.reload()
            assert Client(tunnel.port).reply().startswith("554")
            _, page = ask(port, "/metrics")
            assert sample(page, 'transactions_total{by="next_hop",reply="2"}') == 6
            assert sample(page, "messages_changed_total") == 6
            assert sample(page, "values_protected_total") == 12
            assert sample(page, "received_bytes_total") == 6 * len(CARD)
            assert sample(page, 'refused_total{reason="not_allowed"}') == 1
            assert sample(page, "connections_total") == 7
            assert sample(page, "process_restarts_total") == 1
            assert sample(page, 'reloads_total{result="taken"}') == 1
            assert sample(page, "transaction_seconds_count") == 6
            assert sample(page, 'transaction_seconds_bucket{le="+Inf"}') == 6
            eventually(lambda: sample(ask(port, "/metrics")[1], "workers_up") == 2)
            assert not re.search(r"4111[ -]?1111", page)
            assert "corp.test" not in page
            assert all(re.match(r"# (HELP|TYPE) \w+ |\w+(\{[^}]*\})? [0-9.e+-]+$", row) for row in page.splitlines())


def test_a_transaction_that_its_client_leaves_is_nobodys_success(tmp_path: Path) -> None:
    """The 221 is no verdict on it."""
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        port = free_port()
        tunnel.config["status"] = {"port": port}
        with tunnel.running():
            client = Client(tunnel.port).begin()
            client.ask(b"MAIL FROM:<a@b>\r\n")
            assert client.ask(b"QUIT\r\n").startswith("221")
            (record,) = tunnel.wait_journal()
            assert (record["reply"], record["reply_by"], record["reason"]) == (None, None, "session closed")
            page = ask(port, "/metrics")[1]
            assert 'transactions_total{by="tunnel",reply="2"} 0' in page
            assert 'transactions_total{by="nobody",reply="none"} 1' in page


@pytest.mark.parametrize("way", ["rules", "none"])
def test_what_the_next_hop_did_not_want_was_not_forwarded(tmp_path: Path, way: str) -> None:
    with ScriptedHop(DATA=b"450 4.2.0 later\r\n").running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        port = free_port()
        tunnel.config["status"] = {"port": port}
        if way == "none":
            tunnel.service["profiles"] = []
        with tunnel.running():
            assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n") == "450 4.2.0 later"
            (record,) = tunnel.wait_journal()
            assert "size_out" not in record
            page = ask(port, "/metrics")[1]
            assert "received_bytes_total 5\n" in page
            assert "forwarded_bytes_total 0\n" in page


def test_health_and_readiness_tell_what_is_wrong(tmp_path: Path, pki: Pki) -> None:
    tunnel, port = Tunnel(tmp_path), free_port()
    with Mailbox(pki, "implicit").running() as mailbox:
        tunnel.upstream["forwarding_addresses"] = [
            {"address": "127.0.0.1", "port": free_port(), "name": "localhost"},
            {"address": "127.0.0.1", "port": mailbox.port, "name": "localhost"},
        ]
        tunnel.upstream_tls(pki, "implicit")
        tunnel.config["status"] = {"port": port}
        tunnel.start()
    # The mailbox is gone from here on; the service is up all the same.
    try:
        eventually(lambda: ask(port, "/healthz") == (200, "ok\n"))
        assert ask(port, "/readyz") == (503, "no forwarding address of u greets\n")
        with Mailbox(pki, "implicit").running() as mailbox:
            tunnel.upstream["forwarding_addresses"] = [
                {"address": "127.0.0.1", "port": mailbox.port, "name": "localhost"}
            ]
            tunnel.reload()
            eventually(lambda: ask(port, "/readyz") == (200, "ok\n"))
        (worker,) = {pid for pid in children(tunnel.process.pid) if pid != listener_of(port, tunnel)}
        os.kill(worker, signal.SIGSTOP)
        eventually(lambda: ask(port, "/healthz") == (503, "worker 0 gives no sign of life\n"), 20)
        os.kill(worker, signal.SIGCONT)
        eventually(lambda: ask(port, "/healthz")[0] == 200)
        assert ask(port, "/nothing")[0] == 404
        with socket.create_connection(("127.0.0.1", port)) as raw:
            raw.sendall(b"POST /metrics HTTP/1.1\r\n\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 405 ")
        with socket.create_connection(("127.0.0.1", port)) as raw, contextlib.suppress(ConnectionError):
            raw.sendall(b"\xff" * 70_000)
            raw.recv(100)
        assert ask(port, "/healthz")[0] == 200
        assert tunnel.stop() == 0
        assert not tunnel.errors.read_text()
    finally:
        if tunnel.process.poll() is None:
            tunnel.process.kill()
            tunnel.process.wait()


def listener_of(port: int, tunnel: Tunnel) -> int:
    """Return the child of the service that listens on `port`."""
    rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {row[9] for row in rows if row[1].endswith(f":{port:04X}") and row[3] == "0A"}
    for pid in children(tunnel.process.pid):
        for number in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if str(number.readlink()).removeprefix("socket:[").removesuffix("]") in inodes:
                    return pid
    raise AssertionError(port)


def test_log_levels_choose_by_facility(tmp_path: Path) -> None:
    with ScriptedHop(MAIL=b"451 4.7.1 later\r\n").running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.config["log_levels"] = {"Tunnel": "error", "Service": "warning", "Admin": "error"}
        with tunnel.running():
            assert Client(tunnel.port).begin().deliver(CARD).startswith("451")
            (record,) = tunnel.wait_journal()
            assert (record["facility"], record["level"]) == ("Service", "warning")
            hop.script["MAIL"] = b"250 2.1.0 ok\r\n"
            assert Client(tunnel.port).begin().deliver(CARD).startswith("250")
            tunnel.config["log_levels"] = {"Service": "info"}
            tunnel.reload()
            assert Client(tunnel.port).begin().deliver(CARD).startswith("250")
            tunnel.wait_journal(count=2)
        # The one that went well at the level `warning` is not there.
        assert [record["reply"] for record in tunnel.journal()] == [451, 250]
        assert tunnel.journal("ready")
        assert tunnel.journal("reloaded")


def test_mail_goes_on_when_nobody_can_write_the_journal(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.log = Path("/dev/full")
        tunnel.start()
        try:
            assert Client(tunnel.port).begin().deliver(CARD).startswith("250")
            assert tunnel.stop() == 0
            assert not tunnel.errors.read_text()
        finally:
            if tunnel.process.poll() is None:
                tunnel.process.kill()
                tunnel.process.wait()


def test_a_status_port_that_is_taken_is_refused_at_start_and_on_reload(tmp_path: Path) -> None:
    tunnel, port = Tunnel(tmp_path, free_port()), free_port()
    tunnel.config["status"] = {"port": port}
    with socket.create_server(("127.0.0.1", 0)) as other:
        tunnel.start()
        try:
            before = children(tunnel.process.pid)
            tunnel.config["status"] = {"port": other.getsockname()[1]}
            tunnel.reload()
            assert "status did not come up" in str(tunnel.wait_journal("reload refused")[0]["reason"])
            assert "cannot listen at 127.0.0.1" in tunnel.errors.read_text()
            assert "Traceback" not in tunnel.errors.read_text()
            eventually(lambda: ask_or_none(port, "/healthz") == (200, "ok\n"))
            tunnel.file.write_text("{}")
            tunnel.process.send_signal(signal.SIGHUP)
            tunnel.notice("READY=1")
            assert len(children(tunnel.process.pid)) == len(before) == 2
            assert sample(ask(port, "/metrics")[1], 'reloads_total{result="refused"}') == 2
            tunnel.config["status"] = None
            tunnel.reload()
            assert ask_or_none(port, "/healthz") is None
            done = subprocess.run(tunnel.command(), env=os.environ, capture_output=True, text=True, check=False)
            assert done.returncode == 1
        finally:
            tunnel.stop()


def spoken(port: int, request: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Send a request; return the head of the response, a field each, and what stands behind it."""
    with socket.create_connection(("127.0.0.1", port), 10) as channel:
        channel.sendall(request)
        head, _, content = channel.makefile("rb").read().partition(b"\r\n\r\n")
    fields = [line.partition(b": ") for line in head.split(b"\r\n")]
    return {name.lower(): value for name, _, value in fields}, content


def test_a_head_says_what_there_would_be_and_who_asks_for_else_what_he_may(tmp_path: Path) -> None:
    tunnel, port = Tunnel(tmp_path, free_port()), free_port()
    tunnel.config["status"] = {"port": port}
    with tunnel.running():
        _, page = spoken(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        head, nothing = spoken(port, b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (int(head[b"content-length"]), nothing) == (len(page), b"")
        head, _ = spoken(port, b"DELETE /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (head[b"allow"], b"http/1.1 405 method not allowed" in head) == (b"GET, HEAD", True)


def test_silent_connections_keep_nobody_from_an_answer(tmp_path: Path) -> None:
    tunnel, port = Tunnel(tmp_path, free_port()), free_port()
    tunnel.config["status"] = {"port": port}
    with tunnel.running(), contextlib.ExitStack() as silent:
        for _ in range(400):
            silent.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        assert ask(port, "/healthz") == (200, "ok\n")


def ask_or_none(port: int, path: str) -> tuple[int, str] | None:
    try:
        return ask(port, path)
    except OSError:
        return None
