# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from itertools import product

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.probe import model, verdict
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.model import Evidence, Finding

OUTCOMES = sorted(model.ANSWERED | model.SHUT | model.NOT_RUN)
CONTROLS = (verdict.DESTINATION, verdict.FAMILY, verdict.NO_CONTROL)


def found(outcome: str, **parts: object) -> Finding:
    return Finding(outcome, Evidence("seen", **parts))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expect", "depth", "outcome", "control", "require"),
    list(product(model.EXPECTATIONS, model.DEPTHS, OUTCOMES, CONTROLS, (True, False))),
)
def test_only_what_was_expected_and_seen_passes(expect, depth, outcome, control, require) -> None:
    judged = verdict.judge(expect, depth, found(outcome), control, require)
    assert judged.verdict in verdict.VERDICTS
    assert judged.reason
    passed = judged.verdict == "pass"
    if outcome in model.NOT_RUN:
        assert judged.verdict == "error"
    elif expect == "allowed":
        assert passed == (outcome == "open")
    elif outcome in model.ANSWERED:
        assert judged.verdict == "fail"
    else:
        proven = control != verdict.NO_CONTROL or not require
        assert judged.verdict == ("pass" if proven else "unproven")


def test_unreachable_destination_that_lives_is_rejected_by_a_firewall() -> None:
    answer = found("no_route", icmp_type=3, icmp_code=1, device="192.0.2.1")
    settled = verdict.settle(answer, True, None)
    assert settled.outcome == "rejected"
    assert settled.evidence.device == "192.0.2.1"
    assert verdict.settle(answer, False, None) == answer


def test_missing_route_of_the_own_host_stays_one() -> None:
    own = found("no_route", local=True)
    assert verdict.settle(own, True, None) == own


def test_silence_of_an_absent_destination_is_no_filter() -> None:
    absent = found("no_route", icmp_type=3, icmp_code=1, device="192.0.2.7")
    assert verdict.settle(found("filtered"), False, absent) == absent
    assert verdict.settle(found("filtered"), False, found("filtered")).outcome == "filtered"
    assert verdict.settle(found("refused"), False, absent).outcome == "refused"


@pytest.mark.parametrize(
    ("expect", "depth", "outcome", "control", "require"),
    list(product(model.EXPECTATIONS, model.DEPTHS, OUTCOMES, CONTROLS, (True, False))),
)
def test_block_of_an_address_that_answered_nothing_is_unproven(expect, depth, outcome, control, require) -> None:
    """The verdict differs from that without the demand in this one case only."""
    without = verdict.judge(expect, depth, found(outcome), control, require)
    judged = verdict.judge(expect, depth, found(outcome), control, require, require_answer=True)
    if expect == "blocked" and outcome in model.SHUT and control == verdict.FAMILY and require:
        assert (without.verdict, judged.verdict) == ("pass", "unproven")
        assert "nobody may be there" in judged.reason
    else:
        assert judged == without


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_reset_that_this_host_may_have_sent_is_no_sign_of_life(outcome: str) -> None:
    assert verdict.is_sign_of_life(found(outcome), outside=False) == (outcome in model.ANSWERED)


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_destination_rejects_itself_in_its_own_name(outcome: str) -> None:
    assert not verdict.rejects_itself(found(outcome), "192.0.2.1")
    himself = found(outcome, icmp_type=3, icmp_code=13, device="192.0.2.1")
    assert verdict.rejects_itself(himself, "192.0.2.1") == (outcome == "rejected")
    assert verdict.rejects_itself(found("rejected", device="fe80::1"), "fe80::1%eth0")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_sign_of_life_is_a_tcp_answer(outcome: str) -> None:
    assert verdict.is_sign_of_life(found(outcome)) == (outcome in model.ANSWERED or outcome == "refused")
