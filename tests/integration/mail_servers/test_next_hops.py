# SPDX-License-Identifier: GPL-3.0-or-later
"""Behind the tunnel: what Exim, OpenSMTPD and Postfix take is what was sent, and what they refuse is told so."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Client, Mailbox, Pki, Tunnel

from .hops import HOPS, LIMIT, REFUSED

CARD = b"4111111111111111"
BODY = b"".join(
    [
        b"first\r\n",
        b".\r\n",
        b"..two dots\r\n",
        b"card 4111 1111 1111 1111 and order 4111111111111112\r\n",
        b"x" * 990 + b"\r\n",
        b"\r\n",
        b"   trailing blanks   \r\n",
    ]
)
MESSAGE = b"From: <vault@corp.test>\r\nTo: <soc@corp.test>\r\nSubject: card " + CARD + b"\r\n\r\n" + BODY


@pytest.fixture(
    params=[pytest.param((hop, mode), id=f"{hop.kind}-{mode}") for hop in HOPS for mode in hop.modes], scope="module"
)
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pki: Pki
) -> Iterator[tuple[Mailbox, int, str]]:
    """One of the next hops: the mailbox behind it, its port, and the TLS towards it."""
    hop, mode = request.param
    with Mailbox(pki).running() as mailbox, hop.serve(tmp_path_factory.mktemp(hop.kind), pki, mailbox.port) as port:
        yield mailbox, port, mode


@pytest.fixture
def mailbox(served: tuple[Mailbox, int, str]) -> Mailbox:
    return served[0]


@pytest.fixture
def tunnel(tmp_path: Path, pki: Pki, served: tuple[Mailbox, int, str]) -> Iterator[Tunnel]:
    _mailbox, port, mode = served
    tunnel = Tunnel(tmp_path, port)
    if mode != "none":
        tunnel.upstream_tls(pki, mode)
    with tunnel.running():
        yield tunnel


def arrived(mailbox: Mailbox, marker: bytes, recipients: int = 1) -> list[bytes]:
    """Wait until the message with *marker* is there for so many recipients, whom a server may serve one by one."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = [item for item in mailbox.messages if marker in item[2]]
        if sum(len(item[1]) for item in found) >= recipients:
            break
        time.sleep(0.05)
    assert sorted(name for item in found for name in item[1]) == [f"r{n}@corp.test" for n in range(recipients)]
    assert {item[0] for item in found} == {"a@corp.test"}
    return [item[2] for item in found]


def test_only_the_card_changes(tunnel: Tunnel, mailbox: Mailbox) -> None:
    client = Client(tunnel.port).begin()
    assert client.deliver(MESSAGE, recipients=3).startswith("250")
    assert client.deliver(b"Subject: again\r\n\r\nsame connection\r\n").startswith("250")
    records = tunnel.wait_journal(count=2)
    client.close()
    for content in arrived(mailbox, b"two dots", recipients=3):
        head, _, body = content.partition(b"\r\n\r\n")
        assert b"Subject: card ************1111\r\n" in head + b"\r\n"
        assert body == BODY.replace(b"4111 1111 1111 1111", b"************1111")
    arrived(mailbox, b"same connection")
    assert [record["reply"] for record in records] == [250, 250]


def test_a_refused_recipient_is_told_and_the_others_are_served(tunnel: Tunnel, mailbox: Mailbox) -> None:
    client = Client(tunnel.port).begin()
    assert client.ask(b"MAIL FROM:<a@corp.test>\r\n").startswith("250")
    assert client.ask(b"RCPT TO:<r0@corp.test>\r\n").startswith("250")
    assert client.ask(f"RCPT TO:<{REFUSED}>\r\n".encode()).startswith("550")
    assert client.ask(b"DATA\r\n").startswith("354")
    assert client.ask(b"Subject: one of two\r\n\r\nx\r\n.\r\n").startswith("250")
    client.close()
    arrived(mailbox, b"one of two")


def test_a_message_beyond_the_next_hops_size_is_refused(tunnel: Tunnel, mailbox: Mailbox) -> None:
    client = Client(tunnel.port)
    assert client.reply().startswith("220")
    offers = client.ask(b"EHLO client.example\r\n").splitlines()
    (announced,) = (int(line[9:]) for line in offers if line[4:].startswith("SIZE "))
    assert announced <= LIMIT
    told = client.ask(f"MAIL FROM:<a@corp.test> SIZE={LIMIT + 1000}\r\n".encode())
    assert told.startswith("552"), told
    # A client that does not say its size is refused at the end of the message at the latest.
    told = client.deliver(b"Subject: too large\r\n\r\n" + b"filler of a line\r\n" * (LIMIT // 17))
    assert told.startswith(("552", "554")), told
    assert client.deliver(b"Subject: small\r\n\r\nafter it\r\n").startswith("250")
    client.close()
    arrived(mailbox, b"after it")
    assert not [item for item in mailbox.messages if b"too large" in item[2]]
