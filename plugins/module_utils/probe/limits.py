# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long things may take: each step of a session, and a whole probe."""

from __future__ import annotations

from typing import Dict, Mapping, NamedTuple

from .steps import LIMITS, Step

NAMES = tuple(dict.fromkeys(LIMITS.values()))
"""The names of the limits that can be set one by one."""
FAREWELL = 2.0
"""Seconds to wait for the replies to RSET and QUIT; what was to be found is known by then."""
OVERALL = 4.0
"""How many times the limit of a step a whole probe may take, unless a limit is set."""


class Limits(NamedTuple):
    """Seconds for each step of a session by name, and for a probe as a whole, its second look included."""

    steps: Mapping[str, float]
    overall: float

    def of(self, step: Step) -> float:
        """Return the seconds that *step* may take."""
        return self.steps[LIMITS[step]]


def limits(timeout: float, single: Mapping[str, float], overall: float) -> Limits:
    """Return the limits: *timeout* for each step that *single* does not name; *overall* of 0 is several timeouts."""
    steps: Dict[str, float] = dict.fromkeys(NAMES, timeout)
    steps["quit"] = min(FAREWELL, timeout)
    steps.update(single)
    return Limits(steps, overall or OVERALL * max(steps.values()))
