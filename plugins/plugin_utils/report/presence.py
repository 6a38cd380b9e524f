# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether anybody is at an address that seems blocked. Pure.

Silence from a server behind a firewall and silence from an address that nobody has look the same to the host that
asks. Over all hosts of a run they can be told apart: somewhere the address answered, or one of them has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.alertpath.smtp.plugins.module_utils.probe.model import (
    ANSWERED,
    BLOCKED,
    LOCAL_ERROR,
    NAME_ERROR,
    REJECTED,
)
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.verdict import AS_EXPECTED, DESTINATION, UNPROVEN

REMEDY = (
    "check the address in the policy; if it is right, name a port it answers on to one of the hosts in "
    "path_verification_control_ports, and probe from all hosts in one run"
)

Row = Mapping[str, Any]


def present(rows: Iterable[Row]) -> frozenset[str]:
    """Return the addresses that answered one of *rows*, or from which one was probed."""
    found: set[str] = set()
    for row in rows:
        if row["outcome"] in ANSWERED or row.get("control") == DESTINATION:
            found.add(str(row.get("address")))
        # Over SSH nothing is bound: the source is what the plan says.
        if row.get("source") and not row.get("via") and row["outcome"] not in (LOCAL_ERROR, NAME_ERROR):
            found.add(str(row["source"]))
    return frozenset(found)


def rejecting(rows: Iterable[Row]) -> frozenset[str]:
    """Return the addresses in whose own name one of *rows* was rejected, as a bridge does it in anybody's."""
    return frozenset(str(row.get("address")) for row in rows if _rejects_itself(row))


def _rejects_itself(row: Row) -> bool:
    return row["outcome"] == REJECTED and (row.get("evidence") or {}).get("device") == row.get("address")


def doubted(row: Row, there: frozenset[str], rejecting: frozenset[str]) -> Row:
    """Return *row* as it is, or, when it passed as blocked with nobody known to be at its address, as unproven.

    Addresses that are *rejecting* count where this row met something else, see the probe's alive.py.
    """
    known = there if _rejects_itself(row) else there | rejecting
    if row["expect"] != BLOCKED or row["verdict"] != AS_EXPECTED or str(row.get("address")) in known:
        return row
    reason = f"{row['reason']}; but {row.get('address')} answered no host of this run, so nobody may be there"
    return {**row, "verdict": UNPROVEN, "reason": reason, "remedy": REMEDY}
