# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.evidence import as_data, from_data, gather
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.rules import drifts, proofs
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.rules_table import findings, lines

ROW = {
    "host": "mx",
    "source": "10.0.0.1",
    "destination": "203.0.113.25",
    "port": 25,
    "expect": "blocked",
    "outcome": "refused",
    "control": "destination",
    "verdict": "pass",
    "reason": "reset",
}
PLAN = {
    "vault": {"enforces": ["host"], "probes": [ROW]},
    "client": {"enforces": [], "probes": [ROW]},
}
PROBED = {host: {"rows": [ROW]} for host in PLAN}
UNCHANGED = {"drift": {"live": False, "boot": False}, "diff": []}
RULE = {"family": "inet", "table": "firewalld", "chain": "filter_INPUT", "handle": 34, "rule": "reject"}
FINDING = {
    "direction": "ingress",
    "source": "10.77.20.11",
    "destination": "10.77.30.11",
    "port": 587,
    "certainty": "must",
    "paths": ["vault-to-tunnel"],
    "by": [RULE],
}
PROVEN = {"passed": True, "summary": "as declared", "excess": [], "missing": [], "intercepted": []}


def report(drift: Any = None, proof: Any = None):
    return gather(
        PLAN,
        PROBED,
        None if drift is None else {"vault": drift, "client": {}},
        None if proof is None else {"vault": proof, "client": {}},
    )


def test_rules_as_declared_and_proven_pass() -> None:
    found = report(UNCHANGED, PROVEN)
    assert found.passed
    shown = lines(found.drift, found.proof)
    assert shown == [
        "RULES 1 of 1 hosts have the declared rules, loaded and for the next start, "
        "1 of 1 are proven to let pass what is declared and nothing else",
        "RULES not governed by the policy on client",
    ]


def test_rules_that_nobody_asked_for_are_not_mentioned() -> None:
    found = report()
    assert found.passed
    assert lines(found.drift, found.proof) == []
    assert as_data(found)["drift"] is None


@pytest.mark.parametrize(
    ("live", "boot", "words"),
    [
        (True, False, "the loaded rules are not as declared, the boot file is"),
        (False, True, "a restart would bring other rules than declared, the loaded ones are as declared"),
        (True, True, "neither the loaded rules nor what a restart would bring"),
    ],
)
def test_each_kind_of_drift_has_its_own_words_and_fails(live: bool, boot: bool, words: str) -> None:
    diff = [{"before_header": "table inet alertpath", "before": "a\n\tb\n", "after": "a\n\tc\n"}]
    found = report({"drift": {"live": live, "boot": boot}, "diff": diff})
    assert not found.passed
    assert found.astray == {"vault"}
    shown = lines(found.drift, None)
    assert any(line.startswith(f"DRIFT on vault, {words}") for line in shown)
    assert "on vault, in table inet alertpath, - b" in shown
    assert "on vault, in table inet alertpath, + c" in shown


@pytest.mark.parametrize("result", [{}, {"unreachable": True, "msg": "no\nroute"}, {"msg": "nft is missing"}])
def test_host_that_enforces_and_says_nothing_of_its_rules_does_not_pass(result: dict[str, Any]) -> None:
    for found in (report(drift=result), report(proof=result), report(result, result)):
        assert not found.passed
        told = [line for line in lines(found.drift, found.proof) if line.startswith("NO EVIDENCE")]
        assert len(told) == 1
        assert "the rules of vault" in told[0]
        assert "\n" not in told[0]


def test_host_left_out_of_the_results_altogether_does_not_pass() -> None:
    assert not gather(PLAN, PROBED, {}, {}).passed


def test_disproof_names_the_path_the_rule_and_the_remedy() -> None:
    found = report(UNCHANGED, {**PROVEN, "passed": False, "missing": [FINDING]})
    assert not found.passed
    shown = lines(found.drift, found.proof)
    assert any(line.startswith("DISPROVED on vault, 1 declared, blocked; have the owner") for line in shown)
    assert (
        "on vault, vault-to-tunnel, ingress from 10.77.20.11 to 10.77.30.11 port 587, "
        "by table inet firewalld chain filter_INPUT handle 34 (reject)"
    ) in shown


def test_disproof_without_any_finding_still_fails() -> None:
    assert not report(UNCHANGED, {"passed": False}).passed


def test_what_is_uncertain_is_said_to_be() -> None:
    shown = findings("vault", {"missing": [FINDING, {**FINDING, "certainty": "may", "port": 25}]})
    assert [line.split(";")[0] for line in shown if "vault," in line and ";" in line] == [
        "DISPROVED on vault, 1 declared, blocked",
        "UNPROVEN on vault, 1 declared, blocked",
    ]
    assert "port 25" in shown[-1]


def test_only_the_kinds_asked_for_are_shown() -> None:
    found = {"excess": [FINDING], "missing": [FINDING]}
    assert len(findings("vault", found)) == 4
    assert len(findings("vault", found, ["missing"])) == 2


def test_data_comes_back_as_it_was_after_json() -> None:
    diff = [{"before_header": "x", "before": "a", "after": "b"}]
    found = report(
        {"drift": {"live": True, "boot": False}, "diff": diff}, {**PROVEN, "passed": False, "excess": [FINDING]}
    )
    assert from_data(json.loads(json.dumps(as_data(found)))) == found


def test_evidence_kept_before_rules_were_read_can_still_be_shown() -> None:
    data = as_data(report())
    del data["drift"], data["proof"]
    assert from_data(data) == report()


def test_ten_thousand_changed_elements_are_told_of_in_a_moment() -> None:
    before = "\n".join(f"\t10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255} : accept," for n in range(10_000))
    after = "\n".join(reversed(before.splitlines()[:5_000])) + "\nnew"
    (drift,) = drifts(
        {"h": {"enforces": ["host"]}},
        {"h": {"drift": {"live": True, "boot": True}, "diff": [{"before": before, "after": after}]}},
    )
    (difference,) = drift.differences
    assert len(difference.lines) == 201
    assert difference.lines[-1] == "and 4801 more"
    assert len(lines([drift], None)) < 12


def test_flood_of_findings_is_cut() -> None:
    many = [{**FINDING, "port": port} for port in range(1, 500)]
    shown = lines(None, proofs({"h": {"enforces": ["host"]}}, {"h": {"passed": False, "excess": many}}))
    assert len(shown) < 30
    assert "on h, and 479 more open, not declared" in shown


def test_unmodelled_matches_are_told_of_with_their_place() -> None:
    unmodelled = {"family": "ip", "table": "filter", "chain": "INPUT", "handle": 7, "what": "xt recent"}
    (line,) = [
        line for line in lines(None, report(proof={**PROVEN, "unmodelled": [unmodelled] * 5}).proof) if "UNMOD" in line
    ]
    assert "table ip filter chain INPUT handle 7 looks at xt recent" in line
    assert "and 2 more" in line


def test_anomalies_are_told_of_and_do_not_fail() -> None:
    anomaly = {"kind": "shadowed", "rule": RULE, "others": [{**RULE, "handle": 3}], "what": "is never reached"}
    found = report(UNCHANGED, {**PROVEN, "anomalies": [anomaly] * 5})
    assert found.passed
    told = [line for line in lines(None, found.proof) if line.startswith("ANOMALY")]
    assert len(told) == 4
    assert "handle 34 (reject) is never reached, table inet firewalld chain filter_INPUT handle 3" in told[0]


def test_findings_that_the_module_left_out_are_counted() -> None:
    found = findings("vault", {"excess": [FINDING], "left_out": {"excess": 999}})
    assert found[-1] == "on vault, and 999 more open, not declared"
