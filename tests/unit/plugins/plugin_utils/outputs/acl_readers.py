# SPDX-License-Identifier: GPL-3.0-or-later
"""Read ACLs back as the devices do, and decide with them: the first entry that matches wins."""

from __future__ import annotations

import ipaddress
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

NAMES = {"smtp": 25}


@dataclass(frozen=True)
class Point:
    """The first packet of a TCP connection, or of another protocol."""

    source: str
    destination: str
    port: int
    protocol: str = "tcp"

    @property
    def version(self) -> int:
        return ipaddress.ip_address(self.source).version


Decide = Callable[[Point], str]
"""`permit`, `deny`, or `none` when nothing matches."""


def _inside(address: str, networks: Iterable[Any]) -> bool:
    found = ipaddress.ip_address(address)
    return any(found.version == network.version and found in network for network in networks)


def first(entries: Iterable[tuple[Callable[[Point], bool], str]]) -> Decide:
    listed = list(entries)
    return lambda point: next((action for matches, action in listed if matches(point)), "none")


def ios(acls: Iterable[dict[str, str]]) -> Decide:
    """IOS, NX-OS, IOS XR and EOS: one list for each family, wildcard masks or prefixes."""
    lists = {
        acl["family"]: first(_line(line, wildcard=True) for line in _entries(acl["text"], r" (permit|deny) "))
        for acl in acls
    }
    return lambda point: lists[f"ipv{point.version}"](point)


def asa(acls: Iterable[dict[str, str]]) -> Decide:
    """ASA: one list for both families, netmasks."""
    (acl,) = acls
    prefix = rf"access-list {re.escape(acl['name'])} extended (?=permit|deny)"
    lines = [re.sub(prefix, "", line) for line in _entries(acl["text"], prefix)]
    return first(_line(line, wildcard=False) for line in lines)


def _entries(text: str, start: str) -> list[str]:
    """The entries; whatever else there is must be known to change nothing."""
    found = []
    for line in text.splitlines():
        if re.match(start, line):
            found.append(line)
        else:
            assert re.fullmatch(
                r"|!.*| remark .*|access-list \S+ remark .*|(no )?(ip|ipv[46]) access-list .*|exit|clear configure .*",
                line,
            ), line
    return found


def _line(line: str, wildcard: bool) -> tuple[Callable[[Point], bool], str]:
    words = line.split()
    action, protocol = words.pop(0), words.pop(0)
    assert action in ("permit", "deny")
    assert protocol in ("tcp", "ip", "ipv4", "ipv6")
    sources, destinations = _ios_networks(words, wildcard), _ios_networks(words, wildcard)
    port = None
    if words:
        assert words.pop(0) == "eq"
        port = NAMES.get(words[0]) or int(words[0])
        words.pop(0)
    assert not words, line
    return (
        lambda p: (
            protocol in (p.protocol, "ip", f"ipv{p.version}")
            and (sources is None or _inside(p.source, sources))
            and (destinations is None or _inside(p.destination, destinations))
            and port in (None, p.port)
        ),
        action,
    )


def _ios_networks(words: list[str], wildcard: bool) -> list[Any] | None:
    word = words.pop(0)
    if word == "any":
        return None
    if word == "host":
        return [ipaddress.ip_network(words.pop(0))]
    if "/" in word:
        return [ipaddress.ip_network(word)]
    mask = words.pop(0)
    if wildcard:
        mask = str(ipaddress.ip_address(0xFFFFFFFF - int(ipaddress.ip_address(mask))))
    return [ipaddress.ip_network(f"{word}/{mask}")]


Tree = dict[str, Any]


def junos(text: str) -> Tree:
    """Junos' braces as a tree: words of a statement, then True or the statements inside, in their order."""
    tokens = re.findall(r"/\*.*?\*/|[{};\[\]]|[^\s{};\[\]]+", text, re.DOTALL)
    stream = iter(token for token in tokens if not token.startswith("/*"))
    return _block(stream, top=True)


def _block(stream: Iterator[str], top: bool = False) -> Tree:
    found: Tree = {}
    words: list[str] = []
    for token in stream:
        if token == "{":
            inner = _block(stream)
            known = found.setdefault(" ".join(words), {})
            known.update(inner)
            words = []
        elif token == ";":
            found[" ".join(words)] = True
            words = []
        elif token == "}":
            assert not words
            assert not top
            return found
        elif token not in "[]":
            words.append(token)
    assert top
    assert not words
    return found


def _below(tree: Tree, start: str) -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if key == start or key.startswith(f"{start} "):
            yield key[len(start) :].strip(), value


def juniper(acls: Iterable[dict[str, str]]) -> Decide:
    """Junos firewall filters, one for each family."""
    lists = {}
    for acl in acls:
        family = "inet" if acl["family"] == "ipv4" else "inet6"
        tree = junos(acl["text"])["firewall"][f"family {family}"]
        ((name, inside),) = ((name, found) for name, found in _below(tree, "replace: filter"))
        assert name == acl["name"]
        lists[acl["family"]] = first(_junos_term(term) for _name, term in _below(inside, "term"))
    return lambda point: lists[f"ipv{point.version}"](point)


def _junos_term(term: Tree) -> tuple[Callable[[Point], bool], str]:
    inside = term.get("from", {})
    sources = [ipaddress.ip_network(a) for a in inside.get("source-address", {})]
    destinations = [ipaddress.ip_network(a) for a in inside.get("destination-address", {})]
    ports = [int(p) for words, _v in _below(inside, "destination-port") for p in words.split()]
    protocols = [words for key in ("protocol", "next-header") for words, _v in _below(inside, key)]
    known = ("source-address", "destination-address", "destination-port", "protocol", "next-header")
    assert all(key.startswith(known) for key in inside), inside
    then = term["then"] if "then" in term else next(words for words, _v in _below(term, "then"))
    word = next(iter(then)) if isinstance(then, dict) else then
    return (
        lambda p: (
            (not protocols or p.protocol in protocols)
            and (not sources or _inside(p.source, sources))
            and (not destinations or _inside(p.destination, destinations))
            and (not ports or p.port in ports)
        ),
        {"accept": "permit", "discard": "deny"}[word],
    )


def srx(acls: Iterable[dict[str, str]]) -> Decide:
    """SRX policies between all zones: address sets and application sets by name."""
    (acl,) = acls
    assert "replace:" not in acl["text"]
    assert "delete:" not in acl["text"]
    tree = junos(acl["text"])
    book = tree["security"]["address-book"]["global"]
    addresses = {
        words.split()[0]: ipaddress.ip_network(words.split()[1])
        for words, value in _below(book, "address")
        if value is True
    }
    sets = {name: [addresses[a] for a, _v in _below(inside, "address")] for name, inside in _below(book, "address-set")}
    single = {}
    for name, inside in _below(tree["applications"], "application"):
        (term,) = (words.split() for words, _v in _below(inside, "term"))
        assert term[1:3] == ["protocol", "tcp"]
        assert term[3] == "destination-port"
        single[name] = int(term[4])
    ports = {
        name: [single[a] for a, _v in _below(inside, "application")]
        for name, inside in _below(tree["applications"], "application-set")
    }

    def policy(inside: Tree) -> tuple[Callable[[Point], bool], str]:
        match = inside["match"]
        (source,) = (words.split() for words, _v in _below(match, "source-address"))
        (destination,) = (words.split() for words, _v in _below(match, "destination-address"))
        (application,) = (words for words, _v in _below(match, "application"))
        near = None if source == ["any"] else [n for name in source for n in sets[name]]
        far = None if destination == ["any"] else [n for name in destination for n in sets[name]]
        wanted = None if application == "any" else ports[application]
        return (
            lambda p: (
                (near is None or _inside(p.source, near))
                and (far is None or _inside(p.destination, far))
                and (wanted is None or (p.protocol == "tcp" and p.port in wanted))
            ),
            next(iter(inside["then"])),
        )

    return first(policy(inside) for _name, inside in _below(tree["security"]["policies"]["global"], "policy"))


def paloalto(acls: Iterable[dict[str, str]]) -> Decide:
    """PAN-OS rules with addresses written into them."""
    (acl,) = acls
    root = ET.fromstring(acl["text"])
    services = {
        entry.get("name"): [int(port) for port in (entry.findtext("protocol/tcp/port") or "").split(",")]
        for entry in root.iter("service")
        for entry in entry.findall("entry")
    }

    def members(rule: ET.Element, name: str) -> list[str]:
        return [member.text or "" for member in rule.findall(f"{name}/member")]

    def rule(entry: ET.Element) -> tuple[Callable[[Point], bool], str]:
        assert members(entry, "application") in (["any"], [])
        near, far, wanted = (members(entry, name) for name in ("source", "destination", "service"))
        sources = [ipaddress.ip_network(a) for a in near if a != "any"]
        destinations = [ipaddress.ip_network(a) for a in far if a != "any"]
        ports = None if wanted in (["any"], ["application-default"]) else [p for name in wanted for p in services[name]]
        return (
            lambda p: (
                (near == ["any"] or _inside(p.source, sources))
                and (far == ["any"] or _inside(p.destination, destinations))
                and (ports is None or (p.protocol == "tcp" and p.port in ports))
            ),
            {"allow": "permit", "deny": "deny"}[entry.findtext("action") or ""],
        )

    return first(rule(entry) for entry in root.findall(".//rules/entry"))


def nftables(acls: Iterable[dict[str, str]]) -> Decide:
    """One table whose chain jumps to one chain for each term; a new connection."""
    (acl,) = acls
    chains = {
        name: [line.strip() for line in body.splitlines() if line.strip()]
        for name, body in re.findall(r"    chain (\S+) \{\n(.*?)\n    \}", acl["text"], re.DOTALL)
    }
    root = [line for line in chains["root0"] if not line.startswith("comment ")]
    policy = {"accept": "none", "drop": "deny"}[
        re.fullmatch(r"type filter hook \w+ priority .*; policy (\w+);", root[0])[1]
    ]
    assert root[1] == "ct state established,related accept"
    jumps = [line.removeprefix("jump ") for line in root[2:]]
    decide = first(_nft(rule) for name in jumps for rule in chains[name] if not rule.startswith("comment "))
    return lambda point: policy if (found := decide(point)) == "none" else found


_NFT = re.compile(
    r"(?:(?P<family>ip6?) saddr (?P<s>\S+|\{.*?\}) ip6? daddr (?P<d>\S+|\{.*?\}) )?(?:tcp dport (?P<p>\d+|\{.*?\}) )?"
    r"(?:ct state new )?(?P<verdict>accept|drop)"
)


def _nft(rule: str) -> tuple[Callable[[Point], bool], str]:
    found = _NFT.fullmatch(rule)
    assert found, rule
    version = {"ip": 4, "ip6": 6, None: None}[found["family"]]
    sources, destinations = (
        [ipaddress.ip_network(word) for word in re.findall(r"[^\s{},]+", found[side] or "")] for side in ("s", "d")
    )
    ports = [int(word) for word in re.findall(r"\d+", found["p"] or "")]
    return (
        lambda p: (
            version in (None, p.version)
            and (not sources or _inside(p.source, sources))
            and (not destinations or _inside(p.destination, destinations))
            and (not ports or (p.protocol == "tcp" and p.port in ports))
        ),
        {"accept": "permit", "drop": "deny"}[found["verdict"]],
    )


READERS: dict[str, Callable[[Iterable[dict[str, str]]], Decide]] = {
    "cisco": ios,
    "cisconx": ios,
    "ciscoxr": ios,
    "arista": ios,
    "ciscoasa": asa,
    "juniper": juniper,
    "srx": srx,
    "paloalto": paloalto,
    "nftables": nftables,
}
