# SPDX-License-Identifier: GPL-3.0-or-later
"""Before the tunnel: Postfix, msmtp, smtplib and aiosmtplib hand their mail over, with TLS that they verify."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import aiosmtplib
import pytest
from harness import Mailbox, Pki, Tunnel

from .hops import EXIM, postfix
from .room import Room

TEXT = b"From: a@corp.test\nTo: r0@corp.test\nSubject: pay 4111111111111111\n\n.dot\ncaf\xc3\xa9 4111111111111111\n"
BODY = "\r\n\r\n.dot\r\ncafé ************1111\r\n".encode()
VERIFIED = """smtp_tls_security_level = verify
smtp_tls_CAfile = {ca}
smtp_tls_verify_cert_match = localhost
"""


@pytest.fixture
def tunnel(tmp_path: Path, pki: Pki, mailbox: Mailbox) -> Iterator[Tunnel]:
    tunnel = Tunnel(tmp_path, mailbox.port)
    tunnel.tls(pki)
    with tunnel.running():
        yield tunnel


def arrived(mailbox: Mailbox) -> bytes:
    deadline = time.monotonic() + 20
    while not mailbox.messages and time.monotonic() < deadline:
        time.sleep(0.05)
    ((sender, recipients, content),) = mailbox.messages
    assert (sender, recipients) == ("a@corp.test", ["r0@corp.test"])
    return content


def check(mailbox: Mailbox) -> None:
    content = arrived(mailbox)
    assert b"\r\nSubject: pay ************1111\r\n" in content
    assert content.endswith(BODY)


def send(port: int, pki: Pki | None) -> None:
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        if pki:
            client._host = "localhost"  # the name that the certificate is for
            client.starttls(context=ssl.create_default_context(cafile=str(pki.ca)))
        client.sendmail("a@corp.test", ["r0@corp.test"], TEXT.replace(b"\n", b"\r\n"), mail_options=["BODY=8BITMIME"])


def test_smtplib(tunnel: Tunnel, mailbox: Mailbox, pki: Pki) -> None:
    send(tunnel.port, pki)
    check(mailbox)


@pytest.mark.parametrize("mode", ["starttls", "implicit", "none"])
def test_aiosmtplib(tmp_path: Path, pki: Pki, mailbox: Mailbox, mode: str) -> None:
    """Several messages on one connection, and connections beside each other, in each way of TLS."""
    tunnel = Tunnel(tmp_path, mailbox.port)
    if mode != "none":
        tunnel.tls(pki, mode)
    context = ssl.create_default_context(cafile=str(pki.ca)) if mode != "none" else None

    async def talk(number: int) -> None:
        client = aiosmtplib.SMTP(
            hostname="localhost",
            port=tunnel.port,
            timeout=20,
            use_tls=mode == "implicit",
            start_tls=mode == "starttls",
            tls_context=context,
        )
        async with client:
            for _message in range(2):
                content = TEXT.replace(b"\n", b"\r\n")
                sent = await client.sendmail(
                    "a@corp.test", [f"r{number}@corp.test"], content, mail_options=["BODY=8BITMIME"]
                )
                assert sent[0] == {}

    async def all_at_once() -> None:
        await asyncio.gather(*(talk(number) for number in range(5)))

    with tunnel.running():
        asyncio.run(all_at_once())
    assert sorted(recipients for _sender, recipients, _content in mailbox.messages) == sorted(
        [f"r{number}@corp.test"] for number in range(5) for _message in range(2)
    )
    assert all(content.endswith(BODY) for _sender, _recipients, content in mailbox.messages)


def test_postfix(tunnel: Tunnel, mailbox: Mailbox, pki: Pki, tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_bytes(pki.ca.read_bytes())
    folder = tmp_path / "postfix"
    folder.mkdir()
    with postfix(folder, pki, tunnel.port, VERIFIED.format(ca=ca)) as port:
        send(port, None)
        check(mailbox)


def test_msmtp(tunnel: Tunnel, mailbox: Mailbox, pki: Pki, tmp_path: Path) -> None:
    folder = tmp_path / "msmtp"
    folder.mkdir()
    room = Room(folder, EXIM, {"/etc/peer/ca.pem": pki.ca.read_text()})
    words = ["msmtp", "--host=127.0.0.1", f"--port={tunnel.port}", "--tls=on", "--tls-trust-file=/etc/peer/ca.pem"]
    ended, said = room.run([*words, "--tls-host-override=localhost", "--from=a@corp.test", "r0@corp.test"], TEXT)
    assert ended == 0, said
    check(mailbox)


def test_msmtp_refuses_a_certificate_of_another_ca(tunnel: Tunnel, mailbox: Mailbox, tmp_path: Path) -> None:
    other = Pki(tmp_path / "other")
    folder = tmp_path / "msmtp"
    folder.mkdir()
    room = Room(folder, EXIM, {"/etc/peer/ca.pem": other.ca.read_text()})
    words = ["msmtp", "--host=127.0.0.1", f"--port={tunnel.port}", "--tls=on", "--tls-trust-file=/etc/peer/ca.pem"]
    ended, said = room.run([*words, "--tls-host-override=localhost", "--from=a@corp.test", "r0@corp.test"], TEXT)
    assert ended != 0, said
    assert "certificate" in said
    assert mailbox.messages == []
