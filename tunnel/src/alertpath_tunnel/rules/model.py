# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rule tree as data, in the words of Protegrity's DSG: profile, rule; Extract, Transform, Exit, Error, Log."""

from __future__ import annotations

from dataclasses import dataclass

FIELDS = ("subject", "body")
SCOPES = ("Branch", "Profile", "RuleSet")


@dataclass(frozen=True, slots=True)
class Transform:
    """Replace the text by what a data element makes of it."""

    name: str
    data_element: str


@dataclass(frozen=True, slots=True)
class Exit:
    """Leave this branch, this profile, or the whole rule set. What was changed stays changed."""

    name: str
    scope: str


@dataclass(frozen=True, slots=True)
class Error:
    """Refuse the message."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Log:
    """Write a note into the transaction's line; never the text itself."""

    name: str
    message: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """What an Extract looks for: an expression of RE2, or a named pattern (patterns.py)."""

    regex: str | None
    builtin: str | None = None
    group: str | int = 0
    luhn: bool = False
    prerequisite: str | None = None


@dataclass(frozen=True, slots=True)
class ExtractText:
    """Apply `rules` to each match of `pattern`."""

    name: str
    pattern: Pattern
    rules: tuple[TextRule, ...]


@dataclass(frozen=True, slots=True)
class ExtractMessage:
    """Apply `rules` to fields of the message."""

    name: str
    fields: tuple[str, ...]
    attachments: str  # pass or refuse
    opaque: str  # pass or refuse: encrypted and opaque-signed parts
    rules: tuple[TextRule, ...]


TextRule = ExtractText | Transform | Exit | Error | Log
MessageRule = ExtractMessage | Exit | Error | Log


@dataclass(frozen=True, slots=True)
class Profile:
    name: str
    rules: tuple[MessageRule, ...]
