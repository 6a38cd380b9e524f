# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may pass a host in lockdown besides SMTP, read out of the module's options. Pure."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple, Union

from .nets import Net, Rule, parse_end, parse_port

DIRECTIONS = ("ingress", "egress")
PROTOCOLS = ("tcp", "udp", "icmp")
_KEYS = frozenset(("path", "direction", "protocol", "source", "destination", "port"))
# The type of an echo request: RFC 792, and RFC 4443 section 4.1.
_ECHO_REQUEST = {4: 8, 6: 128}


class Management(NamedTuple):
    """One declared connection besides SMTP. For ICMP, an echo request and its answer; *rule* has no port then."""

    direction: str
    protocol: str
    rule: Rule


def parse(entries: Sequence[Any], smtp: Set[int], known: Dict[str, Net], problems: List[str]) -> Tuple[Management, ...]:
    """Return the management connections of the module's option *entries*; what is wrong is added to *problems*.

    *smtp* are the governed ports, which paths alone may open; *known* caches addresses that were read.
    """
    found = []
    for number, entry in enumerate(entries):
        read = _entry(entry, smtp, known)
        if isinstance(read, Management):
            found.append(read)
        else:
            problems += [f"management[{number}]: {problem}" for problem in read]
    return tuple(found)


def _entry(entry: Any, smtp: Set[int], known: Dict[str, Net]) -> Union[Management, List[str]]:
    if not isinstance(entry, dict):
        return [f"{entry!r} is not a rule: write direction, protocol, source, destination, port and path"]
    problems: List[str] = []
    if not _KEYS.issuperset(entry):
        unknown = ", ".join(sorted(map(repr, entry.keys() - _KEYS)))
        problems.append(f"unknown key {unknown}: a rule has path, direction, protocol, source, destination, port")
    direction = _choice(entry, "direction", DIRECTIONS, None, problems)
    protocol = _choice(entry, "protocol", PROTOCOLS, "tcp", problems)
    source = parse_end(entry, "source", known, problems)
    destination = parse_end(entry, "destination", known, problems)
    if source and destination and source.version != destination.version:
        problems.append(f"source {source.text} and destination {destination.text} are of different IP versions")
    port = _port(entry, protocol, source, smtp, problems)
    if problems or not (direction and protocol and source and destination):
        return problems
    return Management(direction, protocol, Rule(source, destination, port, str(entry.get("path") or "")))


def _choice(
    entry: Mapping[str, Any], key: str, choices: Sequence[str], default: Optional[str], problems: List[str]
) -> Optional[str]:
    value = entry.get(key, default)
    if isinstance(value, str) and value in choices:
        return value
    problems.append(f"{key}: {value!r} is not one of {', '.join(choices)}" if value else f"{key}: is missing")
    return None


def _port(
    entry: Mapping[str, Any], protocol: Optional[str], source: Optional[Net], smtp: Set[int], problems: List[str]
) -> int:
    if protocol == "icmp":
        if entry.get("port") is not None:
            problems.append("port: ICMP has no ports: leave it out")
        return _ECHO_REQUEST[source.version] if source else 0
    port = parse_port(entry.get("port"))
    if port is None:
        problems.append(f"port: {entry.get('port')!r} is not a port: write a number from 1 to 65535")
    elif protocol == "tcp" and port in smtp:
        problems.append(f"port: {port} is governed by the declared paths: say it in egress or ingress")
    return port or 0
