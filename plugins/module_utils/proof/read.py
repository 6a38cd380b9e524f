# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that a host has loaded, of all tools, as one set of chains. Pure."""

from __future__ import annotations

from typing import List, Tuple

from . import nft_read
from .facts import Facts
from .model import Loaded, Unmodelled
from .walk import Program


def chains_of(loaded: Loaded, facts: Facts) -> Tuple[Program, List[Unmodelled]]:
    """Return the chains of *loaded*, and what of it could not be read."""
    chains = nft_read.read(loaded.nft, loaded.chains, facts) if loaded.nft.strip() else {}
    return chains, []
