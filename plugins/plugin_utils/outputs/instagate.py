# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The worksheet for an InstaGate: what to set on an appliance without an interface for machines, step by step. Pure.

Fields, values and their order are those of the vendor's guide for its two configurations, internal mail server and
gateway mail server. What the guide does not say is left out, and what the policy asks for beyond it is told as a limit.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from . import documents_plan as plans
from .documents import as_plain, count, listed, slugs
from .documents_plan import Way

INTERNAL, GATEWAY = "internal_mail_server", "gateway_mail_server"
# The service that the guide's rules select. Its port: RFC 5321 section 4.5.4.2.
SERVICE, SMTP = "SMTP", 25


@dataclass(frozen=True)
class Field:
    """One field of a screen, and what to set it to."""

    field: str
    value: str


@dataclass(frozen=True)
class Step:
    """One thing to do. *stage* is `scanning`, `rule`, `order`, `clients` or `verify`."""

    number: int
    stage: str
    screen: str
    action: str
    fields: tuple[Field, ...]
    note: str


@dataclass(frozen=True)
class Limit:
    """Something that the policy asks for and the device's configuration does not do. *blocks_use*: so much so that
    there are no steps."""

    what: str
    remedy: str
    blocks_use: bool = False


@dataclass(frozen=True)
class Declared:
    """One entry of the policy that the worksheet comes from."""

    id: str
    mode: str
    mail_server: str
    addresses: tuple[str, ...]
    owner: str | None
    approved_by: str | None
    reason: str | None
    review_by: str | None


@dataclass(frozen=True)
class Worksheet:
    """What to do on the InstaGate of one inventory group. Without steps when *limits* hold one that blocks its use."""

    name: str
    """The group, as part of a file's name."""
    group: str
    mode: str | None
    """None when the policy declares both modes for the group."""
    digest: str
    usable: bool
    steps: tuple[Step, ...]
    limits: tuple[Limit, ...]
    declared: tuple[Declared, ...]

    def as_dict(self) -> dict[str, Any]:
        """The worksheet as plain data."""
        return as_plain(asdict(self))


def worksheets(plan: Any) -> tuple[Worksheet, ...]:
    """Return a worksheet for each group that *plan* (docs/plan.md) has as LAN gateway, by group. Raises NotAPlan."""
    ways = plans.ways(plan)
    groups: dict[str, list[Way]] = {}
    for way in ways:
        if way.gateway:
            groups.setdefault(str(way.hosts), []).append(way)
    names = slugs(groups)
    return tuple(_worksheet(names[group], group, groups[group], ways, plan) for group in sorted(groups))


def _worksheet(name: str, group: str, own: Sequence[Way], ways: Sequence[Way], plan: Any) -> Worksheet:
    modes = sorted({str(way.mode) for way in own})
    mode = modes[0] if len(modes) == 1 else None
    servers = _servers(own)
    limits = [*_blocking(modes, servers, own), *_limits(mode, servers, own, ways, plan)]
    usable = not any(limit.blocks_use for limit in limits)
    return Worksheet(
        name=name,
        group=group,
        mode=mode,
        digest=plans.digest(plan),
        usable=usable,
        steps=_steps(str(mode), servers, plan) if usable else (),
        limits=tuple(limits),
        declared=tuple(
            Declared(
                way.id,
                str(way.mode),
                str(way.mail_server),
                _ends(way),
                way.owner,
                way.approved_by,
                way.reason,
                way.review_by.isoformat() if way.review_by else None,
            )
            for way in own
        ),
    )


def _ends(way: Way) -> tuple[str, ...]:
    """The mail server's addresses, which stand at another end in each mode."""
    return way.sources if way.mode == INTERNAL else way.destinations


def _servers(own: Sequence[Way]) -> tuple[str, ...]:
    """The IPv4 addresses of the mail servers that are declared for SMTP's port, in order."""
    found = {address for way in own if SMTP in way.ports for address in _ends(way) if _version(address) == 4}
    return tuple(sorted(found, key=ipaddress.ip_network))


def _version(text: str) -> int:
    return ipaddress.ip_network(text).version


def _blocking(modes: Sequence[str], servers: Sequence[str], own: Sequence[Way]) -> list[Limit]:
    """What leaves nothing that could be set on the device without opening or closing more than is declared."""
    found = []
    if len(modes) > 1:
        what = (
            "the policy declares both modes for this group, and the guide gives one or the other, never both together"
        )
        found.append(Limit(what, "declare one mode for this group, or use a Linux router there", True))
    unknown = [mode for mode in modes if mode not in (INTERNAL, GATEWAY)]
    if unknown:
        found.append(Limit(f"the guide has no configuration {listed(unknown)}", "declare one of its two", True))
    if not any(SMTP in way.ports for way in own):
        what = f"the mode is declared without port {SMTP}, and the guide's rules are for the service {SERVICE} alone"
        found.append(Limit(what, f"add {SMTP} to the gateway's ports, or use a Linux router there", True))
    elif not servers:
        what = "the mail server has no IPv4 address, and the guide gives IPv4 rules only"
        found.append(Limit(what, "give the mail server an IPv4 address, or use a Linux router there", True))
    elif any(ipaddress.ip_network(server).num_addresses > 1 for server in servers):
        what = "the mail server is a network, and the guide gives a rule for one address"
        found.append(Limit(what, "pin the mail server's addresses", True))
    elif modes == [GATEWAY] and len(servers) > 1:
        what = (
            f"the mail server has {len(servers)} IPv4 addresses ({listed(servers)}): the one rule of this "
            "configuration excludes one address, and a second rule would deny what the first one excludes"
        )
        found.append(Limit(what, "pin one IPv4 address for it, or use a Linux router there", True))
    return found


def _limits(
    mode: str | None, servers: Sequence[str], own: Sequence[Way], ways: Sequence[Way], plan: Any
) -> list[Limit]:
    found = []
    others = [str(port) for port in plan.get("ports") or () if port != SMTP]
    if others:
        what = f"the rules are for the service {SERVICE}, port {SMTP}: they do not close {' and '.join(others)}"
        found.append(Limit(what, "close these ports on another device on the way, or use a Linux router there"))
    found.append(
        Limit(
            "the guide gives IPv4 rules only: SMTP over IPv6 is not denied", "close IPv6 on the device, or on the way"
        )
    )
    what = "the rules are for the interface LAN: other interfaces, and what the device itself sends, are not covered"
    found.append(Limit(what, "look at the rules of every other interface"))
    left_out = sorted({a for way in own if SMTP in way.ports for a in _ends(way) if _version(a) == 6})
    if left_out and servers:
        found.append(Limit(f"the mail server's IPv6 addresses {listed(left_out)} are in no rule", "see IPv6 above"))
    without = sorted({str(way.mail_server) for way in own if SMTP not in way.ports})
    if without and servers:
        what = f"{listed(without)} is declared without port {SMTP}, so it is in no rule"
        found.append(Limit(what, f"add {SMTP} to its ports if it is meant to use it"))
    if mode == GATEWAY:
        found += _gateway_limits(servers, own, plan)
    if mode:
        found += [_lost(way) for way in ways if not way.gateway and _is_lost(way, mode, servers)]
    return found


def _gateway_limits(servers: Sequence[str], own: Sequence[Way], plan: Any) -> list[Limit]:
    found = []
    lans = sorted({way.lan for way in own if way.lan})
    if lans:
        what = (
            "the rule is for the source ANY: whoever stands on the LAN reaches the mail server, "
            f"not zone {listed(lans)} only"
        )
        found.append(Limit(what, "limit who may connect at the mail server itself"))
    routers = [host for host in plans.hosts(plan).values() if "router" in (host.get("enforces") or ())]
    held = {str(address) for host in routers for address in host.get("addresses") or ()}
    foreign = [server for server in servers if server not in held]
    if foreign:
        what = (
            f"{listed(foreign)} is no address of a LAN gateway in the plan; "
            "the guide excludes the gateway's own LAN address"
        )
        found.append(Limit(what, "make sure that the device itself has this address on its LAN"))
    return found


def _is_lost(way: Way, mode: str, servers: Sequence[str]) -> bool:
    """Whether the deny rule stops a connection that the declared path *way* allows."""
    if SMTP not in way.ports:
        return False
    sources = [text for text in way.sources if _version(text) == 4]
    destinations = [text for text in way.destinations if _version(text) == 4]
    ends = sources if mode == INTERNAL else destinations
    return bool(sources and destinations) and not set(ends) <= set(servers)


def _lost(way: Way) -> Limit:
    ends = f"{way.source_zone} to {way.destination_zone}, port {SMTP}"
    what = f"path {way.id} ({ends}) is denied where it enters from the LAN"
    return Limit(what, "lead it around this device, or use a Linux router there")


def _steps(mode: str, servers: Sequence[str], plan: Any) -> tuple[Step, ...]:
    rules = _internal_rules(servers) if mode == INTERNAL else _gateway_rule(servers[0])
    found = [_scanning(), *rules]
    if mode == INTERNAL:
        found += [_order(servers), _clients(servers)]
    found += _verification(mode, servers, plan)
    return tuple(Step(number, *rest) for number, rest in enumerate(found, 1))


_Draft = tuple[str, str, str, tuple[Field, ...], str]
_ANTIVIRUS, _RULES = "Gateway anti-virus", "Firewall rules, interface LAN"


def _scanning() -> _Draft:
    fields = (
        Field("Other SMTP scanning", "off"),
        Field("Local (Relay/Server) SMTP scanning", "on"),
        Field("Outgoing scanning", "on"),
    )
    note = (
        "Other SMTP scanning is a transparent proxy that takes SMTP before the firewall's rules are asked: "
        "while it is on, no rule below has any effect."
    )
    return "scanning", _ANTIVIRUS, "Turn the transparent SMTP proxy off, leave the other two on", fields, note


def _rule(action: str, source: tuple[Field, ...], destination: tuple[Field, ...]) -> tuple[Field, ...]:
    return (
        Field("Action", action),
        Field("Interface", "LAN"),
        *source,
        *destination,
        Field("Services", f"Selected: {SERVICE}"),
    )


_FROM_ANY, _TO_ANY = (Field("Source", "ANY (object)"),), (Field("Destination", "ANY (object)"),)


def _internal_rules(servers: Sequence[str]) -> list[_Draft]:
    found: list[_Draft] = []
    for server in servers:
        source = (Field("Source match", "Include"), Field("Source", f"{server}/32 (network address and mask)"))
        action = f"Add the rule that lets the mail server {server} deliver"
        found.append(("rule", _RULES, action, _rule("Accept", source, _TO_ANY), ""))
    deny = "Add the rule that denies everybody else, below the Accept rules"
    return [*found, ("rule", _RULES, deny, _rule("Deny", _FROM_ANY, _TO_ANY), "")]


def _gateway_rule(server: str) -> list[_Draft]:
    destination = (
        Field("Destination match", "Exclude"),
        Field("Destination", f"{server}, the gateway's LAN address"),
    )
    note = "The one rule of this configuration: it denies every destination but the gateway itself."
    action = "Add the rule that denies everything but the gateway"
    return [("rule", _RULES, action, _rule("Deny", _FROM_ANY, destination), note)]


def _order(servers: Sequence[str]) -> _Draft:
    fields = (
        *(Field(f"Place {number}", f"Accept, source {server}/32") for number, server in enumerate(servers, 1)),
        Field(f"Place {len(servers) + 1}", "Deny, source ANY"),
    )
    action = f"Look at the order: {count(len(servers), 'Accept rule')} above the Deny rule"
    return "order", _RULES, action, fields, "Below the Deny, an Accept is never reached."


def _clients(servers: Sequence[str]) -> _Draft:
    fields = (Field("Outgoing server (SMTP)", listed(servers)),)
    return "clients", "Mail clients on the LAN", "Let the clients send through the mail server", fields, ""


def _verification(mode: str, servers: Sequence[str], plan: Any) -> list[_Draft]:
    screen = "A host on the LAN, with a mail client or telnet"
    other = screen if mode == GATEWAY else "A host on the LAN that is not the mail server, with a mail client or telnet"
    found: list[_Draft] = [
        ("verify", other, f"Connect to {server} port {SMTP}", (Field("Expected", "it answers"),), "")
        for server in servers
    ]
    sentinels = [(name, address) for name, address in _sentinels(plan) if address not in servers]
    targets = [f"{name} {address}" for name, address in sentinels] or ["a public SMTP server"]
    found += [
        ("verify", other, f"Connect to {target} port {SMTP}", (Field("Expected", "blocked"),), "") for target in targets
    ]
    if mode == INTERNAL:
        note = "The policy lets the mail server deliver anywhere."
        sent = (Field("Expected", "the mail arrives"),)
        found.append(("verify", "The mail server", "Send a mail through it to an address outside", sent, note))
    return found


def _sentinels(plan: Any) -> list[tuple[str, str]]:
    return [
        (str(sentinel["name"]), str(address))
        for sentinel in plans.entries(plan, "sentinels")
        for address in sentinel["addresses"]
        if _version(str(address)) == 4
    ]
