# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host's row of the matrix: what each attempt from it must come to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .accepts import Accept
from .model import Host
from .world import World


def probes(host: Host, world: World, accepts: Iterable[Accept]) -> list[dict[str, Any]]:
    """Every probe that starts at *host*: each pinned address but its own, on every port, from each address it has.

    A path to a network permits, but promises no server at each address of it: such a row is left out, unless the
    destination is a sentinel, which is there to be tried.
    """
    texts = {end.block: str(end.block) for end in world.pinned}
    sentinels = {end.block for end in world.sentinels}
    mine = [accept for accept in accepts if accept.concerns(host, host.name in world.managed)]
    found = []
    for own in host.addresses:
        usable = [accept for accept in mine if accept.source.span.covers(own)]
        for end in world.pinned:
            if end.block.version != own.version or end.block in host.addresses:
                continue
            owner = world.hosts.get(world.owner.get(end.block, ""))
            leading = [
                accept
                for accept in usable
                if accept.destination.span.covers(end.block)
                and (owner is None or accept.concerns(owner, owner.name in world.managed))
            ]
            for port in world.policy.ports:
                open_here = [accept for accept in leading if port in accept.ports]
                exact = next((accept for accept in open_here if end.block in accept.narrow), None)
                accept = exact or next(iter(open_here), None)
                if accept and not exact and end.block not in sentinels:
                    continue
                found.append(
                    {
                        "path": accept.id if accept else None,
                        "expect": "allowed" if accept else "blocked",
                        "host": end.label,
                        "source": str(own),
                        "destination": texts[end.block],
                        "port": port,
                        "encryption": accept.encryption if accept else None,
                        "name": exact.narrow[end.block].server_name if exact else None,
                    }
                )
    return found
