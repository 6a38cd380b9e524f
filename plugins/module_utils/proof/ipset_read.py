# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of `ipset save` as matches. Pure."""

from __future__ import annotations

from typing import Callable, Dict, FrozenSet, List, NamedTuple, Optional, Sequence, Set, Tuple, Union

from .addresses import address, masked
from .model import PORT_TOP, Element, Key, Match, Unknown, Value, numbers
from .spans import Span, Spans, join, minus, normal

_DEEPEST = 8


class Entry(NamedTuple):
    """One entry as written, whether it goes away by itself, and whether it is an exception."""

    text: str
    fades: bool
    excepted: bool


class IpSet(NamedTuple):
    """A set: what its entries consist of ("net", "port", "net"), its IP version, its entries."""

    parts: Tuple[str, ...]
    version: int
    entries: List[Entry]


class IpSets:
    """The ipsets of a host."""

    def __init__(self, text: Optional[str], changing: FrozenSet[str] = frozenset()) -> None:
        self._sets = None if text is None else _read(text)
        self._changing = changing

    def match(self, name: str, sides: Sequence[str], version: int, negated: bool) -> Union[Match, Unknown, bool]:
        """Return the match of the set *name* on *sides* ("src" or "dst" for each part of its entries)."""
        if self._sets is None:
            return Unknown(f"set {name}, which could not be read")
        found = self._sets.get(name)
        if found is None:
            return Unknown(f"set {name}, which is not listed")
        if name in self._changing:
            return Unknown(f"set {name}, which rules change")
        if found.parts == ("set",):
            return self._list(found, sides, version, negated)
        if found.version and found.version != version:
            return negated
        keys: List[Key] = []
        readers: List[Callable[[str], Optional[Value]]] = []
        for part, side in zip(found.parts, sides):
            key, reader = _part(part, side, found.version)
            if key is None or reader is None:
                return Unknown(f"set {name} of type {','.join(found.parts)}")
            keys.append(key)
            readers.append(reader)
        if len(keys) != len(found.parts):
            return Unknown(f"set {name} of type {','.join(found.parts)}")
        return _made(name, tuple(keys), readers, found.entries, negated)

    def _list(
        self, found: IpSet, sides: Sequence[str], version: int, negated: bool, depth: int = 0
    ) -> Union[Match, Unknown, bool]:
        sure: Dict[Tuple[Key, ...], List[Element]] = {}
        soft: Dict[Tuple[Key, ...], List[Element]] = {}
        for entry in found.entries:
            inner = self.match(entry.text, sides, version, False) if depth < _DEEPEST else Unknown("")
            if isinstance(inner, Unknown):
                return Unknown(f"a list of sets with {entry.text}")
            if isinstance(inner, Match):
                kept = soft if entry.fades else sure
                kept.setdefault(inner.keys, []).extend(inner.sure)
                soft.setdefault(inner.keys, []).extend(inner.soft)
        kinds: Set[Tuple[Key, ...]] = set(sure) | set(soft)
        if not kinds:
            return negated
        if len(kinds) > 1:
            return Unknown("a list of sets of several types")
        (keys,) = kinds
        return Match(keys, tuple(sure.get(keys, ())), tuple(soft.get(keys, ())), negated)


def _read(text: str) -> Dict[str, IpSet]:
    found: Dict[str, IpSet] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) >= 3 and words[0] == "create":
            parts = tuple(words[2].partition(":")[2].split(","))
            version = 6 if "inet6" in words else 4
            if parts in (("port",), ("set",)):
                version = 0
            found[words[1]] = IpSet(parts, version, [])
        elif len(words) >= 3 and words[0] == "add" and words[1] in found:
            fades = "timeout" in words and words[words.index("timeout") + 1] != "0"
            found[words[1]].entries.append(Entry(words[2], fades, "nomatch" in words[3:]))
    return found


def _part(part: str, side: str, version: int) -> Tuple[Optional[Key], Optional[Callable[[str], Optional[Value]]]]:
    if part in ("ip", "net"):
        return Key("src" if side == "src" else "dst", version), _network
    if part == "port":
        return Key("sport" if side == "src" else "dport"), _port
    if part == "iface":
        return Key("iif" if side == "src" else "oif"), _interface
    if part == "mark":
        return Key("mark"), _number
    return None, None


def _network(text: str) -> Optional[Value]:
    low, dash, high = text.partition("-")
    if dash:
        return ((address(low)[1], address(high)[1]),)
    return masked(text)[1]


def _port(text: str) -> Optional[Value]:
    protocol, colon, rest = text.rpartition(":")
    if colon and protocol not in ("tcp", "6"):
        return None
    low, _dash, high = rest.partition("-")
    if not low.isdigit():
        return None
    return ((int(low), min(int(high or low), PORT_TOP)),)


def _interface(text: str) -> Optional[Value]:
    if text.startswith("wildcard:"):
        return (f"{text[9:]}*",)
    return (text,)


def _number(text: str) -> Optional[Value]:
    number = int(text, 0)
    return ((number, number),)


def _made(
    name: str,
    keys: Tuple[Key, ...],
    readers: Sequence[Callable[[str], Optional[Value]]],
    entries: Sequence[Entry],
    negated: bool,
) -> Union[Match, Unknown, bool]:
    if any(entry.excepted for entry in entries):
        if len(keys) > 1:
            return Unknown(f"set {name} with exceptions")
        return _excepting(keys, entries, negated)
    sure: List[Element] = []
    soft: List[Element] = []
    for entry in entries:
        values = [reader(word) for reader, word in zip(readers, entry.text.split(","))]
        kept = tuple(value for value in values if value is not None)
        if len(kept) == len(keys):
            # A bridge's port is not where the packet comes in.
            bridged = "physdev:" in entry.text
            (soft if entry.fades or bridged else sure).append(kept)
    if len(keys) == 1 and keys[0].name not in ("iif", "oif"):
        sure, soft = _merged(sure), _merged(soft)
    if not sure and not soft:
        return negated
    return Match(keys, tuple(sure), tuple(soft), negated)


def _merged(elements: Sequence[Element]) -> List[Element]:
    spans: List[Span] = [span for (several,) in elements for span in numbers(several)]
    return [(normal(spans),)] if spans else []


def _excepting(keys: Tuple[Key, ...], entries: Sequence[Entry], negated: bool) -> Match:
    """The longest prefix that holds an address decides."""
    sure: Spans = ()
    may: Spans = ()

    def size(entry: Entry) -> int:
        ((first, last),) = masked(entry.text)[1]
        return first - last

    for entry in sorted(entries, key=size):
        spans = masked(entry.text)[1]
        if entry.excepted:
            sure = minus(sure, spans)
            may = may if entry.fades else minus(may, spans)
        else:
            sure = sure if entry.fades else join(sure, spans)
            may = join(may, spans)
    return Match(keys, ((sure,),), ((minus(may, sure),),), negated)
