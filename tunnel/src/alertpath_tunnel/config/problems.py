# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong in a configuration file, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. `path` is a JSON path like `$.tunnels[0].port`; `value` is what stands there."""

    path: str
    value: object
    message: str
    remedy: str
    warning: bool = False

    def render(self, file: str) -> str:
        """Return one line for the administrator. Only values of the configuration appear, and those are no secrets."""
        shown = json.dumps(self.value, ensure_ascii=False, default=str)
        if len(shown) > 80:
            shown = shown[:77] + "..."
        kind = "warning" if self.warning else "error"
        return f"{file}: {kind}: {self.path}: {self.message} (value: {shown}); {self.remedy}"


class ConfigError(Exception):
    """A configuration that cannot be run."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(problem.render(file) for problem in problems))
        self.file = file
        self.problems = tuple(problems)
