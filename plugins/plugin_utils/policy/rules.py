# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accepts of one host: what it may open, accept and route. Everything else on the policy's ports is blocked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .accepts import Accept, Reach
from .addresses import Block
from .model import Host


class Rule(NamedTuple):
    """One accept. Sorts as plans list it: by path, family, addresses as numbers, port."""

    path: str
    source: Block
    destination: Block
    port: int


class Texts(dict[Block, str]):
    """Blocks as plans print them, each printed once."""

    def __missing__(self, block: Block) -> str:
        text = self[block] = str(block)
        return text


def egress(host: Host, reach: Reach, managed: bool) -> list[Rule]:
    """What *host* may open."""
    mine = frozenset(host.addresses)
    return _tidy(
        Rule(accept.id, own, block, port)
        for own in host.addresses
        for accept in reach.leaving(own)
        if accept.concerns(host, managed)
        for block in accept.destination.blocks
        if block.version == own.version and block not in mine
        for port in accept.ports
    )


def ingress(host: Host, reach: Reach, managed: bool) -> list[Rule]:
    """What *host* may accept."""
    mine = frozenset(host.addresses)
    return _tidy(
        Rule(accept.id, block, own, port)
        for own in host.addresses
        for accept in reach.arriving(own)
        if accept.concerns(host, managed)
        for block in accept.source.blocks
        if block.version == own.version and block not in mine
        for port in accept.ports
    )


def forward(host: Host, accepts: Iterable[Accept]) -> list[Rule]:
    """What the router *host* may route: everything that is open between others."""
    mine = frozenset(host.addresses)
    return _tidy(
        Rule(accept.id, source, destination, port)
        for accept in accepts
        if accept.routed_by(host)
        for source in accept.source.blocks
        if source not in mine
        for destination in accept.destination.blocks
        if destination.version == source.version
        and destination not in mine
        and not (source == destination and source.single)
        for port in accept.ports
    )


def _tidy(rules: Iterable[Rule]) -> list[Rule]:
    """The rules in order; of several for the same connections, that of the first path."""
    first: dict[tuple[Any, ...], Rule] = {}
    for rule in sorted(rules):
        first.setdefault(rule[1:], rule)
    return list(first.values())


def shown(rules: Iterable[Rule], texts: Texts) -> list[dict[str, object]]:
    """The rules as plans hold them."""
    return [
        {"path": path, "source": texts[source], "destination": texts[destination], "port": port}
        for path, source, destination, port in rules
    ]
