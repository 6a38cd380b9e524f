# SPDX-License-Identifier: GPL-3.0-or-later
"""Mistakes that an evaluator of rulesets could make, each as one edit of ours. None may go unnoticed."""

from __future__ import annotations

from .mutants import Edit

# The limits beyond which the evaluator takes other ways: with these it takes them for the smallest rulesets.
ALWAYS_LARGE = (
    Edit("runs.py", "_LEAST_RULES = 48\n", "_LEAST_RULES = 2\n"),
    Edit("runs.py", "_LEAST_ROWS = 150_000\n", "_LEAST_ROWS = 1\n"),
    Edit("walk.py", "_MANY_RULES = 64\n", "_MANY_RULES = 1\n"),
    Edit("analyse.py", "_MOST_BITS = 120_000_000\n", "_MOST_BITS = 1500\n"),
)
# Beyond these it is less exact, and must not be wrong.
ALWAYS_TOO_LARGE = (
    Edit("walk.py", "_MOST_STATES = 64\n", "_MOST_STATES = 1\n"),
    Edit("nat.py", "_MOST_TARGETS = 64\n", "_MOST_TARGETS = 1\n"),
    Edit("hooks.py", "_MOST_ORDERS = 3\n", "_MOST_ORDERS = 1\n"),
)

MISTAKES = {
    # Chains and verdicts
    "goto comes back": Edit(
        "walk.py", '(goes_on if name == "jump" else back).setdefault(other', "goes_on.setdefault(other"
    ),
    "jump does not come back": Edit(
        "walk.py", '(goes_on if name == "jump" else back).setdefault(other', "back.setdefault(other"
    ),
    "return accepts": Edit(
        "walk.py",
        'elif name == "return":\n            merge(back.setdefault(state, {}), taken)',
        'elif name == "return":\n            self._accept(state, taken)',
    ),
    "policy is ignored": Edit("walk.py", 'if chain.policy == "drop":', 'if chain.policy == "never":'),
    "accept is final": Edit(
        "walk.py",
        'if name == "accept":\n            self._accept(state, taken)',
        'if name == "accept":\n            merge(self.outcome.passed.setdefault(state, {}), taken)',
    ),
    "reject lets pass": Edit("nft_read.py", '"reject": Verdict("drop")', '"reject": Verdict("accept")'),
    "priorities count backwards": Edit("hooks.py", "key=lambda slot: (slot.prio,", "key=lambda slot: (-slot.prio,"),
    "tables of IPv6 see IPv4": Edit("hooks.py", '("inet", "ip" if family == 4 else "ip6")', '("inet", "ip", "ip6")'),
    "a chain on one device is on all": Edit("route.py", "if item.sample in devices:", "if True:"),
    # Matches
    "negation is dropped": Edit("fold.py", "return self._negated(boxes) if match.negated else boxes", "return boxes"),
    "a range ends one too early": Edit(
        "nft_match.py", "return ((low[0], high[1]),)", "return ((low[0], high[1] - 1),)"
    ),
    "a range begins one too late": Edit(
        "nft_match.py", "return ((low[0], high[1]),)", "return ((min(low[0] + 1, high[1]), high[1]),)"
    ),
    "a network ends one too early": Edit(
        "addresses.py", "first | ((1 << beyond) - 1))", "first | ((1 << beyond) - 1) & ~1)"
    ),
    "a port's range leaves out its end": Edit("spans.py", "spans[at][1] >= number", "spans[at][1] > number"),
    "source and destination change places": Edit(
        "nft_keys.py",
        '("ip", "saddr"): Key("src", 4),\n    ("ip", "daddr"): Key("dst", 4)',
        '("ip", "saddr"): Key("dst", 4),\n    ("ip", "daddr"): Key("src", 4)',
    ),
    "a concatenation is read backwards": Edit(
        "nft_match.py",
        'tuple(left_of(part) for part in left["concat"])',
        'tuple(left_of(part) for part in reversed(left["concat"]))',
    ),
    "a wildcard is a name": Edit("addresses.py", "return name.startswith(pattern[:-1])", "return name == pattern[:-1]"),
    "only the name counts, not its end": Edit(
        "addresses.py", "return pattern == name", "return name.startswith(pattern)"
    ),
    "the last element of a verdict map is lost": Edit(
        "nft_read.py",
        "return [Vmap(keys_of(lefts), tuple(elements))]",
        "return [Vmap(keys_of(lefts), tuple(elements[:-1]))]",
    ),
    "flags of the first packet are unknown": Edit(
        "nft_keys.py", "_SYN_ALONE = Fixed(2, 0xFF", "_SYN_ALONE = Fixed(2, 0x00"
    ),
    "the first packet is an answer": Edit("nft_keys.py", "_SYN_ALONE = Fixed(2,", "_SYN_ALONE = Fixed(18,"),
    "another protocol is as good": Edit("nft_keys.py", '("ip", "protocol"): Fixed(6,', '("ip", "protocol"): Fixed(17,'),
    # Marks
    "a mark's mask is ignored": Edit(
        "state.py",
        "    if mask != -1:\n        value, known = value & mask",
        "    if False:\n        value, known = value & mask",
    ),
    "setting a mark does nothing": Edit("walk.py", "return [(marked(state, step), rows)]", "return [(state, rows)]"),
    "or is and": Edit("nft_nat.py", 'if op == "&":', 'if op in ("&", "|"):'),
    # Connections
    "a new connection counts as established": Edit("fold.py", 'NEW: CT_STATES["new"]', 'NEW: CT_STATES["established"]'),
    "a new connection may be of any state": Edit("fold.py", "if state.ct == EITHER:", "if True:"),
    "connections are known from the first hook on": Edit(
        "fold.py", 'NOT_YET: CT_STATES["invalid"]', 'NOT_YET: CT_STATES["new"]'
    ),
    "notrack does nothing": Edit("walk.py", "without = state._replace(ct=UNTRACKED)", "without = state"),
    # NAT
    "DNAT is not followed": Edit(
        "nat.py", "changed = changed._replace(dst=addresses)", "changed = changed._replace(oif=None)"
    ),
    "DNAT's port is not followed": Edit(
        "nat.py", "changed = changed._replace(port=ports)", "changed = changed._replace(oif=None)"
    ),
    "DNAT goes unseen": Edit(
        "nat.py", "changed = state._replace(dnat=True, moved=True)", "changed = state._replace(dnat=True)"
    ),
    "SNAT's address is not followed": Edit(
        "nat.py", "changed._replace(src=addresses)", "changed._replace(oif=state.oif)"
    ),
    "every NAT chain has its turn": Edit(
        "hooks.py",
        "ready = {state: rows for state, rows in arriving.items() if not getattr(state, done)}",
        "ready, arriving = arriving, {}",
    ),
    "NAT comes after every filter": Edit(
        "hooks.py", '_NAT_AT = {"prerouting": -100, "output": -100,', '_NAT_AT = {"prerouting": 900, "output": 900,'
    ),
    "untracked packets get NAT": Edit("hooks.py", 'state.ct not in (NOT_YET, "untracked")', "state.ct != NOT_YET"),
    "redirected packets leave by their old way": Edit(
        "route.py",
        "            if here:\n                merge(local.setdefault(state._replace(oif=LOOPBACK)",
        "            if False:\n                merge(local.setdefault(state._replace(oif=LOOPBACK)",
    ),
    "a transparent proxy goes unseen": Edit("nft_read.py", '"tproxy": Divert("tproxy")', '"tproxy": Unknown("tproxy")'),
    # What cannot be known
    "what is unknown does not match": Edit("fold.py", "unknown.append(step.what)\n", "return None\n"),
    "what is unknown matches": Edit(
        "fold.py", "boxes = [box._replace(sure=False) for box in boxes]", "boxes = list(boxes)"
    ),
    "elements with a timeout stay": Edit("nft_match.py", "not _LASTING.issuperset(inner)", "False"),
    "a set that rules change stays": Edit(
        "nft_read.py", 'sets.changing(body["family"], body["table"], name, "rules change")', "pass"
    ),
    # iptables
    "iptables: goto comes back": Edit("iptables_read.py", '"goto" if word in ("-g", "--goto") else "jump"', '"jump"'),
    "iptables: negation is dropped": Edit(
        "iptables_read.py", "negated = tokens.negation()", "negated = tokens.negation() and False"
    ),
    "iptables: the policy is ignored": Edit("iptables_read.py", "hook, policy.lower()", 'hook, "accept"'),
    "iptables: the mask of a mark is ignored": Edit(
        "iptables_match.py", "int(mask, 0) & MARK_TOP if mask else MARK_TOP", "MARK_TOP"
    ),
    "iptables: a range of ports ends one too early": Edit(
        "iptables_match.py", "int(high or PORT_TOP) if colon", "int(high or PORT_TOP) - 1 if colon"
    ),
    "iptables: a plus is part of the name": Edit(
        "iptables_match.py", 'if text.endswith("+") else text', 'if text.endswith("*") else text'
    ),
    "iptables: NEW is not new": Edit(
        "iptables_match.py", "if word in CT_STATES:", 'if word in CT_STATES and word != "new":'
    ),
    "iptables: every protocol is TCP": Edit(
        "iptables_match.py", "return (number == _TCP) != negated", "return not negated"
    ),
    "iptables: DNAT's port is not followed": Edit(
        "iptables_target.py", "return addresses, _ports(port) if port else None", "return addresses, None"
    ),
    "iptables: REJECT lets pass": Edit("iptables_target.py", '"REJECT": "drop"', '"REJECT": "accept"'),
    "iptables: MARK does nothing": Edit("iptables_target.py", 'return [_marked("mark", options)]', "return []"),
    "iptables-legacy is not read": Edit("read.py", '("iptables-legacy", "iptables-legacy", "ip"),', ""),
    "iptables' tables are tried in another order": Edit(
        "iptables_read.py", '"raw": -300, "mangle": -150, "filter": 0', '"raw": 30, "mangle": 20, "filter": -400'
    ),
}
