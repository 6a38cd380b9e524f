# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces with rising TTL, and the control that a target is compared with."""

from __future__ import annotations

import socket
from typing import Any, Dict, List, NamedTuple, Optional, Sequence, Tuple

from .model import ACCEPTED, EXPIRED, PROBLEM, RESET, SILENT, UNREACHABLE, Reply
from .path import distance, from_destination
from .volley import QUICK, Pace, fire
from .way_back import arriving_ttl
from .wire import Shot, can_complain

_WAVES = (range(1, 5), range(5, 9), range(9, 17), range(17, 31))
_GLANCE = Pace((0.0, 0.25), 0.6)
_CLOSED_PORT = 33499
"""Where traceroute's datagrams go; hardly anything listens there, so that the destination's stack itself answers."""


class Control(NamedTuple):
    """What the destination answers to something else than the target's SYNs."""

    shot: Shot
    reply: Optional[Reply]
    """None: nothing ever came from the destination."""
    hops: Dict[int, Reply]
    back: Optional[int]


def candidates(base: Shot, ports: Sequence[int]) -> List[Shot]:
    """Return what the destination may answer to: its control *ports*, a port nobody listens on, and UDP."""
    tcp = [at_port(base, port) for port in dict.fromkeys((*ports, _CLOSED_PORT))]
    return [*tcp, tcp[-1]._replace(udp=True)]


def at_port(shot: Shot, port: int) -> Shot:
    """Return *shot* to another port."""
    address: Tuple[Any, ...] = (shot.address[0], port, *shot.address[2:])
    return shot._replace(address=address)


def best(shots: Sequence[Shot], replies: Sequence[Reply], destination: str) -> Tuple[Shot, Optional[Reply]]:
    """Choose the candidate whose reply is the hardest to forge; a reset, which firewalls send too, comes last."""

    def rank(pair: Tuple[Shot, Reply]) -> int:
        shot, reply = pair
        if reply.kind == ACCEPTED:
            return 0
        if reply.kind == UNREACHABLE:
            return 1 if shot.udp else 2
        return 3

    heard = [pair for pair in zip(shots, replies) if from_destination(pair[1], destination)]
    return min(heard, key=rank) if heard else (shots[0], None)


def trace(shot: Shot, upto: Optional[int] = None) -> Dict[int, Reply]:
    """Return the replies to *shot* by TTL: as far as *upto*, or until the path ends or falls silent."""
    if upto is not None:
        return _wave(shot, range(1, upto + 1))
    hops: Dict[int, Reply] = {}
    for wave in _WAVES:
        replies = _wave(shot, wave)
        hops.update(replies)
        if all(reply.kind == SILENT for reply in replies.values()):
            break
        if any(reply.kind not in (SILENT, EXPIRED) for reply in replies.values()):
            break
    return hops


def further(shot: Shot, hops: Dict[int, Reply], count: int = 4) -> None:
    """Follow a path some hops further than *hops* goes."""
    end = max(hops, default=0)
    hops.update(_wave(shot, range(end + 1, end + 1 + count)))


def _wave(shot: Shot, ttls: Sequence[int]) -> Dict[int, Reply]:
    return dict(zip(ttls, fire([shot._replace(ttl=ttl) for ttl in ttls], QUICK)))


def follow(shot: Shot, reply: Optional[Reply], destination: str) -> Control:
    """Trace the path of a control and measure its way back."""
    hops = trace(shot)
    length = distance(hops, destination)
    if reply is None or length is None:
        return Control(shot, None, hops, None)
    if not shot.udp and _router_at(shot, length) is not None:
        # Something answers TCP before the destination is reached; datagrams show the rest of the way.
        return _by_datagrams(shot, destination)
    if reply.kind in (ACCEPTED, RESET):
        arriving = arriving_ttl(shot, reply.seconds)
        back = None if arriving is None else Reply(reply.kind, ttl=arriving).back
    else:
        back = hops[length].back
    _name_silent_hops(shot, hops, length, destination)
    return Control(shot, reply, hops, back)


def _by_datagrams(shot: Shot, destination: str) -> Control:
    udp = at_port(shot, _CLOSED_PORT)._replace(udp=True)
    hops = trace(udp)
    length = distance(hops, destination)
    if length is None:
        return Control(udp, None, hops, None)
    return Control(udp, hops[length], hops, hops[length].back)


def _router_at(shot: Shot, hop: int) -> Optional[str]:
    """Return the router that reports a datagram with a TTL of *hop* as expired, which a destination never does."""
    udp = at_port(shot, _CLOSED_PORT)._replace(udp=True, ttl=hop)
    reply = fire([udp], _GLANCE)[0]
    return reply.device if reply.kind == EXPIRED else None


def _name_silent_hops(shot: Shot, hops: Dict[int, Reply], length: int, destination: str) -> None:
    """Ask routers that report no expired TTL to complain about an option instead (IPv4).

    Only where the destination complains at its own distance do all routers before it count the option's hops.
    """
    missing = [hop for hop in range(2, length) if hops[hop].kind == SILENT and can_complain(shot.family, hop)]
    if shot.family != socket.AF_INET or not missing or not can_complain(shot.family, length):
        return
    replies = fire([shot._replace(option_hop=hop) for hop in (*missing, length)], QUICK)
    if replies[-1].kind != PROBLEM or replies[-1].device != destination:
        return
    for hop, reply in zip(missing, replies):
        if reply.kind == PROBLEM and reply.device != destination:
            hops[hop] = as_report(reply)


def as_report(reply: Reply) -> Reply:
    """Let a router's complaint about an option stand for its report of an expired TTL."""
    return reply._replace(kind=EXPIRED) if reply.kind == PROBLEM else reply
