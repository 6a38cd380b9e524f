# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nft's JSON listing as chains and rules. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Iterable, List, Mapping, Optional, Set, Tuple

from . import nft_nat
from .facts import Facts
from .model import COPIED, Chain, Divert, Key, Match, Notrack, Rewrite, Rule, SetMark, Step, Unknown, Verdict, Vmap
from .nft_keys import Absent, Fixed, Opaque, left_of
from .nft_match import Sets, Unreadable, keys_of, lefts_of, match, read_elements, reader

FAMILIES = ("ip", "ip6", "inet", "netdev")
ChainKey = Tuple[str, str, str, str]
_VERDICTS = ("accept", "drop", "return", "jump", "goto", "continue")
# These count, log, or concern later packets of the connection only.
_WITHOUT_EFFECT = frozenset(
    ("counter", "log", "last", "ct helper", "ct timeout", "ct expectation", "secmark", "comment", "tunnel")
)
_TABLE_FLAGS = ("dormant", "owner", "persist")
_TRACKING = ("ct helper", "ct timeout", "ct expectation", "ct count", "connlimit", "synproxy", "flow")
_NAT = ("dnat", "redirect", "snat", "masquerade")
_NEVER = Match((), (), (), False)
_STEPS: Dict[str, Step] = {
    "reject": Verdict("drop"),
    "queue": Verdict("queue"),
    "fwd": Verdict("stolen"),
    "notrack": Notrack(),
    "tproxy": Divert("tproxy"),
    "synproxy": Divert("synproxy"),
    # The kernel takes confirmed connections only into a flow table, and ends the rule for others.
    "flow": _NEVER,
    "limit": Unknown("limit"),
    "quota": Unknown("quota"),
    "ct count": Unknown("ct count"),
    "connlimit": Unknown("ct count"),
    "meter": Unknown("meter"),
}
# What is not in every packet or at every hook.
_PERHAPS_ABSENT = ("payload", "exthdr", "socket", "rt", "fib", "osf", "ipsec")
_OF_LINK = ("ether", "vlan", "8021q", "8021ad", "arp")
_TEXT_TRACKS = re.compile(r"\b(?:ct|dnat|snat|masquerade|redirect|synproxy)\b")
_TEXT_CHANGES = re.compile(r"\b(?:set|dnat|snat|masquerade|redirect|tproxy|synproxy|fwd)\b")
_TEXT_ADDS = re.compile(r"\b(?:add|update) @(\S+)")
_DEVICE = re.compile(
    r"^table (\S+) (\S+) \{|^\tchain (\S+) \{|^\t\ttype \S+ hook (?:ingress|egress) devices? = ?(\{[^}]*\}|\S+)"
    r"|^\t\ttype \S+ hook (?:ingress|egress) device (\S+)",
    re.MULTILINE,
)


def read(listing: str, chains_text: str, facts: Facts, heads: str = "") -> Dict[ChainKey, Chain]:
    """Return the chains of *listing*, the output of `nft -j list ruleset`, whose rules can meet a routed TCP packet.

    Raises ValueError when it is not such a listing.
    """
    objects = _objects(listing)
    devices = _devices(chains_text)
    sets = Sets(facts)
    chains: Dict[ChainKey, Chain] = {}
    rules: List[Mapping[str, Any]] = []
    sleeping: Dict[Tuple[str, str], Optional[bool]] = {}
    for item in objects:
        for kind, body in item.items():
            if kind == "table" and body.get("flags"):
                sleeping[body["family"], body["name"]] = _sleeps(body, heads)
            elif kind == "rule":
                if body["family"] in FAMILIES:
                    rules.append(body)
            elif kind == "chain" and body["family"] in FAMILIES:
                chain = _chain(body, devices)
                chain.sleeps = sleeping.get((chain.family, chain.table), False)
                chains["nft", chain.family, chain.table, chain.name] = chain
            elif kind in ("set", "map"):
                sets.add(body["family"], body["table"], body["name"], body.get("elem") or [])
            elif kind == "element":
                raise ValueError("this is not the output of nft -j list ruleset, which has elements inside their sets")
    for body in rules:
        for name in _changed_sets(body["expr"]):
            sets.changing(body["family"], body["table"], name, "rules change")
    reader = _Reader(sets)
    for body in rules:
        owner = chains.get(("nft", body["family"], body["table"], body["chain"]))
        if owner is not None:
            owner.rules.append(reader.rule(owner, body))
    return chains


def _objects(listing: str) -> List[Dict[str, Any]]:
    try:
        objects = json.loads(listing)["nftables"]
    except (ValueError, KeyError, TypeError):
        objects = None
    if not isinstance(objects, list):
        raise ValueError("this is not the output of nft -j list ruleset")
    return objects


def _chain(body: Mapping[str, Any], devices: Mapping[Tuple[str, str, str], Tuple[str, ...]]) -> Chain:
    chain = Chain(body["family"], body["table"], body["name"])
    if "hook" in body:
        chain.hook, chain.kind, chain.prio = body["hook"], body["type"], int(body["prio"])
        chain.policy = body.get("policy", "accept")
        if chain.hook == "egress" or chain.hook == "ingress":
            named = body.get("dev")
            if named is None:
                chain.device = devices.get((chain.family, chain.table, chain.name))
            else:
                chain.device = (named,) if isinstance(named, str) else tuple(named)
    return chain


def _sleeps(body: Mapping[str, Any], heads: str) -> Optional[bool]:
    """Whether a table with flags is dormant. nft 1.0.6 and its like write garbage for flags in JSON."""
    flags = [body["flags"]] if isinstance(body["flags"], str) else list(body["flags"])
    if all(flag in _TABLE_FLAGS for flag in flags):
        return "dormant" in flags
    place = f"{body['family']} {re.escape(body['name'])}"
    head = re.search(rf"^table {place} \{{[^\n]*\n\tflags ([^\n]*)", heads, re.MULTILINE)
    return "dormant" in head.group(1) if head else None


def flagged(listing: str) -> List[Tuple[str, str]]:
    """Return family and name of the tables whose flags this *listing* does not tell."""
    if '"flags"' not in listing:
        return []
    bodies = [item["table"] for item in _objects(listing) if "table" in item]
    return [(b["family"], b["name"]) for b in bodies if b.get("flags") and _sleeps(b, "") is None]


def _devices(text: str) -> Dict[Tuple[str, str, str], Tuple[str, ...]]:
    """The devices of netdev chains, from `nft list chains`."""
    found: Dict[Tuple[str, str, str], Tuple[str, ...]] = {}
    table = chain = ("", "")
    for place in _DEVICE.finditer(text):
        family, name, in_chain, several, one = place.groups()
        if family:
            table = (family, name)
        elif in_chain:
            chain = (in_chain, "")
        else:
            words = re.findall(r'[^\s{},"]+', several or one)
            found[(*table, chain[0])] = tuple(words)
    return found


def _changed_sets(expressions: Iterable[Any]) -> Set[str]:
    found = set()
    for item in expressions:
        if isinstance(item, str):
            found.update(_TEXT_ADDS.findall(item))
            continue
        for kind in ("set", "map"):
            if kind in item and isinstance(item[kind], dict) and "op" in item[kind]:
                found.add(str(item[kind].get(kind, item[kind].get("set", ""))).lstrip("@"))
        if "meter" in item:
            found.add(str(item["meter"].get("name", "")))
    return found


class _Reader:
    """Reads rules, with the sets they may look at."""

    def __init__(self, sets: Sets) -> None:
        self._sets = sets

    def rule(self, chain: Chain, body: Mapping[str, Any]) -> Rule:
        """Return the rule *body* of the JSON. Steps after one that never lets a packet go on are left out."""
        place = (chain.family, chain.table)
        steps: List[Step] = []
        for item in body["expr"]:
            if isinstance(item, str):
                chain.tracks = chain.tracks or bool(_TEXT_TRACKS.search(item))
                steps.extend(_text(item))
                break
            ((kind, inner),) = item.items()
            if kind == "match":
                found = match(inner, self._sets, place)
                if found is False:
                    steps.append(_NEVER)
                    break
                if found is not True:
                    steps.append(found)
            elif kind in _VERDICTS:
                if kind != "continue":
                    steps.append(Verdict(kind, inner["target"] if inner else ""))
                break
            else:
                if kind != "vmap" and kind not in _NAT:
                    steps.extend(self._needs(inner, place))
                chain.tracks = chain.tracks or kind in _TRACKING or (kind == "mangle" and "ct" in inner["key"])
                if kind in _STEPS or (kind not in _TRACKING and kind not in _WITHOUT_EFFECT):
                    steps.extend(self._other(kind, inner, place))
        return Rule(chain, body.get("handle"), body["expr"], tuple(steps))

    def _other(self, kind: str, inner: Any, place: Tuple[str, str]) -> Iterable[Step]:
        if kind in _STEPS:
            return (_STEPS[kind],)
        if kind == "vmap":
            return self._vmap(inner, place)
        if kind == "mangle":
            return nft_nat.mangle(inner, self._sets, place)
        if kind in _NAT:
            return (nft_nat.nat(kind, inner, self._sets, place),)
        if kind in ("set", "map"):
            # Adding to a set that is full, or beyond a limit in the element, ends the rule.
            return () if inner.get("op") == "delete" else (Unknown("adding to a set"),)
        if kind == "xt":
            return (_xtables(inner),)
        if kind == "dup":
            return COPIED
        return (Unknown(f"statement {kind}"),)

    def _needs(self, inner: Any, place: Tuple[str, str]) -> Iterable[Step]:
        """What a statement looks at must be there, the element of a map too, or the kernel ends the rule."""
        if isinstance(inner, list):
            return [step for part in inner for step in self._needs(part, place)]
        if not isinstance(inner, dict):
            return ()
        steps: List[Step] = []
        for kind, body in inner.items():
            if kind in _PERHAPS_ABSENT and isinstance(body, dict):
                left = left_of({kind: body})
                if isinstance(left, Absent):
                    return (_NEVER,)
                if isinstance(left, (Key, Fixed, Opaque)) and left.family:
                    steps.append(Match((Key("family", left.family),), ((((4, 6),),),)))
                elif kind != "payload" or body.get("protocol") in _OF_LINK:
                    steps.append(Unknown(f"whether there is a {kind}"))
                continue
            if kind == "map" and isinstance(body, dict) and "key" in body:
                steps.extend(self._element_of(body, place))
            steps.extend(self._needs(body, place))
        return steps

    def _element_of(self, body: Mapping[str, Any], place: Tuple[str, str]) -> Iterable[Step]:
        lefts = lefts_of(body["key"])
        pairs, changes = self._pairs(body["data"], place)
        try:
            if changes:
                raise Unreadable(changes)
            sure, soft = read_elements(lefts, [value for value, _data in pairs], self._sets.facts)
        except Unreadable as error:
            return [Unknown(f"a map ({error})")]
        return [Match(keys_of(lefts), tuple(sure), tuple(soft))]

    def _pairs(self, data: Any, place: Tuple[str, str]) -> Tuple[List[Any], str]:
        """The elements of a map, and why its content is not fixed, empty when it is."""
        if isinstance(data, str):
            return self._sets.get(*place, data[1:])
        return data["set"], ""

    def _vmap(self, body: Mapping[str, Any], place: Tuple[str, str]) -> Iterable[Step]:
        lefts = lefts_of(body["key"])
        data = body["data"]
        pairs, changes = self._pairs(data, place)
        elements = []
        read = reader(lefts, self._sets.facts)
        try:
            for value, words in pairs:
                item = read(value)
                if item is not None:
                    elements.append((item[0], _verdict(words), not item[1]))
        except Unreadable as error:
            return [Unknown(f"a verdict map of unknown form ({error})"), Verdict("queue")]
        if changes:
            return [Unknown(f"verdict map {data}, which {changes}"), Verdict("queue")]
        return [Vmap(keys_of(lefts), tuple(elements))]


def _text(text: str) -> Iterable[Step]:
    """What nft shows as text only, such as a chain without a name: it may do what its words tell, or not."""
    steps: List[Step] = [Unknown("a chain without a name" if "{" in text else f"statement {text}")]
    if _TEXT_CHANGES.search(text):
        steps += [Rewrite(field, None) for field in ("src", "dst", "dport")]
        steps += [SetMark(which, "unknown", 0, 0) for which in ("mark", "ctmark")]
    if "notrack" in text:
        steps.append(Notrack())
    return [*steps, Vmap((), tuple(((), Verdict(name), True) for name in ("accept", "drop", "return")))]


def _verdict(words: Mapping[str, Any]) -> Verdict:
    ((kind, inner),) = words.items()
    if kind == "queue":
        return Verdict("queue")
    return Verdict(kind, inner["target"] if inner else "")


def _xtables(body: Optional[Mapping[str, Any]]) -> Step:
    words = f"{body.get('type', '')} {body.get('name', '')}".strip() if body else "extension"
    if body and body.get("type") == "target" and body.get("name") in ("LOG", "NFLOG", "TRACE", "AUDIT", "TCPMSS"):
        return Rewrite("other", None)
    if body and body.get("type") == "match" and body.get("name") == "comment":
        return Rewrite("other", None)
    return Unknown(f"xtables {words}")


def uses_xtables(listing: str) -> Set[Tuple[str, str]]:
    """Return family and name of the tables in *listing* in which iptables-nft wrote what only iptables-save shows."""
    if '"xt"' not in listing:
        return set()
    found = set()
    for item in _objects(listing):
        body = item.get("rule")
        if body and any("xt" in part for part in body["expr"] if isinstance(part, dict)):
            found.add((body["family"], body["table"]))
    return found


def needs_devices(listing: str) -> bool:
    """Whether *listing* has chains of devices without saying which, as older nft print it."""
    if '"ingress"' not in listing and '"egress"' not in listing:
        return False
    bodies = [item["chain"] for item in _objects(listing) if "chain" in item]
    return any(body.get("hook") in ("ingress", "egress") and "dev" not in body for body in bodies)
