# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The terms of an ACL: temporary blocks, what is open, the final deny, and what follows for other traffic."""

from __future__ import annotations

import datetime
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..policy.addresses import Block
from ..policy.errors import Findings
from .documents_plan import NotAPlan, day
from .perimeter_plan import Openings, answer, mapping, merged, of_family, plain, read_blocks, read_ports, refuse

RESTS = ("none", "permit", "deny")
FINAL = "alertpath-final-deny"
REST = "alertpath-rest"
_LINE = 68
_REASON = 3 * _LINE
_BLOCK_KEYS = ("id", "sources", "destinations", "ports", "owner", "approved_by", "reason", "expires")


@dataclass(frozen=True)
class Term:
    """One step of an ACL. The first term that matches a connection decides."""

    name: str
    action: str
    """`permit` or `deny`."""
    version: int | None
    """4 or 6; None for both, without addresses."""
    sources: tuple[Block, ...]
    destinations: tuple[Block, ...]
    ports: tuple[int, ...]
    """TCP destination ports; empty for every protocol and port."""
    comment: tuple[str, ...]
    path: str | None = None
    owner: str | None = None
    approved_by: str | None = None
    reason: str | None = None
    review_by: datetime.date | None = None

    def as_dict(self) -> dict[str, Any]:
        """The term as results show it."""
        return {
            "name": self.name,
            "path": self.path,
            "action": self.action,
            "family": f"ipv{self.version}" if self.version else "both",
            "sources": [str(block) for block in self.sources],
            "destinations": [str(block) for block in self.destinations],
            "ports": list(self.ports),
            "owner": self.owner,
            "approved_by": self.approved_by,
            "reason": self.reason,
            "review_by": self.review_by.isoformat() if self.review_by else None,
        }


@dataclass(frozen=True)
class Blocked:
    """A temporary deny that stands before what is open, because somebody asked for it."""

    id: str
    sources: tuple[Block, ...]
    destinations: tuple[Block, ...]
    ports: tuple[int, ...]
    owner: str | None
    approved_by: str | None
    reason: str | None
    expires: datetime.date | None


def read_blocked(raw: Any, smtp: tuple[int, ...], today: datetime.date) -> tuple[Blocked, ...]:
    """Read the option `deny`. Raises Refused with every reason; one that has expired is among them, for leaving it
    out would open what it blocked."""
    findings = Findings()
    found = []
    if raw is not None and not isinstance(raw, (list, tuple)):
        findings.error("deny", None, raw, "is not a list", "write a list of temporary blocks")
        raw = None
    for number, item in enumerate(raw or ()):
        entry = mapping(item, f"deny[{number}]", findings)
        place = str(entry.get("id") or f"deny[{number}]")
        if not isinstance(entry.get("id"), str) or not entry["id"]:
            findings.error(place, "id", entry.get("id"), "is missing", "give it an id of its own")
        for key in [key for key in entry if key not in _BLOCK_KEYS]:
            findings.error(place, str(key), None, "is not known", f"use {', '.join(_BLOCK_KEYS)}")
        ports = read_ports(entry["ports"], place, findings) if "ports" in entry else smtp
        for port in [port for port in ports if port not in smtp]:
            findings.error(place, "ports", port, "is not among the plan's ports", "an ACL governs the SMTP ports only")
        found.append(
            Blocked(
                id=place,
                sources=read_blocks(entry.get("sources"), place, "sources", findings),
                destinations=read_blocks(entry.get("destinations"), place, "destinations", findings),
                ports=ports,
                owner=_text(entry.get("owner")),
                approved_by=_text(entry.get("approved_by")),
                reason=_text(entry.get("reason")),
                expires=_expires(entry.get("expires"), place, today, findings),
            )
        )
    for name, count in Counter(block.id for block in found).items():
        if count > 1:
            findings.error(name, "id", name, "stands twice in deny", "give each an id of its own")
    refuse(findings)
    return tuple(found)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _expires(raw: Any, place: str, today: datetime.date, findings: Findings) -> datetime.date | None:
    try:
        expires = day(raw, f"{place}: expires")
    except NotAPlan:
        findings.error(place, "expires", raw, "is not a date", "write it as 2026-11-30")
        return None
    if expires is not None and expires < today:
        findings.error(
            place,
            "expires",
            expires,
            "has passed; without the deny, what it blocks may open",
            "renew it or take it out",
        )
    return expires


def terms(
    opened: Openings, blocked: Sequence[Blocked], rest: str, versions: Iterable[int], longest_name: int
) -> tuple[Term, ...]:
    """The terms in their order, for the address families *versions*; names have at most *longest_name* characters."""
    versions = tuple(versions)
    names = _Names([*(block.id for block in blocked), *(o.way.id for o in opened.live)], longest_name)
    found = []
    for block in blocked:
        until = f"until {block.expires}" if block.expires else "without end"
        comment = (
            f"Temporary deny {block.id}, {until}",
            f"owner {block.owner or 'none'}, approved by {block.approved_by or 'none'}",
            block.reason,
        )
        for version in versions:
            ends = merged(of_family(block.sources, version)), merged(of_family(block.destinations, version))
            if all(ends):
                found.append(
                    Term(
                        names.of(block.id, f"d{version}"),
                        "deny",
                        version,
                        *ends,
                        block.ports,
                        _comment(comment),
                        block.id,
                        block.owner,
                        block.approved_by,
                        block.reason,
                        block.expires,
                    )
                )
    for opening in opened.live:
        way = opening.way
        comment = f"Path {way.id}: {way.source_zone} to {way.destination_zone}", answer(way), way.reason
        for version in versions:
            sources, destinations = opening.ends(version)
            ends = merged(sources), merged(destinations)
            if all(ends):
                found.append(
                    Term(
                        names.of(way.id, f"v{version}"),
                        "permit",
                        version,
                        *ends,
                        opening.ports,
                        _comment(comment),
                        way.id,
                        way.owner,
                        way.approved_by,
                        way.reason,
                        way.review_by,
                    )
                )
    found.append(Term(FINAL, "deny", None, (), (), opened.ports, ("No path allows other SMTP",)))
    if rest != "none":
        found.append(Term(REST, rest, None, (), (), (), (f"Other traffic: {rest}",)))
    return tuple(found)


def of_versions(found: Iterable[Term], versions: Sequence[int]) -> list[Term]:
    """The terms that an ACL for these families holds."""
    return [term for term in found if term.version is None or term.version in versions]


def _comment(lines: Iterable[str | None]) -> tuple[str, ...]:
    whole = [plain(line, _REASON) for line in lines if line]
    return tuple(part for line in whole if line for part in _folded(line))


def _folded(line: str) -> list[str]:
    """*line* in pieces that every device takes as one comment."""
    pieces = re.findall(rf"\S{{{_LINE}}}|\S.{{0,{_LINE - 1}}}(?=\s|$)", line)
    return [piece.strip() for piece in pieces if piece.strip()]


class _Names:
    """Names that every platform takes: letters, digits, - and _, a letter first; no two alike but for case."""

    def __init__(self, ids: Iterable[str], longest: int) -> None:
        self._longest = longest - len("-v4")
        self._seen = Counter(name.casefold() for name in set(ids))
        self._given: Counter[tuple[str, str]] = Counter()

    @staticmethod
    def _slug(name: str) -> str:
        slug = re.sub(r"[^A-Za-z0-9_-]", "-", name)
        return slug if slug[:1].isalpha() else f"p{slug}"

    def of(self, name: str, suffix: str) -> str:
        # LAN gateways of the same routers and mode share their id.
        turn = self._given[name, suffix]
        self._given[name, suffix] += 1
        slug = self._slug(name)
        if slug != name or len(slug) > self._longest or self._seen[name.casefold()] > 1:
            unique = f"{name}#{turn}" if turn else name
            digest = hashlib.sha256(unique.encode()).hexdigest()[:6]
            slug = f"{slug[: self._longest - 7]}-{digest}"
        return f"{slug}-{suffix}"
