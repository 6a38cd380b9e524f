# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a search for the stopping device sees, and what it concludes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Mapping, NamedTuple, Optional, Tuple

SILENT = "silent"
ACCEPTED = "accepted"
RESET = "reset"
EXPIRED = "expired"
UNREACHABLE = "unreachable"
PROBLEM = "problem"
LOCAL = "local"
"""Kinds of reply to one SYN: none, a SYN-ACK, a reset, ICMP time exceeded, ICMP destination unreachable, ICMP
parameter problem, and an error of this host's own network stack."""

EXACT = "exact"
BETWEEN = "between"
UNKNOWN = "cannot_tell"
NOTHING = "nothing"
"""Kinds of answer: one device, one of two neighbours, no statement, and "the destination itself accepts"."""

DROPS = "drops"
RESETS = "resets"
REJECTS = "rejects"
ANSWERS = "answers"
DIVERTS = "diverts"
LOOPS = "loops"
REFUSES = "refuses to send"

BUDGET = 60.0
"""Seconds after which no further search begins."""

_INITIAL_TTLS = (64, 128, 255)


class Reply(NamedTuple):
    """What came back for one SYN."""

    kind: str
    device: Optional[str] = None
    """The address that sent the ICMP error."""
    type: Optional[int] = None
    code: Optional[int] = None
    ttl: Optional[int] = None
    """The TTL or hop limit with which the ICMP error arrived."""
    errno: Optional[int] = None
    kept: Optional[bool] = None
    """Of silence: this host failed to send its retransmission (True), or sent it (False)."""
    seconds: float = 0.0

    @property
    def back(self) -> Optional[int]:
        """How many routers the ICMP error passed on its way back."""
        return None if self.ttl is None else hops_back(self.ttl)


def hops_back(ttl: int) -> int:
    """Return how many routers decremented *ttl*, which systems start at 64, 128 or 255."""
    return next(initial for initial in _INITIAL_TTLS if initial >= ttl) - ttl


class Device(NamedTuple):
    """A device on the path: hop 0 is this host. The address is None for a router that never told it."""

    hop: Optional[int]
    address: Optional[str]
    role: str
    """`own host`, `router`, `destination`, or `next hop` when it may be either of the last two."""

    def __str__(self) -> str:
        """Return it in words."""
        if self.role == "own host":
            return "this host"
        if self.role == "destination":
            return f"the destination {self.address}"
        if self.role == "next hop":
            return f"whatever lies at hop {self.hop}"
        return self.address or f"the router at hop {self.hop}, which tells no address"


@dataclass(frozen=True)
class Evidence:
    """Everything that was measured about one destination and port. What was not measured is None or empty."""

    destination: str
    target: Reply
    """The reply to SYNs with the full TTL."""
    own: Optional[str] = None
    """The address they leave from."""
    gateway: Optional[str] = None
    """The next hop; None when the destination is on the link."""
    hops: Mapping[int, Reply] = field(default_factory=dict)
    """TTL to the reply to a SYN with that TTL."""
    control: Optional[Reply] = None
    """What the destination itself answered to something else, another port or UDP; None when it never answered."""
    control_hops: Mapping[int, Reply] = field(default_factory=dict)
    back: Optional[int] = None
    """How many routers the target's reset or SYN-ACK passed on its way back."""
    control_back: Optional[int] = None
    left: Optional[bool] = None
    """Whether SYNs to the target leave this host by a network interface."""
    translates: Optional[bool] = None
    """Whether this host may translate addresses of what it sends; None when that is not known."""
    arrived: Optional[Reply] = None
    """The reply to a SYN with an IP option about which the destination complains before TCP sees it."""
    arrived_control: Optional[Reply] = None
    confirmed: Optional[bool] = None
    """The first hop that is silent to the target's SYN answered the control's, asked in turn."""
    swallowed: Optional[bool] = None
    """Whether this host drops on arrival as many packets as SYNs were sent to the target."""
    own_rule: Optional[str] = None
    """The counter of our own rules that counted the SYNs."""


@dataclass(frozen=True)
class Verdict:
    """Where it stops. *devices*: one for `exact`, two neighbours for `between`, else none."""

    answer: str
    text: str
    devices: Tuple[Device, ...] = ()
    how: Optional[str] = None
    suspects: Tuple[Device, ...] = ()
    """Of `cannot_tell`: the devices next to which it happens; none of them is accused."""
    own_rule: Optional[str] = None
    type: Optional[int] = None
    """Type and code of the ICMP error that stops the connection, when it is one."""
    code: Optional[int] = None

    def as_dict(self) -> Dict[str, Any]:
        """Return it as plain data, as the `where` of a row (docs/probe.md)."""
        named = [device._asdict() for device in self.devices]
        return {
            "answer": self.answer,
            "how": self.how,
            "type": self.type,
            "code": self.code,
            "device": named[0] if self.answer == EXACT else None,
            "neighbours": named if self.answer == BETWEEN else [],
            "suspects": [device._asdict() for device in self.suspects],
            "own_rule": self.own_rule,
            "text": self.text,
        }
