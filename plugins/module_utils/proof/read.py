# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a host has loaded, of all tools, as one set of chains. Pure."""

from __future__ import annotations

from typing import List, Tuple

from . import iptables_read, nft_read
from .facts import Facts
from .flow import Program
from .ipset_read import IpSets
from .model import Loaded, Ref, Unmodelled

_TEXTS = (
    ("iptables-nft", "iptables-nft", "ip"),
    ("ip6tables-nft", "iptables-nft", "ip6"),
    ("iptables-legacy", "iptables-legacy", "ip"),
    ("ip6tables-legacy", "iptables-legacy", "ip6"),
)


def chains_of(loaded: Loaded, facts: Facts) -> Tuple[Program, List[Unmodelled]]:
    """Return the chains of *loaded*, and what of it could not be read.

    Tables of iptables-nft with matches that only iptables-save shows are taken from there. Raises ValueError when a
    text is not what its tool prints.
    """
    native: Program = nft_read.read(loaded.nft, loaded.chains, facts, loaded.heads) if loaded.nft.strip() else {}
    texts = [
        iptables_read.Text(source, family, loaded.iptables[key])
        for key, source, family in _TEXTS
        if loaded.iptables.get(key, "").strip()
    ]
    sets = IpSets(loaded.ipsets, frozenset(iptables_read.changed_sets(texts)))
    hidden = nft_read.uses_xtables(loaded.nft)
    found: Program = dict(native)
    shown = set()
    for item in texts:
        for table in iptables_read.tables(item.text):
            place = (item.family, table.name)
            if item.source == "iptables-nft":
                if place not in hidden:
                    continue
                shown.add(place)
                found = {key: chain for key, chain in found.items() if key[0] != "nft" or key[1:3] != place}
            found.update(iptables_read.read(item, table, sets, native))
    notes = [
        Unmodelled(
            Ref(family, table, "", None, "", "iptables-nft"), "iptables-nft's rules, which iptables-save does not show"
        )
        for family, table in sorted(hidden - shown)
    ]
    return found, notes
