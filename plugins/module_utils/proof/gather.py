# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what the host has loaded. The edge: runs nft, iptables-save and ip."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Optional, Tuple

from .. import command
from .model import Interface, Loaded
from .nft_list import listing

_TIMEOUT = 180.0
_NFT_REMEDY = "install the package nftables"
_LEGACY_TABLES = {"iptables-legacy": "/proc/net/ip_tables_names", "ip6tables-legacy": "/proc/net/ip6_tables_names"}
_SAVERS = {
    "iptables-nft": ("iptables-nft-save", "iptables-save"),
    "ip6tables-nft": ("ip6tables-nft-save", "ip6tables-save"),
    "iptables-legacy": ("iptables-legacy-save", "iptables-save"),
    "ip6tables-legacy": ("ip6tables-legacy-save", "ip6tables-save"),
}
_FORWARDING = {4: "/proc/sys/net/ipv4/conf/all/forwarding", 6: "/proc/sys/net/ipv6/conf/all/forwarding"}


def gather() -> Loaded:
    """Return what is loaded in this network namespace. Changes nothing.

    Raises command.CommandError when nft is missing or cannot list the rules, or when iptables-legacy has rules that no
    tool here can show: a proof that leaves them out would be none.
    """
    nft = command.find_tool("nft", _NFT_REMEDY)
    loaded = listing(nft)
    iptables = _iptables(loaded.ruleset)
    return Loaded(
        loaded.ruleset,
        iptables,
        interfaces(),
        loaded.chains,
        _ipsets() if any("--match-set" in text for text in iptables.values()) else None,
        _ip_lists([["-4", "route", "show", "table", "all"], ["-6", "route", "show", "table", "all"]]),
        _ip_lists([["-4", "rule"], ["-6", "rule"]]),
        _forwarding(),
        loaded.heads,
    )


def _iptables(ruleset: str) -> Dict[str, str]:
    found = {}
    if '"xt"' in ruleset:
        for key in ("iptables-nft", "ip6tables-nft"):
            text = _save(key, "nf_tables")
            if text is not None:
                found[key] = text
    for key, path in _LEGACY_TABLES.items():
        if _names(path):
            text = _save(key, "legacy")
            if text is None:
                raise command.CommandError(
                    f"iptables-legacy has tables loaded ({path}), and {_SAVERS[key][0]} is not here to show them: "
                    "install the package iptables"
                )
            found[key] = text
    return found


def _names(path: str) -> List[str]:
    try:
        with open(path, encoding="ascii") as lines:
            return lines.read().split()
    except FileNotFoundError:
        return []


def _save(key: str, kind: str) -> Optional[str]:
    for name in _SAVERS[key]:
        try:
            tool = command.find_tool(name, "install the package iptables")
        except command.CommandError:
            continue
        if kind not in command.run([tool, "--version"], check=False).stdout and name == _SAVERS[key][1]:
            continue
        done = command.run([tool], check=False, timeout=_TIMEOUT)
        if done.returncode == 0:
            return done.stdout
    return None


def _ipsets() -> Optional[str]:
    try:
        tool = command.find_tool("ipset", "install the package ipset")
    except command.CommandError:
        return None
    done = command.run([tool, "save"], check=False, timeout=_TIMEOUT)
    return done.stdout if done.returncode == 0 else None


def _ip() -> Optional[str]:
    try:
        return command.find_tool("ip", "install the package iproute2")
    except command.CommandError:
        return None


def _ip_lists(several: List[List[str]]) -> str:
    tool = _ip()
    items: List[Any] = []
    for words in several:
        done = command.run([tool, "-j", *words], check=False, timeout=_TIMEOUT) if tool else None
        if done is None or done.returncode != 0:
            return ""
        items += json.loads(done.stdout or "[]")
    return json.dumps(items)


def interfaces() -> Tuple[Interface, ...]:
    """Return the interfaces of this network namespace; none when there is no ip tool to ask."""
    tool = _ip()
    if tool is None:
        return ()
    found = json.loads(command.run([tool, "-j", "-d", "address"], timeout=_TIMEOUT).stdout or "[]")
    return tuple(_interface(item, found) for item in found if item.get("ifname"))


def _interface(item: Dict[str, Any], others: List[Dict[str, Any]]) -> Interface:
    name = str(item["ifname"])
    lower = [str(other["ifname"]) for other in others if other.get("master") == name]
    if item.get("link") and item.get("linkinfo", {}).get("info_kind") != "veth":
        lower.append(str(item["link"]))
    addresses = tuple(f"{info['local']}/{info['prefixlen']}" for info in item.get("addr_info", ()) if "local" in info)
    return Interface(
        name,
        int(item.get("ifindex", 0)),
        addresses,
        str(item.get("link_type", "")),
        tuple(lower),
        str(item.get("group", "")),
    )


def _forwarding() -> Dict[int, bool]:
    found = {}
    for version, path in _FORWARDING.items():
        if os.access(path, os.R_OK):
            with open(path, encoding="ascii") as value:
                found[version] = value.read().strip() not in ("", "0")
    return found
