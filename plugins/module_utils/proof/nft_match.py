# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Matches of nft's JSON as Match or Unknown. Pure."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from .addresses import address, prefix
from .facts import Facts
from .model import MARK_TOP, PORT_TOP, TOP, Element, Key, Match, Unknown, Value
from .nft_keys import ETHERTYPES, FAMILIES, NAMES, NO_NAMES, Absent, Fixed, Left, Opaque, flags, left_of
from .spans import Spans, normal

_TOPS = {"dport": PORT_TOP, "sport": PORT_TOP, "oport": PORT_TOP, "mark": MARK_TOP, "ctmark": MARK_TOP}
_WIDTHS = {"dport": 16, "sport": 16, "oport": 16, "mark": 32, "ctmark": 32}
_NAMED = ("iif", "oif", "iifgroup", "oifgroup", "srctype", "dsttype")
# What an element may have without being there for some packets only.
_LASTING = frozenset(("val", "comment", "counter", "last"))
Result = Union[bool, Match, Unknown]
"""What a match comes to: always true, never true, or to be decided for each packet."""


class Unreadable(ValueError):
    """A value is written in a form that is not understood."""


class NamedSet(NamedTuple):
    """A set or map: its elements as in the JSON, and why its content is not fixed, empty when it is."""

    elements: List[Any]
    changes: str


class Sets:
    """The named sets and maps of all tables, read as far as rules look at them."""

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._sets: Dict[Tuple[str, str, str], NamedSet] = {}
        self._read: Dict[Tuple[Tuple[str, str, str], Tuple[Left, ...]], Tuple[List[Element], List[Element]]] = {}

    def add(self, family: str, table: str, name: str, elements: List[Any]) -> None:
        """Take in one set or map."""
        self._sets[family, table, name] = NamedSet(elements, "")

    def changing(self, family: str, table: str, name: str, why: str) -> None:
        """Note that a rule changes the set, so that what is in it now says nothing about later."""
        found = self._sets.get((family, table, name))
        if found is not None:
            self._sets[family, table, name] = found._replace(changes=why)

    def get(self, family: str, table: str, name: str) -> NamedSet:
        """Return a set or map. One that is not listed counts as changing."""
        return self._sets.get((family, table, name)) or NamedSet([], "is not listed")

    def elements(self, place: Tuple[str, str, str], lefts: Tuple[Left, ...]) -> Tuple[List[Element], List[Element]]:
        """Return the elements of a set, sure and soft, as values of *lefts*."""
        key = (place, lefts)
        found = self._read.get(key)
        if found is None:
            found = self._read[key] = read_elements(lefts, self.get(*place).elements, self.facts)
        return found


def lefts_of(left: Any) -> Tuple[Left, ...]:
    """Return what a match looks at, several things for a concatenation."""
    if isinstance(left, dict) and "concat" in left:
        return tuple(left_of(part) for part in left["concat"])
    return (left_of(left),)


def keys_of(lefts: Sequence[Left]) -> Tuple[Key, ...]:
    """Return the keys that remain to be looked at for each packet; see `read_elements`."""
    found: List[Key] = []
    for left in lefts:
        if isinstance(left, Key):
            found.append(left)
        elif isinstance(left, (Fixed, Opaque)) and left.family:
            found.append(Key("family", left.family))
    return tuple(found)


def match(expression: Mapping[str, Any], sets: Sets, place: Tuple[str, str]) -> Result:
    """Return what the *expression* of a match (op, left, right) comes to; *place* is its family and table."""
    op, right = expression["op"], expression["right"]
    quick = _quick(expression["left"], op, right)
    if quick is not None:
        return quick
    lefts = lefts_of(expression["left"])
    for left in lefts:
        if isinstance(left, Absent):
            return False
    if len(lefts) == 1 and isinstance(lefts[0], Opaque):
        return Unknown(lefts[0].what, lefts[0].family)
    try:
        if len(lefts) == 1 and isinstance(lefts[0], Fixed):
            return _fixed(lefts[0], op, right, sets, place)
        if isinstance(right, str) and right.startswith("@"):
            name = right[1:]
            found = sets.get(*place, name)
            if found.changes:
                return Unknown(
                    f"set {right}, which {found.changes}", max((key.family for key in keys_of(lefts)), default=0)
                )
            sure, soft = sets.elements((*place, name), lefts)
            return _made(keys_of(lefts), sure, soft, op == "!=")
        if len(lefts) == 1 and isinstance(lefts[0], Key):
            return _one(lefts[0], op, right, sets.facts)
        items = right["set"] if isinstance(right, dict) and "set" in right else [right]
        sure, soft = read_elements(lefts, items, sets.facts)
        if op not in ("==", "!=", "in"):
            raise Unreadable(op)
        return _made(keys_of(lefts), sure, soft, op == "!=")
    except Unreadable as error:
        return Unknown(f"a value of unknown form ({error})", max((key.family for key in keys_of(lefts)), default=0))


def _quick(left: Any, op: str, right: Any) -> Optional[Match]:
    """One address, network or port, as in nearly all rules of a long list; None for anything else."""
    if op != "==" or len(left) != 1 or "payload" not in left:
        return None
    key = left_of(left)
    if not isinstance(key, Key):
        return None
    if isinstance(right, int):
        return Match((key,), ((((right, right),),),))
    if key.family and (
        (isinstance(right, str) and right[:1] != "@") or (isinstance(right, dict) and "prefix" in right)
    ):
        try:
            return Match((key,), ((numbers(key, right),),))
        except Unreadable:
            return None
    return None


def _made(keys: Tuple[Key, ...], sure: List[Element], soft: List[Element], negated: bool) -> Result:
    if not keys:
        # Everything it looks at is the same in every packet.
        if sure:
            return not negated
        return Unknown("part of a packet that is not known") if soft else negated
    return Match(keys, tuple(_merged(keys, sure)), tuple(_merged(keys, soft)), negated)


def _merged(keys: Tuple[Key, ...], elements: List[Element]) -> List[Element]:
    """One element instead of many where there is a single key."""
    if len(keys) != 1 or len(elements) < 2:
        return elements
    if keys[0].name in _NAMED:
        return [(tuple(str(name) for (names,) in elements for name in names),)]
    spans: List[Any] = [span for (several,) in elements for span in several]
    return [(normal(spans),)]


def _fixed(left: Fixed, op: str, right: Any, sets: Sets, place: Tuple[str, str]) -> Result:
    """A match on a field whose value is known decides itself, but for the IP version it needs."""
    if isinstance(right, str) and right.startswith("@"):
        found = sets.get(*place, right[1:])
        if found.changes:
            return Unknown(f"set {right}, which {found.changes}", left.family)
        outcome = _any(left, found.elements)
    elif op in ("in", "!") or (op in ("==", "!=") and left.mask != -1 and isinstance(right, list)):
        outcome = _bits(left, op, right)
    elif op in ("==", "!="):
        items = right["set"] if isinstance(right, dict) and "set" in right else [right]
        outcome = _any(left, items)
    else:
        outcome = _compared(left, op, right)
    if op == "!=" and outcome is not None:
        outcome = not outcome
    if outcome is None:
        return Unknown("part of a packet that is not known", left.family)
    if outcome and left.family:
        return Match((Key("family", left.family),), ((((4, 6),),),))
    return outcome


def _any(left: Fixed, items: Sequence[Any]) -> Optional[bool]:
    answers = []
    for item in items:
        bare, fades = _bare(item)
        answer = _equal(left, bare)
        answers.append(None if fades and answer else answer)
    if True in answers:
        return True
    return None if None in answers else False


def _equal(left: Fixed, item: Any) -> Optional[bool]:
    known = left.known & left.mask
    if isinstance(item, dict) and "range" in item:
        low, high = (flags(end, left.names) for end in item["range"])
        if low is None or high is None or known != left.mask:
            return None
        return low <= left.value & left.mask <= high
    number = flags(item, left.names)
    if number is None:
        # A protocol or flag without a name here is another one than the packet's.
        return False if isinstance(item, str) and left.names else None
    if (number ^ (left.value & left.mask)) & known:
        return False
    return True if known == left.mask or left.known & left.mask == left.mask & 0xFF else None


def _bits(left: Fixed, op: str, right: Any) -> Optional[bool]:
    wanted = flags(right, left.names)
    if wanted is None:
        return None
    if op in ("==", "!="):
        return _equal(left, right)
    if left.value & wanted & left.known:
        return op == "in"
    return op == "!" if wanted & ~left.known == 0 else None


def _compared(left: Fixed, op: str, right: Any) -> Optional[bool]:
    number = flags(right, left.names)
    if number is None or left.known & left.mask != left.mask:
        return None
    value = left.value & left.mask
    return {"<": value < number, ">": value > number, "<=": value <= number, ">=": value >= number}.get(op)


def _one(key: Key, op: str, right: Any, facts: Facts) -> Result:
    """A match that looks at one thing."""
    if key.name in _NAMED:
        if op not in ("==", "!=", "in"):
            raise Unreadable(op)
        return Match((key,), ((_names(key, right, facts),),), (), op == "!=")
    if op in ("in", "!") and key.name in NAMES:
        bits = flags(right, NAMES[key.name])
        if bits is None:
            raise Unreadable(right)
        top = (1 << bits.bit_length()) - 1
        mask = bits if key.mask == -1 else bits & key.mask
        return Match((key._replace(mask=mask),), ((((1, max(top, 1)),),),), (), op == "!")
    top = TOP[key.family] if key.family else _TOPS.get(key.name, MARK_TOP)
    if op in ("<", ">", "<=", ">="):
        ((low, high),) = numbers(key, right)
        spans: Spans = {
            "<": ((0, low - 1),) if low else (),
            "<=": ((0, high),),
            ">": ((high + 1, top),) if high < top else (),
            ">=": ((low, top),),
        }[op]
        return Match((key,), ((spans,),))
    items = right["set"] if isinstance(right, dict) and "set" in right else [right]
    sure: List[Any] = []
    soft: List[Any] = []
    for item in items:
        bare, fades = _bare(item)
        (soft if fades else sure).extend(numbers(key, bare))
    spans, fading = normal(sure), normal(soft)
    return Match((key,), ((spans,),), ((fading,),) if fading else (), op == "!=")


def numbers(key: Key, item: Any) -> Spans:
    """Return the numbers that *item*, one value of nft's JSON, stands for. Raises Unreadable."""
    kind = type(item)
    if kind is str and key.name in ("src", "dst", "osrc", "odst"):
        try:
            return ((address(item)[1],) * 2,)
        except ValueError as error:
            raise Unreadable(str(error)) from None
    if kind is int:
        number = FAMILIES.get(item, ETHERTYPES.get(item, 0)) if key.name == "family" else item
        return ((number, number),)
    if kind is dict:
        if "prefix" in item and key.name in ("src", "dst", "osrc", "odst"):
            return (prefix(item["prefix"]["addr"], item["prefix"]["len"])[1],)
        if "prefix" in item and key.name in _WIDTHS:
            return _cut(item["prefix"]["addr"], _WIDTHS[key.name] - item["prefix"]["len"])
        if "range" in item:
            low, high = (numbers(key, end)[0] for end in item["range"])
            return ((low[0], high[1]),)
        if "set" in item:
            return normal(span for part in item["set"] for span in numbers(key, _bare(part)[0]))
    names: Mapping[Any, int] = {**FAMILIES, **ETHERTYPES} if key.name == "family" else NAMES.get(key.name, NO_NAMES)
    number_or_none = flags(item, names)
    if number_or_none is None:
        if key.name == "family":
            return ()
        raise Unreadable(item)
    return ((number_or_none, number_or_none),)


def _cut(number: int, beyond: int) -> Spans:
    """The numbers whose bits above the lowest *beyond* are those of *number*; none when it has lower ones."""
    return () if number & ((1 << beyond) - 1) else ((number, number | ((1 << beyond) - 1)),)


def _names(key: Key, right: Any, facts: Facts) -> Tuple[str, ...]:
    items = right["set"] if isinstance(right, dict) and "set" in right else [right]
    found = []
    for item in items:
        name = _bare(item)[0]
        if isinstance(name, int) and key.name in ("iif", "oif"):
            name = facts.by_index(name)
            if not name:
                raise Unreadable("an interface that is not there")
        if not isinstance(name, (str, int)):
            raise Unreadable(name)
        found.append(str(name))
    return tuple(found)


def _bare(item: Any) -> Tuple[Any, bool]:
    """The value of a set's element, and whether it goes away by itself, or holds within a rate or quota only."""
    if isinstance(item, dict) and "elem" in item:
        inner = item["elem"]
        return _bare(inner["val"])[0], not _LASTING.issuperset(inner)
    if item == "*":
        raise Unreadable("an element for everything else")
    return item, False


def read_elements(lefts: Tuple[Left, ...], items: Iterable[Any], facts: Facts) -> Tuple[List[Element], List[Element]]:
    """Return the elements *items* as values of `keys_of(lefts)`: those that surely hold, and those that may.

    Fields that are the same in every packet are decided here and leave no value. Raises Unreadable.
    """
    found = [pair for pair in map(reader(lefts, facts), items) if pair is not None]
    return [values for values, sure in found if sure], [values for values, sure in found if not sure]


def reader(lefts: Tuple[Left, ...], facts: Facts) -> Callable[[Any], Optional[Tuple[Element, bool]]]:
    """Return what reads one element of a set or map: its values, and whether it surely holds; None if it never does.

    What is the same for all elements of a very long map is looked at once, here.
    """
    count = len(lefts)
    keys = tuple(left for left in lefts if isinstance(left, Key) and left.name not in _NAMED)
    plain = count > 1 and len(keys) == count

    def read(item: Any) -> Optional[Tuple[Element, bool]]:
        bare, fades = _bare(item)
        parts = bare["concat"] if count > 1 and isinstance(bare, dict) and "concat" in bare else [bare]
        if len(parts) != count:
            raise Unreadable(bare)
        if plain:
            return tuple(map(numbers, keys, parts)), not fades
        found = element(lefts, parts, facts)
        return None if found is None else (found[0], found[1] and not fades)

    return read


def element(lefts: Sequence[Left], parts: Sequence[Any], facts: Facts) -> Optional[Tuple[Element, bool]]:
    """Return the values that *parts* stand for, and whether they surely do; None when no packet has them."""
    values: List[Value] = []
    unsure = False
    for left, part in zip(lefts, parts):
        if isinstance(left, Key):
            values.append(_names(left, part, facts) if left.name in _NAMED else numbers(left, part))
        elif isinstance(left, Fixed):
            answer = _equal(left, part)
            if answer is False:
                return None
            unsure = unsure or answer is None
            if left.family:
                values.append(((4, 6),))
        else:
            unsure = True
            if isinstance(left, Opaque) and left.family:
                values.append(((4, 6),))
    return tuple(values), not unsure
