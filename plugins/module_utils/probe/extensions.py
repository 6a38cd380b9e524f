# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server offers in its reply to EHLO (RFC 5321 section 4.1.1.1). Pure."""

from __future__ import annotations

import re
from typing import Dict, NamedTuple, Optional, Tuple

from .reply import Reply

_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*\Z")
_MASKED = re.compile(r"X{4,}[A-Z]?\Z")
_HIDDEN_GREETING = re.compile(r"[*0-9 .]*\*{6,}[*0-9 .]*\Z")


class Offer(NamedTuple):
    """The extensions by keyword in capitals, and what can be read from their parameters."""

    extensions: Dict[str, Tuple[str, ...]]
    size: Optional[int]
    auth: Tuple[str, ...]
    masked: Tuple[str, ...]
    """Keywords overwritten with X, as a firewall does that inspects SMTP."""

    @property
    def starttls(self) -> bool:
        """Whether STARTTLS (RFC 3207) is offered."""
        return "STARTTLS" in self.extensions


def read_offer(reply: Reply) -> Offer:
    """Return what the lines of *reply* after the first offer; lines that are no keyword are left out.

    `AUTH=LOGIN`, the form of drafts before RFC 2554, counts as AUTH.
    """
    found: Dict[str, Tuple[str, ...]] = {}
    for line in reply.lines[1:]:
        words = line.split()
        if words and words[0].upper().startswith("AUTH="):
            words = ["AUTH", words[0][5:], *words[1:]]
        if words and _KEYWORD.match(words[0]):
            keyword = words[0].upper()
            found[keyword] = tuple(dict.fromkeys((*found.get(keyword, ()), *(word for word in words[1:] if word))))
    sizes = found.get("SIZE", ())
    size = int(sizes[0]) if sizes and sizes[0].isdigit() and len(sizes[0]) <= 20 else 0 if "SIZE" in found else None
    mechanisms = tuple(word.upper() for word in found.get("AUTH", ()))
    return Offer(found, size, mechanisms, tuple(keyword for keyword in found if _MASKED.match(keyword)))


def is_hidden(greeting: str) -> bool:
    """Whether the text of a greeting is overwritten with asterisks, as a firewall does that inspects SMTP."""
    return bool(_HIDDEN_GREETING.match(greeting))
