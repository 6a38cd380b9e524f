# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attacks over real sockets: what a client or a stranger may try, and what stays shut."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from pathlib import Path

import pytest
from harness import Client, Mailbox, Pki, ScriptedHop, Tunnel, between, free_port
from observe import eventually

MESSAGE = b"Subject: one\r\n\r\nfirst"
SECOND = b"MAIL FROM:<evil@corp.test>\r\nRCPT TO:<victim@corp.test>\r\nDATA\r\nSubject: two\r\n\r\nx\r\n.\r\n"


def envelope(client: Client) -> Client:
    client.send(b"MAIL FROM:<a@corp.test>\r\nRCPT TO:<b@corp.test>\r\nDATA\r\n")
    assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "354"]
    return client


# -- smuggling, inbound ------------------------------------------------------------------------------------------

ENDINGS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\r\n.\r\n", b"\r\n\0.\r\n", b"\r\n.\0\r\n",
    b"\r\n.\r\r\n", b"\n\n.\r\n", b"\r\n.\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("ending", ENDINGS)
def test_no_false_end_of_data_makes_a_second_message(tmp_path: Path, ending: bytes) -> None:
    with between(tmp_path) as (tunnel, hop):
        client = envelope(Client(tunnel.port).begin())
        client.send(MESSAGE + ending + SECOND)
        assert client.reply().startswith("550 5.6.0")
        assert client.closed()
    assert hop.messages == []
    assert not any(b"evil" in line for lines in hop.seen for line in lines)


@pytest.mark.parametrize("line", [b"NOOP\n", b"NO\rOP\r\n", b"NOOP\0\r\n", b"NOOP\r", b"EHLO x\nMAIL FROM:<a@b>\r\n"])
def test_bare_octets_in_a_command_end_the_session(tmp_path: Path, line: bytes) -> None:
    with between(tmp_path) as (tunnel, hop):
        client = Client(tunnel.port).begin()
        client.send(line + b"MAIL FROM:<evil@corp.test>\r\n")
        assert client.reply().startswith("521")
        assert client.closed()
    assert not any(b"evil" in line for lines in hop.seen for line in lines)


def test_a_dot_stays_a_dot_and_never_ends_the_message_for_the_next_hop(tmp_path: Path) -> None:
    content = b"Subject: dots\r\n\r\n..\r\n.\r\n...\r\n.MAIL FROM:<evil@corp.test>\r\n"
    with Mailbox(Pki(tmp_path / "pki")).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        with tunnel.running():
            assert Client(tunnel.port).begin().deliver(content).startswith("250")
    assert [message[2] for message in mailbox.messages] == [content]


# -- smuggling, outbound ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [b"MAIL FROM:<a@b\r>", b"MAIL FROM:<a@b> SIZE=1\0", b"MAIL FROM:<a@b\x7f>", b"MAIL FROM:<\x01@b>",
     b"MAIL FROM:<a@b> BODY=8BITMIME\x0bRCPT"],
)  # fmt: skip
def test_no_argument_carries_a_control_character_on(tmp_path: Path, command: bytes) -> None:
    with between(tmp_path) as (tunnel, hop):
        client = Client(tunnel.port).begin()
        assert client.ask(command + b"\r\n")[0] == "5"
        client.close()
        assert not any(line.startswith(b"MAIL") for lines in hop.seen for line in lines)


def test_an_encoded_word_cannot_inject_a_header(tmp_path: Path) -> None:
    word = b"=?utf-8?q?4111_1111_1111_1111=0D=0ABcc:_evil@corp.test?="
    with between(tmp_path) as (tunnel, hop):
        reply = Client(tunnel.port).begin().deliver(b"Subject: " + word + b"\r\n\r\nx\r\n")
    assert reply[0] in "45"
    assert hop.messages == []


# -- commands out of turn --------------------------------------------------------------------------------------------


def test_what_follows_starttls_in_clear_text_is_refused(tmp_path: Path, pki: Pki) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.tls(pki)
        with tunnel.running():
            client = Client(tunnel.port).begin()
            client.send(b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@corp.test>\r\n")
            assert client.reply().startswith("554 5.5.0")
            assert client.closed()
    assert not any(b"evil" in line for lines in hop.seen for line in lines)


@pytest.mark.parametrize(("behind", "code"), [(b"RSET\r\n" + SECOND, "554"), (b"", "502")])
def test_bdat_is_never_read_as_commands(tmp_path: Path, behind: bytes, code: str) -> None:
    with between(tmp_path) as (tunnel, hop):
        client = Client(tunnel.port)
        client.reply()
        assert "CHUNKING" not in client.ask(b"EHLO x\r\n")
        client.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 60 LAST\r\n" + behind)
        assert [client.reply()[:3] for _ in range(3)] == ["250", "250", code]
        assert client.closed()
    assert hop.messages == []


@pytest.mark.parametrize("octets", [b"EHLO x\r\nNOOP\r\n", b"HELO x\r\nMAIL FROM:<a@b>\r\n"])
def test_pipelining_before_the_greeting_is_done_is_refused(tmp_path: Path, octets: bytes) -> None:
    with between(tmp_path) as (tunnel, _hop):
        client = Client(tunnel.port)
        client.reply()
        assert client.ask(octets).startswith("554 5.5.0")
        assert client.closed()


def test_a_message_sent_before_the_354_is_refused(tmp_path: Path) -> None:
    with between(tmp_path) as (tunnel, hop):
        client = Client(tunnel.port).begin()
        client.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n")
        assert [client.reply()[:9] for _ in range(3)][2] == "554 5.5.0"
        assert client.closed()
    assert hop.messages == []


@pytest.mark.parametrize("command", [b"AUTH PLAIN AGEAYg==", b"AUTH LOGIN"])
def test_auth_is_not_offered_and_not_passed_on(tmp_path: Path, command: bytes) -> None:
    hop = ScriptedHop(EHLO=b"250-hop\r\n250 AUTH PLAIN LOGIN\r\n")
    with between(tmp_path, hop) as (tunnel, _hop):
        client = Client(tunnel.port)
        client.reply()
        assert "AUTH" not in client.ask(b"EHLO x\r\n")
        assert client.ask(command + b"\r\n").startswith("502")
    assert not any(line.startswith(b"AUTH") for lines in hop.seen for line in lines)


# -- oversized -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (b"NOOP " + b"x" * 506, "500"),
        (b"X" * 100_000, "500"),
        (b"MAIL FROM:<" + b"a" * 700 + b"@b>", "500"),
        (b"EHLO " + b"x" * 300, "501"),
        (b"MAIL FROM:<a@b> SIZE=99999999999999999999", "552"),
        (b"MAIL FROM:<a@b> SIZE=999999999999999999999", "501"),
        (b"MAIL FROM:<a@b> SIZE=60000", "552"),
    ],
)
def test_oversized_commands(tmp_path: Path, command: bytes, code: str) -> None:
    with between(tmp_path, message_bytes=50_000) as (tunnel, _hop):
        client = Client(tunnel.port).begin()
        assert client.ask(command + b"\r\n").startswith(code)
        assert client.ask(b"NOOP\r\n").startswith("250")


@pytest.mark.parametrize(
    ("content", "reply"),
    [
        (b"\r\n" + b"x" * 998 + b"\r\n", "250"),
        (b"\r\n" + b"x" * 999 + b"\r\n", "554 5.6.0"),
        (b"\r\n" + (b"x" * 70 + b"\r\n") * 800, "552 5.3.4"),
        (b"X: " + b"y" * 900 + b"\r\n" + (b" " + b"y" * 900 + b"\r\n") * 4 + b"\r\nx\r\n", "554 5.7.1"),
        (b"Received: from x\r\n" * 6 + b"\r\nx\r\n", "554 5.4.6"),
        (b"Received: from x\r\n" * 5 + b"\r\nx\r\nReceived: no header\r\n", "250"),
    ],
    ids=["998", "999", "message", "header", "loop", "no loop"],
)
def test_oversized_messages(tmp_path: Path, content: bytes, reply: str) -> None:
    with between(tmp_path, message_bytes=50_000, header_bytes=4000, received_headers=5) as (tunnel, hop):
        client = Client(tunnel.port).begin()
        assert client.deliver(content).startswith(reply)
        assert client.deliver(b"\r\nfine\r\n").startswith("250")
    assert len(hop.messages) == 1 + (reply == "250")


def test_too_many_recipients_and_too_many_errors(tmp_path: Path) -> None:
    with between(tmp_path, recipients=3, errors=4) as (tunnel, _hop):
        client = Client(tunnel.port).begin()
        client.ask(b"MAIL FROM:<a@b>\r\n")
        codes = [client.ask(b"RCPT TO:<r%d@b>\r\n" % number)[:9] for number in range(4)]
        assert codes == ["250 2.1.5", "250 2.1.5", "250 2.1.5", "452 4.5.3"]
        for _ in range(3):
            assert client.ask(b"NONSENSE\r\n").startswith("500")
        assert client.ask(b"NONSENSE\r\n").startswith("500")
        assert client.reply().startswith("421 4.7.0")
        assert client.closed()


def test_whoever_names_far_too_many_recipients_in_one_go_reaches_the_first_of_them(tmp_path: Path) -> None:
    """To be refused every time for those that are too many would be never to get anything through."""
    with between(tmp_path, recipients=100, errors=5) as (tunnel, hop):
        client = Client(tunnel.port).begin()
        many = b"".join(b"RCPT TO:<r%d@b>\r\n" % number for number in range(400))
        client.send(b"MAIL FROM:<a@b>\r\n" + many + b"DATA\r\n")
        replies = [client.reply()[:3] for _ in range(402)]
        assert replies == ["250"] * 101 + ["452"] * 300 + ["354"]
        assert client.ask(b"\r\nx\r\n.\r\n").startswith("250")
    assert len(hop.messages) == 1


# -- slow ------------------------------------------------------------------------------------------------------------


def test_a_message_that_trickles_is_given_up(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.tunnel["advanced_settings"] = {"idle_connection_timeout": 1}
        tunnel.config["limits"] = {"data_rate": 1000}
        with tunnel.running():
            client, begun = envelope(Client(tunnel.port).begin()), time.monotonic()
            client.socket.settimeout(0.1)
            reply = b""
            while not reply and time.monotonic() < begun + 8:
                with contextlib.suppress(OSError):
                    client.send(b"x")
                with contextlib.suppress(TimeoutError):
                    reply = client.socket.recv(100)
            assert reply.startswith(b"421 4.4.2")
            assert time.monotonic() - begun < 4
    assert hop.messages == []


def test_a_steady_message_may_take_longer_than_the_idle_time(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.tunnel["advanced_settings"] = {"idle_connection_timeout": 1}
        with tunnel.running():
            client = envelope(Client(tunnel.port).begin())
            for _ in range(8):
                client.send(b"\r\n" + b"x" * 500)
                time.sleep(0.3)
            assert client.ask(b"\r\n.\r\n").startswith("250")


def test_a_client_that_reads_nothing_is_cut_off(tmp_path: Path) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.tunnel["advanced_settings"] = {"idle_connection_timeout": 1}
        with tunnel.running():
            deaf = socket.socket()
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.connect(("127.0.0.1", tunnel.port))
            deaf.settimeout(1)
            cut, deadline = False, time.monotonic() + 15
            while not cut and time.monotonic() < deadline:
                try:
                    deaf.sendall(b"NOOP\r\n" * 10_000)
                except TimeoutError:
                    continue
                except OSError:
                    cut = True
            assert cut
            assert Client(tunnel.port).begin().deliver(b"\r\nfine\r\n").startswith("250")


# -- strangers ---------------------------------------------------------------------------------------------------------


def v2(address: str, command: int = 0x21) -> bytes:
    body = socket.inet_aton(address) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 4321, 25)
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack("!BBH", command, 0x11, len(body)) + body


def v1(address: str) -> bytes:
    return b"PROXY TCP4 " + address.encode() + b" 127.0.0.1 4321 25\r\n"


@pytest.mark.parametrize("header", [v1("10.9.8.7"), v2("10.9.8.7")], ids=["v1", "v2"])
def test_a_proxy_header_from_a_stranger_is_not_believed(tmp_path: Path, header: bytes) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.tunnel["clients"] = ["10.9.8.7"]
    with tunnel.running():
        client = Client(tunnel.port)
        with contextlib.suppress(OSError):
            client.send(header)
        assert client.reply() in ("554 5.7.1 Access denied", "")
        assert client.closed()
        assert tunnel.wait_journal("refused")[0]["client_ip"] == "127.0.0.1"


@pytest.mark.parametrize("header", [v1("10.9.8.7"), v2("10.9.8.7")], ids=["v1", "v2"])
def test_a_listed_client_that_is_no_balancer_cannot_send_one_either(tmp_path: Path, header: bytes) -> None:
    with between(tmp_path) as (tunnel, hop):
        client = Client(tunnel.port)
        client.reply()
        assert client.ask(header)[0] == "5"
        client.close()
    assert hop.messages == []


@pytest.mark.parametrize("header", [v1, v2])
@pytest.mark.parametrize(("address", "served"), [("10.9.8.7", True), ("10.9.8.6", False)])
def test_a_balancer_speaks_for_its_client(tmp_path: Path, header: object, address: str, served: bool) -> None:
    with ScriptedHop().running() as hop:
        tunnel = Tunnel(tmp_path, hop.port)
        tunnel.tunnel.update({"proxy_protocol": ["127.0.0.1"], "clients": ["10.9.8.7"]})
        with tunnel.running():
            client = Client(tunnel.port)
            for octet in header(address):  # type: ignore[operator]
                client.send(bytes([octet]))
            if served:
                assert client.begin().deliver(b"\r\nx\r\n").startswith("250")
                assert tunnel.wait_journal()[0]["client_ip"] == "10.9.8.7"
            else:
                assert client.reply() == "554 5.7.1 Access denied"
                assert client.closed()


def test_balancers_that_say_nothing_are_connections_too(tmp_path: Path) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.tunnel["proxy_protocol"] = ["127.0.0.1"]
    tunnel.config["limits"] = {"connections": 5}
    with tunnel.running():
        silent = [Client(tunnel.port) for _ in range(5)]
        late = Client(tunnel.port)
        assert late.reply() == "421 4.3.2 Too many connections"
        assert late.closed()
        silent.pop().close()
        eventually(lambda: _let_in(tunnel.port))


def _let_in(port: int) -> bool:
    client = Client(port)
    with contextlib.closing(client.socket):
        return client.ask(v1("127.0.0.1")).startswith("220")


def test_a_balancer_and_implicit_tls_in_one_packet(tmp_path: Path, pki: Pki) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.tls(pki, "implicit")
    tunnel.tunnel["proxy_protocol"] = ["127.0.0.1"]
    with tunnel.running():
        client = Client(tunnel.port)
        client.send(v2("127.0.0.5"))
        client.start_tls(pki)
        assert client.reply().startswith("220")


@pytest.mark.parametrize(
    "header",
    [b"EHLO x\r\n\r\n\r\n\r\n", b"PROXY TCP4 1.2.3.4 ::1 1 2\r\n", b"PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n",
     b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", b"PROXY " + b"x" * 200, b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
     b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c" + bytes(12), b"\r\n\r\n\0\r\nQUIT\n\x21\x12\0\x0c" + bytes(12),
     b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x04" + bytes(4)],
)  # fmt: skip
def test_a_malformed_proxy_header_ends_the_connection(tmp_path: Path, header: bytes) -> None:
    tunnel = Tunnel(tmp_path, free_port())
    tunnel.tunnel["proxy_protocol"] = ["127.0.0.1"]
    with tunnel.running():
        client = Client(tunnel.port)
        client.send(header)
        assert client.closed()
        assert "PROXY header" in str(tunnel.wait_journal("refused")[0]["reason"])
