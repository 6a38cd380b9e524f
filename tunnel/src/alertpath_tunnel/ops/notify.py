# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the service manager how the service fares (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import time

_PATIENCE = 0.5  # seconds


def notify(*assignments: str) -> None:
    """Send assignments such as READY=1 to $NOTIFY_SOCKET; without one, do nothing."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.settimeout(_PATIENCE)
        try:
            channel.connect(address)
            channel.sendall("\n".join(assignments).encode())
        except OSError:
            # A manager that does not listen, or whose queue is full, is no reason to refuse mail.
            return


def reloading() -> None:
    """Announce a reload; Type=notify-reload wants the time of it."""
    notify("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")


def watchdog() -> None:
    """Give the manager a sign of life, where it asks for them."""
    if os.environ.get("WATCHDOG_USEC"):
        notify("WATCHDOG=1")
