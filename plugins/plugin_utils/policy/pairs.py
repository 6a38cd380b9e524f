# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths against each other: they may overlap, but neither contradict nor shadow one another."""

from __future__ import annotations

from itertools import combinations

from .errors import Findings
from .model import Path, Policy
from .world import World


def check_pairs(policy: Policy, world: World, findings: Findings) -> None:
    """Refuse every pair of paths that says two things of the same connections, or one thing twice."""
    by_port: dict[int, list[Path]] = {}
    for path in sorted(policy.paths, key=lambda path: path.id):
        for port in path.ports:
            by_port.setdefault(port, []).append(path)
    seen: set[tuple[str, str]] = set()
    for paths in by_port.values():
        for one, two in combinations(paths, 2):
            if one.id != two.id and (one.id, two.id) not in seen:
                seen.add((one.id, two.id))
                _pair(one, two, world, findings)


def _pair(one: Path, two: Path, world: World, findings: Findings) -> None:
    servers = _shared(one.destination, two.destination, world)
    if not servers:
        return
    clients = servers & _shared(one.source, two.source, world)
    if one.encryption and two.encryption and one.encryption != two.encryption:
        if clients:
            what = f"contradicts path {one.id}, which says {one.encryption} for the same ends"
        elif "implicit" in (one.encryption, two.encryption):
            what = f"contradicts path {one.id}: one port of a server speaks either {one.encryption} or {two.encryption}"
        else:
            return
        findings.error(two.id, "encryption", two.encryption, what, "keep one of the two, or set their zones apart")
    elif clients and one.encryption:
        for narrow, wide in ((two, one), (one, two)):
            if _inside(narrow, wide, world):
                message = f"adds nothing to path {wide.id}, which covers it"
                findings.error(narrow.id, "to", narrow.destination, message, "remove one of the two")
                return


def _shared(one: str, two: str, world: World) -> set[int]:
    """The address families in which the two zones have an address in common."""
    first, second = world.place(one).spans, world.place(two).spans
    return {version for version in first.keys() & second.keys() if first[version].meets(second[version])}


def _inside(narrow: Path, wide: Path, world: World) -> bool:
    """Whether *wide* opens every connection that *narrow* opens."""
    if not set(narrow.ports) <= set(wide.ports):
        return False
    inner = (world.place(narrow.source).spans, world.place(narrow.destination).spans)
    outer = (world.place(wide.source).spans, world.place(wide.destination).spans)
    return all(
        version in theirs and theirs[version].covers_all(mine[version])
        for version in inner[0].keys() & inner[1].keys()
        for mine, theirs in zip(inner, outer, strict=True)
    )
