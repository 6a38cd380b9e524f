# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out rules on one text: a UTF-8 text in, edits of it and what happened out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from alertpath_tunnel import edits as editing
from alertpath_tunnel.edits import Edit
from alertpath_tunnel.rules import model
from alertpath_tunnel.rules.patterns import Finder, compile_pattern

Protect = Callable[[str], str]
_FORBIDDEN = ("\r", "\n", "\0")


class RuleError(Exception):
    """A rule could not be carried out; the text names the rule, never the value."""


class Refused(Exception):
    """A rule of the kind Error matched."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message


@dataclass
class Tally:
    """What happened, for the transaction's line."""

    matches: Counter[str] = field(default_factory=Counter)  # rule -> matches
    elements: Counter[str] = field(default_factory=Counter)  # data element -> values protected
    notes: list[str] = field(default_factory=list)

    @property
    def touched(self) -> bool:
        return bool(self.elements)


@dataclass(frozen=True, slots=True)
class Result:
    """`edits` of the text, and how far an Exit reaches (None: on to the next rule)."""

    edits: tuple[Edit, ...]
    leave: str | None


class Engine:
    """Compiled patterns and data elements of a configuration; shared by all sessions, never changed."""

    def __init__(self, profiles: Sequence[model.Profile], elements: Mapping[str, Protect]) -> None:
        self._elements = elements
        self._finders: dict[model.Pattern, Finder] = {}
        for profile in profiles:
            for rule in profile.rules:
                if isinstance(rule, model.ExtractMessage):
                    self._prepare(rule.rules)

    def _prepare(self, rules: Sequence[model.TextRule]) -> None:
        for rule in rules:
            if isinstance(rule, model.ExtractText):
                self._finders[rule.pattern] = compile_pattern(rule.pattern)
                self._prepare(rule.rules)

    def run(self, rules: Sequence[model.TextRule], text: bytes, tally: Tally) -> Result:
        """Carry out `rules` in order, each on what the one before left. Raises RuleError and Refused."""
        edits: list[Edit] = []
        current = text
        for rule in rules:
            result = self._one(rule, current, tally)
            if result.edits:
                current = editing.apply(current, result.edits)
                edits = editing.compose(edits, result.edits) if edits else list(result.edits)
            if result.leave is not None:
                return Result(tuple(edits), result.leave)
        return Result(tuple(edits), None)

    def _one(self, rule: model.TextRule, text: bytes, tally: Tally) -> Result:
        match rule:
            case model.ExtractText():
                return self._extract(rule, text, tally)
            case model.Transform():
                return self._transform(rule, text, tally)
            case model.Exit():
                return Result((), rule.scope)
            case model.Error():
                raise Refused(rule.name, rule.message)
            case model.Log():
                tally.notes.append(rule.message)
                return Result((), None)

    def _extract(self, rule: model.ExtractText, text: bytes, tally: Tally) -> Result:
        edits: list[Edit] = []
        for start, end in self._finders[rule.pattern](text):
            tally.matches[rule.name] += 1
            inner = self.run(rule.rules, text[start:end], tally)
            edits.extend(Edit(start + edit.start, start + edit.end, edit.new) for edit in inner.edits)
            # Leaving the branch of one match leaves the other matches alone.
            if inner.leave not in (None, "Branch"):
                return Result(tuple(edits), inner.leave)
        return Result(tuple(edits), None)

    def _transform(self, rule: model.Transform, text: bytes, tally: Tally) -> Result:
        if not text:
            return Result((), None)
        try:
            new = self._elements[rule.data_element](text.decode())
        except Exception as error:  # noqa: BLE001 - whatever a data element does, nothing may pass in clear
            raise RuleError(f"rule {rule.name}: {type(error).__name__}") from None
        if any(character in new for character in _FORBIDDEN):
            raise RuleError(f"rule {rule.name}: the data element returned a line end or NUL")
        tally.elements[rule.data_element] += 1
        return Result((Edit(0, len(text), new.encode()),), None)
