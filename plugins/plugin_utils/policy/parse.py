# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Untrusted YAML to a Policy, with every error of form gathered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import lockdown
from .errors import Findings, show
from .model import ANY, UNREAD, LanGateway, Path, Policy, Sentinel, Zone
from .reader import NAME, Reader
from .secrets import find_secrets

SMTP_PORTS = (25, 465, 587)
BLOCKED = ("reset", "admin-prohibited", "drop")
ENCRYPTIONS = ("starttls", "implicit", "none")
MODES = ("internal_mail_server", "gateway_mail_server")
REVIEW_OVERDUE = ("error", "warning")

_POLICY_KEYS = (
    "ports",
    "blocked",
    "widest",
    "zones",
    "paths",
    "lan_gateways",
    "lockdown",
    "sentinels",
    "review_overdue",
)
_ZONE_KEYS = ("group", "addresses", "networks", "name", "managed")
_PATH_KEYS = (
    *("id", "from", "to", "port", "ports", "encryption", "owner", "approved_by", "reason", "review_by"),
    *("cleartext_reason", "wide_reason"),
)
_GATEWAY_KEYS = ("hosts", "mode", "mail_server", "lan", "ports", "owner", "approved_by", "reason", "review_by")
_SENTINEL_KEYS = ("name", "address", "addresses")


def parse(raw: Any, findings: Findings) -> Policy:
    """Read *raw*, the value of smtp_policy. Errors land in *findings*; what could not be read leaves a stand-in."""
    if not isinstance(raw, Mapping):
        findings.error(None, None, None, "smtp_policy is not a mapping", "see docs/policy.md for one to begin with")
        findings.raise_errors()
    find_secrets(raw, findings)
    top = Reader(raw, "smtp_policy", findings)
    top.known_keys(_POLICY_KEYS)
    ports = _smtp_ports(top, findings)
    declared = raw.get("zones")
    names = [name for name in declared if isinstance(name, str)] if isinstance(declared, Mapping) else []
    return Policy(
        ports=ports,
        blocked=top.choice("blocked", BLOCKED, "reset") or "reset",
        widest=_widest(top, findings),
        zones=tuple(_zones(top, findings)),
        paths=tuple(_paths(top, names, ports, findings)),
        lan_gateways=tuple(_lan_gateways(top, names, ports, findings)),
        lockdowns=tuple(lockdown.parse(top, names, ports, findings)),
        sentinels=tuple(_sentinels(top, findings)),
        review_overdue=top.choice("review_overdue", REVIEW_OVERDUE, "error") or "error",
    )


def _smtp_ports(top: Reader, findings: Findings) -> tuple[int, ...]:
    ports = top.ports(["ports"], SMTP_PORTS)
    for port in ports:
        if port == 22:
            top.error("ports", port, "is the port of SSH, by which hosts are managed", "leave it out")
        if port >= 32768:
            findings.warning(
                *("smtp_policy", "ports", port, "lies where hosts choose ports of their own for outgoing connections"),
                "use a port below 32768, or replies to such a connection may be blocked",
            )
    return ports


def _widest(top: Reader, findings: Findings) -> tuple[int, int]:
    raw = top.raw.get("widest")
    if raw is None:
        return 24, 64
    if not isinstance(raw, Mapping):
        findings.error("smtp_policy", "widest", raw, "is not a mapping", "write {ipv4: 24, ipv6: 64}")
        return 24, 64
    reader = Reader(raw, "smtp_policy.widest", findings)
    reader.known_keys(("ipv4", "ipv6"))
    lengths = []
    for name, default, longest in (("ipv4", 24, 32), ("ipv6", 64, 128)):
        value = raw.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= longest:
            reader.error(name, value, "is not a prefix length", f"write a number from 0 to {longest}")
            value = default
        lengths.append(value)
    return lengths[0], lengths[1]


def _zones(top: Reader, findings: Findings) -> list[Zone]:
    raw = top.raw.get("zones")
    if raw is None:
        return []
    if not isinstance(raw, Mapping):
        findings.error("smtp_policy", "zones", None, "is not a mapping", "write each zone as name: {...}")
        return []
    found = []
    for key, value in raw.items():
        place = f"zones.{show(key)}"
        if not isinstance(value, Mapping):
            findings.error(
                place, None, value, "is not a mapping", "write {group: ...}, {addresses: [...]} or {networks: [...]}"
            )
            continue
        if not isinstance(key, str) or not NAME.fullmatch(key) or key == ANY:
            remedy = f"use letters, digits, dots, hyphens and underscores, in quotes if need be, and not {ANY!r}"
            findings.error(place, None, None, "cannot be a zone's name", remedy)
            continue
        reader = Reader(value, place, findings)
        reader.known_keys(_ZONE_KEYS)
        zone = Zone(
            name=key,
            group=reader.text("group"),
            addresses=reader.blocks("addresses", network=False),
            networks=reader.blocks("networks", network=True),
            server_name=reader.server_name("name"),
            managed=reader.flag("managed", True),
        )
        if not any(value.get(name) for name in ("group", "addresses", "networks")):
            if zone.server_name:
                remedy = "pin its addresses; the name is checked against them"
                reader.error("name", zone.server_name, "is given by name alone", remedy)
            else:
                reader.error("addresses", None, "is empty", "give it a group, addresses or networks")
        found.append(zone)
    return found


def _among(reader: Reader, name: str, ports: tuple[int, ...], smtp: tuple[int, ...]) -> None:
    for port in ports:
        if smtp and port not in smtp:
            reader.error(name, port, "is not among the policy's SMTP ports", f"add it to ports: {list(smtp)}")


def _paths(top: Reader, zones: list[str], smtp: tuple[int, ...], findings: Findings) -> list[Path]:
    found = []
    seen: set[str] = set()
    for place, raw in top.mappings("paths"):
        identity = Reader(raw, place, findings).name("id")
        reader = Reader(raw, identity or place, findings)
        if identity in seen:
            reader.error("id", identity, "names two paths", "give each path an id of its own")
        seen.add(identity or place)
        reader.known_keys(_PATH_KEYS)
        if raw.get("port") is not None and raw.get("ports") is not None:
            reader.error("ports", None, "stands beside port", "say one of the two")
        ports = reader.ports(["port", "ports"])
        _among(reader, "port" if raw.get("port") is not None else "ports", ports, smtp)
        found.append(
            Path(
                id=identity or place,
                source=reader.zone("from", zones, True),
                destination=reader.zone("to", zones, True),
                ports=ports,
                encryption=reader.choice("encryption", ENCRYPTIONS) or UNREAD,
                owner=reader.text("owner", required=True) or UNREAD,
                approved_by=reader.text("approved_by", required=True) or UNREAD,
                reason=reader.text("reason", required=True) or UNREAD,
                review_by=reader.date("review_by"),
                cleartext_reason=reader.text("cleartext_reason"),
                wide_reason=reader.text("wide_reason"),
            )
        )
    return found


def _lan_gateways(top: Reader, zones: list[str], smtp: tuple[int, ...], findings: Findings) -> list[LanGateway]:
    found = []
    for place, raw in top.mappings("lan_gateways"):
        reader = Reader(raw, place, findings)
        reader.known_keys(_GATEWAY_KEYS)
        if raw.get("hosts") is None:
            reader.error("hosts", None, "is missing", "name the inventory group of the routers")
        ports = reader.ports(["ports"], (25,))
        _among(reader, "ports", ports, smtp)
        gateway = LanGateway(
            hosts=reader.text("hosts") or UNREAD,
            mode=reader.choice("mode", MODES) or UNREAD,
            mail_server=reader.zone("mail_server", zones, False),
            ports=ports,
            lan=reader.zone("lan", zones, False) if raw.get("lan") is not None else None,
            owner=reader.text("owner"),
            approved_by=reader.text("approved_by"),
            reason=reader.text("reason"),
            review_by=reader.date("review_by", required=False),
            place=place,
        )
        missing = [name for name in ("owner", "approved_by", "reason", "review_by") if raw.get(name) in (None, "")]
        if missing:
            findings.warning(
                *(place, missing[0], None, f"opens a way without {', '.join(missing)}"),
                "say who owns it, who approved it, why, and until when",
            )
        if gateway in found:
            reader.error(None, None, "stands there twice", "remove one of the two")
        found.append(gateway)
    return found


def _sentinels(top: Reader, findings: Findings) -> list[Sentinel]:
    found = []
    for place, raw in top.mappings("sentinels"):
        reader = Reader(raw, place, findings)
        reader.known_keys(_SENTINEL_KEYS)
        name = reader.name("name")
        addresses = tuple(sorted({*reader.blocks("address", False), *reader.blocks("addresses", False)}))
        if raw.get("address") is None and raw.get("addresses") is None:
            reader.error("address", None, "is missing", "give the address that must be unreachable")
        if name and addresses:
            found.append(Sentinel(name, addresses, place))
    return found
