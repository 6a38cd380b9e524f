# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the service: workers, restarts, socket activation, reload and drain under load, labels."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import SOURCE, Client, ScriptedHop, Tunnel, free_port
from observe import Load, children, eventually, missing
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


SHORT_LIVED = """
import sys, time
from alertpath_tunnel import cli
from alertpath_tunnel.process import child, supervisor

look = supervisor.Supervisor._step

def look_late(*given):
    time.sleep(0.3)
    look(*given)

supervisor.work = lambda *given: child.say(given[-1], "ready")
supervisor.Supervisor._step = look_late
sys.exit(cli.main(sys.argv[1:]))
"""


def test_workers_that_end_as_soon_as_they_are_ready_are_no_service(tmp_path: Path) -> None:
    """A busy supervisor hears both at once."""
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.write()
    done = subprocess.run(
        [sys.executable, "-c", SHORT_LIVED, "run", "--config", str(tunnel.file)],
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert "worker 0 did not come up" in done.stderr


def scarce(pid: int, left: int) -> None:
    """Let a process have only `left` more descriptors: it cannot begin another then."""
    taken = {int(file.name) for file in Path(f"/proc/{pid}/fd").iterdir()}
    free = (number for number in range(max(taken) + left + 2) if number not in taken)
    _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (next(itertools.islice(free, left, None)), most))


def test_a_reload_without_room_for_processes_is_refused(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        with tunnel.running():
            assert Client(tunnel.port).begin().deliver(CARD).startswith("250")
            scarce(tunnel.process.pid, 1)
            tunnel.reload()
            assert "cannot begin worker 0: " in str(tunnel.wait_journal("reload refused")[0]["reason"])
            assert Client(tunnel.port).begin().deliver(CARD).startswith("250")
            assert tunnel.stop() == 0


def test_a_worker_that_cannot_be_begun_is_tried_again(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.options = ["--workers", "2"]
        with tunnel.running():
            assert Client(tunnel.port).begin().deliver(CARD).startswith("250")
            # The one that is killed gives one back.
            limit = resource.prlimit(tunnel.process.pid, resource.RLIMIT_NOFILE)
            scarce(tunnel.process.pid, 0)
            os.kill(min(children(tunnel.process.pid)), signal.SIGKILL)
            assert tunnel.wait_journal("worker not begun", 2)[0]["process"] in ("worker 0", "worker 1")
            assert Client(tunnel.port).begin().deliver(CARD).startswith("250")
            resource.prlimit(tunnel.process.pid, resource.RLIMIT_NOFILE, limit)
            eventually(lambda: len(children(tunnel.process.pid)) == 2)
            assert tunnel.stop() == 0


def test_run_says_that_its_journal_has_nowhere_to_go(tmp_path: Path) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.write()
    closing = ["sh", "-c", 'exec "$@" >&-', "sh", *tunnel.command()]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(closing, env=environment, stderr=subprocess.PIPE, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert done.stderr.startswith("standard output is closed")


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
