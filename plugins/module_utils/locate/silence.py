# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What silence tells: only how far the SYN was seen to come. Pure."""

from __future__ import annotations

from .model import BETWEEN, DROPS, EXACT, EXPIRED, UNKNOWN, Device, Evidence, Verdict
from .path import Path, complains, last_seen


def decide(evidence: Evidence, path: Path) -> Verdict:
    """Place a silent drop between neighbours, or say why that cannot be done."""
    own = path.device(0)
    if evidence.target.kept:
        return Verdict(EXACT, "this host drops: it fails to send its own SYNs", (own,), DROPS)
    if path.forks:
        return _unknown("the path to this port is another than the one it was compared with, or there are several")
    seen = last_seen(evidence.hops)
    if path.length is not None and seen + 1 >= path.length:
        return _at_the_end(evidence, path, path.length)
    control = evidence.control_hops.get(seen + 1)
    if control is None or control.kind != EXPIRED:
        return _without_a_neighbour(evidence, path, seen)
    if not evidence.confirmed:
        return _unknown(
            f"nothing is heard behind {path.device(seen)}, but the next router rations its ICMP errors",
            path.device(seen),
            path.device(seen + 1),
        )
    return _between(path.device(seen), path.device(seen + 1), "the next hop reports the control's SYNs, not these")


def _at_the_end(evidence: Evidence, path: Path, length: int) -> Verdict:
    """Every router lets the SYN in. What the destination does with it is silent, and so is a lost answer."""
    before, there = path.device(length - 1), path.device(length)
    if complains(evidence.arrived_control, evidence.destination) and evidence.arrived is not None:
        v6 = ":" in evidence.destination
        if complains(evidence.arrived, evidence.destination):
            if evidence.swallowed:
                # ICMP errors about these SYNs come in, so what is dropped are the answers by TCP.
                text = "this host drops the answers: for each SYN that arrives there, it drops a packet on arrival"
                return Verdict(EXACT, text, (path.device(0),), DROPS)
            how_far = "passes its input rules" if v6 else "arrives there"
            return _unknown(
                f"the SYN {how_far}; {there} drops it or its answer, or something on the way back drops the answer",
                there,
            )
        if evidence.confirmed:
            return _between(before, there, f"{there} answers other SYNs and never sees these")
    return _unknown(
        f"the SYN is seen as far as {before}; {before} or {there} drops it, or the answer is lost on its way back",
        before,
        there,
    )


def _without_a_neighbour(evidence: Evidence, path: Path, seen: int) -> Verdict:
    last = path.device(seen)
    if path.claimed is not None and path.length is None:
        return _unknown(f"it is seen as far as {last}, and other ports are answered by that router itself", last)
    later = [hop for hop, reply in evidence.control_hops.items() if hop > seen and reply.kind == EXPIRED]
    if path.length is not None:
        later.append(path.length)
    if later:
        return _unknown(
            f"it stops between {last} and {path.device(min(later))}; the routers between them never show themselves",
            last,
            path.device(min(later)),
        )
    return _unknown(
        f"it is seen as far as {last}; nothing behind it answers anything, so nothing can be compared", last
    )


def _between(first: Device, second: Device, why: str) -> Verdict:
    return Verdict(BETWEEN, f"{first} or {second} drops it silently: {why}", (first, second), DROPS)


def _unknown(why: str, *suspects: Device) -> Verdict:
    return Verdict(UNKNOWN, f"cannot tell: {why}", suspects=suspects)
