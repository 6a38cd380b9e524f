# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which chains a packet meets at a hook, and in which order. Pure."""

from __future__ import annotations

from itertools import permutations
from typing import Callable, Iterable, List, NamedTuple, Sequence, Set, Tuple

from .flow import Flow
from .grid import merge
from .model import Chain
from .state import NEW, NOT_YET, Hook

# Priorities of the kernel's own functions (enum nf_ip_hook_priorities in netfilter_ipv4.h). NAT chains are all run
# from one of them, whatever their own priority, which only puts them in order among themselves.
CONNTRACK = -200
_NAT_AT = {"prerouting": -100, "output": -100, "input": 100, "postrouting": 100}
_TRACKED = ("prerouting", "output")
# Chains of the same priority run in the order of their loading, which a listing does not tell. Where that matters, up
# to so many are tried in every order.
_MOST_ORDERS = 3


class Slot(NamedTuple):
    """What runs at one priority: chains in unknown order, connection tracking, or the NAT chains by their own."""

    prio: int
    kind: str
    groups: Tuple[Tuple[Chain, ...], ...]


def slots(chains: Iterable[Chain], family: int, hook: Hook) -> List[Slot]:
    """Return what packets of an IP *family* meet at *hook*, in order."""
    families = ("netdev", "inet") if hook.name in ("ingress", "egress") else ("inet", "ip" if family == 4 else "ip6")
    here = [c for c in chains if c.hook == hook.name and c.family in families and c.sleeps is not True]
    plain = [chain for chain in here if chain.kind != "nat"]
    found = [Slot(prio, "filter", (group,)) for prio, group in _by_priority(plain)]
    nats = [chain for chain in here if chain.kind == "nat"]
    if nats:
        groups = tuple(group for _prio, group in _by_priority(nats))
        found.append(Slot(_NAT_AT.get(hook.name, 0), "nat", groups))
    if hook.name in _TRACKED:
        found.append(Slot(CONNTRACK, "track", ()))
    return sorted(found, key=lambda slot: (slot.prio, slot.kind != "filter"))


def _by_priority(chains: Sequence[Chain]) -> List[Tuple[int, Tuple[Chain, ...]]]:
    prios = sorted({chain.prio for chain in chains})
    return [(prio, tuple(chain for chain in chains if chain.prio == prio)) for prio in prios]


class Orders:
    """Runs chains of one priority, in every order where that matters."""

    def __init__(self, changing: Set[Tuple[str, str, str]]) -> None:
        """*changing*: the tables with rules that change packets or what is known of them."""
        self._changing = changing
        self.untried: List[Tuple[Chain, ...]] = []

    def run(self, group: Sequence[Chain], flow: Flow, through: Callable[[Chain, Flow], Flow]) -> Flow:
        """Return what *flow* becomes after all chains of *group*."""
        changing = [chain for chain in group if (chain.source, chain.family, chain.table) in self._changing]
        if len(group) == 1 or not changing:
            return _in_order(group, flow, through)
        if len(group) > _MOST_ORDERS:
            self.untried.append(tuple(group))
            both = [tuple(group), tuple(reversed(group))]
        else:
            both = list(permutations(group))
        found: Flow = {}
        for order in both:
            for state, rows in _in_order(order, flow, through).items():
                merge(found.setdefault(state, {}), rows)
        return found


def _in_order(group: Sequence[Chain], flow: Flow, through: Callable[[Chain, Flow], Flow]) -> Flow:
    for chain in group:
        flow = through(chain, flow)
    return flow


def through_nat(slot: Slot, flow: Flow, done: str, orders: Orders, through: Callable[[Chain, Flow], Flow]) -> Flow:
    """Send the first packet of tracked connections through the NAT chains: the first that does NAT ends it.

    *done*: the field of State (dnat or snat) that tells that it has been done.
    """
    passed: Flow = {}
    waiting: Flow = {}
    for state, rows in flow.items():
        asked = state.ct not in (NOT_YET, "untracked") and not getattr(state, done)
        merge((waiting if asked else passed).setdefault(state, {}), rows)
        if asked and state.ct != NEW:
            merge(passed.setdefault(state, {}), dict(rows))
    for group in slot.groups:

        def once(chain: Chain, arriving: Flow) -> Flow:
            ready = {state: rows for state, rows in arriving.items() if not getattr(state, done)}
            rest = {state: rows for state, rows in arriving.items() if getattr(state, done)}
            for state, rows in (through(chain, ready) if ready else {}).items():
                merge(rest.setdefault(state, {}), rows)
            return rest

        waiting = orders.run(group, waiting, once)
    for state, rows in waiting.items():
        merge(passed.setdefault(state, {}), rows)
    return passed
