# SPDX-License-Identifier: GPL-3.0-or-later
"""Which rows are searched, in which order, and what the answer does to a row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.module_utils.locate.locate import Question
from ansible_collections.alertpath.smtp.plugins.module_utils.locate.model import Device, Verdict
from ansible_collections.alertpath.smtp.plugins.module_utils.locate.rows import located
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.job import Answer
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.model import Evidence, Finding, Target
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.rows import ALL, DIFFERENCES, NOTHING, Evidences, Row
from ansible_collections.alertpath.smtp.plugins.module_utils.probe.verdict import Judgement

ROUTER = Device(1, "10.0.0.1", "router")
OWN = Device(0, "10.0.0.9", "own host")
THERE = Device(2, "192.0.2.1", "destination")


class Searcher:
    """Answers every question alike, and keeps what it was asked."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.asked: list[Question] = []

    def __call__(self, questions: Sequence[Question], budget: float, at_once: int) -> list[Verdict]:
        self.asked = list(questions)
        return [self.verdict for _question in questions]


def row(outcome: str, verdict: str = "fail", port: int = 25, **evidence: Any) -> Row:
    expect = "blocked" if verdict == "pass" and outcome != "open" else "allowed"
    finding = Finding(outcome, Evidence("seen", **evidence))
    return Row(
        Target("192.0.2.1", port, expect), "192.0.2.1", Answer(finding, 1, 0.1), "family", Judgement(verdict, "why")
    )


def search(rows: list[Row], wanted: str, verdict: Verdict) -> tuple[list[Row], list[Question]]:
    searcher = Searcher(verdict)
    found = located(Evidences(rows, {}), wanted, (22, 25), 60.0, searcher)
    return found.rows, searcher.asked


DROPS = Verdict("exact", "it drops", (ROUTER,), "drops")


def test_nothing_is_searched_unless_it_is_wanted() -> None:
    rows, asked = search([row("filtered")], NOTHING, DROPS)
    assert (rows[0].where, asked) == (None, [])


def test_differences_come_first_and_a_shared_path_is_searched_once() -> None:
    rows = [row("filtered", "pass", 587), row("filtered", port=465), row("filtered", port=465), row("refused", port=25)]
    found, asked = search(rows, ALL, DROPS)
    assert [question.port for question in asked] == [465, 25, 587]
    assert [question.control_ports for question in asked] == [(22, 25), (22,), (22, 25)]
    assert all(item.where == DROPS for item in found)
    assert [item.where is None for item in search(rows, DIFFERENCES, DROPS)[0]] == [True, False, False, False]


@pytest.mark.parametrize(("proven", "searched"), [(True, False), (None, True)])
def test_open_path_is_searched_only_when_no_name_was_proven(proven: bool | None, searched: bool) -> None:
    rows, _asked = search([row("open", "pass", name_verified=proven)], ALL, DROPS)
    assert (rows[0].where is not None) == searched


def test_what_this_host_refuses_itself_needs_no_search() -> None:
    rows, asked = search([row("no_route", "error", local=True), row("name_error", "error")], DIFFERENCES, DROPS)
    assert asked == []
    assert rows[0].where is not None
    assert rows[0].where.devices[0].role == "own host"
    assert rows[1].where is None


@pytest.mark.parametrize(
    ("outcome", "verdict", "name"),
    [
        ("open", Verdict("exact", "x", (ROUTER,), "answers"), "intercepted"),
        ("wrong_server", Verdict("between", "x", (OWN, ROUTER), "diverts"), "intercepted"),
        ("refused", Verdict("exact", "x", (OWN,), "resets"), "own_rule"),
        ("refused", Verdict("exact", "x", (ROUTER,), "resets"), "refused"),
        ("filtered", Verdict("exact", "x", (OWN,), "drops"), "own_rule"),
        ("refused", Verdict("between", "x", (OWN, ROUTER), "resets"), "refused"),
        ("filtered", Verdict("cannot_tell", "x", suspects=(OWN,)), "filtered"),
    ],
)
def test_what_was_found_makes_the_class_finer(outcome: str, verdict: Verdict, name: str) -> None:
    rows, _asked = search([row(outcome)], DIFFERENCES, verdict)
    assert rows[0].as_dict()["class"] == name


def test_found_device_answers_what_the_class_left_open() -> None:
    reset = Verdict("exact", "x", (THERE,), "resets")
    rows, _asked = search([row("refused"), row("filtered")], DIFFERENCES, reset)
    assert rows[0].as_dict()["cannot_tell"] == ["whether nothing listens there or a rule of the destination resets"]
    assert "which device" not in str(rows[1].as_dict()["cannot_tell"])
    unknown, _asked = search([row("filtered")], DIFFERENCES, Verdict("cannot_tell", "x"))
    assert "which device" in str(unknown[0].as_dict()["cannot_tell"])


def test_row_tells_device_neighbours_type_and_code() -> None:
    rejected = Verdict("exact", "x", (ROUTER,), "rejects", type=3, code=13)
    (found, *_rest), _asked = search([row("rejected")], DIFFERENCES, rejected)
    where = found.as_dict()["where"]
    assert where["device"] == {"hop": 1, "address": "10.0.0.1", "role": "router"}
    assert (where["neighbours"], where["type"], where["code"]) == ([], 3, 13)
    pair, _asked = search([row("filtered")], DIFFERENCES, Verdict("between", "x", (OWN, ROUTER), "drops"))
    where = pair[0].as_dict()["where"]
    assert where["device"] is None
    assert [device["hop"] for device in where["neighbours"]] == [0, 1]
