# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put a lab's inventory into a folder, and take it away again."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

import yaml

from . import render
from .errors import LabError
from .lab import Lab, Record
from .layout import Layout
from .system import write_file
from .topology import Topology

_FILE = "hosts.yml"
_VARIABLES = ("group_vars", "host_vars")


def default_inventory() -> Path:
    """The inventory folder of this checkout."""
    return Path(__file__).resolve().parents[2] / "inventories" / "lab"


def owner(text: str) -> str | None:
    """The state folder of the lab that an inventory's *text* was written for; None when no lab wrote it."""
    with contextlib.suppress(yaml.YAMLError, KeyError, TypeError):
        state = yaml.safe_load(text)["all"]["vars"]["lab_state"]
        return state if isinstance(state, str) else None
    return None


def check_inventory(layout: Layout, folder: Path) -> None:
    """Raise LabError when the inventory in *folder* must not be replaced: it is another's."""
    target = folder / _FILE
    if not target.is_file():
        return
    state = owner(target.read_text(encoding="utf-8"))
    if state is None:
        raise LabError(f"{target} was not written by a lab and is not replaced; name another folder with --inventory")
    if state != str(layout.state) and Path(state).is_dir():
        raise LabError(
            f"{target} belongs to the lab {Path(state).name!r}, which still stands; "
            "name another folder with --inventory, or take that lab down"
        )


def write_inventory(lab: Lab, record: Record, topology: Topology, folder: Path) -> None:
    """Write hosts.yml into *folder*, and link the variables of the checkout's own inventory unless there are some."""
    own = default_inventory()
    folder.mkdir(parents=True, exist_ok=True)
    links = [] if folder.resolve() == own else [folder / name for name in _VARIABLES if (own / name).is_dir()]
    made = [link for link in links if not link.exists() and not link.is_symlink()]
    # Recorded before they are made, so that `down` finds them whatever happens in between.
    inventories = tuple(sorted({*record.inventories, str(folder)}))
    linked = tuple(sorted({*record.links, *(str(link) for link in made)}))
    if (inventories, linked) != (record.inventories, record.links):
        lab.write(replace(record, inventories=inventories, links=linked))
    for link in made:
        link.symlink_to(own / link.name)
    text = render.inventory(lab.layout, topology)
    target = folder / _FILE
    if not target.is_file() or target.read_text(encoding="utf-8") != text:
        write_file(target, text)


def remove_inventories(layout: Layout, record: Record) -> None:
    """Remove what `write_inventory` made, except an inventory that was written for another lab meanwhile."""
    for folder in record.inventories:
        target = Path(folder) / _FILE
        if target.is_file() and owner(target.read_text(encoding="utf-8")) == str(layout.state):
            target.unlink()
    for name in record.links:
        link = Path(name)
        if link.is_symlink() and link.readlink().parent == default_inventory():
            link.unlink()
