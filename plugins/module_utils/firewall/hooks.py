# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where in the kernel each direction of a ruleset is decided, and what tells loopback's packets there. Pure."""

from __future__ import annotations

from typing import List

HOOKS = {"egress": "output", "ingress": "input", "forward": "forward"}
_DEVICE = {"egress": "oifname", "ingress": "iifname"}


def loopback(direction: str) -> List[str]:
    """Return the rule, if *direction* needs one, that leaves the host's talk with itself alone.

    It belongs behind the lookup of what is allowed, which then does not pay for it.
    """
    return [f'\t\t{_DEVICE[direction]} "lo" accept'] if direction in _DEVICE else []
