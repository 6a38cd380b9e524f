# SPDX-License-Identifier: GPL-3.0-or-later
"""Every refusal and every warning of the language by itself, whole: file, path, field, value, what and remedy. Then any
number of them in one policy: what each is refused for alone, all are refused for together, and for nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.compile import compile_policy
from ansible_collections.alertpath.smtp.plugins.plugin_utils.policy.errors import Findings, PolicyError
from hypothesis import given, settings
from hypothesis import strategies as st

from .conftest import TODAY, make_host

FILE = "group_vars/all/smtp_policy.yml"
HOSTS = (make_host("anchor", "10.99.0.1", groups=("anchors",)),)
SECRET = "hunter2-hunter2"


class Draft:
    """One path with two zones of its own and a port of its own, which no other draft touches."""

    def __init__(self, raw: dict[str, Any], number: int) -> None:
        self.raw, self.number = raw, number
        self.id, self.source, self.destination = f"p{number}", f"s{number}", f"d{number}"
        self.port = 1000 + number
        self.zones = raw["zones"]
        self.zones[self.source] = {"addresses": [f"10.1.{number}.1"], "name": f"s{number}.test"}
        self.zones[self.destination] = {"addresses": [f"10.2.{number}.1"], "name": f"d{number}.test"}
        self.path: dict[str, Any] = {
            "id": self.id,
            "from": self.source,
            "to": self.destination,
            "port": self.port,
            "encryption": "starttls",
            "owner": "soc@corp.test",
            "approved_by": "CHG1",
            "reason": "r",
            "review_by": "2027-06-30",
        }
        raw["ports"].append(self.port)
        raw["paths"].append(self.path)

    @property
    def server(self) -> dict[str, Any]:
        return self.zones[self.destination]

    def another(self, **changes: Any) -> None:
        """A second path, like the first one but for *changes*."""
        self.raw["paths"].append({**self.path, "id": f"{self.id}-b", **changes})

    def gateway(self, **changes: Any) -> None:
        words = {key: self.path[key] for key in ("owner", "approved_by", "reason", "review_by")}
        entry = {"hosts": "anchors", "mode": "internal_mail_server", "mail_server": self.destination, **words}
        self.raw["lan_gateways"].append({**entry, "ports": [self.port], **changes})


@dataclass(frozen=True)
class Case:
    """What is done to a draft, and what must be found: place, field, value and words of the message. `{n}` is the
    draft's number."""

    name: str
    change: Callable[[Draft], object]
    place: str
    field: str | None
    value: str | None
    words: str
    severity: str = "error"


def address(text: str) -> Callable[[Draft], object]:
    return lambda d: d.server.update(addresses=[text])


def words(**changes: Any) -> Callable[[Draft], object]:
    return lambda d: d.path.update(changes)


def zone(text: dict[str, Any]) -> Callable[[Draft], object]:
    return lambda d: d.zones.update({d.destination: text})


def wide(networks: list[str]) -> Callable[[Draft], object]:
    def change(d: Draft) -> None:
        d.zones[d.source] = {"networks": networks}

    return change


def halves(d: Draft) -> None:
    d.zones[d.source] = {"networks": ["0.0.0.0/1", "128.0.0.0/1"]}
    d.path.update(to="any", wide_reason="w")


def sentinel(d: Draft) -> None:
    d.raw["sentinels"].append({"name": f"mx{d.number}", "address": f"10.2.{d.number}.1"})


ERRORS = [
    Case("any to any", words(**{"from": "any", "to": "any", "wide_reason": "w"}), "p{n}", "to", "any", "everything"),
    Case("any to any in parts", halves, "p{n}", "to", "any", "everything"),
    Case("wide IPv4", wide(["10.0.0.0/8"]), "p{n}", "from", "s{n} (10.0.0.0/8)", "wider"),
    Case("wide IPv6", wide(["10.1.9.0/24", "fd00::/48"]), "p{n}", "from", "s{n} (fd00::/48)", "wider"),
    Case("any unexplained", words(**{"from": "any"}), "p{n}", "from", "any", "wider"),
    Case("unknown zone", words(to="nowhere"), "p{n}", "to", "nowhere", "not a zone"),
    Case("empty zone", zone({}), "zones.d{n}", "addresses", None, "is empty"),
    Case("empty group", zone({"group": "ghosts"}), "zones.d{n}", "group", "ghosts", "not a group"),
    Case("unknown key", words(ownr="x"), "p{n}", "ownr", None, "not a key"),
    Case("no owner", words(owner=None), "p{n}", "owner", None, "is missing"),
    Case("no approval", words(approved_by=""), "p{n}", "approved_by", None, "is missing"),
    Case("no reason", words(reason=None), "p{n}", "reason", None, "is missing"),
    Case("no review", words(review_by=None), "p{n}", "review_by", None, "is missing"),
    Case("review overdue", words(review_by="2026-01-01"), "p{n}", "review_by", "2026-01-01", "326 days ago"),
    Case("name alone", zone({"name": "smtp.corp.test"}), "zones.d{n}", "name", "smtp.corp.test", "by name alone"),
    Case("name as address", address("smtp.test"), "zones.d{n}", "addresses", "smtp.test", "not an IPv4 or IPv6"),
    Case("not configured", address("1.1.1.1"), "zones.d{n}", "addresses", "1.1.1.1", "CyberArk"),
    Case("loopback", address("127.0.0.1"), "zones.d{n}", "addresses", "127.0.0.1", "loopback"),
    Case("loopback IPv6", address("::1"), "zones.d{n}", "addresses", "::1", "loopback"),
    Case("link-local", address("169.254.1.1"), "zones.d{n}", "addresses", "169.254.1.1", "link-local"),
    Case("multicast", address("224.0.0.1"), "zones.d{n}", "addresses", "224.0.0.1", "multicast"),
    Case("unspecified", address("0.0.0.0"), "zones.d{n}", "addresses", "0.0.0.0", "unspecified"),
    Case("broadcast", address("255.255.255.255"), "zones.d{n}", "addresses", "255.255.255.255", "broadcast"),
    Case("reserved", address("240.0.0.1"), "zones.d{n}", "addresses", "240.0.0.1", "reserved"),
    Case("clear text", words(encryption="none"), "p{n}", "encryption", "none", "clear text"),
    Case("foreign port", words(port=26), "p{n}", "port", "26", "not among"),
    Case("duplicate id", lambda d: d.another(id=d.id, port=999), "p{n}", "id", "p{n}", "two paths"),
    Case(
        "contradiction", lambda d: d.another(encryption="implicit"), "p{n}-b", "encryption", "implicit", "contradicts"
    ),
    Case("shadow", lambda d: d.another(), "p{n}-b", "to", "d{n}", "adds nothing to path p{n}"),
    Case(
        *("one port, two ways", lambda d: d.another(encryption="implicit", **{"from": "elsewhere"})),
        *("p{n}-b", "encryption", "implicit", "one port of a server"),
    ),
    Case("sentinel", sentinel, "p{n}", "to", "d{n}", "must be unreachable"),
    Case("no common family", address("fd00::1"), "p{n}", "to", "d{n}", "no address family"),
    Case("secret by its key", words(password=SECRET), "p{n}", "password", None, "looks like a secret"),
    Case(
        "secret by its look",
        words(reason=f"smtp://u:{SECRET}@h"),
        "p{n}",
        "reason",
        None,
        "a password in clear text",
    ),
]
WARNINGS = [
    Case("review soon", words(review_by="2026-12-01"), "p{n}", "review_by", "2026-12-01", "due in 8 days", "warning"),
    Case("nobody enforces it", lambda d: None, "p{n}", "from", "s{n}", "no managed host", "warning"),
    Case(
        *("no name", lambda d: d.server.pop("name"), "p{n}", "to", "d{n}", "no name to check", "warning"),
    ),
    Case(
        *("465 with STARTTLS", words(port=465), "p{n}", "encryption", "starttls", "unusual on port 465", "warning"),
    ),
    Case(
        *("587 with implicit", words(port=587, encryption="implicit")),
        *("p{n}", "encryption", "implicit", "unusual on port 587", "warning"),
    ),
    Case(
        *("25 with implicit", words(port=25, encryption="implicit")),
        *("p{n}", "encryption", "implicit", "unusual on port 25", "warning"),
    ),
]
IDS = [case.name for case in (*ERRORS, *WARNINGS)]

Shown = tuple[str, str | None, str | None, str | None, str]


def base() -> dict[str, Any]:
    anchors = {"group": "anchors"}
    elsewhere = {"addresses": ["10.98.0.1"], "name": "elsewhere.test"}
    zones = {"anchors": anchors, "elsewhere": elsewhere}
    return {"ports": [25, 465, 587, 999], "zones": zones, "paths": [], "lan_gateways": [], "sentinels": []}


def found(raw: Any) -> list[Any]:
    """Every finding, whether the policy is refused or not; what is raised holds all errors, and no secret."""
    findings, raised, message = Findings(FILE), [], ""
    try:
        compile_policy(raw, HOSTS, TODAY, findings)
    except PolicyError as refused:
        raised, message = refused.findings, str(refused)
    assert raised == findings.errors
    assert SECRET not in message
    return [*findings.errors, *findings.warnings]


def of(raw: Any, case: Case, number: int) -> list[Any]:
    place, value = (text and text.format(n=number) for text in (case.place, case.value))
    return [
        f
        for f in found(raw)
        if (f.path, f.field, f.value, f.severity) == (place, case.field, value, case.severity)
        and case.words.format(n=number) in f.message
    ]


@pytest.mark.parametrize("case", [*ERRORS, *WARNINGS], ids=IDS)
def test_finding_names_file_path_field_value_and_remedy(case: Case) -> None:
    raw = base()
    case.change(Draft(raw, 7))
    (finding,) = of(raw, case, 7)
    assert finding.file == FILE
    assert finding.remedy
    for part in (FILE, finding.path, finding.field, finding.value, finding.message, finding.remedy):
        assert part is None or part in str(finding)


def test_draft_without_a_change_is_accepted() -> None:
    raw = base()
    for number in range(5):
        Draft(raw, number)
    assert [f for f in found(raw) if f.severity == "error"] == []


def errors(raw: Any) -> set[Shown]:
    return {(f.path, f.field, f.value, f.file, f.message) for f in found(raw) if f.severity == "error"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(ERRORS), min_size=2, max_size=12))
def test_all_errors_come_at_once_and_no_other(cases: list[Case]) -> None:
    together, alone = base(), set()
    for number, case in enumerate(cases):
        case.change(Draft(together, number))
        single = base()
        case.change(Draft(single, number))
        # What the language offers instead depends on the rest of the policy; what is wrong does not.
        alone |= errors(single)
    assert errors(together) == alone


def test_overdue_review_is_a_warning_where_the_policy_says_so() -> None:
    raw = {**base(), "review_overdue": "warning"}
    Draft(raw, 1).path["review_by"] = "2026-01-01"
    assert [(f.severity, f.path, f.value) for f in found(raw) if f.field == "review_by"] == [
        ("warning", "p1", "2026-01-01")
    ]


GATEWAYS: list[tuple[dict[str, Any], str, str | None, str, str]] = [
    ({"hosts": "ghosts"}, "hosts", "ghosts", "not a group", "error"),
    ({"hosts": None}, "hosts", None, "is missing", "error"),
    ({"mode": "bridge"}, "mode", "bridge", "not a choice", "error"),
    ({"mail_server": "nowhere"}, "mail_server", "nowhere", "not a zone", "error"),
    ({"lan": "elsewhere"}, "lan", "elsewhere", "means nothing", "error"),
    ({"ports": [26]}, "ports", "26", "not among", "error"),
    ({"review_by": "2026-01-01"}, "review_by", "2026-01-01", "days ago", "error"),
    ({"owner": None}, "owner", None, "without owner", "warning"),
    ({"mode": "gateway_mail_server"}, "lan", None, "every network", "warning"),
]


@pytest.mark.parametrize(("changes", "field", "value", "message", "severity"), GATEWAYS)
def test_finding_of_a_lan_gateway_names_its_place(changes, field, value, message, severity) -> None:
    raw = base()
    Draft(raw, 1).gateway(**changes)
    (finding,) = [f for f in found(raw) if (f.path, f.field) == ("lan_gateways[0]", field)]
    assert (finding.value, finding.severity, finding.file) == (value, severity, FILE)
    assert message in finding.message
    assert finding.remedy


def test_errors_of_paths_zones_gateways_and_inventory_come_together() -> None:
    raw = base()
    for number, case in enumerate(ERRORS):
        case.change(Draft(raw, number))
    Draft(raw, 200).gateway(mode="bridge")
    raw["blocked"] = "ignore"
    raw["zones"]["crowd"] = {"group": "crowd"}
    hosts = (*HOSTS, make_host("silent", groups=("crowd",)), make_host("twin", "10.99.0.1", groups=("crowd",)))
    with pytest.raises(PolicyError) as refused:
        compile_policy(copy.deepcopy(raw), hosts, TODAY, Findings(FILE))
    shown = {(f.path, f.field) for f in refused.value.findings}
    for number, case in enumerate(ERRORS):
        assert (case.place.format(n=number), case.field) in shown, case.name
    assert {("lan_gateways[0]", "mode"), ("smtp_policy", "blocked"), ("silent", "smtp_addresses")} <= shown
    assert ("twin", "smtp_addresses") in shown
