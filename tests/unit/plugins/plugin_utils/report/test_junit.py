# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.evidence import gather
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.junit import document
from hypothesis import given
from hypothesis import strategies as st


def row(verdict: str = "pass", **more: Any) -> dict[str, Any]:
    return {
        **{"host": "mx", "source": "10.0.0.1", "destination": "203.0.113.25", "address": "203.0.113.25", "port": 25},
        **{"expect": "blocked", "outcome": "open", "class": "open", "verdict": verdict, "reason": "a banner came"},
        **{"seconds": 0.25, "evidence": {"text": "220 mx"}, "where": None, "path": None, "remedy": None, **more},
    }


def read(rows: dict[str, list[dict[str, Any]]], lost: tuple[str, ...] = (), **rules: Any) -> ET.Element:
    planned = {host: {"probes": rows[host], "enforces": ["host"]} for host in rows}
    planned.update({host: {"probes": [row()]} for host in lost})
    found = gather(planned, {host: {"rows": rows[host]} for host in rows}, **rules)
    return ET.fromstring(document(found, "alertpath"))  # our own document


def test_a_suite_for_each_host_and_a_case_for_each_row() -> None:
    root = read({"b": [row()], "a": [row(), row("fail", remedy="close it")]})
    assert [suite.get("name") for suite in root] == ["a", "b"]
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("3", "1", "0")
    suite = root[0]
    counted = [suite.get(key) for key in ("tests", "failures", "errors", "skipped", "time")]
    assert counted == ["2", "1", "0", "0", "0.500"]
    good, bad = suite
    assert good.get("classname") == "a.blocked"
    assert good.get("name") == "blocked from 10.0.0.1 to mx 203.0.113.25 port 25"
    assert list(good) == []
    (failure,) = bad
    assert (failure.tag, failure.get("type"), failure.get("message")) == ("failure", "open", "a banner came")
    assert failure.text == "seen: 220 mx\nremedy: close it"


def test_a_row_whose_source_the_host_chose_names_none() -> None:
    root = read({"a": [row(source=None)]})
    assert root[0][0].get("name") == "blocked to mx 203.0.113.25 port 25"


def test_what_could_not_be_found_out_is_an_error() -> None:
    root = read({"a": [row("error", outcome="no_route", **{"class": "unreachable"})]}, lost=("gone",))
    assert (root.get("failures"), root.get("errors")) == ("0", "2")
    assert [case[0].tag for suite in root for case in suite] == ["error", "error"]
    assert "no result" in str(root[1][0][0].get("message"))


def test_a_row_without_a_control_is_a_failure_and_says_where_the_path_stops() -> None:
    root = read({"a": [row("unproven", where={"text": "10.0.0.254 drops it"})]})
    (failure,) = root[0][0]
    assert failure.tag == "failure"
    assert "stops: 10.0.0.254 drops it" in str(failure.text)
    assert "remedy: " in str(failure.text)


def test_rules_are_cases_too() -> None:
    drift = {"a": {"drift": {"live": True, "boot": False}, "diff": []}}
    root = read({"a": [row()]}, drift=drift, proof={"a": {"failed": True, "msg": "nft is missing"}})
    cases = {str(case.get("name")): case for case in root[0]}
    assert cases["loaded and boot rules as declared"][0].tag == "failure"
    assert cases["rules let pass what is declared and nothing else"][0].tag == "error"


@given(st.text())
def test_whatever_a_server_says_the_document_can_be_read(said: str) -> None:
    root = read({"a": [row("fail", reason=said, evidence={"text": said}, remedy="x")]})
    message = root[0][0][0].get("message")
    kept = "".join(c for c in said if c.isprintable() and c != "\ufffd")
    assert "".join(c for c in str(message) if c.isprintable() and c != "\ufffd") == kept
