# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one client may take: connections, time, and room for messages."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
from harness import Client, ScriptedHop, Tunnel, free_port


def test_only_listed_clients_may_connect(tmp_path: Path) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.tunnel["clients"] = ["127.0.0.2"]
    with tunnel.running():
        client = Client(tunnel.port)
        assert client.reply() == "554 5.7.1 Access denied"
        assert client.closed()


def test_connections_of_one_client_are_counted(tmp_path: Path) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.config["limits"] = {"connections_per_client": 2}
    with tunnel.running():
        held = [Client(tunnel.port) for _ in range(2)]
        assert all(client.reply().startswith("220") for client in held)
        assert Client(tunnel.port).reply().startswith("421 4.3.2")
        held[0].close()
        for _ in range(100):
            if (reply := Client(tunnel.port).reply()).startswith("220"):
                break
        assert reply.startswith("220")


def test_a_silent_or_trickling_client_is_let_go(tmp_path: Path) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.tunnel["advanced_settings"] = {"idle_connection_timeout": 1}
    with tunnel.running():
        silent, trickling = Client(tunnel.port), Client(tunnel.port)
        silent.reply()
        trickling.reply()
        for octet in b"NOOPNOOPNOOP":
            try:
                trickling.send(bytes([octet]))
            except OSError:
                break
            time.sleep(0.15)
        assert silent.reply().startswith("421 4.4.2")
        assert trickling.reply().startswith("421 4.4.2")


@pytest.mark.parametrize("command", [b"NOOP\r\n", b"VRFY x\r\n", b"RCPT TO:<onetoomany@b>\r\n"])
def test_a_client_that_is_answered_by_the_tunnel_itself_is_not_silent(tmp_path: Path, command: bytes) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.tunnel["advanced_settings"] = {"idle_connection_timeout": 1}
        tunnel.config["limits"] = {"recipients": 1}
        with tunnel.running():
            client = Client(tunnel.port).begin()
            client.ask(b"MAIL FROM:<a@b>\r\n")
            client.ask(b"RCPT TO:<c@d>\r\n")
            for _ in range(5):
                time.sleep(0.4)
                assert client.ask(command)[:3] in ("250", "252", "452")
            assert client.reply().startswith("421 4.4.2")


def test_a_slow_next_hop_does_not_count_as_the_clients_idling(tmp_path: Path) -> None:
    with ScriptedHop(END=ScriptedHop.SILENT).running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.tunnel["advanced_settings"] = {"idle_connection_timeout": 1}
        tunnel.config["timeouts"]["data_reply"] = 3  # type: ignore[index]
        with tunnel.running():
            begun = time.monotonic()
            assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n") == "421 4.4.2 Connection to the next hop lost"
            assert time.monotonic() - begun > 2.5


def test_octets_in_flight_are_bounded(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.config["limits"] = {"message_bytes": 2_000_000, "bytes_in_flight": 2_500_000}
        tunnel.config["timeouts"] = {"room": 1}
        with tunnel.running():
            clients = [Client(tunnel.port).begin() for _ in range(2)]
            for client in clients:
                client.ask(b"MAIL FROM:<a@b>\r\n")
                client.ask(b"RCPT TO:<c@d>\r\n")
                assert client.ask(b"DATA\r\n").startswith("354")
            half = b"\r\n" + b"x" * 70 + b"\r\n"
            clients[0].send(half * 20_000)
            time.sleep(0.3)
            # There is no room for the second one, and the first one takes its time.
            clients[1].send(half * 20_000 + b".\r\n")
            assert clients[1].reply().startswith("452 4.3.1")
            assert clients[0].ask(b".\r\n").startswith("250")
            assert clients[1].deliver(b"\r\nsmall\r\n").startswith("250")


def test_a_message_that_found_no_room_is_over_and_waits_for_none(tmp_path: Path) -> None:
    """What still comes of it is not kept. It waited its time again for each piece, at last beyond the message's."""
    row = b"x" * 62 + b"\r\n"
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.config["limits"] = {"message_bytes": 2**20, "bytes_in_flight": 2**20}
        tunnel.config["timeouts"] = {"room": 1}
        with tunnel.running():
            oldest, other = Client(tunnel.port).begin(), Client(tunnel.port).begin()
            for client in (oldest, other):
                for command in (b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n", b"DATA\r\n"):
                    client.ask(command)
                client.send(row * 9000)
                time.sleep(0.2)
            time.sleep(1.2)
            # Its share is free, and the oldest takes it.
            oldest.send(row * (2**20 // len(row) - 9000))
            time.sleep(0.2)
            begun = time.monotonic()
            other.send(row * 60_000)
            assert other.ask(b".\r\n").startswith("452 4.3.1")
            assert time.monotonic() - begun < 1


def test_messages_without_room_wait_for_their_turn(tmp_path: Path) -> None:
    """Five at once where two have room: one after the other they come to an end, and none is turned away."""
    whole = b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 20_000 + b".\r\n"
    replies: list[str] = []
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.rules()
        tunnel.config["limits"] = {"message_bytes": 2_000_000, "bytes_in_flight": 3_000_000}
        with tunnel.running():
            begun = threading.Barrier(5)

            def send() -> None:
                client = Client(tunnel.port).begin()
                for command in (b"MAIL FROM:<a@b>\r\n", b"RCPT TO:<c@d>\r\n", b"DATA\r\n"):
                    client.ask(command)
                begun.wait(10)
                replies.append(client.ask(whole))

            senders = [threading.Thread(target=send) for _ in range(5)]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join(30)
    assert [reply[:3] for reply in replies] == ["250"] * 5
    assert len(hop.messages) == 5
