# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Ruleset as nft's text: one table of our own, replaced whole in one transaction. Pure.

The rules for SMTP are stateless. They look at the destination port of every TCP packet, so the first load needs no
connection tracking and cannot freeze the session that loads it, and an established SMTP connection that is not allowed
any more is cut. Only packets whose destination port is declared are blocked, and fragments made to hide it: no other
service can be cut, unless lockdown is asked for.
"""

from __future__ import annotations

import hashlib
import re
from typing import Dict, List, NamedTuple, Tuple

from ..managed_file import MARK
from . import lockdown, management, maps
from .hooks import HOOKS, loopback
from .model import LogLine, Ruleset

TABLE = "alertpath"
# While a change waits for its confirmation, the rules before it stand in a table of this name.
BEFORE = "alertpath_before"
# The set whose elements keep such a change in force until they expire.
ARMED = "armed"
# The first chain also carries the digest: nft lists chains without reading the elements of maps.
DIGEST_CHAIN = "output"
DIGEST_MARK = "alertpath rules "

# A first fragment that ends before the ports hides them from every rule, and later fragments carry none. No ordinary
# sender makes such a packet, and RFC 7112 (section 5) lets hosts and routers discard it. In IPv4 the kernel has put
# a packet for this host together before the input hook.
_HIDDEN = [
    "\tchain hidden {",
    '\t\tiifname "lo" return',
    "\t\tmeta l4proto != tcp return",
    "\t\ttcp dport 0-65535 return",
    "\t\tcounter drop",
    "\t}",
]
_FRAGMENTS = ["\t\tip frag-off & 0x3fff == 0x2000 jump hidden", "\t\tfrag frag-off 0 jump hidden"]
_REPLACE = "".join(f"table inet {name} {{\n}}\ndelete table inet {name}\n" for name in (TABLE, BEFORE))
_TYPES = {4: "ipv4_addr", 6: "ipv6_addr"}
_FAMILIES = {4: "ip", 6: "ip6"}
_ANSWERS = {
    "reset": " reject with tcp reset",
    "admin-prohibited": " reject with icmpx type admin-prohibited",
    "drop": " drop",
}
# A comment holds 128 bytes at most (libnftnl, NFTNL_UDATA_COMMENT_MAXLEN).
_COMMENT_LENGTH = 120


class Rendered(NamedTuple):
    """The text to load, the table in it, the digest it carries, and how many elements its maps hold."""

    text: str
    table: str
    digest: str
    elements: int


def tables(ruleset: Ruleset) -> Dict[str, List[maps.VerdictMap]]:
    """Return the verdict maps of each governed direction, in the order of their lookup."""
    return {direction: maps.build(direction, rules) for direction, rules in ruleset.directions().items()}


def render(ruleset: Ruleset) -> Rendered:
    """Return *ruleset* as a transaction that replaces the table. The same rules give the same text, in any order."""
    directions = tables(ruleset)
    managed = None if ruleset.management is None else lockdown.tables(ruleset.management)
    lines = [line for name in _counters(ruleset) for line in (f"\tcounter {name} {{", "\t}")]
    for found in directions.values():
        lines += [line for verdicts in found for line in _map(verdicts, "inet_service")]
    for (_direction, protocol), found in (managed or {}).items():
        lines += [line for verdicts in found for line in _map(verdicts, lockdown.map_type(protocol, verdicts.version))]
    for direction, found in directions.items():
        lines += _governed(direction, found, ruleset)
    if managed is not None:
        lines += lockdown.chains(managed, directions, {name: _denial(name, ruleset) for name in directions})
    ports = ", ".join(map(str, ruleset.ports))
    lines += _HIDDEN
    for direction, found in directions.items():
        lines += _base(direction, found, ports, locked=managed is not None and direction != "forward")
    body = "\n".join(lines)
    digest = hashlib.sha256(body.encode()).hexdigest()
    marked = body.replace(f"\tchain {DIGEST_CHAIN} {{\n", f"\tchain {DIGEST_CHAIN} {{\n\t\t{mark(digest)}\n", 1)
    table = f"table inet {TABLE} {{\n{marked}\n}}\n"
    count = sum(
        len(verdicts.elements) for found in (*directions.values(), *(managed or {}).values()) for verdicts in found
    )
    return Rendered(f"# {MARK}\n{replacing(table)}", table, digest, count)


def mark(digest: str) -> str:
    """Return the comment by which a table says which rules it was loaded from."""
    return f'comment "{DIGEST_MARK}{digest}"'


def replacing(table: str) -> str:
    """Return *table*, the listing of our table, as a transaction that puts it in place of whatever is ours."""
    return _REPLACE + table


def removing() -> str:
    """Return the transaction after which our table is not there, whether it was or not."""
    return _REPLACE


def _counters(ruleset: Ruleset) -> List[str]:
    denied = () if ruleset.management is None else management.DIRECTIONS
    return [*(f"blocked_{name}" for name in ruleset.directions()), *(f"denied_{name}" for name in denied)]


def _room(elements: int) -> int:
    """A size by which the kernel chooses a hash of fixed buckets, which costs a packet less than one that grows. It has
    room for what is added by hand, and is a power of two, so that it seldom stands in a diff."""
    return 1 << max(6, (2 * elements - 1).bit_length())


def _map(verdicts: maps.VerdictMap, last: str) -> List[str]:
    address = _TYPES[verdicts.version]
    lines = [f"\tmap {verdicts.name} {{", f"\t\ttype {address} . {address} . {last} : verdict"]
    lines.append("\t\tflags interval" if verdicts.interval else f"\t\tsize {_room(len(verdicts.elements))}")
    comments: Dict[Tuple[str, ...], str] = {}
    elements = []
    for source, destination, port, paths in verdicts.elements:
        comment = comments.get(paths)
        if comment is None:
            comment = comments[paths] = _comment(paths)
        elements.append(f"\t\t\t{source.text} . {destination.text} . {port}{comment} : accept")
    return [*lines, "\t\telements = {", ",\n".join(elements), "\t\t}", "\t}"]


def _comment(paths: Tuple[str, ...]) -> str:
    # nft has no way to write a quotation mark inside a string, so unusual characters are replaced.
    words = " ".join(re.sub(r"[^A-Za-z0-9_.:/+-]", "_", path) for path in paths)[:_COMMENT_LENGTH].rstrip()
    return f' comment "{words}"' if words else ""


def _lookups(found: List[maps.VerdictMap], interval: bool) -> List[str]:
    families = {verdicts.name: _FAMILIES[verdicts.version] for verdicts in found if verdicts.interval == interval}
    return [f"\t\t{ip} saddr . {ip} daddr . tcp dport vmap @{name}" for name, ip in families.items()]


def _governed(direction: str, found: List[maps.VerdictMap], ruleset: Ruleset) -> List[str]:
    lines = [f"\tchain smtp_{direction} {{", *_lookups(found, interval=True), *loopback(direction)]
    if ruleset.log:
        lines.append("\t\t" + _log(f"blocked {direction}", ruleset.log))
    lines.append(f'\t\tcounter name "blocked_{direction}"{_ANSWERS[ruleset.blocked]}')
    return [*lines, "\t}"]


def _denial(direction: str, ruleset: Ruleset) -> List[str]:
    """What ends a direction in lockdown. Only TCP can be answered by a reset; the rest gets ICMP's word instead."""
    lines = ["\t\t" + _log(f"denied {direction}", ruleset.log)] if ruleset.log else []
    lines.append(f'\t\tcounter name "denied_{direction}"')
    if ruleset.blocked == "reset":
        lines.append("\t\tmeta l4proto tcp reject with tcp reset")
    return [*lines, f"\t\t{_ANSWERS['drop' if ruleset.blocked == 'drop' else 'admin-prohibited'].strip()}"]


def _log(event: str, log: LogLine) -> str:
    group = "" if log.group is None else f" group {log.group}"
    return f'limit rate {log.rate} log prefix "alertpath {event}: "{group}'


def _base(direction: str, found: List[maps.VerdictMap], ports: str, locked: bool) -> List[str]:
    # One hash tells a packet of a path between two addresses at once. What it does not know takes the gate of the
    # ports, so that the rest of the host's traffic meets neither the networks nor a verdict.
    hook = HOOKS[direction]
    return [
        f"\tchain {hook} {{",
        f"\t\ttype filter hook {hook} priority filter; policy accept;",
        *(_FRAGMENTS if hook != "output" else []),
        *_lookups(found, interval=False),
        f"\t\ttcp dport {{ {ports} }} goto smtp_{direction}",
        *([f"\t\tgoto locked_{direction}"] if locked else []),
        "\t}",
    ]
