# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a satellite (null client) is: its next hops and settings, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, FrozenSet, Optional, Tuple

from . import values
from .values import ValueRefused

ENCRYPTIONS = ("none", "starttls", "implicit")
# In order of increasing strictness (TLS_README, "TLS security levels"); verify and fingerprint both authenticate.
LEVELS = ("none", "may", "encrypt", "fingerprint", "verify")
OLDEST = (3, 5)  # the first release whose relayhost takes a list (postconf(5), relayhost)


@dataclass(frozen=True)
class NextHop:
    """One server that takes this host's mail: a pinned address, and the name its certificate must carry."""

    address: str
    port: int
    encryption: str
    name: Optional[str] = None
    fingerprints: Tuple[str, ...] = ()

    def __post_init__(self) -> None:
        where = f"next_hops: {self.address}"
        object.__setattr__(self, "address", values.address("next_hops: address", self.address))
        values.port(f"{where}: port", self.port)
        if self.encryption not in ENCRYPTIONS:
            raise ValueRefused(f"{where}: encryption {self.encryption!r} is none of {', '.join(ENCRYPTIONS)}")
        if self.name is not None:
            object.__setattr__(self, "name", values.domain(f"{where}: name", self.name))
        checked = tuple(values.fingerprint(f"{where}: fingerprints", text) for text in self.fingerprints)
        object.__setattr__(self, "fingerprints", checked)

    @property
    def key(self) -> str:
        """The next hop as Postfix writes it and as its maps are keyed: no MX lookup, a literal address, a port."""
        return f"[{self.address}]:{self.port}"


@dataclass(frozen=True)
class Retry:
    """How long mail waits: each a number with a unit (s, m, h, d, w)."""

    queue_run: str = "60s"
    minimal_backoff: str = "60s"
    maximal_backoff: str = "10m"
    lifetime: str = "5d"
    bounce_lifetime: str = "5d"
    delay_warning: str = "15m"
    connect_timeout: str = "10s"

    def __post_init__(self) -> None:
        length = {name: values.seconds(f"retry: {name}", text) for name, text in vars(self).items()}
        for name in ("queue_run", "minimal_backoff", "maximal_backoff", "connect_timeout"):
            if not length[name]:
                raise ValueRefused(f"retry: {name} must be longer than nothing")
        if not length["queue_run"] <= length["minimal_backoff"] <= length["maximal_backoff"]:
            raise ValueRefused(
                "retry: queue_run, minimal_backoff and maximal_backoff must not decrease in this order (postconf(5))"
            )
        for name in ("lifetime", "bounce_lifetime"):
            if length[name] > 100 * 86400:
                raise ValueRefused(f"retry: {name} is more than 100d, which Postfix does not take")


@dataclass(frozen=True)
class Credentials:
    """What the host shows to its next hops (AUTH). The password stays out of every text made from this object."""

    user: str
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        values.user("user", self.user)
        values.password("password", self.password)


@dataclass(frozen=True)
class Satellite:
    """A host that hands all its mail to its next hops and takes none from the network.

    *tls* is the level for every hop with encryption. *notice_recipient* is a mail address, or a local account whose
    mailbox then takes the notices without any next hop. *sender_rewriting* are pairs (pattern, address).
    """

    next_hops: Tuple[NextHop, ...]
    hostname: str
    origin: Optional[str] = None
    tls: str = "verify"
    ca: Optional[str] = None
    credentials: Optional[Credentials] = None
    retry: Retry = field(default_factory=Retry)
    root_recipient: Optional[str] = None
    notice_recipient: Optional[str] = None
    sender_rewriting: Tuple[Tuple[str, str], ...] = ()
    loopback_smtp: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "hostname", values.domain("hostname", self.hostname))
        object.__setattr__(self, "origin", values.domain("origin", self.origin or self.hostname))
        if self.root_recipient is not None:
            values.mailbox("root_recipient", self.root_recipient)
            self._refuse_own_root(self.root_recipient)
        if self.notice_recipient is not None:
            check = values.mailbox if "@" in self.notice_recipient else values.account
            check("notice_recipient", self.notice_recipient)
        for pattern, target in self.sender_rewriting:
            values.sender_pattern("sender_rewriting: from", pattern)
            values.mailbox("sender_rewriting: to", target)
        self._check_hops()
        self._check_trust()

    def _refuse_own_root(self, recipient: str) -> None:
        user, _at, host = recipient.lower().rpartition("@")
        if user in ("root", "postmaster") and host in (self.hostname, self.origin, "localhost"):
            raise ValueRefused(f"root_recipient: {recipient!r} is this host's own {user}: mail would run in a circle")

    def _check_hops(self) -> None:
        if not self.next_hops:
            raise ValueRefused("next_hops: is empty; a satellite needs one server at least that takes its mail")
        keys = [hop.key for hop in self.next_hops]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise ValueRefused(f"next_hops: {', '.join(twice)} is listed more than once")
        if 0 < sum(hop.encryption == "implicit" for hop in self.next_hops) < len(self.next_hops):
            raise ValueRefused(
                "next_hops: implicit TLS cannot stand beside starttls or none: Postfix has one switch for them all "
                "(smtp_tls_wrappermode); let every next hop use the same encryption"
            )

    def _check_trust(self) -> None:
        if self.tls not in LEVELS:
            raise ValueRefused(f"tls: {self.tls!r} is none of {', '.join(LEVELS)}")
        for hop in self.next_hops:
            if hop.encryption == "none":
                continue
            if self.tls == "none" or (self.tls == "may" and hop.encryption == "implicit"):
                raise ValueRefused(f"tls: {self.tls} contradicts encryption {hop.encryption} of {hop.key}; use verify")
            if self.tls == "verify" and hop.name is None:
                raise ValueRefused(
                    f"next_hops: {hop.key} has no name, so its certificate cannot be verified; "
                    "give the name it carries, or use tls fingerprint"
                )
            if self.tls == "fingerprint" and not hop.fingerprints:
                raise ValueRefused(f"next_hops: {hop.key} has no fingerprints, which tls fingerprint needs")
        if "verify" in self.levels:
            if self.ca is None:
                raise ValueRefused("ca: is missing; tls verify trusts the given authority alone, never the system's")
            object.__setattr__(self, "ca", values.certificates("ca", self.ca))
        if self.credentials and not {"encrypt", "fingerprint", "verify"}.issuperset(self.levels):
            raise ValueRefused("password: would travel in clear text; every next hop must use tls encrypt or stricter")

    def level(self, hop: NextHop) -> str:
        """Return the TLS security level of *hop*."""
        return "none" if hop.encryption == "none" else self.tls

    @property
    def levels(self) -> FrozenSet[str]:
        """The TLS security levels in use."""
        return frozenset(self.level(hop) for hop in self.next_hops)


@dataclass(frozen=True)
class Installation:
    """The Postfix on the host: its version, the parameters it knows, and main.cf settings of the package."""

    version: Tuple[int, ...]
    known: FrozenSet[str]
    kept: Dict[str, str]

    def __post_init__(self) -> None:
        if self.version[:2] < OLDEST:
            raise ValueRefused(
                f"Postfix {'.'.join(map(str, self.version))} is too old: "
                f"several next hops need {'.'.join(map(str, OLDEST))}; upgrade the package"
            )
