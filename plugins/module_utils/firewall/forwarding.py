# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether this host routes at all. The edge."""

from __future__ import annotations

from typing import List

from .. import managed_file
from .model import Ruleset

_SWITCH = "/proc/sys/net/ipv{}/conf/all/forwarding"


def warnings(ruleset: Ruleset) -> List[str]:
    """Return a warning for each IP version that *ruleset* has forward rules for but this host does not forward."""
    wanted = sorted({rule.source.version for rule in ruleset.forward})
    return [
        f"this host has rules for forwarded IPv{version} connections but forwards no IPv{version}: "
        f"set net.ipv{version}.conf.all.forwarding to 1 if it is a router"
        for version in wanted
        if (managed_file.read(_SWITCH.format(version)) or b"0").strip() == b"0"
    ]
