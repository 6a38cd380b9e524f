# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the service: workers, restarts, socket activation, reload and drain under load, status, log levels."""

from __future__ import annotations

import contextlib
import datetime
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from harness import SOURCE, Client, Mailbox, Pki, ScriptedHop, Tunnel, free_port
from observe import Load, ask, children, eventually, missing, sample
from test_end_to_end import CARD, MASKED


def test_a_killed_worker_is_begun_anew_and_nothing_accepted_is_lost(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.options = ["--workers", "2"]
        with tunnel.running():
            workers = children(tunnel.process.pid)
            assert len(workers) == 2
            with Load(tunnel.port).running() as load:
                for _ in range(4):
                    time.sleep(0.4)
                    victim = min(children(tunnel.process.pid))
                    os.kill(victim, signal.SIGKILL)
                    eventually(lambda gone=victim: gone not in children(tunnel.process.pid))
                    eventually(lambda: len(children(tunnel.process.pid)) == 2)
                time.sleep(0.4)
            assert load.accepted
            assert not load.refused
            assert not missing(load, hop)
            ended = tunnel.journal("worker ended")
            assert [record["exit"] for record in ended] == [-9] * 4
            assert tunnel.stop() == 0


def test_a_worker_that_keeps_ending_is_begun_anew_ever_more_slowly(tmp_path: Path) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    with tunnel.running():
        for count in range(1, 5):
            eventually(lambda: children(tunnel.process.pid))
            os.kill(min(children(tunnel.process.pid)), signal.SIGKILL)
            tunnel.wait_journal("worker ended", count)
        delays = [record["delay"] for record in tunnel.wait_journal("worker ended", 4)]
        assert delays == sorted(delays)
        assert delays[0] == 0.0
        assert delays[3] >= 1.0  # type: ignore[operator]


def test_workers_leave_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.options = ["--workers", "2"]
    tunnel.config["status"] = {"port": free_port()}
    with tunnel.running():
        orphans = children(tunnel.process.pid)
        assert len(orphans) == 3
        tunnel.process.kill()
        tunnel.process.wait(10)
        eventually(lambda: not any(running(pid) for pid in orphans))
        with pytest.raises(ConnectionRefusedError):
            Client(tunnel.port)


def running(pid: int) -> bool:
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def test_no_connection_is_refused_during_restarts_with_a_passed_socket(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop, socket.create_server(("127.0.0.1", 0), backlog=512) as held:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.port = tunnel.tunnel["port"] = held.getsockname()[1]
        tunnel.options, tunnel.passed = ["--workers", "2"], [held.fileno()]
        tunnel.start()
        try:
            with Load(tunnel.port).running() as load:
                for _ in range(3):
                    time.sleep(0.5)
                    assert tunnel.stop() == 0
                    tunnel.start()
                time.sleep(0.5)
                tunnel.process.kill()
                tunnel.process.wait(10)
                tunnel.start()
                time.sleep(0.5)
            before = len(load.accepted)
            assert before > 20
            assert not load.refused
            assert not missing(load, hop)
            assert tunnel.stop() == 0
        finally:
            if tunnel.process.poll() is None:
                tunnel.process.kill()
                tunnel.process.wait()


def test_a_passed_socket_that_no_tunnel_has_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stray:
        tunnel = Tunnel(tmp_path, free_port())
        tunnel.passed = [stray.fileno()]
        with tunnel.running():
            (warning,) = tunnel.wait_journal("warning")
            assert str(stray.getsockname()[1]) in str(warning["reason"])


def test_reload_under_load_drops_no_session(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.options = ["--workers", "2"]
        with tunnel.running():
            waiting = Client(tunnel.port).begin()
            with Load(tunnel.port).running() as load:
                for number in range(5):
                    time.sleep(0.2)
                    tunnel.config["hostname"] = f"t{number}.example"
                    tunnel.reload()
            assert load.accepted
            assert not load.refused
            assert not load.interrupted
            assert not missing(load, hop)
            assert waiting.deliver(b"\r\nx\r\n").startswith("250")
            waiting.close()
            assert Client(tunnel.port).reply().startswith("220 t4.example")
            eventually(lambda: len(children(tunnel.process.pid)) == 2)
            assert tunnel.stop() == 0


def test_a_storm_of_reloads_with_workers_killed_in_between_ends_in_one_service(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.options = ["--workers", "2"]
        tunnel.config["status"] = {"port": free_port()}
        with tunnel.running():
            with Load(tunnel.port, 3).running() as load:
                for number in range(40):
                    tunnel.process.send_signal(signal.SIGHUP)
                    time.sleep(random.uniform(0, 0.08))
                    if number % 5 == 0:
                        with contextlib.suppress(ProcessLookupError):
                            # An old one or a new one, perhaps the status process.
                            os.kill(random.choice(sorted(children(tunnel.process.pid))), signal.SIGKILL)
                count = len(load.accepted)
                eventually(lambda: len(load.accepted) > count + 20)
            assert not load.refused
            assert not missing(load, hop)
            assert tunnel.journal("reloaded")
            # Of all those generations one is left.
            eventually(lambda: len(children(tunnel.process.pid)) == 3, 20)
            assert tunnel.stop() == 0


@pytest.mark.parametrize("pause", [0.0, 0.05, 0.15, 0.3])
def test_the_end_comes_when_it_is_asked_for_within_a_reload(tmp_path: Path, pause: float) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.options = ["--workers", "2"]
        with tunnel.running():
            client = Client(tunnel.port).begin()
            assert client.ask(b"MAIL FROM:<a@b>\r\n").startswith("250")
            assert client.ask(b"RCPT TO:<c@d>\r\n").startswith("250")
            tunnel.process.send_signal(signal.SIGHUP)
            time.sleep(pause)
            tunnel.process.send_signal(signal.SIGTERM)
            tunnel.process.send_signal(signal.SIGHUP)
            tunnel.notice("STOPPING=1")
            # The transaction under way has its time.
            assert client.ask(b"DATA\r\n").startswith("354")
            assert client.ask(b"\r\nx\r\n.\r\n").startswith("250")
            assert tunnel.process.wait(10) == 0
            (stopped,) = tunnel.journal("stopped")
            assert (stopped["sessions_broken_off"], stopped["processes_killed"]) == (0, 0)


def test_workers_killed_before_they_are_ready_leave_the_old_ones_serving(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.options = ["--workers", "2"]
        with tunnel.running():
            before = children(tunnel.process.pid)
            client = Client(tunnel.port).begin()
            for _ in range(3):
                tunnel.process.send_signal(signal.SIGHUP)
                while not (fresh := children(tunnel.process.pid) - before):
                    pass
                os.kill(min(fresh), signal.SIGKILL)
                tunnel.notice("READY=1")
            # One that was ready before it was killed has been begun anew; else the reload was refused.
            assert len(tunnel.journal("reload refused")) + len(tunnel.journal("reloaded")) == 3
            assert client.deliver(CARD).startswith("250")
            assert Client(tunnel.port).begin().deliver(CARD).startswith("250")
            assert tunnel.stop() == 0


def test_sessions_of_before_a_reload_end_in_time(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.config["timeouts"] = {"retire": 1, "drain": 5}
        with tunnel.running():
            client = Client(tunnel.port).begin()
            assert client.ask(b"MAIL FROM:<a@b>\r\n").startswith("250")
            tunnel.reload()
            time.sleep(1.5)
            assert client.ask(b"RCPT TO:<c@d>\r\n").startswith("250")
            assert client.ask(b"DATA\r\n").startswith("354")
            assert client.ask(b"\r\nx\r\n.\r\n").startswith("250")
            assert client.reply().startswith("421 4.3.2")


def test_workers_die_on_a_bad_configuration_on_disk_and_come_back_by_the_one_that_runs(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        with tunnel.running():
            tunnel.file.write_text("{")
            tunnel.process.send_signal(signal.SIGHUP)
            tunnel.notice("READY=1")
            assert "is no JSON" in str(tunnel.wait_journal("reload refused")[0]["reason"])
            os.kill(min(children(tunnel.process.pid)), signal.SIGKILL)
            tunnel.wait_journal("worker ended")
            assert Client(tunnel.port).begin().deliver(CARD).startswith("250")
    assert hop.messages[0].replace(b"\r\n..", b"\r\n.") == MASKED


def test_drain_ends_at_its_limit_and_says_how_many_it_broke_off(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.config["timeouts"] = {"drain": 1}
        with tunnel.running():
            client = Client(tunnel.port).begin()
            client.ask(b"MAIL FROM:<a@b>\r\n")
            begun = time.monotonic()
            assert tunnel.stop() == 0
            assert 0.9 < time.monotonic() - begun < 5
            (stopped,) = tunnel.journal("stopped")
            assert (stopped["sessions_broken_off"], stopped["processes_killed"]) == (1, 0)


def test_a_port_that_another_service_of_ours_has_is_refused(tmp_path: Path) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.options = ["--workers", "2"]
    with tunnel.running():
        done = subprocess.run(
            tunnel.command(), env={**os.environ, "PYTHONPATH": str(SOURCE)}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert "cannot listen" in done.stderr
        assert str(tunnel.port) in done.stderr


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


def test_only_tunnels_of_the_nodes_labels_are_loaded(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        here, elsewhere = free_port(), free_port()
        tunnel.config["node_labels"] = ["dmz", "eu"]
        for name, label, port in (("t2", "dmz", here), ("t3", "lan", elsewhere)):
            tunnel.config["tunnels"].append({**tunnel.tunnel, "name": name, "label": label, "port": port})  # type: ignore[attr-defined]
        tunnel.service["tunnels"] = ["t", "t2", "t3"]
        with tunnel.running():
            for port in (tunnel.port, here):
                assert Client(port).begin().deliver(CARD).startswith("250")
            with pytest.raises(ConnectionRefusedError):
                Client(elsewhere)


def test_listed_clients_alone_may_speak_in_clear_text(tmp_path: Path, pki: Pki) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.tls(pki, clear_text_clients=["127.0.0.2/32"])
        with tunnel.running():
            assert Client(tunnel.port).begin().deliver(CARD).startswith("530 5.7.0")
            exempt = Client(tunnel.port, source="127.0.0.2")
            assert exempt.begin().deliver(CARD).startswith("250")


def test_run_refuses_a_number_of_workers_that_makes_no_sense() -> None:
    for number in ("0", "65", "x"):
        done = subprocess.run(
            [sys.executable, "-m", "alertpath_tunnel", "run", "--config", "x", "--workers", number],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert "--workers" in done.stderr


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


def ask_or_none(port: int, path: str) -> tuple[int, str] | None:
    try:
        return ask(port, path)
    except OSError:
        return None


def test_a_revoked_client_certificate_is_refused(tmp_path: Path) -> None:
    pki = Pki(tmp_path / "server")
    authority = trustme.CA()
    good, revoked = authority.issue_cert("good.test"), authority.issue_cert("revoked.test")
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    (tmp_path / "crl.pem").write_bytes(revocation_list(authority, revoked))
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.tls(pki, "implicit")
        options = {"cert_reqs": "CERT_REQUIRED", "ca_certs": str(tmp_path / "ca.pem")}
        tunnel.tunnel["advanced_settings"] = {"ssl_options": options}
        with tunnel.running():
            # Without the list, both are let in.
            assert greeting(tunnel.port, pki, good).startswith(b"220")
            assert greeting(tunnel.port, pki, revoked).startswith(b"220")
            options["crl_file"] = str(tmp_path / "crl.pem")
            tunnel.reload()
            assert greeting(tunnel.port, pki, good).startswith(b"220")
            assert greeting(tunnel.port, pki, revoked) == b""
            assert "revoked" in str(tunnel.wait_journal("TLS failed")[0]["reason"])
            # A list that is out of date says nothing of who was revoked since: nobody is let in, and the log says why.
            (tmp_path / "crl.pem").write_bytes(revocation_list(authority, revoked, days=-1))
            tunnel.reload()
            assert greeting(tunnel.port, pki, good) == b""
            assert "CRL has expired" in str(tunnel.wait_journal("TLS failed", 2)[1]["reason"])


def revocation_list(authority: trustme.CA, leaf: trustme.LeafCert, days: int = 1) -> bytes:
    """Return a list that revokes *leaf*, and is to be renewed in *days*."""
    issuer = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    serial = x509.load_pem_x509_certificate(leaf.cert_chain_pems[0].bytes()).serial_number
    now = datetime.datetime.now(datetime.UTC)
    entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
    begin = now - datetime.timedelta(days=7)
    builder = x509.CertificateRevocationListBuilder(issuer.subject, begin, now + datetime.timedelta(days=days))
    builder = builder.add_revoked_certificate(entry)
    signed = builder.sign(key, hashes.SHA256())  # type: ignore[arg-type]
    return signed.public_bytes(serialization.Encoding.PEM)


def greeting(port: int, pki: Pki, leaf: trustme.LeafCert) -> bytes:
    """Return what a client with this certificate is greeted with, nothing when it is turned away."""
    context = pki.client()
    leaf.configure_cert(context)
    raw = socket.create_connection(("127.0.0.1", port), 10)
    # In TLS 1.3 the client learns of the refusal only when it reads.
    with raw, contextlib.suppress(OSError), context.wrap_socket(raw, server_hostname="localhost") as wrapped:
        return wrapped.recv(100)
    return b""
