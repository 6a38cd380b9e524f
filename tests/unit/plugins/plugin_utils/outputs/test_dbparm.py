# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for dbparm.ini are those that CyberArk's checker accepts, or none."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.dbparm import dbparm_lines
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.documents_plan import NotAPlan
from ansible_collections.alertpath.smtp.plugins.plugin_utils.outputs.perimeter_plan import Refused
from hypothesis import given
from hypothesis import strategies as st

from .audit_samples import plan as compiled

LINE = re.compile(r"^AllowNonStandardFWAddresses=\[([0-9\.\,\-]{4,})\],(Yes|No),(.*)$")
SPEC = re.compile(r"([\d-]{1,}):(\w{1,})/(\w{1,})")


def plan(*hops: Any, name: str = "vault1") -> dict[str, Any]:
    return {"ports": [25, 465, 587], "hosts": {name: {"next_hops": list(hops)}, "quiet": {"next_hops": []}}}


def hop(address: Any, port: Any = 587, path: str = "vault-to-tunnel") -> dict[str, Any]:
    return {"path": path, "host": "tunnel1", "address": address, "port": port, "encryption": "starttls", "name": None}


def test_one_line_for_each_port() -> None:
    found = dbparm_lines(plan(hop("10.77.30.12"), hop("10.77.30.2"), hop("10.77.30.12", 25), hop("10.77.30.2")))
    assert list(found["hosts"]) == ["vault1"]
    assert found["hosts"]["vault1"]["lines"] == [
        "AllowNonStandardFWAddresses=[10.77.30.12],Yes,25:outbound/tcp",
        "AllowNonStandardFWAddresses=[10.77.30.2,10.77.30.12],Yes,587:outbound/tcp",
    ]
    assert found["hosts"]["vault1"]["text"].endswith("587:outbound/tcp\r\n")
    assert any("PrivateArk Server" in step for step in found["steps"])


@given(
    st.lists(st.tuples(st.ip_addresses(v=4).filter(lambda a: str(a) != "1.1.1.1"), st.integers(1, 65535)), max_size=12)
)
def test_every_line_is_one_that_the_checker_reads(ends: list[tuple[Any, int]]) -> None:
    made = dbparm_lines(plan(*(hop(str(address), port) for address, port in ends)), ["vault1"])["hosts"]["vault1"]
    read = set()
    for line in made["lines"]:
        found = LINE.fullmatch(line)
        assert found
        spec = SPEC.fullmatch(found[3])
        assert spec
        assert spec.groups()[1:] == ("outbound", "tcp")
        read |= {(address, int(spec[1])) for address in found[1].split(",")}
    assert read == {(str(address), port) for address, port in ends}
    assert made["text"] == "".join(f"{line}\r\n" for line in made["lines"])
    made["text"].encode("ascii")


def test_ipv6_is_told_not_written() -> None:
    made = dbparm_lines(plan(hop("10.77.30.11"), hop("fd77:30::11")))["hosts"]["vault1"]
    assert made["lines"] == ["AllowNonStandardFWAddresses=[10.77.30.11],Yes,587:outbound/tcp"]
    assert made["skipped"] == [{"path": "vault-to-tunnel", "address": "fd77:30::11", "port": 587}]
    assert len(made["warnings"]) == 1
    only = dbparm_lines(plan(hop("fd77:30::11")))["hosts"]["vault1"]
    assert only["lines"] == []
    assert any("no next hop has an IPv4 address" in warning for warning in only["warnings"])


def test_it_can_be_switched_off() -> None:
    found = dbparm_lines(plan(hop("10.77.30.11")), enabled=False)
    assert found["hosts"]["vault1"]["lines"] == []
    assert found["hosts"]["vault1"]["text"] == ""
    assert found["steps"] == []


@pytest.mark.parametrize("bad", ["1.1.1.1", "tunnel1.corp.test", "10.0.0.0/24", "10.0.0.1,10.0.0.2", None, 7])
def test_what_is_no_next_hop_is_refused_whole(bad: Any) -> None:
    with pytest.raises(Refused) as refused:
        dbparm_lines(plan(hop("10.77.30.11"), hop(bad), hop("10.77.30.12", 0, "p2")))
    assert [(f.path, f.field) for f in refused.value.findings] == [("p2", "port"), ("vault-to-tunnel", "address")]
    assert all(f.remedy for f in refused.value.findings)


def test_hosts_can_be_named() -> None:
    assert list(dbparm_lines(plan(hop("10.77.30.11")), ["quiet"])["hosts"]) == ["quiet"]
    with pytest.raises(Refused, match="nobody"):
        dbparm_lines(plan(), ["nobody"])
    with pytest.raises(NotAPlan):
        dbparm_lines({"ports": []})


def test_a_compiled_plan() -> None:
    made_from = compiled()
    found = dbparm_lines(made_from, ["vault1"])["hosts"]["vault1"]
    hops = {(h["address"], h["port"]) for h in made_from["hosts"]["vault1"]["next_hops"] if ":" not in h["address"]}
    assert hops
    assert {(LINE.fullmatch(line)[1], 587) for line in found["lines"]} == hops  # type: ignore[index]
