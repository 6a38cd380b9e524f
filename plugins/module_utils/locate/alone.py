# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One search at a time where packets are counted: this host's counters count those of all.

Other runs on the host are kept away by a name in the abstract namespace of unix(7). Like the counters, it belongs to
the network namespace; it needs no file and no privilege, and is free again when its holder ends, however that ends.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Iterator

NAME = "\0alertpath.smtp.locate"
_PAUSE = 0.05
_HERE = threading.Lock()


@contextlib.contextmanager
def alone(seconds: float) -> Iterator[bool]:
    """Wait up to *seconds* for the turn; yield whether it came."""
    until = time.monotonic() + seconds
    with _HERE, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as turn:
        yield _taken(turn, until)


def _taken(turn: socket.socket, until: float) -> bool:
    while not _bound(turn):
        if time.monotonic() >= until:
            return False
        time.sleep(_PAUSE)
    return True


def _bound(turn: socket.socket) -> bool:
    try:
        turn.bind(NAME)
    except OSError:
        return False
    return True
