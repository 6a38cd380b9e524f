# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NAT and changed fields in nft's JSON. Pure."""

from __future__ import annotations

from typing import Any, Iterable, List, Mapping, Optional, Tuple

from .addresses import address, prefix
from .model import MARK_TOP, PORT_TOP, TOP, Element, MarkMap, Nat, Rewrite, SetMark, Step, Target, Unknown
from .nft_keys import flags
from .nft_match import Sets, Unreadable, keys_of, lefts_of, reader
from .spans import Spans

_FAMILIES = {"ip": 4, "ip6": 6}
_ALL_PORTS: Spans = ((0, PORT_TOP),)
_FIELDS = {
    ("ip", "saddr"): ("src", 4),
    ("ip", "daddr"): ("dst", 4),
    ("ip6", "saddr"): ("src", 6),
    ("ip6", "daddr"): ("dst", 6),
    ("tcp", "dport"): ("dport", 0),
    ("th", "dport"): ("dport", 0),
}


def nat(kind: str, body: Optional[Mapping[str, Any]], sets: Sets, place: Tuple[str, str]) -> Nat:
    """Return the NAT statement *kind* with its *body*. What it does not understand is an unknown target."""
    body = body or {}
    family = _FAMILIES.get(body.get("family") or place[0], 0)
    where, ports = body.get("addr"), body.get("port")
    try:
        if isinstance(where, dict) and "map" in where:
            return _mapped(kind, family, where["map"], ports, sets, place)
        if isinstance(ports, dict) and "map" in ports:
            return Nat(Target(kind, family, _addresses(where), _ALL_PORTS), unsure=True)
        if isinstance(where, dict) and "concat" in where:
            where, ports = where["concat"]
        return Nat(Target(kind, family, _addresses(where), _ports(ports)))
    except (Unreadable, ValueError, KeyError, TypeError):
        return Nat(Target(kind, family, _everywhere(family), _ALL_PORTS if ports is not None else None), unsure=True)


def _mapped(kind: str, family: int, body: Mapping[str, Any], ports: Any, sets: Sets, place: Tuple[str, str]) -> Nat:
    data = body["data"]
    lefts = lefts_of(body["key"])
    pairs: Any = data["set"] if isinstance(data, dict) else sets.get(*place, data[1:]).elements
    changes = "" if isinstance(data, dict) else sets.get(*place, data[1:]).changes
    elements: List[Tuple[Element, Target]] = []
    unsure = bool(changes)
    read = reader(lefts, sets.facts)
    for value, words in pairs:
        where, port = words["concat"] if isinstance(words, dict) and "concat" in words else (words, ports)
        item = read(value)
        if item is not None:
            unsure = unsure or not item[1]
            elements.append((item[0], Target(kind, family, _addresses(where), _ports(port))))
    if changes:
        return Nat(Target(kind, family, _everywhere(family), _ALL_PORTS), unsure=True)
    return Nat(None, keys_of(lefts), tuple(elements), unsure)


def _everywhere(family: int) -> Spans:
    return ((0, TOP[family or 6]),)


def _addresses(item: Any) -> Optional[Spans]:
    if item is None:
        return None
    if isinstance(item, str):
        return ((address(item)[1],) * 2,)
    if isinstance(item, dict) and "prefix" in item:
        return (prefix(item["prefix"]["addr"], item["prefix"]["len"])[1],)
    if isinstance(item, dict) and "range" in item:
        low, high = (address(end)[1] for end in item["range"])
        return ((low, high),)
    if isinstance(item, dict) and "elem" in item:
        return _addresses(item["elem"]["val"])
    raise Unreadable(item)


def _ports(item: Any) -> Optional[Spans]:
    if item is None:
        return None
    if isinstance(item, int):
        return ((item, item),)
    if isinstance(item, dict) and "range" in item:
        low, high = item["range"]
        return ((low, high),)
    raise Unreadable(item)


def mangle(body: Mapping[str, Any], sets: Sets, place: Tuple[str, str]) -> Iterable[Step]:
    """Return what setting a field does, as a step; nothing when it concerns nothing that rules here look at."""
    key, value = body["key"], body["value"]
    ((kind, inner),) = key.items()
    if kind in ("meta", "ct"):
        name = inner["key"]
        if name == "mark":
            which = "mark" if kind == "meta" else "ctmark"
            if isinstance(value, dict) and "map" in value:
                return _mark_map(which, value["map"], sets, place)
            return [_mark(which, value)]
        # pkttype, priority, secmark, zone, label and the like: matches on them are unknown anyway
        return []
    if kind == "payload":
        field, family = _FIELDS.get((inner.get("protocol", ""), inner.get("field", "")), ("", 0))
        if field:
            return [Rewrite(field, _value(field, value), family, isinstance(value, dict) and "map" in value)]
        if "base" in inner and inner["base"] != "ll":
            return [Rewrite(each, None) for each in ("src", "dst", "dport")]
    return []


def _mark_map(which: str, body: Mapping[str, Any], sets: Sets, place: Tuple[str, str]) -> Iterable[Step]:
    data = body["data"]
    lefts = lefts_of(body["key"])
    found = None if isinstance(data, dict) else sets.get(*place, data[1:])
    try:
        if found is not None and found.changes:
            raise Unreadable(found.changes)
        elements = []
        read = reader(lefts, sets.facts)
        for value, mark in data["set"] if found is None else found.elements:
            number = flags(mark, {})
            if number is None:
                raise Unreadable(mark)
            item = read(value)
            if item is not None:
                elements.append((item[0], number, not item[1]))
    except Unreadable as error:
        return [Unknown(f"a map to marks ({error})"), SetMark(which, "unknown", 0, 0)]
    return [MarkMap(which, keys_of(lefts), tuple(elements))]


def _value(field: str, value: Any) -> Optional[Spans]:
    try:
        return _ports(value) if field == "dport" else _addresses(value)
    except (Unreadable, ValueError):
        return None


def _mark(which: str, value: Any) -> SetMark:
    """A mark's new value. and, or and xor of a number all come to ((old & keep) ^ flip)."""
    if isinstance(value, bool):
        return SetMark(which, "unknown", 0, 0)
    if isinstance(value, int):
        return SetMark(which, "zero", 0, value & MARK_TOP)
    if isinstance(value, dict) and len(value) == 1:
        ((kind, inner),) = value.items()
        if kind in ("meta", "ct") and inner.get("key") == "mark":
            return SetMark(which, "mark" if kind == "meta" else "ctmark", MARK_TOP, 0)
        if kind in ("&", "|", "^") and isinstance(inner, list) and len(inner) == 2:
            number = flags(inner[1], {})
            base = _mark(which, inner[0])
            if number is not None and base.base != "unknown":
                return _combined(base, kind, number & MARK_TOP)
    return SetMark(which, "unknown", 0, 0)


def _combined(base: SetMark, op: str, number: int) -> SetMark:
    if op == "&":
        return base._replace(keep=base.keep & number, flip=base.flip & number)
    if op == "|":
        return base._replace(keep=base.keep & ~number & MARK_TOP, flip=base.flip | number)
    return base._replace(flip=base.flip ^ number)
