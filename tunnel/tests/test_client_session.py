# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session with a next hop."""

from __future__ import annotations

import pytest
from alertpath_tunnel.smtp.canonical import NotCanonical
from alertpath_tunnel.smtp.client import ClientSession, ProtocolError
from alertpath_tunnel.smtp.envelope import Path
from alertpath_tunnel.smtp.reply import Reply
from alertpath_tunnel.smtp.tables import ClientState
from hypothesis import given
from hypothesis import strategies as st

SENDER = Path(b"a@b", {b"SIZE": b"10", b"SMTPUTF8": None})


def answered(session: ClientSession, octets: bytes) -> Reply:
    session.receive(octets)
    reply = session.next_reply()
    assert reply is not None
    return reply


def ready() -> ClientSession:
    session = ClientSession()
    answered(session, b"220 hop\r\n")
    assert session.ehlo(b"me") == b"EHLO me\r\n"
    answered(session, b"250-hop\r\n250-size 100\r\n250-AUTH=LOGIN\r\n250 8BITMIME\r\n")
    return session


def test_a_transaction() -> None:
    session = ready()
    assert session.extensions == {b"SIZE": b"100", b"8BITMIME": b"", b"AUTH": b"LOGIN", b"AUTH=LOGIN": b""}
    assert session.mail(SENDER) == b"MAIL FROM:<a@b> SIZE=10 SMTPUTF8\r\n"
    answered(session, b"250 ok\r\n")
    assert session.rcpt(Path(b"c@d", {b"NOTIFY": b"NEVER"})) == b"RCPT TO:<c@d> NOTIFY=NEVER\r\n"
    answered(session, b"250 ok\r\n")
    assert session.data() == b"DATA\r\n"
    answered(session, b"354 go\r\n")
    assert session.message(b".x\r\n") == b"..x\r\n.\r\n"
    assert answered(session, b"250-a\r\n250 b\r\n") == Reply(250, (b"a", b"b"))
    assert session.state is ClientState.READY
    assert session.quit() == b"QUIT\r\n"


def test_the_old_form_of_auth_names_all_its_mechanisms() -> None:
    session = ready()
    session.ehlo(b"t.example")
    answered(session, b"250-hop\r\n250 AUTH=CRAM-MD5 PLAIN LOGIN\r\n")
    assert session.extensions[b"AUTH"].split() == [b"CRAM-MD5", b"PLAIN", b"LOGIN"]


def test_a_challenge_may_be_as_long_as_its_answer() -> None:
    session = ready()
    session.auth(b"GSSAPI", first=True)
    challenge = b"A" * 12280
    assert answered(session, b"334 " + challenge + b"\r\n") == Reply(334, (challenge,))
    session.auth(b"", first=False)
    with pytest.raises(ProtocolError):
        answered(session, b"334 " + challenge + b"AAAA\r\n")


@pytest.mark.parametrize(
    "octets",
    [
        b"250 ok\r\n250 again\r\n",
        b"hello\r\n",
        b"250-a\r\n251 b\r\n",
        b"1000 x\r\n",
        b"999 x\r\n",
        b"25 x\r\n",
        b"250_x\r\n",
        b"x" * 5000,
        b"250-x\r\n" * 200,
    ],
)
def test_replies_that_are_none(octets: bytes) -> None:
    session = ready()
    session.mail(SENDER)
    session.receive(octets)
    with pytest.raises(ProtocolError):
        session.next_reply()
    assert session.state is ClientState.CLOSED


def test_octets_behind_the_reply_to_starttls_are_an_attack() -> None:
    session = ready()
    session.starttls()
    session.receive(b"220 go\r\n250 injected\r\n")
    with pytest.raises(ProtocolError):
        session.next_reply()


def test_what_was_learned_in_clear_text_is_forgotten() -> None:
    session = ready()
    session.starttls()
    answered(session, b"220 go\r\n")
    session.tls_started()
    assert session.extensions == {}
    with pytest.raises(ProtocolError):
        session.mail(SENDER)


@pytest.mark.parametrize("content", [b"a\nb\r\n", b"a\rb\r\n", b"a\0\r\n", b"a", b"x" * 999 + b"\r\n", b"a\r\n.\n"])
def test_only_canonical_messages_leave(content: bytes) -> None:
    session = ready()
    session.state = ClientState.DATA
    with pytest.raises(NotCanonical):
        session.message(content)


@given(st.binary(max_size=30))
def test_no_address_makes_a_second_command(address: bytes) -> None:
    try:
        line = ready().mail(Path(address, {}))
    except NotCanonical:
        return
    assert line.count(b"\n") == line.count(b"\r\n") == 1


def test_commands_wait_for_their_reply() -> None:
    session = ready()
    session.mail(SENDER)
    with pytest.raises(ProtocolError):
        session.rset()


@given(st.binary(max_size=300))
def test_no_input_breaks_the_machine(octets: bytes) -> None:
    session = ready()
    session.mail(SENDER)
    session.receive(octets)
    try:
        session.next_reply()
    except ProtocolError:
        assert session.state is ClientState.CLOSED
