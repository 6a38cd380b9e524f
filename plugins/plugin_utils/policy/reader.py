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
from .errors import Findings, show
from .model import ANY, UNREAD
from .secrets import looks_secret

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_DNS_NAME = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*"
)
_PORT = re.compile(r"[1-9][0-9]{0,4}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Raw = Mapping[Any, Any]


def nearest(word: str, known: Sequence[str]) -> str:
    """Words that help somebody who mistyped *word*."""
    close = difflib.get_close_matches(word[:80], known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(sorted(known)[:20]) or 'none'}"


def is_server_name(value: object) -> bool:
    """Whether *value* is a DNS name (RFC 1123 section 2.1)."""
    return isinstance(value, str) and bool(_DNS_NAME.fullmatch(value))


@dataclass
class Reader:
    """Reads the fields of one mapping of the policy; *place* is its path's id or its place."""

    raw: Raw
    place: str
    findings: Findings

    def __post_init__(self) -> None:
        self.findings.locate(self.place, self.raw)

    def known_keys(self, known: Sequence[str]) -> None:
        """Refuse every key that the language does not have."""
        for key, value in self.raw.items():
            if not isinstance(key, str):
                remedy = "quote the key (YAML reads on, off, yes and no as booleans)"
                self.error(show(key), None, "is not a word", remedy)
            elif key not in known and not looks_secret(key, value):
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
        if isinstance(value, bool) or not isinstance(value, (str, int, float, datetime.date)):
            self.error(name, value, "is not text", "write it in quotes")
            return default
        line = (show(value) or "") if isinstance(value, int) else str(value).strip()
        if not line or not line.isprintable():
            self.error(name, value, "is not one line of text", "leave line breaks and control characters out")
            return default
        return line

    def name(self, name: str) -> str | None:
        """An identifier."""
        value = self.raw.get(name)
        if value is None:
            self.error(name, None, "is missing", f"give it {'an id' if name == 'id' else 'a ' + name}")
            return None
        text = str(show(value)) if isinstance(value, int) and not isinstance(value, bool) else value
        if not isinstance(text, str) or not NAME.fullmatch(text):
            self.error(name, value, "is not a name", "use up to 63 letters, digits, dots, hyphens and underscores")
            return None
        return text

    def server_name(self, name: str) -> str | None:
        """A DNS name (RFC 1123 section 2.1)."""
        value = self.raw.get(name)
        if value is None:
            return None
        if not is_server_name(value):
            self.error(name, value, "is not a host name", "write the name that the server's certificate carries")
            return None
        return str(value).lower()

    def choice(self, name: str, choices: Sequence[str], default: str | None = None) -> str | None:
        """One of *choices*."""
        value = self.raw.get(name, default)
        if value is None:
            self.error(name, None, "is missing", f"say one of {', '.join(choices)}")
        elif not isinstance(value, str) or value not in choices:
            self.error(name, value, "is not a choice", nearest(show(value) or "", choices))
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
        number = int(value) if isinstance(value, str) and _PORT.fullmatch(value) else value
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

    def mappings(self, name: str) -> list[tuple[str, Raw]]:
        """A list of mappings, each with its place."""
        found = []
        for number, item in enumerate(self.items(name)):
            place = f"{name}[{number}]"
            if isinstance(item, Mapping):
                found.append((place, item))
            else:
                self.findings.error(place, None, item, "is not a mapping", "write it as key: value lines")
        return found

    def zone(self, name: str, zones: Sequence[str], with_any: bool) -> str:
        """The name of a zone; a stand-in when there is none."""
        value = self.raw.get(name)
        known = [*zones, ANY] if with_any else zones
        if value is None:
            self.error(name, None, "is missing", f"name a zone: {', '.join(sorted(known)[:20])}")
        elif not isinstance(value, str) or value not in known:
            self.error(name, value, "is not a zone", nearest(show(value) or "", known))
        else:
            return value
        return UNREAD

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

    def date(self, name: str, required: bool = True) -> datetime.date | None:
        """A day in ISO form (ISO 8601, as YAML has it)."""
        value = self.raw.get(name)
        if isinstance(value, datetime.datetime):
            return value.date()
        if isinstance(value, datetime.date):
            return value
        try:
            return datetime.date.fromisoformat(value if isinstance(value, str) and _DATE.fullmatch(value) else "")
        except ValueError:
            pass
        if value is not None or required:
            what = "is missing" if value is None else "is not a date"
            self.error(name, value, what, "say until when it is approved, as 2027-06-30")
        return None
