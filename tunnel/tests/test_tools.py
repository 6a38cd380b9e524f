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


# Options of smtp-sink -> what a client is told of its message in the end, and whether the sink has it.
SINK_FAULTS: list[tuple[str, str, bool]] = [
    ("-r CONNECT", "421 4.4.1", False),
    ("-f CONNECT", "421 4.4.1", False),
    ("-q CONNECT", "421 4.4.1", False),
    ("-Q CONNECT", "421 4.4.1", False),
    ("-q EHLO", "421 4.4.1", False),
    ("-Q EHLO", "421 4.4.1", False),
    ("-r EHLO", "250", True),  # HELO is tried
    ("-f EHLO,HELO", "421 4.4.1", False),
    *(
        (f"-{option} {command}", told, False)
        for command in ("MAIL", "RCPT", "DATA", ".")
        for option, told in (("r", "450 4.3.0"), ("f", "500 5.3.0"), ("q", "421 4.4.2"), ("Q", "421"))
    ),
    ("-q RSET,QUIT", "250", True),
    ("-A 0", "550 This violates SMTP", False),  # a refusal is one before there is a message, too
    ("-w 1", "250", True),
    ("-H 1", "250", True),
    ("-e", "250", True),
    ("-P", "250", True),
    ("-8 -E -N -p", "250", True),
    ("-t 1", "250", True),
]


@needs_postfix
@pytest.mark.parametrize(("options", "told", "kept"), SINK_FAULTS, ids=[row[0] for row in SINK_FAULTS])
def test_a_sink_with_faults(tmp_path: Path, options: str, told: str, kept: bool) -> None:
    folder = tmp_path / "sink"
    with sink(folder, *options.split()) as port:
        tunnel = Tunnel(tmp_path, port)
        with tunnel.running():
            client = Client(tunnel.port)
            assert client.reply().startswith("220")
            reply = client.ask(b"EHLO client.example\r\n")
            if reply.startswith("250"):
                reply = client.deliver(b"Subject: x\r\n\r\n" + b"filler\r\n" * 100)
            assert reply.startswith(told)
            client.close()
    if kept:
        assert len(captured(folder)) == 1
    else:
        # Of one that it refused at its end the sink has a file, too.
        assert not [record for record in tunnel.journal() if record["reply"] == 250]


SWAKS_TLS = {
    "none": ["starttls", "none"],
    "--tls": ["starttls"],
    "--tls-optional": ["starttls", "none"],
    "--tls-optional-strict": ["starttls", "none"],
    "--tls-on-connect": ["implicit"],
}


@needs_swaks
@pytest.mark.parametrize("pipelined", [False, True])
@pytest.mark.parametrize(("option", "mode"), [(option, mode) for option, modes in SWAKS_TLS.items() for mode in modes])
def test_swaks_in_every_way(tmp_path: Path, pki: Pki, option: str, mode: str, pipelined: bool) -> None:
    with Mailbox(pki).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        if mode != "none":
            tunnel.tls(pki, mode, **({"required": False} if option == "none" else {}))
        with tunnel.running():
            words = [] if option == "none" else [option]
            run_swaks(tunnel.port, *words, *(["--pipeline"] if pipelined else []))
            (record,) = tunnel.wait_journal()
    assert bool(record["client_tls"]) is (option != "none" and mode != "none")
    (message,) = mailbox.messages
    assert b"Subject: card ************1111\r\n" in message[2]


@needs_swaks
@pytest.mark.parametrize("mode", ["none", "starttls", "implicit"])
@pytest.mark.parametrize("version", ["1", "2"])
def test_swaks_as_a_balancer(tmp_path: Path, pki: Pki, version: str, mode: str) -> None:
    names = {"1": ("TCP4", "STREAM"), "2": ("AF_INET", "STREAM")}[version]
    header = {"version": version, "command": "PROXY", "family": names[0], "protocol": names[1]}
    header |= {"source": "198.51.100.7", "source-port": "4321", "dest": "198.51.100.8", "dest-port": "25"}
    if version == "1":
        del header["command"], header["protocol"]
    words = list(itertools.chain.from_iterable((f"--proxy-{key}", value) for key, value in header.items()))
    with Mailbox(pki).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        if mode != "none":
            tunnel.tls(pki, mode)
        tunnel.tunnel.update({"proxy_protocol": ["127.0.0.1"], "clients": ["198.51.100.0/24"]})
        with tunnel.running():
            run_swaks(tunnel.port, *words, *{"starttls": ["--tls"], "implicit": ["--tls-on-connect"]}.get(mode, []))
            assert tunnel.wait_journal()[0]["client_ip"] == "198.51.100.7"
    assert len(mailbox.messages) == 1


def run_swaks(port: int, *words: str) -> None:
    options = {"--server": "127.0.0.1", "--port": str(port), "--from": "vault@corp.test", "--to": "soc@corp.test"}
    options |= {"--header": "Subject: card 4111 1111 1111 1111", "--body": "4111111111111111"}
    command = [str(SWAKS), *words, *itertools.chain.from_iterable(options.items())]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


@needs_swaks
def test_swaks_over_starttls(tmp_path: Path, pki: Pki) -> None:
    with Mailbox(pki).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        tunnel.tls(pki)
        with tunnel.running():
            run_swaks(tunnel.port, "--tls")
    content = mailbox.messages[0][2]
    assert b"Subject: card ************1111\r\n" in content
    assert b"\r\n************1111\r\n" in content
