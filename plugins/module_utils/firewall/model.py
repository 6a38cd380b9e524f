# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's firewall must let pass: typed, and checked whole before anything is rendered. Pure."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, Union

BLOCKED = ("reset", "admin-prohibited", "drop")
DIRECTIONS = ("egress", "ingress", "forward")
RATE_UNITS = ("second", "minute", "hour", "day")

# Linux hands out client ports from here upwards by default (ip_local_port_range in the kernel's ip-sysctl.rst).
EPHEMERAL_FROM = 32768

_WIDTH = {4: 32, 6: 128}
_LENGTH = re.compile(r"(0|[1-9][0-9]{0,2})\Z")
_KEYS = frozenset(("path", "source", "destination", "port"))


class RulesRefused(ValueError):
    """The options do not describe a firewall. The text lists everything that is wrong, one problem a line."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("the rules are refused:\n" + "\n".join(f"- {problem}" for problem in problems))


class Net(NamedTuple):
    """A network, or one address as the network of full length. *first* is its lowest address as a number."""

    version: int
    first: int
    length: int
    text: str

    @property
    def plain(self) -> bool:
        """Whether this is a single address."""
        return self.length == _WIDTH[self.version]

    @property
    def last(self) -> int:
        """The highest address as a number."""
        return self.first | ((1 << (_WIDTH[self.version] - self.length)) - 1)


class Rule(NamedTuple):
    """One accept: connections from *source* to *destination* on TCP *port*; *path* names the policy's path."""

    source: Net
    destination: Net
    port: int
    path: str


@dataclass(frozen=True)
class LogLine:
    """How often a blocked attempt is logged, in nft's words ("10/minute"), and to which netlink group, if any."""

    rate: str
    group: Optional[int] = None


@dataclass(frozen=True)
class Ruleset:
    """All rules of one host. What no rule accepts on *ports* is blocked; nothing else is touched."""

    ports: Tuple[int, ...]
    egress: Tuple[Rule, ...] = ()
    ingress: Tuple[Rule, ...] = ()
    forward: Tuple[Rule, ...] = ()
    router: bool = False
    blocked: str = "reset"
    log: Optional[LogLine] = None

    def directions(self) -> Dict[str, Tuple[Rule, ...]]:
        """Return the governed directions with their rules. Forwarding is governed on routers only."""
        found = {"egress": self.egress, "ingress": self.ingress}
        return {**found, "forward": self.forward} if self.router else found


def parse_net(text: str) -> Net:
    """Return the network written as *text*: an address, or a prefix without host bits.

    Raises ValueError with the reason and a remedy.
    """
    # The C library reads thousands of addresses ten times as fast as ipaddress, which has the last word on the rest.
    address, slash, length = text.partition("/")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        packed = socket.inet_pton(family, address)
    except (OSError, ValueError):
        return _parse_rest(text)
    version, width = (6, 128) if family == socket.AF_INET6 else (4, 32)
    first = int.from_bytes(packed, "big")
    if not slash or length == str(width):
        return _unmapped(Net(version, first, width, socket.inet_ntop(family, packed)))
    if not _LENGTH.match(length) or int(length) > width or first & ((1 << (width - int(length))) - 1):
        return _parse_rest(text)
    return _unmapped(Net(version, first, int(length), f"{socket.inet_ntop(family, packed)}/{length}"))


def _parse_rest(text: str) -> Net:
    if "%" in text:
        raise ValueError(f"{text!r} carries an interface name: write the address without it")
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        if "host bits" in str(error):
            meant = ipaddress.ip_network(text, strict=False)
            raise ValueError(f"{text!r} has bits set behind its prefix: write {meant}, or the address alone") from None
        raise ValueError(f"{text!r} is neither an IP address nor a network in prefix form") from None
    found = Net(network.version, int(network.network_address), network.prefixlen, str(network))
    return _unmapped(found._replace(text=str(network.network_address)) if found.plain else found)


def _unmapped(net: Net) -> Net:
    # RFC 4291 2.5.5.2: such addresses stand for IPv4 in a program; on the wire those packets are IPv4.
    if net.version == 6 and net.length >= 96 and net.first >> 32 == 0xFFFF:
        raise ValueError(f"{net.text!r} is an IPv4 address in IPv6 form, which no packet carries: write it as IPv4")
    return net


def from_options(options: Mapping[str, Any]) -> Ruleset:
    """Return the Ruleset of the module's *options*: ports, egress, ingress, forward, router, blocked, log, log_rate,
    log_group; rules are dicts with source, destination, port and optionally path.

    Raises RulesRefused with every problem found, each with its place, the value and what to do.
    """
    problems: List[str] = []
    ports = _ports(options.get("ports") or [], problems)
    router = bool(options.get("router"))
    known: Dict[str, Net] = {}
    rules = {name: _rules(name, options.get(name) or [], set(ports), known, problems) for name in DIRECTIONS}
    if options.get("forward") and not router:
        problems.append("forward: this host is not a router: set router to true, or leave forward empty")
    blocked = options.get("blocked") or "reset"
    if blocked not in BLOCKED:
        problems.append(f"blocked: {blocked!r} is not one of {', '.join(BLOCKED)}")
    log = _log(options, problems) if options.get("log", True) else None
    if problems:
        raise RulesRefused(problems)
    return Ruleset(ports, rules["egress"], rules["ingress"], rules["forward"], router, blocked, log)


def warnings(ruleset: Ruleset) -> List[str]:
    """Return what the reader of *ruleset* should know though nothing is wrong."""
    high = [str(port) for port in ruleset.ports if port >= EPHEMERAL_FROM]
    if not high:
        return []
    return [
        f"ports {', '.join(high)} lie where clients take their own port numbers: answers to a connection that "
        "happens to leave from such a port are blocked too; choose ports below 32768"
    ]


def _port(value: Any) -> Optional[int]:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,5}", value):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65536 else None


def _ports(values: Sequence[Any], problems: List[str]) -> Tuple[int, ...]:
    found = set()
    for value in values:
        port = _port(value)
        if port is None:
            problems.append(f"ports: {value!r} is not a TCP port: write a number from 1 to 65535")
        elif port == 22:
            problems.append("ports: 22 is SSH's port and never governed here: remove it")
        else:
            found.add(port)
    if not values:
        problems.append("ports: none given: name the TCP ports that count as SMTP, such as 25, 465, 587")
    return tuple(sorted(found))


def _rules(
    name: str, entries: Sequence[Any], ports: Set[int], known: Dict[str, Net], problems: List[str]
) -> Tuple[Rule, ...]:
    rules = []
    for number, entry in enumerate(entries):
        found = _rule(entry, ports, known)
        if isinstance(found, Rule):
            rules.append(found)
        else:
            problems += [f"{name}[{number}]: {problem}" for problem in found]
    return tuple(rules)


def _rule(entry: Any, ports: Set[int], known: Dict[str, Net]) -> Union[Rule, List[str]]:
    if not isinstance(entry, dict):
        return [f"{entry!r} is not a rule: write source, destination, port and path"]
    problems: List[str] = []
    if not _KEYS.issuperset(entry):
        unknown = ", ".join(sorted(map(repr, entry.keys() - _KEYS)))
        problems.append(f"unknown key {unknown}: a rule has path, source, destination, port")
    port = entry.get("port")
    if not isinstance(port, int) or isinstance(port, bool) or port not in ports:
        port = _port(port)
        if port is None:
            problems.append(f"port: {entry.get('port')!r} is not a TCP port: write a number from 1 to 65535")
        elif port not in ports:
            problems.append(f"port: {port} is not governed, so the rule has no effect: add it to ports")
    source = _end(entry, "source", known, problems)
    destination = _end(entry, "destination", known, problems)
    if source and destination and source.version != destination.version:
        problems.append(f"source {source.text} and destination {destination.text} are of different IP versions")
    if problems or source is None or destination is None or port is None:
        return problems
    return Rule(source, destination, port, str(entry.get("path") or ""))


def _end(entry: Dict[str, Any], key: str, known: Dict[str, Net], problems: List[str]) -> Optional[Net]:
    text = entry.get(key)
    if not isinstance(text, str):
        problems.append(
            f"{key}: {text!r} is not text: write an IP address or a network" if text else f"{key}: is missing"
        )
        return None
    found = known.get(text)
    if found is None:
        try:
            found = known[text] = parse_net(text)
        except ValueError as error:
            problems.append(f"{key}: {error}")
    return found


def _log(options: Mapping[str, Any], problems: List[str]) -> LogLine:
    rate = str(options.get("log_rate") or "10/minute")
    if not re.fullmatch(rf"[1-9][0-9]{{0,5}}/({'|'.join(RATE_UNITS)})", rate):
        problems.append(f"log_rate: {rate!r} is not a rate: write a number, a slash and one of {', '.join(RATE_UNITS)}")
    group = options.get("log_group")
    if group is not None and not (isinstance(group, int) and not isinstance(group, bool) and 0 <= group < 65536):
        problems.append(f"log_group: {group!r} is not a netlink group: write a number from 0 to 65535")
    return LogLine(rate, group)
