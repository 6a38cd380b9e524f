# SPDX-License-Identifier: GPL-3.0-or-later
"""A milter that masks card numbers in subject and body, as the tunnel's rule does; run as: cards_milter.py PORT.

Debian's python3-milter belongs to Debian's own Python, so this runs there.
"""

from __future__ import annotations

import re
import sys

import Milter

CARD = re.compile(rb"\b[0-9](?:[ -]?[0-9]){12,18}\b")


def masked(found: re.Match[bytes]) -> bytes:
    """Return the number with all but its last four digits starred, or as it was when its check digit is wrong."""
    digits = [int(digit) for digit in re.findall(rb"[0-9]", found.group())]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]
    if (sum(digits[::-2]) + sum(doubled)) % 10:
        return found.group()
    return b"*" * (len(digits) - 4) + b"".join(b"%d" % digit for digit in digits[-4:])


class Cards(Milter.Base):  # type: ignore[misc]  # no types for it
    def envfrom(self, *_words: str) -> int:
        self._parts: list[bytes] = []
        self._subject = b""
        return Milter.CONTINUE

    def header(self, name: str, value: str) -> int:
        if name.lower() == "subject":
            self._subject = value.encode(errors="surrogateescape")
        return Milter.CONTINUE

    def body(self, part: bytes) -> int:
        self._parts.append(part)
        return Milter.CONTINUE

    def eom(self) -> int:
        content = b"".join(self._parts)
        changed = CARD.sub(masked, content)
        if changed != content:
            self.replacebody(changed)
        subject = CARD.sub(masked, self._subject)
        if subject != self._subject:
            self.chgheader("Subject", 1, subject.decode(errors="surrogateescape"))
        return Milter.ACCEPT


if __name__ == "__main__":
    Milter.factory = Cards
    Milter.set_flags(Milter.CHGBODY + Milter.CHGHDRS)
    Milter.runmilter("bench", f"inet:{sys.argv[1]}@127.0.0.1", 600)
