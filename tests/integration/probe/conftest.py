# SPDX-License-Identifier: GPL-3.0-or-later
"""The namespaces, and one probe of everything at once, which the tests then look at."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from . import pki
from .network import Network

NAME = "mail.corp.test"


@pytest.fixture(scope="session")
def network() -> Iterator[Network]:
    made = Network(f"apprb{os.getpid()}")
    try:
        made.up()
        # The first packets on a fresh link wait for neighbour discovery; the tests measure seconds.
        made.probe([{"destination": address, "port": 1} for address in made.server.values()], depth="connect")
        yield made
    finally:
        made.down()


@pytest.fixture(scope="session")
def router_ssh(network: Network) -> None:
    """The router, a sentinel of the roles' policies, takes connections on port 22: so it is known to be there."""
    listen = Path(__file__).parents[1] / "locate" / "listen.py"
    network.start_in("router", sys.executable, str(listen), "22", says=b"listening")


@dataclass(frozen=True)
class World:
    """The authority whose certificates are trusted, and the ports of the server by behaviour."""

    ca: pki.Authority
    ports: dict[str, int] = field(default_factory=dict)


@pytest.fixture(scope="session")
def world(network: Network, tmp_path_factory: pytest.TempPathFactory) -> World:
    folder: Path = tmp_path_factory.mktemp("pki")
    ca, stranger = pki.authority("Test CA"), pki.authority("Another CA")
    good = pki.leaf(folder, "good.pem", ca, NAME, "10.91.2.10")
    servers: dict[str, dict[str, Any]] = {
        "good": {"kind": "smtp", "cert": good},
        "other_greeting": {"kind": "smtp", "cert": good, "name": "another.corp.test"},
        "implicit": {"kind": "implicit", "cert": good},
        "implicit_refuses": {"kind": "implicit", "cert": good, "greeting": "554 not you"},
        "untrusted": {"kind": "smtp", "cert": pki.leaf(folder, "stranger.pem", stranger, NAME)},
        "expired": {"kind": "smtp", "cert": pki.leaf(folder, "expired.pem", ca, NAME, days=-3)},
        "expired_implicit": {"kind": "implicit", "cert": str(folder / "expired.pem")},
        "misnamed": {"kind": "smtp", "cert": pki.leaf(folder, "other.pem", ca, "other.corp.test")},
        "plain": {"kind": "smtp", "offers": ["PIPELINING"]},
        "bare": {"kind": "smtp", "offers": []},
        "starttls_refused": {"kind": "smtp", "answer": "454 TLS not available"},
        "injected": {"kind": "smtp", "answer": "220 go ahead\r\n250 and this"},
        "no_tls_behind": {"kind": "smtp", "junk": True},
        "refusing": {"kind": "smtp", "greeting": "554 5.7.1 not you"},
        "busy": {"kind": "smtp", "greeting": "421 4.3.2 too busy"},
        "late": {"kind": "smtp", "cert": good, "wait": 6, "early": True},
        "silent": {"kind": "say"},
        "ssh": {"kind": "say", "words": "SSH-2.0-OpenSSH_9.2p1 Debian\r\n"},
        "pop3": {"kind": "say", "words": "+OK POP3 ready\r\n"},
        "hang_up": {"kind": "hang_up"},
        "drip": {"kind": "drip"},
        "flood": {"kind": "flood"},
    }
    ports = {kind: 2000 + index for index, kind in enumerate(servers)}
    network.serve({str(ports[kind]): how for kind, how in servers.items()} | {"22": {"kind": "hang_up"}})
    return World(ca, ports)
