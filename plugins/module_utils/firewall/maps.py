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

from bisect import bisect_right
from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from .nets import Net, Rule

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
    plain: Dict[int, Dict[int, Element]] = {4: {}, 6: {}}
    wide: Dict[int, Dict[int, Element]] = {4: {}, 6: {}}
    paths: Dict[str, Tuple[str, ...]] = {"": ()}
    for source, destination, port, path in rules:
        named = paths.get(path)
        if named is None:
            named = paths[path] = (path,)
        version, first, length, _text = source
        _version, second, reach, _text = destination
        width = _WIDTH[version]
        key = (first << width | second) << 16 | port
        if length == width == reach:
            elements = plain[version]
        else:
            elements = wide[version]
            # In this order, what contains a rule comes before it.
            key |= (length << 8 | reach) << 2 * width + 16
        seen = elements.get(key)
        if seen is None:
            elements[key] = Element(source, destination, port, named)
        elif seen.paths is not named:
            elements[key] = seen._replace(paths=tuple(sorted({*seen.paths, *named})))
    found = []
    for version in (4, 6):
        if plain[version]:
            found.append(VerdictMap(f"{direction}{version}", version, False, tuple(_in_order(plain[version]))))
        layers = _layers(_in_order(wide[version]))
        found += [
            VerdictMap(f"{direction}{version}_net{number}", version, True, tuple(layer))
            for number, layer in enumerate(layers, 1)
        ]
    return found


def _in_order(elements: Dict[int, Element]) -> List[Element]:
    return [elements[key] for key in sorted(elements)]


class _Layer:
    """Elements that do not overlap, indexed by port and source. They are added widest source first."""

    def __init__(self) -> None:
        self.elements: List[Element] = []
        self._lengths: Set[int] = set()
        # port, length and address of a source: first and last addresses of its destinations, both in order
        self._index: Dict[Tuple[int, int, int], Tuple[List[int], List[int]]] = {}

    def add(self, element: Element, first: int, last: int) -> None:
        """Take *element*, which meets no other one here; its destinations are *first* to *last*."""
        (_version, address, length, _text), _destination, port, _paths = element
        self.elements.append(element)
        self._lengths.add(length)
        spans = self._index.get((port, length, address))
        if spans is None:
            self._index[port, length, address] = ([first], [last])
            return
        at = bisect_right(spans[0], first)
        spans[0].insert(at, first)
        spans[1].insert(at, last)

    def meets(self, element: Element, first: int, last: int) -> Optional[str]:
        """Return "contained" when one element here accepts all that *element* accepts, "crossed" when one accepts a
        part of it, and None when there is no overlap."""
        (version, address, _length, _text), _destination, port, _paths = element
        found = None
        for length in self._lengths:
            beyond = _WIDTH[version] - length
            spans = self._index.get((port, length, address >> beyond << beyond))
            if spans is None:
                continue
            firsts, lasts = spans
            at = bisect_right(firsts, first) - 1
            if at >= 0 and lasts[at] >= last:
                return "contained"
            if (at >= 0 and firsts[at] == first) or (at + 1 < len(firsts) and firsts[at + 1] <= last):
                found = "crossed"
        return found


def _lengths(element: Element) -> Tuple[int, int]:
    return element.source.length, element.destination.length


def _layers(elements: Sequence[Element]) -> List[List[Element]]:
    """Arrange *elements*, sorted by the lengths of source and destination, into layers without overlap."""
    if elements and _lengths(elements[0]) == _lengths(elements[-1]):
        return [list(elements)]  # prefixes of one length are the same or apart
    layers: List[_Layer] = []
    for element in elements:
        first, last = element.destination.first, element.destination.last
        free = None
        for layer in layers:
            met = layer.meets(element, first, last)
            if met == "contained":
                break
            if met is None and free is None:
                free = layer
        else:
            if free is None:
                free = _Layer()
                layers.append(free)
            free.add(element, first, last)
    return [layer.elements for layer in layers]
