# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A policy as typed data, and the hosts it is compiled for."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

from .addresses import Block

ANY = "any"
UNREAD = ""
"""Stands for a name or a choice that could not be read, so that what else is wrong is still found."""


@dataclass(frozen=True)
class Zone:
    """A named set of ends: hosts of an inventory group, pinned addresses, networks, or several of these."""

    name: str
    group: str | None = None
    addresses: tuple[Block, ...] = ()
    networks: tuple[Block, ...] = ()
    server_name: str | None = None
    managed: bool = True


@dataclass(frozen=True)
class Path:
    """One declared way from a zone to a zone."""

    id: str
    source: str
    destination: str
    ports: tuple[int, ...]
    encryption: str
    owner: str
    approved_by: str
    reason: str
    review_by: datetime.date | None
    cleartext_reason: str | None = None
    wide_reason: str | None = None


@dataclass(frozen=True)
class LanGateway:
    """Routers that keep SMTP from leaving the LAN, but for the mail server."""

    hosts: str
    mode: str
    mail_server: str
    ports: tuple[int, ...]
    lan: str | None
    owner: str | None
    approved_by: str | None
    reason: str | None
    review_by: datetime.date | None
    place: str = field(repr=False, compare=False)
    """Where it stands in the policy, for findings."""

    @property
    def id(self) -> str:
        """What its rules are called in a plan."""
        return f"lan-gateway:{self.hosts}:{self.mode}"


@dataclass(frozen=True)
class Management:
    """A connection besides SMTP that hosts in lockdown may open (outgoing) or accept, with a zone at its other end."""

    id: str
    outgoing: bool
    peer: str
    protocol: str
    ports: tuple[int, ...]
    """Empty for ICMP, where the connection is an echo request."""
    wide_reason: str | None
    place: str = field(repr=False, compare=False)


@dataclass(frozen=True)
class Lockdown:
    """Hosts on which everything is denied in both directions but SMTP's paths and what is listed here."""

    hosts: str
    allow: tuple[Management, ...]
    owner: str
    approved_by: str
    reason: str
    review_by: datetime.date | None
    place: str = field(repr=False, compare=False)


@dataclass(frozen=True)
class Sentinel:
    """A destination that must be unreachable, and is probed as such."""

    name: str
    addresses: tuple[Block, ...]
    place: str = field(repr=False, compare=False)


@dataclass(frozen=True)
class Policy:
    """All that is declared."""

    ports: tuple[int, ...]
    blocked: str
    widest: tuple[int, int]
    zones: tuple[Zone, ...]
    paths: tuple[Path, ...]
    lan_gateways: tuple[LanGateway, ...]
    lockdowns: tuple[Lockdown, ...]
    sentinels: tuple[Sentinel, ...]
    review_overdue: str


@dataclass(frozen=True)
class Host:
    """A host of the inventory: its groups, its addresses, and what its certificate calls it."""

    name: str
    groups: frozenset[str]
    addresses: tuple[Block, ...]
    smtp_name: str | None = None
