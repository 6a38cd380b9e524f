# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What nft's left-hand sides look at, for the first packet of a TCP connection. Pure.

Much of that packet is known: it is TCP, carries SYN alone, is no fragment, and is the first of its connection.
"""

from __future__ import annotations

from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from .model import Key

# IANA's protocol numbers as nft names them; what is missing here is not TCP either.
PROTOCOLS = {"icmp": 1, "igmp": 2, "tcp": 6, "udp": 17, "gre": 47, "esp": 50, "ah": 51, "ipv6-icmp": 58, "sctp": 132}
FAMILIES = {"ipv4": 4, "ipv6": 6, 2: 4, 10: 6}
ETHERTYPES = {"ip": 4, "ip6": 6, 0x0800: 4, 0x86DD: 6}
# enum ip_conntrack_info and NF_CT_STATE_INVALID_BIT in the kernel's nf_conntrack_common.h, as bits.
CT_STATES = {"invalid": 1, "established": 2, "related": 4, "new": 8, "untracked": 64}
CT_STATUS = {"expected": 1, "seen-reply": 2, "assured": 4, "confirmed": 8, "snat": 16, "dnat": 32, "dying": 512}
TCP_FLAGS = {"fin": 1, "syn": 2, "rst": 4, "psh": 8, "ack": 16, "urg": 32, "ecn": 64, "cwr": 128}
DIRECTIONS = {"original": 0, "reply": 1}
PACKET_TYPES = {"host": 0, "unicast": 0, "broadcast": 1, "multicast": 2, "other": 3}
LINK_TYPES = {"ether": 1, "ppp": 512, "ipip": 768, "ipip6": 769, "loopback": 772, "sit": 776, "ipgre": 778}
BOOLEANS = {"exists": 1, "missing": 0}


class Fixed(NamedTuple):
    """A field whose value is the same in every such packet, as far as the bits in *known* go."""

    value: int
    known: int
    names: Mapping[Any, int]
    family: int = 0
    mask: int = -1


class Absent(NamedTuple):
    """A field that no such packet has, so that the rule cannot match, negated or not."""


class Opaque(NamedTuple):
    """Something that cannot be known."""

    what: str
    family: int = 0


Left = Union[Key, Fixed, Absent, Opaque]

NO_NAMES: Dict[Any, int] = {}
ALL_BITS = -1
_SYN_ALONE = Fixed(2, 0xFF, TCP_FLAGS)
_PAYLOAD: Dict[Tuple[str, str], Left] = {
    ("ip", "saddr"): Key("src", 4),
    ("ip", "daddr"): Key("dst", 4),
    ("ip6", "saddr"): Key("src", 6),
    ("ip6", "daddr"): Key("dst", 6),
    ("tcp", "sport"): Key("sport"),
    ("tcp", "dport"): Key("dport"),
    ("th", "sport"): Key("sport"),
    ("th", "dport"): Key("dport"),
    ("tcp", "flags"): _SYN_ALONE,
    ("ip", "version"): Fixed(4, ALL_BITS, NO_NAMES, 4),
    ("ip", "protocol"): Fixed(6, ALL_BITS, PROTOCOLS, 4),
    # RFC 791: three flags, of which the middle one says "do not fragment" and may be set, then the offset.
    ("ip", "frag-off"): Fixed(0, 0x3FFF, NO_NAMES, 4),
    ("ip6", "version"): Fixed(6, ALL_BITS, NO_NAMES, 6),
    ("ip6", "nexthdr"): Fixed(6, ALL_BITS, PROTOCOLS, 6),
}
_META: Dict[str, Left] = {
    "l4proto": Fixed(6, ALL_BITS, PROTOCOLS),
    "nfproto": Key("family"),
    "protocol": Key("family"),
    "mark": Key("mark"),
    # The kernel hands on only what came for this host, and TCP takes nothing else (tcp_v4_rcv in tcp_ipv4.c).
    "pkttype": Fixed(0, ALL_BITS, PACKET_TYPES),
    "iif": Key("iif"),
    "iifname": Key("iif"),
    "oif": Key("oif"),
    "oifname": Key("oif"),
    "iiftype": Key("iiftype"),
    "oiftype": Key("oiftype"),
    "iifgroup": Key("iifgroup"),
    "oifgroup": Key("oifgroup"),
}
_CT: Dict[str, Left] = {
    "state": Key("ctstate"),
    "status": Key("ctstatus"),
    "mark": Key("ctmark"),
    "direction": Key("ctdir"),
}
_CT_ORIGINAL: Dict[str, Left] = {
    "ip saddr": Key("osrc", 4),
    "ip daddr": Key("odst", 4),
    "ip6 saddr": Key("osrc", 6),
    "ip6 daddr": Key("odst", 6),
    "proto-dst": Key("oport"),
    "proto-src": Key("sport"),
    "l3proto": Key("family"),
    "protocol": Fixed(6, ALL_BITS, PROTOCOLS),
}
_OF_TCP = ("tcp", "th")
_OF_NETWORK = {"ip": 4, "ip6": 6}
_OF_LINK = ("ether", "vlan", "8021q", "8021ad")
# Places of known fields in headers: base, offset and length in bits (RFC 791, RFC 8200, RFC 9293).
_RAW: Dict[Tuple[str, int, int], Left] = {
    ("th", 0, 16): Key("sport"),
    ("th", 16, 16): Key("dport"),
}
NAMES: Dict[str, Mapping[Any, int]] = {
    "ctstate": CT_STATES,
    "ctstatus": CT_STATUS,
    "ctdir": DIRECTIONS,
    "iiftype": LINK_TYPES,
    "oiftype": LINK_TYPES,
}


def left_of(left: Any) -> Left:
    """Return what *left*, one side of a match in nft's JSON, looks at."""
    if not isinstance(left, dict) or len(left) != 1:
        return Opaque("an expression of unknown form")
    ((kind, inner),) = left.items()
    if kind == "payload":
        return _payload(inner)
    if kind == "meta":
        return _META.get(inner["key"]) or Opaque(f"meta {inner['key']}")
    if kind == "ct":
        return _conntrack(inner)
    if kind == "fib":
        return _route(inner["result"], inner.get("flags") or ())
    if kind == "exthdr":
        # The packet is plain TCP: no fragment, and without other headers of IPv6.
        return Absent() if "field" in inner else Fixed(0, ALL_BITS, BOOLEANS, 6)
    if kind == "&" and isinstance(inner, list) and len(inner) == 2:
        return _masked(left_of(inner[0]), inner[1])
    words = f" {inner['key']}" if isinstance(inner, dict) and "key" in inner else ""
    return Opaque(f"{kind}{words}")


def _route(result: str, looks_at: Sequence[str]) -> Left:
    words = [looks_at] if isinstance(looks_at, str) else list(looks_at)
    if result == "type" and ("saddr" in words) != ("daddr" in words):
        limited = "iif" in words or "oif" in words
        return Key("srctype" if "saddr" in words else "dsttype", 0, 0 if limited else -1)
    if result in ("oif", "oifname", "check") and set(words) in ({"saddr", "iif"}, {"saddr", "mark", "iif"}):
        return Key("reverse")
    return Opaque(f"fib {' . '.join(words)} {result}")


def _payload(inner: Mapping[str, Any]) -> Left:
    if "base" in inner:
        place = (inner["base"], inner["offset"], inner["len"])
        return _RAW.get(place) or Opaque(f"@{place[0]},{place[1]},{place[2]}")
    protocol, field = inner["protocol"], inner["field"]
    found = _PAYLOAD.get((protocol, field))
    if found is not None:
        return found
    if protocol in _OF_NETWORK:
        return Opaque(f"{protocol} {field}", _OF_NETWORK[protocol])
    if protocol in _OF_TCP or protocol in _OF_LINK:
        return Opaque(f"{protocol} {field}")
    return Absent()


def _conntrack(inner: Mapping[str, Any]) -> Left:
    name, direction = inner["key"], inner.get("dir")
    if direction == "original":
        return _CT_ORIGINAL.get(name) or Opaque(f"ct original {name}")
    if direction is None and name in _CT:
        return _CT[name]
    return Opaque(f"ct {direction + ' ' if direction else ''}{name}")


def _masked(left: Left, mask: Any) -> Left:
    if isinstance(left, Fixed):
        bits = flags(mask, left.names)
        return Opaque("a mask of unknown form", left.family) if bits is None else left._replace(mask=bits)
    if isinstance(left, Key) and left.name in ("mark", "ctmark", "dport", "oport", "ctstatus", "ctstate"):
        bits = flags(mask, NAMES.get(left.name, NO_NAMES))
        if bits is not None and left.mask == -1:
            return left._replace(mask=bits)
    if isinstance(left, Key):
        return Opaque(f"{left.name} & {mask}", left.family)
    return left


def flags(item: Any, names: Mapping[Any, int]) -> Optional[int]:
    """Return the number that *item* stands for: a number, a flag's name, or several that are or-ed."""
    if isinstance(item, bool):
        return int(item)
    if isinstance(item, int):
        return names.get(item, item)
    if isinstance(item, str):
        return names.get(item)
    if isinstance(item, dict) and len(item) == 1 and "|" in item:
        item = item["|"]
    if isinstance(item, list):
        parts = [flags(part, names) for part in item]
        total = 0
        for part in parts:
            if part is None:
                return None
            total |= part
        return total
    return None
