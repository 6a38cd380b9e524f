# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules and probes against an oracle that knows nothing of how they are made, over every pair of addresses."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings

from .worlds import POOL, PORTS, SmallWorld, admits, in_order, same_family, worlds

slow = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@slow
@given(worlds())
def test_hosts_admit_exactly_what_is_declared(world: SmallWorld) -> None:
    for name, host in world.plan.hosts.items():
        own = world.addresses(name)
        assert bool(host["enforces"]) == world.managed(name)
        for source in POOL:
            for destination in POOL:
                if not same_family(source, destination) or (source in own) == (destination in own):
                    continue
                for port in PORTS:
                    modes = [g for g in world.by_mode(source, destination, port) if world.speaks_for(g, name)]
                    declared = bool(world.by_path(source, destination, port) or modes)
                    direction = "egress" if source in own else "ingress"
                    found = admits(host["firewall"][direction], source, destination, port)
                    assert found == declared, (name, direction, source, destination, port)


@slow
@given(worlds())
def test_routers_pass_what_is_declared_and_what_their_own_mode_opens(world: SmallWorld) -> None:
    for name, host in world.plan.hosts.items():
        mine = [g for g in world.raw["lan_gateways"] if name in world.group(g["hosts"])]
        assert ("router" in host["enforces"]) == bool(mine)
        if not mine:
            assert host["firewall"]["forward"] == []
            continue
        others = [address for address in POOL if address not in world.addresses(name)]
        for source in others:
            for destination in others:
                if source == destination or not same_family(source, destination):
                    continue
                for port in PORTS:
                    modes = [g for g in world.by_mode(source, destination, port) if g in mine]
                    declared = bool(world.by_path(source, destination, port) or modes)
                    found = admits(host["firewall"]["forward"], source, destination, port)
                    assert found == declared, (name, source, destination, port)


def expected(world: SmallWorld, source: str, destination: str, port: int) -> str | None:
    """What a probe must find; None where a path leads to a network, which promises no server there."""
    zones = world.by_path(source, destination, port)
    ends = (world.owner(source), world.owner(destination))
    for gateway in world.by_mode(source, destination, port):
        if all(world.speaks_for(gateway, end) for end in ends):
            zones.append("any" if gateway["mode"] == "internal_mail_server" else gateway["mail_server"])
    if not zones:
        return "blocked"
    sentinel = destination in world.sentinels()
    return "allowed" if sentinel or any(destination in world.pinned_in(zone) for zone in zones) else None


@slow
@given(worlds())
def test_rules_are_in_order_and_none_leads_from_a_host_to_itself(world: SmallWorld) -> None:
    for name, host in world.plan.hosts.items():
        own = world.addresses(name)
        for direction in ("egress", "ingress", "forward"):
            rules = host["firewall"][direction]
            assert in_order(rules)
            ends = [{rule["source"] in own, rule["destination"] in own} for rule in rules]
            assert all(end == ({False} if direction == "forward" else {False, True}) for end in ends)


@slow
@given(worlds())
def test_probes_expect_what_is_declared_and_none_is_missing(world: SmallWorld) -> None:
    columns = {a for zone in world.raw["zones"] for a in world.pinned_in(zone)}
    columns |= world.sentinels()
    for name, host in world.plan.hosts.items():
        found: dict[tuple[str, str, int], Any] = {
            (row["source"], row["destination"], row["port"]): row["expect"] for row in host["probes"]
        }
        assert len(found) == len(host["probes"])
        wanted = {
            (source, destination, port): expected(world, source, destination, port)
            for source in world.addresses(name)
            for destination in columns - set(world.addresses(name))
            if same_family(source, destination)
            for port in PORTS
        }
        assert found == {cell: expect for cell, expect in wanted.items() if expect}


@slow
@given(worlds())
def test_next_hops_are_the_probes_that_must_be_open(world: SmallWorld) -> None:
    for name, host in world.plan.hosts.items():
        hops = {(hop["address"], hop["port"]) for hop in host["next_hops"]}
        pins = {
            (destination, port)
            for source in world.addresses(name)
            for destination in POOL
            for port in PORTS
            if same_family(source, destination) and destination not in world.addresses(name)
            for zone in world.by_path(source, destination, port)
            if destination in world.pinned_in(zone)
        }
        assert hops == pins
