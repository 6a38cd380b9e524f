# SPDX-License-Identifier: GPL-3.0-or-later
"""What sslscan and testssl.sh find at a tunnel with its default settings."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import Mailbox, Pki, Tunnel

CURRENT = {"TLSv1.2", "TLSv1.3"}
OLD = ("SSLv2", "SSLv3", "TLS1", "TLS1_1")  # as testssl.sh calls them


@pytest.fixture(params=["starttls", "implicit"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tunnel(tmp_path: Path, pki: Pki, mailbox: Mailbox, mode: str) -> Iterator[Tunnel]:
    tunnel = Tunnel(tmp_path, mailbox.port)
    tunnel.tls(pki, mode)
    with tunnel.running():
        yield tunnel


def test_sslscan(tunnel: Tunnel, mode: str, tmp_path: Path) -> None:
    report = tmp_path / "sslscan.xml"
    options = ["--starttls-smtp"] if mode == "starttls" else []
    subprocess.run(["sslscan", *options, f"--xml={report}", f"127.0.0.1:{tunnel.port}"], check=True, timeout=120)
    (found,) = ET.parse(report).getroot().iter("ssltest")  # our own file
    assert {f"TLSv{item.get('version')}" for item in found.iter("protocol") if item.get("enabled") == "1"} >= CURRENT
    ciphers = [(item.get("sslversion"), item.get("cipher"), item.get("strength")) for item in found.iter("cipher")]
    assert {version for version, _name, _strength in ciphers} == CURRENT
    assert {strength for _version, _name, strength in ciphers} <= {"acceptable", "strong"}
    assert not [name for _version, name, _strength in ciphers if "GCM" not in name and "POLY1305" not in name]
    assert {item.get("vulnerable") for item in found.iter("heartbleed")} == {"0"}
    assert not [item for item in found.iter("renegotiation") if item.get("supported") == "1"]


def test_testssl(tunnel: Tunnel, mode: str, tmp_path: Path) -> None:
    report = tmp_path / "testssl.json"
    options = ["-t", "smtp"] if mode == "starttls" else []
    words = ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "-p", "-s", "--jsonfile", str(report)]
    subprocess.run([*words, *options, f"127.0.0.1:{tunnel.port}"], check=False, timeout=240)
    found = {item["id"]: item for item in json.loads(report.read_text())}
    weak = [name for name in found if name.startswith("cipherlist_") and "STRONG" not in name]
    assert len(weak) >= 6
    for name in (*OLD, *weak):
        assert found[name]["finding"].startswith("not offered"), found[name]
    assert all(found[name]["finding"].startswith("offered") for name in ("TLS1_2", "TLS1_3", "cipherlist_STRONG"))
    assert not [item for item in found.values() if item["severity"] in ("LOW", "MEDIUM", "HIGH", "CRITICAL")]
