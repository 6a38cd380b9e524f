# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix that a plan asks for, before anything was probed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def planned_rows(hosts: Mapping[str, Any], expect: str | None = None) -> list[dict[str, Any]]:
    """Return every probe of the plan's *hosts* (docs/plan.md) with its `probe_host`, only those that must be *expect*
    when that is given. Hosts come by name, the probes of each as planned."""
    return [
        {"probe_host": name, **row}
        for name in sorted(hosts)
        for row in hosts[name].get("probes") or ()
        if expect in (None, row["expect"])
    ]
