# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a well-formed policy is refused for, or warned about."""

from __future__ import annotations

import datetime

from . import lockdown
from .addresses import EVERYWHERE, Block, unusable
from .errors import Findings
from .model import ANY, LanGateway, Path, Policy
from .pairs import check_pairs
from .world import Place, World

_USUAL = {
    (25, "implicit"): "25 speaks plain SMTP or STARTTLS (RFC 3207)",
    (465, "starttls"): "465 is the port of implicit TLS (RFC 8314 section 3.3)",
    (587, "implicit"): "587 is the port of STARTTLS (RFC 6409 section 3.1)",
}
_SOON = datetime.timedelta(days=30)


def check(policy: Policy, world: World, today: datetime.date, findings: Findings) -> None:
    """Add every refusal and warning to *findings*."""
    for zone in policy.zones:
        _usable(f"zones.{zone.name}", "addresses", zone.addresses, findings)
        _usable(f"zones.{zone.name}", "networks", zone.networks, findings)
    for sentinel in policy.sentinels:
        _usable(sentinel.place, "addresses", sentinel.addresses, findings)
    for path in policy.paths:
        _ends(path, world, findings)
        _families(path, world, findings)
        _encryption(path, world, findings)
        _review(path.id, path.review_by, policy, today, findings)
        _enforceable(path, world, findings)
        _sentinel(path, world, findings)
    for gateway in policy.lan_gateways:
        _lan_gateway(gateway, world, findings)
        _review(gateway.place, gateway.review_by, policy, today, findings)
    for locked in policy.lockdowns:
        _review(locked.place, locked.review_by, policy, today, findings)
        for managed in locked.allow:
            _width(
                managed.place, "to" if managed.outgoing else "from", managed.peer, managed.wide_reason, world, findings
            )
    lockdown.check(policy, world, findings)
    check_pairs(policy, world, findings)
    if not world.managed:
        findings.warning(
            *("smtp_policy", None, None, "names no host that could enforce it"),
            "put hosts into a zone by their group, or name routers under lan_gateways",
        )


def _usable(place: str, name: str, blocks: tuple[Block, ...], findings: Findings) -> None:
    for block in blocks:
        problem = unusable(block)
        if problem:
            findings.error(place, name, block, problem, "write the address by which other hosts know it")


def _everywhere(place: Place) -> bool:
    return any(place.span.covers(block) for block in EVERYWHERE)


def _ends(path: Path, world: World, findings: Findings) -> None:
    source, destination = world.place(path.source), world.place(path.destination)
    if _everywhere(source) and _everywhere(destination):
        remedy = "name the zones that must speak"
        findings.error(path.id, "to", path.destination, "opens everything to everybody", remedy)
        return
    for name, zone in (("from", path.source), ("to", path.destination)):
        _width(path.id, name, zone, path.wide_reason, world, findings)


def _width(where: str, name: str, zone: str, wide_reason: str | None, world: World, findings: Findings) -> None:
    limit = {4: world.policy.widest[0], 6: world.policy.widest[1]}
    place = world.place(zone)
    wide = [block for block in place.blocks if block.prefix < limit[block.version]]
    if wide and not wide_reason:
        what = place.name if place.name == ANY else f"{place.name} ({wide[0]})"
        findings.error(
            *(where, name, what, f"is wider than a path may be (/{limit[4]}, /{limit[6]})"),
            "narrow the zone, or say wide_reason",
        )


def _families(path: Path, world: World, findings: Findings) -> None:
    source, destination = world.place(path.source), world.place(path.destination)
    if not source.ends or not destination.ends:
        return
    if not source.spans.keys() & destination.spans.keys():
        findings.error(
            *(path.id, "to", path.destination, f"shares no address family with {path.source}"),
            "give both IPv4 addresses, or both IPv6",
        )
        return
    families: dict[str, set[int]] = {}
    for end in source.ends:
        families.setdefault(end.label, set()).add(end.block.version)
    for label, versions in sorted(families.items()):
        if versions.isdisjoint(destination.spans):
            findings.warning(
                *(path.id, "from", label, f"cannot use the path: it shares no address family with {path.destination}"),
                "give it an address of the other family",
            )


def _encryption(path: Path, world: World, findings: Findings) -> None:
    if path.encryption == "none":
        if not path.cleartext_reason:
            remedy = "use starttls, or say cleartext_reason"
            findings.error(path.id, "encryption", "none", "lets mail pass in clear text", remedy)
        return
    for port in path.ports:
        why = _USUAL.get((port, path.encryption))
        if why:
            findings.warning(path.id, "encryption", path.encryption, f"is unusual on port {port}: {why}", "look again")
    destination = world.place(path.destination)
    if path.encryption and any(end.server_name is None for end in destination.pinned.values()):
        findings.warning(
            *(path.id, "to", path.destination, "has no name to check its certificate against"),
            f"give zone {path.destination} a name",
        )


def _review(
    place: str, review_by: datetime.date | None, policy: Policy, today: datetime.date, findings: Findings
) -> None:
    if review_by is None or review_by - today > _SOON:
        return
    days = abs((review_by - today).days)
    count = "1 day" if days == 1 else f"{days} days"
    if review_by < today:
        add = findings.error if policy.review_overdue == "error" else findings.warning
        remedy = "review the path and set a new date, or remove it"
        add(place, "review_by", review_by, f"was {count} ago", remedy)
    else:
        due = f"is due in {count}" if days else "is due today"
        findings.warning(place, "review_by", review_by, due, "review the path and set a new date")


def _enforceable(path: Path, world: World, findings: Findings) -> None:
    places = [world.place(path.source), world.place(path.destination)]
    if world.routers or not all(place.ends for place in places):
        return
    if not any(world.managed_span.meets(place.span) for place in places):
        findings.warning(
            *(path.id, "from", path.source, "is enforced by no managed host"),
            "put one of its ends into a group, or declare a LAN gateway between them",
        )


def _sentinel(path: Path, world: World, findings: Findings) -> None:
    destination = world.place(path.destination)
    for end in world.sentinels:
        if end.block in destination.pinned:
            findings.error(
                *(path.id, "to", path.destination, f"leads to sentinel {end.label}, which must be unreachable"),
                "remove the path, or the sentinel",
            )


def _lan_gateway(gateway: LanGateway, world: World, findings: Findings) -> None:
    if any(not end.block.single for end in world.place(gateway.mail_server).ends):
        remedy = "name a zone of pinned addresses, or a group"
        findings.error(gateway.place, "mail_server", gateway.mail_server, "is wider than a mail server", remedy)
    if gateway.mode == "gateway_mail_server" and gateway.lan is None:
        findings.warning(
            *(gateway.place, "lan", None, "is missing: the mail server is open to every network that is routed"),
            "name the zone of the LAN's networks",
        )
    if gateway.mode == "internal_mail_server" and gateway.lan is not None:
        findings.error(
            *(gateway.place, "lan", gateway.lan, "means nothing in this mode, which denies all but the mail server"),
            "leave lan out, or choose gateway_mail_server",
        )
