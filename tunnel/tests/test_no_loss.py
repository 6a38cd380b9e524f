# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client saw accepted is at the next hop: whoever is killed, vanishes, stalls or talks nonsense."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import Client, Pki, ScriptedHop, Tunnel
from observe import Clients, children, eventually

# The ordinary run kills a few times; ALERTPATH_KILLS=200 is the long one.
KILLS = int(os.environ.get("ALERTPATH_KILLS", "10"))
LIMITS = {"connections": 2000, "connections_per_client": 2000}


def resident(pid: int) -> int:
    """Return the resident memory of a process in octets."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS")


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Load:
    """Clients that deliver numbered messages until they are stopped or cut off."""

    def __init__(self, port: int, clients: int) -> None:
        self.port = port
        self.accepted: list[bytes] = []
        self.tried: list[bytes] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,), daemon=True) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        with contextlib.suppress(OSError, AssertionError):
            client = Client(self.port, timeout=10).begin()
            count = 0
            while not self._stop.is_set():
                name = b"%d.%d.%d" % (self.port, number, count)
                count += 1
                self.tried.append(name)
                # Sizes from one packet to many, so that kills fall on each side of them.
                body = b"x" * 70 + b"\r\n"
                if client.deliver(b"Message: " + name + b"\r\n\r\n" + body * random.choice((1, 10, 2000))).startswith(
                    "250"
                ):
                    self.accepted.append(name)

    def join(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()


def names(messages: list[bytes]) -> list[bytes]:
    return [message.split(b"\r\n", 1)[0].removeprefix(b"Message: ") for message in messages]


class Insistent(Clients):
    """Clients that send each message again until they see it accepted, as mail clients do."""

    def __init__(self, port: int, clients: int) -> None:
        super().__init__(port, clients)
        self.accepted: list[bytes] = []
        self.lost: list[bytes] = []  # complete, and never answered: the next hop may have it or not

    def _run(self, number: int) -> None:
        count = 0
        while not self._stop.is_set():
            name = b"%d.%d" % (number, count)
            # Sizes from one packet to many, so that kills fall on each side of them.
            message = b"Message: " + name + b"\r\n\r\n" + (b"x" * 70 + b"\r\n") * random.choice((1, 10, 2000))
            while not self._try(name, message):
                time.sleep(0.02)
            count += 1

    def _try(self, name: bytes, message: bytes) -> bool:
        sent, reply = False, ""
        with contextlib.suppress(OSError, AssertionError):
            client = Client(self._port, timeout=20).begin()
            for command in (b"MAIL FROM:<a@corp.test>\r\n", b"RCPT TO:<b@corp.test>\r\n", b"DATA\r\n"):
                if client.ask(command)[:3] not in ("250", "354"):
                    return False
            sent = True
            reply = client.ask(message + b".\r\n")
            client.close()
        if reply.startswith("250"):
            self.accepted.append(name)
        elif sent and not reply:
            self.lost.append(name)
        return reply.startswith("250")


@pytest.mark.parametrize("victim", ["a worker", "the supervisor", "all at once"])
def test_kill_9_under_load_loses_nothing(
    tmp_path: Path, victim: str, record_property: Callable[[str, object], None]
) -> None:
    """The ports are passed to the service, so that clients come back whatever dies."""
    kills = -(-KILLS // 3)
    with ScriptedHop().running() as hop, socket.create_server(("127.0.0.1", 0), backlog=512) as held:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.port = tunnel.tunnel["port"] = held.getsockname()[1]
        tunnel.options, tunnel.passed = ["--workers", "2"], [held.fileno()]
        tunnel.start()
        try:
            with Insistent(tunnel.port, 4).running() as load:
                for number in range(kills):
                    if victim == "a worker" and number % 4 == 3:
                        tunnel.reload()  # workers of a new generation are begun anew without delay again
                    time.sleep(random.uniform(0.05, 0.4))
                    eventually(lambda: children(tunnel.process.pid))
                    workers = children(tunnel.process.pid)
                    killed = {"a worker": sorted(workers)[:1], "all at once": workers}.get(victim, [])
                    if victim != "a worker":
                        tunnel.process.kill()
                    for pid in killed:
                        os.kill(pid, signal.SIGKILL)
                    if victim != "a worker":
                        tunnel.process.wait(10)
                        tunnel.start()
                time.sleep(0.2)
            time.sleep(0.2)
            arrived = Counter(names(hop.messages))
        finally:
            tunnel.process.kill()
            tunnel.process.wait()
    duplicates = arrived.total() - len(arrived)
    found = {"kills": kills, "accepted": len(load.accepted), "unanswered": len(load.lost), "duplicates": duplicates}
    for key, value in found.items():
        record_property(key, value)
    print(f"kill -9 of {victim}: {found}")
    assert len(load.accepted) > 5 * kills
    assert set(load.accepted) <= set(arrived)
    # The service sends nothing twice: a second copy is one that its client sent again for want of an answer.
    attempts = Counter(load.accepted) + Counter(load.lost)
    assert all(copies <= attempts[name] for name, copies in arrived.items())


def test_a_next_hop_that_drops_out_loses_nothing(tmp_path: Path) -> None:
    """Its connections break at random moments, while messages are under way."""
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        with tunnel.running():
            accepted: list[bytes] = []
            for _ in range(6):
                load = Load(tunnel.port, 4)
                time.sleep(random.uniform(0.1, 0.3))
                for connection in list(hop._open):
                    with contextlib.suppress(OSError):
                        connection.shutdown(socket.SHUT_RDWR)
                time.sleep(0.05)
                load.join()
                accepted += load.accepted
            arrived = set(names(hop.messages))
            assert Client(tunnel.port).begin().deliver(b"Message: last\r\n\r\nx\r\n").startswith("250")
    assert accepted
    assert set(accepted) <= arrived


STAGES = [
    b"", b"EH", b"EHLO x\r\n", b"EHLO x\r\n|MAIL FROM:<a@b>\r\n", b"EHLO x\r\n|MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n",
    b"EHLO x\r\n|MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n",
    b"EHLO x\r\n|MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n|Subject: x\r\n\r\nhalf",
    b"EHLO x\r\n|MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n|Subject: x\r\n\r\nhalf\r\n.\r",
]  # fmt: skip


@pytest.mark.parametrize("reset", [True, False])
def test_clients_that_vanish_leave_nothing_behind(tmp_path: Path, reset: bool) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        with tunnel.running():
            assert Client(tunnel.port).begin().ask(b"QUIT\r\n").startswith("221")
            before = descriptors(tunnel.process.pid)
            for stage in STAGES:
                for _ in range(3):
                    client = Client(tunnel.port)
                    client.reply()
                    for part in stage.split(b"|"):
                        client.send(part)
                        time.sleep(0.02)
                    if reset:
                        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    client.close()
            deadline = time.monotonic() + 5
            # Idle connections to the next hop may stay: they are the pool.
            while descriptors(tunnel.process.pid) > before + 3 and time.monotonic() < deadline:
                time.sleep(0.05)
            assert descriptors(tunnel.process.pid) <= before + 3
            assert hop.messages == []
            assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n").startswith("250")


# What a client has said of TLS when it goes: nothing, the beginning of a hello, what is none.
HELLOS = [
    b"",
    b"\x16",
    b"\x16\x03\x01\x02\x00\x01",
    b"GET / HTTP/1.0\r\n\r\n",
    b"\x80\x2e\x01\x00\x02",
    b"EHLO x\r\n" * 100,
]


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize("reset", [True, False])
def test_clients_that_vanish_within_tls_leave_nothing_behind(tmp_path: Path, pki: Pki, mode: str, reset: bool) -> None:
    """In the handshake, or after it without the farewell of TLS."""

    def begin(port: int) -> Client:
        client = Client(port)
        if mode == "starttls":
            client.begin()
            assert client.ask(b"STARTTLS\r\n").startswith("220")
        return client

    def vanish(client: Client) -> None:
        if reset:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client._stream.close()
        os.close(client.socket.detach())

    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.tls(pki, mode)
        tunnel.config["timeouts"] = {"handshake": 2}
        with tunnel.running():
            (worker,) = children(tunnel.process.pid)
            before, silent = descriptors(worker), []
            for hello in HELLOS:
                client = begin(tunnel.port)
                client.send(hello)
                vanish(client)
                # This one stays, and says no more.
                silent.append(begin(tunnel.port))
                silent[-1].send(hello)
            for stage in STAGES:
                client = begin(tunnel.port)
                client.start_tls(pki)
                if mode == "implicit":
                    client.reply()
                for part in stage.split(b"|"):
                    client.send(part)
                    time.sleep(0.02)
                vanish(client)
            eventually(lambda: descriptors(worker) <= before + 3)
            assert hop.messages == []
            client = begin(tunnel.port)
            client.start_tls(pki)
            if mode == "implicit":
                client.reply()
            assert client.ask(b"EHLO x\r\n").startswith("250")
            assert client.deliver(b"\r\nx\r\n").startswith("250")


def test_a_client_that_vanishes_before_the_verdict_changes_nothing(tmp_path: Path) -> None:
    """Its message was complete: the next hop took it, the journal says so, and the session ends."""
    with ScriptedHop(END=ScriptedHop.SLOW + b"250 2.0.0 kept\r\n").running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        with tunnel.running():
            client = Client(tunnel.port).begin()
            client.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n")
            assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
            client.send(b"\r\nx\r\n.\r\n")
            client.close()
            (record,) = tunnel.wait_journal()
    assert (record["reply"], len(hop.messages)) == (250, 1)


@pytest.mark.parametrize("farewell", [b"421 4.4.2 idle too long\r\n" + ScriptedHop.CLOSE, ScriptedHop.CLOSE])
def test_a_pooled_connection_that_died_is_replaced_unseen(tmp_path: Path, farewell: bytes) -> None:
    """The farewell crosses our MAIL: nothing was promised yet, so the client need not know."""
    with ScriptedHop().running() as old, ScriptedHop().running() as new:
        tunnel = Tunnel(tmp_path, old.port, new.port)
        with tunnel.running():
            client = Client(tunnel.port).begin()
            assert client.deliver(b"\r\none\r\n").startswith("250")
            old.script["MAIL"] = farewell
            old.script[""] = b"421 4.3.2 restarting\r\n"
            assert client.deliver(b"\r\ntwo\r\n").startswith("250")
    assert (old.messages, new.messages) == ([b"\r\none\r\n"], [b"\r\ntwo\r\n"])


def test_one_connection_to_the_next_hop_serves_many_clients(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.config["limits"] = {"pool_messages": 5}
        with tunnel.running():
            for _ in range(10):
                client = Client(tunnel.port).begin()
                assert client.deliver(b"\r\nx\r\n").startswith("250")
                client.close()
            for _ in range(100):
                if len(hop.seen) == 2 and hop.seen[0][-1] == b"QUIT\r\n":
                    break
                time.sleep(0.02)
    assert len(hop.messages) == 10
    assert [sum(line.startswith(b"MAIL") for line in lines) for lines in hop.seen] == [5, 5]
    assert hop.seen[0][-1] == b"QUIT\r\n"


def test_round_robin_takes_turns_and_passes_over_the_dead(tmp_path: Path) -> None:
    with (
        ScriptedHop().running() as one,
        ScriptedHop().running() as two,
        ScriptedHop(GREET=b"421 no\r\n").running() as no,
    ):
        tunnel = Tunnel(tmp_path, one.port, no.port, two.port)
        tunnel.upstream["balance"] = "round_robin"
        tunnel.config["limits"] = {"pool_messages": 1}
        with tunnel.running():
            for _ in range(12):
                assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n").startswith("250")
    assert len(one.messages) + len(two.messages) == 12
    assert min(len(one.messages), len(two.messages)) >= 3
    assert len(no.seen) <= 2


POOR = b"250-plain\r\n250 PIPELINING\r\n"


def test_mail_goes_where_what_the_client_was_told_of_is_known(tmp_path: Path) -> None:
    """Forwarding addresses that take turns differ in what they can do; a client was told of one of them alone."""
    with ScriptedHop().running() as rich, ScriptedHop(EHLO=POOR).running() as poor:
        tunnel = Tunnel(tmp_path, poor.port, rich.port)
        tunnel.upstream["balance"] = "round_robin"
        tunnel.config["limits"] = {"pool_messages": 3}
        with tunnel.running():
            told: dict[bool, Client] = {}
            for _ in range(12):
                client = Client(tunnel.port)
                client.reply()
                told["DSN" in client.ask(b"EHLO x\r\n")] = client
                # Worn out, so that the other address has its turn.
                assert [client.deliver(b"\r\nx\r\n")[:3] for _ in range(3)] == ["250"] * 3
            assert set(told) == {True, False}
            for _ in range(9):
                for knows, client in told.items():
                    assert client.ask(b"MAIL FROM:<a@b>" + (b" RET=HDRS\r\n" if knows else b"\r\n")).startswith("250")
                    assert client.ask(b"RCPT TO:<c@d>\r\n").startswith("250")
                    assert client.ask(b"DATA\r\n").startswith("354")
                    assert client.ask(b"\r\nx\r\n.\r\n").startswith("250")
    assert sum(b"RET=" in line for lines in rich.seen for line in lines) == 9
    assert not any(b"RET=" in line for lines in poor.seen for line in lines)
    assert poor.messages


def test_without_an_address_that_knows_it_the_client_is_told_to_come_again(tmp_path: Path) -> None:
    with ScriptedHop(GREET=b"421 4.3.2 down\r\n").running() as rich, ScriptedHop(EHLO=POOR).running() as poor:
        tunnel = Tunnel(tmp_path, rich.port, poor.port)
        with tunnel.running():
            rich.script[""] = b"220 ok\r\n"
            client = Client(tunnel.port)
            client.reply()
            assert "DSN" in client.ask(b"EHLO x\r\n")
            rich.script["MAIL"] = rich.script[""] = b"421 4.3.2 down\r\n"
            assert client.ask(b"MAIL FROM:<a@b>\r\n").startswith("421 4.4.1")
            reason = str(tunnel.wait_journal("next hop unavailable")[-1]["reason"])
            assert f"{poor.port}: lacks 8BITMIME, DSN, ENHANCEDSTATUSCODES, SIZE, SMTPUTF8" in reason
            again = Client(tunnel.port)
            again.reply()
            assert "DSN" not in again.ask(b"EHLO x\r\n")
            assert again.deliver(b"\r\nx\r\n").startswith("250")
    assert len(poor.messages) == 1


def test_a_thousand_idle_sessions_cost_little(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.config["limits"] = LIMITS
        with tunnel.running():
            Client(tunnel.port).begin()
            before = resident(tunnel.process.pid)
            held = [Client(tunnel.port) for _ in range(1000)]
            for client in held:
                client.begin()
            grown = resident(tunnel.process.pid) - before
            assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n").startswith("250")
            for client in held:
                client.close()
    assert grown < 1000 * 20_000
    # They share what goes to the next hop.
    assert len(hop.seen) < 60


def test_large_messages_towards_a_slow_next_hop_stay_bounded(tmp_path: Path) -> None:
    """Four of 25 MB at once: what is in flight is bounded, and whoever finds no room is told to come again."""
    message = b"Subject: big\r\n\r\n" + (b"y" * 74 + b"\r\n") * 330_000
    budget = 60_000_000
    replies: list[str] = []
    with ScriptedHop(END=ScriptedHop.SLOW + b"250 kept\r\n").running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.rules()
        tunnel.config["limits"] = {"bytes_in_flight": budget}
        tunnel.config["timeouts"] = {"reply": 30, "data_reply": 60}
        with tunnel.running():
            before = resident(tunnel.process.pid)

            def send() -> None:
                replies.append(Client(tunnel.port, timeout=60).begin().deliver(message))

            threads = [threading.Thread(target=send) for _ in range(4)]
            for thread in threads:
                thread.start()
            peak = 0
            while any(thread.is_alive() for thread in threads):
                peak = max(peak, resident(tunnel.process.pid) - before)
                time.sleep(0.02)
            assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n").startswith("250")
    assert "250" in {reply[:3] for reply in replies} <= {"250", "452"}
    assert len(hop.messages) == sum(reply.startswith("250") for reply in replies) + 1
    assert peak < 4 * budget
