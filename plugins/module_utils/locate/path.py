# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The path to a destination, as traces with rising TTL show it. Pure."""

from __future__ import annotations

from typing import Dict, Mapping, Optional

from .model import ACCEPTED, EXPIRED, PROBLEM, RESET, SILENT, UNREACHABLE, Device, Evidence, Reply


def answered_at(hops: Mapping[int, Reply]) -> Optional[int]:
    """Return the smallest TTL whose SYN got a final answer instead of "time exceeded"."""
    return min((ttl for ttl, reply in hops.items() if reply.kind not in (EXPIRED, SILENT)), default=None)


def distance(hops: Mapping[int, Reply], destination: str) -> Optional[int]:
    """Return the smallest TTL at which *destination* answered, or something that passes for it."""
    return min((ttl for ttl, reply in hops.items() if from_destination(reply, destination)), default=None)


def from_destination(reply: Reply, destination: str) -> bool:
    """Whether *reply* bears the address of *destination* and ends an attempt."""
    return reply.kind in (ACCEPTED, RESET) or (reply.kind == UNREACHABLE and reply.device == destination)


def complains(reply: Optional[Reply], destination: str) -> bool:
    """Whether *destination* itself reported a parameter problem."""
    return reply is not None and reply.kind == PROBLEM and reply.device == destination


def last_seen(hops: Mapping[int, Reply]) -> int:
    """Return the largest TTL that a router reported as expired; 0 when none did."""
    return max((ttl for ttl, reply in hops.items() if reply.kind == EXPIRED), default=0)


class Path:
    """Names and distances of the devices between this host and the destination."""

    def __init__(self, evidence: Evidence) -> None:
        self._seen = evidence
        self.length = distance(evidence.control_hops, evidence.destination) if evidence.control else None
        if evidence.control and evidence.gateway is None:
            self.length = 1
        self.claimed = self.length
        """Where what answers the control lies, be it the destination or not."""
        if self._perhaps_forged():
            self.length = None
        self.translated_at = self._translation()

    def _perhaps_forged(self) -> bool:
        """Whether a reset that answered the control comes from no further than the router before its place."""
        seen = self._seen
        if self.length in (None, 1) or seen.control is None or seen.control.kind != RESET:
            return False
        if complains(seen.arrived_control, seen.destination):
            return False
        before = self.report((self.length or 0) - 1)
        return before is None or before.back is None or before.back == seen.control_back

    def _expired(self, hops: Mapping[int, Reply], hop: int) -> Optional[Reply]:
        """The genuine report of the router at *hop*: one in the destination's name comes from behind a translation."""
        reply = hops.get(hop)
        if reply is None or reply.kind != EXPIRED or reply.device == self._seen.destination:
            return None
        return reply

    def _translation(self) -> Optional[int]:
        """Linux rewrites errors about translated connections, its own included, to come from the first destination."""
        return min(
            (
                hop
                for hop, reply in self._seen.hops.items()
                if reply.kind == EXPIRED and reply.device == self._seen.destination
            ),
            default=None,
        )

    def report(self, hop: int) -> Optional[Reply]:
        """Return the report of the router at *hop*, from either trace."""
        return self._expired(self._seen.control_hops, hop) or self._expired(self._seen.hops, hop)

    def is_router(self, hop: int) -> bool:
        """Whether the control trace proves a router, and not the destination, at *hop*."""
        if self.length is not None:
            return hop < self.length
        return any(self._expired(self._seen.control_hops, at) for at in self._seen.control_hops if at >= hop)

    def device(self, hop: int) -> Device:
        """Return the device at *hop*."""
        seen = self._seen
        if hop == 0:
            return Device(0, seen.own, "own host")
        if hop == self.length or (hop == 1 and seen.gateway is None):
            return Device(hop, seen.destination, "destination")
        report = self.report(hop)
        address = report.device if report else None
        if address is None and hop == 1:
            address = seen.gateway
        return Device(hop, address, "router")

    def back(self, hop: int) -> Optional[int]:
        """Return how many routers an answer of the device at *hop* passes on its way back.

        What was not measured is inferred where the nearest devices that were, before and behind it, show one way
        there and back.
        """
        known: Dict[int, int] = {}
        for at in self._hops():
            report = self.report(at)
            if report is not None and report.back is not None:
                known[at] = report.back
        if self.length is not None and self._seen.control_back is not None:
            known[self.length] = self._seen.control_back
        if hop in known:
            return known[hop]
        before = max((at for at in known if at < hop), default=None)
        behind = min((at for at in known if at > hop), default=None)
        both_ways = behind is not None and all(at is None or known[at] == at - 1 for at in (before, behind))
        return hop - 1 if both_ways else None

    def _hops(self) -> range:
        return range(1, max([0, *self._seen.hops, *self._seen.control_hops]) + 1)

    @property
    def forks(self) -> bool:
        """Whether the two traces name different routers at one hop: several paths, or a way of its own for the port."""
        for hop in self._hops():
            first = self._expired(self._seen.control_hops, hop)
            second = self._expired(self._seen.hops, hop)
            if first and second and first.device != second.device:
                return True
        return False

    def unseen_before(self, hop: int) -> bool:
        """Whether the target's trace misses a router before *hop*, which could then hide a translation."""
        return any(self._expired(self._seen.hops, at) is None for at in range(1, hop))
