# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read single values out of untrusted YAML.

A wrong value becomes a finding and a harmless stand-in, so that reading goes on and finds the next one, too.
"""

from __future__ import annotations

import datetime
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .addresses import Block, parse_block
from .errors import Findings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_DNS_NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_SECRET = re.compile(r"passw|secret|token|private_?key|credential|api_?key", re.IGNORECASE)
_KEY_MATERIAL = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")

Raw = Mapping[Any, Any]


def nearest(word: str, known: Sequence[str]) -> str:
    """Words that help somebody who mistyped *word*."""
    close = difflib.get_close_matches(word, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known)) or 'none'}"


@dataclass
class Reader:
    """Reads the fields of one mapping of the policy; *place* is its path's id or its place."""

    raw: Raw
    place: str
    findings: Findings

    def known_keys(self, known: Sequence[str]) -> None:
        """Refuse every key that the language does not have."""
        for key in self.raw:
            if not isinstance(key, str):
                self.error(
                    str(key), None, "is not a word", "quote the key (YAML reads on, off, yes and no as booleans)"
                )
            elif key not in known and not _SECRET.search(key):
                self.error(key, None, "is not a key here", nearest(key, known))

    def error(self, name: str | None, value: object, message: str, remedy: str) -> None:
        self.findings.error(self.place, name, value, message, remedy)

    def text(self, name: str, required: bool = False, default: str | None = None) -> str | None:
        """One line of text."""
        value = self.raw.get(name)
        if value is None or value == "":
            if required:
                self.error(name, None, "is missing", f"say {name}: every path has an owner, an approval and a reason")
            return default
        if isinstance(value, (bool, Mapping, list, tuple)):
            self.error(name, value, "is not text", "write it in quotes")
            return default
        line = str(value).strip()
        if not line or any(ord(c) < 32 or ord(c) == 127 for c in line):
            self.error(name, line, "is not one line of text", "leave line breaks and control characters out")
            return default
        return line

    def name(self, name: str) -> str | None:
        """An identifier."""
        value = self.raw.get(name)
        if value is None:
            self.error(name, None, "is missing", f"give it {'an id' if name == 'id' else 'a ' + name}")
            return None
        if isinstance(value, bool) or not _NAME.fullmatch(str(value)):
            self.error(name, value, "is not a name", "use up to 63 letters, digits, dots, hyphens and underscores")
            return None
        return str(value)

    def server_name(self, name: str) -> str | None:
        """A DNS name (RFC 1123 section 2.1)."""
        value = self.raw.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not _DNS_NAME.fullmatch(value):
            self.error(name, value, "is not a host name", "write the name that the server's certificate carries")
            return None
        return value.lower()

    def choice(self, name: str, choices: Sequence[str], default: str | None = None) -> str | None:
        """One of *choices*."""
        value = self.raw.get(name, default)
        if value is None:
            self.error(name, None, "is missing", f"say one of {', '.join(choices)}")
        elif not isinstance(value, str) or value not in choices:
            self.error(name, value, "is not a choice", nearest(str(value), choices))
        else:
            return value
        return default

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        value = self.raw.get(name, default)
        if not isinstance(value, bool):
            self.error(name, value, "is not a boolean", "write true or false")
            return default
        return value

    def port(self, name: str, value: object) -> int | None:
        """One TCP port."""
        number = (
            int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 6 else value
        )
        if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= 65535:
            self.error(name, value, "is not a TCP port", "write a number from 1 to 65535")
            return None
        return number

    def ports(self, names: Sequence[str], default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """The ports of the first of *names* that is there: one, or a list of them."""
        name = next((n for n in names if self.raw.get(n) is not None), None)
        if name is None:
            if not default:
                self.error(names[0], None, "is missing", "say which TCP port the path leads to")
            return default
        value = self.raw[name]
        found = [self.port(name, item) for item in (value if isinstance(value, (list, tuple)) else [value])]
        ports = tuple(sorted({port for port in found if port is not None}))
        if not found:
            self.error(name, None, "is empty", "name at least one TCP port")
        return ports

    def items(self, name: str) -> list[Any]:
        """A list, or nothing."""
        value = self.raw.get(name)
        if value is None:
            return []
        if not isinstance(value, (list, tuple)):
            self.error(name, None, "is not a list", "begin each entry with a hyphen")
            return []
        return list(value)

    def blocks(self, name: str, network: bool) -> tuple[Block, ...]:
        """A list of addresses, or of networks."""
        found = []
        value = self.raw.get(name)
        for item in [value] if isinstance(value, str) else self.items(name):
            try:
                found.append(parse_block(item, network))
            except ValueError as problem:
                remedy = "write each as 192.0.2.0/24 or 2001:db8::/64" if network else "write the pinned address itself"
                self.error(name, item, str(problem), remedy)
        return tuple(sorted(set(found)))

    def date(self, name: str) -> datetime.date | None:
        """A day in ISO form (ISO 8601, as YAML has it)."""
        value = self.raw.get(name)
        if isinstance(value, datetime.datetime):
            return value.date()
        if isinstance(value, datetime.date):
            return value
        try:
            return datetime.date.fromisoformat(str(value))
        except ValueError:
            what = "is missing" if value is None else "is not a date"
            self.error(name, value, what, "say until when the path is approved, as 2027-06-30")
            return None


def find_secrets(raw: Any, place: str, findings: Findings) -> None:
    """Refuse whatever looks like a secret, anywhere; its value is never shown."""
    remedy = "keep secrets in a secret store; a policy is read by many"
    if isinstance(raw, Mapping):
        for key, value in raw.items():
            if isinstance(key, str) and _SECRET.search(key):
                findings.error(place or None, key, None, "looks like a secret in clear text", remedy)
            else:
                find_secrets(value, f"{place}.{key}" if place else str(key), findings)
    elif isinstance(raw, (list, tuple)):
        for number, value in enumerate(raw):
            label = value.get("id", number) if isinstance(value, Mapping) else number
            find_secrets(value, f"{place}[{label}]", findings)
    elif isinstance(raw, str) and _KEY_MATERIAL.search(raw):
        findings.error(place or None, None, None, "is a private key in clear text", remedy)
