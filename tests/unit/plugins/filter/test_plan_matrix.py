# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.filter.plan_matrix import FilterModule

plan_matrix = FilterModule().filters()["plan_matrix"]

PLAN = {
    "hosts": {
        "vault2": {"probes": [{"expect": "allowed", "port": 587}, {"expect": "blocked", "port": 25}]},
        "silent": {"probes": []},
        "client": {"probes": [{"expect": "blocked", "port": 465}]},
    }
}


def test_rows_of_all_hosts_come_by_name_as_planned() -> None:
    assert plan_matrix(PLAN) == [
        {"probe_host": "client", "expect": "blocked", "port": 465},
        {"probe_host": "vault2", "expect": "allowed", "port": 587},
        {"probe_host": "vault2", "expect": "blocked", "port": 25},
    ]


@pytest.mark.parametrize(("expect", "ports"), [("allowed", [587]), ("blocked", [465, 25])])
def test_rows_of_one_expectation(expect, ports) -> None:
    assert [row["port"] for row in plan_matrix(PLAN, expect)] == ports


@pytest.mark.parametrize("wrong", [None, [], {}, {"hosts": []}, "plan"])
def test_what_is_no_plan_is_refused(wrong) -> None:
    with pytest.raises(AnsibleFilterError, match="smtp_plan"):
        plan_matrix(wrong)


def test_unknown_expectation_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="allowed or blocked"):
        plan_matrix(PLAN, "open")
