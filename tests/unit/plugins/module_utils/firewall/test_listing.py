# SPDX-License-Identifier: GPL-3.0-or-later
"""Listings of nft 1.0.6, as taken from a kernel, and what must not make two of them differ."""

from __future__ import annotations

from ansible_collections.alertpath.smtp.plugins.module_utils.firewall import listing

# Tabs are written as @ here.
LISTING = """\
table inet alertpath {
@counter blocked_egress {
@@packets 3 bytes 180
@}

@counter blocked_ingress {
@@comment "by hand"
@@packets 12 bytes 720
@}

@counter other {
@@packets 1 bytes 60
@}

@map egress4 {
@@type ipv4_addr . ipv4_addr . inet_service : verdict
@@elements = { 10.0.0.1 . 10.0.0.2 . 587 comment "a, b } c" : accept,
@@@     10.0.0.1 . 10.0.0.2 . 25 counter packets 4 bytes 5 : accept }
@}

@set empty {
@@type ipv4_addr
@}

@chain input {
@@tcp dport { 25, 465, 587 } counter packets 0 bytes 0 jump smtp_ingress
@}
}
""".replace("@", "\t")
ORDERED = """\
@@elements = {
@@@10.0.0.1 . 10.0.0.2 . 25 counter : accept,
@@@10.0.0.1 . 10.0.0.2 . 587 comment "a, b } c" : accept,
@@}
""".replace("@", "\t")


def test_elements_stand_in_order_and_counters_have_no_values():
    text = listing.canonical(LISTING)
    assert ORDERED in text
    assert "packets" not in text
    assert '\tcounter blocked_ingress {\n\t\tcomment "by hand"\n\t}\n' in text
    assert "tcp dport { 25, 465, 587 } counter jump smtp_ingress" in text


def test_it_is_the_same_when_done_twice():
    assert listing.canonical(listing.canonical(LISTING)).count("10.0.0.1") == 2


def test_another_element_another_text():
    assert listing.canonical(LISTING) != listing.canonical(LISTING.replace("10.0.0.2 . 25", "10.0.0.3 . 25"))


def test_blocked_attempts_by_direction():
    assert listing.blocked(LISTING) == {
        "egress": {"packets": 3, "bytes": 180},
        "ingress": {"packets": 12, "bytes": 720},
    }


def chains(table: str, chain: str, comment: str) -> str:
    ours = f'\tchain {chain} {{\n\t\tcomment "{comment}"\n\t\ttype x;\n\t}}\n'
    return f"table inet {table} {{\n\tchain smtp {{\n\t}}\n{ours}}}\n"


def test_the_digest_is_ours_or_none():
    mark = "alertpath rules " + "ab" * 32
    assert listing.digest(chains("alertpath", "output", mark)) == "ab" * 32
    assert listing.digest(chains("other", "output", mark)) is None
    assert listing.digest(chains("alertpath", "input", mark)) is None
    assert listing.digest(chains("alertpath", "output", "alertpath rules x")) is None
    assert listing.digest(chains("alertpath", "forward", "") + chains("other", "output", mark)) is None
    assert listing.digest("") is None
