# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A large message that no rule looks at goes on while it arrives: what was promised of messages holds for it, too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Client, ScriptedHop, Tunnel
from observe import eventually

HEAD = b"Subject: big\r\nMessage-ID: <1@corp.test>\r\n\r\n"
LINE = b"%06d " + b"y" * 60 + b"\r\n"
LARGE = HEAD + b"".join(LINE % number for number in range(8000))  # half a megabyte


@contextlib.contextmanager
def passing(folder: Path, hop: ScriptedHop, **limits: int) -> Iterator[tuple[Tunnel, Client]]:
    """A tunnel without rules before `hop`, and a client that was told to send its message."""
    with hop.running():
        tunnel = Tunnel(folder, hop.port)
        tunnel.service["profiles"] = []
        tunnel.config["limits"] = limits
        with tunnel.running():
            client = Client(tunnel.port).begin()
            for command in (b"MAIL FROM:<a@corp.test>\r\n", b"RCPT TO:<b@corp.test>\r\n"):
                assert client.ask(command).startswith("250")
            assert client.ask(b"DATA\r\n").startswith("354")
            yield tunnel, client


def test_it_reaches_the_next_hop_while_it_arrives(tmp_path: Path) -> None:
    hop = ScriptedHop()
    with passing(tmp_path, hop) as (tunnel, client):
        client.send(LARGE)
        eventually(lambda: len(hop.begun) > len(LARGE) - 200_000)
        assert not hop.messages
        assert client.ask(b"..dot\r\n.\r\n") == "250 2.0.0 queued as 1"
        # Its stuffing is its own: the next hop takes the dot off.
        assert hop.messages == [LARGE + b"..dot\r\n"]
        (record,) = tunnel.wait_journal()
        assert record["size_in"] == record["size_out"] == len(LARGE) + len(b".dot\r\n")
        assert record["message_id_sha256"]
        # The connection serves on.
        assert client.deliver(b"Subject: small\r\n\r\n.\r\n").startswith("250")
        assert hop.messages[1] == b"Subject: small\r\n\r\n..\r\n"
        assert len(hop.seen) == 1


@pytest.mark.parametrize(
    ("rest", "reply"),
    [
        (b"bare\nline\r\n.\r\n", "550 5.6.0"),
        (b"smuggled\n.\nMAIL FROM:<evil@corp.test>\r\n.\r\n", "550 5.6.0"),
        (b"smuggled\n.\r\nMAIL FROM:<evil@corp.test>\r\n.\r\n", "550 5.6.0"),
        (b"\0\r\n.\r\n", "550 5.6.0"),
        (b"x" * 1200 + b"\r\n.\r\n", "554 5.6.0"),
        (LARGE + b".\r\n", "552 5.3.4"),
    ],
)
def test_what_turns_out_wrong_is_refused_and_never_ends_at_the_next_hop(
    tmp_path: Path, rest: bytes, reply: str
) -> None:
    hop = ScriptedHop()
    with passing(tmp_path, hop, message_bytes=len(LARGE) + 10_000) as (tunnel, client):
        client.send(LARGE)
        eventually(lambda: bool(hop.begun))
        assert client.ask(rest).startswith(reply)
        eventually(lambda: bool(hop.broken))
        assert LARGE.startswith(hop.broken[0])
        assert not hop.messages
        (record,) = tunnel.wait_journal()
        assert (record["reply"], record["reply_by"]) == (int(reply[:3]), "tunnel")


def test_mail_that_goes_in_a_circle_is_found_beyond_the_first_part(tmp_path: Path) -> None:
    hop = ScriptedHop()
    with passing(tmp_path, hop, received_headers=1500) as (_tunnel, client):
        client.send(b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n" * 2000 + LARGE)
        assert client.ask(b".\r\n").startswith("554 5.4.6")
        assert not hop.messages


def test_a_client_that_vanishes_leaves_no_message(tmp_path: Path) -> None:
    hop = ScriptedHop()
    with passing(tmp_path, hop) as (tunnel, client):
        client.send(LARGE)
        eventually(lambda: bool(hop.begun))
        client.close()
        eventually(lambda: bool(hop.broken))
        assert not hop.messages
        (record,) = tunnel.wait_journal()
        assert record["reply"] is None


@pytest.mark.parametrize("script", [{"DATA": b"554 5.5.1 no valid recipients\r\n"}, {"DATA": b"451 4.3.0 later\r\n"}])
def test_a_refusal_of_data_becomes_the_verdict(tmp_path: Path, script: dict[str, bytes]) -> None:
    hop = ScriptedHop(**script)
    with passing(tmp_path, hop) as (tunnel, client):
        assert client.ask(LARGE + b".\r\n") == script["DATA"].decode().strip()
        assert client.deliver(LARGE) == script["DATA"].decode().strip()
        assert len(hop.seen) == 1
        records = tunnel.wait_journal(count=2)
        assert [record["reply_by"] for record in records] == ["next hop"] * 2


@pytest.mark.parametrize("stage", ["DATA", "END"])
def test_a_next_hop_that_closes_is_told_as_lost(tmp_path: Path, stage: str) -> None:
    hop = ScriptedHop(**{stage: ScriptedHop.CLOSE})
    with passing(tmp_path, hop) as (tunnel, client):
        assert client.ask(LARGE + b".\r\n") == "421 4.4.2 Connection to the next hop lost"
        assert client.closed()
        (record,) = tunnel.wait_journal()
        assert record["reply"] == 421


def test_a_slow_next_hop_holds_the_client_back(tmp_path: Path) -> None:
    """Back-pressure, not buffering: the tunnel holds a small part of what it may not pass on."""
    hop = ScriptedHop(DATA=ScriptedHop.SILENT)
    with passing(tmp_path, hop) as (tunnel, client):
        tunnel.wait_journal("ready")
        client.socket.settimeout(1)
        sent = 0
        # No 354 comes: after what the sockets and the tunnel hold, nothing more is taken.
        with contextlib.suppress(TimeoutError):
            while sent < 64 * 1024 * 1024:
                sent += client.socket.send(LINE % 1 * 1000)
        assert sent < 24 * 1024 * 1024
        # The next hop's time runs out; the client learns it when it has said all.
        client.socket.settimeout(10)
        assert client.ask(b"\r\n.\r\n").startswith("421 4.4.2")
