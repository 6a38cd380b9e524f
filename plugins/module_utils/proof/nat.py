# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NAT makes of packets. Pure."""

from __future__ import annotations

from typing import List, Optional, Sequence, Set, Tuple

from .fold import Box, View
from .grid import Grid
from .model import PORT_TOP, Nat, Target
from .spans import Spans, covers, join, minus, single
from .state import UNSURE, State

_LOCALHOST = {4: (((127 << 24) + 1,) * 2,), 6: ((1, 1),)}
LINK_LOCAL: Spans = ((0xFE80 << 112, (0xFEC0 << 112) - 1),)
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


def applied(target: Target, view: View, grid: Grid) -> List[Tuple[Optional[State], int]]:
    """Return the states of packets after NAT, each with the cells it is for; None: they are dropped."""
    state = view.state
    if target.kind in ("snat", "masquerade"):
        own = view.facts.own[view.family]
        addresses = target.addresses
        if addresses is None and target.kind == "masquerade":
            addresses = own.local if own.known else ((0, view.top),)
        changed = state._replace(snat=True)
        return [(changed if addresses is None else changed._replace(src=addresses), grid.full)]
    if target.kind == "redirect":
        return _redirected(target, view, grid)
    return _led(target.addresses, target.ports, view, grid, grid.full)


def _led(
    addresses: Optional[Spans], ports: Optional[Spans], view: View, grid: Grid, cells: int
) -> List[Tuple[Optional[State], int]]:
    """The states of the *cells* that are led to *addresses* and *ports*, None where they stay."""
    state = view.state
    changed = state._replace(dnat=True, moved=True)
    if addresses is not None:
        changed = changed._replace(dst=addresses)
    if ports is not None:
        changed = changed._replace(port=ports)
    same, perhaps = unchanged(view, grid, addresses, ports)
    found: List[Tuple[Optional[State], int]] = [(changed, cells & ~same), (state._replace(dnat=True), cells & perhaps)]
    return [(item, bits) for item, bits in found if bits]


def _redirected(target: Target, view: View, grid: Grid) -> List[Tuple[Optional[State], int]]:
    """Where redirect leads: on the way out to the loopback address, on the way in to the first address of the interface
    (nf_nat_redirect.c in the kernel), for IPv6 one of the same scope."""
    if view.hook.name == "output":
        state = view.state._replace(dnat=True, moved=True, dst=_LOCALHOST[view.family])
        return [(state if target.ports is None else state._replace(port=target.ports), grid.full)]
    own = view.facts.own[view.family]
    anywhere: Spans = own.local if own.known else ((0, view.top),)
    if view.state.iif is not None or not view.units.ins:
        return _led(anywhere, target.ports, view, grid, grid.full)
    found: List[Tuple[Optional[State], int]] = []
    for at, item in enumerate(view.units.ins):
        cells = grid.bits(None, view.units.of_interfaces("iif", [at]))
        if item.open or len(item.present) != 1 or not own.known:
            found += _led(anywhere, target.ports, view, grid, cells)
            continue
        several = view.facts.addresses(view.family, item.sample)
        if view.family == 4:
            several = several[:1]
        else:
            near = grid.bits(LINK_LOCAL, view.units.all)
            local = [spans for spans in several if covers(LINK_LOCAL, spans)]
            wide = [spans for spans in several if not covers(LINK_LOCAL, spans)]
            found += _among(local, target, view, grid, cells & near)
            cells, several = cells & ~near, wide
        found += _among(several, target, view, grid, cells)
    return found


def _among(
    several: Sequence[Spans], target: Target, view: View, grid: Grid, cells: int
) -> List[Tuple[Optional[State], int]]:
    if not several:
        return [(None, cells)] if cells else []
    addresses: Spans = ()
    for spans in several:
        addresses = join(addresses, spans)
    return _led(addresses, target.ports, view, grid, cells)


def unchanged(view: View, grid: Grid, addresses: Optional[Spans], ports: Optional[Spans]) -> Tuple[int, int]:
    """Return the cells whose packets surely go to *addresses* and *ports* (None: where they are) anyway, and those that
    perhaps do."""
    state = view.state
    if state.dst is not None or state.port is not None:
        return 0, 0
    units = view.units.all if ports is None else view.units.of_ports(ports)
    if not units:
        return 0, 0
    cells = grid.bits(addresses, units)
    exact = (ports is None or single(ports)) and (addresses is None or single(addresses))
    return (cells, cells) if exact else (0, cells)


def leads(state: State, view: View) -> Tuple[bool, bool]:
    """Whether a packet whose destination was changed may be for this host, and may be for another one."""
    if state.dst is None:
        return False, False
    own = view.facts.own[view.family]
    local = own.local
    here = minus(state.dst, local) != state.dst
    elsewhere = bool(minus(state.dst, local))
    return here or not own.known, elsewhere


def leaves_by(state: State, view: View) -> str:
    """Return the interface towards the changed destination of *state*, UNSURE when the routes do not tell one."""
    if not view.facts.routes.usual(state.mark):
        return UNSURE
    found: Set[str] = set()
    for span in state.dst or ():
        found.update(view.facts.routes.devices(view.family, span) or ("", UNSURE))
    return found.pop() if len(found) == 1 else UNSURE
