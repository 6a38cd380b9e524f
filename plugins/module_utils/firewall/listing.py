# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nft lists, brought to a form in which equal tables are equal texts. Pure."""

from __future__ import annotations

import re
from typing import Dict, Match, Optional

from .render import DIGEST_CHAIN, DIGEST_MARK, TABLE

# A set's elements: anything up to the closing brace, with quoted comments taken as a whole.
_ELEMENTS = re.compile(r'^([ \t]*)elements = \{((?:[^"}]+|"[^"]*")*)\}', re.MULTILINE)
_ELEMENT = re.compile(r'(?:[^",]+|"[^"]*")+')
_INLINE_COUNTER = re.compile(r"\bcounter packets \d+ bytes \d+")
_NAMED_COUNTER = re.compile(
    r"^(\tcounter )(\S+)( \{\n)((?:\t\tcomment .*\n)?)\t\tpackets (\d+) bytes (\d+)\n", re.MULTILINE
)
_DIGEST = re.compile(
    rf"^table inet {TABLE} \{{$(?:(?!^\}}).)*?^\tchain {DIGEST_CHAIN} \{{\n"
    rf'\t\tcomment "{DIGEST_MARK}([0-9a-f]{{64}})"$',
    re.MULTILINE | re.DOTALL,
)
_BLOCKED = "blocked_"


def canonical(listing: str) -> str:
    """Return the *listing* of a table without the values of counters, with the elements of sets in order, one a line.

    The kernel lists a hash in an order that differs from one load to the next.
    """
    text = _NAMED_COUNTER.sub(r"\1\2\3\4", listing)
    text = _INLINE_COUNTER.sub("counter", text)
    return _ELEMENTS.sub(_ordered, text)


def _ordered(found: Match[str]) -> str:
    indent = found.group(1)
    elements = sorted(filter(None, (element.strip() for element in _ELEMENT.findall(found.group(2)))))
    return f"{indent}elements = {{\n" + "".join(f"{indent}\t{element},\n" for element in elements) + f"{indent}}}"


def blocked(listing: str) -> Dict[str, Dict[str, int]]:
    """Return the blocked attempts the *listing* counts: direction → packets and bytes."""
    return {
        name[len(_BLOCKED) :]: {"packets": int(packets), "bytes": int(octets)}
        for _counter, name, _brace, _comment, packets, octets in _NAMED_COUNTER.findall(listing)
        if name.startswith(_BLOCKED)
    }


def digest(chains: str) -> Optional[str]:
    """Return the digest our table carries in *chains* (nft list chains inet), or None when there is none."""
    found = _DIGEST.search(chains)
    return found.group(1) if found else None
