# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gather the evidence about one destination and port, no more of it than the answer needs."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Callable, Dict, Optional, Tuple

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
from .own_host import departure, translates
from .path import Path, answered_at, last_seen
from .route import route_to
from .trace import Control, at_port, best, candidates, follow, further, trace
from .volley import PATIENT, QUICK, Pace, fire
from .way_back import arriving_ttl
from .wire import Shot, can_complain, source_address

_ROUNDS = 4
_ENOUGH = 2
_BETWEEN_ROUNDS = 0.6
"""Seconds; Linux sends one host an ICMP error a second, after a burst of six."""

Controls = Callable[[Callable[[], Control]], Control]
"""Returns the control of a destination, made by its argument when it is not yet known."""


def search(base: Shot, ports: Tuple[int, ...], controls: Controls) -> Verdict:
    """Return where SYNs like *base* stop; *ports*: where the destination may answer instead."""
    return decide(_gather(base, ports, controls))


def _gather(base: Shot, ports: Tuple[int, ...], controls: Controls) -> Evidence:
    destination = base.address[0].partition("%")[0]
    own = source_address(base)
    route = route_to(base.family, destination, base.source[0].partition("%")[0] if base.source else None)
    others = [shot for shot in candidates(base, ports) if shot.udp or shot.address[1] != base.address[1]]
    target, *replies = fire([base, *others])
    seen = Evidence(destination, target, own, route.gateway if route else None)
    interface = route.interface if route else None
    if _settled(seen):
        return _with_own_rule(seen, base, interface)
    shot, reply = best(others, replies, destination)
    if reply is None and target.kind == SILENT:
        patient = fire([base, at_port(shot, shot.address[1])], PATIENT)
        said = next((answer for answer in patient if answer.kind == UNREACHABLE), None)
        if said is not None:
            # A neighbour that is not there answers no port, so what is said of one holds for the other.
            return replace(seen, target=said)
    control = controls(lambda: follow(shot, reply, destination))
    seen = replace(seen, control=control.reply, control_hops=control.hops, control_back=control.back)
    length = Path(seen).length
    hops = trace(base, length)
    if target.kind != SILENT and length is not None and answered_at(hops) is None:
        further(base, hops)
    seen = replace(seen, hops=hops)
    if target.kind == SILENT:
        return _compared(seen, base, control)
    return _weighed(seen, base, control, interface)


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
        if path.length is not None and hop >= path.length:
            return _asked_by_option(seen, base, control, path.length)
        beside = seen.control_hops.get(hop)
        if beside is None or beside.kind != EXPIRED or beside.ttl is None:
            break
        mine, theirs = _in_turn(base._replace(ttl=hop), control.shot._replace(ttl=hop))
        if mine.kind == SILENT:
            return replace(seen, confirmed=theirs >= _ENOUGH)
        hops: Dict[int, Reply] = {**seen.hops, hop: mine}
        seen = replace(seen, hops=hops)
        path = Path(seen)
    return seen


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
    return replace(seen, arrived=mine, arrived_control=first, confirmed=theirs >= _ENOUGH)


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
    if ttl == path.length and (low is None or high is None or low == high):
        return _asked_by_option(seen, base, control, ttl)
    return seen
