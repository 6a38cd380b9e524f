# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a policy: findings, gathered all at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_LONGEST = 80

Origin = Callable[[object], "str | None"]
"""Tells the file and line that a value was read from, as `group_vars/all/smtp_policy.yml:14`, or None."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: where it stands, what was said there, and what to do."""

    severity: str
    """`error` refuses the policy, `warning` does not."""
    path: str | None
    """The id of the path, the place in the policy (`zones.gateway`), or the host of the inventory."""
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


def show(value: object) -> str | None:
    """*value* as one short printable line; what is not a single value is named by its kind, never shown."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return "(a mapping)"
    if isinstance(value, (list, set)):
        return "(a list)"
    try:
        text = str(value)
    except ValueError:  # CPython prints no number of more than 4,300 digits
        return "(a very large number)"
    line = text[:_LONGEST].encode("unicode_escape").decode()
    return f"{line}..." if len(text) > _LONGEST else line


@dataclass
class Findings:
    """Gathers findings while a policy is read and checked."""

    file: str | None = None
    """Where the policy stands, as far as nothing more exact is known."""
    origin: Origin = lambda _value: None
    _items: dict[Finding, None] = field(default_factory=dict)
    _places: dict[tuple[str | None, str | None], str] = field(default_factory=dict)
    _hidden: set[str] = field(default_factory=set)

    def locate(self, place: str, raw: Mapping[Any, Any]) -> None:
        """Remember where the mapping *raw*, called *place* in findings, and each of its values were read from."""
        for name, item in ((None, raw), *((key, value) for key, value in raw.items() if isinstance(key, str))):
            known = self.origin(item) or (self.origin(name) if name is not None else None)
            if known:
                self._places.setdefault((place, name), known)

    def hide(self, secret: object) -> None:
        """Never show *secret* as the value of a finding."""
        shown = show(secret)
        if shown:
            self._hidden.add(shown.removesuffix("..."))

    def error(self, path: str | None, name: str | None, value: object, message: str, remedy: str) -> None:
        """Add a refusal."""
        self._add("error", path, name, value, message, remedy, self._where(path, name))

    def warning(self, path: str | None, name: str | None, value: object, message: str, remedy: str) -> None:
        """Add something that a person should look at."""
        self._add("warning", path, name, value, message, remedy, self._where(path, name))

    def host_error(self, host: str, name: str, value: object, message: str, remedy: str) -> None:
        """Add a refusal for what the inventory, not the policy, says of *host*."""
        self._add("error", host, name, value, message, remedy, None)

    def _where(self, path: str | None, name: str | None) -> str | None:
        return self._places.get((path, name)) or self._places.get((path, None)) or self.file

    def _add(
        self,
        severity: str,
        path: str | None,
        name: str | None,
        value: object,
        message: str,
        remedy: str,
        file: str | None,
    ) -> None:
        shown = show(value)
        if shown is not None and any(secret in shown for secret in self._hidden):
            shown = "(not shown)"
        self._items[Finding(severity, show(path), show(name), shown, message, remedy, file)] = None

    @property
    def errors(self) -> list[Finding]:
        """The refusals, in the order of their places."""
        return sorted((f for f in self._items if f.severity == "error"), key=_place)

    @property
    def warnings(self) -> list[Finding]:
        """The warnings, in the order of their places."""
        return sorted((f for f in self._items if f.severity == "warning"), key=_place)

    def raise_errors(self) -> None:
        """Raise PolicyError when there is any refusal."""
        if self.errors:
            raise PolicyError(self.errors)


def _place(finding: Finding) -> tuple[str, str, str, str]:
    return finding.path or "", finding.field or "", finding.value or "", finding.message
