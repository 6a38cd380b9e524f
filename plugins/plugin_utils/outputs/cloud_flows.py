# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a group of cloud hosts may open and accept, worked out once for every cloud."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..policy.addresses import Block, Span
from ..policy.errors import Findings
from .documents_plan import Way, entries, hosts
from .perimeter_plan import Opening, Openings, of_family, openings, read_blocks, refuse, shared

EGRESS, INGRESS = "egress", "ingress"
KINDS = ("zone", "host")


@dataclass(frozen=True)
class Holder:
    """What one set of cloud rules is for: a zone, or a host."""

    name: str
    kind: str
    blocks: tuple[Block, ...]
    managed: bool
    """Whether a LAN gateway's mode opens nothing of it unless it is the mail server, as docs/policy.md has it."""
    members: bool = True
    """Whether single addresses belong to it, and not networks alone."""


@dataclass(frozen=True)
class Flow:
    """Connections of one family that a holder opens or accepts, under one path."""

    way: Way
    direction: str
    version: int
    own: tuple[Block, ...]
    """The holder's addresses that take part."""
    peers: tuple[Block, ...]
    ports: tuple[int, ...]
    all_own: bool
    """Whether every address of the holder in this family takes part."""


def holders(plan: Any, per: str, names: Iterable[str] | None) -> tuple[Holder, ...]:
    """The zones or hosts of *plan*, or those of them in *names*, by name. Raises NotAPlan or Refused.

    A zone of networks alone is seldom a set of cloud hosts: it is made when it is named.
    """
    findings = Findings()
    if per not in KINDS:
        findings.error(None, "per", per, "is not a choice", f"say one of {', '.join(KINDS)}")
    refuse(findings)
    known = _zones(plan, findings) if per == "zone" else _hosts(plan, findings)
    wanted = None if names is None else dict.fromkeys(map(str, names))
    for name in wanted or ():
        if name not in known:
            findings.error(None, "names", name, f"is no {per} of the plan", f"name a {per} that has addresses")
    refuse(findings)
    return tuple(known[name] for name in sorted(known) if (known[name].members if wanted is None else name in wanted))


def _zones(plan: Any, findings: Findings) -> dict[str, Holder]:
    found = {}
    for number, zone in enumerate(entries(plan, "zones")):
        if not isinstance(zone, Mapping) or not isinstance(zone.get("name"), str):
            findings.error(
                f"zones[{number}]", "name", None, "is missing", "give what alertpath.smtp.smtp_plan returned"
            )
            continue
        raw = [*zone.get("addresses", ()), *zone.get("networks", ())]
        if raw:
            blocks = read_blocks(raw, zone["name"], "addresses", findings)
            managed = bool(zone.get("group")) and bool(zone.get("managed"))
            found[zone["name"]] = Holder(zone["name"], "zone", blocks, managed, bool(zone.get("addresses")))
    return found


def _hosts(plan: Any, findings: Findings) -> dict[str, Holder]:
    found = {}
    for name, host in hosts(plan).items():
        if host.get("addresses"):
            blocks = read_blocks(host["addresses"], str(name), "addresses", findings)
            found[str(name)] = Holder(str(name), "host", blocks, "host" in host.get("enforces", ()))
    return found


def opened(plan: Any, today: datetime.date) -> Openings:
    """What *plan* opens as of *today*."""
    return openings(plan, today)


def flows(holder: Holder, live: Iterable[Opening]) -> list[Flow]:
    """What *holder* takes part in, by path, direction and family."""
    found = []
    families = [(version, of_family(holder.blocks, version)) for version in (4, 6)]
    for opening in live:
        for direction in (EGRESS, INGRESS):
            near = opening.spans[0 if direction == EGRESS else 1]
            for version, mine in families:
                here, there = opening.ends(version) if direction == EGRESS else reversed(opening.ends(version))
                own = shared(mine, here, near)
                if not own:
                    continue
                peers = _beyond(there, mine) if holder.kind == "host" else there
                if own == peers and len(own) == 1 and own[0].single:
                    continue  # a host needs no rule to reach itself
                if peers and _concerns(opening.way, direction, holder):
                    whole = all(near.covers(block) for block in mine)
                    found.append(Flow(opening.way, direction, version, own, peers, opening.ports, whole))
    return found


def _beyond(far: Iterable[Block], mine: tuple[Block, ...]) -> tuple[Block, ...]:
    """The peers of a host: not itself."""
    return tuple(block for block in far if block not in mine)


def _concerns(way: Way, direction: str, holder: Holder) -> bool:
    """A LAN gateway's mode speaks for the LAN behind it, and never opens a managed host that is not its mail server."""
    if not way.gateway or not holder.managed:
        return True
    return direction == (EGRESS if way.mode == "internal_mail_server" else INGRESS)


def public(blocks: Iterable[Block]) -> bool:
    """Whether any of the *blocks* reaches beyond private networks."""
    return not all(_PRIVATE.covers(block) for block in blocks)


_PRIVATE = Span(
    Block(version, first, first + (1 << size) - 1)
    for version, first, size in (
        (4, 0x0A000000, 24),
        (4, 0x64400000, 22),
        (4, 0xAC100000, 20),
        (4, 0xC0A80000, 16),
        (6, 0xFC << 120, 121),
    )
)
"""RFC 1918, RFC 6598, RFC 4193."""
