# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The text of iptables-save as chains and rules. Pure.

iptables-nft keeps its tables in nft, where only their plain matches show; then handles come from there, rule by rule.
iptables-legacy has tables of its own, at the priorities that the kernel gives them.
"""

from __future__ import annotations

import shlex
from typing import Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence, Set, Tuple

from .ipset_read import IpSets
from .iptables_match import Tokens, match
from .iptables_target import target
from .model import Chain, Match, Rule, Step, Unknown, Verdict

ChainKey = Tuple[str, str, str, str]
_NEVER = Match((), ())
# The kernel's tables: chains with hook and priority (enum nf_ip_hook_priorities in netfilter_ipv4.h).
_HOOKS = {
    "PREROUTING": "prerouting",
    "INPUT": "input",
    "FORWARD": "forward",
    "OUTPUT": "output",
    "POSTROUTING": "postrouting",
}
_PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}
_NAT_PRIORITIES = {"prerouting": -100, "output": -100, "input": 100, "postrouting": 100}


class Text(NamedTuple):
    """One output of iptables-save. *source* is "iptables-nft" or "iptables-legacy", *family* "ip" or "ip6"."""

    source: str
    family: str
    text: str


class Table(NamedTuple):
    """A table as written: policies of its chains ("-" for one of its own), and the rules of each."""

    name: str
    policies: Dict[str, str]
    rules: Dict[str, List[str]]


def tables(text: str) -> Iterator[Table]:
    """Return the tables in the output of iptables-save. Raises ValueError when it is none."""
    table: Optional[Table] = None
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("*"):
            table = Table(line[1:].strip(), {}, {})
        elif line == "COMMIT" and table is not None:
            yield table
            table = None
        elif table is None:
            raise ValueError(f"this is not the output of iptables-save: {line[:60]!r}")
        elif line.startswith(":"):
            name, policy = line[1:].split(None, 2)[:2]
            table.policies[name] = policy
            table.rules.setdefault(name, [])
        else:
            rule = line[line.index("]") + 1 :].strip() if line.startswith("[") else line
            words = rule.split(None, 2)
            if len(words) < 2 or words[0] != "-A":
                raise ValueError(f"this is not the output of iptables-save: {line[:60]!r}")
            table.rules.setdefault(words[1], []).append(words[2] if len(words) > 2 else "")
    if table is not None:
        raise ValueError("the output of iptables-save ends within a table")


def changed_sets(texts: Sequence[Text]) -> Set[str]:
    """Return the names of the ipsets that rules change."""
    found: Set[str] = set()
    for item in texts:
        if "-j SET " not in item.text:
            continue
        for line in item.text.splitlines():
            words = line.split() if "-j SET " in line else []
            for at, word in enumerate(words[:-1]):
                if word in ("--add-set", "--del-set", "--map-set"):
                    found.add(words[at + 1])
    return found


def read(item: Text, table: Table, sets: IpSets, native: Mapping[ChainKey, Chain]) -> Dict[ChainKey, Chain]:
    """Return the chains of *table* in *item*; *native* are nft's chains, for the handles of iptables-nft."""
    found: Dict[ChainKey, Chain] = {}
    for name, policy in table.policies.items():
        chain = Chain(item.family, table.name, name, item.source)
        hook = _HOOKS.get(name) if policy != "-" else None
        if hook is not None:
            chain.hook, chain.policy = hook, policy.lower()
            chain.kind = "nat" if table.name == "nat" else "route" if (table.name, hook) == ("mangle", "output") else ""
            chain.prio = _NAT_PRIORITIES[hook] if table.name == "nat" else _PRIORITIES.get(table.name, 0)
            own = native.get(("nft", item.family, table.name, name))
            if own is not None and own.hook:
                chain.prio = own.prio
        found[item.source, item.family, table.name, name] = chain
    names = set(table.policies)
    version = 6 if item.family == "ip6" else 4
    for name, lines in table.rules.items():
        chain = found[item.source, item.family, table.name, name]
        own = native.get(("nft", item.family, table.name, name)) if item.source == "iptables-nft" else None
        handles = [rule.handle for rule in own.rules] if own is not None else []
        if len(handles) != len(lines):
            handles = [None] * len(lines)
        for line, handle in zip(lines, handles):
            chain.rules.append(Rule(chain, handle, line, tuple(steps(line, version, names, chain.hook, sets))))
    return found


def steps(line: str, version: int, chains: Set[str], hook: str, sets: IpSets) -> List[Step]:
    """Return the steps of one rule, the text behind `-A CHAIN`."""
    tokens = Tokens(shlex.split(line) if '"' in line or "'" in line or "\\" in line else line.split())
    found: List[Step] = []
    while tokens:
        negated = tokens.negation()
        word = tokens.next()
        if word in ("-j", "--jump", "-g", "--goto"):
            name = tokens.next()
            if name in chains:
                found.append(Verdict("goto" if word in ("-g", "--goto") else "jump", name))
            else:
                found.extend(target(name, tokens, version, hook))
            return found
        if word in ("-c", "--set-counters"):
            tokens.next()
            tokens.next()
            continue
        step = match(word, negated, tokens, version, sets)
        if isinstance(step, bool):
            if not step:
                found.append(_NEVER)
            continue
        if isinstance(step, Unknown):
            step = step._replace(what=f"-m {step.what}")
        found.append(step)
    return found
