# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports and interfaces as small numbers: every combination is one unit, a set of them one bit mask. Pure."""

from __future__ import annotations

from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Set, Tuple

from .addresses import same_name
from .model import Chain, Interface, Key, MarkMap, Match, Nat, Vmap
from .spans import Spans, contains

LOOPBACK = "lo"
_IN = ("iif", "iiftype", "iifgroup")
_OUT = ("oif", "oiftype", "oifgroup")


class Class(NamedTuple):
    """Interfaces that no rule tells apart. *sample* stands for all; *names* are those known, *present* those the host
    has; *open* when others that nobody named belong to it."""

    sample: str
    names: Tuple[str, ...]
    present: Tuple[str, ...]
    open: bool
    kind: str
    group: str


class Interfaces:
    """The classes of interfaces that a host's rules make. The loopback interface is in none."""

    def __init__(self, chains: Iterable[Chain], interfaces: Sequence[Interface]) -> None:
        patterns, typed, each = _patterns(chains)
        self._each = each
        self._exact = {name for name in patterns if not name.endswith("*")}
        self._starts = sorted(name for name in patterns if name.endswith("*"))
        self._typed = typed
        self._known = {interface.name: interface for interface in interfaces}
        self._by_signature: Dict[Tuple[object, ...], int] = {}
        self.classes: Tuple[Class, ...] = self._classes()

    def _signature(self, name: str) -> Tuple[object, ...]:
        own = self._known.get(name)
        alone = name in self._exact or name == LOOPBACK or (self._each and name in self._known)
        exact = name if alone else ""
        starts = tuple(start for start in self._starts if same_name(start, name))
        # Where types or devices under an interface matter, one that is there says more than one that nobody named.
        kind = (own.kind, own.group, "there") if own and self._typed else ("", "", "")
        return exact, starts, kind, own.lower if own else ()

    def _classes(self) -> Tuple[Class, ...]:
        # Nobody's name has a null byte in it, so these stand for the names that begin so and are not mentioned.
        others = ["\0", *(f"{start[:-1]}\0" for start in self._starts)]
        groups: Dict[Tuple[object, ...], List[str]] = {}
        for name in [*self._known, *sorted(self._exact), *others]:
            members = groups.setdefault(self._signature(name), [])
            if name not in members:
                members.append(name)
        found: List[Class] = []
        for signature, members in groups.items():
            if members[0] == LOOPBACK:
                continue
            named = tuple(name for name in members if "\0" not in name)
            own = self._known.get(members[0])
            self._by_signature[signature] = len(found)
            found.append(
                Class(
                    members[0],
                    named,
                    tuple(name for name in named if name in self._known),
                    len(named) < len(members),
                    own.kind if own else "",
                    own.group if own else "",
                )
            )
        return tuple(found)

    def place(self, name: str) -> int:
        """Return the number of the class that the interface *name* belongs to."""
        found = self._by_signature.get(self._signature(name))
        if found is None:
            # An interface without known type: as any other whose name nobody mentioned.
            found = self._by_signature.get((*self._signature(name)[:2], ("", "", ""), ()))
        if found is None:
            found = self._by_signature["", (), ("", "", ""), ()]
        return found

    def lower(self, name: str) -> Tuple[str, ...]:
        """Return the devices under the interface *name*."""
        own = self._known.get(name)
        return own.lower if own else ()

    def loopback(self) -> Optional[Interface]:
        """Return the loopback interface where it is known."""
        return self._known.get(LOOPBACK)


def _patterns(chains: Iterable[Chain]) -> Tuple[Set[str], bool, bool]:
    """The names that rules look for, whether they ask for types or groups, and whether for the routes back."""
    names: Set[str] = set()
    typed = each = False
    for chain in chains:
        names.update(chain.device or ())
        typed = typed or bool(chain.device)
        for rule in chain.rules:
            for step in rule.steps:
                if not isinstance(step, (Match, Vmap, Nat, MarkMap)):
                    continue
                for at, key in enumerate(step.keys):
                    if key.name in ("iif", "oif"):
                        names.update(_named(step, at))
                    elif key.name in _IN or key.name in _OUT:
                        typed = True
                    each = each or key.name == "reverse"
    return names, typed, each


def _named(step: object, at: int) -> Iterable[str]:
    if isinstance(step, Match):
        elements = step.sure + step.soft
    elif isinstance(step, (Vmap, Nat, MarkMap)):
        elements = tuple(item[0] for item in step.elements)
    else:
        return
    for element in elements:
        for name in element[at]:
            yield str(name)


class Units:
    """The combinations of ports, incoming and outgoing interfaces that are looked at together."""

    def __init__(self, ports: Sequence[int], ins: Sequence[Class], outs: Sequence[Class]) -> None:
        self.ports = tuple(ports)
        self.ins = tuple(ins)
        self.outs = tuple(outs)
        self.size = len(ports) * max(len(ins), 1) * max(len(outs), 1)
        self.all = (1 << self.size) - 1
        self._ports: Dict[Tuple[int, Spans], int] = {}

    def number(self, port: int, iif: int, oif: int) -> int:
        """Return the number of a unit; *port*, *iif* and *oif* count within this object's tuples."""
        return (port * max(len(self.ins), 1) + iif) * max(len(self.outs), 1) + oif

    def of_ports(self, wanted: Spans, mask: int = -1) -> int:
        """Return the units whose port is one of *wanted*."""
        found = self._ports.get((mask, wanted))
        if found is None:
            width = max(len(self.ins), 1) * max(len(self.outs), 1)
            found = 0
            for at, port in enumerate(self.ports):
                if contains(wanted, port if mask == -1 else port & mask):
                    found |= ((1 << width) - 1) << (at * width)
            self._ports[mask, wanted] = found
        return found

    def of_interfaces(self, side: str, chosen: Iterable[int]) -> int:
        """Return the units whose incoming (*side* "iif") or outgoing ("oif") class is one of *chosen*."""
        picked = set(chosen)
        found = 0
        for port in range(len(self.ports)):
            for iif in range(max(len(self.ins), 1)):
                for oif in range(max(len(self.outs), 1)):
                    if (iif if side == "iif" else oif) in picked:
                        found |= 1 << self.number(port, iif, oif)
        return found


def answers(key: Key, names: Iterable[str], item: Class) -> Optional[bool]:
    """Whether what *key* says of the interfaces in *item* is one of *names*; None when that is not known."""
    wanted = [str(name) for name in names]
    if key.name in ("iif", "oif"):
        return any(same_name(pattern, item.sample) for pattern in wanted)
    known = item.kind if key.name.endswith("type") else item.group
    if not known or item.open:
        return None
    return known in wanted
