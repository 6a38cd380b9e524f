# SPDX-License-Identifier: GPL-3.0-or-later
"""Where another table blocks or intercepts what is declared, smtp_firewall_info says which, with chain and handle."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest

from .conftest import CLIENT, OPEN, PORTS, ROUTER, SERVER, rules


class Case(NamedTuple):
    """Somebody's rules on *host*, and what they do to the declared way from client to server on port 25.

    *found* is the kind of finding, *place* (family, table, chain) of the rule that decides for IPv4; *text* is a part
    of that rule as nft lists it, None where it has no handle.
    """

    host: str
    script: str
    found: str
    place: tuple[str, str, str]
    text: str | None
    certainty: tuple[str, ...] = ("must",)


CASES = {
    "docker's policy on a router": Case(
        ROUTER,
        """
        for tool in iptables-nft ip6tables-nft; do
            $tool -N DOCKER-USER; $tool -A DOCKER-USER -j RETURN
            $tool -I FORWARD -j DOCKER-USER
            $tool -A FORWARD -i docker0 ! -o docker0 -j ACCEPT
            $tool -A FORWARD -d 10.78.1.10 -j ACCEPT 2>/dev/null || true
            $tool -P FORWARD DROP
        done
        """,
        "missing",
        ("ip", "filter", "FORWARD"),
        None,
        ("must", "may"),  # it would be open to containers, if these were in their network
    ),
    "a container that publishes port 25": Case(
        ROUTER,
        """
        iptables-nft -t nat -N DOCKER
        iptables-nft -t nat -A PREROUTING -j DOCKER
        iptables-nft -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 25 -j DNAT --to-destination 10.78.2.2:2525
        """,
        "intercepted",
        ("ip", "nat", "DOCKER"),
        "dnat to 10.78.2.2:2525",
    ),
    "iptables-legacy on a host": Case(
        CLIENT,
        """
        for tool in iptables-legacy ip6tables-legacy; do
            $tool -N mail; $tool -A OUTPUT -p tcp -m multiport --dports 25,26 -g mail; $tool -A mail -j REJECT
        done
        """,
        "missing",
        ("ip", "filter", "mail"),
        None,
    ),
    "a verdict map in a table of nft": Case(
        CLIENT,
        """
        nft -f - <<'EOF'
        table inet site {
            map verdicts { type inet_service : verdict; elements = { 25 : goto no, 587 : accept } }
            chain no {
                counter reject comment "no mail"
            }
            chain out {
                type filter hook output priority 10; policy accept;
                tcp dport vmap @verdicts
            }
        }
EOF
        """,
        "missing",
        ("inet", "site", "no"),
        "reject",
    ),
    "an ipset": Case(
        CLIENT,
        """
        ipset create banned hash:net; ipset add banned 10.78.2.0/25
        iptables-nft -A OUTPUT -m set --match-set banned dst -j DROP
        """,
        "missing",
        ("ip", "filter", "OUTPUT"),
        "drop",
    ),
    "a proxy for outgoing mail": Case(
        CLIENT,
        """
        nft -f - <<'EOF'
        table inet proxy {
            chain out { type nat hook output priority -100; policy accept; tcp dport { 25, 26 } redirect to :2525; }
        }
EOF
        """,
        "intercepted",
        ("inet", "proxy", "out"),
        "redirect to :2525",
    ),
    "a transparent proxy on a router": Case(
        ROUTER,
        """
        nft -f - <<'EOF'
        table inet divert {
            chain in {
                type filter hook prerouting priority mangle; policy accept;
                iifname "eth0" meta l4proto tcp tcp dport 25 tproxy to :2525 meta mark set 0x1 accept
            }
        }
EOF
        """,
        "intercepted",
        ("inet", "divert", "in"),
        "tproxy to :2525",
        ("may",),  # only while somebody listens there
    ),
    "firewalld's zone": Case(
        ROUTER,
        "systemctl start firewalld; firewall-cmd --quiet --zone=trusted --change-interface=eth1",
        "missing",
        ("inet", "firewalld", "filter_FWD_public"),
        "reject with icmpx admin-prohibited",
    ),
}


def declared(host: str) -> dict[str, Any]:
    direction = "egress" if host == CLIENT else "forward"
    return {direction: rules(CLIENT, SERVER, 25), "router": host == ROUTER}


def handles(hosts, case: Case) -> set[int]:
    """The handles under which nft lists the rules of the chain that hold the text."""
    listing = hosts.sh(case.host, f"nft --stateless --handle list chain {' '.join(case.place)}")
    lines = [line for line in listing.splitlines() if case.text and case.text in line]
    return {int(found[1]) for line in lines if (found := re.search(r"# handle (\d+)$", line))}


@pytest.mark.parametrize("name", CASES)
def test_who_it_is(hosts, name: str) -> None:
    case = CASES[name]
    options = declared(case.host)
    hosts.apply(case.host, **options)
    before = hosts.module(case.host, "smtp_firewall_info", ports=PORTS, **options)
    assert before["passed"], before["summary"]
    assert hosts.knock(CLIENT, SERVER, 25) == {25: {OPEN}}

    hosts.sh(case.host, case.script)
    hosts.keep(case.host)
    proof = hosts.module(case.host, "smtp_firewall_info", ports=PORTS, **options)
    hosts.untouched(case.host)
    assert not proof["passed"]
    found = [item for item in proof[case.found] if item["paths"] == ["declared"]]
    found = [item for item in found if item["certainty"] in case.certainty]
    deciding = [rule for item in found for rule in item["by"]]
    places = [rule for rule in deciding if (rule["family"], rule["table"], rule["chain"]) == case.place]
    assert places, f"{case.place} is not among {deciding}: {proof['summary']}"
    assert {rule["handle"] for rule in places} == (handles(hosts, case) if case.text else {None})
    if case.found == "missing":
        assert hosts.knock(CLIENT, SERVER, 25) != {25: {OPEN}}


def test_an_operators_own_tables_do_not_open_what_is_blocked(hosts) -> None:
    hosts.sh(
        CLIENT,
        "nft -f - <<'EOF'\ntable ip open {\nchain out {\ntype filter hook output priority -500; accept\n}\n}\nEOF",
    )
    hosts.apply(CLIENT, egress=rules(CLIENT, SERVER, 587))
    proof = hosts.module(CLIENT, "smtp_firewall_info", ports=PORTS, egress=rules(CLIENT, SERVER, 587))
    assert proof["passed"], proof["summary"]
