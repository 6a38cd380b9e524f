# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Raise a lab: everything on disk first, then all hosts at once, then wait until each answers."""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from . import keeper, network, nspawn, render
from .base import ensure_base
from .errors import LabError
from .inventory import check_inventory, write_inventory
from .lab import Lab, Record
from .layout import Layout
from .limits import raise_limits
from .system import run, run_steps, write_file
from .teardown import tear_down
from .topology import Host, Topology
from .waiting import wait_for_ssh

Say = Callable[[str], None]


def raise_lab(lab: Lab, wanted: Record, inventory: Path, say: Say) -> None:
    """Bring the lab up as *wanted*, pick up what stands, and write the inventory into the folder *inventory*.

    A lab that was not raised to the end is removed first. Raises LabError when another topology stands under the
    name. The caller holds the lab's lock.
    """
    topology = wanted.parsed()
    check_inventory(lab.layout, inventory)
    if lab.leftovers() and not lab.layout.ready.exists():
        say("removing what an interrupted command left behind")
        tear_down(lab, say=lambda _text: None)
    raise_limits()
    lab.join_builders()
    record = lab.read()
    if record is None:
        base = ensure_base(topology.base, say)
        say(f"base tree: {base}")
        record = replace(wanted, base=str(base))
        _prepare(lab, record, topology)
        say("keys, certificates, switch and file systems are in place")
    elif record.parsed() != topology:
        raise LabError(
            f"the lab {lab.layout.name!r} stands with another topology (from {record.topology_file}); "
            f"run lab/lab down --name {lab.layout.name} first"
        )
    started = [host.name for host in topology.hosts if _ensure_runs(lab, host)]
    say(f"{len(started)} of {len(topology.hosts)} hosts started" if started else "all hosts run")
    wait_for_ssh(lab, topology)
    say("every host answers over ssh")
    write_inventory(lab, record, topology, inventory)
    say(f"inventory: {inventory}/hosts.yml")


def _prepare(lab: Lab, record: Record, topology: Topology) -> None:
    """Put everything in place but running hosts. Whatever is made here lies below the tmpfs or in the lab's groups."""
    layout = lab.layout
    layout.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    run(("mount", "-t", "tmpfs", "-o", "mode=0700", f"alertpath-lab-{layout.name}", str(layout.state)))
    lab.write(record)
    for folder in (layout.namespaces, layout.pki, layout.secrets, layout.wrappers, layout.control_sockets):
        folder.mkdir(mode=0o700)
    login, host_keys = _make_keys(layout, topology)
    _make_files(layout, topology, host_keys)
    _make_network(layout, topology)
    with ThreadPoolExecutor(4) as pool:
        made = [
            pool.submit(_make_host, lab, topology, host, Path(record.base), login, *host_keys[host.name])
            for host in topology.hosts
        ]
    for result in made:
        result.result()
    write_file(layout.ready, "")


def _make_keys(layout: Layout, topology: Topology) -> tuple[str, Mapping[str, tuple[str, str]]]:
    """Write the ssh key, certificates and passwords; returns the login's public key and each host's key pair."""
    from . import keys  # cryptography takes longer to import than most commands take to run

    login = keys.ssh_key()
    write_file(layout.ssh_key, login.private, 0o600)
    write_file(layout.ssh_key.with_suffix(".pub"), f"{login.public}\n")
    authority = keys.Authority(layout.name, datetime.datetime.now(datetime.UTC))
    certificates = {"ca": authority.own}
    certificates.update((host.name, authority.issue(topology, host)) for host in topology.hosts)
    for name, pair in certificates.items():
        write_file(layout.pki / f"{name}.pem", pair.certificate)
        write_file(layout.pki / f"{name}.key", pair.key, 0o600)
    for name in topology.secrets:
        write_file(layout.secrets / name, f"{keys.password()}\n", 0o600)
    return login.public, {host.name: keys.ssh_key() for host in topology.hosts}


def _make_files(layout: Layout, topology: Topology, host_keys: Mapping[str, tuple[str, str]]) -> None:
    public = {name: pair[1] for name, pair in host_keys.items()}
    write_file(layout.etc_hosts, render.hosts_file(topology))
    write_file(layout.resolv_conf, render.resolv_conf())
    write_file(layout.known_hosts, render.known_hosts(topology, public))
    write_file(layout.ssh_config, render.ssh_config(layout, topology))
    for tool in render.WRAPPED:
        write_file(layout.wrappers / tool, render.wrapper(layout, tool), 0o755)


def _make_network(layout: Layout, topology: Topology) -> None:
    for name in ("switch", "controller", *(host.name for host in topology.hosts)):
        layout.namespace(name).touch(0o600)
    run_steps(network.switch_steps(layout, topology))
    run_steps(network.power_on(layout, topology, topology.controller))


def _make_host(
    lab: Lab, topology: Topology, host: Host, base: Path, login: str, private_key: str, public_key: str
) -> None:
    """Mount the host's root file system, and write into it what makes it this host."""
    folder, root = lab.layout.host(host.name), lab.layout.root(host.name)
    for name in ("up", "work", "root"):
        (folder / name).mkdir(mode=0o755, parents=True)
    layers = f"lowerdir={base},upperdir={folder}/up,workdir={folder}/work"
    run(("mount", "-t", "overlay", "-o", layers, f"alertpath-lab-{lab.layout.machine(host.name)}", str(root)))
    write_file(root / "etc/hostname", f"{host.name}\n")
    write_file(root / "etc/machine-id", f"{os.urandom(16).hex()}\n", 0o444)
    shutil.copyfile(lab.layout.etc_hosts, root / "etc/hosts")
    shutil.copyfile(lab.layout.resolv_conf, root / "etc/resolv.conf")
    write_file(root / "etc/sysctl.d/60-network.conf", render.sysctl_file(network.sysctls(host)))
    write_file(root / "root/.ssh/authorized_keys", f"{login}\n", 0o600)
    write_file(root / "etc/ssh/ssh_host_ed25519_key", private_key, 0o600)
    write_file(root / "etc/ssh/ssh_host_ed25519_key.pub", f"{public_key}\n")
    task = nspawn.keeper_task(lab.layout, topology, host, lab.group)
    _name_mail_server(root, topology.fqdn(host))
    write_file(folder / "keeper.json", json.dumps(task), 0o600)


def _name_mail_server(root: Path, name: str) -> None:
    """Write what Postfix's package leaves behind when it is installed on a host that is called *name*."""
    main = root / "etc/postfix/main.cf"
    if main.is_file():
        write_file(root / "etc/mailname", f"{name}\n")
        write_file(main, f"{main.read_text(encoding='utf-8')}myhostname = {name}\n")


def _ensure_runs(lab: Lab, host: Host) -> bool:
    """Start *host* unless it runs, and wake it when it is paused; whether it was started."""
    state = lab.state(host.name)
    if state == "paused":
        lab.group.host(host.name).freeze(False)
    if state == "stopped":
        start_host(lab, host.name)
    return state == "stopped"


def start_host(lab: Lab, host: str) -> None:
    """Start the keeper of *host*, which boots it, unless it has one. It goes on after this process has ended."""
    console = os.open(lab.layout.console(host), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    lock = os.open(lab.layout.keeper_lock(host), os.O_WRONLY | os.O_CREAT, 0o600)
    argv = (sys.executable, "-I", "-S", keeper.__file__, str(lab.layout.host(host) / "keeper.json"), str(lock))
    # The lock is taken here and inherited, so that a host counts as started from now on.
    with os.fdopen(console, "wb") as log, os.fdopen(lock, "wb") as held, contextlib.suppress(BlockingIOError):
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(lock,),
            start_new_session=True,
            cwd="/",
        )
