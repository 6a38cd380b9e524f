# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather the evidence about one destination and port, no more of it than the answer needs."""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from typing import Callable, Dict, List, Mapping, Optional, Protocol, Tuple

from .decide import decide
from .model import (
    ACCEPTED,
    EXPIRED,
    LOCAL,
    PROBLEM,
    RESET,
    SILENT,
    UNREACHABLE,
    Evidence,
    Reply,
    Verdict,
)
from .own_host import departure, swallows, translates
from .path import Path, answered_at, from_destination, last_seen
from .route import Route, is_own, route_to, scope_of
from .trace import Control, as_report, best, candidates, follow, further, trace
from .volley import PATIENT, QUICK, Pace, fire
from .way_back import arriving_ttl
from .wire import Shot, can_complain, source_address

_PARAMETER_PROBLEM = 12
_NO_NEIGHBOUR = frozenset({1, 3})
"""Host unreachable (RFC 792) and address unreachable (RFC 4443)."""
_ROUNDS = 4
_ENOUGH = 2
_BETWEEN_ROUNDS = 0.6
"""Seconds; Linux sends one host an ICMP error a second, after a burst of six."""


class Controls(Protocol):
    """The control of one destination, shared by the searches for its ports."""

    def known(self) -> Optional[Control]:
        """Return it when it was measured."""

    def get(self, make: Callable[[], Control]) -> Control:
        """Return it, made by *make* when it was not yet measured."""


def search(base: Shot, ports: Tuple[int, ...], controls: Controls) -> Verdict:
    """Return where SYNs like *base* stop; *ports*: where the destination may answer instead."""
    return decide(_gather(base, ports, controls))


def _gather(base: Shot, ports: Tuple[int, ...], controls: Controls) -> Evidence:
    destination = base.address[0].partition("%")[0]
    own = source_address(base)
    route = _route(base)
    interface = route.interface if route else None
    known = controls.known()
    others: List[Shot] = []
    if known is None:
        others = [shot for shot in candidates(base, ports) if shot.udp or shot.address[1] != base.address[1]]
    target, *replies = (_by_one_name(reply, own) for reply in _first_volley(base, others, destination))
    seen = Evidence(destination, target, own, route.gateway if route else None)
    if _settled(seen):
        return _with_own_rule(seen, base, interface)
    if known is None:
        shot, reply = best(others, replies, destination)
        said = next((answer for answer in replies if answer.kind == UNREACHABLE and answer.device != destination), None)
        if reply is None and target.kind == SILENT and said is not None and said.code in _NO_NEIGHBOUR:
            # A neighbour that is not there answers no port, so what is said of one holds for the other.
            return replace(seen, target=said)
        known = controls.get(lambda: follow(shot, reply, destination))
    if _route(known.shot) != route:  # this host sends the two different ways, which nothing can be compared of
        known = Control(known.shot, None, {}, None)
    seen = replace(seen, control=known.reply, control_hops=known.hops, control_back=known.back)
    length = Path(seen).claimed
    hops = trace(base, length)
    if target.kind != SILENT and length is not None and answered_at(hops) is None:
        further(base, hops)
    seen = replace(seen, hops=hops)
    if target.kind == SILENT:
        return _compared(seen, base, known)
    return _weighed(_with_named_hops(seen, base), base, known, interface)


def _route(shot: Shot) -> Optional[Route]:
    source = shot.source[0].partition("%")[0] if shot.source else None
    address, port = shot.address[0].partition("%")[0], shot.address[1]
    return route_to(shot.family, address, source, scope_of(shot.address), port, shot.udp)


def _first_volley(base: Shot, others: List[Shot], destination: str) -> List[Reply]:
    """Ask for everything at once; longer where nothing at all answers, for the sake of absent neighbours."""

    def enough(replies: Mapping[int, Reply], seconds: float) -> bool:
        alive = any(from_destination(reply, destination) for reply in replies.values())
        open_control = not others or any(reply.kind == ACCEPTED for index, reply in replies.items() if index)
        return (0 in replies and open_control) or (seconds >= QUICK.window and (alive or 0 in replies or not others))

    return fire([base, *others], PATIENT, enough)


def _by_one_name(reply: Reply, own: Optional[str]) -> Reply:
    """Let what this host itself says bear the address it sends from; Linux may say it by another one."""
    said_here = reply.kind in (UNREACHABLE, PROBLEM) and reply.device is not None and is_own(reply.device)
    return reply._replace(device=own) if said_here else reply


def _settled(seen: Evidence) -> bool:
    """Whether the first reply alone names the device."""
    reply = seen.target
    elsewhere = reply.kind in (UNREACHABLE, PROBLEM) and reply.device != seen.destination
    return reply.kind == LOCAL or elsewhere or bool(reply.kept)


def _with_own_rule(seen: Evidence, base: Shot, interface: Optional[str]) -> Evidence:
    own = seen.target.kept or (seen.target.kind == UNREACHABLE and seen.target.device == seen.own)
    if not own:
        return seen
    return replace(seen, own_rule=departure(base, interface, True).own_rule)


def _compared(seen: Evidence, base: Shot, control: Control) -> Evidence:
    """Add to silence what the silent hop answers to the control, asked in turn so that rationing shows."""
    path = Path(seen)
    if path.translated_at == 1:
        return replace(seen, translates=translates())
    while path.translated_at is None and not path.forks:
        hop = last_seen(seen.hops) + 1
        if path.claimed is not None and hop >= path.claimed:
            return _asked_by_option(seen, base, control, path.claimed)
        beside = seen.control_hops.get(hop)
        if beside is None or beside.kind != EXPIRED:
            break
        mine, theirs = _in_turn(_step(base, hop, beside), _step(control.shot, hop, beside))
        if mine.kind == SILENT:
            return replace(seen, confirmed=theirs >= _ENOUGH)
        hops: Dict[int, Reply] = {**seen.hops, hop: as_report(mine)}
        seen = replace(seen, hops=hops)
        path = Path(seen)
    return seen


def _step(shot: Shot, hop: int, beside: Reply) -> Shot:
    """Return *shot* so that the router at *hop* reports it, in the way it reported the control's (*beside*)."""
    by_option = (shot.family, beside.type) == (socket.AF_INET, _PARAMETER_PROBLEM)
    return shot._replace(option_hop=hop) if by_option else shot._replace(ttl=hop)


def _with_named_hops(seen: Evidence, base: Shot) -> Evidence:
    """Let routers that report no expired TTL report an option, as they did for the control."""
    missing = {
        hop: _step(base, hop, beside)
        for hop, beside in seen.control_hops.items()
        if beside.kind == EXPIRED and hop in seen.hops and seen.hops[hop].kind == SILENT
    }
    replies = fire(list(missing.values()), QUICK)
    found = {hop: as_report(reply) for hop, reply in zip(missing, replies) if reply.kind in (EXPIRED, PROBLEM)}
    return replace(seen, hops={**seen.hops, **found})


def _in_turn(mine: Shot, other: Shot) -> Tuple[Reply, int]:
    """Fire both, mine first, some times; return my reply and how often the other was answered while I was not."""
    heard = 0
    for number in range(_ROUNDS):
        if number:
            time.sleep(_BETWEEN_ROUNDS)
        reply, beside = fire([mine, other], Pace((0.0,), 0.6))
        if reply.kind != SILENT:
            return reply, heard
        heard += beside.kind != SILENT
        if heard >= _ENOUGH:
            break
    return Reply(SILENT), heard


def _asked_by_option(seen: Evidence, base: Shot, control: Control, hop: int) -> Evidence:
    """Ask the destination to complain about an option, in the target's SYN and in the control's."""
    if not can_complain(base.family, hop):
        return seen
    first = fire([control.shot._replace(option_hop=hop)], QUICK)[0]
    if first.kind != PROBLEM:
        return seen
    mine, theirs = _in_turn(base._replace(option_hop=hop), control.shot._replace(option_hop=hop))
    swallowed = seen.target.kind == SILENT and mine.kind == PROBLEM and swallows(base)
    return replace(seen, arrived=mine, arrived_control=first, confirmed=theirs >= _ENOUGH, swallowed=swallowed)


def _weighed(seen: Evidence, base: Shot, control: Control, interface: Optional[str]) -> Evidence:
    """Add to an answer in the destination's name how far it came back, and whether this host itself gave it."""
    path = Path(seen)
    if path.translated_at == 1:
        return replace(seen, translates=translates())
    ttl = 1 if seen.gateway is None else answered_at(seen.hops)
    if ttl is None or path.translated_at is not None or seen.target.kind not in (RESET, ACCEPTED):
        return replace(seen, translates=translates()) if ttl == 1 else seen
    if ttl == 1:
        left = departure(base, interface, True)
        return replace(seen, left=left.left, own_rule=left.own_rule, translates=translates())
    arriving = arriving_ttl(base, seen.target.seconds)
    seen = replace(seen, back=None if arriving is None else Reply(RESET, ttl=arriving).back)
    path = Path(seen)
    low, high = path.back(ttl - 1), path.back(ttl)
    if ttl == path.claimed and (low is None or high is None or low == high):
        return _asked_by_option(seen, base, control, ttl)
    return seen
