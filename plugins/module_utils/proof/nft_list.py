# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists what nft has loaded, whole. The edge: runs nft.

nft 1.0.6 and its like leave the devices of netdev chains out of JSON, and write garbage for the flags of a table, which
may even cut the listing short. What is missing is read in other ways.
"""

from __future__ import annotations

import json
import re
from typing import Any, Dict, List, NamedTuple

from .. import command
from .nft_read import flagged, needs_devices

_TIMEOUT = 180.0
_CHAIN = re.compile(r"^\tchain (\S+) \{", re.MULTILINE)


class Listing(NamedTuple):
    """*ruleset*: JSON as `nft -j list ruleset` prints it; *chains* and *heads*: as in model.Loaded."""

    ruleset: str
    chains: str
    heads: str


def listing(nft: str) -> Listing:
    """Return everything that *nft*, the path of the tool, lists. Raises command.CommandError when it cannot."""
    text = _nft(nft, "-j", "list", "ruleset")
    try:
        json.loads(text)
    except ValueError:
        text = json.dumps({"nftables": _piece_by_piece(nft)})
    chains = _nft(nft, "list", "chains") if needs_devices(text) else ""
    return Listing(text, chains, "".join(_head(nft, family, table) for family, table in flagged(text)))


def _nft(nft: str, *words: str) -> str:
    return command.run([nft, *words], timeout=_TIMEOUT).stdout


def _head(nft: str, family: str, table: str) -> str:
    lines = _nft(nft, "--terse", "list", "table", family, table).splitlines()
    return "".join(f"{line}\n" for line in lines[:2])


def _objects(nft: str, *words: str) -> List[Dict[str, Any]]:
    text = _nft(nft, "-j", "list", *words)
    try:
        return [item for item in json.loads(text)["nftables"] if "metainfo" not in item]
    except (ValueError, KeyError):
        raise command.CommandError(
            f"{nft} -j list {' '.join(words)} printed no JSON: update the package nftables to 1.0.7 or later"
        ) from None


def _piece_by_piece(nft: str) -> List[Dict[str, Any]]:
    """The same objects without those that nft cannot print: tables with flags."""
    found: List[Dict[str, Any]] = []
    for line in _nft(nft, "list", "tables").splitlines():
        _table, family, name = line.split()
        text = _nft(nft, "--terse", "list", "table", family, name)
        head = text.splitlines()[:2]
        words = head[1].split() if len(head) > 1 else []
        if words[:1] != ["flags"]:
            found += _objects(nft, "table", family, name)
            continue
        flags = [word.rstrip(",") for word in words[1:]]
        found.append({"table": {"family": family, "name": name, "flags": flags}})
        for chain in _CHAIN.findall(text):
            found += _objects(nft, "chain", family, name, chain)
        for kind in ("sets", "maps"):
            sets = _objects(nft, kind, family)
            found += [item for item in sets for body in item.values() if body.get("table") == name]
    return found
