# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads a worksheet as the appliance would act on it: rules from the top, the first that matches decides."""

from __future__ import annotations

import ipaddress
from typing import Any


def rules(worksheet: dict[str, Any]) -> list[dict[str, str]]:
    """The rules of *worksheet*, from the top, field by field."""
    steps = [step for step in worksheet["steps"] if step["stage"] == "rule"]
    return [{field["field"]: field["value"] for field in step["fields"]} for step in steps]


def _matches(rule: dict[str, str], end: str, address: str) -> bool:
    value = rule[end]
    if value.startswith("ANY"):
        return True
    inside = ipaddress.ip_address(address) in ipaddress.ip_network(value.replace(",", " ").split()[0])
    return inside == (rule[f"{end} match"] == "Include")


def passes(worksheet: dict[str, Any], source: str, destination: str) -> bool:
    """Whether SMTP from *source* on the LAN to *destination* passes. What no rule matches, the device lets out."""
    for rule in rules(worksheet):
        if _matches(rule, "Source", source) and _matches(rule, "Destination", destination):
            return rule["Action"] == "Accept"
    return True
