# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rule's steps as boxes of packets, for packets of one state at one hook. Pure."""

from __future__ import annotations

from typing import Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from . import units as units_of
from .facts import Facts
from .model import PORT_TOP, TOP, Element, Key, Match, Rule, Unknown, Value, Verdict, Vmap, names, numbers
from .nft_keys import CT_STATES, LINK_TYPES
from .spans import Spans, contains, invert, join, meet, minus, normal
from .state import EITHER, NEW, NOT_YET, UNSURE, UNTRACKED, Hook, State, answer, bits_in

_REAL_PORTS: Spans = ((1, PORT_TOP),)
_CT_BIT = {NOT_YET: CT_STATES["invalid"], NEW: CT_STATES["new"], UNTRACKED: CT_STATES["untracked"]}
_ORIGINAL = ("osrc", "odst", "oport")
_KINDS = {number: name for name, number in LINK_TYPES.items()}


class Box(NamedTuple):
    """Packets: sources, destinations (None: all), units; *sure* when they match whatever is not known."""

    src: Optional[Spans]
    dst: Optional[Spans]
    units: int
    sure: bool


class Folded(NamedTuple):
    """One rule for one state. *items*: boxes in order, and what happens to their packets. When *rest* is not None, the
    packets go on to that step of the rule instead. *unknown*: what could not be decided. *low*, *high*: the lowest and
    highest source of all boxes."""

    rule: Rule
    items: List[Tuple[Box, Optional[Verdict]]]
    rest: Optional[int]
    unknown: Tuple[str, ...]
    low: int
    high: int


class View:
    """How packets of one IP version and state look at one hook."""

    def __init__(self, family: int, hook: Hook, state: State, units: units_of.Units, facts: Facts) -> None:
        self.family = family
        self.hook = hook
        self.state = state
        self.units = units
        self.facts = facts
        self.top = TOP[family]
        self.whole = Box(None, None, units.all, True)
        self._interfaces: Dict[Tuple[Key, Tuple[str, ...]], List[Box]] = {}

    def rule(self, rule: Rule, start: int = 0) -> Optional[Folded]:
        """Return *rule* from step *start* on, None when no packet of this view gets anywhere by it."""
        if start == 0:
            known, quick = self._quick(rule)
            if known:
                return quick
        boxes = [self.whole]
        unknown: List[str] = []
        steps = rule.steps
        for at in range(start, len(steps)):
            step = steps[at]
            if isinstance(step, Match):
                made = self.match(step)
                if made is None:
                    return self._folded(rule, [(box, None) for box in boxes], at, unknown)
                unknown += doubts(step, made)
                boxes = _product(boxes, made) if len(boxes) > 1 or boxes[0] is not self.whole else made
                if not boxes:
                    return None
            elif isinstance(step, Unknown):
                if step.family and step.family != self.family:
                    return None
                unknown.append(step.what)
                boxes = [box._replace(sure=False) for box in boxes]
            elif isinstance(step, Verdict):
                return self._folded(rule, [(box, step) for box in boxes], None, unknown)
            elif isinstance(step, Vmap) and len(boxes) == 1 and at == len(steps) - 1:
                items = self._vmap(boxes[0], step)
                if any(soft for _element, _verdict, soft in step.elements):
                    unknown.append(_FADING)
                return self._folded(rule, items, None, unknown) if items else None
            else:
                return self._folded(rule, [(box, None) for box in boxes], at, unknown)
        return None

    def _quick(self, rule: Rule) -> Tuple[bool, Optional[Folded]]:
        """Whether *rule* is one of addresses, ports and a verdict, as in long lists, and what it then comes to."""
        src: Optional[Spans] = None
        dst: Optional[Spans] = None
        units, state = self.units.all, self.state
        for step in rule.steps:
            if isinstance(step, Match):
                if step.negated or step.soft or len(step.keys) != 1 or len(step.sure) != 1:
                    return False, None
                name, family, mask = step.keys[0]
                if family and family != self.family:
                    return True, None
                value = numbers(step.sure[0][0])
                if not value:
                    return True, None
                if name == "src" and state.src is None and src is None:
                    src = value
                elif name == "dst" and state.dst is None and dst is None:
                    dst = value
                elif name == "dport" and state.port is None:
                    units &= self.units.of_ports(value, mask)
                    if not units:
                        return True, None
                else:
                    return False, None
            elif isinstance(step, Verdict):
                low, high = (0, self.top) if src is None else (src[0][0], src[-1][1])
                return True, Folded(rule, [(Box(src, dst, units, True), step)], None, (), low, high)
            else:
                return False, None
        return False, None

    def _folded(
        self, rule: Rule, items: List[Tuple[Box, Optional[Verdict]]], rest: Optional[int], unknown: Sequence[str]
    ) -> Folded:
        low, high = self.top, 0
        for box, _verdict in items:
            if box.src is None:
                low, high = 0, self.top
                break
            low, high = min(low, box.src[0][0]), max(high, box.src[-1][1])
        return Folded(rule, items, rest, tuple(unknown), low, high)

    def _vmap(self, head: Box, step: Vmap) -> List[Tuple[Box, Optional[Verdict]]]:
        found: List[Tuple[Box, Optional[Verdict]]] = []
        names = tuple(key.name for key in step.keys)
        if names == ("src", "dst", "dport") and head == self.whole and self.state[3:6] == (None, None, None):
            # The form of our own maps, of which there may be very many elements.
            if any(key.family not in (0, self.family) for key in step.keys):
                return found
            of_ports, mask = self.units.of_ports, step.keys[2].mask
            for (src, dst, ports), verdict, soft in step.elements:
                units = of_ports(numbers(ports), mask)
                if units and src and dst:
                    found.append((Box(numbers(src), numbers(dst), units, not soft), verdict))
            return found
        for element, verdict, soft in step.elements:
            for box in self.element(step.keys, element, not soft):
                found += [(both, verdict) for both in _product([head], [box])]
        return found

    def match(self, match: Match) -> Optional[List[Box]]:
        """Return the boxes of *match*, or None when it is negated and no boxes can say so."""
        keys = match.keys
        for key in keys:
            if key.family and key.family != self.family:
                return []
            if self.state.ct in (NOT_YET, UNTRACKED) and key.name in (
                "ctmark",
                "ctstatus",
                "ctdir",
                "osrc",
                "odst",
                "oport",
            ):
                # The kernel ends the rule when there is no connection to ask.
                return []
            has = self.hook.iif if key.name[:3] == "iif" else self.hook.oif
            if has == "none" and key.name in ("iiftype", "oiftype", "iifgroup", "oifgroup"):
                # It does so, too, for the type or group of an interface where there is none.
                return []
        boxes = [box for element in match.sure for box in self.element(keys, element, True)]
        boxes += [box for element in match.soft for box in self.element(keys, element, False)]
        return self._negated(boxes) if match.negated else boxes

    def _negated(self, boxes: List[Box]) -> Optional[List[Box]]:
        """The complement of *boxes*, where they are limited in one way only."""
        if not boxes:
            return [self.whole]
        everything = self.units.all
        if all(box.src is None and box.dst is None for box in boxes):
            sure = may = 0
            for box in boxes:
                may |= box.units
                sure |= box.units if box.sure else 0
            made = [Box(None, None, everything & ~may, True), Box(None, None, may & ~sure, False)]
            return [box for box in made if box.units]
        if all(box.dst is None and box.units == everything for box in boxes):
            return [Box(spans, None, everything, sure) for spans, sure in self._outside((b.src, b.sure) for b in boxes)]
        if all(box.src is None and box.units == everything for box in boxes):
            return [Box(None, spans, everything, sure) for spans, sure in self._outside((b.dst, b.sure) for b in boxes)]
        return None

    def _outside(self, parts: Iterable[Tuple[Optional[Spans], bool]]) -> List[Tuple[Spans, bool]]:
        sure: Spans = ()
        may: Spans = ()
        for spans, certain in parts:
            spans = ((0, self.top),) if spans is None else spans
            may = join(may, spans)
            sure = join(sure, spans) if certain else sure
        found = [(invert(may, self.top), True), (minus(may, sure), False)]
        return [(spans, certain) for spans, certain in found if spans]

    def element(self, keys: Sequence[Key], element: Element, sure: bool) -> List[Box]:
        """Return the boxes in which the *keys* have the values of *element*."""
        if len(keys) == 1:
            boxes = self._key(keys[0], element[0])
            return boxes if sure else [box._replace(sure=False) for box in boxes]
        boxes = [self.whole if sure else self.whole._replace(sure=False)]
        for key, value in zip(keys, element):
            boxes = _product(boxes, self._key(key, value))
            if not boxes:
                break
        return boxes

    def _key(self, key: Key, value: Value) -> List[Box]:
        name, state = key.name, self.state
        if key.family and key.family != self.family:
            return []
        if name in _ORIGINAL and state.ct == EITHER:
            return self._decided(None)
        if name in ("src", "osrc"):
            if name == "osrc" or state.src is None:
                return [Box(numbers(value), None, self.units.all, True)] if value else []
            return self._decided(answer(state.src, numbers(value)))
        if name in ("dst", "odst"):
            if name == "odst" or state.dst is None:
                return [Box(None, numbers(value), self.units.all, True)] if value else []
            return self._decided(answer(state.dst, numbers(value)))
        if name in ("dport", "oport"):
            return self._port(key, numbers(value))
        if name in ("srctype", "dsttype"):
            return self._type(key, names(value))
        if name in ("iif", "oif", "iiftype", "oiftype", "iifgroup", "oifgroup"):
            return self._interface(key, tuple(_kind(key, word) for word in value))
        if name == "reverse":
            return self._reverse(numbers(value))
        return self._decided(self._other(key, numbers(value)))

    def _other(self, key: Key, wanted: Spans) -> Optional[bool]:
        name, state = key.name, self.state
        if name == "family":
            return contains(wanted, self.family)
        if name == "sport":
            return answer(_REAL_PORTS, wanted)
        if name == "mark":
            return bits_in(state.mark, key.mask, wanted)
        if name == "ctmark":
            return bits_in(state.ctmark, key.mask, wanted) if state.ct == NEW else None
        if name == "ctdir":
            return contains(wanted, 0) if state.ct == NEW else None
        if name == "ctstate":
            if state.ct == EITHER:
                return None
            bit = _CT_BIT[state.ct]
            return contains(wanted, bit if key.mask == -1 else bit & key.mask)
        if name == "ctstatus" and state.ct == NEW and key.mask != -1:
            # Beside these there are bits that rules cannot name.
            bits = (16 if state.snat else 0) | (32 if state.dnat else 0)
            return contains(wanted, bits & key.mask)
        return None

    def _decided(self, outcome: Optional[bool]) -> List[Box]:
        if outcome is None:
            return [self.whole._replace(sure=False)]
        return [self.whole] if outcome else []

    def _port(self, key: Key, wanted: Spans) -> List[Box]:
        if key.name == "oport" or self.state.port is None:
            units = self.units.of_ports(wanted, key.mask)
            return [Box(None, None, units, True)] if units else []
        if key.mask != -1:
            return self._decided(None)
        return self._decided(answer(self.state.port, wanted))

    def _reverse(self, wanted: Spans) -> List[Box]:
        state = self.state
        marked = not self.facts.routes.usual(state.mark)
        if marked or state.src is not None or state.iif is not None or self.hook.iif != "has":
            return self._decided(None)
        right, wrong = contains(wanted, 1), contains(wanted, 0)
        found: List[Box] = []
        for at, item in enumerate(self.units.ins):
            units = self.units.of_interfaces("iif", [at])
            if item.open or len(item.present) != 1:
                found.append(Box(None, None, units, False))
                continue
            back, unclear = self.facts.routes.back(self.family, item.sample)
            sure = normal((back if right else ()) + (invert(join(back, unclear), self.top) if wrong else ()))
            found += [Box(spans, None, units, certain) for spans, certain in ((sure, True), (unclear, False)) if spans]
        return found

    def _type(self, key: Key, names: Sequence[str]) -> List[Box]:
        sure: Spans = ()
        may: Spans = ()
        for name in names:
            certain, possible = self.facts.of_type(self.family, name)
            sure, may = join(sure, certain), join(may, possible)
        if key.mask == 0:
            # Asked for one interface, an address of another one is not local.
            sure, may = meet(sure, self.facts.of_type(self.family, "multicast")[0]), join(sure, may)
        may = minus(may, sure)
        plain = Key(key.name[:3])
        boxes = self._key(plain, sure) if sure else []
        return boxes + [box._replace(sure=False) for box in (self._key(plain, may) if may else [])]

    def _interface(self, key: Key, wanted: Tuple[str, ...]) -> List[Box]:
        found = self._interfaces.get((key, wanted))
        if found is None:
            found = self._interfaces[key, wanted] = self._interface_boxes(key, wanted)
        return found

    def _interface_boxes(self, key: Key, wanted: Tuple[str, ...]) -> List[Box]:
        side = key.name[:3]
        override = self.state.iif if side == "iif" else self.state.oif
        has = self.hook.iif if side == "iif" else self.hook.oif
        if has == "none" or (override is not None and override != UNSURE):
            name = "" if has == "none" else override or ""
            kind = "loopback" if name == units_of.LOOPBACK else ""
            item = units_of.Class(name, (name,), (), False, kind, "default" if kind else "")
            return self._decided(units_of.answers(key, wanted, item))
        if override == UNSURE:
            return self._decided(None)
        sure = may = 0
        classes = self.units.ins if side == "iif" else self.units.outs
        for at, item in enumerate(classes):
            outcome = units_of.answers(key, wanted, item)
            if outcome is not False:
                units = self.units.of_interfaces(side, [at])
                may |= units
                sure |= units if outcome else 0
        if has == "perhaps":
            return self._perhaps(key, wanted, sure, may, bool(classes))
        found = [Box(None, None, sure, True), Box(None, None, may & ~sure, False)]
        return [box for box in found if box.units]

    def _perhaps(self, key: Key, wanted: Tuple[str, ...], sure: int, may: int, has_classes: bool) -> List[Box]:
        """Kernels before 5.7 say no incoming interface here; others say the one the packet came by, or, for a packet
        of this host's own, none or the outgoing one."""
        empty = any(name in ("", "*") for name in wanted) if key.name == "iif" else None
        everything = self.units.all
        if not has_classes:
            outs = [units_of.answers(key, wanted, item) for item in self.units.outs]
            may = sum(self.units.of_interfaces("oif", [at]) for at, outcome in enumerate(outs) if outcome is not False)
            sure = sum(self.units.of_interfaces("oif", [at]) for at, outcome in enumerate(outs) if outcome)
        if empty is not True:
            sure = 0
        if empty is not False:
            may = everything
        found = [Box(None, None, sure, True), Box(None, None, may & ~sure, False)]
        return [box for box in found if box.units]


_FADING = "elements that go away by themselves, or hold for some packets only"
_DOUBTS = {
    "sport": "source ports, which the sender chooses",
    "reverse": "the route back to a source",
    "srctype": "types of source addresses",
    "dsttype": "types of destination addresses",
    "iif": "the incoming interface",
    "oif": "the outgoing interface",
    "iiftype": "types of interfaces",
    "oiftype": "types of interfaces",
    "iifgroup": "groups of interfaces",
    "oifgroup": "groups of interfaces",
    "mark": "a mark",
    "ctmark": "a connection's mark",
    "src": "a changed source",
    "dst": "a changed destination",
    "dport": "a changed port",
}


def doubts(match: Match, boxes: Iterable[Box]) -> List[str]:
    """Return what about *match*, which comes to *boxes*, is not known; nothing when all is."""
    if all(box.sure for box in boxes):
        return []
    if match.soft:
        return [_FADING]
    return list(dict.fromkeys(_DOUBTS.get(key.name, "the state of a connection") for key in match.keys))


def _kind(key: Key, word: object) -> str:
    if not key.name.endswith("type"):
        return str(word)
    if isinstance(word, tuple):
        return _KINDS.get(word[0], str(word[0]))
    return str(word)


def _product(some: List[Box], others: List[Box]) -> List[Box]:
    found = []
    for src, dst, units, sure in some:
        for box in others:
            both = units & box.units
            if not both:
                continue
            one = src if box.src is None else box.src if src is None else meet(src, box.src)
            two = dst if box.dst is None else box.dst if dst is None else meet(dst, box.dst)
            if (one is None or one) and (two is None or two):
                found.append(Box(one, two, both, sure and box.sure))
    return found
