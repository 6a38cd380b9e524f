# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which declared way a rule or a probe of a plan belongs to. Pure.

In a plan a connection that several paths open stands once, under the first of them (docs/plan.md). Who reads about
another one of them must be told all the same who enforces it and what was seen of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ..policy.addresses import Block, Span, parse_block
from .documents_plan import Way


@lru_cache(maxsize=65536)
def block(text: str) -> Block:
    """Return the address or network that *text* writes. Raises ValueError."""
    return parse_block(text, network=True)


class Carriers:
    """Finds for rules and probes the ways that they carry."""

    def __init__(self, ways: Sequence[Way]) -> None:
        self._ways = ways
        self._sources = [Span(map(block, way.sources)) for way in ways]
        self._destinations = [Span(map(block, way.destinations)) for way in ways]
        self._by_id: dict[str, list[int]] = {}
        for number, way in enumerate(ways):
            self._by_id.setdefault(way.id, []).append(number)
        self._candidates = {
            identity: sorted({other for number in own for other in range(len(ways)) if self._meet(number, other)})
            for identity, own in self._by_id.items()
        }

    def _meet(self, one: int, two: int) -> bool:
        """Whether two ways have a connection in common."""
        return one == two or (
            not set(self._ways[one].ports).isdisjoint(self._ways[two].ports)
            and self._sources[one].meets(self._sources[two])
            and self._destinations[one].meets(self._destinations[two])
        )

    def of(self, item: Mapping[str, Any]) -> list[int]:
        """Return the places of the ways that *item* (with path, source, destination and port) carries, whole."""
        identity = str(item["path"])
        candidates = self._candidates.get(identity, [])
        if candidates == self._by_id.get(identity) and len(candidates) == 1:
            return candidates
        return [number for number in candidates if self._carries(number, item)]

    def _carries(self, number: int, item: Mapping[str, Any]) -> bool:
        return (
            item["port"] in self._ways[number].ports
            and self._sources[number].covers(block(str(item["source"])))
            and self._destinations[number].covers(block(str(item["destination"])))
        )

    def touched(self, identity: str, item: Mapping[str, Any]) -> list[int]:
        """Return the places of the ways that have a connection in common with *item* (source, destination and port),
        which stands under the path *identity*."""
        try:
            source, destination = (Span([block(str(item[end]))]) for end in ("source", "destination"))
        except ValueError:  # written otherwise than as an address or a network: it may touch any of them
            return self._candidates.get(identity, [])
        return [
            number
            for number in self._candidates.get(identity, [])
            if item["port"] in self._ways[number].ports
            and self._sources[number].meets(source)
            and self._destinations[number].meets(destination)
        ]

    def sort(self, items: Iterable[Mapping[str, Any]]) -> dict[int, list[Mapping[str, Any]]]:
        """Return the *items* by the place of the way that they carry."""
        found: dict[int, list[Mapping[str, Any]]] = {}
        for item in items:
            for number in self.of(item):
                found.setdefault(number, []).append(item)
        return found
