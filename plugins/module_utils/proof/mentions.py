# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every address that something in a host's rules looks at. Pure."""

from __future__ import annotations

from typing import Iterable, List, Optional, Sequence, Set, Tuple

from .facts import Facts
from .grid import Mention
from .model import Chain, Element, Key, MarkMap, Match, Nat, Rewrite, Rule, Verdict, Vmap
from .nat import LINK_LOCAL
from .spans import Spans, contains
from .walk import Program

_SIDES = {"src": 0, "osrc": 0, "srctype": 0, "dst": 1, "odst": 1, "dsttype": 1}


def mentions(chains: Program, family: int, ports: Sequence[int], facts: Facts) -> List[Mention]:
    """Return what the rules that concern *ports* mention of one IP *family*."""
    rewritten = any(_moves_ports(chain) for chain in chains.values())
    changed_sources = _behind_source_nat(chains)
    found: List[Mention] = []
    typed = False
    for chain in chains.values():
        if chain.family == ("ip6" if family == 4 else "ip"):
            continue
        changed = changed_sources is None or chain in changed_sources
        for rule in chain.rules:
            if rewritten or _concerns(rule, ports):
                typed = _of_rule(rule, family, changed, found) or typed
    if any(_asks_back(chain) for chain in chains.values()):
        for interface in facts.interfaces:
            found += [Mention(spans, None) for spans in facts.routes.back(family, interface.name)]
    if any(_redirects(chain) for chain in chains.values()):
        found.append(Mention(None, facts.own[family].local))
        found += [Mention(None, spans) for spans in facts.addresses(family)]
        if family == 6:
            found.append(Mention(None, LINK_LOCAL))
    if typed:
        own = facts.own[family]
        found += [Mention(spans, spans) for spans in (own.local, own.broadcast, facts.of_type(family, "multicast")[0])]
    return found


def _behind_source_nat(chains: Program) -> Optional[Set[Chain]]:
    """The chains that may meet packets whose source was changed; None: all."""
    steps = [(chain, step) for chain in chains.values() for rule in chain.rules for step in rule.steps]
    if any(isinstance(step, Rewrite) and step.field == "src" for _chain, step in steps):
        return None
    if not any(isinstance(step, Nat) for _chain, step in steps):
        return set()
    waiting = [chain for chain in chains.values() if chain.hook in ("input", "postrouting", "egress")]
    found: Set[Chain] = set()
    while waiting:
        chain = waiting.pop()
        if chain in found:
            continue
        found.add(chain)
        for rule in chain.rules:
            for step in rule.steps:
                verdicts = [step] if isinstance(step, Verdict) else []
                if isinstance(step, Vmap):
                    verdicts = [verdict for _element, verdict, _soft in step.elements]
                for target in {verdict.target for verdict in verdicts}:
                    called = chains.get((chain.source, chain.family, chain.table, target))
                    if called is not None:
                        waiting.append(called)
    return found


def _moves_ports(chain: Chain) -> bool:
    for rule in chain.rules:
        for step in rule.steps:
            if isinstance(step, Rewrite) and step.field == "dport":
                return True
            if isinstance(step, Nat):
                targets = [step.target] if step.target else [target for _element, target in step.elements]
                if any(t.ports is not None and t.kind in ("dnat", "redirect") for t in targets):
                    return True
    return False


def _redirects(chain: Chain) -> bool:
    steps = (step for rule in chain.rules for step in rule.steps)
    return any(isinstance(step, Nat) and step.target is not None and step.target.kind == "redirect" for step in steps)


def _asks_back(chain: Chain) -> bool:
    return any(
        key.name == "reverse"
        for rule in chain.rules
        for step in rule.steps
        if isinstance(step, (Match, Vmap, Nat, MarkMap))
        for key in step.keys
    )


def _concerns(rule: Rule, ports: Sequence[int]) -> bool:
    for step in rule.steps:
        if isinstance(step, Match) and len(step.keys) == 1 and not step.negated:
            key = step.keys[0]
            if key.name == "dport" and key.mask == -1:
                values = [element[0] for element in step.sure + step.soft]
                if not any(contains(spans, port) for spans in values for port in ports):  # type: ignore[arg-type]
                    return False
    return True


def _of_rule(rule: Rule, family: int, changed: bool, found: List[Mention]) -> bool:
    """Add what *rule* mentions to *found*; return whether it asks for types of addresses. When *changed*, packets may
    come with another source than they had, so that its sources say nothing about which packets meet it."""
    sides: List[Optional[Spans]] = [None, None]
    several: List[Tuple[Tuple[Key, ...], Iterable[Element]]] = []
    typed = False
    for step in rule.steps:
        if isinstance(step, Match):
            typed = typed or any(key.name.endswith("type") for key in step.keys)
            if len(step.keys) > 1:
                several.append((step.keys, step.sure + step.soft))
                continue
            for element in step.sure + step.soft:
                _one(step.keys, element, family, sides)
        elif isinstance(step, (Vmap, Nat, MarkMap)):
            typed = typed or any(key.name.endswith("type") for key in step.keys)
            several.append((step.keys, [item[0] for item in step.elements]))
            if isinstance(step, Nat):
                _targets(step, family, found)
    if sides[0] is not None or sides[1] is not None:
        _add(found, sides, changed)
    for keys, elements in several:
        for element in elements:
            each: List[Optional[Spans]] = [None, None]
            _one(keys, element, family, each)
            if each[0] is not None or each[1] is not None:
                _add(found, each, changed)
    return typed


def _add(found: List[Mention], sides: Sequence[Optional[Spans]], changed: bool) -> None:
    if changed:
        found.append(Mention(sides[0], None))
        found.append(Mention(None, sides[1]))
    else:
        found.append(Mention(sides[0], sides[1]))


def _one(keys: Sequence[Key], element: Element, family: int, sides: List[Optional[Spans]]) -> None:
    for key, value in zip(keys, element):
        if key.family in (0, family) and key.name in ("src", "osrc", "dst", "odst"):
            side = _SIDES[key.name]
            old = sides[side]
            spans: Spans = value  # type: ignore[assignment]
            # Two looks at one side in a rule: all edges count.
            sides[side] = spans if old is None else tuple(sorted(set(old + spans)))


def _targets(step: Nat, family: int, found: List[Mention]) -> None:
    targets = [step.target] if step.target else [target for _element, target in step.elements]
    found.extend(
        Mention(None, target.addresses)
        for target in targets
        if target.addresses is not None and target.family in (0, family) and target.kind == "dnat"
    )
