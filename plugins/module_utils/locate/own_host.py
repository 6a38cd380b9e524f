# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this host knows of itself: whether SYNs leave it, whether it translates, whether our own rules counted them."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Dict, NamedTuple, Optional, Tuple

from ..command import CommandError, find_tool, run
from .alone import alone
from .volley import Pace, fire
from .wire import Shot

_BURST = 12
_ROUNDS = 3
_TABLE = "alertpath"
_COUNTER = "blocked_egress"
_PATIENCE = 15.0
"""Seconds to wait for other searches, whose packets would be counted as well: each takes less than two."""


class Departure(NamedTuple):
    """Whether SYNs leave this host (None: its other traffic hides it), and the counter of ours that counted them."""

    left: Optional[bool]
    own_rule: Optional[str]


def packets_by_interface(text: str) -> Dict[str, Tuple[int, int]]:
    """Read /proc/net/dev: interface to packets received and sent."""
    counts: Dict[str, Tuple[int, int]] = {}
    for line in text.splitlines()[2:]:
        name, colon, rest = line.partition(":")
        values = rest.split()
        if colon and len(values) >= 10:
            counts[name.strip()] = (int(values[1]), int(values[9]))
    return counts


def own_counter(listing: str) -> Optional[int]:
    """Return the packets that our rules blocked on their way out, from `nft -j list counters`; None without ours."""
    try:
        entries = json.loads(listing)["nftables"]
        found = [entry["counter"] for entry in entries if "counter" in entry]
        return sum(int(c["packets"]) for c in found if (c["table"], c["name"]) == (_TABLE, _COUNTER)) if found else None
    except (ValueError, KeyError, TypeError):
        return None


def departure(shot: Shot, interface: Optional[str], rules: bool) -> Departure:
    """Send a burst of SYNs and see which counters rise by as many: the loopback's or the interface's, and our rule's.

    *rules*: look at our rules' counter too, which needs the privilege to list rules.
    """
    with alone(_PATIENCE) as mine:
        for _round in range(_ROUNDS if mine else 0):
            counted = _blocked() if rules else None
            before = _counts()
            fire([shot] * _BURST, Pace((0.0,), 0.12))
            after = _counts()
            now = _blocked() if rules and counted is not None else None
            rise = now - counted if counted is not None and now is not None else 0
            sent = sum(
                after[name][1] - before.get(name, (0, 0))[1]
                for name in after
                if (name == interface if interface else name != "lo")
            )
            looped = after.get("lo", (0, 0))[0] - before.get("lo", (0, 0))[0]
            # Others' packets rise it as well: more than were sent says nothing, unless nothing left this host.
            own = rise == _BURST or (rise > _BURST and sent < _BURST)
            rule = f"{_COUNTER} in table inet {_TABLE}" if own else None
            if own or (sent < _BURST <= looped):
                return Departure(False, rule)
            if looped < _BURST <= sent:
                return Departure(True, None)
            time.sleep(0.1)
    return Departure(None, None)


def dropped_on_arrival(text: str, v6: bool) -> int:
    """Return how many packets this host received and neither delivered nor forwarded.

    Read from /proc/net/snmp, or for IPv6 /proc/net/snmp6.
    """
    rows = [line.split() for line in text.splitlines()]
    if v6:
        values = {row[0][3:]: int(row[1]) for row in rows if len(row) == 2 and row[0].startswith("Ip6")}
        forwarded = values.get("OutForwDatagrams", 0)
    else:
        names, numbers = [row[1:] for row in rows if row[:1] == ["Ip:"]][:2]
        values = dict(zip(names, map(int, numbers)))
        forwarded = values.get("ForwDatagrams", 0)
    return values["InReceives"] - values["InDelivers"] - forwarded


def swallows(shot: Shot) -> bool:
    """Whether this host drops on arrival about one packet for each SYN, and none without them; asked twice."""
    v6 = shot.family == socket.AF_INET6
    file = Path("/proc/net/snmp6" if v6 else "/proc/net/snmp")
    pace = Pace((0.0,), 0.25)
    with alone(_PATIENCE) as mine:
        if not mine:
            return False
        for _round in range(2):
            try:
                start = dropped_on_arrival(file.read_text(), v6)
                time.sleep(pace.window)
                idle = dropped_on_arrival(file.read_text(), v6)
                fire([shot] * _BURST, pace)
                end = dropped_on_arrival(file.read_text(), v6)
            except (OSError, KeyError, ValueError):
                return False
            if idle - start > _BURST // 4 or not _BURST <= end - idle <= 2 * _BURST:
                return False
    return True


def _counts() -> Dict[str, Tuple[int, int]]:
    try:
        return packets_by_interface(Path("/proc/net/dev").read_text())
    except OSError:
        return {}


def _blocked() -> Optional[int]:
    listing = _nft("counters")
    return None if listing is None else own_counter(listing)


def _nft(what: str) -> Optional[str]:
    try:
        tool = find_tool("nft", "without it there is nothing to read")
        done = run([tool, "-j", "list", what], timeout=5.0, check=False)
    except CommandError:
        return None
    return done.stdout if done.returncode == 0 else None


def has_output_translation(listing: str) -> Optional[bool]:
    """Whether `nft -j list chains` shows a chain that may translate what this host sends; None when unreadable."""
    try:
        chains = [entry["chain"] for entry in json.loads(listing)["nftables"] if "chain" in entry]
    except (ValueError, KeyError, TypeError):
        return None
    return any(chain.get("type") == "nat" and chain.get("hook") == "output" for chain in chains)


def translates() -> Optional[bool]:
    """Whether this host may send its own packets elsewhere; False when that is certain not to be so.

    Without connection tracking there is no translation. Else its rules must be read, which needs a privilege.
    """
    try:
        if int(Path("/proc/sys/net/netfilter/nf_conntrack_count").read_text()) == 0:
            return False
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return None
    if any(_translates_by_legacy(tables) for tables in ("/proc/net/ip_tables_names", "/proc/net/ip6_tables_names")):
        return None
    listing = _nft("chains")
    return None if listing is None or has_output_translation(listing) is not False else False


def _translates_by_legacy(tables: str) -> bool:
    """Whether iptables-legacy has a nat table, which nft does not show; unreadable counts as yes."""
    try:
        return "nat" in Path(tables).read_text().split()
    except FileNotFoundError:
        return False
    except OSError:
        return True
