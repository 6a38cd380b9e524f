# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AUTH passed on to the next hop: off by default, within TLS alone, unread, and bound to one client's connection."""

from __future__ import annotations

import base64
import contextlib
import smtplib
import ssl
from pathlib import Path

import pytest
from alertpath_tunnel.smtp import events, tables
from alertpath_tunnel.smtp.reply import Reply
from alertpath_tunnel.smtp.server import ServerPolicy, ServerSession
from harness import NAME, Client, Mailbox, Pki, Tunnel
from hypothesis import given
from hypothesis import strategies as st
from test_config import change, problems

USER, PASSWORD = "vault@corp.test", "Kp3-of-the-client"
SECRET = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode())
POLICY = ServerPolicy(b"t.example", size=2000, recipients=3, errors=4, auth=True)


def greeted(tls: bool = True, policy: ServerPolicy = POLICY) -> ServerSession:
    machine = ServerSession(policy, tls_active=tls)
    machine.greet()
    machine.receive(b"EHLO x\r\n")
    assert isinstance(machine.next_event(), events.Hello)
    machine.accept_hello({b"PIPELINING": b"", b"AUTH": b"PLAIN LOGIN"})
    return machine


def say(machine: ServerSession, octets: bytes) -> events.Event:
    machine.take_output()
    machine.receive(octets)
    return machine.next_event()


def test_it_is_offered_where_tls_and_policy_and_next_hop_allow_it() -> None:
    assert b"AUTH PLAIN LOGIN\r\n" in greeted().take_output()
    off = ServerPolicy(b"t.example", size=2000, recipients=3, errors=4)
    for machine in (greeted(tls=False), greeted(policy=off)):
        assert b"AUTH" not in machine.take_output()
        assert isinstance(say(machine, b"AUTH PLAIN AAAA\r\n"), events.NeedData)
        assert machine.take_output().startswith(b"502 ")


def test_a_challenge_is_answered_and_success_comes_once() -> None:
    machine = greeted()
    assert say(machine, b"auth login\r\n") == events.Auth(b"login", first=True)
    machine.reply(Reply(334, (b"VXNlcm5hbWU6",)))
    assert say(machine, b"dmF1bHQ=\r\n") == events.Auth(b"dmF1bHQ=", first=False)
    machine.reply(Reply(235, (b"2.7.0 ok",)))
    say(machine, b"AUTH PLAIN AAAA\r\n")
    assert machine.take_output().startswith(b"503 5.5.1 Already")
    assert isinstance(say(machine, b"EHLO x\r\n"), events.Hello)
    machine.accept_hello({b"AUTH": b"PLAIN"})
    assert b"AUTH" not in machine.take_output()


def test_a_mechanism_that_shows_the_tunnel_itself_to_the_next_hop_is_neither_offered_nor_passed_on() -> None:
    """EXTERNAL would let any client in by the tunnel's own certificate."""
    machine = greeted()
    say(machine, b"EHLO x\r\n")
    machine.accept_hello({b"AUTH": b"EXTERNAL SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN"})
    assert b"250 AUTH SCRAM-SHA-256 PLAIN\r\n" in machine.take_output()
    for mechanism in (b"EXTERNAL =", b"external dmF1bHQ=", b"SCRAM-SHA-256-PLUS"):
        assert isinstance(say(machine, b"AUTH " + mechanism + b"\r\n"), events.NeedData)
        assert machine.take_output().startswith(b"504 5.5.4")


def test_where_nothing_else_is_left_auth_is_not_offered() -> None:
    machine = greeted()
    say(machine, b"EHLO x\r\n")
    machine.accept_hello({b"AUTH": b"EXTERNAL"})
    assert b"AUTH" not in machine.take_output()
    say(machine, b"AUTH PLAIN AAAA\r\n")
    assert machine.take_output().startswith(b"502 ")


@pytest.mark.parametrize("value", [b"<>", b"e+3Dmc2@example.com", b"v" * 500])
@pytest.mark.parametrize("logged_in", [False, True])
def test_where_auth_is_offered_mail_may_name_who_submitted_it(value: bytes, logged_in: bool) -> None:
    machine = greeted()
    if logged_in:
        say(machine, b"AUTH PLAIN AAAA\r\n")
        machine.reply(Reply(235, (b"2.7.0 ok",)))
        say(machine, b"EHLO again\r\n")
        machine.accept_hello({b"AUTH": b"PLAIN"})
    event = say(machine, b"MAIL FROM:<" + b"a" * 460 + b"@corp.test> AUTH=" + value + b"\r\n")
    assert isinstance(event, events.Mail)
    assert event.path.to_argument(b"FROM").endswith(b" AUTH=" + value)
    # What it was told of is asked of whoever gets the mail.
    assert b"AUTH" in machine.relayed


def test_passwords_cannot_be_tried_for_ever() -> None:
    machine = greeted()
    for _ in range(4):
        assert say(machine, b"AUTH PLAIN AAAA\r\n") == events.Auth(b"PLAIN AAAA", first=True)
        machine.reply(Reply(535, (b"5.7.8 no",)))
    assert b"421 4.7.0" in machine.take_output()
    assert isinstance(machine.next_event(), events.Closed)


@pytest.mark.parametrize(
    "octets",
    [
        b"AUTH\r\n",
        b"AUTH PLAIN A B\r\n",
        b"AUTH PLAIN A*A\r\n",
        b"AUTH PL%IN\r\n",
        b"AUTH PLAIN " + b"A" * 13_000 + b"\r\n",
    ],
)
def test_what_is_no_auth_is_refused(octets: bytes) -> None:
    machine = greeted()
    assert isinstance(say(machine, octets), events.NeedData)
    assert machine.take_output()[:3] in (b"500", b"501")


def test_twelve_kilobytes_are_allowed_to_auth_alone() -> None:
    machine = greeted()
    token = b"A" * 12_000
    assert say(machine, b"AUTH XOAUTH2 " + token + b"\r\n") == events.Auth(b"XOAUTH2 " + token, first=True)
    machine.reply(Reply(334, (b"",)))
    assert say(machine, token + b"\r\n") == events.Auth(token, first=False)
    machine.reply(Reply(535, (b"5.7.8 no",)))
    say(machine, b"NOOP " + token + b"\r\n")
    assert machine.take_output().startswith(b"500 ")


@given(st.binary(max_size=40))
def test_an_answer_is_an_answer_or_the_end(octets: bytes) -> None:
    """Nothing that a client sends within AUTH is ever taken for a command, nor passed on but as one line of base64."""
    machine = greeted()
    say(machine, b"AUTH LOGIN\r\n")
    machine.reply(Reply(334, (b"",)))
    event = say(machine, octets + b"\r\n")
    assert isinstance(event, (events.Auth, events.Closed))
    if isinstance(event, events.Auth):
        line = (octets + b"\r\n").split(b"\r\n")[0]
        assert event == events.Auth(line, first=False)
        assert not set(line) & set(b"\r\n\0 :<>")


def test_what_comes_with_an_answer_in_one_packet_is_unauthorised() -> None:
    machine = greeted()
    say(machine, b"AUTH LOGIN\r\n")
    machine.reply(Reply(334, (b"",)))
    assert isinstance(say(machine, b"AAAA\r\nMAIL FROM:<evil@corp.test>\r\n"), events.Auth)
    machine.reply(Reply(235, (b"2.7.0 ok",)))
    assert machine.take_output() == tables.CLOSING_PIPELINING.octets


# -- over sockets ------------------------------------------------------------------------------------------------------


def passing(folder: Path, pki: Pki, mailbox: Mailbox, mode: str = "implicit") -> Tunnel:
    tunnel = Tunnel(folder, mailbox.port)
    tunnel.tls(pki, mode)
    tunnel.upstream_tls(pki, mailbox.mode)
    tunnel.tunnel["auth"] = "pass"
    return tunnel


@pytest.mark.parametrize("mode", ["starttls", "implicit"])
@pytest.mark.parametrize("mechanism", ["plain", "login"])
def test_smtplib_logs_in_through_the_tunnel(tmp_path: Path, pki: Pki, mode: str, mechanism: str) -> None:
    context = ssl.create_default_context(cafile=str(pki.ca))
    with Mailbox(pki, "starttls", (USER, PASSWORD)).running() as mailbox:
        tunnel = passing(tmp_path, pki, mailbox, mode)
        with tunnel.running():
            if mode == "implicit":
                client: smtplib.SMTP = smtplib.SMTP_SSL(NAME, tunnel.port, context=context, timeout=10)
            else:
                client = smtplib.SMTP(NAME, tunnel.port, timeout=10)
                client.starttls(context=context)
            with client:
                client.ehlo()
                client.user, client.password = USER, PASSWORD
                assert client.auth(mechanism.upper(), getattr(client, f"auth_{mechanism}"))[0] == 235
                for _ in range(3):
                    client.sendmail("a@corp.test", ["b@corp.test"], b"Subject: 4111111111111111\r\n\r\nx\r\n")
            tunnel.wait_journal(count=3)
        shown = tunnel.log.read_text()
    assert len(mailbox.messages) == 3
    assert b"************1111" in mailbox.messages[0][2]
    assert PASSWORD not in shown
    assert base64.b64encode(PASSWORD.encode()).decode() not in shown


def encrypted(tunnel: Tunnel, pki: Pki) -> Client:
    client = Client(tunnel.port)
    client.start_tls(pki)
    return client.begin()


def test_nobody_else_ever_uses_a_connection_that_a_client_authenticated_itself_over(tmp_path: Path, pki: Pki) -> None:
    with Mailbox(pki, "implicit", (USER, PASSWORD)).running() as mailbox:
        tunnel = passing(tmp_path, pki, mailbox)
        with tunnel.running():
            first = encrypted(tunnel, pki)
            assert first.ask(b"AUTH PLAIN " + SECRET + b"\r\n").startswith("235")
            for _ in range(2):
                assert encrypted(tunnel, pki).deliver(b"\r\nx\r\n").startswith("530")
                assert first.deliver(b"\r\nx\r\n").startswith("250")
                # A new EHLO ends no authentication.
                assert first.ask(b"EHLO again\r\n").startswith("250")
                assert first.ask(b"MAIL FROM:<a@b>\r\n").startswith("250")
                assert first.ask(b"RSET\r\n").startswith("250")
            assert first.ask(b"QUIT\r\n").startswith("221")
            # One that left in the middle of its challenge.
            second = encrypted(tunnel, pki)
            assert second.ask(b"AUTH LOGIN\r\n").startswith("334")
            second.close()
            third = encrypted(tunnel, pki)
            assert third.ask(b"AUTH PLAIN AHgAeQ==\r\n").startswith("535")
            assert third.deliver(b"\r\nx\r\n").startswith("530")
            assert third.ask(b"AUTH LOGIN\r\n").startswith("334")
            assert third.ask(b"*\r\n").startswith("501")
            assert third.ask(b"AUTH PLAIN " + SECRET + b"\r\n").startswith("235")
            assert third.deliver(b"\r\nx\r\n").startswith("250")
            assert encrypted(tunnel, pki).deliver(b"\r\nx\r\n").startswith("530")
    assert len(mailbox.messages) == 3


def test_without_the_connection_it_authenticated_itself_over_a_client_is_told_to_come_again(
    tmp_path: Path, pki: Pki
) -> None:
    with contextlib.ExitStack() as stack:
        mailbox = stack.enter_context(Mailbox(pki, "implicit", (USER, PASSWORD)).running())
        tunnel = passing(tmp_path, pki, mailbox)
        with tunnel.running():
            client = encrypted(tunnel, pki)
            assert client.ask(b"AUTH PLAIN " + SECRET + b"\r\n").startswith("235")
            stack.close()  # the next hop is gone
            assert client.deliver(b"\r\nx\r\n").startswith("421 4.4.")
            assert client.closed()


@pytest.mark.parametrize(
    ("tunnel", "upstream", "at"),
    [
        ({"tls": {"mode": "none"}}, {"mode": "implicit"}, "$.tunnels[0].auth"),
        ({}, {"mode": "none", "accept_clear_text": True}, "$.services[0].hostnames.*"),
        ({}, {"mode": "opportunistic", "accept_clear_text": True}, "$.services[0].hostnames.*"),
        ({}, {"mode": "implicit", "verify": False}, "$.services[0].hostnames.*"),
    ],
)
def test_no_password_is_taken_or_passed_on_in_clear_text(
    tunnel: dict[str, object], upstream: dict[str, object], at: str
) -> None:
    config = change("upstreams.0.tls", upstream)
    tls = {"mode": "implicit", "certificate": {"chain": "/c", "key": "/k.key"}}
    config["tunnels"][0] |= {"auth": "pass", "tls": tls, **tunnel}
    assert at in problems(config)
