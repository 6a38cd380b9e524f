# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe matrix: what is to be tried, and what must be found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .accepts import Accept
from .addresses import Block
from .model import Host
from .rules import Texts
from .world import End, World


class Matrix:
    """All probes of a plan, made host by host.

    Which accepts lead to each destination is worked out once, as the bits of a number; what is open from a source is
    then one AND. The row of each host costs what it has cells.
    """

    def __init__(self, world: World, accepts: Sequence[Accept], texts: Texts) -> None:
        self._world = world
        self._accepts = accepts
        self._texts = texts
        self._sentinels = {end.block for end in world.sentinels}
        self._columns = [(end, self._leading_to(end)) for end in world.pinned]

    def _leading_to(self, end: End) -> int:
        owner = self._world.hosts.get(self._world.owner.get(end.block, ""))
        found = 0
        for bit, accept in enumerate(self._accepts):
            if accept.destination.span.covers(end.block) and (owner is None or self._concerns(accept, owner)):
                found |= 1 << bit
        return found

    def _concerns(self, accept: Accept, host: Host) -> bool:
        return accept.concerns(host, host.name in self._world.managed)

    def _leaving(self, host: Host, own: Block) -> int:
        found = 0
        for bit, accept in enumerate(self._accepts):
            if accept.source.span.covers(own) and self._concerns(accept, host):
                found |= 1 << bit
        return found

    def _chosen(self, mask: int) -> Iterator[Accept]:
        while mask:
            bit = mask & -mask
            yield self._accepts[bit.bit_length() - 1]
            mask ^= bit

    def row(self, host: Host) -> list[dict[str, Any]]:
        """Every probe that starts at *host*: each pinned address but its own, on every port, from each address it has.

        A path to a network permits, but promises no server at each address of it: such a cell is left out, unless the
        destination is a sentinel, which is there to be tried.
        """
        found: list[dict[str, Any]] = []
        mine = frozenset(host.addresses)
        for own in host.addresses:
            leaving = self._leaving(host, own)
            for end, leading in self._columns:
                if end.block.version != own.version or end.block in mine:
                    continue
                both = tuple(self._chosen(leaving & leading))
                for port in self._world.policy.ports:
                    self._add(found, own, end, port, [accept for accept in both if port in accept.ports])
        return found

    def _add(self, found: list[dict[str, Any]], own: Block, end: End, port: int, opened: list[Accept]) -> None:
        exact = next((accept for accept in opened if end.block in accept.destination.pinned), None)
        if opened and not exact and end.block not in self._sentinels:
            return
        accept = exact or (opened[0] if opened else None)
        found.append(
            {
                "path": accept.id if accept else None,
                "expect": "allowed" if accept else "blocked",
                "host": end.label,
                "source": self._texts[own],
                "destination": self._texts[end.block],
                "port": port,
                "encryption": accept.encryption if accept else None,
                "name": exact.destination.pinned[end.block].server_name if exact else None,
            }
        )
