# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe matrix: what is to be tried, and what must be found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .accepts import Accept, Reach
from .addresses import Block
from .model import Host
from .rules import Texts
from .world import End, World


class Matrix:
    """All probes of a plan, made host by host.

    What is open between two addresses are the accepts that both leave the one and arrive at the other: each side is
    worked out once, as the bits of a number, and a cell is one AND.
    """

    def __init__(self, world: World, accepts: Sequence[Accept], reach: Reach, texts: Texts) -> None:
        self._world = world
        self._accepts = accepts
        self._bits = {id(accept): 1 << number for number, accept in enumerate(accepts)}
        self._reach = reach
        self._texts = texts
        self._sentinels = {end.block for end in world.sentinels}
        self._columns = [(end, self._arriving(end.block)) for end in world.pinned]

    def _arriving(self, block: Block) -> int:
        owner = self._world.hosts.get(self._world.owner.get(block, ""))
        return self._mask(self._reach.arriving(block), owner)

    def _mask(self, accepts: Iterable[Accept], host: Host | None) -> int:
        """The accepts in which *host*, when it is known, has a part."""
        managed = host is not None and host.name in self._world.managed
        mask = 0
        for accept in accepts:
            if host is None or accept.concerns(host, managed):
                mask |= self._bits[id(accept)]
        return mask

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
            leaving = self._mask(self._reach.leaving(own), host)
            for end, arriving in self._columns:
                if end.block.version != own.version or end.block in mine:
                    continue
                both = tuple(self._chosen(leaving & arriving))
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
