# SPDX-License-Identifier: GPL-3.0-or-later
"""The maps accept what the rules say and nothing else, and the text is the same for the same rules."""

from __future__ import annotations

import ipaddress
import itertools

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.firewall import listing, maps, model, render
from hypothesis import given
from hypothesis import strategies as st

PORTS = (25, 465, 587)
WIDTH = {4: 32, 6: 128}


@st.composite
def nets(draw, version):
    """Networks that often contain each other: few bits differ, at the top and at the bottom of the address."""
    width = WIDTH[version]
    value = draw(st.integers(0, 3)) << (width - 2) | draw(st.integers(0, 3))
    length = draw(st.sampled_from([0, 1, 2, width - 2, width - 1, width, width]))
    network = ipaddress.ip_network(((ipaddress.IPv4Address, ipaddress.IPv6Address)[version == 6](value), length), False)
    return str(network)


@st.composite
def rules(draw):
    version = draw(st.sampled_from((4, 6)))
    return {
        "source": draw(nets(version)),
        "destination": draw(nets(version)),
        "port": draw(st.sampled_from(PORTS)),
        "path": draw(st.sampled_from(["a", "b", 'c"} d', ""])),
    }


def ruleset(entries, **options) -> model.Ruleset:
    return model.from_options({"ports": list(PORTS), "egress": entries, **options})


def accepts(found: list[maps.VerdictMap], version: int, source: int, destination: int, port: int) -> list[maps.Element]:
    """The elements of the maps that accept a connection, as the kernel looks them up."""
    return [
        element
        for verdicts in found
        if verdicts.version == version
        for element in verdicts.elements
        if element.source.first <= source <= element.source.last
        and element.destination.first <= destination <= element.destination.last
        and element.port == port
    ]


@given(st.lists(rules(), max_size=25))
def test_the_maps_accept_exactly_what_the_rules_accept(entries):
    declared = ruleset(entries).egress
    found = maps.build("egress", declared)
    for version in (4, 6):
        width = WIDTH[version]
        points = [high << (width - 2) | low for high in range(4) for low in range(4)]
        for source, destination in itertools.product(points, points):
            for port in PORTS:
                expected = any(
                    rule.port == port
                    and rule.source.version == version
                    and rule.source.first <= source <= rule.source.last
                    and rule.destination.first <= destination <= rule.destination.last
                    for rule in declared
                )
                assert bool(accepts(found, version, source, destination, port)) == expected


@given(st.lists(rules(), max_size=25))
def test_no_two_elements_of_a_map_overlap(entries):
    for verdicts in maps.build("egress", ruleset(entries).egress):
        for one, other in itertools.combinations(verdicts.elements, 2):
            apart = (
                one.port != other.port
                or one.source.last < other.source.first
                or other.source.last < one.source.first
                or one.destination.last < other.destination.first
                or other.destination.last < one.destination.first
            )
            assert apart, (one, other)


def test_plain_addresses_are_kept_from_the_slower_maps():
    found = maps.build(
        "egress",
        ruleset(
            [
                {"source": "10.0.0.1", "destination": "10.0.0.2", "port": 25},
                {"source": "10.0.0.1", "destination": "10.0.1.0/24", "port": 25},
                {"source": "10.0.0.0/24", "destination": "10.0.1.1", "port": 25},
                {"source": "fd00::1", "destination": "fd00::2", "port": 25},
            ]
        ).egress,
    )
    assert [(v.name, v.interval, len(v.elements)) for v in found] == [
        ("egress4", False, 1),
        ("egress4_net1", True, 1),
        ("egress4_net2", True, 1),
        ("egress6", False, 1),
    ]


@given(st.lists(rules(), max_size=12).flatmap(lambda entries: st.tuples(st.just(entries), st.permutations(entries))))
def test_the_order_of_rules_does_not_show(both):
    entries, shuffled = both
    rendered = render.render(ruleset(entries))
    assert render.render(ruleset(shuffled + entries)) == rendered


@given(st.text(max_size=300))
def test_a_path_cannot_leave_its_comment(path):
    text = render.render(ruleset([{"source": "10.0.0.1", "destination": "10.0.0.2", "port": 25, "path": path}])).text
    (line,) = (line for line in text.splitlines() if "10.0.0.1" in line)
    comment = line.strip().removeprefix("10.0.0.1 . 10.0.0.2 . 25").removesuffix(" : accept")
    assert comment == "" or (comment.count('"') == 2 and comment.endswith('"') and len(comment) < 140)


def test_a_rule_without_a_path_adds_nothing_to_the_comment_of_its_like():
    both = [{"source": "10.0.0.1", "destination": "10.0.0.2", "port": 25, "path": path} for path in ("", "a")]
    for entries in (both, both[::-1]):
        assert '10.0.0.1 . 10.0.0.2 . 25 comment "a" : accept' in render.render(ruleset(entries)).text


def test_a_rule_of_two_paths_names_both():
    both = [{"source": "10.0.0.1", "destination": "10.0.0.2", "port": 25, "path": path} for path in ("b", "a", "b")]
    assert '10.0.0.2 . 25 comment "a b" : accept' in render.render(ruleset(both)).text


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 'counter name "blocked_egress" reject with tcp reset'),
        ({"blocked": "admin-prohibited"}, 'counter name "blocked_egress" reject with icmpx type admin-prohibited'),
        ({"blocked": "drop"}, 'counter name "blocked_egress" drop'),
        ({}, 'limit rate 10/minute log prefix "alertpath blocked egress: "'),
        (
            {"log_rate": "3/second", "log_group": 2},
            'limit rate 3/second log prefix "alertpath blocked egress: " group 2',
        ),
        ({}, "tcp dport { 25, 465, 587 } goto smtp_ingress"),
        ({"router": True}, "tcp dport { 25, 465, 587 } goto smtp_forward"),
    ],
)
def test_options_reach_the_rules(options, expected):
    assert f"\t\t{expected}\n" in render.render(ruleset([], **options)).text


def test_what_is_not_asked_for_is_not_there():
    text = render.render(ruleset([], log=False)).text
    assert "log " not in text
    assert "forward" not in text


def test_every_verdict_but_loopback_and_fragments_hangs_on_a_declared_port():
    """The claim that no other service can be cut: base chains accept, and only go elsewhere for declared ports."""
    rule = {"source": "10.0.0.1", "destination": "10.0.0.2", "port": 25}
    text = render.render(ruleset([rule], router=True)).text
    bases = text.split("\tchain output {")[1]
    allowed = ("comment", "type filter hook", "ip saddr . ip daddr . tcp dport vmap @", "chain", "}")
    for line in bases.splitlines():
        words = line.strip()
        assert (
            words.startswith(allowed)
            or not words
            or words.startswith("tcp dport { 25, 465, 587 } goto smtp_")
            or (words in ("ip frag-off & 0x3fff == 0x2000 jump hidden", "frag frag-off 0 jump hidden"))
        )
    assert text.count("policy accept;") == 3


@given(st.lists(rules(), max_size=5))
def test_the_digest_is_found_in_the_text_and_changes_with_it(entries):
    one, other = render.render(ruleset(entries)), render.render(ruleset(entries, blocked="drop"))
    assert listing.digest(one.text) == one.digest != other.digest
