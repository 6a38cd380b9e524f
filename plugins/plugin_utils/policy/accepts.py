# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy opens, in one form: paths, and the ways that a LAN gateway's mode opens."""

from __future__ import annotations

from dataclasses import dataclass

from .model import ANY, Host, LanGateway, Policy
from .world import Place, World


@dataclass(frozen=True)
class Accept:
    """Connections from any of the sources to any of the destinations on the ports."""

    id: str
    source: Place
    destination: Place
    ports: tuple[int, ...]
    encryption: str | None
    gateway: LanGateway | None = None
    """The LAN gateway whose mode opens this; None for a declared path."""

    def concerns(self, host: Host, managed: bool) -> bool:
        """Whether *host* has a part in it, as an end of it.

        A LAN gateway's mode speaks for the LAN behind it. A managed host that is not its mail server keeps to the
        declared paths: else `any` would open the vaults.
        """
        if self.gateway is None or not managed:
            return True
        server = self.source if self.gateway.mode == "internal_mail_server" else self.destination
        return any(server.span.covers(own) for own in host.addresses)

    def routed_by(self, host: Host) -> bool:
        """Whether the router *host* lets it pass: a mode holds on the routers that it is declared for."""
        return self.gateway is None or self.gateway.hosts in host.groups


def accepts(policy: Policy, world: World) -> tuple[Accept, ...]:
    """Everything that *policy* opens, sorted by id."""
    found = [
        Accept(path.id, world.place(path.source), world.place(path.destination), path.ports, path.encryption)
        for path in policy.paths
    ]
    for gateway in policy.lan_gateways:
        server = world.place(gateway.mail_server)
        if gateway.mode == "internal_mail_server":
            ends = server, world.place(ANY)
        else:
            ends = world.place(gateway.lan or ANY), server
        found.append(Accept(gateway.id, *ends, gateway.ports, None, gateway))
    return tuple(
        sorted(found, key=lambda accept: (accept.id, accept.source.name, accept.destination.name, accept.ports))
    )
