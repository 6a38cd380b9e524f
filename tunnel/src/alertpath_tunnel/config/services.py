# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the services: which tunnels they serve, where the mail goes, and by which profiles."""

from __future__ import annotations

from ipaddress import ip_address

from alertpath_tunnel.config.fields import Fields
from alertpath_tunnel.config.model import Service
from alertpath_tunnel.config.names import is_host_name, unmapped
from alertpath_tunnel.config.ruleset import read_profiles


def _canonical(name: str) -> str | None:
    """Return the form in which a name or local address is looked up, None when it is neither."""
    try:
        return str(unmapped(ip_address(name)))
    except ValueError:
        lowered = name.lower().removesuffix(".")
        return lowered if lowered == "*" or is_host_name(lowered) else None


def read_service(fields: Fields) -> Service:
    """Read one service."""
    fields.choice("type", ("SMTP",), "SMTP")
    names = fields.child("hostnames")
    hostnames: dict[str, str] = {}
    for name in names.names():
        key = _canonical(name)
        if key is None:
            names.wrong(name, "is no host name, address or *", "use what clients ask for by SNI or connect to")
        elif key in hostnames:
            names.wrong(name, "stands twice, written differently", "remove one of them")
        else:
            hostnames[key] = names.string(name)
    if not names.names():
        fields.wrong("hostnames", "maps nothing", 'map at least "*" to the name of an upstream')
    service = Service(
        name=fields.string("name", longest=256),
        description=fields.string("description", "", empty=True),
        enabled=fields.boolean("enabled", True),
        tunnels=fields.strings("tunnels"),
        hostnames=hostnames,
        profiles=read_profiles(fields),
    )
    fields.close()
    return service
