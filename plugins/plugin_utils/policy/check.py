# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a well-formed policy is refused for, or warned about."""

from __future__ import annotations

import datetime
from itertools import combinations

from .addresses import Block, unusable
from .errors import Findings
from .model import ANY, Path, Policy
from .world import World

_USUAL = {
    (465, "starttls"): "465 is the port of implicit TLS (RFC 8314 section 3.3)",
    (587, "implicit"): "587 is the port of STARTTLS (RFC 6409 section 3.1)",
}
_SOON = datetime.timedelta(days=30)


def check(policy: Policy, world: World, today: datetime.date, findings: Findings) -> None:
    """Add every refusal and warning to *findings*."""
    for zone in policy.zones:
        for block in zone.addresses:
            _usable(f"zones.{zone.name}", block, findings)
    for sentinel in policy.sentinels:
        for block in sentinel.addresses:
            _usable(f"sentinels.{sentinel.name}", block, findings)
    for path in policy.paths:
        _ends(path, policy, world, findings)
        _encryption(path, world, findings)
        _review(path, policy, today, findings)
        _enforceable(path, world, findings)
    for number, gateway in enumerate(policy.lan_gateways):
        if any(not end.block.single for end in world.places[gateway.mail_server].ends):
            findings.error(
                *(f"lan_gateways[{number}]", "mail_server", gateway.mail_server, "is wider than a mail server"),
                "name a zone of pinned addresses, or a group",
            )
        if gateway.mode == "gateway_mail_server" and gateway.lan is None:
            findings.warning(
                *(
                    f"lan_gateways[{number}]",
                    "lan",
                    None,
                    "is missing: the mail server is open to every network that is routed",
                ),
                "name the zone of the LAN's networks",
            )
    for one, two in combinations(sorted(policy.paths, key=lambda path: path.id), 2):
        _pair(one, two, world, findings)


def _usable(place: str, block: Block, findings: Findings) -> None:
    problem = unusable(block)
    if problem:
        findings.error(place, "addresses", block, problem, "pin the address that the server has")


def _ends(path: Path, policy: Policy, world: World, findings: Findings) -> None:
    if path.source == path.destination == ANY:
        findings.error(path.id, "to", ANY, "opens everything to everybody", "name the zones that must speak")
        return
    for name, zone in (("from", path.source), ("to", path.destination)):
        limit = dict(zip((4, 6), policy.widest, strict=True))
        wide = [end.block for end in world.places[zone].ends if end.block.prefix < limit[end.block.version]]
        if wide and not path.wide_reason:
            what = zone if zone == ANY else f"{zone} ({wide[0]})"
            findings.error(
                *(path.id, name, what, f"is wider than a path may be (/{policy.widest[0]}, /{policy.widest[1]})"),
                "narrow the zone, or say wide_reason",
            )
    source, destination = world.places[path.source], world.places[path.destination]
    if source.ends and destination.ends and not source.versions & destination.versions:
        findings.error(
            *(path.id, "to", path.destination, f"shares no address family with {path.source}"),
            "give both IPv4 addresses, or both IPv6",
        )


def _encryption(path: Path, world: World, findings: Findings) -> None:
    if path.encryption == "none":
        if not path.cleartext_reason:
            findings.error(
                *(path.id, "encryption", "none", "lets mail pass in clear text"),
                "use starttls, or say cleartext_reason",
            )
        return
    for port in path.ports:
        why = _USUAL.get((port, path.encryption))
        if why:
            findings.warning(path.id, "encryption", path.encryption, f"is unusual on port {port}: {why}", "look again")
    if any(end.block.single and end.server_name is None for end in world.places[path.destination].ends):
        findings.warning(
            *(path.id, "to", path.destination, "has no name to check its certificate against"),
            f"give zone {path.destination} a name",
        )


def _review(path: Path, policy: Policy, today: datetime.date, findings: Findings) -> None:
    if path.review_by < today:
        add = findings.error if policy.review_overdue == "error" else findings.warning
        days = (today - path.review_by).days
        add(
            path.id,
            "review_by",
            path.review_by,
            f"was {days} days ago",
            "review the path and set a new date, or remove it",
        )
    elif path.review_by <= today + _SOON:
        days = (path.review_by - today).days
        findings.warning(
            path.id, "review_by", path.review_by, f"is due in {days} days", "review the path and set a new date"
        )


def _enforceable(path: Path, world: World, findings: Findings) -> None:
    ends = (*world.places[path.source].ends, *world.places[path.destination].ends)
    if not world.routers and not any(end.label in world.managed for end in ends):
        findings.warning(
            *(path.id, None, None, "is enforced by no managed host"),
            "put one of its ends into a group, or declare a LAN gateway between them",
        )


def _pair(one: Path, two: Path, world: World, findings: Findings) -> None:
    """Two paths may overlap, but neither contradict nor shadow each other."""
    ports = set(one.ports) & set(two.ports)
    spans = [
        (world.places[getattr(one, name)].span, world.places[getattr(two, name)].span)
        for name in ("source", "destination")
    ]
    if not ports or not all(a.meets(b) for a, b in spans):
        return
    if one.encryption != two.encryption:
        findings.error(
            *(
                two.id,
                "encryption",
                two.encryption,
                f"contradicts path {one.id}, which says {one.encryption} for the same ends",
            ),
            "keep one of the two, or set their zones apart",
        )
        return
    for wide, narrow, pairs in ((one, two, spans), (two, one, [(b, a) for a, b in spans])):
        if set(narrow.ports) <= set(wide.ports) and all(a.covers_all(b) for a, b in pairs):
            findings.error(
                narrow.id, None, None, f"adds nothing to path {wide.id}, which covers it", "remove one of the two"
            )
            return
