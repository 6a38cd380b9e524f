# SPDX-License-Identifier: GPL-3.0-or-later
"""firewalld's own ruleset, as it loaded it: two zones, masquerading, a forwarded port, a rich rule."""

from __future__ import annotations

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.analyse import analyse
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.routes import Routes

WORLD, HERE, LAN, LAN_HERE = "192.0.2.77", "192.0.2.10", "198.51.100.7", "198.51.100.10"


@pytest.fixture(scope="module")
def analysis(firewalld):
    return analyse(firewalld, (25, 465, 587, 2525))


@pytest.mark.parametrize(
    ("source", "destination", "port", "iif", "passes", "chain"),
    [
        (WORLD, HERE, 25, "eth0", True, "filter_IN_public_allow"),
        (WORLD, HERE, 465, "eth0", False, "filter_IN_public"),
        (LAN, LAN_HERE, 587, "eth1", True, "filter_IN_internal_allow"),
        (LAN, LAN_HERE, 465, "eth1", True, "filter_IN_internal_allow"),
        ("198.51.100.200", LAN_HERE, 465, "eth1", False, "filter_IN_internal"),
        ("2001:db8::9", "2001:db8::10", 25, "eth0", True, "filter_IN_public_allow"),
        ("2001:db8::9", "2001:db8::10", 587, "eth0", False, "filter_IN_public"),
    ],
)
def test_zones_decide_for_sure(analysis, source, destination, port, iif, passes, chain) -> None:
    told = analysis.decide("ingress", source, destination, port, iif=iif)
    assert (told.may, told.must, told.intercepted) == (passes, passes, "no")
    assert chain in [ref.chain for ref in told.by]


def test_a_forwarded_port_is_interception(analysis) -> None:
    told = analysis.decide("ingress", WORLD, HERE, 2525, iif="eth0")
    assert (told.may, told.intercepted) == (True, "must")
    assert told.by[0].chain == "nat_PRE_public_allow"


def test_nothing_is_unknown(analysis) -> None:
    assert {item.what for item in analysis.unmodelled} == {"the route back to a source"}


def test_a_spoofed_source_of_ipv6_fails_the_reverse_path_check(analysis) -> None:
    told = analysis.decide("ingress", "2001:db8:ffff::1", "2001:db8::10", 25, iif="eth1")
    assert not told.must
    assert "filter_PREROUTING" in [ref.chain for ref in told.by]


def test_without_routes_the_reverse_path_is_unknown(firewalld) -> None:
    blind = analyse(firewalld._replace(routes="", rules=""), [25])
    told = blind.decide("ingress", "2001:db8::9", "2001:db8::10", 25, iif="eth0")
    assert (told.may, told.must) == (True, False)
    assert [(item.ref.chain, item.what) for item in blind.unmodelled] == [
        ("filter_PREROUTING", "the route back to a source")
    ]
    assert blind.decide("ingress", WORLD, HERE, 25, iif="eth0").must


def test_routes_tell_the_interfaces(firewalld) -> None:
    routes = Routes(firewalld)
    world = (0x08080808, 0x08080808)
    assert routes.devices(4, world) == {"eth0"}
    assert routes.devices(4, (0xC6336400, 0xC63364FF)) == {"eth1"}
    assert routes.devices(4, (0, (1 << 32) - 1)) == {"eth0", "eth1"}
    by_door = '[{"priority": 100, "src": "all", "iif": "eth1", "table": "7"}]'
    assert Routes(firewalld._replace(rules=by_door)).devices(4, world) is None
    by_mark = Routes(firewalld._replace(rules='[{"priority": 100, "src": "all", "fwmark": "0x4d", "table": "77"}]'))
    assert by_mark.devices(4, world) == {"eth0"}
    assert by_mark.usual((5, 0xFFFFFFFF))
    assert not by_mark.usual((0x4D, 0xFFFFFFFF))
    assert not by_mark.usual((0, 0))
    assert Routes(firewalld._replace(routes="")).devices(4, world) is None
