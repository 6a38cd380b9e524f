# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service as a process between real peers."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import ssl
import time
from pathlib import Path

import pytest
from harness import Client, Mailbox, Pki, ScriptedHop, Tunnel, free_port

CARD = (
    b"From: vault@corp.test\r\nTo: soc@corp.test\r\nSubject: Alert 4111 1111 1111 1111\r\n"
    b"Message-ID: <1@corp.test>\r\n\r\nCard 4111-1111-1111-1111 used.\r\n.hidden\r\n"
)
MASKED = (
    b"From: vault@corp.test\r\nTo: soc@corp.test\r\nSubject: Alert ************1111\r\n"
    b"Message-ID: <1@corp.test>\r\n\r\nCard ************1111 used.\r\n.hidden\r\n"
)


def test_card_numbers_are_masked_and_the_rest_is_untouched(tmp_path: Path, pki: Pki) -> None:
    with Mailbox(pki).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        with tunnel.running():
            client = Client(tunnel.port).begin()
            assert client.deliver(CARD) == "250 2.0.0 kept as 1"
            assert client.ask(b"QUIT\r\n").startswith("221")
            (record,) = tunnel.wait_journal()
        assert mailbox.messages == [("a@corp.test", ["r0@corp.test"], MASKED)]
    assert record["rules"] == {"cards": 2}
    assert record["data_elements"] == {"ccn": 2}
    assert record["reply"] == 250
    assert record["reply_by"] == "next hop"
    # Not its first four digits alone: a port or a handle may happen to bear those.
    assert not re.search(r"4111[ -]?1111", tunnel.log.read_text())


@pytest.mark.parametrize("listening", ["starttls", "implicit"])
@pytest.mark.parametrize("forwarding", ["starttls", "implicit"])
def test_tls_on_both_hops_with_authentication(tmp_path: Path, pki: Pki, listening: str, forwarding: str) -> None:
    secret = tmp_path / "relay"
    secret.write_text("pass word\n")
    secret.chmod(0o600)
    with Mailbox(pki, forwarding, ("relay@corp.test", "pass word")).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        tunnel.tls(pki, listening)
        tunnel.upstream_tls(pki, forwarding)
        tunnel.upstream["auth"] = {"user": "relay@corp.test", "password_file": "credentials:relay"}
        with tunnel.running(CREDENTIALS_DIRECTORY=str(tmp_path)):
            client = Client(tunnel.port)
            if listening == "implicit":
                client.start_tls(pki)
                client.begin()
            else:
                client.begin()
                assert client.ask(b"MAIL FROM:<a@b>\r\n").startswith("530 5.7.0")
                assert client.ask(b"STARTTLS\r\n").startswith("220")
                client.start_tls(pki)
                assert "STARTTLS" not in client.ask(b"EHLO client.example\r\n")
            assert client.deliver(CARD).startswith("250")
            (record,) = tunnel.wait_journal()
        assert mailbox.messages[0][2] == MASKED
    assert record["client_tls"][0] == record["next_hop_tls"][0] == "TLSv1.3"  # type: ignore[index]


def deliver_with_fault(tmp_path: Path, **script: bytes) -> tuple[str, ScriptedHop]:
    hop = ScriptedHop(**script)
    with hop.running():
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.config["timeouts"] = {"connect": 1, "reply": 1, "data_reply": 1, "drain": 1}
        with tunnel.running():
            client = Client(tunnel.port)
            assert client.reply().startswith("220")
            reply = client.ask(b"EHLO client.example\r\n")
            if reply.startswith("250"):
                reply = client.deliver(CARD)
            if reply.startswith("421"):
                assert client.closed()
            client.close()
    return reply, hop


SILENT, CLOSE = ScriptedHop.SILENT, ScriptedHop.CLOSE
FAULTS = [
    ({"GREET": b"554 5.7.1 go away\r\n"}, "421 4.4.1"),
    ({"GREET": CLOSE}, "421 4.4.1"),
    ({"GREET": SILENT}, "421 4.4.1"),
    ({"GREET": b"hello\r\n"}, "421 4.4.1"),
    ({"EHLO": b"421 4.3.2 busy\r\n"}, "421 4.4.1"),
    ({"MAIL": b"451 4.7.1 greylisted\r\n"}, "451 4.7.1 greylisted"),
    ({"MAIL": b"550 5.7.1 no such sender\r\n"}, "550 5.7.1 no such sender"),
    ({"MAIL": b"421 4.3.2 closing\r\n"}, "421 4.3.2 closing"),
    ({"MAIL": CLOSE}, "421 4.4.2"),
    ({"MAIL": SILENT}, "421 4.4.2"),
    ({"MAIL": b"354 what\r\n"}, "421 4.4.2"),
    ({"RCPT": b"450 4.2.1 later\r\n"}, "450 4.2.1 later"),
    ({"RCPT": b"550-5.1.1 no\r\n550 5.1.1 such user\r\n"}, "550-5.1.1 no\n550 5.1.1 such user"),
    ({"RCPT": b"250-half a rep" + CLOSE}, "421 4.4.2"),
    ({"DATA": b"451 4.3.0 no room\r\n"}, "451 4.3.0 no room"),
    *(({word: b"221 2.0.0 idle\r\n"}, "421 4.4.2") for word in ("MAIL", "RCPT", "DATA", "END")),
    ({"DATA": b"554 5.5.1 no valid recipients\r\n"}, "554 5.5.1 no valid recipients"),
    ({"DATA": CLOSE}, "421 4.4.2"),
    ({"DATA": b"250 accepted?\r\n"}, "421 4.4.2"),
    ({"END": b"554 5.7.1 spam\r\n"}, "554 5.7.1 spam"),
    ({"END": b"452 4.3.1 full\r\n"}, "452 4.3.1 full"),
    ({"END": b"250 2.0.0 que" + CLOSE}, "421 4.4.2"),
    ({"END": SILENT}, "421 4.4.2"),
    ({"END": b"354 more\r\n"}, "421 4.4.2"),
]


@pytest.mark.parametrize(("script", "verdict"), FAULTS, ids=[str(fault) for fault, _ in FAULTS])
def test_a_failing_next_hop_is_never_covered_up(tmp_path: Path, script: dict[str, bytes], verdict: str) -> None:
    reply, hop = deliver_with_fault(tmp_path, **script)
    assert reply.startswith(verdict)
    assert not any(b"4111 1111" in content for content in hop.messages)


def test_unreachable_and_failover(tmp_path: Path, pki: Pki) -> None:
    dead = free_port()
    (tmp_path / "a").mkdir()
    tunnel = Tunnel(tmp_path / "a", dead)
    with tunnel.running():
        client = Client(tunnel.port)
        client.reply()
        assert client.ask(b"EHLO x\r\n") == "421 4.4.1 Next hop unavailable"
        assert str(dead) in str(tunnel.wait_journal("next hop unavailable")[0]["reason"])
    with Mailbox(pki).running() as mailbox, ScriptedHop(GREET=b"421 4.3.2 busy\r\n").running() as busy:
        tunnel = Tunnel(tmp_path, dead, busy.port, mailbox.port)
        with tunnel.running():
            assert Client(tunnel.port).begin().deliver(CARD).startswith("250")


def test_each_recipient_gets_its_own_verdict(tmp_path: Path) -> None:
    with ScriptedHop(RCPT=b"250 2.1.5 ok\r\n").running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        with tunnel.running():
            client = Client(tunnel.port).begin()
            client.ask(b"MAIL FROM:<a@b>\r\n")
            assert client.ask(b"RCPT TO:<one@c>\r\n") == "250 2.1.5 ok"
            hop.script["RCPT"] = b"550 5.1.1 unknown\r\n"
            assert client.ask(b"RCPT TO:<two@c>\r\n") == "550 5.1.1 unknown"
            assert client.ask(b"DATA\r\n").startswith("354")
            assert client.ask(b"Subject: x\r\n\r\nx\r\n.\r\n") == "250 2.0.0 queued as 1"
            (record,) = tunnel.wait_journal()
    assert (record["recipients"], record["recipients_refused"]) == (1, 1)
    assert hop.messages == [b"Subject: x\r\n\r\nx\r\n"]


def test_a_session_carries_several_messages_over_one_connection(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        with tunnel.running():
            client = Client(tunnel.port).begin()
            for _ in range(3):
                assert client.deliver(CARD).startswith("250")
            assert client.ask(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nRSET\r\n").startswith("250 2.1.0")
            assert [client.reply(), client.reply()] == ["250 2.1.5 recipient ok", "250 2.0.0 Reset"]
            client.close()
            tunnel.wait_journal(count=4)
    assert len(hop.seen) == 1
    assert b"RSET\r\n" in hop.seen[0]


def test_an_ambiguous_or_refused_message_leaves_nothing_behind(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.rules(
            {
                "name": "no keys",
                "action": "Extract",
                "payload": {"type": "Text", "regex": "BEGIN PRIVATE KEY"},
                "rules": [{"name": "stop", "action": "Error", "message": "Private keys do not leave"}],
            }
        )
        with tunnel.running():
            client = Client(tunnel.port).begin()
            assert client.deliver(b"Subject: a\r\nSubject: b\r\n\r\nx\r\n") == "554 5.7.1 Message refused by rule"
            assert client.deliver(b"\r\n-----BEGIN PRIVATE KEY\r\n") == "554 5.7.1 Private keys do not leave"
            assert client.deliver(b"\r\nfine\r\n").startswith("250")
    assert hop.messages == [b"\r\nfine\r\n"]


def test_starttls_is_never_given_up_towards_the_next_hop(tmp_path: Path, pki: Pki) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.upstream_tls(pki, "starttls")
        with tunnel.running():
            client = Client(tunnel.port)
            client.reply()
            assert client.ask(b"EHLO x\r\n").startswith("421 4.4.1")
    assert all(line.split()[0] in (b"EHLO", b"QUIT") for line in hop.seen[0])


def test_an_injected_reply_to_starttls_breaks_the_connection(tmp_path: Path, pki: Pki) -> None:
    greeting = b"250-hop\r\n250 STARTTLS\r\n"
    with ScriptedHop(EHLO=greeting, STARTTLS=b"220 go\r\n250 injected\r\n").running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.upstream_tls(pki, "starttls")
        with tunnel.running():
            client = Client(tunnel.port)
            client.reply()
            assert client.ask(b"EHLO x\r\n").startswith("421 4.4.1")


@pytest.mark.parametrize("wrong", ["ca", "name"])
def test_a_next_hop_with_the_wrong_certificate_gets_no_mail(tmp_path: Path, pki: Pki, wrong: str) -> None:
    other = Pki(tmp_path / "other", "elsewhere.example")
    with Mailbox(pki, "implicit").running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        tunnel.upstream_tls(
            other if wrong == "ca" else pki, "implicit", name="elsewhere.example" if wrong == "name" else None
        )
        with tunnel.running():
            client = Client(tunnel.port)
            client.reply()
            assert client.ask(b"EHLO x\r\n").startswith("421 4.4.1")
            assert "certificate" in str(tunnel.wait_journal("next hop unavailable")[0]["reason"])
    assert not mailbox.messages


@pytest.mark.parametrize("way", ["connect", "handshake"])
def test_the_journal_says_why_a_next_hop_is_unavailable(tmp_path: Path, pki: Pki, way: str) -> None:
    """Some errors have no text of their own."""
    hello = b"250-hop\r\n250 STARTTLS\r\n"
    with (
        ScriptedHop(EHLO=hello, STARTTLS=b"220 go\r\n" + ScriptedHop.CLOSE).running() as hop,
        socket.create_server(("127.0.0.1", 0), backlog=0) as full,
        contextlib.ExitStack() as waiting,
    ):
        queue = [waiting.enter_context(socket.socket()) for _ in range(4)]
        for one in queue:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        tunnel = Tunnel(tmp_path, hop.port if way == "handshake" else full.getsockname()[1])
        tunnel.upstream_tls(pki, "starttls")
        tunnel.config["timeouts"] = {"connect": 1}
        with tunnel.running():
            client = Client(tunnel.port)
            client.reply()
            assert client.ask(b"EHLO x\r\n").startswith("421 4.4.1")
            reason = str(tunnel.wait_journal("next hop unavailable")[0]["reason"])
            assert reason.endswith("Error")


class Demanding(Pki):
    """The next hop's side asks for a certificate of its own CA."""

    def server(self) -> ssl.SSLContext:
        context = super().server()
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(self.ca)
        return context


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
def test_a_next_hop_that_asks_for_a_certificate_gets_the_configured_one(tmp_path: Path, mode: str) -> None:
    pki, other = Demanding(tmp_path / "pki"), Pki(tmp_path / "other")
    with Mailbox(pki, mode).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        tunnel.upstream_tls(pki, mode)
        with tunnel.running():
            certificate = {}
            for shown, good in ((None, False), (other, False), (pki, True)):
                if shown:
                    certificate |= {"chain": str(shown.chain), "key": str(shown.key)}
                    tunnel.upstream_tls(pki, mode, certificate=certificate)
                    tunnel.reload()
                client = Client(tunnel.port)
                client.reply()
                assert client.ask(b"EHLO x\r\n").startswith("250" if good else "421 4.4.1")
            assert client.deliver(CARD).startswith("250")
            assert len(tunnel.journal("next hop unavailable")) == 2
    assert len(mailbox.messages) == 1


def test_what_arrives_while_the_next_hop_is_asked_counts_as_pipelining(tmp_path: Path) -> None:
    with ScriptedHop(GREET=ScriptedHop.SLOW + b"220 hop\r\n").running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        with tunnel.running():
            client = Client(tunnel.port)
            client.reply()
            client.send(b"EHLO x\r\n")
            time.sleep(0.2)
            client.send(b"MAIL FROM:<a@b>\r\n")
            assert client.reply().startswith("554 5.5.0")
            assert client.closed()


def test_large_messages_pass_unchanged(tmp_path: Path, pki: Pki) -> None:
    message = b"Subject: big\r\n\r\n" + b"".join(b".%06d %s\r\n" % (n, b"y" * 60) for n in range(40_000))
    with Mailbox(pki).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        with tunnel.running():
            assert Client(tunnel.port, timeout=30).begin().deliver(message).startswith("250")
    assert mailbox.messages[0][2] == message


def test_reload_takes_a_new_configuration_and_keeps_sessions(tmp_path: Path, pki: Pki) -> None:
    with Mailbox(pki).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        with tunnel.running():
            client = Client(tunnel.port).begin()
            second = free_port()
            tunnel.config["tunnels"].append({**tunnel.tunnel, "name": "t2", "port": second})  # type: ignore[attr-defined]
            tunnel.service["tunnels"] = ["t", "t2"]
            tunnel.rules()
            tunnel.reload()
            assert client.deliver(CARD).startswith("250")  # began under the old rules
            assert Client(second).begin().deliver(CARD).startswith("250")
            assert [content for _, _, content in mailbox.messages] == [MASKED, CARD]

            tunnel.tunnel["port"] = "nonsense"
            tunnel.reload()
            assert "must be a whole number" in str(tunnel.wait_journal("reload refused")[0]["reason"])
            assert Client(tunnel.port).begin().deliver(CARD).startswith("250")

            tunnel.tunnel["port"] = tunnel.port
            del tunnel.config["tunnels"][1]  # type: ignore[attr-defined]
            tunnel.service["tunnels"] = ["t"]
            tunnel.reload()
            with pytest.raises(ConnectionRefusedError):
                Client(second)


def test_reload_takes_a_new_certificate(tmp_path: Path, pki: Pki) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    old, new = Pki(tmp_path / "pki"), Pki(tmp_path / "new")
    tunnel.tls(old, "implicit")
    with tunnel.running():
        Client(tunnel.port).start_tls(old)
        old.chain.write_bytes(new.chain.read_bytes())
        tunnel.reload()
        assert tunnel.wait_journal("reload refused")  # the key does not belong to it
        Client(tunnel.port).start_tls(old)
        old.key.write_bytes(new.key.read_bytes())
        tunnel.reload()
        Client(tunnel.port).start_tls(new)


def test_sigterm_lets_transactions_end(tmp_path: Path, pki: Pki) -> None:
    with Mailbox(pki).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        with tunnel.running():
            idle, busy = Client(tunnel.port).begin(), Client(tunnel.port).begin()
            busy.ask(b"MAIL FROM:<a@b>\r\n")
            busy.ask(b"RCPT TO:<c@d>\r\n")
            tunnel.process.send_signal(signal.SIGTERM)
            tunnel.notice("STOPPING=1")
            assert idle.reply().startswith("421 4.3.2")
            with pytest.raises(ConnectionRefusedError):
                Client(tunnel.port)
            assert busy.ask(b"DATA\r\n").startswith("354")
            assert busy.ask(b"\r\nx\r\n.\r\n").startswith("250")
            assert busy.reply().startswith("421 4.3.2")
            assert tunnel.process.wait(10) == 0
    assert len(mailbox.messages) == 1


def test_host_names_choose_the_next_hop(tmp_path: Path, pki: Pki) -> None:
    with Mailbox(pki).running() as named, Mailbox(pki).running() as other:
        tunnel = Tunnel(tmp_path, other.port)
        tunnel.tls(pki, "starttls", required=False)
        second = {
            **tunnel.upstream,
            "name": "v",
            "forwarding_addresses": [{"address": "127.0.0.1", "port": named.port}],
        }
        tunnel.config["upstreams"].append(second)  # type: ignore[attr-defined]
        tunnel.service["hostnames"] = {"localhost": "v", "*": "u"}
        with tunnel.running():
            client = Client(tunnel.port).begin()
            assert client.deliver(CARD).startswith("250")
            assert client.ask(b"STARTTLS\r\n").startswith("220")
            client.start_tls(pki)
            client.ask(b"EHLO x\r\n")
            assert client.deliver(CARD).startswith("250")
    assert (len(named.messages), len(other.messages)) == (1, 1)


def test_the_address_that_the_client_connected_to_chooses_where_no_name_does(tmp_path: Path, pki: Pki) -> None:
    hops = [ScriptedHop() for _ in range(3)]
    with contextlib.ExitStack() as stack:
        named, at, other = (stack.enter_context(hop.running()) for hop in hops)
        tunnel = Tunnel(tmp_path, other.port)
        tunnel.tls(pki, "implicit")
        tunnel.tunnel["interface"] = ["127.0.0.2", "127.0.0.3", "::1"]
        for name, hop in (("named", named), ("at", at)):
            addresses = [{"address": "127.0.0.1", "port": hop.port}]
            tunnel.config["upstreams"].append({**tunnel.upstream, "name": name, "forwarding_addresses": addresses})  # type: ignore[attr-defined]
        tunnel.service["hostnames"] = {"LocalHost.": "named", "127.0.0.3": "at", "0:0::1": "at", "*": "u"}
        context = pki.client()
        context.check_hostname = False
        with tunnel.running():
            clients = [("127.0.0.3", "localhost"), ("127.0.0.3", "LOCALHOST.")]
            for address, name in (*clients, ("127.0.0.3", ""), ("::1", ""), ("127.0.0.2", "")):
                client = Client(tunnel.port, address)
                client.socket = context.wrap_socket(client.socket, server_hostname=name or "elsewhere.example")
                client._stream = client.socket.makefile("rb")
                assert client.begin().deliver(b"\r\nx\r\n").startswith("250")
    assert [len(hop.messages) for hop in hops] == [2, 2, 1]


def test_ipv6(tmp_path: Path, pki: Pki) -> None:
    with Mailbox(pki).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        tunnel.tunnel["interface"] = ["0.0.0.0", "::"]
        with tunnel.running():
            assert Client(tunnel.port, "::1").begin().deliver(CARD).startswith("250")
            assert Client(tunnel.port).begin().deliver(CARD).startswith("250")


def test_client_certificates(tmp_path: Path, pki: Pki) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.tls(pki, "implicit")
    tunnel.tunnel["advanced_settings"] = {"ssl_options": {"cert_reqs": "CERT_REQUIRED", "ca_certs": str(pki.ca)}}
    with tunnel.running():
        client = Client(tunnel.port)
        context = pki.client()
        context.load_cert_chain(pki.chain, pki.key)
        client.socket = context.wrap_socket(client.socket, server_hostname="localhost")
        assert client.socket.recv(100).startswith(b"220")
        without = Client(tunnel.port)
        try:
            # In TLS 1.3 the client learns of the refusal only when it reads.
            without.start_tls(pki)
            greeting = without.socket.recv(100)
        except OSError:
            greeting = b""
        assert greeting == b""
