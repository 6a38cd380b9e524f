# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for what was seen, the same wherever they stand in the report. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..outputs.documents import Tone
from .evidence import Seen
from .table import SHUT, UNRUN

_MOST = 400
_LONG_NAME = 100


def bounded(text: object, most: int = _MOST) -> str:
    """Return *text*, or the beginning of it: what a server says may be long."""
    found = str(text)
    return found if len(found) <= most else found[:most] + "\N{HORIZONTAL ELLIPSIS}"


def named(name: object) -> str:
    """Return the name of a host, a zone or a path, which stands in many places."""
    return bounded(name, _LONG_NAME)


def place_of(seen: Seen) -> str:
    """Return a row's destination: its name, and its address where that is another thing."""
    name, address = named(seen.destination_host), named(seen.address)
    return name if name == address else f"{name} ({address})"


def way_of(seen: Seen) -> str:
    """Return from where to where a row goes."""
    return f"{named(seen.probe_host)} \N{RIGHTWARDS ARROW} {named(seen.destination_host)} port {seen.row['port']}"


def device_of(device: Mapping[str, Any]) -> str:
    """Return what is known of a *device* that `where` names (docs/probe.md), but for its hop."""
    return f"{device.get('role') or 'device'} {device.get('address') or 'of unknown address'}"


def state(seen: Seen) -> tuple[str, Tone | None]:
    """Return what a cell says, and its tone; a block that is as declared needs none."""
    outcome, verdict = seen.row["outcome"], seen.row["verdict"]
    if seen.passed:
        return ("open", "good") if outcome == "open" else ("blocked", None)
    if verdict == "unproven":
        return "not proven", "warn"
    if verdict == "error" or outcome in UNRUN:
        return "not found out", "warn"
    if seen.row["expect"] == "blocked":
        return "open, must be blocked", "bad"
    return ("blocked, must be open" if outcome in SHUT else "wrong, must be open"), "bad"
