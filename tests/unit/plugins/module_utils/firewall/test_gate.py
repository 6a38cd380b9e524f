# SPDX-License-Identifier: GPL-3.0-or-later
"""Old and new rules in one transaction, and the old ones found again in what nft lists."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.firewall import gate, listing, model, render


def rules(*ports: int, **more: object) -> render.Rendered:
    accept = [{"source": "10.0.0.1", "destination": "10.0.1.1", "port": port, "path": "p"} for port in ports]
    return render.render(model.from_options({"ports": [25, 587], "egress": accept, **more}))


LOCKED = {
    "lockdown": True,
    "management": [{"direction": "ingress", "source": "10.0.9.0/24", "destination": "10.0.0.1", "port": 22}],
}


def loaded(*texts: str) -> dict[str, str]:
    """Load the texts in turn in a namespace of their own; return listings by table, and the chains."""
    script = " && ".join(["nft -f -" if n == 0 else f"printf '%s' \"$T{n}\" | nft -f -" for n in range(len(texts))])
    lists = "; echo ====; ".join(
        ["nft list table inet alertpath", "nft list table inet alertpath_before 2>/dev/null", "nft list chains inet"]
    )
    done = subprocess.run(
        ["unshare", "-n", "sh", "-c", f"{script} && {{ {lists}; }}"],
        input=texts[0],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **{f"T{n}": text for n, text in enumerate(texts)}},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout, done.stderr
    names = ("new", "old", "chains")
    return dict(zip(names, done.stdout.split("====\n"), strict=True))


@pytest.mark.parametrize(
    "old", [rules(25), rules(25, **LOCKED), rules(25, router=True)], ids=["plain", "lock", "router"]
)
def test_the_old_rules_are_found_again_as_they_were(old):
    before = loaded(old.text)["new"]
    found = loaded(gate.staged(rules(587, **LOCKED).table, before, 30))
    assert gate.unconfirmed(found["chains"])
    assert gate.armed(found["new"])
    assert listing.canonical(gate.former(found["old"])) == listing.canonical(before)
    assert listing.digest(found["chains"]) == rules(587, **LOCKED).digest


def test_a_table_changed_by_hand_is_found_again_too():
    own = """\
table inet alertpath {
	set mine {
		type ipv4_addr
		elements = { 10.0.0.9 }
	}
	chain a {
		type nat hook output priority -100; policy accept;
		meta l4proto tcp ip daddr @mine redirect to :1
	}
	chain b {
		type filter hook input priority 10; policy drop;
		iifname "lo" accept
	}
}
"""
    before = loaded(own)["new"]
    found = loaded(gate.staged(rules(587).table, before, 30))
    assert listing.canonical(gate.former(found["old"])) == listing.canonical(before)


def test_without_old_rules_there_is_no_second_table():
    found = loaded(gate.staged(rules(587).table, None, 30))
    assert found["old"] == ""
    assert gate.unconfirmed(found["chains"])


def test_loading_the_rules_for_good_leaves_nothing_of_the_gate():
    staged = gate.staged(rules(587).table, loaded(rules(25).text)["new"], 30)
    found = loaded(staged, rules(587).text)
    assert found["old"] == ""
    assert not gate.unconfirmed(found["chains"])
    assert listing.canonical(found["new"]) == listing.canonical(loaded(rules(587).text)["new"])
