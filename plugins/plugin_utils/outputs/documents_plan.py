# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan (docs/plan.md) as typed data, for documents."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


class NotAPlan(ValueError):
    """What was given is not what smtp_plan returned; the message says what is missing or wrong."""


@dataclass(frozen=True)
class Way:
    """One entry of a plan's `paths`: a declared path, or what a LAN gateway's mode opens. Addresses are text."""

    id: str
    gateway: bool
    source_zone: str
    destination_zone: str
    sources: tuple[str, ...]
    destinations: tuple[str, ...]
    ports: tuple[int, ...]
    encryption: str | None
    owner: str | None
    approved_by: str | None
    reason: str | None
    review_by: datetime.date | None
    cleartext_reason: str | None
    wide_reason: str | None
    hosts: str | None
    """The group of a LAN gateway's routers, as `mode`, `mail_server` and `lan` None for a declared path."""
    mode: str | None
    mail_server: str | None
    lan: str | None


def ways(plan: Any) -> tuple[Way, ...]:
    """Return every entry of `paths` in *plan*, in its order. Raises NotAPlan."""
    found = []
    for number, entry in enumerate(entries(plan, "paths")):
        place = f"paths[{number}]"
        if not isinstance(entry, Mapping):
            raise NotAPlan(f"{place} is not a dictionary; give what alertpath.smtp.smtp_plan returned")
        try:
            found.append(_way(entry, place))
        except KeyError as missing:
            raise NotAPlan(f"{place} has no {missing}; give what alertpath.smtp.smtp_plan returned") from None
    return tuple(found)


def _way(entry: Mapping[str, Any], place: str) -> Way:
    return Way(
        id=str(entry["id"]),
        gateway=entry["kind"] == "lan_gateway",
        source_zone=str(entry["from"]),
        destination_zone=str(entry["to"]),
        sources=tuple(map(str, entry["sources"])),
        destinations=tuple(map(str, entry["destinations"])),
        ports=tuple(int(port) for port in entry["ports"]),
        encryption=_text(entry["encryption"]),
        owner=_text(entry["owner"]),
        approved_by=_text(entry["approved_by"]),
        reason=_text(entry["reason"]),
        review_by=day(entry["review_by"], f"{place}.review_by"),
        cleartext_reason=_text(entry.get("cleartext_reason")),
        wide_reason=_text(entry.get("wide_reason")),
        hosts=_text(entry.get("hosts")),
        mode=_text(entry.get("mode")),
        mail_server=_text(entry.get("mail_server")),
        lan=_text(entry.get("lan")),
    )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def day(value: Any, place: str) -> datetime.date | None:
    """Return *value*, ISO text or a date or None, as a date. Raises NotAPlan, naming *place*."""
    if value is None or (isinstance(value, datetime.date) and not isinstance(value, datetime.datetime)):
        return value
    try:
        return datetime.date.fromisoformat(str(value))
    except ValueError:
        raise NotAPlan(f"{place} {value!r} is not a date; write it as 2026-11-30") from None


def entries(plan: Any, name: str) -> Sequence[Any]:
    """Return the list *name* of *plan*. Raises NotAPlan."""
    found = plan.get(name) if isinstance(plan, Mapping) else None
    if not isinstance(found, (list, tuple)):
        raise NotAPlan(f"{name} is missing; give what alertpath.smtp.smtp_plan returned")
    return found


def hosts(plan: Any) -> Mapping[str, Any]:
    """Return the hosts of *plan*, each with its entry. Raises NotAPlan."""
    found = plan.get("hosts") if isinstance(plan, Mapping) else None
    if not isinstance(found, Mapping) or not all(isinstance(entry, Mapping) for entry in found.values()):
        raise NotAPlan("hosts is missing; give what alertpath.smtp.smtp_plan returned")
    return found


def digest(plan: Any) -> str:
    """Return the digest of *plan*. Raises NotAPlan."""
    if not isinstance(plan, Mapping) or not plan.get("digest"):
        raise NotAPlan("digest is missing; give what alertpath.smtp.smtp_plan returned")
    return str(plan["digest"])
