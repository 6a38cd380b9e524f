# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the service runs what lies on the disk, or must be told to look again.

A play that is cut short between a change and the restart leaves no trace that a later run would notice as a change.
The times of the files and of the service do.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import Mapping, Optional, Sequence

from ..command import CommandError, find_tool, run

_PROPERTIES = ("ActiveState", "ActiveEnterTimestampMonotonic", "StateChangeTimestampMonotonic")


@dataclass(frozen=True)
class Running:
    """A unit's ActiveState, and seconds since the epoch: when it became active, and when it was last reloaded."""

    state: str
    active_since: float
    changed_at: float

    @property
    def alive(self) -> bool:
        """Whether the service runs."""
        return self.state in ("active", "reloading")

    def restart_needed(self, files: Sequence[str]) -> bool:
        """Whether one of *files* is newer than the start, or the service tries in vain to start."""
        if self.alive:
            return any(_newer(path, self.active_since) for path in files)
        return self.state == "activating"

    def reload_needed(self, files: Sequence[str]) -> bool:
        """Whether one of *files* is newer than the start and the last reload."""
        return self.alive and any(_newer(path, max(self.active_since, self.changed_at)) for path in files)


def parse(properties: Mapping[str, str], offset: float) -> Running:
    """Return the state from systemd's *properties*; *offset* is the epoch's time less the monotonic clock's."""

    def moment(name: str) -> float:
        return int(properties.get(name) or 0) / 1e6 + offset

    return Running(
        properties.get("ActiveState", "inactive"),
        moment("ActiveEnterTimestampMonotonic"),
        # A reload goes from active to reloading and back, and each is a change of state (org.freedesktop.systemd1(5)).
        moment("StateChangeTimestampMonotonic"),
    )


def look(unit: str) -> Optional[Running]:
    """Return the state of *unit*, None where systemd does not run."""
    try:
        systemctl = find_tool("systemctl", "the service runs under systemd")
        shown = run([systemctl, "show", unit, "--property", ",".join(_PROPERTIES)])
    except CommandError:
        return None
    pairs = (line.partition("=") for line in shown.stdout.splitlines())
    return parse({name: value for name, _sign, value in pairs}, time.time() - time.clock_gettime(time.CLOCK_MONOTONIC))


def _newer(path: str, moment: float) -> bool:
    """Whether *path* was changed after *moment*. Of a link, its own time counts: it is what is swapped."""
    try:
        return os.lstat(path).st_mtime > moment
    except FileNotFoundError:
        return False
