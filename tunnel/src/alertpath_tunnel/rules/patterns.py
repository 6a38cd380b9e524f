# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finds values in a text. Expressions run on RE2: linear in the text, without look-around and back-references."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import re2

from alertpath_tunnel.rules.cards import find_cards
from alertpath_tunnel.rules.model import Pattern

Span = tuple[int, int]
Finder = Callable[[bytes], Iterator[Span]]
BUILTIN = ("ccn",)
_MEMORY = 8 << 20


class PatternError(Exception):
    """An expression that cannot be used; `field` is the key at fault."""

    def __init__(self, field: str, message: str, remedy: str) -> None:
        super().__init__(message)
        self.field = field
        self.remedy = remedy


def compile_pattern(pattern: Pattern) -> Finder:
    """Return a function that yields the spans of `pattern` in a UTF-8 text, in order, none empty.

    Raises PatternError.
    """
    find = _cards(pattern.luhn) if pattern.builtin else _expression(pattern)
    if pattern.prerequisite is None:
        return find
    needed = _compile(pattern.prerequisite, "prerequisite")

    def guarded(text: bytes) -> Iterator[Span]:
        return find(text) if needed.search(text) else iter(())

    return guarded


def _cards(luhn: bool) -> Finder:
    return lambda text: find_cards(text, luhn)


def _expression(pattern: Pattern) -> Finder:
    assert pattern.regex is not None
    expression = _compile(pattern.regex, "regex")
    group: Any = pattern.group
    if isinstance(group, str):
        names = {name.decode(): number for name, number in expression.groupindex.items()}
        if group not in names:
            raise PatternError("group", "is no group of the expression", "name one of: " + (", ".join(names) or "0"))
        group = names[group]
    if not 0 <= group <= expression.groups:
        raise PatternError("group", "is no group of the expression", f"use 0 to {expression.groups}")

    def find(text: bytes) -> Iterator[Span]:
        for match in expression.finditer(text):
            start, end = match.span(group)
            if start < end:
                yield start, end

    return find


def _compile(text: str, field: str) -> Any:
    options = re2.Options()
    # Left on, RE2 prints expressions and their errors to stderr.
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(text.encode(), options)
    except re2.error as error:
        reason = error.args[0].decode(errors="replace") if error.args else "unknown reason"
        raise PatternError(field, f"is no expression RE2 takes: {reason}", "correct it (RE2 syntax)") from None
