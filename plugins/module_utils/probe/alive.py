# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known to be alive: the network by its answers, an address by its own. Pure.

A reset may come from a firewall in anybody's name, and so may a rejection that bears the destination's address: bridges
and rules at a router's ingress send it (nftables, families bridge and netdev). It shows that the network lives; that
the address is somebody's, only where the port in question met something else, for who answers all of an address so
would have answered that port, too.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Set, Tuple

from . import verdict
from .job import Question
from .model import ANSWERED, NO_ROUTE, OPEN, REFUSED, SHUT, Endpoint, Evidence, Finding
from .names import written
from .way_out import WayOut

Place = Tuple[Optional[Tuple[Any, ...]], str]


def place(endpoint: Endpoint) -> Place:
    """Return the two ends of a path, whatever the port."""
    return endpoint.source, written(endpoint.address)


def family(address: str) -> str:
    """Return the address family's name in the result."""
    return "ipv6" if ":" in address else "ipv4"


class Alive:
    """Gathers the signs of life of a run."""

    def __init__(self) -> None:
        self._answering: Set[Place] = set()
        """Where something answered, in whoever's name."""
        self._families: Set[str] = set()
        self._own: Set[Place] = set()
        self._there: Set[Place] = set()
        self._silent: Dict[Place, Finding] = {}
        self._resetting: Set[Place] = set()
        """Where a control port was reset."""
        self._rejecting: Set[Place] = set()
        """Where a port was rejected in the destination's own name."""
        self._connected: Set[Endpoint] = set()

    def controls(
        self, endpoints: Iterable[Endpoint], ports: Sequence[int], way: Callable[[Endpoint], WayOut]
    ) -> List[Question]:
        """Return the questions that ask each of *endpoints* for a sign of life; *way* tells how they leave."""
        asked: List[Question] = []
        for endpoint in {place(endpoint): endpoint for endpoint in endpoints}.values():
            if way(endpoint).own:
                self._own.add(place(endpoint))
                self._there.add(place(endpoint))
            for port in ports:
                there = endpoint._replace(address=(endpoint.address[0], port, *endpoint.address[2:]))
                asked.append(Question(there, patient=True, interface=way(there).interface))
        return asked

    def control(self, question: Question, finding: Finding) -> None:
        """Take what a control port did. A reset counts only where a bound socket heard it (way_out.py)."""
        where = place(question.endpoint)
        if verdict.is_sign_of_life(finding, outside=question.interface is not None):
            self._answered(where)
            if finding.outcome == REFUSED:
                self._resetting.add(where)
        elif where not in self._silent or finding.outcome == NO_ROUTE:
            self._silent[where] = finding
        self._seen(question.endpoint, finding)

    def target(self, endpoint: Endpoint, finding: Finding) -> None:
        """Take what a target did, whose reset this host's own rules may have sent."""
        where = place(endpoint)
        if verdict.is_sign_of_life(finding, outside=False):
            self._answered(where)
        self._seen(endpoint, finding)

    def _answered(self, where: Place) -> None:
        """Note that something answered; what this host says to itself is no sign of its network."""
        self._answering.add(where)
        source, address = where
        mine = where in self._own or (source is not None and written(source) == address)
        if not mine and not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
            self._families.add(family(address))

    def _seen(self, endpoint: Endpoint, finding: Finding) -> None:
        where = place(endpoint)
        if finding.outcome in ANSWERED:
            self._connected.add(endpoint)
            self._answered(where)
            self._there.add(where)
        elif verdict.rejects_itself(finding, where[1]):
            self._answered(where)
            self._rejecting.add(where)

    def settle(self, endpoint: Endpoint, finding: Finding) -> Finding:
        """Read *finding* again, knowing what else is known of its destination."""
        where = place(endpoint)
        lives = where in self._answering
        return verdict.settle(finding, lives, None if lives else self._silent.get(where))

    def blocks(self, endpoint: Endpoint, finding: Finding) -> Finding:
        """Read the *finding* of what should be blocked again: one connection in the whole run shows that it is not."""
        if finding.outcome in SHUT and endpoint in self._connected:
            return Finding(OPEN, Evidence("connected, though not each time that it was tried"))
        return finding

    def level(self, endpoint: Endpoint, finding: Finding) -> str:
        """Return the strongest positive control there is for *finding* on the path to *endpoint*."""
        where = place(endpoint)
        alike = verdict.rejects_itself(finding, where[1])
        there = where in self._there or (where in self._rejecting and not alike)
        there = there or (where in self._resetting and finding.outcome != REFUSED)
        return verdict.control_level(there, family(where[1]) in self._families)

    def by_family(self) -> Dict[str, int]:
        """Return at how many addresses something answered."""
        answering = {address for _source, address in self._answering}
        return {name: sum(1 for address in answering if family(address) == name) for name in ("ipv4", "ipv6")}
