# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The service as a process between real peers."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness import Client, Mailbox, Pki, Tunnel

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
    assert "4111" not in tunnel.log.read_text()


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
