# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Targets as iptables-save writes them. Pure."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from .addresses import address, masked
from .iptables_match import Tokens, mark_and_mask, ports
from .model import COPIED, MARK_TOP, PORT_TOP, TOP, Divert, Nat, Notrack, SetMark, Step, Target, Unknown, Verdict
from .spans import Spans

_VERDICTS = {
    "ACCEPT": "accept",
    "DROP": "drop",
    "REJECT": "drop",
    "RETURN": "return",
    "NFQUEUE": "queue",
    "QUEUE": "queue",
}
# They count, log, or change fields that no rule here looks at.
_WITHOUT_EFFECT = frozenset(
    (
        "LOG",
        "NFLOG",
        "ULOG",
        "TRACE",
        "AUDIT",
        "TCPMSS",
        "TCPOPTSTRIP",
        "CLASSIFY",
        "DSCP",
        "TOS",
        "TTL",
        "HL",
        "CHECKSUM",
        "SECMARK",
        "CONNSECMARK",
        "IDLETIMER",
        "LED",
        "RATEEST",
        "ECN",
        "SET",
    )
)


# It changes nothing, and needs connection tracking.
_TRACKED = SetMark("ctmark", "ctmark", MARK_TOP, 0)


def target(name: str, tokens: Tokens, version: int, hook: str) -> List[Step]:
    """Return what the target *name* with the options in *tokens* does, as steps."""
    if name in _VERDICTS:
        return [Verdict(_VERDICTS[name])]
    if name in _WITHOUT_EFFECT:
        return []
    options = _options(tokens)
    if name == "MARK":
        return [_marked("mark", options)]
    if name == "CONNMARK":
        return [_connmark(options)]
    if name in ("NOTRACK", "CT"):
        return [Notrack()] if name == "NOTRACK" or "--notrack" in options else [_TRACKED]
    if name == "TEE":
        return list(COPIED)
    if name == "TPROXY":
        steps: List[Step] = [Divert("tproxy", drops=True)]
        if "--tproxy-mark" in options:
            value, mask = mark_and_mask(options["--tproxy-mark"])
            steps.append(SetMark("mark", "mark", ~mask & MARK_TOP, value))
        return [*steps, Verdict("accept")]
    if name == "SYNPROXY":
        return [Divert("synproxy", drops=True), Verdict("accept")]
    if name in ("DNAT", "REDIRECT", "SNAT", "MASQUERADE", "NETMAP"):
        return [Nat(_nat(name, options, version, hook))]
    return [Unknown(f"target {name}"), Verdict("queue")]


def _options(tokens: Tokens) -> Dict[str, str]:
    found = {}
    while tokens:
        tokens.negation()
        word = tokens.next()
        found[word] = " ".join(tokens.values())
    return found


def _marked(which: str, options: Dict[str, str]) -> SetMark:
    for option, keeps in (("--set-xmark", False), ("--set-mark", True)):
        if option in options:
            value, mask = mark_and_mask(options[option])
            # set-mark clears the mask's bits and sets the value's; set-xmark clears, then flips.
            cleared = mask | value if keeps else mask
            return SetMark(which, which, ~cleared & MARK_TOP, value)
    for option in ("--and-mark", "--or-mark", "--xor-mark"):
        if option in options:
            value = mark_and_mask(options[option])[0]
            keep = {"--and-mark": value, "--or-mark": ~value & MARK_TOP, "--xor-mark": MARK_TOP}[option]
            return SetMark(which, which, keep, 0 if option == "--and-mark" else value)
    return SetMark(which, "unknown", 0, 0)


def _connmark(options: Dict[str, str]) -> SetMark:
    save, restore = "--save-mark" in options, "--restore-mark" in options
    if not save and not restore:
        return _marked("ctmark", options)
    nf = mark_and_mask(options.get("--nfmask") or options.get("--mask") or "0xffffffff")[0]
    ct = mark_and_mask(options.get("--ctmask") or options.get("--mask") or "0xffffffff")[0]
    if save:
        return SetMark("ctmark", "mark", nf, 0, "ctmark", ~ct & MARK_TOP)
    return SetMark("mark", "ctmark", ct, 0, "mark", ~nf & MARK_TOP)


def _nat(name: str, options: Dict[str, str], version: int, hook: str) -> Target:
    everywhere: Spans = ((0, TOP[version]),)
    if name in ("REDIRECT", "MASQUERADE"):
        text = options.get("--to-ports", "")
        return Target(name.lower(), version, None, _ports(text) if text else None)
    if name == "NETMAP":
        kind = "dnat" if hook in ("prerouting", "output") else "snat"
        return Target(kind, version, masked(options["--to"])[1] if "--to" in options else everywhere, None)
    kind, text = (
        ("dnat", options.get("--to-destination", "")) if name == "DNAT" else ("snat", options.get("--to-source", ""))
    )
    try:
        addresses, chosen = destination(text, version)
    except ValueError:
        addresses, chosen = everywhere, ((0, PORT_TOP),)
    if "--random" in options and kind == "dnat" and chosen is not None and chosen[0][0] == chosen[-1][1]:
        chosen = ((0, PORT_TOP),)
    return Target(kind, version, addresses, chosen)


def _ports(text: str) -> Spans:
    try:
        return ports(text.partition("/")[0].replace("-", ":"))
    except ValueError:
        return ((0, PORT_TOP),)


def destination(text: str, version: int) -> Tuple[Optional[Spans], Optional[Spans]]:
    """Return addresses and ports of a DNAT destination: "10.0.0.1-10.0.0.9:25-30", "[fd00::1]:25", ":25"."""
    if version == 6:
        where, port = text, ""
        if text.startswith("["):
            where, _bracket, rest = text[1:].partition("]")
            port = rest.lstrip(":")
    else:
        where, _colon, port = text.partition(":")
    where = where.replace("[", "").replace("]", "")
    addresses: Optional[Spans] = None
    if where:
        low, _dash, high = where.partition("-")
        addresses = ((address(low)[1], address(high or low)[1]),)
    return addresses, _ports(port) if port else None
