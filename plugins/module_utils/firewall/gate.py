# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dead man inside the kernel: old and new rules are both loaded, and a set whose elements expire chooses. Pure.

While the elements live, the new rules hold; when nobody confirmed them in time, the kernel itself goes back to the old
ones. No process is needed for that. The old rules are the listing of our table as it was, under another name.
"""

from __future__ import annotations

import re
from typing import Optional

from .render import ARMED, BEFORE, TABLE, removing

# nft lists chains without reading the elements of maps, so a chain tells cheaply that a change is not confirmed.
SIGN = "unconfirmed"
_HEAD = "table inet {} {{\n"
_BASE = re.compile(r"^\t\ttype \w+ hook [^\n]*;$", re.MULTILINE)
_OURS = re.compile(rf"^table inet {TABLE} \{{$(?:(?!^\}}).)*?^\tchain {SIGN} \{{$", re.MULTILINE | re.DOTALL)
_ELEMENTS = re.compile(rf"^\tset {ARMED} \{{\n(?:(?!^\t\}}).)*?elements = \{{", re.MULTILINE | re.DOTALL)

_NEW = f"\t\tmeta nfproto != @{ARMED} accept"
_OLD = f"\t\tmeta nfproto @{ARMED} accept"


def staged(table: str, before: Optional[str], seconds: float) -> str:
    """Return the transaction after which *table* holds for *seconds*, and then *before* again.

    *table* is the text of the new table, *before* the listing of the old one, None when there was none.
    """
    old = "" if before is None else _gated(before, BEFORE, _OLD, seconds)
    return removing() + old + _gated(table, TABLE, _NEW, seconds)


def _gated(table: str, name: str, gate: str, seconds: float) -> str:
    # In a base chain, accept ends the chain and leaves the decision to the others, ours among them.
    body = _BASE.sub(lambda found: f"{found.group()}\n{gate}", table[len(_HEAD.format(TABLE)) :])
    timeout = f"timeout {seconds:g}s"
    return (
        f"{_HEAD.format(name)}"
        f"\tset {ARMED} {{\n\t\ttypeof meta nfproto\n\t\tflags timeout\n"
        f"\t\telements = {{ ipv4 {timeout}, ipv6 {timeout} }}\n\t}}\n"
        f"\tchain {SIGN} {{\n\t}}\n"
        f"{body}"
    )


def unconfirmed(chains: str) -> bool:
    """Whether *chains* (nft list chains inet) shows a change that was not confirmed."""
    return bool(_OURS.search(chains))


def armed(listing: str) -> bool:
    """Whether the new rules of an unconfirmed change still hold; *listing* is that of our table, or of the set."""
    return bool(_ELEMENTS.search(listing))


def former(listing: str) -> str:
    """Return the listing of the old rules under their own name and without the gate, from that of their stand-in."""
    body = listing[len(_HEAD.format(BEFORE)) :].replace(f"{_OLD}\n", "")
    body = re.sub(rf"^\tset {ARMED} \{{\n.*?^\t\}}\n\n?", "", body, flags=re.MULTILINE | re.DOTALL)
    body = re.sub(rf"^\tchain {SIGN} \{{\n\t\}}\n\n?", "", body, flags=re.MULTILINE)
    return _HEAD.format(TABLE) + body
