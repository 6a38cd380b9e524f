# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.alertpath.smtp.plugins.filter.matrix_history import matrix_history
from ansible_collections.alertpath.smtp.plugins.filter.matrix_html import matrix_html
from ansible_collections.alertpath.smtp.plugins.plugin_utils.report.evidence import as_data, gather
from hypothesis import given, settings
from hypothesis import strategies as st

from ..outputs.html_checks import read, words
from . import report_samples as samples


def evidence(
    results: dict[str, Any] | None = None, planned: dict[str, Any] | None = None, **rules: Any
) -> dict[str, Any]:
    found = as_data(gather(planned or samples.planned(), results or samples.results(), **rules))
    return {**found, "at": samples.AT, "digest": samples.DIGEST}


def full(history: str = "") -> str:
    return matrix_html(evidence(drift=samples.drift(), proof=samples.proof()), samples.plan(), history)


def text() -> str:
    return words(read(full()))


def test_the_page_is_sound_and_loads_nothing() -> None:
    read(full())
    page = full()
    assert "default-src 'none'" in page
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_it_begins_with_what_to_do() -> None:
    said = text()
    assert "6 of 10 rows not as declared; no full evidence from 1 host" in said
    assert said.index("What to do, the most frequent first") < said.index("From vault1")
    assert "vault3 gave no full evidence: unreachable" in said
    assert "mx.corp.test leads to 203.0.113.99" in said
    assert "Probedover SSH, from 10.77.20.11" in said
    # The same remedy stands once, with the rows it would mend.
    assert "3 rows (vault1 \N{RIGHTWARDS ARROW} tunnel1 port 465" in said


def test_every_row_is_a_cell_under_its_port() -> None:
    root = read(full())
    tables = {words(table.find("caption")): table for table in root.iter("table")}
    table = tables["From vault1"]
    head = [words(cell) for cell in table.findall("thead/tr/th")]
    assert head == ["to", "from address", "25", "465", "587", "1025", "2525", "declared by"]
    lines = {words(line.find("th")): [words(cell) for cell in line.findall("td")] for line in table.findall("tbody/tr")}
    assert lines["tunnel1 (10.77.30.11)"] == [
        *("10.77.20.11", "wrong, must be open", "blocked, must be open", "open", "blocked, must be open"),
        *("blocked, must be open", "vault-to-tunnel"),
    ]
    assert lines["public-mx (203.0.113.25)"] == [
        *(
            "10.77.20.11",
            "blocked",
            "not proven",
            "open, must be blocked",
            "not probed",
            "not probed",
            "nothing opens it",
        ),
    ]


def test_links_lead_to_what_they_name() -> None:
    root = read(full())
    targets = {element.get("id") for element in root.iter() if element.get("id")}
    links = [element.get("href") for element in root.iter("a")]
    assert len(links) > 10
    assert all(link.removeprefix("#") in targets for link in links)


def test_pictures_say_who_ends_the_way() -> None:
    drawn = ["; ".join(words(line) for line in svg.iter() if line.tag.endswith("text")) for svg in svgs(full())]
    told = "\n".join(drawn)
    assert "router 10.77.20.1, hop 1; \N{MULTIPLICATION SIGN} it drops" in told
    assert "one of the two drops" in told
    assert "\N{MULTIPLICATION SIGN} it refuses to send" in told
    assert "\N{MULTIPLICATION SIGN} answers, and must not be reached" in told
    assert "tunnel1 (10.77.30.11) port 25; \N{MULTIPLICATION SIGN} what answers is not what was declared" in told
    for svg in svgs(full()):
        assert svg.get("role") == "img"
        assert svg.get("aria-describedby")


def svgs(page: str) -> list[Any]:
    return [element for element in read(page).iter() if element.tag.endswith("svg")]


def test_the_policy_stands_behind_the_paths() -> None:
    said = text()
    for part in ("soc@corp.test", "CHG0012345", "Vault alerts leave through the tunnel", "2026-10-01: overdue"):
        assert part in said
    assert "no probe follows this path" in said


def test_proof_and_probe_stand_side_by_side_where_they_disagree() -> None:
    said = text()
    # vault1's rules are proven, and yet rows differ; vault2's are not, and all rows are right.
    assert "this host's rules are right" in said
    assert "the rules are wrong where no probe went" in said


def test_certificates_are_sorted_by_their_end() -> None:
    rows = [
        samples.allowed(port, evidence={"text": "220", "days_left": days, "certificate_names": ["a"]})
        for port, days in ((587, 300), (465, -2), (25, 12))
    ]
    page = matrix_html(evidence({"a": {"rows": rows}}, {"a": {"probes": rows}}))
    (table,) = [table for table in read(page).iter("table") if words(table.find("caption")) == "When they end"]
    ends = [words(line.findall("td")[0]) for line in table.findall("tbody/tr")]
    assert ends == ["ended 2 days ago", "in 12 days: renew it now", "in 300 days"]


def test_history_says_what_changed_and_stays_bounded() -> None:
    history = ""
    for number in range(40):
        wrong = {"verdict": "fail", "outcome": "open"} if number % 2 else {}
        rows = [samples.row(**wrong), samples.row(port=587)]
        seen = {
            **evidence({"a": {"rows": rows}}, {"a": {"probes": rows}}),
            "at": f"2026-11-{number // 24 + 1:02}T{number % 24:02}",
        }
        history = matrix_history(seen, history)
    assert history.count('"at"') == 30
    page = matrix_html(seen, None, history)
    said = words(read(page))
    assert "The last 30 runs" in said
    assert "a (10.77.20.11) to public-mx (203.0.113.25) port 25" in said


@pytest.mark.parametrize(
    "broken",
    [
        *("{", "[]", "null", '{"version": 9}', '{"version": 1, "runs": [{}]}', "[" * 100_000, "\0"),
        '{"version": 1, "runs": [{"at": "", "digest": "", "passed": true, "rows": 1e9999, "differ": []}]}',
    ],
)
def test_a_broken_history_is_said_and_begins_anew(broken: str) -> None:
    assert "Earlier runs are missing" in matrix_html(evidence(), None, broken)
    assert matrix_history(evidence(), broken).count('"at"') == 1


def test_what_is_no_evidence_is_refused() -> None:
    for wrong in ({}, None, [], {"rows": [{}]}):
        with pytest.raises(AnsibleFilterError, match="matrix_evidence"):
            matrix_html(wrong)
        with pytest.raises(AnsibleFilterError, match="matrix_evidence"):
            matrix_history(wrong)
    with pytest.raises(AnsibleFilterError, match="plan"):
        matrix_html(evidence(), {"paths": [{}]})
    with pytest.raises(AnsibleFilterError, match="most"):
        matrix_history(evidence(), "", 0)


def test_nothing_at_all_is_not_fine() -> None:
    page = matrix_html(evidence({}, {"a": {"probes": []}}))
    read(page)
    assert "not as declared" in page
    assert "No host gave any row." in page


HOSTILE = st.one_of(
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=a>',
            "]]>",
            "\u202eevil",
            "\0\x1b[2J",
            "&amp;",
            "x" * 10_000,
        ]
    ),
    st.text(max_size=40),
)


@settings(max_examples=40, deadline=None)
@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_whatever_a_server_says_is_text(greeting: str, name: str, reason: str, path: str) -> None:
    rows = [
        samples.allowed(
            host=name, reason=reason, verdict="fail", path=path, evidence={"text": greeting, "days_left": 1}
        ),
        samples.shut(25, samples.where("exact", greeting, device=samples.device(1, name, reason)), host=name),
    ]
    plan = samples.plan()
    plan["paths"][0] |= {"id": path, "owner": name, "reason": greeting}
    page = matrix_html(evidence({"a": {"rows": rows}}, {"a": {"probes": rows}}), plan)
    read(page)
    assert len(page) < 80_000


def test_thousands_of_rows_make_a_page_that_can_be_opened() -> None:
    """200 sources, 30 destinations, 3 ports: 18,000 cells."""
    rows = [
        samples.row(f"203.0.113.{number}", port, host=f"mx{number}") for number in range(30) for port in (25, 465, 587)
    ]
    hosts = {f"vault{number}": {"rows": rows} for number in range(200)}
    found = evidence(hosts, {host: {"probes": rows} for host in hosts})
    began = time.process_time()
    page = matrix_html(found)
    assert time.process_time() - began < 20  # a guard against the square of it; docs/benchmarks.md has the figure
    assert len(page.encode()) < 3_000_000
