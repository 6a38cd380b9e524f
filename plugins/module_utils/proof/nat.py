# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NAT makes of packets. Pure."""

from __future__ import annotations

from typing import List, Tuple

from .fold import Box, View
from .grid import Grid
from .model import PORT_TOP, Nat, Target
from .spans import Spans, join, minus, single
from .state import State

_LOCALHOST = {4: (((127 << 24) + 1,) * 2,), 6: ((1, 1),)}
_MOST_TARGETS = 64


def targets(step: Nat, view: View) -> List[Tuple[Box, Target, bool]]:
    """Return which packets the statement leads where, in order, and whether it surely does."""
    if step.target is not None:
        found = [(view.whole, step.target, not step.unsure)]
    else:
        pairs = step.elements
        if len(pairs) > _MOST_TARGETS:
            merged = _together([target for _element, target in pairs])
            pairs = tuple((element, merged) for element, _target in pairs)
        found = [
            (box, target, box.sure and not step.unsure)
            for element, target in pairs
            for box in view.element(step.keys, element, True)
        ]
    return [item for item in found if item[1].family in (0, view.family)]


def _together(several: List[Target]) -> Target:
    """One target that stands for all: any of their addresses, any of their ports."""
    addresses: Spans = ()
    ports: Spans = ()
    for target in several:
        addresses = join(addresses, target.addresses or ())
        ports = join(ports, target.ports if target.ports is not None else ((0, PORT_TOP),))
    kept = all(target.ports is None for target in several)
    return Target(several[0].kind, several[0].family, addresses or None, None if kept else ports)


def applied(target: Target, view: View, grid: Grid) -> List[Tuple[State, int]]:
    """Return the states of packets after NAT, each with the cells it is for."""
    state = view.state
    if target.kind in ("snat", "masquerade"):
        own = view.facts.own[view.family]
        addresses = target.addresses
        if addresses is None and target.kind == "masquerade":
            addresses = own.local if own.known else ((0, view.top),)
        changed = state._replace(snat=True)
        return [(changed if addresses is None else changed._replace(src=addresses), grid.full)]
    addresses = _redirected(view) if target.kind == "redirect" else target.addresses
    changed = state._replace(dnat=True, moved=True)
    if addresses is not None:
        changed = changed._replace(dst=addresses)
    if target.ports is not None:
        changed = changed._replace(port=target.ports)
    same = _unchanged(view, grid, addresses, target.ports)
    found = [(changed, grid.full & ~same)]
    if same:
        found.append((state._replace(dnat=True), same))
    return found


def _redirected(view: View) -> Spans:
    """Where redirect leads: on the way out to the loopback address, on the way in to one of the host's own."""
    if view.hook.name == "output":
        return _LOCALHOST[view.family]
    own = view.facts.own[view.family]
    return own.local if own.known else ((0, view.top),)


def _unchanged(view: View, grid: Grid, addresses: object, ports: object) -> int:
    """The cells whose packets go there anyway."""
    state = view.state
    if state.dst is not None or state.port is not None:
        return 0
    units = view.units.all
    if isinstance(ports, tuple):
        units = view.units.of_ports(ports) if single(ports) else 0
    if not isinstance(addresses, tuple):
        return grid.bits(None, units) if units else 0
    return grid.bits(addresses, units) if units and single(addresses) else 0


def leads(state: State, view: View) -> Tuple[bool, bool]:
    """Whether a packet whose destination was changed may be for this host, and may be for another one."""
    if state.dst is None:
        return False, False
    own = view.facts.own[view.family]
    local = own.local
    here = minus(state.dst, local) != state.dst
    elsewhere = bool(minus(state.dst, local))
    return here or not own.known, elsewhere
