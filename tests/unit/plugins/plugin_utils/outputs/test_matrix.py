# SPDX-License-Identifier: GPL-3.0-or-later
"""The matrix that a plan expects: every probe of every host, as rows and as a table."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_plan import NotAPlan
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.matrix import lines, rows

from .audit_samples import make_host, plan


def cells(shown: list[str]) -> dict[tuple[str, str], list[str]]:
    """The table by its pairs of hosts; an empty cell is what two columns leave between them."""
    head = next(n for n, line in enumerate(shown) if line.startswith("FROM"))
    starts = [shown[head].index(word) for word in shown[head].split()]
    found = {}
    for line in shown[head + 1 :]:
        if line.startswith("open = "):
            break
        parts = [line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)]
        found[parts[0], parts[1]] = parts[2:]
    return found


def test_rows_are_the_probes_of_all_hosts_by_name() -> None:
    made = plan()
    found = rows(made)
    assert found == [
        {"probe_host": name, **probe} for name in sorted(made["hosts"]) for probe in made["hosts"][name]["probes"]
    ]
    assert len(found) > 100
    both = [row for expect in ("allowed", "blocked") for row in rows(made, expect)]
    assert sorted(map(str, both)) == sorted(map(str, found))
    assert {row["expect"] for row in rows(made, "allowed")} == {"allowed"}


def test_table_says_what_must_be_open_and_by_which_path() -> None:
    made = plan()
    shown = lines(made)
    table = cells(shown)
    assert table["vault1", "tunnel1"] == ["-", "-", "open"]
    assert table["tunnel1", "gateway"] == ["-", "open", "-"]
    assert table["mailserver", "public-mx"] == ["open", "-", "-"]
    assert table["vault1", "public-mx"] == ["-", "-", "-"]
    assert shown[0] == "ALERTPATH PLANNED MATRIX"
    assert made["digest"] in shown[1]
    assert shown[2] == f"{len(rows(made))} rows from 6 hosts, 6 allowed, {len(rows(made)) - 6} blocked"
    assert "PATH vault-to-tunnel port 587, from vault1, vault2 to tunnel1" in shown


def test_families_that_differ_stand_side_by_side() -> None:
    def change(raw: Any) -> None:
        raw["zones"]["old"] = {"addresses": ["10.77.30.11"], "name": "tunnel1.corp.test"}
        raw["paths"][0]["to"] = "old"

    assert cells(lines(plan(change)))["vault1", "tunnel1"] == ["-", "-", "open/-"]


def test_server_with_two_addresses_of_which_one_is_open_shows_both() -> None:
    def change(raw: Any) -> None:
        raw["zones"]["two"] = {"addresses": ["10.77.40.1", "10.77.40.2"]}
        raw["zones"]["first"] = {"addresses": ["10.77.40.1"], "name": "first.test"}
        raw["paths"].append({**raw["paths"][0], "id": "one", "to": "first"})

    hosts = (
        *(make_host("h", "10.77.40.1", "10.77.40.2"), make_host("vault1", "10.77.20.11", groups=("vaults",))),
        *(make_host("t", "10.77.30.11", groups=("tunnels",)), make_host("r", "10.77.10.1", groups=("routers",))),
    )
    assert cells(lines(plan(change, hosts)))["vault1", "h"] == ["-", "-", "-+open"]


def test_path_to_a_network_leaves_its_cell_empty_and_says_why() -> None:
    def change(raw: Any) -> None:
        raw["zones"]["net"] = {"networks": ["10.77.30.0/28"]}
        raw["zones"]["stranger"] = {"addresses": ["10.77.30.9"]}
        raw["paths"].append({**raw["paths"][0], "id": "net", "to": "net", "port": 25})

    shown = lines(plan(change))
    assert cells(shown)["vault1", "stranger"] == ["", "-", "-"]
    assert any(line.startswith("empty = ") for line in shown)
    full = plan(lambda raw: raw.update(lan_gateways=[]))
    assert not any(line.startswith("empty = ") for line in lines(full))


def test_one_expectation_alone() -> None:
    shown = lines(plan(), "allowed")
    assert shown[2] == "6 rows from 4 hosts, 6 allowed, 0 blocked"
    assert "-" not in {cell for line in cells(shown).values() for cell in line}


def test_plan_without_probes_has_a_head_only() -> None:
    made = plan()
    for host in made["hosts"].values():
        host["probes"] = []
    assert len(lines(made)) == 3
    assert "0 rows from 0 hosts" in lines(made)[2]


def test_lines_survive_callbacks_that_fold_them() -> None:
    for line in lines(plan()):
        assert line
        assert line == line.rstrip()
        assert "\t" not in line


@pytest.mark.parametrize("wrong", [None, [], {}, {"hosts": []}, "plan", {"hosts": {"a": 1}}])
def test_what_is_no_plan_is_refused(wrong) -> None:
    with pytest.raises(NotAPlan, match="smtp_plan"):
        rows(wrong)


def test_order_of_hosts_in_the_plan_never_shows() -> None:
    made = plan()
    backwards = {**made, "hosts": dict(reversed(made["hosts"].items()))}
    assert rows(backwards) == rows(made)
    assert lines(backwards) == lines(made)
