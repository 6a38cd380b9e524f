# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a policy opens, in one form: paths, and the ways that a LAN gateway's mode opens."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .addresses import Block, Index
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
        sorted(
            found,
            # Two gateways may differ in nothing but who answers for them.
            key=lambda accept: (
                *(accept.id, accept.source.name, accept.destination.name, accept.ports),
                repr(accept.gateway),
            ),
        )
    )


class Reach:
    """The accepts that begin or end at single addresses, found without trying each with each."""

    def __init__(self, accepts: Sequence[Accept], addresses: Iterable[Block]) -> None:
        index = Index(addresses)
        self._leaving: dict[Block, list[Accept]] = {}
        self._arriving: dict[Block, list[Accept]] = {}
        for accept in accepts:
            for block in index.inside(accept.source.span):
                self._leaving.setdefault(block, []).append(accept)
            for block in index.inside(accept.destination.span):
                self._arriving.setdefault(block, []).append(accept)

    def leaving(self, block: Block) -> Sequence[Accept]:
        """The accepts whose source *block* lies in, in their order."""
        return self._leaving.get(block, ())

    def arriving(self, block: Block) -> Sequence[Accept]:
        """The accepts whose destination *block* lies in, in their order."""
        return self._arriving.get(block, ())
