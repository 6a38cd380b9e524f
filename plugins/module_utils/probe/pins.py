# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a server's name leads, on this host, to the addresses that the policy pins for it. Pure.

Mail goes to the pinned address whatever the name says. A name that has moved is a sign that the pin is out of date.
"""

from __future__ import annotations

import ipaddress
from typing import Any, Dict, Iterable, List, Mapping, Set

from .model import ALLOWED, Target
from .names import Resolved, numeric


def pinned(targets: Iterable[Target]) -> Dict[str, Set[str]]:
    """Return the pinned addresses by server name, from what must be open."""
    found: Dict[str, Set[str]] = {}
    for target in targets:
        if target.expect == ALLOWED and target.name and numeric(target.destination, target.port) is not None:
            found.setdefault(target.name, set()).add(_plain(target.destination))
    return found


def moved(pins: Mapping[str, Set[str]], resolved: Mapping[str, Resolved]) -> List[Dict[str, Any]]:
    """Return the names that lead elsewhere: name, pinned and resolved addresses, of the families that are pinned.

    A name that does not resolve here is none of them: hosts that send to pinned addresses need no resolver.
    """
    found = []
    for name, addresses in sorted(pins.items()):
        versions = {ipaddress.ip_address(address).version for address in addresses}
        answers = {_plain(str(address[0])) for _family, address in resolved[name].addresses}
        answers = {address for address in answers if ipaddress.ip_address(address).version in versions}
        if answers and not addresses <= answers:
            found.append({"name": name, "pinned": sorted(addresses), "resolved": sorted(answers)})
    return found


def _plain(address: str) -> str:
    return str(ipaddress.ip_address(address.partition("%")[0]))
