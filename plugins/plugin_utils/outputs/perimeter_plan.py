# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan opens, as addresses in numbers and as of a day: for devices that no role configures."""

from __future__ import annotations

import datetime
import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..policy.addresses import Block, Span, outermost, parse_block
from ..policy.errors import Finding, Findings
from .documents_plan import Way, entries, ways

_GIVE = "give what alertpath.smtp.smtp_plan returned"
_UNSAFE = re.compile(r"[^A-Za-z0-9 .,:()@/+_=-]+")


class Refused(Exception):
    """Nothing is made of the plan; `findings` holds every reason, each with path, field, value and remedy."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = list(findings)
        super().__init__("; and: ".join(map(str, self.findings)))


@dataclass(frozen=True)
class Opening:
    """A way that is open: connections from any of the sources to any of the destinations of the same family."""

    way: Way
    sources: tuple[Block, ...]
    destinations: tuple[Block, ...]
    ports: tuple[int, ...]

    @cached_property
    def spans(self) -> tuple[Span, Span]:
        """Sources and destinations, to be asked for single addresses without looking at all of them."""
        return Span(self.sources), Span(self.destinations)

    def ends(self, version: int) -> tuple[tuple[Block, ...], tuple[Block, ...]]:
        """Sources and destinations of one family (4 or 6); each empty when it has none."""
        return self._ends[version]

    @cached_property
    def _ends(self) -> dict[int, tuple[tuple[Block, ...], tuple[Block, ...]]]:
        return {v: (of_family(self.sources, v), of_family(self.destinations, v)) for v in (4, 6)}


@dataclass(frozen=True)
class Openings:
    """What a plan opens on a day."""

    ports: tuple[int, ...]
    """What counts as SMTP."""
    live: tuple[Opening, ...]
    expired: tuple[Opening, ...]
    """Whose review is overdue: left out of every output, so that an expired permit closes."""
    warnings: tuple[str, ...]


def openings(plan: Any, today: datetime.date, only: Iterable[str] | None = None) -> Openings:
    """Return what *plan* opens as of *today*; *only* limits it to these ids.

    A review_by is the last day that counts, as for smtp_plan. Raises NotAPlan, or Refused with every reason.
    """
    findings = Findings()
    ports = _ports(entries(plan, "ports"), None, findings)
    found = [_opening(way, ports, findings) for way in ways(plan)]
    if only is not None:
        wanted = dict.fromkeys(map(str, only))
        known = {opening.way.id for opening in found}
        for missing in [name for name in wanted if name not in known]:
            findings.error(None, "paths", missing, "is no path of the plan", "name the id of a path, or leave it out")
        found = [opening for opening in found if opening.way.id in wanted]
    refuse(findings)
    expired = tuple(o for o in found if o.way.review_by is not None and o.way.review_by < today)
    live = tuple(o for o in found if o not in expired)
    warnings = [
        f"{o.way.id}: review_by {o.way.review_by} has passed; it is left out. Review it and set a new date"
        for o in expired
    ] + [
        f"{o.way.id}: review_by is not set; it never closes by itself. Set a date"
        for o in live
        if o.way.review_by is None
    ]
    return Openings(ports, live, expired, tuple(warnings))


def refuse(findings: Findings) -> None:
    """Raise Refused when there is any error."""
    if findings.errors:
        raise Refused(findings.errors)


def of_family(blocks: Iterable[Block], version: int) -> tuple[Block, ...]:
    """The *blocks* of one family."""
    return tuple(block for block in blocks if block.version == version)


def merged(blocks: Iterable[Block]) -> tuple[Block, ...]:
    """The same addresses in as few networks as possible, in order."""
    networks: dict[int, list[Any]] = {4: [], 6: []}
    for block in blocks:
        networks[block.version].append(ipaddress.ip_network(cidr(block)))
    return tuple(
        parse_block(str(network), network=True)
        for version in (4, 6)
        for network in ipaddress.collapse_addresses(networks[version])
    )


def cidr(block: Block) -> str:
    """*block* in prefix form, single addresses too."""
    return f"{block}/{block.prefix}" if block.single else str(block)


def shared(blocks: Iterable[Block], others: Iterable[Block], span: Span) -> tuple[Block, ...]:
    """The addresses of *blocks* that are in *others*, whose span is *span*, as few blocks as possible."""
    found = []
    for block in blocks:
        if span.covers(block):
            found.append(block)
        elif not block.single:
            found += [other for other in others if block.covers(other)]
    return outermost(found)


def plain(text: object, longest: int) -> str:
    """*text* as one line of ASCII that no device reads as anything but a comment, cut to *longest* characters."""
    ascii_text = unicodedata.normalize("NFKD", str(text)).encode("ascii", "ignore").decode()
    line = " ".join(_UNSAFE.sub(" ", ascii_text).split())
    return line if len(line) <= longest else line[: longest - 3].rstrip() + "..."


def answer(way: Way) -> str:
    """Who answers for *way*, in one line."""
    until = f"review by {way.review_by}" if way.review_by else "no review date"
    return f"owner {way.owner or 'none'}, approved by {way.approved_by or 'none'}, {until}"


def read_blocks(raw: Any, place: str, field: str, findings: Findings) -> tuple[Block, ...]:
    """Read a list of addresses and networks; what is wrong with it goes to *findings*."""
    remedy = "write addresses or networks, as 192.0.2.25 or 192.0.2.0/24"
    if not isinstance(raw, (list, tuple)) or not raw:
        findings.error(place, field, raw, "is not a list of addresses", remedy)
        return ()
    found = []
    for item in raw:
        try:
            found.append(parse_block(str(item) if isinstance(item, str) else item, network=True))
        except ValueError as wrong:
            findings.error(place, field, item, str(wrong), remedy)
    return outermost(found)


def read_ports(raw: Any, place: str | None, findings: Findings) -> tuple[int, ...]:
    """Read a list of ports; what is wrong with it goes to *findings*."""
    return _ports(raw if isinstance(raw, (list, tuple)) else [raw], place, findings)


def _ports(raw: Iterable[Any], place: str | None, findings: Findings) -> tuple[int, ...]:
    found = set()
    for item in raw:
        if isinstance(item, bool) or not isinstance(item, int) or not 0 < item < 65536:
            findings.error(place, "ports", item, "is not a port", "write whole numbers from 1 to 65535")
        else:
            found.add(int(item))
    if not found:
        findings.error(place, "ports", None, "there is none", _GIVE)
    return tuple(sorted(found))


def _opening(way: Way, smtp: tuple[int, ...], findings: Findings) -> Opening:
    sources = read_blocks(way.sources, way.id, "sources", findings)
    destinations = read_blocks(way.destinations, way.id, "destinations", findings)
    ports = _ports(way.ports, way.id, findings)
    for port in ports:
        if smtp and port not in smtp:
            findings.error(way.id, "ports", port, "is not among the plan's ports", _GIVE)
    if sources and destinations and not {b.version for b in sources} & {b.version for b in destinations}:
        findings.error(way.id, "destinations", None, "share no address family with the sources", _GIVE)
    return Opening(way, sources, destinations, ports)


def mapping(raw: Any, place: str, findings: Findings) -> Mapping[str, Any]:
    """*raw* when it is a dictionary, else an empty one and a finding."""
    if isinstance(raw, Mapping):
        return raw
    findings.error(place, None, raw, "is not a dictionary", "write keys and values")
    return {}
