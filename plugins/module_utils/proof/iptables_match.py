# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Matches as iptables-save writes them. Pure."""

from __future__ import annotations

from typing import Callable, Dict, List, Sequence, Tuple, Union

from .addresses import address, masked
from .ipset_read import IpSets
from .model import MARK_TOP, PORT_TOP, Key, Match, Unknown
from .nft_keys import CT_STATES, CT_STATUS, PROTOCOLS, TCP_FLAGS
from .spans import Span, Spans, normal

Result = Union[bool, Match, Unknown]
"""What a match comes to: always true, never true, or to be decided for each packet."""

_SYN = TCP_FLAGS["syn"]
_TCP = 6


class Tokens:
    """The words of a rule, read one after the other."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = list(words)
        self._at = 0
        self.module = ""

    def __bool__(self) -> bool:
        return self._at < len(self._words)

    def next(self) -> str:
        """Return the next word, empty at the end."""
        self._at += 1
        return self._words[self._at - 1] if self._at <= len(self._words) else ""

    def negation(self) -> bool:
        """Take an exclamation mark, if one is next, and return whether it was."""
        if self and self._words[self._at] == "!":
            self._at += 1
            return True
        return False

    def values(self) -> List[str]:
        """Take the words up to the next option."""
        found = []
        while self and not self._words[self._at].startswith("-") and self._words[self._at] != "!":
            found.append(self.next())
        return found

    def has(self, option: str) -> bool:
        """Whether *option* comes later."""
        return option in self._words[self._at :]


def match(word: str, negated: bool, tokens: Tokens, version: int, sets: IpSets) -> Result:
    """Return what the option *word* with its values comes to."""
    if word in ("-m", "--match"):
        tokens.module = tokens.next()
        if tokens.module == "rpfilter":
            return _reverse_path(tokens)
        if tokens.module in _HEADERS:
            tokens.values()
            return False
        if tokens.module in _BARE:
            tokens.values()
            return Unknown(tokens.module)
        return True
    if tokens.module in _HEADERS:
        tokens.values()
        return True  # that the header is not there has decided already
    known = _OPTIONS.get((tokens.module, word)) or _OPTIONS.get(("", word))
    if known is not None:
        return known(tokens, negated, version)
    if tokens.module == "set" and word == "--match-set":
        name, sides = tokens.next(), tokens.next()
        if any(tokens.has(option) for option in _COUNTING):
            return Unknown(f"set {name} with counters")
        return sets.match(name, sides.split(","), version, negated)
    tokens.values()
    if (tokens.module, word) in _HARMLESS:
        return True
    return Unknown(tokens.module or word)


def _addresses(name: str) -> Callable[[Tokens, bool, int], Result]:
    def read(tokens: Tokens, negated: bool, version: int) -> Result:
        found: List[Span] = []
        for text in tokens.next().split(","):
            try:
                family, spans = masked(text)
            except ValueError as error:
                return Unknown(str(error))
            found += spans if family == version else ()
        return Match((Key(name, version),), ((normal(found),),), (), negated)

    return read


def _interface(name: str) -> Callable[[Tokens, bool, int], Result]:
    def read(tokens: Tokens, negated: bool, version: int) -> Result:
        del version
        text = tokens.next()
        pattern = f"{text[:-1]}*" if text.endswith("+") else text
        return Match((Key(name),), (((pattern,),),), (), negated)

    return read


def _protocol(tokens: Tokens, negated: bool, version: int) -> Result:
    del version
    text = tokens.next().lower()
    if text in ("all", "0"):
        return not negated
    number = int(text) if text.isdigit() else PROTOCOLS.get(text, -1)
    return (number == _TCP) != negated


def _fragment(tokens: Tokens, negated: bool, version: int) -> Result:
    del tokens, version
    return negated


def ports(text: str) -> Spans:
    """Return the ports in *text*: "25", "25:587" or "25,465:587". Raises ValueError for a name."""
    found = []
    for part in text.split(","):
        low, colon, high = part.partition(":")
        found.append((int(low or 0), int(high or PORT_TOP) if colon else int(low)))
    return normal(found)


def _ports(*names: str) -> Callable[[Tokens, bool, int], Result]:
    def read(tokens: Tokens, negated: bool, version: int) -> Result:
        del version
        text = tokens.next()
        try:
            wanted = ports(text)
        except ValueError:
            return Unknown(f"port {text}")
        if len(names) == 1:
            return Match((Key(names[0]),), ((wanted,),), (), negated)
        # Either port: the source port is the sender's choice.
        return Match((Key("dport"),), ((wanted,),), ((((0, PORT_TOP),),),), negated)

    return read


def _range(name: str) -> Callable[[Tokens, bool, int], Result]:
    def read(tokens: Tokens, negated: bool, version: int) -> Result:
        low, _dash, high = tokens.next().partition("-")
        spans: Spans = ((address(low)[1], address(high or low)[1]),)
        return Match((Key(name, version),), ((spans,),), (), negated)

    return read


def _flag_bits(text: str) -> int:
    if text == "ALL":
        return 0x3F
    return sum(TCP_FLAGS[word.lower()] for word in text.split(",") if word not in ("NONE", ""))


def _tcp_flags(tokens: Tokens, negated: bool, version: int) -> Result:
    del version
    mask, wanted = _flag_bits(tokens.next()), _flag_bits(tokens.next())
    return (_SYN & mask == wanted) != negated


def _syn(tokens: Tokens, negated: bool, version: int) -> Result:
    del tokens, version
    return not negated


def _states(tokens: Tokens, negated: bool, version: int) -> Result:
    del version
    states: List[Span] = []
    status = 0
    for word in tokens.next().lower().split(","):
        if word in CT_STATES:
            states.append((CT_STATES[word],) * 2)
        elif word in ("dnat", "snat"):
            status |= CT_STATUS[word]
    if not status:
        return Match((Key("ctstate"),), ((normal(states),),), (), negated)
    if states:
        return Unknown("conntrack states and NAT in one match")
    return Match((Key("ctstatus", 0, status),), ((((1, status),),),), (), negated)


def _status(tokens: Tokens, negated: bool, version: int) -> Result:
    del version
    bits = 0
    for word in tokens.next().lower().split(","):
        name = {"seen_reply": "seen-reply", "none": ""}.get(word, word)
        if name not in CT_STATUS:
            return Unknown(f"conntrack status {word}")
        bits |= CT_STATUS[name]
    return Match((Key("ctstatus", 0, bits),), ((((1, bits),),),), (), negated)


def _direction(tokens: Tokens, negated: bool, version: int) -> Result:
    del version
    wanted = 0 if tokens.next().upper() == "ORIGINAL" else 1
    return Match((Key("ctdir"),), ((((wanted, wanted),),),), (), negated)


def mark_and_mask(text: str) -> Tuple[int, int]:
    """Return value and mask of "0x5/0xff"."""
    value, _slash, mask = text.partition("/")
    return int(value, 0) & MARK_TOP, int(mask, 0) & MARK_TOP if mask else MARK_TOP


def _mark(name: str) -> Callable[[Tokens, bool, int], Result]:
    def read(tokens: Tokens, negated: bool, version: int) -> Result:
        del version
        value, mask = mark_and_mask(tokens.next())
        return Match((Key(name, 0, mask),), ((((value, value),),),), (), negated)

    return read


def _type(name: str) -> Callable[[Tokens, bool, int], Result]:
    def read(tokens: Tokens, negated: bool, version: int) -> Result:
        del version
        limited = tokens.has("--limit-iface-in") or tokens.has("--limit-iface-out")
        words = tuple(word.lower() for word in tokens.next().split(","))
        return Match((Key(name, 0, 0 if limited else -1),), ((words,),), (), negated)

    return read


def _packet_type(tokens: Tokens, negated: bool, version: int) -> Result:
    del version
    return (tokens.next().lower() in ("unicast", "host")) != negated


def _comment(tokens: Tokens, negated: bool, version: int) -> Result:
    del negated, version
    tokens.next()
    return True


def _reverse_path(tokens: Tokens) -> Result:
    loose, inverted = tokens.has("--loose"), tokens.has("--invert")
    return Unknown("rpfilter") if loose else Match((Key("reverse"),), ((((1, 1),),),), (), inverted)


_OPTIONS: Dict[Tuple[str, str], Callable[[Tokens, bool, int], Result]] = {
    ("", "-s"): _addresses("src"),
    ("", "-d"): _addresses("dst"),
    ("", "-i"): _interface("iif"),
    ("", "-o"): _interface("oif"),
    ("", "-p"): _protocol,
    ("", "-f"): _fragment,
    ("tcp", "--sport"): _ports("sport"),
    ("tcp", "--dport"): _ports("dport"),
    ("tcp", "--tcp-flags"): _tcp_flags,
    ("tcp", "--syn"): _syn,
    ("multiport", "--sports"): _ports("sport"),
    ("multiport", "--dports"): _ports("dport"),
    ("multiport", "--ports"): _ports("dport", "sport"),
    ("iprange", "--src-range"): _range("src"),
    ("iprange", "--dst-range"): _range("dst"),
    ("conntrack", "--ctstate"): _states,
    ("state", "--state"): _states,
    ("conntrack", "--ctstatus"): _status,
    ("conntrack", "--ctdir"): _direction,
    ("conntrack", "--ctproto"): _protocol,
    ("conntrack", "--ctorigsrc"): _addresses("osrc"),
    ("conntrack", "--ctorigdst"): _addresses("odst"),
    ("conntrack", "--ctorigdstport"): _ports("oport"),
    ("mark", "--mark"): _mark("mark"),
    ("connmark", "--mark"): _mark("ctmark"),
    ("addrtype", "--src-type"): _type("srctype"),
    ("addrtype", "--dst-type"): _type("dsttype"),
    ("pkttype", "--pkt-type"): _packet_type,
    ("comment", "--comment"): _comment,
}
_HARMLESS = {
    ("rpfilter", "--invert"),
    ("rpfilter", "--loose"),
    ("rpfilter", "--validmark"),
    ("rpfilter", "--accept-local"),
    ("addrtype", "--limit-iface-in"),
    ("addrtype", "--limit-iface-out"),
    ("set", "--return-nomatch"),
}
_COUNTING = (
    "--packets-eq",
    "--packets-lt",
    "--packets-gt",
    "--bytes-eq",
    "--bytes-lt",
    "--bytes-gt",
)
# They look into headers that the packet does not have: it is plain TCP.
_HEADERS = ("hbh", "dst", "frag", "rt", "ah", "esp")
# Matches that may stand without any option.
_BARE = (
    "socket",
    "statistic",
    "ipvs",
    "nfacct",
    "cluster",
    "eui64",
)
