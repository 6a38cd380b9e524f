# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every fault of a next hop at every stage: what the client is told, in what time, and never an acceptance."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Client, ScriptedHop, Tunnel, free_port
from observe import eventually
from test_hanging import listens
from test_tools import SINK, needs_postfix

CLOSE, SILENT, SLOW = ScriptedHop.CLOSE, ScriptedHop.SILENT, ScriptedHop.SLOW
BEFORE = ("", "EHLO")  # MAIL, of which the client is told 421 4.4.1 whatever happened
WITHIN = ("MAIL", "RCPT", "DATA", ".")
UNAVAILABLE, LOST = "421 4.4.1 Next hop unavailable", "421 4.4.2 Connection to the next hop lost"
# What is no reply, or none to what was asked, ends in LOST within a transaction.
NONE = {
    "closes": CLOSE,
    "closes within a line": b"250 2.0.0 o" + CLOSE,
    "closes between lines": b"250-2.0.0 one\r\n" + CLOSE,
    "is silent": SILENT,
    "ends no line": b"250 2.0.0 o",
    "ends no reply": b"250-2.0.0 one\r\n",
    "talks nonsense": b"\xde\xad\xbe\xef\r\n",
    "sends NUL": b"\0\0\0\0\r\n",
    "sends an empty line": b"\r\n",
    "code of two digits": b"25 ok\r\n",
    "code below 200": b"150 wait\r\n",
    "code above 599": b"650 ok\r\n",
    "code of a challenge": b"334 cGFzcw==\r\n",
    "changes its mind": b"250-2.0.0 one\r\n550 5.0.0 two\r\n",
    "answers twice": b"250 2.0.0 one\r\n250 2.0.0 two\r\n",
    "line of a megabyte": b"250 " + b"x" * 1_000_000 + b"\r\n",
    "megabyte without an end": b"250 " + b"x" * 1_000_000,
    "lines without an end": b"250-2.0.0 more\r\n" * 10_000,
}
# What is a refusal is the client's to read as it was said.
REFUSALS = {
    "refuses for now": b"451 4.3.0 later\r\n",
    "refuses for good": b"550 5.7.1 never\r\n",
    "refuses in lines": b"550-5.7.1 never\r\n550 5.7.1 at all\r\n",
    "refuses and closes": b"554 5.7.1 never\r\n" + CLOSE,
    "refuses slowly": SLOW + b"452 4.3.1 full\r\n",
    "says another class": b"550 2.0.0 fine\r\n",
    "ends by LF": b"450 4.2.0 later\n",
}
# What is an acceptance at any stage, DATA apart.
ACCEPTANCES = {
    "accepts slowly": SLOW + b"250 2.0.0 kept\r\n",
    "accepts in lines": b"250-2.0.0 kept\r\n250-2.0.0 and\r\n250 2.0.0 cared for\r\n",
    "says nothing more": b"250\r\n",
    "says a class of failure": b"250 5.7.1 kept\r\n",
}


@pytest.fixture(scope="module")
def hop() -> Iterator[ScriptedHop]:
    with ScriptedHop().running() as hop:
        yield hop


@pytest.fixture(scope="module")
def tunnel(tmp_path_factory: pytest.TempPathFactory, hop: ScriptedHop) -> Iterator[Tunnel]:
    tunnel = Tunnel(tmp_path_factory.mktemp("faults"), hop.port)
    tunnel.config["timeouts"] = {"connect": 1, "reply": 1, "data_reply": 1}
    # No connection serves twice: each fault is met by the one that it was made for.
    tunnel.config["limits"] = {"pool_messages": 1}
    with tunnel.running():
        yield tunnel


@contextlib.contextmanager
def faulty(hop: ScriptedHop, stage: str, reply: bytes) -> Iterator[None]:
    before = dict(hop.script)
    hop.script[stage] = reply
    try:
        yield
    finally:
        hop.script = before


def deliver(port: int) -> str:
    """Deliver a message, and return the reply that says what became of it."""
    client = Client(port)
    try:
        assert client.reply().startswith("220")
        reply = client.ask(b"EHLO client.example\r\n")
        if reply.startswith("250"):
            reply = client.deliver(b"Subject: x\r\n\r\nx\r\n")
        if reply.startswith("421"):
            assert client.closed()
        return reply
    finally:
        client.close()


@pytest.mark.parametrize("fault", NONE)
@pytest.mark.parametrize("stage", [*BEFORE, *WITHIN])
def test_what_is_no_reply_is_told_as_a_loss_within_the_deadline(
    tunnel: Tunnel, hop: ScriptedHop, stage: str, fault: str
) -> None:
    begun = time.monotonic()
    with faulty(hop, stage, NONE[fault]):
        assert deliver(tunnel.port) == (UNAVAILABLE if stage in BEFORE else LOST)
    assert time.monotonic() - begun < 5
    assert deliver(tunnel.port).startswith("250 2.0.0 queued")


@pytest.mark.parametrize("fault", REFUSALS)
@pytest.mark.parametrize("stage", [*BEFORE, *WITHIN])
def test_a_refusal_reaches_the_client_as_it_was_said(tunnel: Tunnel, hop: ScriptedHop, stage: str, fault: str) -> None:
    reply = REFUSALS[fault]
    said = reply.replace(SLOW, b"").replace(CLOSE, b"").decode().replace("\r\n", "\n").strip()
    with faulty(hop, stage, reply), faulty(hop, "HELO" if stage == "EHLO" else stage, reply):
        assert deliver(tunnel.port) == (UNAVAILABLE if stage in BEFORE else said)
    assert deliver(tunnel.port).startswith("250 2.0.0 queued")


@pytest.mark.parametrize("fault", ACCEPTANCES)
@pytest.mark.parametrize("stage", ["EHLO", *WITHIN])
def test_an_acceptance_is_one_however_it_comes_but_not_of_data(
    tunnel: Tunnel, hop: ScriptedHop, stage: str, fault: str
) -> None:
    before = len(hop.messages)
    with faulty(hop, stage, ACCEPTANCES[fault]):
        reply = deliver(tunnel.port)
    assert reply == LOST if stage == "DATA" else reply.startswith("250")
    assert len(hop.messages) - before == (stage != "DATA")


@pytest.mark.parametrize("fault", [*NONE, *REFUSALS])
def test_how_it_resets_and_parts_is_nobodys_concern(tunnel: Tunnel, hop: ScriptedHop, fault: str) -> None:
    reply = {**NONE, **REFUSALS}[fault]
    with faulty(hop, "RSET", reply), faulty(hop, "QUIT", reply):
        client = Client(tunnel.port).begin()
        assert client.ask(b"MAIL FROM:<a@b>\r\n").startswith("250")
        assert client.ask(b"RSET\r\n").startswith("250")
        assert client.deliver(b"\r\nx\r\n").startswith("250")
        client.close()


@needs_postfix
@pytest.mark.parametrize("stage", ["connect", "MAIL", "RCPT", "DATA", "END"])
def test_a_next_hop_that_is_killed_is_told_at_once_and_one_that_is_back_is_used(tmp_path: Path, stage: str) -> None:
    port = free_port()
    command = [str(SINK), "-u", "nobody", f"127.0.0.1:{port}", "100"]
    sink = subprocess.Popen(command)
    try:
        eventually(lambda: listens(port))
        tunnel = Tunnel(tmp_path, port)
        with tunnel.running():
            client = Client(tunnel.port)
            assert client.reply().startswith("220")
            steps = [
                ("connect", b"EHLO x\r\n"),
                ("MAIL", b"MAIL FROM:<a@b>\r\n"),
                ("RCPT", b"RCPT TO:<c@d>\r\n"),
                ("DATA", b"DATA\r\n"),
                ("END", b"\r\nx\r\n.\r\n"),
            ]
            begun = time.monotonic()
            for name, octets in steps:
                if name == stage:
                    sink.kill()
                    sink.wait()
                reply = client.ask(octets)
                if reply[:1] not in "23":
                    break
            assert reply.startswith("421 4.4.")
            assert time.monotonic() - begun < 3
            sink = subprocess.Popen(command)
            eventually(lambda: listens(port))
            assert deliver(tunnel.port).startswith("250")
    finally:
        sink.kill()
        sink.wait()
