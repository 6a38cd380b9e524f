# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host has loaded, and the one form into which every kind of rule is read. Pure data."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple, Union, cast

from .spans import Spans

WIDTH = {4: 32, 6: 128}
TOP = {4: (1 << 32) - 1, 6: (1 << 128) - 1}
MARK_TOP = (1 << 32) - 1
PORT_TOP = 65535

DIRECTIONS = ("egress", "ingress", "forward")


class Interface(NamedTuple):
    """An interface of the host. *addresses* carry their prefix length ("10.0.0.1/24"); *kind* is the link type that
    the kernel names ("ether", "loopback"); *lower* are the devices it runs on or sits in, whose frames are its own."""

    name: str
    ifindex: int = 0
    addresses: Tuple[str, ...] = ()
    kind: str = ""
    lower: Tuple[str, ...] = ()
    group: str = ""


class Loaded(NamedTuple):
    """What a host has loaded, as the text its tools print.

    *nft*: `nft -j list ruleset`. *iptables*: the text of iptables-save by variant, under the keys "iptables-nft",
    "ip6tables-nft", "iptables-legacy", "ip6tables-legacy"; a key is absent where the tool or its tables are. *chains*:
    `nft list chains`, for the devices of netdev chains, which older nft leave out of JSON. *heads*: the first lines of
    tables with flags, as nft lists them, for the same reason. *ipsets*: `ipset save`, None
    when it could not be read. *routes* and *rules*: `ip -j route show table all` and `ip -j rule`, both families in
    one list, empty when unknown. *forwards*: IP version to whether the host routes, where known.
    """

    nft: str
    iptables: Mapping[str, str] = MappingProxyType({})
    interfaces: Tuple[Interface, ...] = ()
    chains: str = ""
    ipsets: Optional[str] = None
    routes: str = ""
    rules: str = ""
    forwards: Mapping[int, bool] = MappingProxyType({})
    heads: str = ""


class Ref(NamedTuple):
    """Where a rule stands, and what it says. A chain's policy has no handle, and iptables-legacy has none at all.

    *source* is what shows the rule: "nft", "iptables-nft" or "iptables-legacy".
    """

    family: str
    table: str
    chain: str
    handle: Optional[int]
    rule: str
    source: str = "nft"

    def data(self) -> Dict[str, Any]:
        """Return this as a plain dictionary."""
        return dict(self._asdict())


class Key(NamedTuple):
    """What a match looks at.

    *name*: src, dst, sport, dport (as the packet is now), osrc, odst, oport (as it was when it came), iif, oif,
    iiftype, oiftype, iifgroup, oifgroup, srctype, dsttype, family, mark, ctmark, ctstate, ctstatus, ctdir,
    reverse (1 when the route back to the source leads out where the packet came in, else 0). *family* is
    4 or 6 when only packets of that version have it, else 0. *mask* is applied to the number before it is compared; the
    type of an address with a mask of 0 is asked for one interface only.
    """

    name: str
    family: int = 0
    mask: int = -1


Value = Union[Spans, Tuple[str, ...]]
"""Numbers; for interfaces, names of which some end in an asterisk; for types of addresses, their names."""
Element = Tuple[Value, ...]
"""One value per key."""


def numbers(value: Value) -> Spans:
    """Return *value*, which is about numbers: the name of its key says so, which no type can."""
    return cast(Spans, value)


def names(value: Value) -> Tuple[str, ...]:
    """Return *value*, which is about names: see numbers."""
    return cast(Tuple[str, ...], value)


class Match(NamedTuple):
    """True when the keys' values are an element; the other way round when *negated*. Elements in *soft* may be gone."""

    keys: Tuple[Key, ...]
    sure: Tuple[Element, ...]
    soft: Tuple[Element, ...] = ()
    negated: bool = False


class Unknown(NamedTuple):
    """A match that nobody can decide from the text. *family*: as of Key."""

    what: str
    family: int = 0


class SetMark(NamedTuple):
    """*which* (mark or ctmark) becomes ((*base* & *keep*) ^ *flip* ^ (*other* & *other_keep*)); the bases are mark,
    ctmark, zero or unknown, and no bit is kept of both."""

    which: str
    base: str
    keep: int
    flip: int
    other: str = "zero"
    other_keep: int = 0


class MarkMap(NamedTuple):
    """*which* becomes the value of the element that the keys' values are; without one, the rule ends. An element whose
    last field is true may be gone."""

    which: str
    keys: Tuple[Key, ...]
    elements: Tuple[Tuple[Element, int, bool], ...]


class Target(NamedTuple):
    """Where NAT leads: addresses and ports, None where they stay. *kind*: dnat, redirect, snat, masquerade."""

    kind: str
    family: int
    addresses: Optional[Spans]
    ports: Optional[Spans]


class Nat(NamedTuple):
    """NAT with one target, or by a map from the keys' values to targets; an element that is not there: no NAT."""

    target: Optional[Target]
    keys: Tuple[Key, ...] = ()
    elements: Tuple[Tuple[Element, Target], ...] = ()
    unsure: bool = False


class Rewrite(NamedTuple):
    """A header field (src, dst, dport, other) is overwritten without NAT; *value* None: with something unknown. When
    *ends*, the rule may end here instead."""

    field: str
    value: Optional[Spans]
    family: int = 0
    ends: bool = False


class Divert(NamedTuple):
    """A local socket may take the packet over (tproxy, synproxy). *drops*: without such a socket it is dropped."""

    what: str
    drops: bool = False


class Notrack(NamedTuple):
    """The packet is left out of connection tracking."""


class Verdict(NamedTuple):
    """*name*: accept, drop, return, jump, goto, queue (a program decides), stolen (sent on elsewhere)."""

    name: str
    target: str = ""


class Vmap(NamedTuple):
    """A verdict by the keys' values. Elements whose last field is true may be gone."""

    keys: Tuple[Key, ...]
    elements: Tuple[Tuple[Element, Verdict, bool], ...]


Step = Union[Match, Unknown, SetMark, MarkMap, Nat, Rewrite, Divert, Notrack, Verdict, Vmap]
COPIED: Tuple[Step, ...] = (
    Unknown("a copy that is sent elsewhere"),
    Vmap((), (((), Verdict("stolen"), True), ((), Verdict("continue"), False))),
)
"""The rule goes on, and a copy leaves whatever becomes of the packet; whether it comes to where the packet would have
come depends on who gets it."""


class Rule:
    """One rule: where it stands, its text or what the text is made of, and its steps in order."""

    __slots__ = ("chain", "handle", "raw", "steps")

    def __init__(self, chain: Chain, handle: Optional[int], raw: Any, steps: Tuple[Step, ...]) -> None:
        self.chain = chain
        self.handle = handle
        self.raw = raw
        self.steps = steps


class Chain:
    """A chain of one table. A base chain has a *hook* and a *prio*; *device* names the devices of a netdev chain, None
    when they are not known. *source* is "nft", "iptables-nft" or "iptables-legacy". *sleeps*: whether its table is
    dormant, so that the kernel does not run it; None when that is not known. *tracks*: whether a rule that is not kept
    as a step needs connection tracking."""

    __slots__ = (
        "device",
        "family",
        "hook",
        "kind",
        "name",
        "policy",
        "prio",
        "rules",
        "sleeps",
        "source",
        "table",
        "tracks",
    )

    def __init__(self, family: str, table: str, name: str, source: str = "nft") -> None:
        self.family = family
        self.table = table
        self.name = name
        self.source = source
        self.hook = ""
        self.kind = ""
        self.prio = 0
        self.policy = "accept"
        self.device: Optional[Tuple[str, ...]] = ()
        self.rules: List[Rule] = []
        self.sleeps: Optional[bool] = False
        self.tracks = False


class Unmodelled(NamedTuple):
    """Something that counts as unknown: where, and what."""

    ref: Ref
    what: str

    def data(self) -> Dict[str, Any]:
        """Return this as a plain dictionary: family, table, chain, handle, rule, source, what."""
        return {**self.ref.data(), "what": self.what}
