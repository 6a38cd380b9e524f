# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy opens, in one form: paths, and the ways that a LAN gateway's mode opens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from .model import ANY, Host, Policy
from .world import End, Place, World


@dataclass(frozen=True)
class Accept:
    """Connections from any of the sources to any of the destinations on the ports."""

    id: str
    source: Place
    destination: Place
    ports: tuple[int, ...]
    encryption: str | None
    server: Place | None = None
    """The mail server of the LAN gateway whose mode opens this; None for a declared path."""

    def concerns(self, host: Host, managed: bool) -> bool:
        """Whether *host* has a part in it.

        A LAN gateway's mode speaks for the LAN behind it. A managed host that is not its mail server keeps to the
        declared paths: else `any` would open the vaults.
        """
        return self.server is None or not managed or any(self.server.span.covers(own) for own in host.addresses)

    @cached_property
    def narrow(self) -> dict[object, End]:
        """Destinations that are one address, by it."""
        return {end.block: end for end in self.destination.ends if end.block.single}


def accepts(policy: Policy, world: World) -> tuple[Accept, ...]:
    """Everything that *policy* opens, sorted by id."""
    found = [
        Accept(path.id, world.places[path.source], world.places[path.destination], path.ports, path.encryption)
        for path in policy.paths
    ]
    for gateway in policy.lan_gateways:
        server = world.places[gateway.mail_server]
        if gateway.mode == "internal_mail_server":
            found.append(Accept(gateway.id, server, world.places[ANY], gateway.ports, None, server))
        else:
            lan = world.places[gateway.lan or ANY]
            found.append(Accept(gateway.id, lan, server, gateway.ports, None, server))
    return tuple(sorted(found, key=lambda accept: accept.id))
