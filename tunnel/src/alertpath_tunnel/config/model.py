# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration as typed, frozen data. What stands here has been checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from alertpath_tunnel.protect.model import DataElement
from alertpath_tunnel.rules.model import Profile

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class File:
    """A file named in the configuration: an absolute path, or `credentials:NAME`. `at` is its JSON path."""

    name: str
    at: str


@dataclass(frozen=True, slots=True)
class Certificate:
    chain: File
    key: File
    password: File | None


@dataclass(frozen=True, slots=True)
class TunnelTls:
    mode: str  # starttls, implicit, none
    required: bool
    certificate: Certificate | None
    ciphers: str | None  # OpenSSL's form, separated by colons
    minimum_version: str
    maximum_version: str | None
    client_certificates: str  # CERT_NONE, CERT_OPTIONAL, CERT_REQUIRED
    client_ca: File | None
    client_crl: File | None
    clear_text_clients: tuple[Network, ...]  # whom `required` does not bind


@dataclass(frozen=True, slots=True)
class Tunnel:
    name: str
    description: str
    enabled: bool
    start_without_service: bool
    label: str | None
    addresses: tuple[str, ...]
    port: int
    tls: TunnelTls
    clients: tuple[Network, ...]
    auth: str  # none, pass
    proxy_protocol: tuple[Network, ...]  # who must begin with a PROXY header, and is believed
    idle: int  # seconds


@dataclass(frozen=True, slots=True)
class Status:
    """Where metrics, health and readiness are served: a loopback address."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class ForwardingAddress:
    address: str
    port: int
    name: str

    @property
    def endpoint(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Auth:
    user: str
    password: File


@dataclass(frozen=True, slots=True)
class UpstreamTls:
    mode: str  # starttls, implicit, opportunistic, none
    verify: bool
    ca: File | None
    name: str | None
    certificate: Certificate | None  # ours, for a next hop that asks for one
    minimum_version: str
    accept_clear_text: bool


@dataclass(frozen=True, slots=True)
class Upstream:
    name: str
    addresses: tuple[ForwardingAddress, ...]
    tls: UpstreamTls
    auth: Auth | None
    balance: str  # failover, round_robin


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    description: str
    enabled: bool
    tunnels: tuple[str, ...]
    hostnames: dict[str, str]  # host name, address or * -> name of an upstream
    profiles: tuple[Profile, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """Octets and counts."""

    message_bytes: int = 25 * 1024 * 1024
    bytes_in_flight: int = 256 * 1024 * 1024
    recipients: int = 1000
    connections: int = 500
    connections_per_client: int = 50
    errors: int = 20
    mime_depth: int = 30
    mime_parts: int = 1000
    header_bytes: int = 256 * 1024
    part_bytes: int = 64 * 1024  # a message that no rule looks at goes on in parts of this size while it arrives
    data_rate: int = 500  # octets a second, on average, after the first idle_connection_timeout: slower is Slowloris
    received_headers: int = 100  # RFC 5321 6.3: a message that passed more hosts goes in a circle
    pool_connections: int = 50  # idle ones to a next hop; more than the busiest clients keep at once is waste
    pool_messages: int = 100  # of one connection; next hops and balancers get their turn


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. The client's silence between commands is the tunnel's idle_connection_timeout."""

    handshake: int = 15
    message: int = 600
    room: int = 60  # below the two minutes that a client waits for the reply to DATA (RFC 5321 4.5.3.2.4)
    connect: int = 15
    reply: int = 60
    data_reply: int = 600
    processing: int = 60
    pool_idle: int = 10  # below the patience of common servers (30 and more) and balancers
    pool_age: int = 300  # so that a next hop that was down gets its mail back
    drain: int = 30
    retire: int = 3600
    hang: int = 30  # no rule on a small message comes near it, and a session waits as long for its deadline


@dataclass(frozen=True, slots=True)
class Config:
    file: Path
    hostname: str
    tunnels: tuple[Tunnel, ...]
    upstreams: tuple[Upstream, ...]
    data_elements: tuple[DataElement, ...]
    services: tuple[Service, ...]
    limits: Limits
    timeouts: Timeouts
    node_labels: tuple[str, ...]
    status: Status | None
    log_levels: Mapping[str, str]  # facility -> level

    def service_of(self, tunnel: str) -> Service | None:
        """Return the enabled service of a tunnel."""
        return next((service for service in self.services if service.enabled and tunnel in service.tunnels), None)

    def loads(self, tunnel: Tunnel) -> bool:
        """Whether this node loads `tunnel`: it is enabled, and bears no label or one of the node's."""
        return tunnel.enabled and (tunnel.label is None or tunnel.label in self.node_labels)

    def active_tunnels(self) -> tuple[Tunnel, ...]:
        """Return the tunnels that listen."""
        return tuple(
            tunnel
            for tunnel in self.tunnels
            if self.loads(tunnel) and (tunnel.start_without_service or self.service_of(tunnel.name))
        )
