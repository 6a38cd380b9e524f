# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a policy: findings, gathered all at once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where it stands, what was said there, and what to do."""

    severity: str
    """`error` refuses the policy, `warning` does not."""
    path: str | None
    """The id of the path, or the place in the policy (`zones.gateway`)."""
    field: str | None
    value: str | None
    message: str
    remedy: str
    file: str | None = None

    def __str__(self) -> str:
        where = ": ".join(part for part in (self.file, self.path, self.field) if part)
        value = "" if self.value is None else f" {self.value}"
        return f"{where}:{value} {self.message}; {self.remedy}" if where else f"{self.message}; {self.remedy}"

    def as_dict(self) -> dict[str, Any]:
        """The finding as plain data, for results of tasks."""
        return asdict(self)


class PolicyError(Exception):
    """A policy that is refused; `findings` holds every reason, not the first only."""

    def __init__(self, findings: list[Finding]) -> None:
        self.findings = findings
        noun = "error" if len(findings) == 1 else "errors"
        lines = "\n".join(f"  - {finding}" for finding in findings)
        super().__init__(f"the SMTP policy is refused for {len(findings)} {noun}:\n{lines}")


@dataclass
class Findings:
    """Gathers findings while a policy is read and checked."""

    file: str | None = None
    items: list[Finding] = field(default_factory=list)

    def error(self, path: str | None, name: str | None, value: object, message: str, remedy: str) -> None:
        """Add a refusal."""
        self._add("error", path, name, value, message, remedy)

    def warning(self, path: str | None, name: str | None, value: object, message: str, remedy: str) -> None:
        """Add something that a person should look at."""
        self._add("warning", path, name, value, message, remedy)

    def _add(self, severity: str, path: str | None, name: str | None, value: object, message: str, remedy: str) -> None:
        shown = None if value is None else str(value)[:80].encode("unicode_escape").decode()
        finding = Finding(severity, path, name, shown, message, remedy, self.file)
        if finding not in self.items:
            self.items.append(finding)

    @property
    def errors(self) -> list[Finding]:
        """The refusals, in the order of their places."""
        return sorted((f for f in self.items if f.severity == "error"), key=_place)

    @property
    def warnings(self) -> list[Finding]:
        """The warnings, in the order of their places."""
        return sorted((f for f in self.items if f.severity == "warning"), key=_place)

    def raise_errors(self) -> None:
        """Raise PolicyError when there is any refusal."""
        if self.errors:
            raise PolicyError(self.errors)


def _place(finding: Finding) -> tuple[str, str, str, str]:
    return finding.path or "", finding.field or "", finding.value or "", finding.message
