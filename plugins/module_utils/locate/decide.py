# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From evidence to the device that stops a connection. Pure.

Rules of the kernel behind it (Linux; RFC 1812 and RFC 4443 where others follow them): a router checks the TTL after
its prerouting and before its forward rules, so a packet that its forward rules stop needs a TTL of one more than the
router's hop; what stops in its prerouting rules needs the hop itself. A verdict of `exact` rests on a positive sign of
that very device, never on silence.
"""

from __future__ import annotations

from dataclasses import replace

from . import silence
from .model import (
    ACCEPTED,
    ANSWERS,
    BETWEEN,
    DIVERTS,
    EXACT,
    EXPIRED,
    LOCAL,
    LOOPS,
    NOTHING,
    PROBLEM,
    REFUSES,
    REJECTS,
    RESET,
    RESETS,
    SILENT,
    UNKNOWN,
    UNREACHABLE,
    Device,
    Evidence,
    Verdict,
)
from .path import Path, answered_at, complains

_VERBS = {RESET: RESETS, ACCEPTED: ANSWERS, UNREACHABLE: REJECTS, PROBLEM: REJECTS}


def decide(evidence: Evidence) -> Verdict:
    """Return where the connection stops, as far as *evidence* proves it."""
    verdict = _decide(evidence, Path(evidence))
    if evidence.target.kind in (UNREACHABLE, PROBLEM):
        verdict = replace(verdict, type=evidence.target.type, code=evidence.target.code)
    own = verdict.answer == EXACT and verdict.devices[0].role == "own host"
    if evidence.own_rule and own:
        text = f"{verdict.text}; our own rule counted it ({evidence.own_rule})"
        return replace(verdict, own_rule=evidence.own_rule, text=text)
    return verdict


def _decide(evidence: Evidence, path: Path) -> Verdict:
    reply = evidence.target
    if reply.kind == LOCAL:
        return exact(path.device(0), REFUSES, "its network stack answers at once")
    if reply.kind in (UNREACHABLE, PROBLEM) and reply.device != evidence.destination:
        return _said_by(evidence, path)
    if reply.kind == EXPIRED:
        return _loop(evidence)
    if path.translated_at is not None and path.translated_at != path.length:
        return _translated(evidence, path, path.translated_at)
    if reply.kind == SILENT:
        return silence.decide(evidence, path)
    return _answered(evidence, path)


def _said_by(evidence: Evidence, path: Path) -> Verdict:
    reply = evidence.target
    said = f"it says so by ICMP (type {reply.type}, code {reply.code})"
    if reply.device is None:
        return unknown("an ICMP error came whose sender this kernel does not tell")
    if reply.device == evidence.own:
        neighbour = (reply.type, reply.code) in ((3, 1), (1, 3))
        return exact(path.device(0), REJECTS, f"{said}, as when its next hop is not found" if neighbour else said)
    hop = next((at for at in sorted(evidence.hops) if path.device(at).address == reply.device), None)
    return exact(Device(hop, reply.device, "router"), REJECTS, said)


def _loop(evidence: Evidence) -> Verdict:
    hops = {ttl: reply.device for ttl, reply in evidence.hops.items() if reply.kind == EXPIRED}
    for ttl, device in sorted(hops.items()):
        after = hops.get(ttl + 1)
        if after is not None and after != device and hops.get(ttl + 2) == device:
            pair = (Device(ttl, device, "router"), Device(ttl + 1, after, "router"))
            return between(*pair, LOOPS, "they pass the packet to each other until its TTL is used up")
    return unknown("the packet travels in a loop, whose routers do not show themselves")


def _translated(evidence: Evidence, path: Path, hop: int) -> Verdict:
    why = "from there on, errors bear the destination's address: it translates the destination"
    if hop == 1:
        if evidence.translates is not False:
            return between(path.device(0), path.device(1), DIVERTS, why)
    elif path.unseen_before(hop):
        if path.unseen_before(hop - 1):
            return unknown("an address translation happens before several routers that do not show themselves")
        return between(path.device(hop - 1), path.device(hop), DIVERTS, why)
    return exact(path.device(hop), DIVERTS, why)


def _answered(evidence: Evidence, path: Path) -> Verdict:
    """A reset, a SYN-ACK or an ICMP error came in the destination's name."""
    ttl = 1 if evidence.gateway is None else answered_at(evidence.hops)
    if ttl is None:
        return unknown("the answer came to SYNs of full TTL only, never to the stepped ones")
    if path.forks:
        return unknown("the path to this port is another than the one it was compared with, or there are several")
    if ttl == 1:
        return _at_first_hop(evidence, path)
    if path.length is not None and ttl > path.length:
        return unknown(f"the answer comes from hop {ttl}, behind the destination's own hop {path.length}")
    if path.length is None and not path.is_router(ttl):
        return _without_distance(evidence, path, ttl)
    if evidence.target.kind in (UNREACHABLE, PROBLEM):
        return _spoken_for(evidence, path, ttl)
    return _low_or_high(evidence, path, ttl)


def _without_distance(evidence: Evidence, path: Path, ttl: int) -> Verdict:
    """Nothing else that surely is the destination's tells how far it is: the next hop may be it, or not."""
    last = path.device(ttl - 1)
    if path.unseen_before(ttl):
        return unknown(f"the answer comes from around hop {ttl}, where routers do not show themselves", last)
    if evidence.target.kind == RESET and evidence.back is not None and evidence.back == path.back(ttl - 1):
        beyond = Device(ttl, None, "next hop")
        return between(last, beyond, RESETS, "nothing else tells how far the destination is")
    return unknown(
        f"the answer comes from hop {ttl} or from {last} before it, and the destination answered nothing else that "
        "tells its distance",
        last,
    )


def _at_first_hop(evidence: Evidence, path: Path) -> Verdict:
    how = _VERBS[evidence.target.kind]
    first = path.device(1)
    by_icmp = how == REJECTS
    if not by_icmp and (evidence.own_rule or evidence.left is False):
        return exact(path.device(0), how, "the SYN never leaves it")
    if evidence.translates is not False or not (by_icmp or evidence.left):
        return between(path.device(0), first, how, "the answer comes to a SYN with a TTL of 1")
    if first.role == "destination" or path.length == 1:
        return _open(first) if evidence.target.kind == ACCEPTED else exact(first, how, "it answers at its distance")
    return exact(first, how, "it answers a SYN with a TTL of 1")


def _spoken_for(evidence: Evidence, path: Path, ttl: int) -> Verdict:
    """An ICMP error bears the destination's address: it is the destination's, or it was translated on its way."""
    reply = evidence.target
    if ttl == path.length:
        return exact(path.device(ttl), REJECTS, f"it says so by ICMP (type {reply.type}, code {reply.code})")
    if path.unseen_before(ttl):
        return unknown("the ICMP error bears the destination's address, but comes from before it", path.device(ttl))
    return exact(path.device(ttl), REJECTS, "it speaks in the destination's name at a hop before it")


def _low_or_high(evidence: Evidence, path: Path, ttl: int) -> Verdict:
    """The first TTL with an answer is *ttl*: the device at that hop sent it, or the forward rules of the one before."""
    low, high = path.device(ttl - 1), path.device(ttl)
    how = _VERBS[evidence.target.kind]
    low_back, high_back = path.back(ttl - 1), path.back(ttl)
    unclear = low_back is None or high_back is None or low_back == high_back
    if ttl == path.length and unclear and _arrives(evidence):
        return _by(evidence, path, ttl, True)
    if evidence.back is None or low_back is None or high_back is None or low_back == high_back:
        return between(low, high, how, f"it answers SYNs from a TTL of {ttl} on; the way back does not tell them apart")
    if evidence.back not in (low_back, high_back):
        return unknown("the way back of the answer is neither's of the two devices it can come from", low, high)
    return _by(evidence, path, ttl, evidence.back == high_back)


def _by(evidence: Evidence, path: Path, ttl: int, at_hop: bool) -> Verdict:
    how = _VERBS[evidence.target.kind]
    if not at_hop:
        return exact(path.device(ttl - 1), how, "it answers in the destination's name")
    if ttl == path.length:
        device = path.device(ttl)
        return _open(device) if how == ANSWERS else exact(device, how, "it answers at its distance")
    if path.unseen_before(ttl):
        return unknown(f"it is answered at hop {ttl}, behind a router that does not show itself", path.device(ttl))
    return exact(path.device(ttl), how, "it answers in the destination's name, at a hop before it")


def _arrives(evidence: Evidence) -> bool:
    """Whether options prove that the SYN gets to the destination before anything answers it."""
    return complains(evidence.arrived, evidence.destination)


def _open(device: Device) -> Verdict:
    return Verdict(NOTHING, f"nothing stops it: {device} accepts at its distance")


def exact(device: Device, how: str, why: str) -> Verdict:
    """Return a verdict that names one device."""
    return Verdict(EXACT, f"{device} {_words(how)}: {why}", (device,), how)


def between(first: Device, second: Device, how: str, why: str) -> Verdict:
    """Return a verdict that names two neighbours."""
    return Verdict(BETWEEN, f"{first} or {second} {_words(how)}: {why}", (first, second), how)


def unknown(why: str, *suspects: Device) -> Verdict:
    """Return a verdict that names nobody."""
    return Verdict(UNKNOWN, f"cannot tell: {why}", suspects=suspects)


def _words(how: str) -> str:
    return {ANSWERS: "answers in the destination's place", LOOPS: "loops it", DIVERTS: "diverts it"}.get(how, how)
