# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Derive how a host is booted: systemd-nspawn's command, and what the host's keeper is told."""

from __future__ import annotations

from .cgroup import Group
from .layout import Layout
from .network import power_off, power_on
from .topology import Host, Topology

# Hosts must be able to set their own sysctls below net; the keeper already locks (systemd-nspawn(1), ENVIRONMENT).
ENVIRONMENT = {
    "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network",
    "SYSTEMD_NSPAWN_LOCK": "0",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C",
}
# The status that systemd-nspawn leaves with when the host asks for a reboot and --keep-unit is given.
REBOOT = 133


def command(layout: Layout, host: Host) -> list[str]:
    """The command that boots *host* and ends when it does."""
    return [
        "systemd-nspawn",
        "--quiet",
        "--boot",
        f"--directory={layout.root(host.name)}",
        f"--machine={layout.machine(host.name)}",
        f"--hostname={host.name}",
        f"--network-namespace-path={layout.namespace(host.name)}",
        "--capability=CAP_NET_ADMIN,CAP_NET_RAW",
        # No machine manager and no host systemd are asked: a machine without either can run the lab.
        "--register=no",
        "--keep-unit",
        "--settings=no",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=read-only",
    ]


def keeper_task(layout: Layout, topology: Topology, host: Host, lab: Group) -> dict[str, object]:
    """What the keeper of *host* is told, as JSON values: see `keeper`."""
    return {
        "folder": str(layout.host(host.name)),
        "keepers": [str(folder) for folder in lab.child("keepers").folders],
        "groups": [str(folder) for folder in lab.host(host.name).folders],
        "power_on": [list(step) for step in power_on(layout, topology, host)],
        "power_off": [list(step) for step in power_off(layout, topology, host)],
        "command": command(layout, host),
        "environment": ENVIRONMENT,
        "reboot": REBOOT,
    }
