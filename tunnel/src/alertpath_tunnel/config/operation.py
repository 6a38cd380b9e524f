# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads how the service is watched: its status port and how much it says."""

from __future__ import annotations

from ipaddress import ip_address

from alertpath_tunnel.config.fields import Fields
from alertpath_tunnel.config.model import Status
from alertpath_tunnel.config.names import is_address, unmapped

# DSG's facilities. We have no disk buffer, so that nothing is ever said under that name.
FACILITIES = ("Tunnel", "Service", "RuleSet", "Admin", "DiskBuffer")
LEVELS = ("error", "warning", "info")


def read_status(fields: Fields) -> Status:
    """Read where metrics and health are served: only where nobody but this host can ask."""
    address = fields.string("address", "127.0.0.1")
    if is_address(address) and (found := unmapped(ip_address(address))).is_loopback:
        address = str(found)
    else:
        fields.wrong("address", "is no loopback address", "use 127.0.0.1 or ::1")
        address = "127.0.0.1"
    status = Status(address, fields.integer("port", 1, 65535))
    fields.close()
    return status


def read_log_levels(fields: Fields) -> dict[str, str]:
    """Read the level of each facility; a facility left out is at `info`."""
    levels = {name: fields.choice(name, LEVELS, "info") for name in FACILITIES}
    if fields.has("DiskBuffer"):
        fields.wrong("DiskBuffer", "is a facility without use here: nothing is buffered", "remove it", warning=True)
    fields.close()
    return levels
