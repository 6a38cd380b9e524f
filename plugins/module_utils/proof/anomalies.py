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
    near = _Near(rules, top, pairs)
    for at, folded in enumerate(rules):
        rule = folded.rule
        if rule not in reached:
            if ("shadowed", rule) not in found:
                earlier = [rules[other].rule for other in near.to(at) if other < at]
                found["shadowed", rule] = _shadowed(rule, earlier[:3])
            continue
        own = plain[at]
        if own is None or pairs.spent:
            continue
        met = near.to(at)
        if _redundant(chain, own, [plain[other] for other in met if other > at], top, pairs):
            what = "the rest of its chain decides the same"
            found.setdefault(("redundant", rule), _anomaly("redundant", rule, (), what))
        else:
            useful.add(rule)
        others = _contradicted(own, [plain[other] for other in met if other < at], top)
        if others:
            what = "earlier rules with the opposite verdict take a part of its packets"
            found.setdefault(("contradicting", rule), _anomaly("contradicting", rule, others, what))


class _Near:
    """Finds the rules of a chain that can meet the same packets as one of them: by its source where that is a single
    address, else by its destination, so that long lists of single addresses are not held each against each."""

    def __init__(self, rules: Sequence[Folded], top: int, pairs: _Pairs) -> None:
        self._boxes = [[box for box, _verdict in folded.items] for folded in rules]
        self._pairs = pairs
        self._hulls = [_hull(boxes, top) for boxes in self._boxes]
        self._sources: Dict[int, List[int]] = {}
        self._destinations: Dict[int, List[int]] = {}
        self._wide: List[int] = []
        for at, (low, high, first, last) in enumerate(self._hulls):
            if low == high:
                self._sources.setdefault(low, []).append(at)
            elif first == last:
                self._destinations.setdefault(first, []).append(at)
            else:
                self._wide.append(at)
        self._by_source = [at for several in self._sources.values() for at in several]
        self._by_destination = [at for several in self._destinations.values() for at in several]

    def to(self, at: int) -> List[int]:
        """Return the places of the rules that meet packets of the one at *at*, in order; none when there were too many
        pairs."""
        low, high, first, last = self._hulls[at]
        some = self._sources.get(low, []) if low == high else self._by_source
        others = self._destinations.get(first, []) if first == last else self._by_destination
        found = []
        self._pairs.left -= len(some) + len(others) + len(self._wide)
        if self._pairs.spent:
            return []
        for other in (*some, *others, *self._wide):
            start, end, begin, finish = self._hulls[other]
            if other == at or start > high or end < low or begin > last or finish < first:
                continue
            self._pairs.left -= len(self._boxes[at]) * len(self._boxes[other])
            if self._pairs.spent:
                return []
            if any(_meet(box, mine) for box in self._boxes[other] for mine in self._boxes[at]):
                found.append(other)
        return sorted(found)


def _hull(boxes: Sequence[Box], top: int) -> Tuple[int, int, int, int]:
    """The lowest and highest source, the lowest and highest destination of *boxes*."""
    low, high, first, last = top, 0, top, 0
    for src, dst, _units, _sure in boxes:
        low, high = (0, top) if src is None else (min(low, src[0][0]), max(high, src[-1][1]))
        first, last = (0, top) if dst is None else (min(first, dst[0][0]), max(last, dst[-1][1]))
    return low, high, first, last


def _plain(folded: Folded) -> Optional[_Plain]:
    if folded.rest is not None:
        return None
    verdicts = {verdict.name for _box, verdict in folded.items if verdict is not None}
    if len(verdicts) != 1 or not all(box.sure for box, _verdict in folded.items):
        return None
    (verdict,) = verdicts
    return _Plain(folded.rule, verdict, tuple(box for box, _v in folded.items)) if verdict in _OPPOSITE else None


def _shadowed(rule: Rule, earlier: Sequence[Rule]) -> Anomaly:
    what = "no SMTP packet is left for it" if earlier else "no SMTP packet that it could match comes to its chain"
    return _anomaly("shadowed", rule, earlier, what)


def _redundant(chain: Chain, own: _Plain, later: Sequence[Optional[_Plain]], top: int, pairs: _Pairs) -> bool:
    """Whether a later rule, or the chain's policy, gives all packets of *own* the same verdict, and none between them
    another one. *later* are the rules that meet some of its packets."""
    if pairs.spent:
        return False
    for other in later:
        if other is None or other.verdict != own.verdict:
            return False
        if all(any(_inside(mine, box, top) for box in other.boxes) for mine in own.boxes):
            return True
    return bool(chain.hook) and chain.policy == own.verdict


def _contradicted(own: _Plain, earlier: Sequence[Optional[_Plain]], top: int) -> List[Rule]:
    found: List[Rule] = []
    for other in earlier:
        if len(found) == 3:
            break
        if other is None or other.verdict != _OPPOSITE[own.verdict]:
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
    return Ref(chain.family, chain.table, chain.name, rule.handle, wording.rule(rule), chain.source)
