# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of one host: which connections it may open, accept and route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .accepts import Accept
from .addresses import Block
from .model import Host


class Rule(NamedTuple):
    """One accept. Sorts as plans list it: by path, family, addresses as numbers, port."""

    path: str
    source: Block
    destination: Block
    port: int


def egress(host: Host, accepts: Iterable[Accept], managed: bool) -> list[Rule]:
    """What *host* may open."""
    return _tidy(
        Rule(accept.id, own, end.block, port)
        for accept in accepts
        if accept.concerns(host, managed)
        for own in host.addresses
        if accept.source.span.covers(own)
        for end in accept.destination.ends
        if end.block.version == own.version and end.block not in host.addresses
        for port in accept.ports
    )


def ingress(host: Host, accepts: Iterable[Accept], managed: bool) -> list[Rule]:
    """What *host* may accept."""
    return _tidy(
        Rule(accept.id, end.block, own, port)
        for accept in accepts
        if accept.concerns(host, managed)
        for own in host.addresses
        if accept.destination.span.covers(own)
        for end in accept.source.ends
        if end.block.version == own.version and end.block not in host.addresses
        for port in accept.ports
    )


def forward(host: Host, accepts: Iterable[Accept]) -> list[Rule]:
    """What *host* may route: everything that is open between others."""
    own = frozenset(host.addresses)
    return _tidy(
        Rule(accept.id, source.block, destination.block, port)
        for accept in accepts
        for source in accept.source.ends
        if source.block not in own
        for destination in accept.destination.ends
        if destination.block.version == source.block.version
        and destination.block not in own
        and not (destination.block.single and destination.block == source.block)
        for port in accept.ports
    )


def _tidy(rules: Iterable[Rule]) -> list[Rule]:
    """Sort, and leave out what another rule already accepts; of equals, the first path's stays."""
    first: dict[tuple[Block, Block, int], Rule] = {}
    for rule in rules:
        key = rule[1:]
        if key not in first or rule.path < first[key].path:
            first[key] = rule
    wide = [rule for rule in first.values() if not (rule.source.single and rule.destination.single)]
    return sorted(rule for rule in first.values() if not any(_inside(rule, other) for other in wide))


def _inside(rule: Rule, other: Rule) -> bool:
    return (
        rule.port == other.port
        and rule[1:] != other[1:]
        and other.source.covers(rule.source)
        and other.destination.covers(rule.destination)
    )


def shown(rules: Iterable[Rule]) -> Iterator[dict[str, object]]:
    """The rules as plans hold them."""
    for rule in rules:
        yield {
            "path": rule.path,
            "source": str(rule.source),
            "destination": str(rule.destination),
            "port": rule.port,
        }
