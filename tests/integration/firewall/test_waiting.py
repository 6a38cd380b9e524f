# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that waits for its confirmation on a host without systemd: a detached process is the second dead man."""

from __future__ import annotations

import time

import pytest

from .conftest import LEFT, PORTS, RIGHT, between

ID = "0123456789abcdef"
OLD, NEW = between(LEFT, RIGHT, 25), between(LEFT, RIGHT, 587)
ODD = b"# \xff by hand\n"


@pytest.fixture
def left(host):
    found = host(LEFT)
    found.apply(egress=OLD)
    return found


def phase(left, name, remote=False, **options):
    words = {"ports": PORTS, "egress": NEW, "commit_confirm": "always", "confirm_timeout": 5, **options}
    return left.finish(left.start(**words, transaction={"id": ID, "phase": name, "remote": remote}))


def folder(left):
    return left.folder / "run" / "alertpath-firewall" / ID


def until_back(left):
    deadline = time.monotonic() + 12
    while not (folder(left) / "rolled-back").exists():
        assert time.monotonic() < deadline, sorted(folder(left).iterdir())
        time.sleep(0.2)


def test_nobody_confirms_and_the_detached_process_puts_all_back(left):
    before = left.table("--stateless")
    begun = phase(left, "begin")
    assert begun["transaction"]["dead_men"] == "the kernel; a detached process"
    assert "alertpath_before" not in left.table()
    until_back(left)
    assert left.table("--stateless") == before


def test_a_confirmed_change_outlives_the_detached_process(left):
    phase(left, "begin")
    assert phase(left, "confirm")["transaction"]["state"] == "confirmed"
    time.sleep(6.5)
    assert "587" in left.table()
    assert b"587" in (left.etc / "alertpath/firewall.nft").read_bytes()


def test_a_controller_whose_session_cannot_be_found_is_refused(left):
    phase(left, "begin")
    refused = phase(left, "confirm", remote=True)
    assert refused["refused"] == "session"
    assert "no ssh daemon" in refused["msg"]
    until_back(left)


def test_a_boot_file_of_odd_bytes_is_kept_byte_by_byte(left):
    boot = left.etc / "alertpath/firewall.nft"
    boot.write_bytes(ODD)
    assert phase(left, "begin")["transaction"]["state"] == "pending"
    assert (folder(left) / "boot.nft").read_bytes() == ODD
    until_back(left)
    assert boot.read_bytes() == ODD
