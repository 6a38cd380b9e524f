# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Postfix on this host, through its own tools: what it is, whether it runs, and whether it answers."""

from __future__ import annotations

import shutil
import socket
import time
from pathlib import Path
from typing import FrozenSet, List, Tuple

from ..command import CommandError, find_tool, run

_REMEDY = "install the package postfix"
_SYSTEMD = Path("/run/systemd/system")
DEFAULT_CONFIG = "/etc/postfix"


class Instance:
    """A Postfix instance, named by its configuration directory."""

    def __init__(self, config: str = DEFAULT_CONFIG) -> None:
        self.config = config
        self._postconf = find_tool("postconf", _REMEDY)
        self._postfix = find_tool("postfix", _REMEDY)
        self._postmap = find_tool("postmap", _REMEDY)

    @property
    def version(self) -> str:
        """The version of Postfix, for example 3.7.11."""
        return run([self._postconf, "-c", self._tool_config(), "-dh", "mail_version"]).stdout.strip()

    def known_parameters(self) -> FrozenSet[str]:
        """Return the names of all parameters that this Postfix has."""
        listing = run([self._postconf, "-c", self._tool_config(), "-d"]).stdout
        return frozenset(line.partition("=")[0].strip() for line in listing.splitlines() if "=" in line)

    def _tool_config(self) -> str:
        # postconf reads main.cf even when asked for defaults alone; a host may not have one yet.
        return self.config if Path(self.config).is_dir() else "/"

    def running(self) -> bool:
        """Return whether the instance's master(8) runs."""
        return run([self._postfix, "-c", self.config, "status"], check=False).returncode == 0

    def value(self, name: str, config: str = "") -> str:
        """Return the expanded value of the parameter *name*."""
        return run([self._postconf, "-c", config or self.config, "-xh", name]).stdout.strip()

    def master(self, config: str, option: str) -> str:
        """Return what postconf(1) prints about master.cf: with -M its services, with -P their overrides."""
        return run([self._postconf, "-c", config, option]).stdout

    def complaints(self, config: str) -> List[str]:
        """Return postconf's warnings about main.cf in *config*: unknown, repeated or undefined parameters."""
        done = run([self._postconf, "-c", config, "-n"], check=False)
        words = [line.replace(config, self.config) for line in done.stderr.splitlines() if "/main.cf" in line]
        if done.returncode != 0 and not words:
            words = done.stderr.splitlines() or [f"postconf -n left with {done.returncode}"]
        return sorted(set(words))

    def check(self, config: str) -> None:
        """Let Postfix check *config* (postfix(1), check). Raises CommandError with its words."""
        run([self._postfix, "-c", config, "check"], timeout=120.0)

    def lookup(self, config: str, table: str, key: str) -> str:
        """Return what the table file *table* gives for *key*, empty when nothing."""
        return run([self._postmap, "-c", config, "-q", key, f"texthash:{table}"], check=False).stdout.rstrip("\n")

    def reload(self) -> None:
        """Let the running instance read its configuration again."""
        run([self._postfix, "-c", self.config, "reload"])

    def restart(self) -> None:
        """Start the instance, after stopping it if it runs: the only way to change its listening addresses."""
        if self._under_systemd():
            run([find_tool("systemctl", "install systemd"), "restart", "postfix.service"], timeout=120.0)
            return
        self.stop()
        run([self._postfix, "-c", self.config, "start"], timeout=120.0)

    def stop(self) -> None:
        """Stop the instance if it runs."""
        if self._under_systemd():
            run([find_tool("systemctl", "install systemd"), "stop", "postfix.service"], timeout=120.0)
        elif self.running():
            run([self._postfix, "-c", self.config, "stop"], timeout=120.0)

    def _under_systemd(self) -> bool:
        return self.config == DEFAULT_CONFIG and _SYSTEMD.is_dir() and shutil.which("systemctl") is not None

    def wait_until_it_answers(self, banner_of: str, seconds: float = 20.0) -> None:
        """Return when the instance's daemons answer with the configuration that is in place.

        showq(8) must answer over its socket, and with *banner_of* (a host name) smtpd(8) must greet with it over
        loopback. Raises CommandError after *seconds* with the last reason.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._ask(banner_of)
                return
            except (OSError, CommandError) as error:
                if time.monotonic() > deadline:
                    raise CommandError(
                        f"Postfix does not answer within {seconds:g} s ({error}); its log says why "
                        "(journalctl -t postfix/master, or the mail log)"
                    ) from None
            time.sleep(0.2)

    def _ask(self, banner_of: str) -> None:
        if not self.running():
            raise CommandError("its master process does not run")
        path = str(Path(self.value("queue_directory")) / "public" / "showq")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
            peer.settimeout(5.0)
            peer.connect(path)
            if not peer.recv(1):
                raise CommandError("showq closes the connection without an answer")
        if banner_of:
            with socket.create_connection(("127.0.0.1", 25), timeout=5.0) as peer:
                words = peer.recv(512).decode("ascii", "replace").split()
                peer.sendall(b"QUIT\r\n")
                peer.recv(512)
            if words[:1] != ["220"] or words[1:2] != [banner_of]:
                raise CommandError(f"the SMTP server on loopback greets with {' '.join(words)!r}, not as {banner_of}")


def version_tuple(text: str) -> Tuple[int, ...]:
    """Return the numbers of a version as Postfix prints it: 3.7.11 gives (3, 7, 11), 3.9-20240101 gives (3, 9)."""
    numbers = []
    for part in text.partition("-")[0].split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)
