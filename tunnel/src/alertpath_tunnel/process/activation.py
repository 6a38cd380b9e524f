# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Takes listening sockets over from the service manager (sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket
from ipaddress import ip_address

FIRST = 3
Address = tuple[str, int]


def inherited() -> dict[Address, socket.socket]:
    """Return the sockets that were passed to this process, by address. What is no listening TCP socket is left out.

    Call once, early: the variables are taken out of the environment, so that no child believes they were its own.
    """
    owner, count = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if owner != str(os.getpid()) or not (count.isascii() and count.isdigit()):
        return {}
    found: dict[Address, socket.socket] = {}
    for number in range(FIRST, FIRST + int(count)):
        try:
            passed = socket.socket(fileno=number)
        except OSError:
            continue
        passed.set_inheritable(False)
        if not _listens(passed):
            passed.detach()
            continue
        passed.setblocking(False)
        host, port = passed.getsockname()[:2]
        found[str(ip_address(host.split("%", 1)[0])), port] = passed
    return found


def _listens(passed: socket.socket) -> bool:
    if passed.family not in (socket.AF_INET, socket.AF_INET6) or passed.type != socket.SOCK_STREAM:
        return False
    return bool(passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
