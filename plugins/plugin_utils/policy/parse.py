# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Untrusted YAML to a Policy, with every error of form gathered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .errors import Findings
from .model import ANY, LanGateway, Path, Policy, Sentinel, Zone
from .reader import Reader, find_secrets, nearest

SMTP_PORTS = (25, 465, 587)
BLOCKED = ("reset", "admin-prohibited", "drop")
ENCRYPTIONS = ("starttls", "implicit", "none")
MODES = ("internal_mail_server", "gateway_mail_server")
REVIEW_OVERDUE = ("error", "warning")

_POLICY_KEYS = ("ports", "blocked", "widest", "zones", "paths", "lan_gateways", "sentinels", "review_overdue")
_ZONE_KEYS = ("group", "addresses", "networks", "name", "managed")
_PATH_KEYS = (
    *("id", "from", "to", "port", "ports", "encryption", "owner", "approved_by", "reason", "review_by"),
    *("cleartext_reason", "wide_reason"),
)
_GATEWAY_KEYS = ("hosts", "mode", "mail_server", "lan", "ports", "owner", "approved_by", "reason", "review_by")
_SENTINEL_KEYS = ("name", "address", "addresses")


def parse(raw: Any, findings: Findings) -> Policy:
    """Read *raw*, the value of smtp_policy. Errors land in *findings*; what could not be read is left out."""
    if not isinstance(raw, Mapping):
        findings.error(None, None, None, "smtp_policy is not a mapping", "see docs/policy.md for one to begin with")
        findings.raise_errors()
    find_secrets(raw, "", findings)
    top = Reader(raw, "smtp_policy", findings)
    top.known_keys(_POLICY_KEYS)
    ports = top.ports(["ports"], SMTP_PORTS)
    for port in ports:
        if port >= 32768:
            findings.warning(
                *("smtp_policy", "ports", port, "lies where hosts choose ports of their own for outgoing connections"),
                "use a port below 32768, or replies to such a connection may be blocked",
            )
    zones = tuple(_zones(top, findings))
    names = [zone.name for zone in zones]
    return Policy(
        ports=ports,
        blocked=top.choice("blocked", BLOCKED, "reset") or "reset",
        widest=_widest(top, findings),
        zones=zones,
        paths=tuple(_paths(top, names, ports, findings)),
        lan_gateways=tuple(_lan_gateways(top, names, ports, findings)),
        sentinels=tuple(_sentinels(top, findings)),
        review_overdue=top.choice("review_overdue", REVIEW_OVERDUE, "error") or "error",
    )


def _mappings(top: Reader, name: str, findings: Findings) -> list[tuple[str, Mapping[Any, Any]]]:
    found = []
    for number, item in enumerate(top.items(name)):
        if isinstance(item, Mapping):
            found.append((f"{name}[{number}]", item))
        else:
            findings.error(f"{name}[{number}]", None, item, "is not a mapping", "write it as key: value lines")
    return found


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
        place = f"zones.{key}"
        if not isinstance(value, Mapping):
            findings.error(
                place, None, value, "is not a mapping", "write {group: ...}, {addresses: [...]} or {networks: [...]}"
            )
            continue
        if not isinstance(key, str) or key == ANY:
            findings.error(place, None, None, "cannot be a zone's name", f"choose a word other than {ANY!r}")
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
                message, remedy = "is given by name alone", "pin its addresses; the name is checked against them"
            else:
                message, remedy = "is empty", "give it a group, addresses or networks"
            reader.error(None, None, message, remedy)
        found.append(zone)
    return found


def _zone_name(reader: Reader, name: str, zones: list[str], with_any: bool) -> str | None:
    value = reader.raw.get(name)
    known = [*zones, ANY] if with_any else zones
    if value is None:
        reader.error(name, None, "is missing", f"name a zone: {', '.join(sorted(known))}")
    elif not isinstance(value, str) or value not in known:
        reader.error(name, value, "is not a zone", nearest(str(value), known))
    else:
        return value
    return None


def _paths(top: Reader, zones: list[str], smtp: tuple[int, ...], findings: Findings) -> list[Path]:
    found = []
    seen: set[str] = set()
    for place, raw in _mappings(top, "paths", findings):
        identity = Reader(raw, place, findings).name("id")
        if identity in seen:
            findings.error(identity, "id", identity, "names two paths", "give each path an id of its own")
        reader = Reader(raw, identity or place, findings)
        reader.known_keys(_PATH_KEYS)
        if raw.get("port") is not None and raw.get("ports") is not None:
            reader.error("ports", None, "stands beside port", "say one of the two")
        ports = reader.ports(["port", "ports"])
        for port in ports:
            if smtp and port not in smtp:
                reader.error("port", port, "is not among the policy's SMTP ports", f"add it to ports: {list(smtp)}")
        source = _zone_name(reader, "from", zones, True)
        destination = _zone_name(reader, "to", zones, True)
        review_by = reader.date("review_by")
        texts = {name: reader.text(name, required=True) for name in ("owner", "approved_by", "reason")}
        encryption = reader.choice("encryption", ENCRYPTIONS)
        if identity is None or identity in seen:
            continue
        seen.add(identity)
        if source and destination and ports and encryption and review_by and all(texts.values()):
            words = {name: text or "" for name, text in texts.items()}
            path = Path(identity, source, destination, ports, encryption, review_by=review_by, **words)
            why_cleartext, why_wide = reader.text("cleartext_reason"), reader.text("wide_reason")
            found.append(replace(path, cleartext_reason=why_cleartext, wide_reason=why_wide))
    return found


def _lan_gateways(top: Reader, zones: list[str], smtp: tuple[int, ...], findings: Findings) -> list[LanGateway]:
    found = []
    for place, raw in _mappings(top, "lan_gateways", findings):
        reader = Reader(raw, place, findings)
        reader.known_keys(_GATEWAY_KEYS)
        hosts = reader.text("hosts")
        if hosts is None:
            reader.error("hosts", None, "is missing", "name the inventory group of the routers")
        mode = reader.choice("mode", MODES)
        mail_server = _zone_name(reader, "mail_server", zones, False)
        lan = _zone_name(reader, "lan", zones, False) if raw.get("lan") is not None else None
        ports = reader.ports(["ports"], (25,))
        for port in ports:
            if smtp and port not in smtp:
                reader.error("ports", port, "is not among the policy's SMTP ports", f"add it to ports: {list(smtp)}")
        missing = [name for name in ("owner", "approved_by", "reason") if reader.text(name) is None]
        if missing:
            findings.warning(
                *(place, missing[0], None, f"opens a way without {', '.join(missing)}"),
                "say who owns it, who approved it and why",
            )
        if hosts and mode and mail_server:
            found.append(LanGateway(hosts, mode, mail_server, ports, lan))
    return found


def _sentinels(top: Reader, findings: Findings) -> list[Sentinel]:
    found = []
    for place, raw in _mappings(top, "sentinels", findings):
        reader = Reader(raw, place, findings)
        reader.known_keys(_SENTINEL_KEYS)
        name = reader.name("name")
        addresses = tuple(sorted({*reader.blocks("address", False), *reader.blocks("addresses", False)}))
        if raw.get("address") is None and raw.get("addresses") is None:
            reader.error("address", None, "is missing", "give the address that must be unreachable")
        if name and addresses:
            found.append(Sentinel(name, addresses))
    return found
