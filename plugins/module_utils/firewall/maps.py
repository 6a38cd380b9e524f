# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules as the elements of verdict maps, arranged so that the kernel takes them. Pure.

A map with prefixes refuses an element whose corner lies inside another one (nft_pipapo_insert in the kernel answers
EEXIST or ENOTEMPTY), so rules that overlap must not meet in one map:

- single addresses go to a map of their own, which the kernel keeps as a hash;
- a rule inside a wider one adds nothing and is left out;
- what remains overlaps only crosswise (wider source, narrower destination), and goes to separate layers. Rules whose
  sources have the same prefix length never cross, so there are at most as many layers as prefix lengths.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from typing import Dict, Iterable, List, NamedTuple, Sequence, Set, Tuple

from .model import Net, Rule

_WIDTH = {4: 32, 6: 128}


class Element(NamedTuple):
    """One key of a verdict map, and the policy's paths it comes from. Its verdict is accept."""

    source: Net
    destination: Net
    port: int
    paths: Tuple[str, ...]


class VerdictMap(NamedTuple):
    """One map of the table: its *name*, IP *version*, whether it holds prefixes, and its elements."""

    name: str
    version: int
    interval: bool
    elements: Tuple[Element, ...]


def build(direction: str, rules: Iterable[Rule]) -> List[VerdictMap]:
    """Return the maps which together accept exactly what *rules* accept, in the order of their lookup."""
    merged: Dict[Tuple[int, int, int, int, int, int], Tuple[Rule, Set[str]]] = {}
    for rule in rules:
        source, destination, port, path = rule
        key = (source.version, source.length, destination.length, source.first, destination.first, port)
        seen = merged.get(key)
        if seen is None:
            merged[key] = (rule, {path})
        else:
            seen[1].add(path)
    found = []
    for version in (4, 6):
        plain: List[Element] = []
        wide: List[Element] = []
        width = _WIDTH[version]
        for key in sorted(key for key in merged if key[0] == version):
            rule, paths = merged[key]
            element = Element(rule.source, rule.destination, rule.port, tuple(sorted(filter(None, paths))))
            (plain if key[1] == width and key[2] == width else wide).append(element)
        if plain:
            found.append(VerdictMap(f"{direction}{version}", version, False, tuple(plain)))
        for number, layer in enumerate(_layers(wide), 1):
            found.append(VerdictMap(f"{direction}{version}_net{number}", version, True, tuple(layer)))
    return found


class _Layer:
    """Elements that do not overlap, indexed by port and source. They are added widest source first."""

    def __init__(self) -> None:
        self.elements: List[Element] = []
        self._lengths: Set[int] = set()
        self._index: Dict[Tuple[int, int, int], List[Tuple[int, int]]] = {}

    def add(self, element: Element) -> None:
        source, destination = element.source, element.destination
        self.elements.append(element)
        self._lengths.add(source.length)
        insort(
            self._index.setdefault((element.port, source.length, source.first), []),
            (destination.first, destination.last),
        )

    def _above(self, element: Element) -> Iterable[List[Tuple[int, int]]]:
        source, width = element.source, _WIDTH[element.source.version]
        for length in self._lengths:
            first = source.first >> (width - length) << (width - length)
            found = self._index.get((element.port, length, first))
            if found is not None:
                yield found

    def contains(self, element: Element) -> bool:
        """Whether one element accepts all that *element* accepts."""
        first, last = element.destination.first, element.destination.last
        for spans in self._above(element):
            at = bisect_right(spans, (first, 1 << 128)) - 1
            if at >= 0 and spans[at][1] >= last:
                return True
        return False

    def crosses(self, element: Element) -> bool:
        """Whether *element*, which no element contains, overlaps one."""
        first, last = element.destination.first, element.destination.last
        for spans in self._above(element):
            at = bisect_left(spans, (first, 0))
            if at < len(spans) and spans[at][0] <= last:
                return True
        return False


def _layers(elements: Sequence[Element]) -> List[List[Element]]:
    """Arrange *elements*, sorted by the lengths of source and destination, into layers without overlap."""
    layers: List[_Layer] = []
    for element in elements:
        if any(layer.contains(element) for layer in layers):
            continue
        for layer in layers:
            if not layer.crosses(element):
                layer.add(element)
                break
        else:
            layers.append(_Layer())
            layers[-1].add(element)
    return [layer.elements for layer in layers]
