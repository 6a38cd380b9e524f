# SPDX-License-Identifier: GPL-3.0-or-later
"""What an audit's reader sees: every rule with all its facts, what needs attention first, nothing by colour alone."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.audit import audit
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.audit_document import document
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_markdown import markdown

from .audit_samples import TODAY, evidence, make_host, plan

LOCKDOWN = {
    "hosts": "vaults",
    "owner": "soc@corp.test",
    "approved_by": "CHG0012347",
    "reason": "A vault speaks to few",
    "review_by": "2026-12-01",
    "allow": [
        {"id": "ssh", "from": "lan", "port": 22},
        {"id": "ping", "from": "lan", "protocol": "icmp"},
        {"id": "names", "to": "gateway", "protocol": "udp", "port": 53},
    ],
}


def text(made: dict[str, Any], given: Any = None, today: datetime.date = TODAY) -> str:
    return markdown(document(audit(made, given, today)))


def part(whole: str, title: str) -> str:
    """The section *title* of a Markdown document."""
    lines = whole.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("#") and line.lstrip("# ") == title)
    level = len(lines[start]) - len(lines[start].lstrip("#"))
    ends = (n for n, line in enumerate(lines) if n > start and 0 < len(line) - len(line.lstrip("#")) <= level)
    return "\n".join(lines[start : next(ends, len(lines))])


def test_rule_has_all_its_facts() -> None:
    made = plan()
    shown = part(text(made, evidence(made, at="2026-11-22T06:00:00Z")), "vault-to-tunnel")
    for words in (
        *("- **From:** vaults; 10.77.20.11; 10.77.20.12; fd77:20::11", "- **To:** tunnels; 10.77.30.11; fd77:30::11"),
        *("- **Port:** 587", "- **Encryption:** STARTTLS", "- **Owner:** soc@corp.test"),
        *("- **Approved by:** CHG0012345", "- **Reason:** Alerts leave through the tunnel"),
        "- **Review:** 2027-06-30, 219 days left",
        "- **Enforced by:** router (routes it); tunnel1 (accepts it); vault1 (opens it); vault2 (opens it)",
        "- **Proof:** **Proven**; probed: 3 of 3 as declared; ",
        "- **Last proven:** 2026-11-22T06:00:00Z",
    ):
        assert words in shown


@pytest.mark.parametrize(
    ("day", "words"),
    [
        ("2027-07-02", "2027-06-30, OVERDUE by 2 days"),
        ("2027-06-30", "2027-06-30, due today"),
        ("2027-06-29", "2027-06-30, due in 1 day"),
    ],
)
def test_review_that_is_due_or_overdue_says_so_in_words(day, words) -> None:
    shown = text(plan(), today=datetime.date.fromisoformat(day))
    assert f"**{words}**" in part(shown, "vault-to-tunnel")
    assert words in part(shown, "Needs attention")


def test_summary_counts_what_is_overdue() -> None:
    shown = part(text(plan(), today=datetime.date(2027, 7, 1)), "Summary")
    assert "**3 OVERDUE, 0 due soon**" in shown
    assert "none overdue, 0 due soon" in part(text(plan()), "Summary")


def test_attention_is_nothing_when_all_is_well() -> None:
    made = plan()
    made["paths"] = [entry for entry in made["paths"] if entry["kind"] == "path"]
    assert part(text(made, evidence(made)), "Needs attention").endswith("Nothing.\n")
    assert "No evidence was given" in part(text(made), "Needs attention")


def test_attention_names_what_nobody_answers_for() -> None:
    made = plan(lambda raw: [raw["lan_gateways"][0].pop(key) for key in ("owner", "approved_by", "review_by")])
    shown = part(text(made), "Needs attention")
    assert "without owner, approved by" in shown
    assert "review date not declared" in shown
    assert "opens a way without owner" in part(text(made), "Warnings of the compiler")


def test_rule_that_no_host_enforces_is_told() -> None:
    def change(raw: Any) -> None:
        raw["lan_gateways"] = []
        raw["zones"]["far"] = {"addresses": ["198.51.100.9"], "name": "far.test"}
        raw["paths"].append({**raw["paths"][1], "id": "far", "from": "mailserver", "to": "far"})

    shown = text(plan(change))
    assert "far; **no host enforces it**" in part(shown, "Needs attention")
    assert "- **Enforced by:** **no host**" in part(shown, "far")


def test_reasons_for_clear_text_and_width_are_shown() -> None:
    def change(raw: Any) -> None:
        more = {"encryption": "none", "cleartext_reason": "old printers", "wide_reason": "they move"}
        raw["paths"][1].update(**more, port=25)
        raw["paths"][1]["from"] = "any"

    shown = part(text(plan(change)), "tunnel-to-gateway")
    assert "**NONE, clear text**; because: old printers" in shown
    assert "- **Wide because:** they move" in shown


def test_many_addresses_stand_under_their_zone() -> None:
    many = tuple(make_host(f"v{n}", f"10.9.0.{n}", groups=("vaults",)) for n in range(1, 14))
    tunnel = make_host("t", "10.8.0.1", groups=("tunnels",))
    router = make_host("r", "10.8.0.2", groups=("routers",))
    shown = text(plan(hosts=(*many, tunnel, router)))
    assert "13 addresses and networks, listed under Zones" in part(shown, "vault-to-tunnel")
    assert "10.9.0.13" in part(shown, "Zones")


def test_lockdown_stands_with_its_connections_and_its_review() -> None:
    shown = text(plan(lambda raw: raw.update(lockdown=[LOCKDOWN])))
    part_of = part(shown, "Lockdown of vaults")
    assert "2026-12-01, due in 8 days" in part_of
    assert "| ssh | the hosts accept | lan; 10.77.10.0/24 | tcp | 22 |" in part_of
    assert "| ping | the hosts accept | lan; 10.77.10.0/24 | icmp | echo request |" in part_of
    assert "| names | the hosts open | gateway; 10.77.30.25; fd77:30::25 | udp | 53 |" in part_of
    assert "Lockdown of vaults; **2026-12-01, due in 8 days**" in part(shown, "Needs attention")
    assert "| vault1 | 10.77.20.11; fd77:20::11 | host; lockdown |" in part(shown, "Hosts")


def test_sentinels_zones_and_evidence_are_told() -> None:
    made = plan()
    shown = text(made, evidence(made, at="2026-11-22"))
    assert "probes found it blocked" in part(shown, "Sentinels")
    assert "| gateway | none | not managed | 10.77.30.25; fd77:30::25 | smtp.corp.test |" in part(shown, "Zones")
    assert "| 2026-11-22T00:00:00Z | all as declared | 6 |" in part(shown, "Evidence")
    assert made["digest"] in shown


def test_sentinel_that_was_reached_needs_attention() -> None:
    made = plan()

    def reached(_host: str, row: Any) -> Any:
        return {**row, "verdict": "fail", "reason": "connected"} if row["destination"] == "203.0.113.25" else row

    shown = text(made, evidence(made, reached))
    assert "**Sentinel public-mx was reached**" in part(shown, "Needs attention")
    assert "REACHED OR UNPROVEN" in part(shown, "Sentinels")
