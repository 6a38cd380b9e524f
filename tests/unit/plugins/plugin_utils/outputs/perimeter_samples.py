# SPDX-License-Identifier: GPL-3.0-or-later
"""Plans as smtp_plan makes them, drawn at random from few addresses so that ways meet, and what they mean."""

from __future__ import annotations

import datetime
import ipaddress
from typing import Any

from hypothesis import strategies as st

TODAY = datetime.date(2026, 11, 23)
PORTS = (25, 465, 587)
V4 = ["192.0.2.16", "192.0.2.17", "192.0.2.18", "192.0.2.16/30", "192.0.2.20/31", "0.0.0.0/0"]
V6 = ["2001:db8::10", "2001:db8::11", "2001:db8::10/126", "2001:db8::14/127", "::/0"]
POINTS = [f"192.0.2.{n}" for n in (15, 16, 17, 18, 19, 20, 21, 22)] + ["203.0.113.9"]
POINTS6 = [f"2001:db8::{n:x}" for n in range(15, 23)] + ["2001:db8:ffff::1"]
IDS = ["a", "A", "vault-to-tunnel", "x.y", "x-y", "1st", "lan-gateway:routers:internal_mail_server", "p" * 63]
WORDS = [None, "soc@corp.test", 'Größe: "x"; }\n permit ip any any */ $(id) <b>&', "w" * 500, "a b " * 90]
DATES = [None, "2026-11-22", "2026-11-23", "2027-06-30"]


def way(name: str, sources: list[str], destinations: list[str], ports: list[int], **more: Any) -> dict[str, Any]:
    """One entry of a plan's `paths`."""
    found = {
        "id": name, "kind": "path", "from": "near", "to": "far", "sources": sources, "destinations": destinations,
        "ports": ports, "encryption": "starttls", "owner": "soc@corp.test", "approved_by": "CHG0012345",
        "reason": "Alerts leave", "review_by": "2027-06-30", "cleartext_reason": None, "wide_reason": None,
        "hosts": None, "mode": None, "mail_server": None, "lan": None,
    }  # fmt: skip
    return {**found, **more}


def plan(ways: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A plan with these paths."""
    return {"digest": "f00d" * 16, "ports": list(PORTS), "paths": ways, "zones": [], "hosts": {}, **more}


def _ends() -> st.SearchStrategy[list[str]]:
    both = st.tuples(st.lists(st.sampled_from(V4), max_size=3, unique=True), st.lists(st.sampled_from(V6), max_size=3))
    return both.map(lambda two: [*two[0], *dict.fromkeys(two[1])]).filter(bool)


def _meet(entry: dict[str, Any]) -> bool:
    versions = [{ipaddress.ip_network(a).version for a in entry[side]} for side in ("sources", "destinations")]
    return bool(versions[0] & versions[1])


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """Any plan."""
    names = draw(st.lists(st.sampled_from(IDS), max_size=4, unique=True))
    ways = [
        draw(
            st.builds(
                way,
                st.just(name),
                _ends(),
                _ends(),
                st.lists(st.sampled_from(PORTS), min_size=1, max_size=3, unique=True),
                owner=st.sampled_from(WORDS),
                reason=st.sampled_from(WORDS),
                review_by=st.sampled_from(DATES),
            ).filter(_meet)
        )
        for name in names
    ]
    return plan(ways)


def holds(address: str, networks: list[str]) -> bool:
    """Whether *address* lies in any of *networks*."""
    found = ipaddress.ip_address(address)
    return any(found.version == n.version and found in n for n in map(ipaddress.ip_network, networks))


def opens(entry: dict[str, Any], source: str, destination: str, port: int) -> bool:
    """Whether one path of a plan opens a connection on TODAY."""
    overdue = entry["review_by"] is not None and entry["review_by"] < TODAY.isoformat()
    return (
        not overdue
        and port in entry["ports"]
        and holds(source, entry["sources"])
        and holds(destination, entry["destinations"])
    )
