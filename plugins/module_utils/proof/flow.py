# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets on their way, by their state, and what is noted about them. Pure."""

from __future__ import annotations

from typing import Callable, Dict, List, NamedTuple, Optional, Sequence, Set, Tuple

from .facts import Facts
from .fold import Folded, View
from .grid import Rows, merge
from .model import TOP, Chain, Ref, Rule
from .state import EITHER, NEW, NOT_YET, Hook, State
from .units import Units

Flow = Dict[State, Rows]
Program = Dict[Tuple[str, str, str, str], Chain]
FoldKey = Tuple[Chain, Hook, State]


class Hit(NamedTuple):
    """A rule (or the policy of *chain*, when *rule* is None) that decided over packets."""

    chain: Chain
    rule: Optional[Rule]
    verdict: str


class Outcome:
    """What became of the packets of one grid."""

    def __init__(self) -> None:
        self.passed: Flow = {}
        self.dropped: Rows = {}
        self.straight: Rows = {}
        self.moved: Rows = {}

    def drop(self, state: State, rows: Rows) -> None:
        """Note that packets end here."""
        merge(self.dropped, rows)
        if not state.moved:
            merge(self.straight, rows)


class Notes:
    """What a walk notes about rules: which were looked at with packets left for them, and which got some."""

    def __init__(self, hits: bool = False) -> None:
        self.hits: Optional[Dict[Hit, None]] = {} if hits else None
        self.unknown: Dict[Tuple[Rule, str], None] = {}
        self.reached: Set[Rule] = set()
        self.entered: Dict[FoldKey, None] = {}
        self.too_many = False

    def hit(self, chain: Chain, rule: Optional[Rule], verdict: str) -> None:
        """Note that packets met a verdict."""
        if self.hits is not None:
            self.hits[Hit(chain, rule, verdict)] = None


class Folds:
    """The rules of chains as boxes, made once for each state and hook."""

    def __init__(self, family: int, units: Units, facts: Facts) -> None:
        self.family, self.units, self.facts = family, units, facts
        self.top = TOP[family]
        self._views: Dict[Tuple[Hook, State], View] = {}
        self._chains: Dict[FoldKey, Tuple[List[int], List[Folded]]] = {}

    def view(self, hook: Hook, state: State) -> View:
        """Return how packets of *state* look at *hook*."""
        found = self._views.get((hook, state))
        if found is None:
            found = self._views[hook, state] = View(self.family, hook, state, self.units, self.facts)
        return found

    def chain(self, chain: Chain, hook: Hook, state: State) -> Tuple[List[int], List[Folded]]:
        """Return the rules of *chain* that such packets can meet: their places, and what they come to."""
        found = self._chains.get((chain, hook, state))
        if found is None:
            view = self.view(hook, state)
            places: List[int] = []
            rules: List[Folded] = []
            for at, rule in enumerate(chain.rules):
                folded = view.rule(rule)
                if folded is not None:
                    places.append(at)
                    rules.append(folded)
            found = self._chains[chain, hook, state] = (places, rules)
        return found


def half_tracked(flow: Flow) -> Flow:
    """Return *flow* at a place where connection tracking may have seen it or not."""
    found: Flow = {}
    for state, rows in flow.items():
        merge(found.setdefault(state._replace(ct=EITHER) if state.ct == NOT_YET else state, {}), rows)
    return found


def tracked(flow: Flow) -> Flow:
    """Return *flow* after connection tracking saw it."""
    found: Flow = {}
    for state, rows in flow.items():
        changed = state._replace(ct=NEW) if state.ct in (NOT_YET, EITHER) else state
        merge(found.setdefault(changed, {}), rows)
    return found


def refs(hits: Sequence[Hit], text: Callable[[Rule], str]) -> List[Ref]:
    """Return where the rules of *hits* stand."""
    found = []
    for hit in hits:
        chain, rule = hit.chain, hit.rule
        words = f"policy {hit.verdict}" if rule is None else text(rule)
        found.append(
            Ref(chain.family, chain.table, chain.name, None if rule is None else rule.handle, words, chain.source)
        )
    return found
