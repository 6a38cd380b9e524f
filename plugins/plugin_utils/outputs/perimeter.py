# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Perimeter ACLs: what a plan opens, for firewalls and routers that no role configures."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from typing import Any

from ..policy.errors import Findings
from .documents_plan import digest
from .perimeter_aerleon import targets, write
from .perimeter_finish import finished, whole_text
from .perimeter_plan import Openings, openings, refuse
from .perimeter_targets import PLATFORMS, REFUSED, Platform, general
from .perimeter_terms import RESTS, Term, of_versions, read_blocked, terms

FAMILIES = {"ipv4": 4, "ipv6": 6}
MANY = 5000
"""Entries from which a device's table is worth a look."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_OPTIONS = re.compile(r"[A-Za-z0-9_ .:/-]*")
_OURS = {"inet", "inet6", "mixed", "extended", "standard", "object-group", "noverbose", "enable_dsmo", "ACCEPT", "DROP"}


def acl(
    plan: Any,
    target: str,
    today: datetime.date,
    *,
    options: str = "",
    name: str = "ALERTPATH-SMTP",
    rest: str = "none",
    families: Iterable[str] | None = None,
    paths: Iterable[str] | None = None,
    deny: Any = None,
) -> dict[str, Any]:
    """The ACLs of *plan* for one target of aerleon, as docs/perimeter.md shows them.

    *rest* says what follows for traffic that is not SMTP. Same plan, same options and same day: same bytes.
    Raises NotAPlan, Missing, or Refused with every reason; there is never an ACL in part.
    """
    made_from = digest(plan)
    wanted = tuple(FAMILIES if families is None else families)
    platform = _platform(target, options, name, rest, wanted)
    versions = [FAMILIES[family] for family in wanted]
    opened = openings(plan, today, paths)
    found = terms(opened, read_blocked(deny, opened.ports, today), rest, versions, platform.longest_name)
    comment = [f"SMTP paths of plan {made_from[:12]}", *(f"Left out, expired: {o.way.id}" for o in opened.expired)]
    acls = []
    warnings = list(opened.warnings)
    for one in platform.filters(name, options.strip() or platform.default, rest):
        if set(one.versions) & set(versions):
            inside = of_versions(found, one.versions)
            warnings += _size(one.name, inside, platform)
            text = finished(target, rest, one, write(target, platform, one, inside, comment))
            family = f"ipv{one.versions[0]}" if len(one.versions) == 1 else "both"
            acls.append({"name": one.name, "family": family, "text": text})
    return {
        "target": target,
        "rest": rest,
        "digest": made_from,
        "text": whole_text(target, rest, acls),
        "acls": acls,
        "terms": [term.as_dict() for term in found],
        "expired": _expired(opened),
        "warnings": warnings,
        "notes": _notes(platform, rest),
    }


def _platform(target: str, options: str, name: str, rest: str, families: Sequence[str]) -> Platform:
    """The target's layout. Raises Refused for what cannot be asked for."""
    findings = Findings()
    if rest not in RESTS:
        findings.error(None, "rest", rest, "is not a choice", f"say one of {', '.join(RESTS)}")
    if not _NAME.fullmatch(name):
        findings.error(None, "name", name, "is no name for an ACL", "use letters, digits, - and _, 40 at most")
    if not _OPTIONS.fullmatch(options):
        findings.error(None, "options", options, "holds more than words", "write the options as aerleon does")
    for family in families:
        if family not in FAMILIES:
            findings.error(None, "families", family, "is not an address family", "say ipv4, ipv6 or both of them")
    if not families:
        findings.error(None, "families", None, "there is none", "say ipv4, ipv6 or both of them")
    if target in REFUSED:
        findings.error(None, "target", target, f"is not offered: {REFUSED[target]}", "choose another target")
    known = PLATFORMS.get(target)
    for word in sorted(_OURS & set(options.split())) if known else ():
        findings.error(None, "options", word, "is set by rest and families", "leave it out")
    if known and len(set(families)) == 1 and target in ("ciscoasa", "srx", "paloalto", "nftables"):
        findings.error(
            None, "families", families[0], f"one ACL of {target} decides for both families", "leave families out"
        )
    if not known and target not in REFUSED:
        if target not in (offered := targets()):
            offered = [item for item in offered if item not in REFUSED]
            findings.error(None, "target", target, "is not known to aerleon", f"say one of {', '.join(offered)}")
        elif not options.strip():
            findings.error(None, "options", None, f"{target} needs them", "write the whole header as aerleon wants it")
        if len(families) != 1:
            findings.error(None, "families", None, f"{target} is written for one family at a time", "say ipv4 or ipv6")
    refuse(findings)
    return known or general(FAMILIES[families[0]])


def _size(name: str, found: Sequence[Term], platform: Platform) -> list[str]:
    if not platform.expands:
        return []
    entries = sum(max(1, len(t.sources)) * max(1, len(t.destinations)) * max(1, len(t.ports)) for t in found)
    text = f"{name}: has {entries} entries; see whether the device holds as many, or use networks in the policy"
    return [text] if entries > MANY else []


def _expired(opened: Openings) -> list[dict[str, Any]]:
    return [
        {"path": o.way.id, "review_by": o.way.review_by.isoformat() if o.way.review_by else None}
        for o in opened.expired
    ]


def _notes(platform: Platform, rest: str) -> list[str]:
    if rest == "none":
        return [
            note for note in (f"It decides for the SMTP ports only. {platform.implicit}", platform.fragment) if note
        ]
    if rest == "deny" and not platform.stateful:
        return ["It denies replies too: apply it in the direction of the connections only, beside an ACL for replies."]
    return []
