# SPDX-License-Identifier: GPL-3.0-or-later
"""Beside every kind of firewall that a Linux host may have: what we declare holds, and theirs stays as it is.

Each of them lets all SMTP pass, so what is refused is refused by us.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from .conftest import CHECKOUT, CLIENT, OPEN, ROUTER, SERVER, SHUT, rules


class Foreign(NamedTuple):
    """Another firewall: on which host it stands, and how it gets there."""

    host: str
    script: str


_DOCKER = """
ip link show docker0 >/dev/null 2>&1 || {{ ip link add docker0 type bridge; ip address add 172.18.0.1/16 dev docker0; }}
{tool}-restore <<'EOF'
*nat
:PREROUTING ACCEPT [0:0]
:INPUT ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.18.0.0/16 ! -o docker0 -j MASQUERADE
-A DOCKER -i docker0 -j RETURN
-A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.18.0.2:80
COMMIT
*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
:DOCKER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
:DOCKER-USER - [0:0]
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i docker0 ! -o docker0 -j ACCEPT
-A DOCKER -d 172.18.0.2/32 ! -i docker0 -o docker0 -p tcp -m tcp --dport 80 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-USER -i eth0 -o eth1 -j ACCEPT
-A DOCKER-USER -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
EOF
"""
_ACCEPTS = """
for tool in iptables-{kind} ip6tables-{kind}; do
    $tool -N mail
    $tool -A mail -m limit --limit 100/second -j ACCEPT
    $tool -A mail -j ACCEPT
    for chain in INPUT OUTPUT FORWARD; do
        $tool -I $chain -p tcp -m multiport --dports 25,465,587 -j mail
        $tool -A $chain -m conntrack --ctstate INVALID -j DROP
    done
    $tool -t mangle -A PREROUTING -p tcp --dport 25 -j MARK --set-mark 0x25
    $tool -t raw -A OUTPUT -p tcp --dport 25 -j ACCEPT
done
"""
_NFT = """
nft -f - <<'EOF'
table inet first {
    set mail { type inet_service; elements = { 25, 465, 587 } }
    chain out { type filter hook output priority -300; policy accept; tcp dport @mail counter accept; }
    chain in { type filter hook input priority -300; policy accept; tcp dport @mail counter accept; }
    chain through { type filter hook forward priority -300; policy accept; tcp dport @mail counter accept; }
}
table inet last {
    chain out { type filter hook output priority 300; policy drop; accept; }
    chain in {
        type filter hook input priority 300; policy accept;
        ct state vmap { established : accept, new : accept }
    }
    chain through { type filter hook forward priority 300; policy accept; meta mark set 0x1 accept; }
}
table netdev edge {
    chain in { type filter hook ingress device "eth0" priority 0; policy accept; tcp dport 25 accept; }
}
EOF
"""
_FIREWALLD = """
cp /etc/firewalld/firewalld.conf /run/firewalld.conf
sed -i 's/^FirewallBackend=.*/FirewallBackend={backend}/' /etc/firewalld/firewalld.conf
systemctl start firewalld
firewall-cmd --quiet --zone=trusted --change-interface=eth0
if [ -e /sys/class/net/eth1 ]; then firewall-cmd --quiet --zone=trusted --change-interface=eth1; fi
"""
_UFW = """
touch /run/ufw-on
{alternatives}
ufw allow 22/tcp && ufw allow 25,465,587/tcp && ufw allow out 25,465,587/tcp && ufw route allow from any
ufw --force enable
"""
_LEGACY = "for tool in iptables ip6tables; do update-alternatives --quiet --set $tool /usr/sbin/$tool-legacy; done"
_IPSET = """
ipset create friends hash:ip
ipset add friends 10.78.1.2
iptables-nft -A INPUT -p tcp -m set --match-set friends src -j ACCEPT
"""

FOREIGN = {
    "docker on iptables-nft": _DOCKER.format(tool="iptables-nft"),
    "docker on iptables-legacy": _DOCKER.format(tool="iptables-legacy"),
    "iptables-nft": _ACCEPTS.format(kind="nft"),
    "iptables-legacy": _ACCEPTS.format(kind="legacy"),
    "both iptables at once": _ACCEPTS.format(kind="nft") + _ACCEPTS.format(kind="legacy"),
    "tables of nft before and after ours": _NFT,
    "ipset": _IPSET,
    "firewalld on nftables": _FIREWALLD.format(backend="nftables"),
    "firewalld on iptables": _FIREWALLD.format(backend="iptables"),
    "ufw on iptables-nft": _UFW.format(alternatives=""),
    "ufw on iptables-legacy": _UFW.format(alternatives=_LEGACY),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_router_beside(hosts, kind: str) -> None:
    hosts.sh(ROUTER, FOREIGN[kind])
    hosts.keep(ROUTER)
    declared = {"router": True, "forward": rules(CLIENT, SERVER, 587), "ingress": rules(CLIENT, ROUTER, 25)}
    assert hosts.apply(ROUTER, **declared)["changed"]
    hosts.untouched(ROUTER)
    assert hosts.knock(CLIENT, SERVER, 25, 465, 587) == {25: {SHUT}, 465: {SHUT}, 587: {OPEN}}
    assert hosts.knock(CLIENT, ROUTER, 25, 587) == {25: {OPEN}, 587: {SHUT}}
    assert not hosts.apply(ROUTER, **declared)["changed"]
    hosts.untouched(ROUTER)
    assert hosts.apply(ROUTER, state="absent")["changed"]
    hosts.untouched(ROUTER)
    assert hosts.knock(CLIENT, SERVER, 25, 587) == {25: {OPEN}, 587: {OPEN}}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_host_beside(hosts, kind: str) -> None:
    hosts.sh(CLIENT, FOREIGN[kind])
    hosts.keep(CLIENT)
    hosts.apply(CLIENT, egress=rules(CLIENT, SERVER, 25))
    hosts.untouched(CLIENT)
    assert hosts.knock(CLIENT, SERVER, 25, 465, 587) == {25: {OPEN}, 465: {SHUT}, 587: {SHUT}}
    hosts.apply(CLIENT, state="absent")
    hosts.untouched(CLIENT)


def test_theirs_that_begin_after_ours(hosts) -> None:
    hosts.apply(ROUTER, router=True, forward=rules(CLIENT, SERVER, 587))
    hosts.sh(ROUTER, FOREIGN["firewalld on nftables"])
    assert hosts.knock(CLIENT, SERVER, 25, 587) == {25: {SHUT}, 587: {OPEN}}
    hosts.keep(ROUTER)
    hosts.sh(
        ROUTER,
        "firewall-cmd --quiet --complete-reload; firewall-cmd --quiet --zone=trusted --change-interface=eth0; "
        "firewall-cmd --quiet --zone=trusted --change-interface=eth1",
    )
    hosts.script(ROUTER, "foreign.py", "same", "test")
    assert hosts.knock(CLIENT, SERVER, 25, 587) == {25: {SHUT}, 587: {OPEN}}
    assert not hosts.apply(ROUTER, router=True, forward=rules(CLIENT, SERVER, 587))["changed"]


def test_no_ruleset_is_ever_flushed() -> None:
    folders = ("plugins", "roles", "playbooks", "tunnel/src")
    files = [path for folder in folders for path in (CHECKOUT / folder).rglob("*") if path.is_file()]
    assert len(files) > 100
    found = [path for path in files if re.search(rb"flush\s+ruleset", path.read_bytes(), re.IGNORECASE)]
    assert [str(Path(path).relative_to(CHECKOUT)) for path in found] == []
