# SPDX-License-Identifier: GPL-3.0-or-later
"""ACLs say exactly what the policy says, on every platform, and are never half of one."""

from __future__ import annotations

import datetime
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs import perimeter_aerleon
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_plan import NotAPlan
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.perimeter import acl
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.perimeter_aerleon import Missing
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.perimeter_plan import Refused
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.perimeter_targets import PLATFORMS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .acl_readers import READERS, Point
from .perimeter_samples import POINTS, POINTS6, PORTS, TODAY, holds, opens, plan, plans, way

ONE = plan([way("vault-to-tunnel", ["192.0.2.11", "2001:db8:1::11"], ["192.0.2.129", "2001:db8:2::129"], [587])])
BLOCK = {"id": "worm", "sources": ["192.0.2.16/31", "::/0"], "destinations": ["0.0.0.0/0", "2001:db8::12"]}


def text(**options: Any) -> str:
    return str(acl(ONE, today=TODAY, **{"target": "cisco", **options})["text"])


def reasons(made_from: Any = ONE, **options: Any) -> list[tuple[str | None, str | None, str | None]]:
    with pytest.raises(Refused) as refused:
        acl(made_from, **{"target": "cisco", "today": TODAY, **options})
    assert all(finding.remedy for finding in refused.value.findings)
    return [(finding.path, finding.field, finding.value) for finding in refused.value.findings]


EVERY = [
    Point(source, destination, port, protocol)
    for pool in (POINTS, POINTS6)
    for source in pool
    for destination in pool
    for port, protocol in [*((port, "tcp") for port in (*PORTS, 24)), (25, "udp")]
]


@pytest.mark.parametrize("target", sorted(READERS))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    made_from=plans(),
    rest=st.sampled_from(["none", "permit", "deny"]),
    blocked=st.booleans(),
)
def test_an_acl_gives_the_policys_answer(target: str, made_from: dict[str, Any], rest: str, blocked: bool) -> None:
    found = acl(made_from, target, TODAY, rest=rest, deny=[BLOCK] if blocked else None)
    decide = READERS[target](found["acls"])
    for point in EVERY:
        smtp = point.protocol == "tcp" and point.port in PORTS
        held = blocked and holds(point.source, BLOCK["sources"]) and holds(point.destination, BLOCK["destinations"])
        if smtp and not held:
            opened = any(opens(w, point.source, point.destination, point.port) for w in made_from["paths"])
            expected = "permit" if opened else "deny"
        else:
            expected = "deny" if smtp else rest
        assert decide(point) == expected, (point, found["text"])


def test_every_platform_with_defaults_is_read_back() -> None:
    assert set(PLATFORMS) == set(READERS)


@pytest.mark.parametrize("target", sorted(PLATFORMS))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(made_from=plans(), data=st.data())
def test_order_in_the_plan_changes_nothing_but_order_of_terms_by_path(
    target: str, made_from: dict[str, Any], data: st.DataObject
) -> None:
    once, again = acl(made_from, target, TODAY), acl(made_from, target, TODAY)
    assert once == again
    shuffled = [{**w, "sources": data.draw(st.permutations(w["sources"]))} for w in made_from["paths"]]
    assert acl({**made_from, "paths": shuffled}, target, TODAY) == once


def test_the_bytes_do_not_depend_on_the_process() -> None:
    code = (
        "import sys, json, hashlib, datetime\n"
        "from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.perimeter import acl\n"
        "plan = json.load(sys.stdin)\n"
        f"for target in {sorted(PLATFORMS)!r}:\n"
        "    print(hashlib.sha256(acl(plan, target, datetime.date(2026, 11, 23))['text'].encode()).hexdigest())\n"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(ONE),
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
        ).stdout
        for seed in ("1", "2", "77")
    }
    assert len(answers) == 1


def test_a_fragment_replaces_nothing_and_says_nothing_of_other_traffic() -> None:
    for target in ("cisco", "cisconx", "ciscoxr", "arista"):
        lines = text(target=target).splitlines()
        assert all(
            line.startswith((" permit tcp", " deny tcp", " remark", "! Entries for")) or not line for line in lines
        )
    asa = text(target="ciscoasa").splitlines()
    assert all(line.startswith("access-list ALERTPATH-SMTP ") for line in asa)
    for target in PLATFORMS:
        whole = text(target=target)
        assert "permit ip" not in whole
        assert "alertpath-rest" not in whole


def test_a_whole_acl_is_framed_and_ends_with_a_verdict_for_the_rest() -> None:
    lines = text(rest="permit", name="EDGE").splitlines()
    assert "ip access-list extended EDGE" in lines
    assert "ipv6 access-list EDGE-v6" in lines
    assert " permit ip any any" in lines
    assert " permit ipv6 any any" in lines
    assert " deny ipv6 any any" in text(rest="deny").splitlines()
    assert "It denies replies too" in acl(ONE, "cisco", TODAY, rest="deny")["notes"][0]


def test_an_expired_permit_closes_and_is_told() -> None:
    old = plan([way("old", ["192.0.2.11"], ["192.0.2.129"], [587], review_by="2026-11-22"), *ONE["paths"]])
    found = acl(old, "cisco", TODAY)
    assert found["expired"] == [{"path": "old", "review_by": "2026-11-22"}]
    assert [term["path"] for term in found["terms"]] == ["vault-to-tunnel", "vault-to-tunnel", None]
    assert "remark Left out, expired: old" in found["text"]
    assert any("old" in warning and "2026-11-22" in warning for warning in found["warnings"])
    assert acl(old, "cisco", datetime.date(2026, 11, 22))["expired"] == []


def test_an_expired_deny_is_an_error() -> None:
    assert reasons(deny=[{**BLOCK, "expires": "2026-11-22"}]) == [("worm", "expires", "2026-11-22")]
    found = acl(ONE, "cisco", TODAY, deny=[{**BLOCK, "expires": "2026-11-23"}])
    assert [term["action"] for term in found["terms"]] == ["deny", "deny", "permit", "permit", "deny"]


def test_a_term_carries_who_answers_for_it() -> None:
    found = acl(ONE, "cisco", TODAY)
    first = found["terms"][0]
    assert first == {
        "name": "vault-to-tunnel-v4", "path": "vault-to-tunnel", "action": "permit", "family": "ipv4",
        "sources": ["192.0.2.11"], "destinations": ["192.0.2.129"], "ports": [587], "owner": "soc@corp.test",
        "approved_by": "CHG0012345", "reason": "Alerts leave", "review_by": "2027-06-30",
    }  # fmt: skip
    assert "remark owner soc@corp.test, approved by CHG0012345, review by" in found["text"]


def test_all_that_is_wrong_comes_at_once() -> None:
    broken = plan([way("bad", ["192.0.2.11", "not-an-address"], ["192.0.2.0/8"], [587, 2525])])
    assert reasons(broken) == [
        ("bad", "destinations", "192.0.2.0/8"),
        ("bad", "ports", "2525"),
        ("bad", "sources", "not-an-address"),
    ]
    assert reasons(name="no spaces here", rest="maybe", families=["ipv5"], options="x; y") == [
        (None, "families", "ipv5"),
        (None, "name", "no spaces here"),
        (None, "options", "x; y"),
        (None, "rest", "maybe"),
    ]
    assert reasons(deny=[{"sources": ["any"], "port": 25}, "x"]) == [
        ("deny[0]", "destinations", None),
        ("deny[0]", "id", None),
        ("deny[0]", "port", None),
        ("deny[0]", "sources", "any"),
        ("deny[1]", None, "x"),
        ("deny[1]", "destinations", None),
        ("deny[1]", "id", None),
        ("deny[1]", "sources", None),
    ]


def test_what_cannot_be_asked_for_is_refused() -> None:
    assert reasons(target="windows_advfirewall", options="out inet") == [(None, "target", "windows_advfirewall")]
    assert reasons(target="abacus", options="x", families=["ipv4"]) == [(None, "target", "abacus")]
    assert reasons(target="nokiasrl") == [(None, "families", None), (None, "options", None)]
    assert reasons(target="nokiasrl", options="N inet", families=["ipv4", "ipv6"]) == [(None, "families", None)]
    assert reasons(target="srx", families=["ipv4"]) == [(None, "families", "ipv4")]
    assert reasons(options="object-group") == [(None, "options", "object-group")]
    assert reasons(paths=["nobody"]) == [(None, "paths", "nobody")]
    assert reasons(target="srx", options="from-zone only") == [(None, "options", "from-zone only mixed")]
    with pytest.raises(NotAPlan):
        acl({"digest": "x", "ports": [25]}, "cisco", TODAY)
    with pytest.raises(NotAPlan):
        acl("plan", "cisco", TODAY)


@pytest.mark.parametrize("target", ["cisco", "srx"])
def test_names_of_terms_stay_apart_in_whatever_case(target: str) -> None:
    ids = ["a", "A", "x:y", "x-y", "x.y", "1st", "p" * 60, "p" * 59 + "q"]
    made_from = plan([way(name, ["192.0.2.1", "2001:db8::1"], ["192.0.2.2", "2001:db8::2"], [25]) for name in ids])
    names = [term["name"] for term in acl(made_from, target, TODAY, deny=[{**BLOCK, "id": "a"}])["terms"]]
    assert len({name.casefold() for name in names}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,47}", name) for name in names)
    assert "x-y-v4" in names


def test_a_part_can_be_asked_for() -> None:
    two = plan([*ONE["paths"], way("other", ["192.0.2.1"], ["192.0.2.2"], [25])])
    found = acl(two, "cisco", TODAY, paths=["other"], families=["ipv4"])
    assert [one["family"] for one in found["acls"]] == ["ipv4"]
    assert [term["path"] for term in found["terms"]] == ["other", None]


def test_any_other_target_is_written_for_one_family() -> None:
    v4 = acl(ONE, "nokiasrl", TODAY, options="EDGE inet", families=["ipv4"])
    assert "2001:db8" not in v4["text"]
    assert "192.0.2.11/32" in v4["text"]
    v6 = acl(ONE, "iptables", TODAY, options="FORWARD inet6 ACCEPT", families=["ipv6"])
    assert "-s 2001:db8:1::11/128 -d 2001:db8:2::129/128" in v6["text"]
    assert v6["acls"][0]["family"] == "ipv6"


def test_what_aerleon_warns_of_is_refused() -> None:
    found = reasons(target="arista_tp", options="EDGE inet", families=["ipv4"], rest="permit")
    assert found == [(None, "target", "arista_tp")]


def test_what_aerleon_leaves_out_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    load = perimeter_aerleon.load

    def theirs() -> Any:
        return load("lib.ciscoasa").CiscoASA

    monkeypatch.setattr(perimeter_aerleon, "_asa", theirs)
    assert reasons(target="ciscoasa") == [
        ("vault-to-tunnel", "destinations", "2001:db8:2::129"),
        ("vault-to-tunnel", "sources", "2001:db8:1::11"),
    ]


def test_without_the_package_the_error_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aerleon.lib.naming", None)
    with pytest.raises(Missing, match=r"pip install 'aerleon>="):
        acl(ONE, "cisco", TODAY)


def test_aerleon_says_nothing_on_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    acl(ONE, "paloalto", TODAY)
    reasons(target="arista_tp", options="EDGE inet", families=["ipv4"], rest="permit")
    assert capfd.readouterr() == ("", "")


def test_many_entries_are_warned_of() -> None:
    sources = [f"10.0.{n // 256}.{n % 256}" for n in range(0, 4000, 2)]
    many = plan([way("many", sources, ["192.0.2.1"], [25, 465, 587])])
    found = acl(many, "cisco", TODAY, families=["ipv4"])
    assert any("6003 entries" in warning for warning in found["warnings"])
    assert found["text"].count("permit tcp") == 6000
