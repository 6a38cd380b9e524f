# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong in the lab, as one family of exceptions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class LabError(Exception):
    """Something cannot be done. The text names what, where, and the remedy."""


class Problem(NamedTuple):
    """One thing wrong in a topology: the field, as a dotted path, and what is wrong with it."""

    field: str
    message: str


class TopologyError(LabError):
    """A topology that cannot be raised, with everything that is wrong in it."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        lines = [f"{source}: {problem.field}: {problem.message}" for problem in self.problems]
        super().__init__("\n".join(lines))
