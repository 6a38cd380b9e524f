# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the fields of a JSON object, one typed question at a time, and collects what is wrong instead of stopping."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alertpath_tunnel.config.problems import Problem

_NAMES = {dict: "an object", list: "a list", str: "a string", int: "a whole number", bool: "true or false"}
_MISSING = object()


class Fields:
    """One JSON object at `path`. Every key must be asked for; `close` tells of those that were not."""

    def __init__(self, value: object, path: str, problems: list[Problem]) -> None:
        self.path = path
        self.problems = problems
        self._asked: set[str] = set()
        self._object: dict[str, object] = {}
        if isinstance(value, dict):
            self._object = value
        else:
            self.problem(path, value, "must be an object", "write { ... }")

    def problem(self, path: str, value: object, message: str, remedy: str, warning: bool = False) -> None:
        self.problems.append(Problem(path, value, message, remedy, warning))

    def wrong(self, key: str, message: str, remedy: str, warning: bool = False) -> None:
        """Record a problem of the field `key`."""
        self.problem(self.at(key), self._object.get(key), message, remedy, warning)

    def at(self, key: str) -> str:
        return f"{self.path}.{key}"

    def has(self, key: str) -> bool:
        """Whether the field is there and not null."""
        self._asked.add(key)
        return self._object.get(key) is not None

    def raw(self, key: str) -> object:
        self._asked.add(key)
        return self._object.get(key)

    def string(self, key: str, default: str | None = None, longest: int = 4096, empty: bool = False) -> str:
        """Return a string without control characters; `default` None makes the field required."""
        value = self._typed(key, str, default)
        if not isinstance(value, str):
            return default or ""
        if not value and not empty and value != default:
            self.wrong(key, "is empty", "name a value or leave the key out")
        if any(ord(character) < 32 or ord(character) == 127 for character in value):
            self.wrong(key, "holds a control character", "remove it")
        if any("\ud800" <= character <= "\udfff" for character in value):
            self.wrong(key, "holds half a character (a lone surrogate)", "write it whole")
        if len(value) > longest:
            self.wrong(key, f"is longer than {longest} characters", "shorten it")
        return value

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        value = self.string(key, default)
        if value not in choices:
            if key in self._object and isinstance(self._object[key], str):
                self.wrong(key, "is not a known value", "use one of: " + ", ".join(choices))
            return default or choices[0]
        return value

    def integer(self, key: str, low: int, high: int, default: int | None = None) -> int:
        value = self._typed(key, int, default)
        if not isinstance(value, int):
            return low if default is None else default
        if not low <= value <= high:
            self.wrong(key, "is out of range", f"use {low} to {high}")
            return low if default is None else default
        return value

    def boolean(self, key: str, default: bool) -> bool:
        value = self._typed(key, bool, default)
        return value if isinstance(value, bool) else default

    def strings(self, key: str, default: Sequence[str] | None = None) -> tuple[str, ...]:
        value = self._typed(key, list, default)
        items = value if isinstance(value, (list, tuple)) else []
        for index, item in enumerate(items):
            if not isinstance(item, str) or not item:
                self.problem(f"{self.at(key)}[{index}]", item, "must be a string", "write it in quotes")
        return tuple(item for item in items if isinstance(item, str) and item)

    def child(self, key: str) -> Fields:
        """Return the object at `key`, empty when it is not there."""
        value = self._typed(key, dict, _MISSING)
        return Fields(value if isinstance(value, dict) else {}, self.at(key), self.problems)

    def children(self, key: str, required: bool = True) -> Iterator[Fields]:
        """Yield the objects of a list."""
        value = self._typed(key, list, None if required else _MISSING)
        for index, item in enumerate(value if isinstance(value, list) else []):
            yield Fields(item, f"{self.at(key)}[{index}]", self.problems)

    def names(self) -> list[str]:
        """Return every key, for objects whose keys are names; they count as asked for."""
        self._asked.update(self._object)
        return list(self._object)

    def close(self) -> None:
        """Record the keys nobody asked for."""
        for key in self._object:
            if key not in self._asked:
                known = ", ".join(sorted(self._asked)) or "none"
                self.wrong(key, "is not a known key", f"remove it, or use one of: {known}")

    def _typed(self, key: str, kind: type, default: object) -> object:
        self._asked.add(key)
        value = self._object.get(key)
        if value is None:
            if default is None:
                self.wrong(key, "is missing", f"set {_NAMES[kind]}")
            return None if default is _MISSING else default
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.wrong(key, f"must be {_NAMES[kind]}", "correct the type")
            return None if default is _MISSING else default
        return value
