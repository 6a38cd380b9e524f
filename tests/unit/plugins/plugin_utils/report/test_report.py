# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.evidence import Report, as_data, from_data, gather
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.table import lines

V4, V6 = "203.0.113.25", "2001:db8::25"


def row(
    destination: str = V4,
    port: int = 25,
    expect: str = "blocked",
    outcome: str = "refused",
    verdict: str = "pass",
    **more: Any,
) -> dict[str, Any]:
    return {
        "host": "mx",
        "source": "10.0.0.1",
        "destination": destination,
        "address": destination,
        "port": port,
        "expect": expect,
        "outcome": outcome,
        "verdict": verdict,
        "reason": f"reason of {outcome}",
        "control": "destination",
        "evidence": {},
        **more,
    }


def report(**hosts: list[dict[str, Any]]):
    planned = {host: {"probes": rows} for host, rows in hosts.items()}
    return gather(planned, {host: {"rows": rows} for host, rows in hosts.items()})


def test_everything_as_declared() -> None:
    found = report(a=[row(), row(V6)], b=[row(expect="allowed", outcome="open")])
    assert found.passed
    assert lines(found) == [
        "ALERTPATH MATRIX",
        "3 rows from 2 hosts, all as declared",
        "FROM  TO  25",
        "a     mx  -",
        "b     mx  open",
        "open = the right server answers, - = blocked, ! = not as declared, IPv4/IPv6 where they differ",
    ]


def test_families_are_told_apart_where_they_differ() -> None:
    shown = lines(report(a=[row(), row(V6, outcome="open", verdict="fail")]))
    assert "a     mx  -/open!" in shown
    assert any(V6 in line and "port 25" in line for line in shown)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({"unreachable": True, "msg": "Connection\nrefused"}, "unreachable"),
        ({"failed": True, "msg": "no Python"}, "no Python"),
        ({}, "no result"),
        ({"rows": []}, "2 of 2 planned probes have no row"),
        ({"rows": [row()]}, "1 of 2 planned probes have no row"),
        ({"rows": [row(), row(V6, expect="allowed")]}, "1 of 2 planned probes have no row"),
    ],
)
def test_missing_evidence_never_passes(result: dict[str, Any], words: str) -> None:
    found = gather({"a": {"probes": [row(), row(V6)]}, "b": {"probes": [row()]}}, {"a": result, "b": {"rows": [row()]}})
    assert not found.passed
    assert [gap.host for gap in found.gaps] == ["a"]
    assert words in found.gaps[0].reason
    assert any(line.startswith("NO EVIDENCE from a") for line in lines(found))


def test_evidence_of_nothing_does_not_pass() -> None:
    assert not gather({}, {}).passed
    assert not gather({"a": {"probes": []}}, {"a": {"rows": []}}).passed


def test_host_with_nothing_to_probe_makes_no_gap() -> None:
    assert gather({"a": {"probes": []}, "b": {"probes": [row()]}}, {"a": {"rows": []}, "b": {"rows": [row()]}}).passed


def test_data_comes_back_as_it_was() -> None:
    found = gather({"a": {"probes": [row()]}, "b": {"probes": [row()]}}, {"a": {"rows": [row(verdict="fail")]}})
    data = as_data(found)
    assert from_data(data) == found
    assert data["summary"] == {"hosts": 2, "rows": 1, "pass": 0, "fail": 1, "error": 0, "unproven": 0}
    assert data["passed"] is False


def test_same_difference_from_many_hosts_is_one_line() -> None:
    hosts = {f"h{n}": [row(outcome="open", verdict="fail")] for n in range(5)}
    shown = lines(report(**hosts))
    assert "from h0, h1, h2, h3, h4 to mx 203.0.113.25 port 25, reason of open" in shown


def test_four_hundred_rows_stay_short_and_fit_the_screen() -> None:
    hosts = {
        f"host{n}": [
            row(address, port, host=f"server{m}") for m in range(8) for address in (V4, V6) for port in (25, 465, 587)
        ]
        for n in range(9)
    }
    shown = lines(report(**hosts))
    assert len(shown) < 80
    assert max(len(line) for line in shown if line != shown[-1]) <= 74
    assert all(line and line == line.rstrip() for line in shown)


def test_flood_of_differences_is_cut() -> None:
    rows = [row(f"192.0.2.{n % 250}", port=n, outcome="open", verdict="fail") for n in range(1, 1000)]
    shown = lines(report(a=rows))
    assert "lines more" in shown[-1]


def test_name_that_leads_elsewhere_is_one_line_and_no_failure() -> None:
    name = {"name": "smtp.test", "pinned": ["192.0.2.1"], "resolved": ["192.0.2.9"]}
    results = {host: {"rows": [row()], "moved_names": [name]} for host in ("a", "b")}
    found = gather({host: {"probes": [row()]} for host in results}, results)
    assert found.passed
    (line,) = [line for line in lines(from_data(as_data(found))) if line.startswith("NAME")]
    assert "smtp.test leads to 192.0.2.9 on a, b; the policy pins 192.0.2.1" in line


def verdicts(found: Report) -> dict[str, str]:
    return {seen.probe_host: seen.row["verdict"] for seen in found.rows}


def test_block_of_an_address_that_answered_nobody_is_unproven() -> None:
    """A mistyped address behind a firewall that drops is as silent as a blocked server."""
    found = report(a=[row("203.0.113.52", outcome="filtered", control="family"), row()])
    assert not found.passed
    (seen,) = found.differences
    assert (seen.address, seen.row["verdict"]) == ("203.0.113.52", "unproven")
    assert "answered no host of this run" in seen.row["reason"]
    assert "check the address" in seen.remedy
    assert from_data(as_data(found)) == found


@pytest.mark.parametrize(
    "sign",
    [
        {"expect": "allowed", "outcome": "open"},
        {"expect": "allowed", "outcome": "not_smtp", "verdict": "fail"},
        {"outcome": "filtered", "control": "destination"},
        {"outcome": "rejected", "control": "family", "evidence": {"device": V4}},
    ],
)
def test_sign_of_life_from_any_host_counts(sign: dict[str, Any]) -> None:
    found = report(a=[row(outcome="filtered", control="family")], b=[row(port=26, **sign)])
    assert verdicts(found)["a"] == "pass"


def test_rejection_in_the_address_s_own_name_proves_no_block_of_its_own() -> None:
    """A bridge rejects in anybody's name, to every host that asks."""
    alike = row(outcome="rejected", control="family", evidence={"device": V4})
    assert set(verdicts(report(a=[alike], b=[alike])).values()) == {"unproven"}


@pytest.mark.parametrize(
    "nothing",
    [
        {"outcome": "refused", "control": "family"},  # a firewall resets in anybody's name
        {"outcome": "rejected", "control": "family", "evidence": {"device": "203.0.113.1"}},
        # An address translation puts the address into a complaint of somebody else.
        {"outcome": "no_route", "control": "family", "verdict": "error", "evidence": {"device": V4}},
        {"expect": "allowed", "outcome": "filtered", "verdict": "fail", "control": None},
    ],
)
def test_what_others_may_say_is_no_sign_of_life(nothing: dict[str, Any]) -> None:
    found = report(a=[row(outcome="filtered", control="family")], b=[row(port=26, **nothing)])
    assert verdicts(found)["a"] == "unproven"


def test_address_that_a_host_of_the_run_has_is_known() -> None:
    mine = {"source": V4, "destination": "198.51.100.9"}
    blocked = row(outcome="filtered", control="family")
    assert verdicts(report(a=[blocked], b=[row(**mine)]))["a"] == "pass"
    assert verdicts(report(a=[blocked], b=[row(**mine, outcome="local_error", verdict="error")]))["a"] == "unproven"
    assert verdicts(report(a=[blocked], b=[row(**mine, via="10.0.0.1")]))["a"] == "unproven"


def test_doubt_can_be_turned_off() -> None:
    rows = [row(outcome="filtered", control="family")]
    assert gather({"a": {"probes": rows}}, {"a": {"rows": rows}}, require_answer=False).passed
