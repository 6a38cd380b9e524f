# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the services: which tunnels they serve, where the mail goes, and by which profiles."""

from __future__ import annotations

from alertpath_tunnel.config.fields import Fields
from alertpath_tunnel.config.model import Service
from alertpath_tunnel.config.ruleset import read_profiles


def read_service(fields: Fields) -> Service:
    """Read one service."""
    fields.choice("type", ("SMTP",), "SMTP")
    names = fields.child("hostnames")
    hostnames = {name.lower(): names.string(name) for name in names.names()}
    if not hostnames:
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
