# SPDX-License-Identifier: GPL-3.0-or-later
"""The audit says of every rule who answers for it, who enforces it, and what is proven; never more than is known."""

from __future__ import annotations

import datetime
import json
import random
from typing import Any

import jmespath
import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.audit import audit, review
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.audit_document import document
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.audit_proof import NotEvidence
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_html import page
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_markdown import markdown
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_plan import NotAPlan

from .audit_samples import TODAY, evidence, plan

LAN = "lan-gateway:routers:internal_mail_server"
RULE = {"family": "ip", "table": "theirs", "chain": "out", "handle": 7, "rule": "tcp dport 587 drop"}
FINDING = {
    "direction": "egress",
    "source": "10.77.20.11",
    "destination": "10.77.30.11",
    "port": 587,
    "certainty": "must",
    "paths": ["vault-to-tunnel"],
    "by": [RULE],
}
AS_DECLARED = {"passed": True, "summary": "as declared"}


def rules(found: Any) -> dict[str, Any]:
    return {rule["id"]: rule for rule in found.as_dict()["rules"]}


def proofs(made: dict[str, Any], *given: Any, **more: Any) -> dict[str, Any]:
    return {name: rule["proof"] for name, rule in rules(audit(made, list(given), TODAY, **more)).items()}


def proven_by_all(made: dict[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(made["hosts"], AS_DECLARED)


def verdict(path: str, word: str, reason: str = "no answer"):
    """Makes the rows of *path* end in *word*."""
    return lambda _host, row: {**row, "verdict": word, "reason": reason} if row["path"] == path else row


@pytest.mark.parametrize(
    ("review_by", "days", "state"),
    [
        ("2026-11-22", -1, "overdue"),
        ("2026-11-23", 0, "soon"),
        ("2026-12-23", 30, "soon"),
        ("2026-12-24", 31, "ok"),
        (None, None, "missing"),
    ],
)
def test_days_until_the_review(review_by, days, state) -> None:
    found = review(datetime.date.fromisoformat(review_by) if review_by else None, TODAY)
    assert (found.review_by, found.days, found.state) == (review_by, days, state)


def test_every_way_of_the_plan_is_a_rule_with_who_answers_for_it() -> None:
    made = plan()
    found = rules(audit(made, None, TODAY))
    assert list(found) == [entry["id"] for entry in made["paths"]]
    for entry in made["paths"]:
        assert {key: found[entry["id"]][key] for key in entry} == entry


def test_enforcers_are_the_hosts_whose_rules_let_it_pass() -> None:
    found = rules(audit(plan(), None, TODAY))
    hosts = {name: {e["host"]: e["directions"] for e in rule["enforced_by"]} for name, rule in found.items()}
    assert hosts == {
        LAN: {"router": ["forward"]},
        "tunnel-to-gateway": {"router": ["forward"], "tunnel1": ["egress"]},
        "vault-to-tunnel": {"router": ["forward"], "tunnel1": ["ingress"], "vault1": ["egress"], "vault2": ["egress"]},
    }


def overlapping(raw: Any) -> None:
    """Another path, first by id, that opens what vault1 uses of vault-to-tunnel, too."""
    raw["zones"]["one"] = {"addresses": ["10.77.20.11", "fd77:20::11", "10.77.10.60"]}
    raw["paths"].append({**raw["paths"][0], "id": "a-first", "from": "one"})


def test_rule_that_stands_under_another_path_is_enforced_and_proven_all_the_same() -> None:
    made = plan(overlapping)
    assert {rule["path"] for rule in made["hosts"]["vault1"]["firewall"]["egress"]} == {"a-first"}
    found = rules(audit(made, evidence(made), TODAY))
    assert "vault1" in [e["host"] for e in found["vault-to-tunnel"]["enforced_by"]]
    assert "vault2" not in [e["host"] for e in found["a-first"]["enforced_by"]]
    assert "probed: 3 of 3 as declared" in found["vault-to-tunnel"]["proof"]["how"]
    assert "probed: 2 of 2 as declared" in found["a-first"]["proof"]["how"]


def test_two_servers_behind_one_gateway_are_told_apart() -> None:
    def change(raw: Any) -> None:
        raw["zones"]["second"] = {"addresses": ["10.77.10.26"], "name": "second.corp.test"}
        raw["lan_gateways"].append({**raw["lan_gateways"][0], "mail_server": "second"})

    made = plan(change)
    made["hosts"]["router"]["firewall"]["forward"] = [
        rule for rule in made["hosts"]["router"]["firewall"]["forward"] if rule["source"] != "10.77.10.26"
    ]
    found = [rule for rule in audit(made, None, TODAY).rules if rule.way.id == LAN]
    enforced = {rule.way.mail_server: [e.host for e in rule.enforced_by] for rule in found}
    assert enforced == {"mailserver": ["router"], "second": []}


def test_without_evidence_nothing_is_proven() -> None:
    for nothing in (None, "", []):
        found = rules(audit(plan(), nothing, TODAY))
        assert {rule["proof"]["state"] for rule in found.values()} == {"unknown"}
        assert not any(rule["proof"]["ever_proven"] for rule in found.values())


def test_every_probe_as_declared_proves_a_rule() -> None:
    made = plan()
    found = proofs(made, evidence(made, at="2026-11-22T05:00:00+01:00"))
    assert found["vault-to-tunnel"]["state"] == "proven"
    assert found["vault-to-tunnel"]["last_proven"] == "2026-11-22T04:00:00Z"
    assert found["vault-to-tunnel"]["how"][:2] == [
        "probed: 3 of 3 as declared",
        "vault1 to 10.77.30.11 port 587: tunnel1.corp.test answers, proved by its certificate (TLSv1.3)",
    ]


@pytest.mark.parametrize(
    ("word", "state"), [("fail", "disproved"), ("error", "incomplete"), ("unproven", "incomplete")]
)
def test_rows_that_do_not_pass_prove_nothing(word, state) -> None:
    made = plan()
    found = proofs(made, evidence(made, verdict("vault-to-tunnel", word)))
    assert found["vault-to-tunnel"]["state"] == state
    assert found["vault-to-tunnel"]["against"][0] == "vault1 to 10.77.30.11 port 587: no answer"
    assert found["tunnel-to-gateway"]["state"] == "proven"
    assert not found["vault-to-tunnel"]["ever_proven"]


def test_one_missing_row_leaves_a_rule_unproven() -> None:
    made = plan()
    found = proofs(made, evidence(made, lambda host, row: None if host == "vault2" else row))["vault-to-tunnel"]
    assert (found["state"], found["against"]) == ("incomplete", ["vault2 to 10.77.30.11 port 587: no row"])


def test_row_of_another_expectation_is_not_taken() -> None:
    """Evidence from before the path was declared: the same connection, found blocked, as it had to be then."""
    made = plan()
    before = plan(lambda raw: raw.update(paths=raw["paths"][1:]))
    assert proofs(made, evidence(before))["vault-to-tunnel"]["state"] == "incomplete"


def test_older_evidence_tells_when_a_rule_was_proven_last() -> None:
    made = plan()
    good = [evidence(made, at=f"2026-11-{day}T06:00:00Z") for day in (20, 18)]
    bad = evidence(made, verdict("vault-to-tunnel", "fail"), at="2026-11-22T06:00:00Z")
    found = proofs(made, *good, bad)
    assert (found["vault-to-tunnel"]["state"], found["vault-to-tunnel"]["last_proven"]) == (
        "disproved",
        "2026-11-20T06:00:00Z",
    )
    assert found["tunnel-to-gateway"]["last_proven"] == "2026-11-22T06:00:00Z"
    assert found == proofs(made, bad, *reversed(good))


def test_times_beside_the_evidence_count_where_it_says_none_itself() -> None:
    made = plan()
    found = proofs(made, evidence(made), evidence(made, at="2026-11-21"), times=[1795413600, 0])
    assert found["vault-to-tunnel"]["last_proven"] == "2026-11-23T06:00:00Z"
    untold = proofs(made, evidence(made))["vault-to-tunnel"]
    assert (untold["ever_proven"], untold["last_proven"]) == (True, None)


def test_json_text_is_evidence_as_well() -> None:
    made = plan()
    assert proofs(made, json.dumps(evidence(made))) == proofs(made, evidence(made))


def test_loaded_rules_that_block_a_path_disprove_it() -> None:
    made = plan()
    blocked = {"passed": False, "missing": [FINDING]}
    found = proofs(made, evidence(made, proof={**proven_by_all(made), "vault1": blocked}))
    assert found["vault-to-tunnel"]["state"] == "disproved"
    assert found["vault-to-tunnel"]["against"] == ["vault1: the loaded rules block it (1 finding)"]
    assert found["tunnel-to-gateway"]["state"] == "proven"
    perhaps = {"passed": False, "intercepted": [{**FINDING, "certainty": "may"}]}
    found = proofs(made, evidence(made, proof={**proven_by_all(made), "vault1": perhaps}))
    assert found["vault-to-tunnel"]["state"] == "incomplete"


def test_loaded_rules_that_nobody_could_read_prove_nothing() -> None:
    made = plan()
    found = proofs(made, evidence(made, proof={**proven_by_all(made), "vault2": {"msg": "nft is missing"}}))
    assert found["vault-to-tunnel"]["state"] == "incomplete"
    assert "nft is missing" in found["vault-to-tunnel"]["against"][0]


def test_rule_without_a_probe_is_proven_by_the_rules_of_all_who_enforce_it_or_not_at_all() -> None:
    def change(raw: Any) -> None:
        raw["zones"]["mx"] = {"networks": ["198.51.100.0/28"]}
        raw["paths"].append({**raw["paths"][1], "id": "to-mx", "to": "mx", "port": 25, "encryption": "starttls"})

    made = plan(change)
    assert proofs(made, evidence(made))["to-mx"]["state"] == "unprobed"
    found = proofs(made, evidence(made, proof=proven_by_all(made), at="2026-11-22"))["to-mx"]
    assert (found["state"], found["last_proven"]) == ("by_rules", "2026-11-22T00:00:00Z")
    assert found["how"][0].startswith("no probe of the plan")
    some = {"tunnel1": AS_DECLARED, "router": {"unreachable": True, "msg": "no route"}}
    assert proofs(made, evidence(made, proof=some))["to-mx"]["state"] == "incomplete"


def test_sentinel_counts_what_found_it_blocked() -> None:
    made = plan()

    def reached(host: str, row: Any) -> Any:
        if row["destination"] == "203.0.113.25" and host == "client":
            return {**row, "verdict": "fail", "reason": "must be blocked, but connected"}
        return row

    (good,) = audit(made, evidence(made), TODAY).sentinels
    assert good.probes == good.blocked > 0
    (bad,) = audit(made, evidence(made, reached), TODAY).sentinels
    assert bad.probes - bad.blocked == len(bad.against) == 3
    assert "client: must be blocked, but connected" in bad.against


def test_hosts_show_drift_and_what_their_rules_leave_open() -> None:
    made = plan()
    open_too = {"passed": False, "excess": [{**FINDING, "paths": []}]}
    drift = {name: {"drift": {"live": name == "vault1", "boot": False}} for name in made["hosts"]}
    given = evidence(made, proof={**proven_by_all(made), "vault2": open_too}, drift=drift)
    hosts = {host.name: host for host in audit(made, given, TODAY).hosts}
    assert (hosts["vault1"].drift, hosts["vault2"].drift, hosts["client"].drift) == ("differs", "same", "left_out")
    assert (hosts["vault2"].proof, hosts["tunnel1"].proof) == ("disproved", "proven")
    assert any("table ip theirs" in note for note in hosts["vault2"].notes)


def test_evidence_tells_its_plan_where_it_knows() -> None:
    made = plan()
    given = [evidence(made, digest=made["digest"], at="2026-11-20"), evidence(made, digest="x", at="2026-11-21")]
    found = audit(made, [*given, evidence(made)], TODAY).evidence
    assert [(body.at, body.same_plan) for body in found] == [
        (None, None),
        ("2026-11-20T00:00:00Z", True),
        ("2026-11-21T00:00:00Z", False),
    ]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("not json", "not JSON"),
        (7, "not a dictionary"),
        ({"rows": []}, "has no 'missing'"),
        ({"rows": [{"probe_host": "x"}], "missing": [], "moved_names": [], "summary": {"hosts": 1}}, "has no"),
        ({"rows": [], "missing": [], "moved_names": [], "summary": {"hosts": 1}, "at": "soon"}, "not a time"),
        ({"rows": [], "missing": [], "moved_names": [], "summary": {"hosts": 1}, "at": 1e99}, "not a time"),
    ],
)
def test_what_is_no_evidence_is_refused(wrong, words) -> None:
    with pytest.raises(NotEvidence, match=words):
        audit(plan(), wrong, TODAY)


def test_times_must_be_one_for_each() -> None:
    with pytest.raises(NotEvidence, match="2 entries for 1"):
        audit(plan(), [evidence(plan())], TODAY, times=[1, 2])


@pytest.mark.parametrize("missing", ["paths", "zones", "sentinels", "findings", "hosts", "digest"])
def test_what_is_no_plan_is_refused(missing) -> None:
    with pytest.raises(NotAPlan, match=f"{missing} is missing"):
        audit({key: value for key, value in plan().items() if key != missing}, None, TODAY)


def shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, dict):
        return {key: shuffled(value[key], order) for key in order.sample(list(value), len(value))}
    return [shuffled(item, order) for item in value] if isinstance(value, list) else value


def test_same_plan_evidence_and_day_make_the_same_documents() -> None:
    made = plan(overlapping)
    given = [evidence(made, at="2026-11-20"), evidence(made, verdict("a-first", "fail"), at="2026-11-21")]
    want = [render(document(audit(made, given, TODAY))) for render in (markdown, page)]
    for seed in range(3):
        order = random.Random(seed)
        again = audit(shuffled(made, order), [shuffled(item, order) for item in given[::-1]], TODAY)
        assert [render(document(again)) for render in (markdown, page)] == want


def test_data_is_plain_and_can_be_queried() -> None:
    made = plan()
    found = audit(made, evidence(made), TODAY).as_dict()
    assert json.loads(json.dumps(found)) == found
    assert jmespath.search("rules[?kind=='path'].proof.state", found) == ["proven", "proven"]
    assert jmespath.search("rules[?review.days<`300`].owner | [0]", found) == "messaging@corp.test"


def test_sentinel_that_one_server_may_reach_is_not_reached_by_it() -> None:
    made = plan()

    def silent(host: str, row: Any) -> Any:
        return {**row, "verdict": "fail", "reason": "no answer"} if row["path"] == LAN else row

    (found,) = audit(made, evidence(made, silent), TODAY).sentinels
    assert found.against == ()
    assert found.probes == sum(
        probe["destination"] == "203.0.113.25" and probe["expect"] == "blocked"
        for host in made["hosts"].values()
        for probe in host["probes"]
    )


def test_newest_evidence_tells_of_hosts_and_sentinels() -> None:
    made = plan()

    def reached(_host: str, row: Any) -> Any:
        return {**row, "verdict": "fail"} if row["destination"] == "203.0.113.25" else row

    old = evidence(made, reached, proof={"vault1": {"passed": False}}, at="2026-11-20")
    new = evidence(made, proof=proven_by_all(made), at="2026-11-21")
    found = audit(made, [old, new], TODAY)
    assert {host.name: host.proof for host in found.hosts}["vault1"] == "proven"
    assert found.sentinels[0].against == ()


def test_path_that_is_called_none_is_not_every_blocked_probe() -> None:
    made = plan(lambda raw: raw["paths"][0].update(id="None"))
    assert "probed: 3 of 3 as declared" in proofs(made, evidence(made))["None"]["how"]


def test_ports_that_only_one_of_two_overlapping_paths_opens_are_its_own() -> None:
    def change(raw: Any) -> None:
        overlapping(raw)
        raw["paths"][-1] |= {"port": None, "ports": [25, 587]}

    made = plan(change)
    found = proofs(made, evidence(made))
    assert "probed: 3 of 3 as declared" in found["vault-to-tunnel"]["how"]
    assert "probed: 4 of 4 as declared" in found["a-first"]["how"]


def test_finding_of_a_connection_that_a_path_does_not_open_is_not_held_against_it() -> None:
    made = plan(overlapping)
    other = {**FINDING, "source": "10.77.10.60", "direction": "forward", "paths": ["a-first"]}
    found = proofs(made, evidence(made, proof={**proven_by_all(made), "router": {"passed": False, "missing": [other]}}))
    assert found["a-first"]["state"] == "disproved"
    assert found["vault-to-tunnel"]["state"] == "proven"
    odd = {**other, "source": "10.77.10.60-10.77.10.70"}
    found = proofs(made, evidence(made, proof={**proven_by_all(made), "router": {"passed": False, "missing": [odd]}}))
    assert found["vault-to-tunnel"]["state"] == "disproved"


def test_rule_is_not_proven_by_the_rules_of_some_of_its_enforcers() -> None:
    def change(raw: Any) -> None:
        raw["zones"]["mx"] = {"networks": ["198.51.100.0/28"]}
        raw["paths"].append({**raw["paths"][1], "id": "to-mx", "to": "mx", "port": 25, "encryption": "starttls"})

    made = plan(change)
    given = evidence(made, proof=proven_by_all(made))
    del given["proof"]["router"]
    assert proofs(made, given)["to-mx"]["state"] == "unprobed"
