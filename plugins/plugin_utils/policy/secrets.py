# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find what looks like a secret, anywhere in untrusted YAML, however it is nested."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .errors import Findings

_KEY = re.compile(r"passw|pwd$|passphrase|secret|token|private_?key|credential|api_?key", re.IGNORECASE)
_VALUES = (
    (re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY"), "is a private key in clear text"),
    (re.compile(r"[a-z][a-z0-9+.-]*://[^/\s:@]*:[^/\s@]+@", re.IGNORECASE), "carries a password in clear text"),
)
_REMEDY = "keep secrets in a secret store; a policy is read by many"
_DEEPEST = 12


def find_secrets(raw: Any, findings: Findings) -> None:
    """Refuse whatever looks like a secret: a single value under a key such as `password`, key material, a password in
    a URL. Its value is never shown, here or in any later finding. YAML that is nested endlessly is refused, too.
    """
    todo: list[tuple[Any, str, str | None, int]] = [(raw, "", None, 0)]
    seen = set()
    while todo:
        value, place, name, depth = todo.pop()
        if isinstance(value, (Mapping, list, tuple)):
            if id(value) in seen:  # YAML aliases: the same list again, or a list inside itself
                continue
            seen.add(id(value))
            if depth > _DEEPEST:
                findings.error(place, name, None, "is nested too deeply", "see docs/policy.md for what may stand here")
            else:
                todo += [(*found, depth + 1) for found in _inside(value, place, name, findings)]
        elif isinstance(value, (str, bytes)):
            text = value if isinstance(value, str) else value.decode("latin-1")
            for pattern, message in _VALUES:
                if pattern.search(text):
                    findings.hide(value)
                    findings.error(place or None, name, None, message, _REMEDY)


def _inside(value: Any, place: str, name: str | None, findings: Findings) -> list[tuple[Any, str, str | None]]:
    """What the mapping or list *value* holds, each with the place and the name of its field, as findings call them."""
    here = ".".join(part for part in (place, name) if part)
    if not isinstance(value, Mapping):
        return [_labelled(item, number, place, name, here) for number, item in enumerate(value)]
    found: list[tuple[Any, str, str | None]] = []
    for key, item in value.items():
        if isinstance(key, str) and looks_secret(key, item):
            for one in item if isinstance(item, (list, tuple)) else [item]:
                findings.hide(one)
            findings.error(here or None, key, None, "looks like a secret in clear text", _REMEDY)
        else:
            found.append((item, here, str(key)[:80]))
    return found


def _labelled(item: Any, number: int, place: str, name: str | None, here: str) -> tuple[Any, str, str | None]:
    if not isinstance(item, (Mapping, list, tuple)):
        return item, place, name
    identity = item.get("id") if isinstance(item, Mapping) else None
    if not isinstance(identity, str):
        return item, f"{here}[{number}]", None
    return item, identity[:80] if here == "paths" else f"{here}[{identity[:80]}]", None


def looks_secret(key: str, value: object) -> bool:
    """Whether *key* names a secret and *value* could be one: a zone may be called `secret_server`."""
    return bool(_KEY.search(key)) and not isinstance(value, (Mapping, bool, type(None)))
