# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong in a configuration file, and what to do about it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

# A value under such a name may be a secret that was written into the wrong place.
_SECRET = re.compile(r"pass|secret|token|credential|key|pin\b", re.IGNORECASE)
# Under these stands the path of a file, unless somebody wrote the secret itself.
_FILE = re.compile(r"(?:_file|\bkey)$")
_HIDDEN = "not shown"
_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding. `path` is a JSON path like `$.tunnels[0].port`; `value` is what stands there."""

    path: str
    value: object
    message: str
    remedy: str
    warning: bool = False

    def render(self, file: str) -> str:
        """Return one line of ASCII for the administrator.

        What may be a secret is left out: whatever stands under a key that sounds like one, unless it is the path of a
        file where one belongs.
        """
        kind = "warning" if self.warning else "error"
        line = f"{file}: {kind}: {self.path}: {self.message} (value: {self._shown()}); {self.remedy}"
        # Names and values are the author's: no line end, no control character and no lone surrogate of theirs gets out.
        return "".join(c if " " <= c <= "~" else ascii(c)[1:-1] for c in line)

    def as_dict(self, file: str) -> dict[str, str]:
        """Return the finding as data, for programs."""
        kind = "warning" if self.warning else "error"
        found = {"file": file, "kind": kind, "path": self.path, "message": self.message}
        return {**found, "value": self._shown(), "remedy": self.remedy}

    def _shown(self) -> str:
        if _may_be_secret(self.path, self.value):
            return _HIDDEN
        try:
            shown = json.dumps(_without_secrets(self.value), default=str)
        except RecursionError:
            return "nested too deeply to show"
        return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 3] + "..."


def _may_be_secret(name: str, value: object) -> bool:
    if value is None or not _SECRET.search(name):
        return False
    is_path = isinstance(value, str) and value.startswith(("/", "credentials:"))
    return not (is_path and _FILE.search(name))


def _without_secrets(value: object) -> object:
    if isinstance(value, dict):
        return {key: _HIDDEN if _may_be_secret(key, inner) else _without_secrets(inner) for key, inner in value.items()}
    return [_without_secrets(inner) for inner in value] if isinstance(value, list) else value


class ConfigError(Exception):
    """A configuration that cannot be run."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(problem.render(file) for problem in problems))
        self.file = file
        self.problems = tuple(problems)
