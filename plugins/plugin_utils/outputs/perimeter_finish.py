# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What aerleon wrote, made fit for a device that holds other configuration too."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from .perimeter_targets import Filter

_IOS = ("cisco", "cisconx", "ciscoxr", "arista")
_FRAME = re.compile(r"(no )?(ip|ipv4|ipv6) access-list .*|exit|! \$.*| remark \"?\$.*")
_CLEAR = re.compile(r"clear configure access-list .*|access-list \S+ remark \$.*")
_NFT_TABLE = "table inet filtering_policies {"


def finished(target: str, rest: str, acl: Filter, text: str) -> str:
    """The text of one ACL with its last line ended, and without what would take away what others configured."""
    lines = [line.rstrip() for line in text.splitlines()]
    if target in _IOS and rest == "none":
        lines = [line for line in lines if line and not _FRAME.fullmatch(line)]
    elif target == "ciscoasa" and rest == "none":
        lines = [line for line in lines if line and not _CLEAR.fullmatch(line)]
    elif target == "srx":
        lines = [line.replace("replace: ", "", 1) for line in lines]
    elif target == "nftables":
        lines = _own_table(acl.name, lines)
    return "\n".join(lines).strip("\n") + "\n"


def _own_table(name: str, lines: Sequence[str]) -> list[str]:
    """In a table of our own name, made anew in the same transaction: aerleon's, loaded twice, holds each rule twice,
    and shares its name with every other policy that aerleon wrote."""
    table = f"table inet {name.replace('-', '_').lower()}"
    found: list[str] = []
    for line in lines:
        if line != _NFT_TABLE and line.strip() and line == (found[-1] if found else None):
            continue  # what is for both families is written once for each
        found.append(f"{table} {{" if line == _NFT_TABLE else line)
    return [f"{table} {{", "}", f"delete {table}", *found]


def whole_text(target: str, rest: str, acls: Sequence[dict[str, Any]]) -> str:
    """All ACLs as one text; entries for the ACLs of two families are told apart by a comment."""
    if target in _IOS and rest == "none":
        return "\n".join(f"! Entries for an ACL of {_FAMILY[acl['family']]}\n{acl['text']}" for acl in acls)
    return "\n".join(acl["text"] for acl in acls)


_FAMILY = {"ipv4": "IPv4", "ipv6": "IPv6"}
