# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The keys by which hosts are known: known_hosts as sshd(8) describes it. Pure."""

from __future__ import annotations

import base64
import fnmatch
import hashlib
import hmac
from typing import FrozenSet, List, NamedTuple, Optional, Tuple

Key = Tuple[str, bytes]
"""A key's type, and the key in its wire format."""

_REVOKED, _AUTHORITY = "@revoked", "@cert-authority"


class Entry(NamedTuple):
    """One line: whom it is about, what it says, and the key."""

    marker: str
    names: str
    key: Key


class Known(NamedTuple):
    """What is known of one host."""

    keys: FrozenSet[Key]
    revoked: FrozenSet[Key]
    """Keys that no host may show any more."""
    by_authority: bool
    """A certificate authority is to vouch for it, which is not supported here."""


def read(text: str) -> List[Entry]:
    """Return the entries of a known_hosts file; lines that make no sense are left out, as ssh does."""
    entries = []
    for line in text.splitlines():
        words = line.split()
        marker = words.pop(0) if words and words[0].startswith("@") else ""
        if len(words) < 3 or words[0].startswith("#") or marker not in ("", _REVOKED, _AUTHORITY):
            continue
        try:
            blob = base64.b64decode(words[2], validate=True)
        except ValueError:
            continue
        entries.append(Entry(marker, words[0], (words[1], blob)))
    return entries


def known(entries: List[Entry], name: str) -> Known:
    """Return what *entries* say of the host that is known as *name*: `host`, or `[host]:port`."""
    mine = [entry for entry in entries if _about(entry.names, name)]
    return Known(
        frozenset(entry.key for entry in mine if not entry.marker),
        frozenset(entry.key for entry in mine if entry.marker == _REVOKED),
        any(entry.marker == _AUTHORITY for entry in mine),
    )


def fingerprint(blob: bytes) -> str:
    """Return what `ssh-keygen -l` shows of a key."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")


def _about(names: str, name: str) -> bool:
    if names.startswith("|"):
        return _hashed(names, name)
    found = False
    for pattern in names.split(","):
        hit = _matches(pattern.lstrip("!"), name)
        if hit and pattern.startswith("!"):
            return False
        found = found or hit
    return found


def _matches(pattern: str, name: str) -> bool:
    # Brackets are part of a name here, never a set of characters.
    return fnmatch.fnmatchcase(name.lower(), pattern.lower().replace("[", "[[]"))


def _hashed(names: str, name: str) -> bool:
    parts = names.split("|")
    if len(parts) != 4 or parts[1] != "1":
        return False
    salt, digest = _decoded(parts[2]), _decoded(parts[3])
    if salt is None or digest is None:
        return False
    return hmac.compare_digest(hmac.new(salt, name.lower().encode("utf-8"), hashlib.sha1).digest(), digest)


def _decoded(text: str) -> Optional[bytes]:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None
