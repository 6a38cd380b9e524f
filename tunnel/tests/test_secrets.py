# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and passwords are read from files, and stay where nobody else looks: not in logs, arguments or core dumps."""

from __future__ import annotations

from pathlib import Path

import pytest
from alertpath_tunnel.cli import main
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from harness import Client, Mailbox, Pki, Tunnel
from observe import children

PASSWORD = "Zq4-never-shown"


def secret(path: Path, text: str) -> str:
    path.write_text(text)
    path.chmod(0o600)
    return str(path)


def encrypted(pki: Pki, folder: Path) -> Tunnel:
    """Return a tunnel whose private key is encrypted."""
    key = load_pem_private_key(pki.key.read_bytes(), None)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSWORD.encode())).decode()
    tunnel = Tunnel(folder)
    tunnel.tls(pki, "implicit")
    tunnel.tunnel["tls"]["certificate"]["key"] = secret(folder / "server.key", text)  # type: ignore[index]
    return tunnel


def test_an_encrypted_key_is_opened_by_the_password_in_a_file(tmp_path: Path, pki: Pki) -> None:
    with Mailbox(pki).running() as mailbox:
        tunnel = encrypted(pki, tmp_path)
        tunnel.upstream["forwarding_addresses"] = [{"address": "127.0.0.1", "port": mailbox.port}]
        tunnel.tunnel["tls"]["certificate"]["password_file"] = "credentials:key"  # type: ignore[index]
        secret(tmp_path / "key", PASSWORD + "\n")
        with tunnel.running(CREDENTIALS_DIRECTORY=str(tmp_path)):
            client = Client(tunnel.port)
            client.start_tls(pki)
            assert client.begin().deliver(b"\r\nx\r\n").startswith("250")
            # A new generation reads it again.
            tunnel.reload()
            client = Client(tunnel.port)
            client.start_tls(pki)
            assert client.reply().startswith("220")
        assert PASSWORD not in tunnel.log.read_text()


@pytest.mark.parametrize("password", [None, "", "wrong-" + PASSWORD], ids=["none", "empty", "wrong"])
def test_an_encrypted_key_without_its_password_is_refused_and_nobody_is_asked(
    tmp_path: Path, pki: Pki, password: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    tunnel = encrypted(pki, tmp_path)
    tunnel.upstream["forwarding_addresses"] = [{"address": "127.0.0.1", "port": 25}]
    if password is not None:
        tunnel.tunnel["tls"]["certificate"]["password_file"] = secret(tmp_path / "password", password)  # type: ignore[index]
    tunnel.write()
    assert main(["check", str(tunnel.file)]) == 1
    told = capsys.readouterr().err
    assert "$.tunnels[0].tls.certificate" in told
    assert PASSWORD not in told


@pytest.mark.parametrize(
    "auth",
    [
        {"user": "u", "password": PASSWORD},
        {"user": "u", "password": "/" + PASSWORD},
        {"user": "u", "password": [PASSWORD]},
        {"user": "u", "password": 4711},
        {"user": "u", "password_file": 4711},
        {"user": "u", "password.old": PASSWORD},
        {"user": "u", "more": {"password": PASSWORD}},
        {"user": "u", "more": [{"pin": 4711}]},
        [{"user": "u", "password": PASSWORD}],
    ],
)
def test_a_secret_in_the_wrong_place_is_not_repeated(
    tmp_path: Path, auth: object, capsys: pytest.CaptureFixture[str]
) -> None:
    tunnel = Tunnel(tmp_path, 25)
    tunnel.upstream["auth"] = auth
    tunnel.write()
    for form in ([], ["--json"]):
        assert main(["check", *form, str(tunnel.file)]) == 1
        told = "".join(capsys.readouterr())
        assert "$.upstreams[0].auth" in told
        assert PASSWORD not in told
        assert "4711" not in told


def test_no_process_of_the_service_shows_a_secret_or_dumps_its_memory(tmp_path: Path, pki: Pki) -> None:
    with Mailbox(pki, "implicit", ("relay@corp.test", PASSWORD)).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        tunnel.options = ["--workers", "2"]
        tunnel.upstream_tls(pki, "implicit")
        tunnel.upstream["auth"] = {"user": "relay@corp.test", "password_file": secret(tmp_path / "relay", PASSWORD)}
        with tunnel.running():
            assert Client(tunnel.port).begin().deliver(b"\r\nx\r\n").startswith("250")
            processes = {tunnel.process.pid, *children(tunnel.process.pid)}
            assert len(processes) == 3
            for pid in processes:
                shown = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
                assert not any(PASSWORD.encode() in text for text in shown)
                (limit,) = (row for row in Path(f"/proc/{pid}/limits").read_text().splitlines() if "core file" in row)
                assert limit.split()[4:6] == ["0", "0"]
    assert PASSWORD not in tunnel.log.read_text()


def test_a_password_that_is_refused_is_told_without_it(tmp_path: Path, pki: Pki) -> None:
    with Mailbox(pki, "implicit", ("relay@corp.test", "another")).running() as mailbox:
        tunnel = Tunnel(tmp_path, mailbox.port)
        tunnel.upstream_tls(pki, "implicit")
        tunnel.upstream["auth"] = {"user": "relay@corp.test", "password_file": secret(tmp_path / "relay", PASSWORD)}
        with tunnel.running():
            client = Client(tunnel.port)
            client.reply()
            assert client.ask(b"EHLO x\r\n").startswith("421 4.4.1")
            reason = str(tunnel.wait_journal("next hop unavailable")[0]["reason"])
            assert "AUTH" in reason
            assert "535" in reason
        assert PASSWORD not in tunnel.log.read_text()
