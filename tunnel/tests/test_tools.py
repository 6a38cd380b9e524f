# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Against tools made by others: Postfix's smtp-source and smtp-sink, and swaks."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Client, Mailbox, Pki, Tunnel, free_port

SINK, SOURCE, SWAKS = (shutil.which(tool, path="/usr/sbin:/usr/bin") for tool in ("smtp-sink", "smtp-source", "swaks"))
needs_postfix = pytest.mark.skipif(
    not (SINK and SOURCE), reason="Postfix's smtp-sink and smtp-source are not installed"
)


def swaks_knows_tls() -> bool:
    """Whether swaks is here, with the library (Net::SSLeay) it needs for TLS."""
    if not SWAKS:
        return False
    listed = subprocess.run([SWAKS, "--support"], capture_output=True, text=True, check=False)
    return "=== TLS supported" in listed.stdout


needs_swaks = pytest.mark.skipif(not swaks_knows_tls(), reason="swaks or its TLS library is not installed")


@contextlib.contextmanager
def sink(folder: Path, *options: str) -> Iterator[int]:
    """Run smtp-sink; each message becomes a file in `folder`."""
    port = free_port()
    folder.mkdir(exist_ok=True)
    folder.chmod(0o777)
    command = [str(SINK), "-u", "nobody", "-R", str(folder), "-d", "m.", *options, f"127.0.0.1:{port}", "100"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.communicate()


def captured(folder: Path) -> list[bytes]:
    """Return the messages smtp-sink has kept, complete ones alone."""
    return [path.read_bytes() for path in folder.iterdir() if path.name.startswith("m.")]


@needs_postfix
def test_many_sessions_through_postfix_tools(tmp_path: Path) -> None:
    folder = tmp_path / "sink"
    with sink(folder) as port:
        tunnel = Tunnel(tmp_path, port)
        with tunnel.running():
            command = [str(SOURCE), "-s", "10", "-m", "200", "-l", "2000", "-f", "a@corp.test", "-t", "b@corp.test"]
            subprocess.run([*command, f"127.0.0.1:{tunnel.port}"], check=True, timeout=60)
            records = tunnel.wait_journal(count=200)
        assert len(captured(folder)) == 200
    assert {record["reply"] for record in records} == {250}


@needs_postfix
def test_kill_9_under_load_loses_no_accepted_message(tmp_path: Path) -> None:
    """Whatever a client saw accepted is at the sink, once; the rest is still the clients' to send."""
    folder = tmp_path / "sink"
    accepted: list[bytes] = []
    unanswered: list[bytes] = []

    def load(port: int, prefix: bytes) -> None:
        client = Client(port).begin()
        for number in itertools.count():
            marker = b"%s-%d." % (prefix, number)
            try:
                reply = client.deliver(b"Subject: x\r\n\r\n" + marker + b"\r\n" + b"filler\r\n" * 200)
            except OSError:
                reply = ""
            if not reply.startswith("250"):
                unanswered.append(marker)
                return
            accepted.append(marker)

    with sink(folder) as port:
        tunnel = Tunnel(tmp_path, port)
        for part in range(3):
            with tunnel.running():
                names = [b"part%d-client%d" % (part, client) for client in range(6)]
                threads = [threading.Thread(target=load, args=(tunnel.port, name)) for name in names]
                for thread in threads:
                    thread.start()
                time.sleep(0.5 + part * 0.113)
                tunnel.process.kill()
                for thread in threads:
                    thread.join(20)
        time.sleep(0.3)
        kept = b"".join(captured(folder))
    assert len(accepted) > 50
    assert len(unanswered) == 18
    assert all(kept.count(marker) == 1 for marker in accepted)
    assert all(kept.count(marker) <= 1 for marker in unanswered)


@needs_swaks
def test_swaks_over_starttls(tmp_path: Path, pki: Pki) -> None:
    with Mailbox(pki).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        tunnel.tls(pki)
        with tunnel.running():
            options = {"--server": "127.0.0.1", "--port": str(tunnel.port), "--from": "vault@corp.test"}
            options |= {
                "--to": "soc@corp.test",
                "--header": "Subject: card 4111 1111 1111 1111",
                "--body": "4111111111111111",
            }
            command = [str(SWAKS), "--tls", *itertools.chain.from_iterable(options.items())]
            result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert result.returncode == 0, result.stdout
    content = mailbox.messages[0][2]
    assert b"Subject: card ************1111\r\n" in content
    assert b"\r\n************1111\r\n" in content
