# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lab keeps what: one folder per lab, on a tmpfs of its own, so that unmounting it forgets everything."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .errors import LabError

ROOT = Path("/run/alertpath-lab")
# Kept short: the name starts machine names (64 characters) and the paths of ssh's control sockets (108, unix(7)).
_NAME = re.compile(r"[a-z]([a-z0-9-]{0,14}[a-z0-9])?")


@dataclass(frozen=True)
class Layout:
    """The paths of the lab called *name*."""

    name: str

    @property
    def state(self) -> Path:
        """The mount point of the lab's tmpfs."""
        return ROOT / self.name

    @property
    def lock(self) -> Path:
        """Held while a command changes the lab; outside the tmpfs, because it guards the mounting."""
        return ROOT / f"{self.name}.lock"

    @property
    def record(self) -> Path:
        """What was raised from what, written before anything else."""
        return self.state / "lab.json"

    @property
    def ready(self) -> Path:
        """Exists once everything but the running hosts is in place."""
        return self.state / "ready"

    @property
    def etc_hosts(self) -> Path:
        return self.state / "etc-hosts"

    @property
    def resolv_conf(self) -> Path:
        return self.state / "resolv.conf"

    @property
    def ssh_key(self) -> Path:
        return self.state / "id"

    @property
    def ssh_config(self) -> Path:
        return self.state / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.state / "known_hosts"

    @property
    def control_sockets(self) -> Path:
        return self.state / "cp"

    @property
    def wrappers(self) -> Path:
        return self.state / "bin"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def secrets(self) -> Path:
        return self.state / "secrets"

    @property
    def namespaces(self) -> Path:
        return self.state / "netns"

    def namespace(self, host: str) -> Path:
        """The file that a host's network namespace is mounted on; also `switch` and `controller`."""
        return self.namespaces / host

    def host(self, host: str) -> Path:
        """The folder of one host."""
        return self.state / "hosts" / host

    def root(self, host: str) -> Path:
        """The host's root file system, as mounted."""
        return self.host(host) / "root"

    def keeper_lock(self, host: str) -> Path:
        """Held by the host's keeper for as long as it runs."""
        return self.host(host) / "keeper.lock"

    def console(self, host: str) -> Path:
        return self.host(host) / "console.log"

    def machine(self, host: str) -> str:
        """The name systemd-nspawn knows the host by."""
        return f"{self.name}-{host}"


def layout(name: str) -> Layout:
    """Return the layout of the lab called *name*; raises LabError when no lab can be called so."""
    if not _NAME.fullmatch(name):
        raise LabError(
            f"--name {name!r}: must be up to 16 lower-case letters, digits and hyphens, and start with a letter"
        )
    return Layout(name)


def cache_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where base trees are kept: $ALERTPATH_CACHE, else alertpath in $XDG_CACHE_HOME or ~/.cache."""
    env = os.environ if environ is None else environ
    own = env.get("ALERTPATH_CACHE")
    if own:
        folder = Path(own)
    elif env.get("XDG_CACHE_HOME"):
        folder = Path(env["XDG_CACHE_HOME"]) / "alertpath"
    else:
        folder = Path(env.get("HOME") or "/root") / ".cache" / "alertpath"
    folder = folder.absolute()
    # overlayfs separates layers by colons and mount options by commas.
    if any(character in str(folder) for character in ":,\\\n"):
        raise LabError(
            f"the cache folder {folder} cannot hold a lower layer: set ALERTPATH_CACHE to a path without : , \\"
        )
    return folder
