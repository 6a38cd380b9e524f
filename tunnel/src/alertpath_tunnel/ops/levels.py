# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which facility a line of the journal belongs to, and how grave it is.

The facilities are DSG's; which event belongs to which is ours, as DSG does not tell.
"""

from __future__ import annotations

from collections.abc import Mapping

RANK = {"error": 0, "warning": 1, "info": 2}
# What is said whatever the level: whoever reloads or restarts the service must be able to see what came of it.
ALWAYS = frozenset({"ready", "reloaded", "reload refused", "stopped"})
PROTOCOL_EVENTS = ("next hop unavailable", "next hop lost", "connection lost", "TLS failed", "internal error")
_EVENTS = {
    "ready": ("Admin", "info"),
    "reloaded": ("Admin", "info"),
    "reload refused": ("Admin", "error"),
    "stopped": ("Admin", "info"),
    "warning": ("Admin", "warning"),
    "worker ended": ("Admin", "error"),
    "worker hung": ("Admin", "error"),
    "worker not begun": ("Admin", "error"),
    "log lines lost": ("Admin", "error"),
    "refused": ("Tunnel", "warning"),
    "TLS failed": ("Tunnel", "warning"),
    "connection lost": ("Tunnel", "info"),
    "next hop unavailable": ("Service", "error"),
    "next hop lost": ("Service", "error"),
    "internal error": ("Service", "error"),
}


def classify(record: Mapping[str, object]) -> tuple[str, str]:
    """Return (facility, level) of a record."""
    event = str(record.get("event"))
    if event != "transaction":
        return _EVENTS.get(event, ("Service", "info"))
    # A message that was looked into and not sent on is the rules' doing.
    facility = "RuleSet" if "rules" in record and record.get("reply_by") == "tunnel" else "Service"
    reply = record.get("reply")
    return facility, "info" if isinstance(reply, int) and reply < 400 else "warning"


def wanted(record: Mapping[str, object], facility: str, level: str, levels: Mapping[str, str]) -> bool:
    """Whether the record is to be written at the configured levels."""
    return record.get("event") in ALWAYS or RANK[level] <= RANK[levels.get(facility, "info")]
