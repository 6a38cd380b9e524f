# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A way over SSH: one host after the other, each reached through the one before."""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple


class SshFailure(Exception):
    """A host of the way cannot be reached or trusted. The text says which, why, and what to do."""


class Hop(NamedTuple):
    """A host, and how to log in there: with the key, else the password, else what the agent offers."""

    host: str
    user: str
    port: int = 22
    key_file: Optional[str] = None
    key_passphrase: Optional[str] = None
    password: Optional[str] = None

    def __repr__(self) -> str:
        return f"Hop({self})"

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" + (f":{self.port}" if self.port != 22 else "")

    @property
    def known_as(self) -> str:
        """The name under which known_hosts has it (sshd(8))."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


class Route(NamedTuple):
    """The hosts in their order, and the file with their keys."""

    hops: Tuple[Hop, ...]
    known_hosts: str

    @property
    def last(self) -> Hop:
        """The host at its end."""
        return self.hops[-1]
