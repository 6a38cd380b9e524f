# SPDX-License-Identifier: GPL-3.0-or-later
"""The tunnel: in clear text, with TLS from the client, and with TLS on both sides; interpreted and compiled."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness import Pki, Tunnel, free_port

from .. import release
from .base import Peer, Sinks


class Variant(NamedTuple):
    """How the tunnel is run; *rules* has it look for card numbers in every message."""

    workers: int = 1
    rules: bool = False
    compiled: bool = False

    @property
    def name(self) -> str:
        rest = f"{', rule' if self.rules else ''}{', compiled' if self.compiled else ''}"
        return f"tunnel, {self.workers} worker{'s' if self.workers > 1 else ''}{rest}"


VARIANTS = (Variant(1), Variant(1, compiled=True), Variant(2), Variant(2, compiled=True), Variant(1, rules=True))


def _sides(tunnel: Tunnel, pki: Pki, sinks: Sinks, rules: bool) -> dict[tuple[bool, bool], int]:
    """Give the configuration one listener for each pair of sides; return their ports."""
    hops = {False: (sinks.clear, {"mode": "none", "accept_clear_text": True})}
    if sinks.tls:
        hops[True] = (sinks.tls, {"mode": "starttls", "ca_file": str(pki.ca)})
    certificate = {"chain": str(pki.chain), "key": str(pki.key)}
    listeners, services, ports = [], [], {}
    for client_tls in (False, True):
        for onward in hops:
            name = f"t{client_tls:d}{onward:d}"
            port = ports[client_tls, onward] = free_port()
            tls = {"mode": "starttls", "certificate": certificate} if client_tls else {"mode": "none"}
            listeners.append({**tunnel.tunnel, "name": name, "port": port, "tls": tls})
            service = {
                **copy.deepcopy(tunnel.service),
                "name": name,
                "tunnels": [name],
                "hostnames": {"*": f"u{onward:d}"},
            }
            services.append(service if rules else {**service, "profiles": []})
    tunnel.config["tunnels"], tunnel.config["services"] = listeners, services
    tunnel.config["upstreams"] = [
        {"name": f"u{onward:d}", "forwarding_addresses": [{"address": "127.0.0.1", "port": port, "name": "localhost"}],
         "tls": tls}
        for onward, (port, tls) in hops.items()
    ]  # fmt: skip
    return ports


@contextlib.contextmanager
def tunnel(home: Path, pki: Pki, sinks: Sinks, variant: Variant) -> Iterator[Peer]:
    """Run the tunnel in one of its variants."""
    folder = home / variant.name.replace(", ", "-").replace(" ", "-")
    folder.mkdir()
    service = Tunnel(folder)
    ports = _sides(service, pki, sinks, variant.rules)
    service.config["limits"] = {"connections_per_client": 5000, "connections": 10000}
    service.options = ["--workers", str(variant.workers)]
    service.python = str(release.python(variant.compiled))
    with service.running(PYTHONPATH=""):
        yield Peer(variant.name, ports, [service.process.pid], variant.workers)
