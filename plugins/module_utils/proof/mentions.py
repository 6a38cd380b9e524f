# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every address that something in a host's rules looks at. Pure."""

from __future__ import annotations

from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from .facts import Facts
from .grid import Mention
from .model import TOP, Element, Key, MarkMap, Match, Nat, Rewrite, Rule, Verdict, Vmap, numbers
from .nat import LINK_LOCAL
from .spans import Spans, normal, touches
from .survey import Survey

_SIDES = {"src": 0, "osrc": 0, "dst": 1, "odst": 1}


def mentions(survey: Survey, direction: str, family: int, ports: Sequence[int], facts: Facts) -> List[Mention]:
    """Return what the rules that concern *ports* and that packets of *direction* can meet mention of one *family*."""
    changed = survey.with_other_sources()
    found: List[Mention] = []
    wanted = normal((port, port) for port in ports)
    concern = _Concern(wanted)
    typed = False
    for chain in survey.of_direction(direction):
        if chain.family == ("ip6" if family == 4 else "ip"):
            continue
        moved, other_sources = survey.moves_ports, chain in changed
        for rule in chain.rules:
            if not other_sources and _plain(rule, family, moved, concern, found):
                continue
            if moved or _concerns(rule, wanted):
                typed = _of_rule(rule, family, other_sources, found) or typed
    if survey.asks_back:
        for interface in facts.interfaces:
            found += [Mention(spans, None) for spans in facts.routes.back(family, interface.name)]
    if survey.redirects:
        found.append(Mention(None, facts.own[family].local))
        found += [Mention(None, spans) for spans in facts.addresses(family)]
        if family == 6:
            found.append(Mention(None, LINK_LOCAL))
    if typed:
        own = facts.own[family]
        found += [Mention(spans, spans) for spans in (own.local, own.broadcast, facts.of_type(family, "multicast")[0])]
    return found


class _Concern(Dict[Spans, bool]):
    """Whether ports, as rules name them, are among those looked at: worked out once for each."""

    def __init__(self, wanted: Spans) -> None:
        super().__init__()
        self._wanted = wanted

    def __missing__(self, ports: Spans) -> bool:
        found = self[ports] = touches(self._wanted, ports)
        return found


def _plain(rule: Rule, family: int, moved: bool, concern: _Concern, found: List[Mention]) -> bool:
    """Add what *rule* mentions when it is one of addresses, ports and a verdict, as long lists have; return whether.

    *moved*: whether ports are changed on the way, so that rules for other ports concern us too.
    """
    src: Optional[Spans] = None
    dst: Optional[Spans] = None
    for step in rule.steps:
        if not isinstance(step, Match):
            if isinstance(step, Verdict):
                break
            return False
        if step.negated or step.soft or len(step.keys) != 1 or len(step.sure) != 1:
            return False
        name, version, mask = step.keys[0]
        if version and version != family:
            return True
        value = numbers(step.sure[0][0])
        if name == "src" and src is None:
            src = value
        elif name == "dst" and dst is None:
            dst = value
        elif name == "dport" and mask == -1:
            if not moved and not concern[value]:
                return True
        else:
            return False
    if src is not None or dst is not None:
        found.append(Mention(src, dst))
    return True


def _concerns(rule: Rule, ports: Spans) -> bool:
    for step in rule.steps:
        if isinstance(step, Match) and len(step.keys) == 1 and not step.negated:
            name, _family, mask = step.keys[0]
            if name == "dport" and mask == -1:
                values = [numbers(element[0]) for element in step.sure + step.soft]
                if not any(touches(ports, spans) for spans in values):
                    return False
    return True


def _of_rule(rule: Rule, family: int, changed: bool, found: List[Mention]) -> bool:
    """Add what *rule* mentions to *found*; return whether it asks for types of addresses. When *changed*, packets may
    come with another source than they had, so that its sources say nothing about which packets meet it."""
    sources: Optional[Spans] = None
    destinations: List[Spans] = []
    several: List[Tuple[Tuple[Key, ...], Iterable[Element], bool]] = []
    typed = False
    for step in rule.steps:
        if isinstance(step, (Vmap, Nat, MarkMap)):
            several.append((step.keys, [item[0] for item in step.elements], False))
            if isinstance(step, Nat):
                _targets(step, family, found)
        elif isinstance(step, Rewrite) and step.field == "dst" and step.family in (0, family):
            found.append(Mention(None, step.value or ((0, TOP[family]),)))
            continue
        elif not isinstance(step, Match):
            continue
        elif len(step.keys) != 1:
            several.append((step.keys, step.sure + step.soft, step.negated))
        elif step.keys[0].name in _SIDES and step.keys[0].family in (0, family):
            for (value,) in step.sure + step.soft:
                spans = numbers(value)
                if _SIDES[step.keys[0].name]:
                    destinations.append(spans)
                elif step.negated or len(step.sure + step.soft) != 1 or sources is not None:
                    found.append(Mention(spans, None))
                else:
                    sources = spans
        typed = typed or any(key.name in ("srctype", "dsttype") for key in step.keys)
    if sources is not None and (changed or not destinations):
        found.append(Mention(sources, None))
    sources = None if changed else sources
    found.extend(Mention(sources, spans) for spans in destinations)
    for keys, elements, negated in several:
        from_at, to_at = _sides(keys, family)
        if from_at is None and to_at is None:
            continue
        for element in elements:
            src = None if from_at is None else numbers(element[from_at])
            dst = None if to_at is None else numbers(element[to_at])
            if src is not None and dst is not None and not negated and not changed:
                found.append(Mention(src, dst))
                continue
            if src is not None:
                found.append(Mention(src, None))
            if dst is not None:
                found.append(Mention(sources if src is None else None, dst))
    return typed


def _sides(keys: Sequence[Key], family: int) -> Tuple[Optional[int], Optional[int]]:
    """Where in an element of several values the source and the destination of *family* stand."""
    places: List[Optional[int]] = [None, None]
    for at, (name, version, _mask) in enumerate(keys):
        if version in (0, family) and name in _SIDES:
            places[_SIDES[name]] = at
    return places[0], places[1]


def _targets(step: Nat, family: int, found: List[Mention]) -> None:
    targets = [step.target] if step.target else [target for _element, target in step.elements]
    found.extend(
        Mention(None, target.addresses)
        for target in targets
        if target.addresses is not None and target.family in (0, family) and target.kind == "dnat"
    )
