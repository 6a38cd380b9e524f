# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of an audit in words: an overview, and a part for each rule."""

from __future__ import annotations

from .audit_model import Audit, AuditRule, Review
from .documents import Cell, Facts, Link, Mark, Piece, Section, Table, count, listed, plain
from .documents_plan import Way

ZONES = "zones"
NOT_DECLARED = Mark("NOT DECLARED", "warn")
_MODES = {"internal_mail_server": "internal mail server", "gateway_mail_server": "gateway mail server"}
_ENCRYPTIONS: dict[str | None, Piece] = {
    "starttls": "STARTTLS",
    "implicit": "TLS from the first byte",
    "none": Mark("NONE, clear text", "warn"),
    None: "not declared for a LAN gateway's mode",
}
_DIRECTIONS = {"egress": "opens", "ingress": "accepts", "forward": "routes"}
_PROOFS: dict[str, Piece] = {
    "proven": Mark("Proven", "good"),
    "by_rules": Mark("Proven by rules alone", "good"),
    "incomplete": Mark("INCOMPLETE", "warn"),
    "disproved": Mark("DISPROVED", "bad"),
    "unprobed": Mark("NOT PROBED", "warn"),
    "unknown": Mark("NO EVIDENCE", "warn"),
}
# More addresses than this stand under their zone only: a page is read by people.
_MOST_ADDRESSES = 12


def rules(audit: Audit) -> list[Section]:
    """Return the overview of *audit*'s rules, and a section for each."""
    head = ("Rule", "From", "To", "Port", "Encryption", "Review", "Proof")
    rows = tuple(
        (
            Link(rule.way.id, _anchor(number)),
            rule.way.source_zone,
            rule.way.destination_zone,
            listed(rule.way.ports),
            _ENCRYPTIONS.get(rule.way.encryption, str(rule.way.encryption)),
            review(rule.review),
            _PROOFS[rule.proof.state],
        )
        for number, rule in enumerate(audit.rules)
    )
    overview = Section("Rules", "rules", (Table("Every way that is open", head, rows),))
    return [overview, *(_section(number, rule) for number, rule in enumerate(audit.rules))]


def _anchor(number: int) -> str:
    return f"rule-{number}"


def review(found: Review) -> Piece:
    """Return a review date in words."""
    if found.review_by is None or found.days is None:
        return NOT_DECLARED
    days = count(abs(found.days), "day")
    if found.state == "overdue":
        return Mark(f"{found.review_by}, OVERDUE by {days}", "bad")
    if found.state == "soon":
        return Mark(f"{found.review_by}, due in {days}" if found.days else f"{found.review_by}, due today", "warn")
    return f"{found.review_by}, {days} left"


def complaints(number: int, rule: AuditRule) -> list[Cell]:
    """Return what somebody must look at in *rule*, nothing when all is well."""
    where = Link(rule.way.id, _anchor(number))
    found: list[Cell] = []
    if rule.review.state != "ok":
        due = review(rule.review)
        found.append((where, Mark("review date not declared", "warn") if due is NOT_DECLARED else due))
    missing = [name for name in ("owner", "approved_by", "reason") if not getattr(rule.way, name)]
    if missing:
        found.append((where, Mark(f"without {listed(name.replace('_', ' ') for name in missing)}", "warn")))
    if rule.proof.state in ("disproved", "incomplete", "unprobed"):
        found.append((where, _PROOFS[rule.proof.state], *rule.proof.against))
    if not rule.enforced_by:
        found.append((where, Mark("no host enforces it", "warn")))
    return found


def _section(number: int, rule: AuditRule) -> Section:
    way = rule.way
    rows: list[tuple[str, Cell]] = [
        ("What", f"LAN gateway {way.hosts}, {_MODES.get(str(way.mode), way.mode)}" if way.gateway else "declared path"),
        ("From", _end(way.source_zone, way.sources)),
        ("To", _end(way.destination_zone, way.destinations)),
        ("Port", listed(way.ports)),
        ("Encryption", _encryption(way)),
        ("Owner", way.owner or NOT_DECLARED),
        ("Approved by", way.approved_by or NOT_DECLARED),
        ("Reason", way.reason or NOT_DECLARED),
        ("Review", review(rule.review)),
    ]
    if way.wide_reason:
        rows.append(("Wide because", way.wide_reason))
    rows += [
        ("Enforced by", tuple(_enforcer(host.host, host.directions) for host in rule.enforced_by) or _NOBODY),
        ("Proof", (_PROOFS[rule.proof.state], *rule.proof.how, *rule.proof.against)),
        ("Last proven", _last(rule)),
    ]
    return Section(way.id, _anchor(number), (Facts(f"Rule {plain(way.id)}", tuple(rows)),), level=3)


_NOBODY = Mark("no host", "warn")


def _end(zone: str, addresses: tuple[str, ...]) -> Cell:
    if len(addresses) > _MOST_ADDRESSES:
        return (zone, Link(f"{len(addresses):,} addresses and networks, listed under Zones", ZONES))
    return (zone, *addresses)


def _encryption(way: Way) -> Cell:
    text = _ENCRYPTIONS.get(way.encryption, str(way.encryption))
    return (text, f"because: {way.cleartext_reason}") if way.cleartext_reason else text


def _enforcer(host: str, directions: tuple[str, ...]) -> str:
    return f"{host} ({listed(_DIRECTIONS.get(name, name) for name in directions)} it)"


def _last(rule: AuditRule) -> Cell:
    if rule.proof.last_proven:
        return rule.proof.last_proven
    return (
        "proven, but the evidence does not say when"
        if rule.proof.ever_proven
        else Mark("never, by what was given", "warn")
    )
