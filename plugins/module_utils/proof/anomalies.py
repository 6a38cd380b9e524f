# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules that touch SMTP and do not do what they seem to. Pure.

Shadowed, redundant and contradicting are meant as the literature on firewall anomalies does: no packet is left for a
rule; the rest of its chain decides the same; an earlier rule with the opposite verdict takes a part of its packets
without being a mere exception from it.
"""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from . import wording
from .analyse import Analysis
from .fold import Box, Folded
from .model import Chain, Ref, Rule
from .spans import Spans, covers, touches

# How many anomalies are shown, and how many pairs of rules are held against each other at most.
MOST = 40
_MOST_PAIRS = 150_000
_OPPOSITE = {"accept": "drop", "drop": "accept"}


class Anomaly(NamedTuple):
    """*kind*: shadowed, redundant or contradicting; *rule*: which; *others*: the rules it concerns."""

    kind: str
    rule: Ref
    others: Tuple[Ref, ...]
    what: str

    def data(self) -> Dict[str, Any]:
        """Return this as a plain dictionary."""
        others = [other.data() for other in self.others]
        return {"kind": self.kind, "rule": self.rule.data(), "others": others, "what": self.what}


class Found(NamedTuple):
    """The anomalies, how many more there are, and whether all rules were held against each other."""

    shown: List[Anomaly]
    more: int
    complete: bool


class _Plain(NamedTuple):
    """A rule that accepts or drops for sure, with its boxes."""

    rule: Rule
    verdict: str
    boxes: Tuple[Box, ...]


def search(analysis: Analysis) -> Found:
    """Return the anomalies in the rules that *analysis* has looked at."""
    found: Dict[Tuple[str, Rule], Anomaly] = {}
    reached: Set[Rule] = set()
    complete = True
    for notes in analysis.notes.values():
        reached |= notes.reached
        complete = complete and not notes.too_many
    pairs = _Pairs()
    useful: Set[Rule] = set()
    for family, chain, rules in analysis.entered():
        top = (1 << (32 if family == 4 else 128)) - 1
        _of_chain(chain, rules, reached, top, pairs, found, useful)
    for kind, rule in list(found):
        if kind == "redundant" and rule in useful:
            del found[kind, rule]
    ordered = sorted(found.values(), key=lambda item: (item.kind != "shadowed", item.kind, item.rule[:3]))
    return Found(ordered[:MOST], max(len(ordered) - MOST, 0), complete and not pairs.spent)


class _Pairs:
    """Counts the pairs of rules that were held against each other."""

    def __init__(self) -> None:
        self.left = _MOST_PAIRS

    @property
    def spent(self) -> bool:
        """Whether there were too many."""
        return self.left <= 0


def _of_chain(
    chain: Chain,
    rules: Sequence[Folded],
    reached: Set[Rule],
    top: int,
    pairs: _Pairs,
    found: Dict[Tuple[str, Rule], Anomaly],
    useful: Set[Rule],
) -> None:
    plain = [_plain(folded) for folded in rules]
    for at, folded in enumerate(rules):
        rule = folded.rule
        if rule not in reached:
            if ("shadowed", rule) not in found:
                found["shadowed", rule] = _shadowed(folded, rules[:at], pairs)
            continue
        own = plain[at]
        if own is None or pairs.spent:
            continue
        if _redundant(chain, own, rules[at + 1 :], plain[at + 1 :], top, pairs):
            found.setdefault(
                ("redundant", rule), _anomaly("redundant", rule, (), "the rest of its chain decides the same")
            )
        else:
            useful.add(rule)
        others = _contradicted(own, plain[:at], top, pairs)
        if others:
            what = "earlier rules with the opposite verdict take a part of its packets"
            found.setdefault(("contradicting", rule), _anomaly("contradicting", rule, others, what))


def _plain(folded: Folded) -> Optional[_Plain]:
    if folded.rest is not None:
        return None
    verdicts = {verdict.name for _box, verdict in folded.items if verdict is not None}
    if len(verdicts) != 1 or not all(box.sure for box, _verdict in folded.items):
        return None
    (verdict,) = verdicts
    return _Plain(folded.rule, verdict, tuple(box for box, _v in folded.items)) if verdict in _OPPOSITE else None


def _shadowed(folded: Folded, earlier: Sequence[Folded], pairs: _Pairs) -> Anomaly:
    boxes = [box for box, _verdict in folded.items]
    others: List[Rule] = []
    for other in earlier:
        if pairs.spent or len(others) == 3:
            break
        pairs.left -= 1
        if any(verdict is not None and any(_meet(box, mine) for mine in boxes) for box, verdict in other.items):
            others.append(other.rule)
    what = "no SMTP packet is left for it" if others else "no SMTP packet that it could match comes to its chain"
    return _anomaly("shadowed", folded.rule, others, what)


def _redundant(
    chain: Chain,
    own: _Plain,
    later: Sequence[Folded],
    plain: Sequence[Optional[_Plain]],
    top: int,
    pairs: _Pairs,
) -> bool:
    """Whether a later rule, or the chain's policy, gives all packets of *own* the same verdict, and none between them
    another one."""
    by_policy = bool(chain.hook) and chain.policy == own.verdict
    for folded, other in zip(later, plain):
        if pairs.spent:
            return False
        pairs.left -= 1
        if not any(_meet(box, mine) for box, _verdict in folded.items for mine in own.boxes):
            continue
        if other is None or other.verdict != own.verdict:
            return False
        if all(any(_inside(mine, box, top) for box in other.boxes) for mine in own.boxes):
            return True
    return by_policy


def _contradicted(own: _Plain, earlier: Sequence[Optional[_Plain]], top: int, pairs: _Pairs) -> List[Rule]:
    found: List[Rule] = []
    for other in earlier:
        if pairs.spent or len(found) == 3:
            break
        pairs.left -= 1
        if other is None or other.verdict != _OPPOSITE[own.verdict] or other.rule is own.rule:
            continue
        for box in other.boxes:
            if any(_meet(box, mine) for mine in own.boxes) and not any(_inside(box, mine, top) for mine in own.boxes):
                found.append(other.rule)
                break
    return found


def _meet(one: Box, other: Box) -> bool:
    return bool(one.units & other.units) and _touch(one.src, other.src) and _touch(one.dst, other.dst)


def _touch(one: Optional[Spans], other: Optional[Spans]) -> bool:
    return one is None or other is None or touches(one, other)


def _inside(one: Box, other: Box, top: int) -> bool:
    return not one.units & ~other.units and _within(one.src, other.src, top) and _within(one.dst, other.dst, top)


def _within(one: Optional[Spans], other: Optional[Spans], top: int) -> bool:
    if other is None:
        return True
    return covers(other, ((0, top),) if one is None else one)


def _anomaly(kind: str, rule: Rule, others: Sequence[Rule], what: str) -> Anomaly:
    return Anomaly(kind, _ref(rule), tuple(_ref(other) for other in others), what)


def _ref(rule: Rule) -> Ref:
    chain = rule.chain
    return Ref(chain.family, chain.table, chain.name, rule.handle, wording.rule(rule))
