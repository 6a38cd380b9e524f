# SPDX-License-Identifier: GPL-3.0-or-later
"""iptables-save and ipset save: matches, targets, handles, and the order beside nft's own chains."""

from __future__ import annotations

import json

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.proof import report
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.analyse import analyse
from ansible_collections.alertpath.smtp.plugins.module_utils.proof.model import Interface, Loaded

HERE, THERE, LAN = "192.0.2.10", "203.0.113.25", "198.51.100.7"
INTERFACES = (
    Interface("lo", 1, ("127.0.0.1/8",), "loopback"),
    Interface("eth0", 2, (f"{HERE}/24",), "ether"),
    Interface("eth1", 3, ("198.51.100.10/24",), "ether"),
)
YES, NO, UNKNOWN = "matches", "matches not", "unknown"
SETS = """\
create nets hash:net family inet hashsize 1024 maxelem 65536
add nets 203.0.113.0/24
add nets 203.0.113.128/25 nomatch
create pairs hash:ip,port family inet hashsize 1024 maxelem 65536
add pairs 203.0.113.25,tcp:25
add pairs 203.0.113.25,udp:587
create fading hash:ip family inet hashsize 1024 maxelem 65536 timeout 100
add fading 203.0.113.25 timeout 99
create ports bitmap:port range 0-1024
add ports 20-30
create doors hash:net,iface family inet hashsize 1024 maxelem 65536
add doors 203.0.113.0/24,eth1
create six hash:ip family inet6 hashsize 1024 maxelem 65536
add six 2001:db8::1
create both list:set size 8
add both nets
add both fading
"""


def saved(*rules: str, table: str = "filter", chains: str = "") -> str:
    builtin = {
        "filter": ("INPUT", "FORWARD", "OUTPUT"),
        "raw": ("PREROUTING", "OUTPUT"),
        "nat": ("PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"),
        "mangle": ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"),
    }[table]
    lines = ["# Generated", f"*{table}", *(f":{name} ACCEPT [0:0]" for name in builtin), *chains.splitlines()]
    return "\n".join([*lines, *rules, "COMMIT", "# Completed", ""])


def legacy(text: str, **more: str) -> Loaded:
    return Loaded('{"nftables": []}', {"iptables-legacy": text}, INTERFACES, **more)


def outcome(match: str) -> str:
    """What becomes of a rule with *match* that drops what goes out to port 25."""
    told = analyse(legacy(saved(f"-A OUTPUT {match} -j DROP"), ipsets=SETS), [25]).decide(
        "egress", HERE, THERE, 25, oif="eth0"
    )
    return {(False, False): YES, (True, True): NO, (True, False): UNKNOWN}[told.may, told.must]


@pytest.mark.parametrize(
    ("match", "wanted"),
    [
        ("", YES),
        ("-s 192.0.2.0/24 -d 203.0.113.25/32", YES),
        ("! -s 192.0.2.0/24", NO),
        ("-d 203.0.113.0/255.255.255.0", YES),
        ("-o eth+", YES),
        ("! -o eth0", NO),
        ("-o wan0", NO),
        ("-p tcp -m tcp --dport 25", YES),
        ("-p tcp -m tcp --dport 20:30", YES),
        ("-p tcp -m tcp ! --dport 25", NO),
        ("-p tcp -m tcp --dport :24", NO),
        ("-p tcp -m tcp --sport 1024:65535", UNKNOWN),
        ("-p udp -m udp --dport 25", NO),
        ("! -p udp", YES),
        ("-p icmp -m icmp --icmp-type 8", NO),
        ("-p tcp -m multiport --dports 25,465:587", YES),
        ("-p tcp -m multiport ! --dports 25,465:587", NO),
        ("-p tcp -m multiport --sports 25", UNKNOWN),
        ("-p tcp -m multiport --ports 25", YES),
        ("-p tcp -m multiport --ports 26", UNKNOWN),
        ("-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN", YES),
        ("-p tcp -m tcp ! --tcp-flags FIN,SYN,RST,ACK SYN", NO),
        ("-m iprange --dst-range 203.0.113.20-203.0.113.30", YES),
        ("-m iprange ! --src-range 192.0.2.1-192.0.2.9", YES),
        ("-m conntrack --ctstate NEW", YES),
        ("-m conntrack --ctstate RELATED,ESTABLISHED", NO),
        ("-m conntrack ! --ctstate RELATED,ESTABLISHED", YES),
        ("-m conntrack --ctstate INVALID", NO),
        ("-m conntrack --ctstate DNAT", NO),
        ("-m conntrack --ctorigdst 203.0.113.25/32 --ctorigdstport 25", YES),
        ("-m state --state NEW", YES),
        ("-m mark --mark 0x0/0xff", YES),
        ("-m mark --mark 0x1", NO),
        ("-m connmark ! --mark 0x1", YES),
        ("-m addrtype --dst-type LOCAL", NO),
        ("-m addrtype --src-type LOCAL", YES),
        ("-m addrtype ! --dst-type MULTICAST,BROADCAST", YES),
        ("-m pkttype --pkt-type unicast", YES),
        ('-m comment --comment "it is -j ACCEPT"', YES),
        ("-m limit --limit 3/min", UNKNOWN),
        ("-m owner --uid-owner 0", UNKNOWN),
        ("-m recent --set --name x --mask 255.255.255.255 --rsource", UNKNOWN),
        ("-m statistic --mode random --probability 0.5", UNKNOWN),
        ("-m of --the-future 1", UNKNOWN),
        ("-m set --match-set nets dst", YES),
        ("-m set ! --match-set nets dst", NO),
        ("-m set --match-set nets src", NO),
        ("-m set --match-set pairs dst,dst", YES),
        ("-m set --match-set pairs src,dst", NO),
        ("-m set --match-set fading dst", UNKNOWN),
        ("-m set --match-set ports dst", YES),
        ("-m set --match-set doors dst,dst", NO),
        ("-m set ! --match-set doors dst,dst", YES),
        ("-m set --match-set six dst", NO),
        ("-m set --match-set both dst", YES),
        ("-m set --match-set nobody dst", UNKNOWN),
    ],
)
def test_a_match(match, wanted) -> None:
    assert outcome(match) == wanted


def test_exceptions_of_a_set_are_its_longer_prefixes() -> None:
    loaded = legacy(saved("-A OUTPUT -m set --match-set nets dst -j DROP"), ipsets=SETS)
    analysis = analyse(loaded, [25])
    assert not analysis.decide("egress", HERE, "203.0.113.127", 25).may
    assert analysis.decide("egress", HERE, "203.0.113.128", 25).must


def test_a_set_that_rules_change_or_that_nobody_can_read_is_unknown() -> None:
    rules = ("-A OUTPUT -m set --match-set nets dst -j DROP", "-A INPUT -j SET --add-set nets src")
    for loaded in (legacy(saved(*rules), ipsets=SETS), legacy(saved(rules[0]))):
        told = analyse(loaded, [25]).decide("egress", HERE, THERE, 25)
        assert (told.may, told.must) == (True, False)


def test_chains_return_and_goto() -> None:
    chains = ":one - [0:0]\n:two - [0:0]"
    rules = ("-A OUTPUT -j one", "-A OUTPUT -j DROP", "-A one -d 203.0.113.25/32 -j RETURN", "-A one -g two")
    analysis = analyse(legacy(saved(*rules, "-A two -p udp -j DROP", chains=chains)), [25])
    # What goes to "two" ends where the caller of "one" goes on, and that drops.
    assert not analysis.decide("egress", HERE, THERE, 25).may
    assert not analysis.decide("egress", HERE, LAN, 25).may
    went = analyse(legacy(saved("-A OUTPUT -g one", *rules[1:], "-A two -p udp -j DROP", chains=chains)), [25])
    assert went.decide("egress", HERE, THERE, 25).must


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("DNAT --to-destination 198.51.100.7:2525", (True, "must")),
        ("DNAT --to-destination 203.0.113.25", (False, "no")),
        ("DNAT --to-destination 198.51.100.1-198.51.100.9", (True, "must")),
        ("DNAT --to-destination :26", (False, "must")),
        ("REDIRECT --to-ports 2525", (True, "must")),
    ],
)
def test_nat_leads_elsewhere(target, told) -> None:
    nat = saved(f"-A OUTPUT -p tcp -m tcp --dport 25 -j {target}", table="nat")
    later = saved("-A OUTPUT -d 203.0.113.25/32 -p tcp -j DROP")
    found = analyse(legacy(nat + later), [25]).decide("egress", HERE, THERE, 25)
    assert (found.may, found.intercepted) == told
    if found.intercepted != "no":
        assert found.by[0].rule.endswith(target)


def test_what_passes_to_a_container_is_forwarded() -> None:
    nat = saved(
        "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "-A DOCKER ! -i eth1 -p tcp -m tcp --dport 25 -j DNAT --to-destination 198.51.100.7:2525",
        table="nat",
        chains=":DOCKER - [0:0]",
    )
    forward = saved("-A FORWARD -d 198.51.100.7/32 ! -i eth1 -o eth1 -p tcp -m tcp --dport 2525 -j ACCEPT")
    strict = forward.replace(":FORWARD ACCEPT", ":FORWARD DROP")
    for on, may in ((True, True), (False, False)):
        loaded = legacy(nat + strict)._replace(forwards={4: on})
        told = analyse(loaded, [25]).decide("ingress", THERE, HERE, 25, iif="eth0")
        assert (told.may, told.intercepted) == (may, "must")
    beside = analyse(legacy(nat + strict), [25]).decide("ingress", THERE, LAN, 25, iif="eth0")
    assert (beside.must, beside.intercepted) == (True, "no")


def test_marks_are_saved_and_restored() -> None:
    rules = (
        "-A OUTPUT -j MARK --set-xmark 0x5/0xf",
        "-A OUTPUT -j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff",
        "-A OUTPUT -j MARK --set-xmark 0x30/0xffffffff",
        "-A OUTPUT -j CONNMARK --restore-mark --nfmask 0xf --ctmask 0xf",
        "-A OUTPUT -m mark --mark 0x35 -m connmark --mark 0x5 -j DROP",
    )
    assert not analyse(legacy(saved(*rules, table="mangle")), [25]).decide("egress", HERE, THERE, 25).may


def test_notrack_and_a_proxy() -> None:
    raw = saved("-A OUTPUT -j CT --notrack", table="raw")
    late = saved("-A OUTPUT -m conntrack --ctstate UNTRACKED -j DROP")
    assert not analyse(legacy(raw + late), [25]).decide("egress", HERE, THERE, 25).may
    proxy = "-A PREROUTING -p tcp -j TPROXY --on-port 2525 --on-ip 0.0.0.0 --tproxy-mark 0x1/0x1"
    told = analyse(legacy(saved(proxy, table="mangle")), [25]).decide("forward", LAN, THERE, 25)
    assert (told.may, told.must, told.intercepted) == (True, False, "may")


def test_a_target_nobody_knows_decides_nothing() -> None:
    analysis = analyse(legacy(saved("-A OUTPUT -j MIRROR", "-A OUTPUT -j DROP")), [25])
    told = analysis.decide("egress", HERE, THERE, 25)
    assert (told.may, told.must) == (True, False)
    assert [item.what for item in analysis.unmodelled if "target" in item.what] == ["target MIRROR"]


def test_a_copy_may_arrive_though_the_packet_does_not() -> None:
    copied = saved("-A POSTROUTING -j TEE --gateway 10.0.0.1", table="mangle")
    told = analyse(legacy(copied + saved("-A OUTPUT -j ACCEPT")), [25]).decide("egress", HERE, THERE, 25)
    assert (told.may, told.must) == (True, True)
    copied = saved("-A OUTPUT -j TEE --gateway 10.0.0.1", table="mangle")
    told = analyse(legacy(copied + saved("-A OUTPUT -j DROP")), [25]).decide("egress", HERE, THERE, 25)
    assert (told.may, told.must) == (True, False)


def test_a_rule_of_iptables_legacy_is_told_from_one_of_nft() -> None:
    loaded = legacy(saved("-A OUTPUT -p tcp --dport 25 -j DROP"))
    told = analyse(loaded, [25]).decide("egress", HERE, THERE, 25)
    assert {(ref.source, ref.handle) for ref in told.by} == {("iptables-legacy", None)}
    result = report.prove(loaded, {"ports": [25], "egress": [{"source": HERE, "destination": THERE, "port": 25}]})
    assert "by table ip filter of iptables-legacy chain OUTPUT (" in result["summary"]


def test_handles_of_iptables_nft_come_from_nft() -> None:
    place = {"family": "ip", "table": "filter"}
    hidden = [{"xt": {"type": "match", "name": "multiport"}}, {"drop": None}]
    listing = {
        "nftables": [
            {"table": {"family": "ip", "name": "filter", "handle": 1}},
            {"chain": {**place, "name": "OUTPUT", "handle": 1, "type": "filter", "hook": "output", "prio": 0}},
            {"rule": {**place, "chain": "OUTPUT", "handle": 7, "expr": [{"accept": None}]}},
            {"rule": {**place, "chain": "OUTPUT", "handle": 9, "expr": hidden}},
        ]
    }
    rules = ("-A OUTPUT -d 10.0.0.0/8 -j ACCEPT", "-A OUTPUT -p tcp -m multiport --dports 25,587 -j DROP")
    loaded = Loaded(json.dumps(listing), {"iptables-nft": saved(*rules)}, INTERFACES)
    told = analyse(loaded, [25]).decide("egress", HERE, THERE, 25)
    assert not told.may
    assert [(ref.table, ref.chain, ref.handle, ref.rule) for ref in told.by] == [
        ("filter", "OUTPUT", 9, "-p tcp -m multiport --dports 25,587 -j DROP")
    ]
    # Without iptables-save, what nft does not show is unknown, and said to be.
    alone = analyse(loaded._replace(iptables={}), [25])
    assert alone.unmodelled
    fewer = loaded._replace(iptables={"iptables-nft": saved(rules[1])})
    assert [ref.handle for ref in analyse(fewer, [25]).decide("egress", HERE, THERE, 25).by] == [None]


@pytest.mark.parametrize("text", ["nonsense", "*filter\n-A\nCOMMIT\n", "*filter\n:INPUT ACCEPT [0:0]\n"])
def test_what_is_no_output_of_iptables_save_is_refused(text) -> None:
    with pytest.raises(ValueError, match="iptables-save"):
        analyse(legacy(text), [25])
