# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters for documents: what they return, and how they refuse what they cannot use."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.filter.instagate_worksheet import FilterModule as Worksheet
from ansible_collections.alertpath.smtp.plugins.filter.plan_matrix import FilterModule as Matrix
from ansible_collections.alertpath.smtp.plugins.filter.policy_audit import FilterModule as Audit

from ..plugin_utils.outputs.audit_samples import evidence, plan

policy_audit = Audit().filters()["policy_audit"]
plan_matrix = Matrix().filters()["plan_matrix"]
instagate_worksheet = Worksheet().filters()["instagate_worksheet"]


def test_audit_in_each_form() -> None:
    made = plan()
    assert policy_audit(made, today="2026-11-23")["rules"][0]["kind"] == "lan_gateway"
    assert policy_audit(made, "markdown", today="2026-11-23").startswith("# SMTP policy audit, 2026-11-23\n")
    assert policy_audit(made, "html", today=datetime.date(2026, 11, 23)).startswith("<!DOCTYPE html>\n")


def test_audit_is_of_today_when_nothing_else_is_said() -> None:
    today = datetime.datetime.now(tz=datetime.UTC).date()
    assert policy_audit(plan())["today"] in (today.isoformat(), (today + datetime.timedelta(days=1)).isoformat())


def test_audit_takes_the_times_of_evidence() -> None:
    made = plan()
    found = policy_audit(made, "data", [evidence(made)], "2026-11-23", [0])
    assert found["evidence"][0]["at"] == "1970-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"form": "pdf"}, "policy_audit: form is 'pdf'; say one of data, markdown, html"),
        ({"today": "tomorrow"}, "policy_audit: today 'tomorrow' is not a date"),
        ({"evidence": [1]}, "policy_audit: evidence is not a dictionary"),
        ({"plan": {}}, "policy_audit: paths is missing; give what alertpath.smtp.smtp_plan returned"),
    ],
)
def test_audit_refuses_with_the_remedy(given: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        policy_audit(**{"plan": plan(), **given})


def test_matrix_in_each_form() -> None:
    made = plan()
    assert {row["expect"] for row in plan_matrix(made, "allowed")} == {"allowed"}
    assert plan_matrix(made, form="lines")[0] == "ALERTPATH PLANNED MATRIX"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"expect": "open"}, "say allowed or blocked"),
        ({"form": "csv"}, "say rows or lines"),
        ({"plan": []}, "smtp_plan"),
        ({"plan": [], "form": "lines"}, "smtp_plan"),
    ],
)
def test_matrix_refuses_with_the_remedy(given: dict[str, Any], words: str) -> None:
    with pytest.raises(AnsibleFilterError, match=words):
        plan_matrix(**{"plan": plan(), **given})


def test_worksheets_are_plain_data_with_their_text() -> None:
    (found,) = instagate_worksheet(plan())
    assert json.loads(json.dumps(found)) == found
    assert found["markdown"].startswith("# InstaGate worksheet: routers, internal mail server\n")
    for step in found["steps"]:
        assert f"Step {step['number']}" in found["markdown"]
        for field in step["fields"]:
            assert field["value"] in found["markdown"]
    for limit in found["limits"]:
        assert limit["remedy"] in found["markdown"]


def test_worksheet_that_cannot_be_used_says_so_first() -> None:
    made = plan(lambda raw: raw["lan_gateways"][0].update(ports=[587]))
    (found,) = instagate_worksheet(made)
    assert "There are no steps" in found["markdown"].splitlines()[2]
    assert "**No worksheet: " in found["markdown"]


def test_worksheet_refuses_what_is_no_plan() -> None:
    with pytest.raises(AnsibleFilterError, match="instagate_worksheet: paths is missing"):
        instagate_worksheet({})
