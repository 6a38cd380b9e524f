# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's firewall must let pass: typed, and checked whole before anything is rendered. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple, Union

from . import management
from .management import Management
from .nets import Net, Rule, parse_end, parse_port

BLOCKED = ("reset", "admin-prohibited", "drop")
DIRECTIONS = ("egress", "ingress", "forward")
RATE_UNITS = ("second", "minute", "hour", "day")

# Linux hands out client ports from here upwards by default (ip_local_port_range in the kernel's ip-sysctl.rst).
EPHEMERAL_FROM = 32768

_KEYS = frozenset(("path", "source", "destination", "port"))


class RulesRefused(ValueError):
    """The options do not describe a firewall. The text lists everything that is wrong, one problem a line."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("the rules are refused:\n" + "\n".join(f"- {problem}" for problem in problems))


@dataclass(frozen=True)
class LogLine:
    """How often a blocked attempt is logged, in nft's words ("10/minute"), and to which netlink group, if any."""

    rate: str
    group: Optional[int] = None


@dataclass(frozen=True)
class Ruleset:
    """All rules of one host. What no rule accepts on *ports* is blocked."""

    ports: Tuple[int, ...]
    egress: Tuple[Rule, ...] = ()
    ingress: Tuple[Rule, ...] = ()
    forward: Tuple[Rule, ...] = ()
    router: bool = False
    blocked: str = "reset"
    log: Optional[LogLine] = None
    management: Optional[Tuple[Management, ...]] = None
    """What may pass besides SMTP when everything else is denied; None when nothing else is touched."""

    def directions(self) -> Dict[str, Tuple[Rule, ...]]:
        """Return the governed directions with their rules. Forwarding is governed on routers only."""
        found = {"egress": self.egress, "ingress": self.ingress}
        return {**found, "forward": self.forward} if self.router else found


def from_options(options: Mapping[str, Any]) -> Ruleset:
    """Return the Ruleset of the module's *options*: ports, egress, ingress, forward, router, blocked, log, log_rate,
    log_group, lockdown, management; rules are dicts with source, destination, port and optionally path.

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
    managed = _management(options, set(ports), known, problems)
    if problems:
        raise RulesRefused(problems)
    return Ruleset(ports, rules["egress"], rules["ingress"], rules["forward"], router, blocked, log, managed)


def _management(
    options: Mapping[str, Any], smtp: Set[int], known: Dict[str, Net], problems: List[str]
) -> Optional[Tuple[Management, ...]]:
    entries = options.get("management") or []
    if not options.get("lockdown"):
        if entries:
            problems.append("management: means nothing without lockdown: set lockdown to true, or leave it out")
        return None
    found = management.parse(entries, smtp, known, problems)
    if not any(item.direction == "ingress" and item.protocol == "tcp" for item in found):
        problems.append(
            "management: nobody could log in over the network any more: name an incoming TCP connection, such as SSH's"
        )
    return found


def warnings(ruleset: Ruleset) -> List[str]:
    """Return what the reader of *ruleset* should know though nothing is wrong."""
    high = [str(port) for port in ruleset.ports if port >= EPHEMERAL_FROM]
    if not high:
        return []
    return [
        f"ports {', '.join(high)} lie where clients take their own port numbers: answers to a connection that "
        "happens to leave from such a port are blocked too; choose ports below 32768"
    ]


def _ports(values: Sequence[Any], problems: List[str]) -> Tuple[int, ...]:
    found = set()
    for value in values:
        port = parse_port(value)
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
        port = parse_port(port)
        if port is None:
            problems.append(f"port: {entry.get('port')!r} is not a TCP port: write a number from 1 to 65535")
        elif port not in ports:
            problems.append(f"port: {port} is not governed, so the rule has no effect: add it to ports")
    source = parse_end(entry, "source", known, problems)
    destination = parse_end(entry, "destination", known, problems)
    if source and destination and source.version != destination.version:
        problems.append(f"source {source.text} and destination {destination.text} are of different IP versions")
    if problems or source is None or destination is None or port is None:
        return problems
    return Rule(source, destination, port, str(entry.get("path") or ""))


def _log(options: Mapping[str, Any], problems: List[str]) -> LogLine:
    rate = str(options.get("log_rate") or "10/minute")
    if not re.fullmatch(rf"[1-9][0-9]{{0,5}}/({'|'.join(RATE_UNITS)})", rate):
        problems.append(f"log_rate: {rate!r} is not a rate: write a number, a slash and one of {', '.join(RATE_UNITS)}")
    group = options.get("log_group")
    if group is not None and not (isinstance(group, int) and not isinstance(group, bool) and 0 <= group < 65536):
        problems.append(f"log_group: {group!r} is not a netlink group: write a number from 0 to 65535")
    return LogLine(rate, group)
