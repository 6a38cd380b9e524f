# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nft command: the one way to the kernel's rules. The edge."""

from __future__ import annotations

from typing import Optional

from .. import command
from .render import ARMED, TABLE

_REMEDY = "install the package nftables"
_TIMEOUT = 120.0
# The text arrives on the standard input; $0 is nft, which is run twice in one namespace.
_LOAD_AND_LIST = f'"$0" -f - && exec "$0" list table inet {TABLE}'


class Nft:
    """The nft of this host, working on the network namespace this process is in."""

    def __init__(self) -> None:
        self.path = command.find_tool("nft", _REMEDY)

    def version(self) -> str:
        """Return the version, such as "1.0.6"."""
        words = command.run([self.path, "--version"]).stdout.split()
        return words[1].lstrip("v") if len(words) > 1 else ""

    def load(self, text: str) -> None:
        """Run *text* as one transaction: all of it, or, with CommandError, none of it."""
        command.run([self.path, "-f", "-"], stdin=text, timeout=_TIMEOUT)

    def check(self, text: str) -> None:
        """Try *text* as a transaction that is not committed. Raises CommandError when the kernel would refuse it."""
        command.run([self.path, "--check", "--file", "-"], stdin=text, timeout=_TIMEOUT)

    def listing(self, table: str = TABLE) -> Optional[str]:
        """Return the listing of *table*, ours if none is named, or None when it is not there."""
        return self._list("table", "inet", table)

    def armed_set(self) -> str:
        """Return the listing of the set that keeps an unconfirmed change in force; empty when there is none."""
        return self._list("set", "inet", TABLE, ARMED) or ""

    def _list(self, *what: str) -> Optional[str]:
        done = command.run([self.path, "list", *what], check=False, timeout=_TIMEOUT)
        if done.returncode == 0:
            return done.stdout
        if "No such file or directory" in done.stderr:
            return None
        raise command.CommandError(f"{self.path} cannot list the {' '.join(what)}: {done.stderr.strip()}")

    def chains(self) -> str:
        """Return the headers of all chains of the family inet: quick, whatever the tables hold."""
        return command.run([self.path, "list", "chains", "inet"], timeout=_TIMEOUT).stdout

    def rehearse(self, text: str) -> str:
        """Load *text* in a network namespace that lives as long as this call; return how the kernel lists our table.

        Raises CommandError when the kernel refuses the text, or this process may not make a namespace.
        """
        unshare = command.find_tool("unshare", "install the package util-linux")
        able = command.run([unshare, "--net", "true"], check=False)
        if able.returncode != 0:
            raise command.CommandError(
                f"no throw-away network namespace to compare the rules in: {able.stderr.strip()}: "
                "run the module as root, and in a container grant it CAP_SYS_ADMIN"
            )
        argv = [unshare, "--net", "sh", "-c", _LOAD_AND_LIST, self.path]
        return command.run(argv, stdin=text, timeout=_TIMEOUT).stdout
