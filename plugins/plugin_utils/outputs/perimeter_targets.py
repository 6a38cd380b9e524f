# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platforms that ACLs are made for, as aerleon wants them described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple


class Filter(NamedTuple):
    """One ACL of a target: its name, its header for aerleon, and the address families (4, 6) that it decides for."""

    name: str
    header: str
    versions: tuple[int, ...]


@dataclass(frozen=True)
class Platform:
    """How ACLs for one aerleon target are laid out."""

    filters: Callable[[str, str, str], tuple[Filter, ...]]
    """From the ACL's name, the options and what follows for other traffic, to the ACLs to make."""
    default: str = ""
    """Options when none are given."""
    style: str = "lines"
    """Comments: `lines`, or one short `line`."""
    stateful: bool = False
    """Whether replies pass by themselves."""
    expands: bool = False
    """Whether each source, destination and port makes an entry of its own."""
    implicit: str = "Where the device's ACL ends, the device denies what is left."
    fragment: str = ""
    """How to use it when nothing is said about other traffic."""
    longest_name: int = 48


def _split(first: str, second: str) -> Callable[[str, str, str], tuple[Filter, ...]]:
    def filters(name: str, options: str, _rest: str) -> tuple[Filter, ...]:
        return (
            Filter(name, " ".join(f"{name} {first} {options}".split()), (4,)),
            Filter(f"{name}-v6", " ".join(f"{name}-v6 {second} {options}".split()), (6,)),
        )

    return filters


def _both(form: str) -> Callable[[str, str, str], tuple[Filter, ...]]:
    def filters(name: str, options: str, rest: str) -> tuple[Filter, ...]:
        accept = "" if rest == "deny" else "ACCEPT"
        header = form.format(name=name, options=options, accept=accept)
        return (Filter(name, " ".join(header.split()), (4, 6)),)

    return filters


_INSERT = "These are entries only: put them into the ACL of each family before any entry that permits or denies SMTP."
_IOS = Platform(_split("extended", "inet6"), expands=True, fragment=_INSERT)
_SRX_NOTE = (
    "Load it with 'load merge': nothing of the device's configuration is replaced. Take policies of an earlier plan "
    "out first, and put these before policies that permit or deny SMTP."
)

PLATFORMS = {
    "cisco": _IOS,
    "cisconx": _IOS,
    "ciscoxr": _IOS,
    "arista": _IOS,
    "ciscoasa": Platform(
        _both("{name} {options}"),
        stateful=True,
        expands=True,
        fragment=f"{_INSERT} One ACL holds both families (ASA 9.0 and later).",
    ),
    "juniper": Platform(
        _split("inet", "inet6"),
        fragment="Put the filter first in an input-list or output-list: what it does not decide, the next filter does.",
    ),
    "srx": Platform(
        _both("{options} mixed"),
        default="from-zone all to-zone all",
        stateful=True,
        implicit="What no policy matches, the device's default policy decides.",
        fragment=_SRX_NOTE,
    ),
    "paloalto": Platform(
        _both("{options} mixed no-addr-obj"),
        default="from-zone any to-zone any",
        stateful=True,
        implicit="What no rule matches, the firewall's default rules decide.",
        fragment="Load the rules before rules that allow or deny SMTP; nothing else of the configuration is in it.",
    ),
    "nftables": Platform(
        _both("mixed {options} {accept}"),
        default="forward",
        style="line",
        stateful=True,
        implicit="The chain's policy decides what is left.",
        fragment="It is a table of its own that can be loaded again and again. For hosts, use smtp_firewall instead.",
    ),
}

REFUSED = {
    "windows_advfirewall": "a block wins there over every allow, whatever the order",
    "windows_ipsec": "it has no order of permit and deny",
    "k8s": "a NetworkPolicy cannot deny",
    "pcap": "it makes a capture filter, not an ACL",
    "demo": "it makes no ACL",
}


def general(version: int) -> Platform:
    """Any other target of aerleon: the options are its whole header, and it decides for one family.

    One family at a time, because several generators of aerleon 1.18 (nokiasrl among them), when asked for both, turn a
    term without addresses of a family into one that permits any address of it.
    """

    def filters(name: str, options: str, _rest: str) -> tuple[Filter, ...]:
        return (Filter(name, options, (version,)),)

    return Platform(
        filters,
        style="line",
        implicit="What the device does with the rest is its own.",
        fragment="Read it before you use it: this target's output is not held against the policy by tests.",
        longest_name=24,
    )
