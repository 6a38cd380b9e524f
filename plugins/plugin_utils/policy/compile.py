# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compile a policy for an inventory: untrusted YAML and hosts in, the plan of docs/plan.md out. Pure."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any

from . import declared, lockdown, rules
from .accepts import Accept, Reach, accepts
from .addresses import outermost
from .check import check
from .errors import Findings
from .matrix import Matrix
from .model import Host, Policy
from .parse import parse
from .rules import Texts
from .world import World


@dataclass(frozen=True)
class Plan:
    """What the policy means for every host."""

    digest: str
    ports: tuple[int, ...]
    findings: tuple[dict[str, Any], ...]
    paths: tuple[dict[str, Any], ...]
    zones: tuple[dict[str, Any], ...]
    lockdown: tuple[dict[str, Any], ...]
    sentinels: tuple[dict[str, Any], ...]
    hosts: dict[str, dict[str, Any]]

    def as_dict(self) -> dict[str, Any]:
        """The plan as docs/plan.md shows it."""
        return {
            "digest": self.digest,
            "ports": list(self.ports),
            "findings": list(self.findings),
            "paths": list(self.paths),
            "zones": list(self.zones),
            "lockdown": list(self.lockdown),
            "sentinels": list(self.sentinels),
            "hosts": self.hosts,
        }


def compile_policy(
    raw: Any,
    hosts: Iterable[Host],
    today: datetime.date,
    findings: Findings | None = None,
    review_overdue: str | None = None,
    probes_for: Collection[str] | None = None,
) -> Plan:
    """Compile *raw* for *hosts* as of *today*.

    *findings* holds what is already known to be wrong, and where the policy was read from; *review_overdue* overrides
    the policy's own; *probes_for* limits the probes to these hosts (all when None). Raises PolicyError with every
    reason the policy is refused for.
    """
    findings = findings or Findings()
    policy = parse(raw, findings)
    if review_overdue:
        policy = replace(policy, review_overdue=review_overdue)
    world = World(policy, hosts, findings)
    check(policy, world, today, findings)
    findings.raise_errors()
    opened = accepts(policy, world)
    texts = Texts()
    reach = Reach(opened, [*world.owner, *(end.block for end in world.pinned)])
    matrix = Matrix(world, opened, reach, texts)
    plans = {}
    for host in world.members:
        probes = matrix.row(host) if probes_for is None or host.name in probes_for else []
        plans[host.name] = {**_host(host, world, opened, reach, texts), "probes": probes}
    warnings = tuple(finding.as_dict() for finding in findings.warnings)
    return Plan(
        digest=_digest(policy, world),
        ports=policy.ports,
        findings=warnings,
        paths=tuple(declared.paths(policy, opened, texts)),
        zones=tuple(declared.zones(policy, world, texts)),
        lockdown=tuple(declared.lockdowns(policy, world, texts)),
        sentinels=tuple(declared.sentinels(policy, texts)),
        hosts=plans,
    )


def _host(host: Host, world: World, opened: tuple[Accept, ...], reach: Reach, texts: Texts) -> dict[str, Any]:
    router = host.name in world.routers
    managed = host.name in world.managed
    managed_ways = lockdown.management(host, world)
    firewall = {
        "ports": list(world.policy.ports),
        "blocked": world.policy.blocked,
        "egress": rules.shown(rules.egress(host, reach, managed), texts),
        "ingress": rules.shown(rules.ingress(host, reach, managed), texts),
        "forward": rules.shown(rules.forward(host, opened), texts) if router else [],
        "lockdown": managed_ways is not None,
        "management": lockdown.shown(managed_ways or [], texts),
    }
    return {
        "addresses": [texts[block] for block in host.addresses],
        "enforces": (["host"] if managed else []) + (["router"] if router else []),
        "firewall": firewall,
        "next_hops": _next_hops(host, reach, texts),
        "listeners": _listeners(host, reach, texts),
    }


def _next_hops(host: Host, reach: Reach, texts: Texts) -> list[dict[str, Any]]:
    """Where the mail of *host* goes: the pinned ends of its paths."""
    ways = {
        (accept.id, block, port): (accept, end)
        for own in host.addresses
        for accept in reach.leaving(own)
        if accept.encryption
        for block, end in accept.destination.pinned.items()
        if block.version == own.version and block not in host.addresses
        for port in accept.ports
    }
    return [
        {
            "path": path,
            "host": end.label,
            "address": texts[block],
            "port": port,
            "encryption": accept.encryption,
            "name": end.server_name,
        }
        for (path, block, port), (accept, end) in sorted(ways.items(), key=itemgetter(0))
    ]


def _listeners(host: Host, reach: Reach, texts: Texts) -> list[dict[str, Any]]:
    """What *host* offers, and to whom."""
    offers: dict[tuple[int, str], dict[str, Accept]] = {}
    for own in host.addresses:
        for accept in reach.arriving(own):
            for port in accept.ports if accept.encryption else ():
                offers.setdefault((port, str(accept.encryption)), {})[accept.id] = accept
    return [
        {
            "paths": sorted(accepts_by_id),
            "port": port,
            "encryption": encryption,
            "clients": [
                texts[block]
                for block in outermost(block for accept in accepts_by_id.values() for block in accept.source.blocks)
                if block not in host.addresses
            ],
        }
        for (port, encryption), accepts_by_id in sorted(offers.items(), key=itemgetter(0))
    ]


def _digest(policy: Policy, world: World) -> str:
    """SHA-256 over everything that the plan was made from, whatever order it was written in."""
    parts = [
        repr((policy.ports, policy.blocked, policy.widest)),
        *(repr(item) for item in sorted(policy.zones, key=lambda zone: zone.name)),
        *(repr(item) for item in sorted(policy.paths, key=lambda path: path.id)),
        *sorted(repr(item) for item in (*policy.lan_gateways, *policy.lockdowns, *policy.sentinels)),
        *(repr((host.name, sorted(host.groups), host.addresses, host.smtp_name)) for host in world.members),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
