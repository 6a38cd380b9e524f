# SPDX-License-Identifier: GPL-3.0-or-later
"""A name that leads elsewhere than to its pinned address is found; everything else is not."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.matrix import Settings, probe
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.model import Target
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.names import Resolved
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.pins import moved, pinned


def answer(*addresses: str) -> Resolved:
    return Resolved(
        tuple((socket.AF_INET6 if ":" in a else socket.AF_INET, (a, 0)) for a in addresses),
    )


@pytest.mark.parametrize(
    ("pins", "answers", "found"),
    [
        (["192.0.2.1"], ["192.0.2.1"], False),
        (["192.0.2.1"], ["192.0.2.1", "192.0.2.2"], False),
        (["192.0.2.1"], ["192.0.2.1", "2001:db8::1"], False),
        (["192.0.2.1"], ["2001:db8::1"], False),
        (["192.0.2.1"], [], False),
        (["192.0.2.1"], ["192.0.2.2"], True),
        (["192.0.2.1", "192.0.2.2"], ["192.0.2.2"], True),
        (["2001:DB8::0:1"], ["2001:db8::1"], False),
        (["2001:db8::1"], ["2001:db8::2"], True),
    ],
)
def test_only_a_name_that_leads_elsewhere_is_found(pins, answers, found) -> None:
    targets = [Target(address, 587, "allowed", name="smtp.test") for address in pins]
    assert bool(moved(pinned(targets), {"smtp.test": answer(*answers)})) == found


def test_what_must_be_blocked_pins_nothing() -> None:
    assert pinned([Target("192.0.2.1", 25, "blocked", name="smtp.test"), Target("192.0.2.1", 25, "allowed")]) == {}


def test_probe_looks_names_up() -> None:
    # A port that is closed: the name is looked up all the same.
    found = probe([Target("127.0.0.9", 1, "allowed", name="localhost")], Settings(window=0.3, control_ports=()))
    assert found.moved_names[0]["name"] == "localhost"
    assert found.moved_names[0]["pinned"] == ["127.0.0.9"]
