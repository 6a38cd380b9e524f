# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a next hop may say, too early, too late or out of step, and what is never taken for a verdict."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from pathlib import Path

import pytest
from alertpath_tunnel.config.model import ForwardingAddress
from alertpath_tunnel.net import upstream
from harness import Client, ScriptedHop, Tunnel, between, free_port


@pytest.mark.parametrize("reply", [b"250 ok\r250 more\r\n", b"250 ok\0\r\n", b"250 o\x1bk\r\n"])
def test_a_reply_of_the_next_hop_stays_one_line(tmp_path: Path, reply: bytes) -> None:
    with between(tmp_path, ScriptedHop(RCPT=reply)) as (tunnel, _hop):
        client = Client(tunnel.port).begin()
        client.ask(b"MAIL FROM:<a@b>\r\n")
        client.send(b"RCPT TO:<c@d>\r\n")
        raw = client.socket.recv(1000)
    assert raw.startswith(b"250 ")
    assert raw.count(b"\r") == raw.count(b"\n") == 1
    assert not any(octet < 32 for octet in raw[:-2])


@pytest.mark.parametrize("stage", ["MAIL", "RCPT", "END"])
@pytest.mark.parametrize(
    "garbage",
    [b"\xff\xfe\r\n", b"99 low\r\n", b"600 high\r\n", b"250-a\r\n550 b\r\n", b"250 one\r\n250 two\r\n", b"x" * 5000,
     b"250-more\r\n" * 500],
)  # fmt: skip
def test_a_next_hop_out_of_step_is_left(tmp_path: Path, stage: str, garbage: bytes) -> None:
    with between(tmp_path, ScriptedHop(**{stage: garbage})) as (tunnel, _hop):
        client = Client(tunnel.port).begin()
        assert client.deliver(b"Subject: one\r\n\r\nfirst\r\n").startswith("421 4.4.2")
        assert client.closed()


class Hasty(ScriptedHop):
    """Says something more, unasked, a moment after its reply to `after`."""

    def __init__(self, after: str, more: bytes) -> None:
        super().__init__()
        self._after, self._more = after, more

    def _say(self, connection: socket.socket, word: str) -> bool:
        goes_on = super()._say(connection, word)
        if word == self._after:
            time.sleep(0.05)
            connection.sendall(self._more)
        return goes_on


@pytest.mark.parametrize("more", [b"250 2.0.0 taken\r\n", b"550 5.7.1 no\r\n", b"250-half", b"550-half"])
@pytest.mark.parametrize("after", ["MAIL", "RCPT", "DATA"])
def test_what_a_next_hop_says_unasked_is_no_reply(tmp_path: Path, after: str, more: bytes) -> None:
    """Behind the 354 it would have been taken for the verdict on a message of which a part was yet to be sent."""
    with Hasty(after, more).running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.service["profiles"] = []
        tunnel.config["limits"] = {"part_bytes": 2000}
        with tunnel.running():
            client = Client(tunnel.port).begin()
            replies = [client.ask(b"MAIL FROM:<a@b>\r\n")]
            time.sleep(0.2 if after == "MAIL" else 0)
            replies.append(client.ask(b"RCPT TO:<c@d>\r\n"))
            if after != "MAIL":
                time.sleep(0.2)
                replies.append(client.ask(b"DATA\r\n"))
                # Large enough to be passed on, for which the next hop is told DATA.
                client.send(b"Subject: x\r\n\r\n" + b"a line of the first part\r\n" * 200)
                time.sleep(0.2)
                replies.append(client.ask(b".\r\n"))
            assert {reply[:3] for reply in replies[:-1]} <= {"250", "354"}
            (record,) = tunnel.wait_journal()
            if after == "DATA" and more.startswith(b"550 "):
                # A refusal of the message, though of one that it has yet to see whole.
                assert replies[-1] == more.decode().rstrip()
                assert record["reply_by"] == "next hop"
            else:
                assert replies[-1].startswith("421 4.4.2")
                assert "out of turn" in str(record["reason"])
    assert hop.messages == []


@pytest.mark.parametrize(
    ("more", "reply"),
    [(b"550 5.7.1 no\r\n", "550 5.7.1 no"), (b"250 2.0.0 taken\r\n", "421 4.4.2"), (b"55", "421 4.4.2")],
)
@pytest.mark.parametrize("way", ["rules", "parts"])
def test_what_comes_in_one_piece_with_the_354_is_unasked_as_well(
    tmp_path: Path, way: str, more: bytes, reply: str
) -> None:
    with ScriptedHop(DATA=b"354 go\r\n" + more).running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        if way == "parts":
            tunnel.service["profiles"] = []
        with tunnel.running():
            assert Client(tunnel.port).begin().deliver(b"Subject: x\r\n\r\nx\r\n").startswith(reply)
    assert hop.messages == []


class Full(ScriptedHop):
    """Finds a message too large while it comes in, says so, and reads no more of it."""

    def _say(self, connection: socket.socket, word: str) -> bool:
        goes_on = super()._say(connection, word)
        if word == "DATA":
            time.sleep(0.3)
            connection.sendall(b"552 5.3.4 too large\r\n")
            time.sleep(3)
            return False
        return goes_on


@pytest.mark.parametrize("way", ["rules", "parts"])
def test_a_message_too_large_for_the_next_hop_is_refused_while_it_is_sent(tmp_path: Path, way: str) -> None:
    """At once: it neither takes the rest, which fills every buffer on the way, nor closes."""
    with Full().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        if way == "parts":
            tunnel.service["profiles"] = []
        with tunnel.running():
            client = Client(tunnel.port).begin()
            client.ask(b"MAIL FROM:<a@b>\r\n")
            client.ask(b"RCPT TO:<c@d>\r\n")
            client.ask(b"DATA\r\n")
            client.send(b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * 200_000)
            began = time.monotonic()
            assert client.ask(b".\r\n") == "552 5.3.4 too large"
            assert time.monotonic() - began < 2
            (record,) = tunnel.wait_journal()
            assert (record["reply"], record["reply_by"]) == (552, "next hop")
            # Nobody else is led over that connection, and the client may go on.
            assert client.ask(b"MAIL FROM:<a@b>\r\n").startswith("250")
    assert hop.messages == []
    assert len(hop.seen) == 2


class Early(ScriptedHop):
    """Gives its verdict on a message of which it has a part, and reads no more."""

    def _say(self, connection: socket.socket, word: str) -> bool:
        if word == "DATA":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        goes_on = super()._say(connection, word)
        if word == "DATA":
            time.sleep(0.5)
            connection.sendall(self.script["."])
            time.sleep(5)
            return False
        return goes_on


@pytest.mark.parametrize("verdict", [b"250 2.0.0 taken\r\n", b"552 5.3.4 too large\r\n"])
@pytest.mark.parametrize("size", [234_000, 780_000])
@pytest.mark.parametrize("way", ["rules", "parts"])
def test_a_verdict_on_a_message_whose_end_is_under_way(tmp_path: Path, way: str, size: int, verdict: bytes) -> None:
    """It cannot have been accepted; and the next message must not be sent behind the rest of this one."""
    with Early(END=verdict).running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        if way == "parts":
            tunnel.service["profiles"] = []
        with tunnel.running():
            client = Client(tunnel.port).begin()
            reply = client.deliver(b"Subject: x\r\n\r\n" + (b"x" * 76 + b"\r\n") * (size // 78))
            if verdict.startswith(b"250"):
                assert reply.startswith("421 4.4.2")
                assert "out of turn" in str(tunnel.wait_journal()[0]["reason"])
            else:
                assert reply == verdict.decode().rstrip()
                began = time.monotonic()
                assert client.ask(b"MAIL FROM:<a@b>\r\n").startswith("250")
                assert time.monotonic() - began < 2
    assert hop.messages == []


def test_a_tunnel_that_forwards_to_itself_notices(tmp_path: Path) -> None:
    tunnel = Tunnel(tmp_path)
    tunnel.upstream["forwarding_addresses"] = [{"address": "127.0.0.1", "port": tunnel.port}]
    with tunnel.running():
        client = Client(tunnel.port)
        client.reply()
        assert client.ask(b"EHLO x\r\n").startswith("421 4.4.1")
        assert "circle" in str(tunnel.wait_journal("next hop unavailable")[0]["reason"])


@pytest.mark.parametrize("first", ["silent", "refuses"])
def test_a_name_is_tried_at_each_of_its_addresses(monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """A silent one must not use up the time of the others, or a name with one is out of reach for good."""
    with contextlib.ExitStack() as stack:
        live = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = live.getsockname()[1]
        if first == "silent":
            full = stack.enter_context(socket.create_server(("127.0.0.2", port), backlog=0))
            for _ in range(4):
                one = stack.enter_context(socket.socket())
                one.setblocking(False)
                one.connect_ex(full.getsockname())
        kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
        found = [(*kind, ("127.0.0.2", port)), (*kind, ("127.0.0.1", port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_named: found)

        async def dial() -> None:
            wire = await upstream._dial(ForwardingAddress("gateway.corp.test", port, "gateway.corp.test"), 4)
            wire.abort()

        asyncio.run(dial())
        live.settimeout(5)
        live.accept()[0].close()


def test_each_address_of_a_name_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    kind = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
    found = [(*kind, ("127.0.0.2", port)), (*kind, ("127.0.0.1", port))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_arguments, **_named: found)
    with pytest.raises(OSError, match=r"^127\.0\.0\.2: \[Errno 111\].*, 127\.0\.0\.1: \[Errno 111\]"):
        asyncio.run(upstream._dial(ForwardingAddress("gateway.corp.test", port, "gateway.corp.test"), 4))
