# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Octets of messages held by all sessions together."""

from __future__ import annotations


class Budget:
    """At most `limit` octets in flight. Sessions hold shares of it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def share(self) -> Share:
        return Share(self)


class Share:
    """What one session holds."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._held = 0

    def hold(self, octets: int) -> None:
        """Say how many octets the session holds now."""
        self._budget.used += octets - self._held
        self._held = octets

    def release(self) -> None:
        self.hold(0)

    @property
    def over(self) -> bool:
        """Whether this session must let go of what it holds."""
        return self._held > 0 and self._budget.used > self._budget.limit

    @property
    def full(self) -> bool:
        """Whether no new message may begin."""
        return self._budget.used >= self._budget.limit
