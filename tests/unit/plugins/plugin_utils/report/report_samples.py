# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence as a real run has it, made up in every variety, and a plan to go with it."""

from __future__ import annotations

from typing import Any

AT, DIGEST = "2026-11-23T03:00:00Z", "9f2c" * 16


def row(destination: str = "203.0.113.25", port: int = 25, **more: Any) -> dict[str, Any]:
    return {
        **{"host": "public-mx", "source": "10.77.20.11", "destination": destination, "address": destination},
        **{"port": port, "expect": "blocked", "outcome": "refused", "class": "refused", "verdict": "pass"},
        **{"reason": "reset by the own host", "seconds": 0.01, "evidence": {"text": "reset"}, "where": None},
        **{"path": None, "remedy": None, "cannot_tell": [], "control": "destination", **more},
    }


def allowed(port: int = 587, **more: Any) -> dict[str, Any]:
    evidence = {
        "text": "220 tunnel1",
        "days_left": 12,
        "certificate_names": ["tunnel1.corp.test"],
        "tls_version": "TLSv1.3",
    }
    return row(
        "10.77.30.11",
        port,
        **{
            "host": "tunnel1",
            "expect": "allowed",
            "outcome": "open",
            "path": "vault-to-tunnel",
            "evidence": evidence,
            **more,
        },
    )


def where(answer: str, how: str = "drops", **more: Any) -> dict[str, Any]:
    return {
        **{"answer": answer, "how": how, "type": None, "code": None, "device": None, "neighbours": [], "suspects": []},
        **{"own_rule": None, "text": f"{answer}: a device {how} it", **more},
    }


def device(hop: int | None, address: str | None, role: str = "router") -> dict[str, Any]:
    return {"hop": hop, "address": address, "role": role}


def shut(port: int, found: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    lost = {
        "outcome": "filtered",
        "verdict": "fail",
        "reason": "no answer in 1.5 s",
        "where": found,
        "remedy": "open it",
    }
    return allowed(port, **{**lost, "evidence": {"text": "silence"}, **more})


def results() -> dict[str, Any]:
    """What the probes of three hosts returned; one of them was not there."""
    return {
        "vault1": {
            "rows": [
                allowed(),
                allowed(
                    25, outcome="not_smtp", verdict="fail", reason="HTTP answers", remedy="put the mail server there"
                ),
                shut(465, where("exact", device=device(1, "10.77.20.1"))),
                shut(2525, where("between", neighbours=[device(1, "10.77.20.1"), device(2, None)])),
                shut(1025, where("exact", "refuses to send", device=device(0, "10.77.20.11", "own host"))),
                row(),
                row(
                    port=587,
                    outcome="open",
                    verdict="fail",
                    reason="a banner came",
                    remedy="apply the policy",
                    via="10.77.20.11",
                ),
                row(port=465, verdict="unproven", control="none", reason="nothing else answered"),
            ],
            "moved_names": [{"name": "mx.corp.test", "pinned": ["203.0.113.25"], "resolved": ["203.0.113.99"]}],
        },
        "vault2": {"rows": [row(source="10.77.20.12"), row("2001:db8::25", source="fd77:20::12")]},
        "vault3": {"unreachable": True, "msg": "ssh: connect to host vault3 port 22: No route to host"},
    }


def planned() -> dict[str, Any]:
    found = results()
    return {host: {"probes": found[host].get("rows") or [row()], "enforces": ["host"]} for host in found}


def plan() -> dict[str, Any]:
    path = {
        **{"id": "vault-to-tunnel", "kind": "path", "from": "vaults", "to": "tunnels", "ports": [25, 465, 587]},
        **{"sources": ["10.77.20.11", "10.77.20.12"], "destinations": ["10.77.30.11"], "encryption": "starttls"},
        **{"owner": "soc@corp.test", "approved_by": "CHG0012345", "review_by": "2026-10-01", "cleartext_reason": None},
        **{"reason": "Vault alerts leave through the tunnel", "wide_reason": None, "hosts": None, "mode": None},
        **{"mail_server": None, "lan": None},
    }
    unused = {**path, "id": "tunnel-to-relay", "from": "tunnels", "to": "relays", "ports": [25], "review_by": None}
    return {"digest": DIGEST, "paths": [path, unused], "hosts": planned()}


def drift() -> dict[str, Any]:
    return {
        "vault1": {"drift": {"live": True, "boot": False}, "diff": []},
        "vault2": {"drift": {"live": False, "boot": False}},
    }


def proof() -> dict[str, Any]:
    return {"vault1": {"passed": True, "summary": "all proven"}, "vault2": {"passed": False, "summary": "1 excess"}}
