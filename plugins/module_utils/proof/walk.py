# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of packets through chains, as sets of packets. Pure.

Where a match is not known, the packets go both ways. So what arrives somewhere is what may arrive there, and what is
dropped nowhere is what surely passes.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Dict, List, Optional, Sequence, Tuple, Union

from . import nat
from .flow import Flow, FoldKey, Folds, Notes, Outcome, Program
from .fold import Box, Folded, View, doubts
from .grid import Grid, Rows, limited, merge, take
from .model import PORT_TOP, Chain, Divert, MarkMap, Match, Nat, Notrack, Rewrite, Rule, SetMark, Unknown, Verdict, Vmap
from .runs import OneByOne, Run, heavy, run_of
from .state import EITHER, NOT_YET, UNTRACKED, Hook, State, marked

# nft refuses rulesets that nest deeper (NFT_JUMP_STACK_SIZE); a listing that does is no real one.
_DEPTH = 64
# Beyond so many states of packets their marks are forgotten, which makes the result less exact, never wrong.
_MOST_STATES = 64
# A chain with fewer rules is not worth sorting by sources.
_MANY_RULES = 64
# A ruleset whose chains call each other more often is not followed to the end; the kernel would not either.
_MOST_CALLS = 500_000


class Walk:
    """One grid's way through chains."""

    def __init__(self, chains: Program, folds: Folds, grid: Grid, outcome: Outcome, notes: Notes) -> None:
        self.chains, self.folds, self.grid = chains, folds, grid
        self.outcome, self.notes = outcome, notes
        self._accepted: Flow = {}
        self._hook: Hook = Hook("", "none", "none")
        self._calls = 0
        self._near: Dict[FoldKey, Tuple[List[int], List[Folded]]] = {}

    def base(self, chain: Chain, hook: Hook, flow: Flow) -> Flow:
        """Send *flow* through a base chain; return what it accepts. The rest is dropped."""
        self._accepted, self._hook = {}, hook
        rest = self._chain(chain, flow, 0)
        for state, rows in rest.items():
            self.notes.hit(chain, None, chain.policy)
            if chain.policy == "drop":
                self.outcome.drop(state, rows)
            else:
                self._accept(state, rows)
        return self._accepted

    def _accept(self, state: State, rows: Rows) -> None:
        merge(self._accepted.setdefault(state, {}), rows)

    def _chain(self, chain: Chain, flow: Flow, depth: int) -> Flow:
        """Return what reaches the end of *chain*, or returns."""
        if depth > _DEPTH:
            raise ValueError(f"the chains of table {chain.family} {chain.table} call each other in a circle")
        self._calls += 1
        if self._calls > _MOST_CALLS:
            raise ValueError(
                f"the chains of table {chain.family} {chain.table} call each other too often to be followed"
            )
        back: Flow = {}
        flows: Flow = {state: dict(rows) for state, rows in flow.items() if rows}
        for state in flows:
            self.notes.entered[chain, self._hook, state] = None
        at = 0
        while flows:
            if len(flows) == 1:
                at = self._one_state(chain, flows, at, back, depth)
            else:
                flows = _few(flows)
                at = self._one_rule(chain, flows, at, back, depth)
            if at >= len(chain.rules):
                break
        for state, rows in flows.items():
            if rows:
                merge(back.setdefault(state, {}), rows)
        return back

    def _one_state(self, chain: Chain, flows: Flow, at: int, back: Flow, depth: int) -> int:
        """Go on while all packets are of one state; return the place of the next rule."""
        ((state, live),) = flows.items()
        places, rules = self._rules(chain, state)
        index = bisect_left(places, at)
        while index < len(places):
            if not live:
                flows.clear()
                break
            length = run_of(rules, index)
            if length and self.notes.hits is None:
                self._run(rules[index : index + length], state, live, back)
                index += length
                continue
            for folded in rules[index : index + max(length, 1)]:
                index += 1
                others = self._rule(folded, state, live, back, depth)
                if others:
                    for other, rows in others.items():
                        merge(flows.setdefault(other, {}), rows)
                    if len(flows) > 1:
                        return places[index - 1] + 1
        return len(chain.rules)

    def _one_rule(self, chain: Chain, flows: Flow, at: int, back: Flow, depth: int) -> int:
        """Send packets of several states through the next rule that meets any; return the place after it."""
        following = len(chain.rules)
        for state in flows:
            places, _rules = self._rules(chain, state)
            index = bisect_left(places, at)
            if index < len(places):
                following = min(following, places[index])
        if following == len(chain.rules):
            return following
        # What changed its state must not meet the same rule again, so it joins the others afterwards.
        changed: List[Flow] = []
        for state, live in flows.items():
            places, rules = self._rules(chain, state)
            index = bisect_left(places, following)
            if index < len(places) and places[index] == following:
                changed.append(self._rule(rules[index], state, live, back, depth))
        for others in changed:
            for other, rows in others.items():
                merge(flows.setdefault(other, {}), rows)
        for state in [state for state, rows in flows.items() if not rows]:
            del flows[state]
        return following + 1

    def _rules(self, chain: Chain, state: State) -> Tuple[List[int], List[Folded]]:
        """The rules of *chain* that packets of *state* from this grid's sources can meet."""
        key = (chain, self._hook, state)
        found = self._near.get(key)
        if found is None:
            places, rules = found = self.folds.chain(*key)
            low, high = self.grid.src
            if len(rules) > _MANY_RULES and (low or high < self.folds.top):
                near = [at for at, folded in enumerate(rules) if folded.low <= high and folded.high >= low]
                found = ([places[at] for at in near], [rules[at] for at in near])
            self._near[key] = found
        return found

    def _run(self, rules: Sequence[Folded], state: State, live: Rows, back: Flow) -> None:
        """Send *live* through rules that only accept, drop or return."""
        run: Union[Run, OneByOne]
        if heavy(self.grid, rules, live):
            run = Run(self.grid, rules, live)
            self.notes.too_many = True
            self.notes.reached.update(folded.rule for folded in rules)
        else:
            run = OneByOne(self.grid, rules, live)
            self.notes.reached.update(run.reached)
        if run.accepted:
            self._accept(state, run.accepted)
        if run.dropped:
            self.outcome.drop(state, run.dropped)
        if run.returned:
            merge(back.setdefault(state, {}), run.returned)

    def _taken(self, box: Box, live: Rows) -> Rows:
        ranges = None
        if box.src is not None:
            ranges = self.grid.ranges(box.src)
            if not ranges:
                return {}
        bits = self.grid.bits(box.dst, box.units)
        if not bits:
            return {}
        return take(live, ranges, bits, box.sure)

    def _rule(self, folded: Folded, state: State, live: Rows, back: Flow, depth: int) -> Flow:
        """Send *live* through one rule. What goes on to the next rule stays in *live*, or is returned when it came
        back or changed."""
        rule = folded.rule
        goes_on: Flow = {}
        if folded.rest is None:
            for box, verdict in folded.items:
                taken = self._taken(box, live)
                if taken and verdict is not None:
                    self._met(rule, folded.unknown)
                    self._verdict(rule, verdict, state, taken, goes_on, back, depth)
            return goes_on
        taken = {}
        for box, _verdict in folded.items:
            merge(taken, self._taken(box, live))
        if taken:
            self._met(rule, folded.unknown)
            self._steps(rule, folded.rest, state, taken, goes_on, back, depth)
        return goes_on

    def _met(self, rule: Rule, unknown: Tuple[str, ...]) -> None:
        self.notes.reached.add(rule)
        for what in unknown:
            self.notes.unknown[rule, what] = None

    def _verdict(
        self, rule: Rule, verdict: Verdict, state: State, taken: Rows, goes_on: Flow, back: Flow, depth: int
    ) -> None:
        name = verdict.name
        if name in ("jump", "goto"):
            chain = rule.chain
            target = self.chains.get((chain.source, chain.family, chain.table, verdict.target))
            returned = {state: taken} if target is None else self._chain(target, {state: taken}, depth + 1)
            for other, rows in returned.items():
                merge((goes_on if name == "jump" else back).setdefault(other, {}), rows)
            return
        self.notes.hit(rule.chain, rule, name)
        if name == "accept":
            self._accept(state, taken)
        elif name == "return":
            merge(back.setdefault(state, {}), taken)
        elif name == "continue":
            merge(goes_on.setdefault(state, {}), taken)
        elif name == "queue":
            self.notes.unknown[rule, "queue"] = None
            self._accept(state, taken)
            self.outcome.drop(state, taken)
        elif name == "stolen":
            # Another device sends it out at once.
            merge(self.outcome.moved, taken)
            merge(self.outcome.passed.setdefault(state._replace(moved=True), {}), taken)
        else:
            self.outcome.drop(state, taken)

    def _steps(self, rule: Rule, at: int, state: State, rows: Rows, goes_on: Flow, back: Flow, depth: int) -> None:
        """Send *rows* through the rest of a rule, from a step that changes packets or that boxes cannot say."""
        if at >= len(rule.steps):
            merge(goes_on.setdefault(state, {}), rows)
            return
        step = rule.steps[at]
        view = self.folds.view(self._hook, state)
        if isinstance(step, Match):
            matched, rest = self._negated(rule, view, step, rows)
            if rest:
                merge(goes_on.setdefault(state, {}), rest)
            if matched:
                self._steps(rule, at + 1, state, matched, goes_on, back, depth)
            return
        if isinstance(step, Unknown):
            if step.family and step.family != view.family:
                merge(goes_on.setdefault(state, {}), rows)
                return
            self.notes.unknown[rule, step.what] = None
            merge(goes_on.setdefault(state, {}), rows)
            self._steps(rule, at + 1, state, rows, goes_on, back, depth)
            return
        if isinstance(step, Vmap):
            live = dict(rows)
            for element, verdict, soft in step.elements:
                for box in view.element(step.keys, element, not soft):
                    taken = self._taken(box, live)
                    if taken and verdict.name == "continue":
                        self._steps(rule, at + 1, state, taken, goes_on, back, depth)
                    elif taken:
                        self._verdict(rule, verdict, state, taken, goes_on, back, depth)
            if live:
                # The kernel ends the rule when the element is not there.
                merge(goes_on.setdefault(state, {}), live)
            return
        if isinstance(step, Verdict):
            self._verdict(rule, step, state, rows, goes_on, back, depth)
            return
        if isinstance(step, Nat):
            left = self._nat(rule, step, view, rows)
            if left and step.target is not None and step.target.family not in (0, view.family):
                self._steps(rule, at + 1, state, left, goes_on, back, depth)
            elif left:
                merge(goes_on.setdefault(state, {}), left)
            return
        if isinstance(step, MarkMap):
            live = dict(rows)
            for element, mark, soft in step.elements:
                for box in view.element(step.keys, element, not soft):
                    taken = self._taken(box, live)
                    if taken:
                        with_mark = marked(state, SetMark(step.which, "zero", 0, mark))
                        self._steps(rule, at + 1, with_mark, taken, goes_on, back, depth)
            if live:
                merge(goes_on.setdefault(state, {}), live)
            return
        for changed, some in self._changed(rule, step, view, rows):
            if not some:
                continue
            if changed is None:
                merge(goes_on.setdefault(state, {}), some)
            else:
                self._steps(rule, at + 1, changed, some, goes_on, back, depth)

    def _negated(self, rule: Rule, view: View, match: Match, rows: Rows) -> Tuple[Rows, Rows]:
        """Split *rows* into what may match and what may not, for a match that boxes could not say."""
        boxes = view.match(match)
        inside = view.match(match._replace(negated=False)) or [] if boxes is None else boxes
        for what in doubts(match, inside):
            self.notes.unknown[rule, what] = None
        if boxes is None:
            matched = dict(rows)
            rest: Rows = {}
            for box in inside:
                if box.sure:
                    merge(rest, self._taken(box, matched))
            for box in inside:
                if not box.sure:
                    merge(rest, self._taken(box, dict(matched)))
            return matched, rest
        rest = dict(rows)
        matched = {}
        for box in boxes:
            merge(matched, self._taken(box, rest))
        return matched, rest

    def _nat(self, rule: Rule, step: Nat, view: View, rows: Rows) -> Rows:
        """Apply NAT; what it applies to is accepted. Return what it does not apply to."""
        live = dict(rows)
        state = view.state
        for box, target, sure in nat.targets(step, view):
            taken = self._taken(box, live)
            if taken and not sure:
                merge(live, taken)
            if not taken:
                continue
            for changed, bits in nat.applied(target, view, self.grid):
                some = limited(taken, bits)
                if not some:
                    continue
                if changed is None:
                    # Without an address on the interface the kernel drops what it should redirect.
                    self.outcome.drop(state, some)
                    continue
                self.notes.hit(rule.chain, rule, target.kind)
                if changed.moved and not state.moved:
                    merge(self.outcome.moved, some)
                self._accept(changed, some)
        return live

    def _changed(self, rule: Rule, step: object, view: View, rows: Rows) -> List[Tuple[Optional[State], Rows]]:
        """What a step makes of packets: their new states. None: the rule ends for them."""
        state = view.state
        if isinstance(step, SetMark):
            if "ctmark" in (step.which, step.base, step.other) and state.ct in (NOT_YET, UNTRACKED):
                # nft ends a rule that reads the mark of no connection, iptables goes on; setting it does nothing.
                reads = step.base == "ctmark" and rule.chain.source == "nft"
                return [(None if reads else state, rows)]
            return [(marked(state, step), rows)]
        if isinstance(step, Notrack):
            without = state._replace(ct=UNTRACKED)
            if state.ct == EITHER:
                return [(without, rows), (state, rows)]
            return [(without if state.ct == NOT_YET else state, rows)]
        if isinstance(step, Rewrite):
            return self._rewritten(rule, step, view, rows)
        if isinstance(step, Divert):
            self.notes.unknown[rule, step.what] = None
            self.notes.hit(rule.chain, rule, step.what)
            merge(self.outcome.moved, rows)
            led = state._replace(diverted=True, moved=True)
            if step.drops or step.what == "synproxy":
                self.outcome.drop(led, rows)
                merge(self.outcome.straight, rows)
            return [(led, rows)] if step.drops else [(led, rows), (None, rows)]
        return [(state, rows)]

    def _rewritten(self, rule: Rule, step: Rewrite, view: View, rows: Rows) -> List[Tuple[Optional[State], Rows]]:
        state = view.state
        if step.field == "other":
            return [(state, rows)]
        if step.family and step.family != view.family:
            return [(None, rows)]
        value = step.value if step.value is not None else ((0, view.top),)
        ended: List[Tuple[Optional[State], Rows]] = [(None, rows)] if step.ends else []
        if step.field == "src":
            return [(state._replace(src=value), rows), *ended]
        self.notes.hit(rule.chain, rule, "rewritten")
        if step.field == "dst":
            changed, (same, perhaps) = state._replace(dst=value), nat.unchanged(view, self.grid, value, None)
        else:
            ports = step.value if step.value is not None else ((0, PORT_TOP),)
            changed, (same, perhaps) = state._replace(port=ports), nat.unchanged(view, self.grid, None, ports)
        moved = limited(rows, self.grid.full & ~same)
        merge(self.outcome.moved, moved)
        found: List[Tuple[Optional[State], Rows]] = [(changed._replace(moved=True), moved)]
        return [*found, (state, limited(rows, perhaps)), *ended]


def _few(flows: Flow) -> Flow:
    """Keep the number of states bounded: forget marks when there are too many."""
    if len(flows) <= _MOST_STATES:
        return flows
    found: Flow = {}
    for state, rows in flows.items():
        merge(found.setdefault(state._replace(mark=(0, 0), ctmark=(0, 0)), {}), rows)
    return found
