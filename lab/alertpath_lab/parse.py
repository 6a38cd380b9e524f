# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse a topology document into a `Topology`, reporting everything that is wrong with it at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from typing import TypeVar

from .errors import Problem, TopologyError
from .topology import CONTROLLER, Address, AddressInNetwork, Base, Host, Interface, Network, Route, Segment, Topology

T = TypeVar("T")

_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_GROUP = re.compile(r"[a-z_][a-z0-9_]*")
_SECRET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_HOSTNAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
# A bridge is named after its segment: a network interface's name holds 15 characters (IFNAMSIZ, netdevice(7)).
_SEGMENT_LENGTH = 15
# <lab>-<host> is the machine's name: hostname(7) allows 64, of which a lab's name takes up to 16.
_HOST_LENGTH = 40
_RESERVED_HOSTS = {CONTROLLER, "switch", "localhost", "all", "ungrouped", "ca"}
# What the kernel calls a device of its own, or all devices (ip-sysctl.rst).
_RESERVED_SEGMENTS = {"all", "default", "lo"}
_RESERVED_VARIABLES = {"ansible_host", "smtp_addresses", "smtp_name", "lab_state", "lab_name"}
_TOP = ("domain", "base", "segments", "controller", "hosts", "secrets")


@dataclass
class _Parser:
    """Collects problems while values are made; a value that could not be made is left out."""

    problems: list[Problem]

    def wrong(self, field: str, message: str) -> None:
        self.problems.append(Problem(field, message))

    def mapping(self, value: object, field: str, allowed: tuple[str, ...] | None = None) -> dict[str, object]:
        """*value* as a mapping with text keys, of which all are among *allowed* (None: any)."""
        if not isinstance(value, Mapping):
            self.wrong(field, f"must be a mapping, not {_kind(value)}")
            return {}
        result: dict[str, object] = {}
        for key, item in value.items():
            if not isinstance(key, str):
                self.wrong(field, f"the key {key!r} must be text; put it in quotes")
            elif allowed is not None and key not in allowed:
                self.wrong(f"{field}.{key}" if field else key, f"is not known; known are {', '.join(allowed)}")
            else:
                result[key] = item
        return result

    def items(self, value: object, field: str) -> list[object]:
        if value is None:
            return []
        if not isinstance(value, list):
            self.wrong(field, f"must be a list, not {_kind(value)}")
            return []
        return value

    def matching(self, value: object, field: str, pattern: re.Pattern[str], what: str, length: int = 253) -> str | None:
        if not isinstance(value, str):
            self.wrong(field, f"must be {what}, not {_kind(value)}")
            return None
        if not pattern.fullmatch(value):
            self.wrong(field, f"{value!r} is not {what}")
            return None
        if len(value) > length:
            self.wrong(field, f"{value!r} is too long: {len(value)} characters, at most {length}")
            return None
        return value

    def names(self, value: object, field: str, pattern: re.Pattern[str], what: str) -> tuple[str, ...]:
        found: list[str] = []
        for index, item in enumerate(self.items(value, field)):
            name = self.matching(item, f"{field}[{index}]", pattern, what)
            if name is not None and name in found:
                self.wrong(f"{field}[{index}]", f"{name!r} is listed twice")
            elif name is not None:
                found.append(name)
        return tuple(found)


def _kind(value: object) -> str:
    return "nothing" if value is None else f"{type(value).__name__} {value!r}"


def parse_topology(document: object, source: str) -> Topology:
    """Return the topology in *document* (YAML already loaded).

    *source* names the file in errors. Raises TopologyError with all problems, each with its field.
    """
    parser = _Parser([])
    top = parser.mapping(document, "", _TOP)
    if not top:
        raise TopologyError(source, parser.problems or [Problem("(file)", "is empty; see lab/topology.yml")])
    domain = parser.matching(top.get("domain"), "domain", _HOSTNAME, "a domain in lower case") or "invalid"
    base = _base(parser, top.get("base", {}))
    segments = _segments(parser, top.get("segments"))
    raw_hosts = _raw_hosts(parser, top.get("hosts"))
    interfaces = {
        name: _interfaces(parser, raw.get("interfaces"), f"{field}.interfaces", segments)
        for name, field, raw in raw_hosts
    }
    raw_controller = parser.mapping(top.get(CONTROLLER), CONTROLLER, ("interfaces", "routes"))
    interfaces[CONTROLLER] = _interfaces(parser, raw_controller.get("interfaces"), "controller.interfaces", segments)
    _unique_addresses(parser, interfaces)
    _routers(parser, segments, interfaces)
    router = _RouteResolver(parser, segments, interfaces)
    hosts = tuple(_host(parser, name, field, raw, domain, router) for name, field, raw in raw_hosts)
    _groups(parser, hosts)
    controller = Host(
        CONTROLLER,
        (),
        False,
        interfaces[CONTROLLER],
        router.routes(CONTROLLER, CONTROLLER, raw_controller.get("routes")),
        f"{CONTROLLER}.{domain}",
        {},
    )
    secrets = parser.names(top.get("secrets"), "secrets", _SECRET, "a name of letters, digits, - and _")
    if parser.problems:
        raise TopologyError(source, parser.problems)
    return Topology(domain, base, tuple(segments.values()), controller, hosts, secrets)


def _base(parser: _Parser, value: object) -> Base:
    raw = parser.mapping(value, "base", ("suite", "packages"))
    suite = parser.matching(raw.get("suite", "bookworm"), "base.suite", _NAME, "the name of a Debian release")
    return Base(suite or "", parser.names(raw.get("packages"), "base.packages", _PACKAGE, "a package's name"))


def _segments(parser: _Parser, value: object) -> dict[str, Segment]:
    result: dict[str, Segment] = {}
    for name, item in parser.mapping(value, "segments").items():
        field = f"segments.{name}"
        parser.matching(name, field, _NAME, "a name of lower-case letters, digits and -", _SEGMENT_LENGTH)
        if name in _RESERVED_SEGMENTS:
            parser.wrong(field, f"{name!r} is the kernel's own name; choose another")
        raw = parser.mapping(item, field, ("ipv4", "ipv6", "router"))
        networks: list[Network] = []
        for key, version in (("ipv4", 4), ("ipv6", 6)):
            if key in raw:
                network = _converted(parser, raw[key], f"{field}.{key}", ip_network, "a network such as 10.0.0.0/24")
                if network is not None and network.version != version:
                    parser.wrong(f"{field}.{key}", f"{network} is not of this family")
                elif network is not None:
                    networks.append(network)
        if "ipv4" not in raw and "ipv6" not in raw:
            parser.wrong(field, "has no network; give ipv4, ipv6 or both")
        for other in result.values():
            for network in networks:
                for theirs in other.networks:
                    if network.version == theirs.version and network.overlaps(theirs):
                        parser.wrong(field, f"{network} overlaps {theirs} of segment {other.name}")
        router = raw.get("router")
        if router is not None and not isinstance(router, str):
            parser.wrong(f"{field}.router", f"must be a host's name, not {_kind(router)}")
            router = None
        result[name] = Segment(name, tuple(networks), router)
    return result


def _converted(parser: _Parser, value: object, field: str, convert: Callable[[str], T], what: str) -> T | None:
    if not isinstance(value, str):
        parser.wrong(field, f"must be {what}, not {_kind(value)}")
        return None
    try:
        return convert(value)
    except ValueError as error:
        parser.wrong(field, f"is not {what}: {error}")
        return None


def _raw_hosts(parser: _Parser, value: object) -> list[tuple[str, str, dict[str, object]]]:
    """Each host's name, its field and its mapping, unread."""
    allowed = ("groups", "forwarding", "interfaces", "routes", "smtp_name", "vars")
    result = []
    hosts = parser.mapping(value, "hosts")
    if not hosts and isinstance(value, Mapping):
        parser.wrong("hosts", "names no host")
    for name, item in hosts.items():
        field = f"hosts.{name}"
        parser.matching(name, field, _NAME, "a name of lower-case letters, digits and -", _HOST_LENGTH)
        if name in _RESERVED_HOSTS:
            parser.wrong(field, f"{name!r} is the lab's own name; choose another")
        result.append((name, field, parser.mapping(item, field, allowed)))
    return result


def _interfaces(parser: _Parser, value: object, field: str, segments: Mapping[str, Segment]) -> tuple[Interface, ...]:
    result = []
    for index, (name, item) in enumerate(parser.mapping(value, field).items()):
        where = f"{field}.{name}"
        segment = segments.get(name)
        if segment is None:
            parser.wrong(where, f"there is no segment {name!r}; known are {', '.join(segments) or 'none'}")
            continue
        addresses = []
        for position, text in enumerate(parser.items(item, where)):
            address = _converted(parser, text, f"{where}[{position}]", ip_address, "an address")
            placed = None if address is None else _placed(parser, address, f"{where}[{position}]", segment)
            if placed is not None:
                addresses.append(placed)
        if item == [] or item is None:
            parser.wrong(where, "has no address; list at least one")
        result.append(Interface(f"eth{index}", name, tuple(addresses)))
    if value == {}:
        parser.wrong(field, "names no segment")
    return tuple(result)


def _placed(parser: _Parser, address: Address, field: str, segment: Segment) -> AddressInNetwork | None:
    """*address* with its prefix length, when a host of *segment* can have it."""
    if not segment.networks:
        return None  # what is wrong with the segment has been said
    network = next((network for network in segment.networks if address in network), None)
    if network is None:
        networks = ", ".join(str(network) for network in segment.networks)
        parser.wrong(field, f"{address} is outside segment {segment.name} ({networks})")
        return None
    spare = network.prefixlen < network.max_prefixlen - 1
    if spare and address == network.network_address:
        parser.wrong(field, f"{address} is the address of the network {network} itself")
        return None
    if spare and address.version == 4 and address == network.broadcast_address:
        parser.wrong(field, f"{address} is the broadcast address of {network}")
        return None
    return ip_interface(f"{address}/{network.prefixlen}")


def _unique_addresses(parser: _Parser, interfaces: Mapping[str, tuple[Interface, ...]]) -> None:
    owner: dict[Address, str] = {}
    for name, own in interfaces.items():
        for interface in own:
            for address in interface.addresses:
                where = f"{'' if name == CONTROLLER else 'hosts.'}{name}.interfaces.{interface.segment}"
                if address.ip in owner:
                    parser.wrong(where, f"{address.ip} is already given to {owner[address.ip]}")
                owner.setdefault(address.ip, name)


def _routers(parser: _Parser, segments: Mapping[str, Segment], interfaces: Mapping[str, tuple[Interface, ...]]) -> None:
    for segment in segments.values():
        field = f"segments.{segment.name}.router"
        if segment.router is None:
            continue
        if segment.router == CONTROLLER or segment.router not in interfaces:
            parser.wrong(field, f"there is no host {segment.router!r}")
        elif segment.name not in {interface.segment for interface in interfaces[segment.router]}:
            parser.wrong(field, f"{segment.router} has no interface on {segment.name}; add one")


class _RouteResolver:
    """Turns `via: <host>` into that host's addresses on a segment both share."""

    def __init__(
        self, parser: _Parser, segments: Mapping[str, Segment], interfaces: Mapping[str, tuple[Interface, ...]]
    ) -> None:
        self._parser = parser
        self._segments = segments
        self._interfaces = interfaces

    def interfaces(self, name: str) -> tuple[Interface, ...]:
        """The interfaces of the host *name*, already read."""
        return self._interfaces[name]

    def routes(self, name: str, field: str, value: object) -> tuple[Route, ...]:
        """The routes listed in *value*; without a list, a default route through the first segment's router."""
        if value is None:
            return self._default(name)
        result: list[Route] = []
        for index, item in enumerate(self._parser.items(value, f"{field}.routes")):
            where = f"{field}.routes[{index}]"
            raw = self._parser.mapping(item, where, ("to", "via"))
            result.extend(self._route(name, where, raw))
        seen = set()
        for route in result:
            if route.destination in seen:
                self._parser.wrong(f"{field}.routes", f"{route.destination} is routed twice")
            seen.add(route.destination)
        return tuple(result)

    def _default(self, name: str) -> tuple[Route, ...]:
        for interface in self._interfaces[name]:
            router = self._segments[interface.segment].router
            if router is not None and router != name and router in self._interfaces:
                gateways = self._neighbour(name, router, interface.segment)
                return tuple(Route(_everything(gateway), gateway) for gateway in gateways)
        return ()

    def _route(self, name: str, field: str, raw: Mapping[str, object]) -> list[Route]:
        to, via = raw.get("to"), raw.get("via")
        destination: Network | None = None
        if to != "default":
            destination = _converted(self._parser, to, f"{field}.to", ip_network, "a network, or the word default")
            if destination is None:
                return []
        if not isinstance(via, str):
            self._parser.wrong(f"{field}.via", f"must be a host or an address, not {_kind(via)}")
            return []
        gateways = self._gateways(name, via, f"{field}.via")
        routes = [
            Route(destination if destination is not None else _everything(gateway), gateway)
            for gateway in gateways
            if destination is None or destination.version == gateway.version
        ]
        if gateways and not routes:
            self._parser.wrong(f"{field}.via", f"{via} has no address of the family of {destination}")
        return routes

    def _gateways(self, name: str, via: str, field: str) -> list[Address]:
        if via in self._interfaces:
            for interface in self._interfaces[name]:
                found = self._neighbour(name, via, interface.segment)
                if found and via != name:
                    return found
            self._parser.wrong(field, f"{via} shares no segment with {name}")
            return []
        address = _converted(self._parser, via, field, ip_address, "a host of this topology, or an address")
        if address is None:
            return []
        own = [interface for interface in self._interfaces[name] for a in interface.addresses if address in a.network]
        if not own:
            self._parser.wrong(field, f"{address} is on no segment of {name}")
            return []
        return [address]

    def _neighbour(self, name: str, via: str, segment: str) -> list[Address]:
        """One address of *via* on *segment* for each family that *name* has there."""
        mine = {a.version for i in self._interfaces[name] if i.segment == segment for a in i.addresses}
        theirs: dict[int, Address] = {}
        for interface in self._interfaces[via]:
            for address in interface.addresses if interface.segment == segment else ():
                theirs.setdefault(address.version, address.ip)
        return [theirs[version] for version in sorted(mine & set(theirs))]


def _everything(gateway: Address) -> Network:
    return ip_network("0.0.0.0/0" if gateway.version == 4 else "::/0")


def _host(
    parser: _Parser, name: str, field: str, raw: Mapping[str, object], domain: str, router: _RouteResolver
) -> Host:
    forwarding = raw.get("forwarding", False)
    if not isinstance(forwarding, bool):
        parser.wrong(f"{field}.forwarding", f"must be true or false, not {_kind(forwarding)}")
    default_name = f"{name}.{domain}"
    smtp_name = parser.matching(
        raw.get("smtp_name", default_name), f"{field}.smtp_name", _HOSTNAME, "a host name in lower case"
    )
    variables = parser.mapping(raw.get("vars", {}), f"{field}.vars")
    for key in sorted(_RESERVED_VARIABLES & set(variables)):
        parser.wrong(f"{field}.vars.{key}", "is written by the lab; remove it")
    return Host(
        name,
        parser.names(raw.get("groups"), f"{field}.groups", _GROUP, "a group of lower-case letters, digits and _"),
        bool(forwarding),
        router.interfaces(name),
        router.routes(name, field, raw.get("routes")),
        smtp_name or default_name,
        variables,
    )


def _groups(parser: _Parser, hosts: tuple[Host, ...]) -> None:
    names = {host.name for host in hosts}
    for host in hosts:
        for group in host.groups:
            if group in names or group in ("all", "ungrouped"):
                parser.wrong(
                    f"hosts.{host.name}.groups", f"{group!r} is a host's name or Ansible's own; choose another"
                )
