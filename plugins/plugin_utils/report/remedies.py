# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reader can do about each way in which a path may differ from what is declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ALLOWED = {
    "refused": "start the server there, or find the firewall that resets; then apply the policy again",
    "rejected": "the device that answered rejects the path; apply the policy on it, or have its owner open the path",
    "filtered": "something on the way is silent; apply the policy, then look at the firewalls between the two hosts",
    "no_route": "mend the route or start the destination; check the address in the policy",
    "name_error": "mend the name or its resolver, or declare the address",
    "local_error": "mend what the probing host says of itself; a source must be an address of that host",
    "banner_timeout": "look at the server's load; if it waits on purpose, raise path_verification_timeout",
    "not_smtp": "another service has the port, or a device closes the connection; put the mail server there",
    "greeting_refused": "the server is up but refuses this host; read its reply, and allow the host there",
    "tls_missing": "turn TLS on at the server, or correct the path's encryption in the policy",
    "tls_failed": "give the server a certificate that path_verification_ca signs and that is valid now",
    "wrong_server": "another server answers; check address, certificate and name, and look for an intercepting proxy",
}
_UNRUN = frozenset({"no_route", "name_error", "local_error"})


def remedy(expect: str, outcome: str, verdict: str) -> str:
    """Return what to do about a row with *expect*, *outcome* and *verdict* that did not pass."""
    if verdict == "unproven":
        return "name a port that the destination answers on in path_verification_control_ports, or check that it is up"
    if expect == "blocked" and outcome not in _UNRUN:
        return "apply the policy to the source and the routers on the way, then look for a rule ahead of ours"
    return _ALLOWED.get(outcome, "read the row's evidence")


def of_row(row: Mapping[str, Any]) -> str:
    """Return what to do about the *row* of a probe that did not pass: what the probe itself says, if it does."""
    return str(row.get("remedy") or remedy(row["expect"], row["outcome"], row["verdict"]))
