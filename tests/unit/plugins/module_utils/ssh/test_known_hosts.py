# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.ssh.known_hosts import fingerprint, known, read
from hypothesis import given
from hypothesis import strategies as st

KEY = "c2VydmVy"
BLOB = base64.b64decode(KEY)


@pytest.mark.parametrize(
    ("names", "name", "about"),
    [
        ("vault", "vault", True),
        ("vault", "vault1", False),
        ("VAULT", "vault", True),
        ("other,vault", "vault", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("[vault]:2022", "[vault]:2022", True),
        ("[vault]:2022", "vault", False),
        ("vault", "[vault]:2022", False),
        ("*.corp.test", "vault.corp.test", True),
        ("*.corp.test,!vault.corp.test", "vault.corp.test", False),
        ("!vault.corp.test,*.corp.test", "vault.corp.test", False),
        ("vault?", "vault1", True),
        ("[v]ault", "vault", False),
        ("[*]:2022", "[vault]:2022", True),
        ("|1|bm8=|bm8=", "vault", False),
        ("|2|bm8=|bm8=", "vault", False),
        ("|1|!|!", "vault", False),
    ],
)
def test_names(names: str, name: str, about: bool) -> None:
    assert bool(known(read(f"{names} ssh-ed25519 {KEY} comment"), name).keys) == about


def test_several_keys_of_a_type_are_all_known() -> None:
    found = known(read(f"vault ssh-ed25519 {KEY}\nvault ssh-ed25519 b3RoZXI=\n"), "vault")
    assert found.keys == {("ssh-ed25519", BLOB), ("ssh-ed25519", b"other")}


def test_markers() -> None:
    found = known(read(f"@revoked * ssh-rsa {KEY}\n@cert-authority *.corp.test ssh-rsa {KEY}"), "vault.corp.test")
    assert (found.keys, found.revoked, found.by_authority) == (frozenset(), {("ssh-rsa", BLOB)}, True)


@pytest.mark.parametrize(
    "line", ["# vault ssh-rsa c2VydmVy", "", "vault ssh-rsa", "vault ssh-rsa ***", "vault ssh-rsa \x80", "@new v a b"]
)
def test_what_makes_no_sense_is_left_out(line: str) -> None:
    assert read(line) == []


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    known(read(text), "vault")


def test_agrees_with_openssh(tmp_path: Path) -> None:
    file = tmp_path / "known"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    kind, blob = (tmp_path / "key.pub").read_text().split()[:2]
    file.write_text(f"vault.corp.test {kind} {blob}\n[10.1.2.3]:2022 {kind} {blob}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    entries = read(file.read_text())
    assert [entry.names[:3] for entry in entries] == ["|1|", "|1|"]
    for name in ("vault.corp.test", "[10.1.2.3]:2022"):
        assert known(entries, name).keys == {(kind, base64.b64decode(blob))}
    assert not known(entries, "10.1.2.3").keys
    shown = subprocess.run(["ssh-keygen", "-lf", str(tmp_path / "key")], capture_output=True, text=True, check=True)
    assert fingerprint(base64.b64decode(blob)) == shown.stdout.split()[1]
