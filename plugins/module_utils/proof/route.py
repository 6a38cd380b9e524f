# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way of a packet through the kernel's hooks, for one grid of one direction. Pure."""

from __future__ import annotations

from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from . import nat
from .facts import Facts
from .flow import Flow, Folds, Notes, Outcome, Program, half_tracked, tracked
from .grid import Grid, Rows, limited, merge
from .hooks import Orders, Slot, slots, through_nat
from .model import Chain
from .state import (
    ARRIVING,
    FORWARD,
    INPUT,
    LEAVING,
    OUTPUT,
    POSTROUTING,
    PREROUTING,
    UNSURE,
    Hook,
    State,
)
from .survey import Survey
from .units import LOOPBACK, Class, Interfaces
from .walk import Walk


class Route:
    """Sends the packets of one direction and IP version through everything they cross."""

    def __init__(
        self,
        chains: Program,
        folds: Folds,
        interfaces: Interfaces,
        facts: Facts,
        forwards: Optional[bool],
        survey: Survey,
        notes: Notes,
    ) -> None:
        self.chains, self.folds, self.facts = chains, folds, facts
        self.interfaces, self.forwards, self.notes = interfaces, forwards, notes
        self._tracked = folds.family in survey.tracked
        self.orders = Orders(survey.changing)
        self._slots: Dict[Hook, List[Slot]] = {}

    def send(self, direction: str, grid: Grid, units: Optional[int] = None) -> Outcome:
        """Send the packets of *grid*, of some *units* or all, on their way; return what became of them."""
        outcome = Outcome()
        walk = Walk(self.chains, self.folds, grid, outcome, self.notes)
        flow: Flow = {State(): grid.everything(self.folds.units.all if units is None else units)}
        if direction == "egress":
            self._out(walk, flow)
        else:
            flow = self._hook(walk, ARRIVING, flow)
            flow = self._hook(walk, PREROUTING, flow)
            self._routed(walk, direction, flow)
        for state, rows in outcome.passed.items():
            if not state.moved:
                merge(outcome.straight, rows)
        return outcome

    def _end(self, walk: Walk, flow: Flow) -> None:
        for state, rows in flow.items():
            merge(walk.outcome.passed.setdefault(state, {}), rows)

    def _out(self, walk: Walk, flow: Flow) -> None:
        flow = self._hook(walk, OUTPUT, flow)
        local: Flow = {}
        out: Flow = {}
        for state, rows in flow.items():
            here, elsewhere = nat.leads(state, self.folds.view(OUTPUT, state))
            if state.dst is None:
                # A changed mark changes the route where rules of routing look at marks.
                kept = state.mark == State().mark or self.facts.routes.usual(state.mark)
                changed = state if kept else state._replace(oif=UNSURE)
                merge(out.setdefault(changed, {}), rows)
                continue
            if here:
                merge(local.setdefault(state._replace(oif=LOOPBACK), {}), rows)
            if elsewhere:
                device = nat.leaves_by(state, self.folds.view(OUTPUT, state))
                merge(out.setdefault(state._replace(oif=device), {}), rows)
        if local:
            self._over_loopback(walk, local)
        flow = self._hook(walk, POSTROUTING, out)
        self._end(walk, self._hook(walk, LEAVING, flow))

    def _over_loopback(self, walk: Walk, flow: Flow) -> None:
        flow = self._hook(walk, POSTROUTING, flow)
        flow = self._hook(walk, LEAVING, flow)
        arrived = {state._replace(iif=LOOPBACK, oif=None): rows for state, rows in flow.items()}
        arrived = self._hook(walk, ARRIVING, arrived)
        # The packet keeps its connection, and NAT is decided once.
        arrived = self._hook(walk, PREROUTING, arrived, nat_again=False)
        self._end(walk, self._hook(walk, INPUT, arrived, nat_again=False))

    def _routed(self, walk: Walk, direction: str, flow: Flow) -> None:
        local: Flow = {}
        away: Flow = {}
        for state, rows in flow.items():
            here, elsewhere = nat.leads(state, self.folds.view(PREROUTING, state))
            if state.dst is None:
                here, elsewhere = direction == "ingress", direction == "forward"
            # What a proxy's socket took over is this host's, whatever NAT makes of it.
            here = here or state.diverted
            changed = state
            if state.dst is not None:
                changed = state._replace(oif=nat.leaves_by(state, self.folds.view(PREROUTING, state)))
            if here:
                merge(local.setdefault(state, {}), rows)
            if elsewhere:
                away_rows = away.setdefault(changed, {})
                merge(away_rows, rows)
        if local:
            self._end(walk, self._hook(walk, INPUT, local))
        if direction == "ingress" and away:
            if self.forwards is not True:
                for state, rows in away.items():
                    walk.outcome.drop(state, rows)
            if self.forwards is False:
                return
            away = {s if s.oif is not None else s._replace(oif=UNSURE): rows for s, rows in away.items()}
        flow = self._hook(walk, FORWARD, away)
        flow = self._hook(walk, POSTROUTING, flow)
        self._end(walk, self._hook(walk, LEAVING, flow))

    def _hook(self, walk: Walk, hook: Hook, flow: Flow, nat_again: bool = True) -> Flow:
        found = self._slots.get(hook)
        if found is None:
            found = self._slots[hook] = slots(self.chains.values(), self.folds.family, hook)
        runs = [
            slot for slot in found if slot.kind == "filter" or (self._tracked and (nat_again or slot.kind != "nat"))
        ]
        at = 0
        while at < len(runs) and flow:
            slot, other = runs[at], runs[at + 1] if at + 1 < len(runs) else None
            at += 1
            if other is None or other.prio != slot.prio or {slot.kind, other.kind} == {"filter"}:
                flow = self._slot(walk, hook, slot, flow)
            elif other.kind == "track":
                flow = self._slot(walk, hook, other, self._slot(walk, hook, slot, half_tracked(flow)))
                at += 1
            else:
                # At one priority with the kernel's own NAT, either may come first.
                one = self._slot(walk, hook, other, self._slot(walk, hook, slot, flow))
                for state, rows in self._slot(walk, hook, slot, self._slot(walk, hook, other, flow)).items():
                    merge(one.setdefault(state, {}), rows)
                flow = one
                at += 1
        return flow

    def _slot(self, walk: Walk, hook: Hook, slot: Slot, flow: Flow) -> Flow:
        if slot.kind == "track":
            return tracked(flow)
        if slot.kind == "nat":
            done = "dnat" if hook.name in ("prerouting", "output") else "snat"
            return through_nat(slot, flow, done, self.orders, lambda c, f: self._through(walk, c, hook, f))
        return self.orders.run(slot.groups[0], flow, lambda c, f: self._through(walk, c, hook, f))

    def _through(self, walk: Walk, chain: Chain, hook: Hook, flow: Flow) -> Flow:
        passed: Flow = {}
        if chain.sleeps is None:
            # Perhaps the table is dormant, and the kernel runs none of it.
            for state, rows in flow.items():
                merge(passed.setdefault(state, {}), rows)
        if hook not in (ARRIVING, LEAVING):
            for state, rows in walk.base(chain, hook, flow).items():
                merge(passed.setdefault(state, {}), rows)
            return passed
        for state, rows in flow.items():
            sure, may = self._on_device(chain, hook, state, walk.grid)
            for bits, certain in ((sure, True), (may, False)):
                some = limited(rows, bits)
                if some:
                    for other, accepted in walk.base(chain, hook, {state: some}).items():
                        merge(passed.setdefault(other, {}), accepted)
                if some and not certain:
                    merge(passed.setdefault(state, {}), some)
            merge(passed.setdefault(state, {}), limited(rows, walk.grid.full & ~(sure | may)))
        return {state: rows for state, rows in passed.items() if rows}

    def _on_device(self, chain: Chain, hook: Hook, state: State, grid: Grid) -> Tuple[int, int]:
        """The cells whose packets surely, and those that perhaps, cross the device of a netdev chain."""
        if chain.device is None:
            return 0, grid.full
        side = "iif" if hook is ARRIVING else "oif"
        override = state.iif if side == "iif" else state.oif
        if override is not None:
            if override == UNSURE:
                return 0, grid.full
            if override in chain.device:
                return grid.full, 0
            return (0, grid.full) if any(name in chain.device for name in self.interfaces.lower(override)) else (0, 0)
        units = self.folds.units
        sure = may = 0
        for at, item in enumerate(units.ins if side == "iif" else units.outs):
            outcome = self._crosses(chain.device, item)
            if outcome is not False:
                bits = grid.bits(None, units.of_interfaces(side, [at]))
                may |= bits
                sure |= bits if outcome else 0
        return sure, may & ~sure

    def _crosses(self, devices: Sequence[str], item: Class) -> Optional[bool]:
        if item.sample in devices:
            return True
        if item.open or not item.present:
            # An interface that nobody knows may run on any of them.
            return None
        lower: Iterable[str] = self.interfaces.lower(item.sample)
        return None if any(name in devices for name in lower) else False


def allowed(outcome: Outcome) -> Rows:
    """Return the cells whose packets may get through."""
    found: Rows = {}
    for rows in outcome.passed.values():
        merge(found, rows)
    return found
