# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbooks/verify.yml says of a run that looks at nothing."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[3]
ONE_HOST = "all: {hosts: {vault1: {ansible_connection: local}}}\n"
TWO_HOSTS = "all: {hosts: {vault1: {ansible_connection: local}, other: {ansible_connection: local}}}\n"


@pytest.mark.parametrize(
    ("inventory", "more"),
    [
        ("", ()),
        (None, ()),  # a mistyped file
        (ONE_HOST, ("-e", "smtp_hosts=no_such_group")),
        (TWO_HOSTS, ("-e", "smtp_hosts=vault1", "--limit", "other")),
    ],
)
def test_no_host_is_no_success(tmp_path: Path, inventory: str | None, more: tuple[str, ...]) -> None:
    done = verify(tmp_path, inventory, *more)
    assert done.returncode != 0, done.stdout
    assert "no host" in done.stdout


@pytest.mark.parametrize("hosts", ["vault1", "vault*,!vault2", ["vault1", "vault2"]])
def test_pattern_and_list_of_hosts_are_taken(tmp_path: Path, hosts: str | list[str]) -> None:
    done = verify(tmp_path, ONE_HOST, "-e", json.dumps({"smtp_hosts": hosts}))
    assert "no host" not in done.stdout
    assert "missing required arguments: smtp_policy" in done.stdout


def test_limit_to_a_host_that_is_to_be_looked_at_is_taken(tmp_path: Path) -> None:
    done = verify(tmp_path, TWO_HOSTS, "-e", "smtp_hosts=vault1", "--limit", "vault1")
    assert "no host" not in done.stdout
    assert "missing required arguments: smtp_policy" in done.stdout


def verify(folder: Path, inventory: str | None, *more: str) -> subprocess.CompletedProcess[str]:
    file = folder / "inventory.yml"
    if inventory is not None:
        file.write_text(inventory)
    return subprocess.run(
        ["ansible-playbook", "-i", str(file), *more, str(CHECKOUT / "playbooks/verify.yml")],
        cwd=folder,
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(CHECKOUT / "collections")},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
