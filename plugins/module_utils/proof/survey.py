# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What kinds of steps a host's rules have, found in one pass, and which chains a packet can reach. Pure."""

from __future__ import annotations

from typing import Dict, Iterable, List, Sequence, Set, Tuple

from .model import Chain, Divert, MarkMap, Match, Nat, Notrack, Rewrite, SetMark, Unknown, Verdict, Vmap

Program = Dict[Tuple[str, str, str, str], Chain]

_WAYS = {
    "egress": {"output", "postrouting", "egress"},
    "ingress": {"ingress", "prerouting", "input"},
    "forward": {"ingress", "prerouting", "forward", "postrouting", "egress"},
}
_CHANGING = (SetMark, MarkMap, Nat, Notrack, Rewrite, Divert)
_VERSIONS = {"ip": (4,), "ip6": (6,), "inet": (4, 6)}
_OF_CONNECTIONS = ("ctstate", "ctstatus", "ctmark", "ctdir", "osrc", "odst", "oport")
_UNKNOWN_OF_CONNECTIONS = ("ct ", "-m conn", "-m helper", "-m cluster", "-m state", "a map to marks")
_EVERYWHERE = {"ingress", "prerouting", "input", "forward", "output", "postrouting", "egress"}


def _needs_tracking(step: object, versions: Sequence[int]) -> Sequence[int]:
    if isinstance(step, Nat):
        # In a table of both versions, NAT to addresses of one needs that one only (nft_nat_init in the kernel).
        targets = [step.target] if step.target else [target for _element, target in step.elements]
        named = {target.family for target in targets if target.kind in ("dnat", "snat") and target.family}
        return sorted(named) or versions
    if isinstance(step, SetMark):
        return versions if "ctmark" in (step.which, step.base, step.other) else ()
    if isinstance(step, (Vmap, MarkMap)):
        needs = any(key.name in _OF_CONNECTIONS for key in step.keys)
        return versions if needs or (isinstance(step, MarkMap) and step.which == "ctmark") else ()
    if isinstance(step, Divert):
        return versions if step.what == "synproxy" else ()
    return versions if isinstance(step, Unknown) and step.what.startswith(_UNKNOWN_OF_CONNECTIONS) else ()


class Survey:
    """*leads*: some rule changes where packets go. *moves_ports*: some rule changes destination ports. *redirects*,
    *asks_back*: there are redirects, reverse path checks. *sources*: how source addresses change, "never", "late" (by
    NAT), or "anywhere". *changing*: the tables (source, family, name) with rules that change packets or marks.

    *tracked*: the IP versions whose connections the kernel tracks, because some rule needs it, whether packets ever
    reach it or not. Without that, no NAT chain is run either.
    """

    def __init__(self, chains: Program) -> None:
        self._chains = chains
        self.leads = self.moves_ports = self.redirects = self.asks_back = False
        self.sources = "never"
        self.tracked: Set[int] = set()
        self.changing: Set[Tuple[str, str, str]] = set()
        self._calls: Dict[Chain, Set[str]] = {}
        for chain in chains.values():
            called = self._calls[chain] = set()
            versions = _VERSIONS.get(chain.family, ())
            if chain.tracks:
                self.tracked.update(versions)
            for rule in chain.rules:
                for step in rule.steps:
                    if isinstance(step, Verdict):
                        if step.target:
                            called.add(step.target)
                    elif isinstance(step, Match):
                        for key in step.keys:
                            if key.name == "reverse":
                                self.asks_back = True
                            elif key.name in _OF_CONNECTIONS:
                                self.tracked.update(versions)
                    else:
                        self._other(step, called)
                        if isinstance(step, _CHANGING):
                            self.changing.add((chain.source, chain.family, chain.table))
                        self.tracked.update(_needs_tracking(step, versions))

    def _other(self, step: object, called: Set[str]) -> None:
        if isinstance(step, (Vmap, Nat, MarkMap)):
            self.asks_back = self.asks_back or any(key.name == "reverse" for key in step.keys)
        if isinstance(step, Vmap):
            called.update(verdict.target for _element, verdict, _soft in step.elements if verdict.target)
        elif isinstance(step, Nat):
            self.leads = True
            if self.sources == "never":
                self.sources = "late"
            for target in [step.target] if step.target else [target for _element, target in step.elements]:
                self.redirects = self.redirects or target.kind == "redirect"
                self.moves_ports = self.moves_ports or target.ports is not None
        elif isinstance(step, Rewrite):
            self.leads = self.leads or step.field in ("dst", "dport")
            self.moves_ports = self.moves_ports or step.field == "dport"
            if step.field == "src":
                self.sources = "anywhere"
        elif isinstance(step, Divert):
            self.leads = True

    def reached(self, hooks: Iterable[str]) -> Set[Chain]:
        """Return the chains that packets at *hooks* can come to."""
        wanted = set(hooks)
        waiting: List[Chain] = [chain for chain in self._chains.values() if chain.hook in wanted]
        found: Set[Chain] = set()
        while waiting:
            chain = waiting.pop()
            if chain not in found:
                found.add(chain)
                for name in self._calls[chain]:
                    called = self._chains.get((chain.source, chain.family, chain.table, name))
                    if called is not None:
                        waiting.append(called)
        return found

    def of_direction(self, direction: str) -> Set[Chain]:
        """Return the chains that packets of *direction* can come to."""
        return self.reached(_EVERYWHERE if self.leads else _WAYS[direction])

    def with_other_sources(self) -> Set[Chain]:
        """Return the chains that may meet packets whose source was changed."""
        if self.sources == "never":
            return set()
        if self.sources == "anywhere":
            return set(self._chains.values())
        return self.reached(("input", "postrouting", "egress"))
