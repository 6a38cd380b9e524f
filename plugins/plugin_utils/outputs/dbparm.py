# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines for a CyberArk Vault's dbparm.ini: the openings in the Windows firewall that the Vault owns.

Only what is known of the file is written: the key AllowNonStandardFWAddresses, repeated, one specification a line, and
IPv4 addresses. No Vault was at hand; the lines are held against the two expressions of CyberArk's own checker.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ..policy.addresses import Block, parse_block
from ..policy.errors import Findings
from .documents_plan import entries, hosts
from .perimeter_plan import refuse

_LINE = re.compile(r"^AllowNonStandardFWAddresses=\[([0-9\.\,\-]{4,})\],(Yes|No),(.*)$")
_SPEC = re.compile(r"([\d-]{1,}):(\w{1,})/(\w{1,})")
_NOT_CONFIGURED = parse_block("1.1.1.1")
_NOTES = (
    "Whether the Event Notification Engine needs such a line for its own mail server is not known; with enabled=false "
    "none is written.",
    "No Vault was at hand to try the lines on: have them read by somebody who runs one.",
)
_STEPS = (
    "Add the lines to section [MAIN] of dbparm.ini by line: the key is repeated, and a tool for INI files would keep "
    "one. The file is ASCII with CRLF, and holds secrets: keep it out of logs and diffs.",
    "Restart the service PrivateArk Server: every change needs it, and a slip in the syntax can keep the Vault down. "
    "On a DR Vault write the file and restart nothing; in a cluster write it on both nodes and restart the active one.",
    "Start the Event Notification Engine and check it: a plain restart does not always bring it back.",
)


def dbparm_lines(plan: Any, names: Iterable[str] | None = None, enabled: bool = True) -> dict[str, Any]:
    """The lines for each host of *plan* that sends mail, or for those of *names*, as docs/perimeter.md shows them.

    One line for each port, with every address of the next hops. *enabled* false makes no lines. Raises NotAPlan, or
    Refused for a next hop that cannot be one.
    """
    findings = Findings()
    known = hosts(plan)
    entries(plan, "ports")
    wanted = sorted(known) if names is None else sorted({str(name) for name in names})
    made = {}
    for name in wanted:
        if name not in known:
            findings.error(name, "names", name, "is no host of the plan", "name a host of the plan")
        elif known[name].get("next_hops") or names is not None:
            made[name] = _host(name, known[name].get("next_hops") or (), enabled, findings)
    refuse(findings)
    return {"hosts": made, "notes": list(_NOTES), "steps": list(_STEPS) if enabled else []}


def _host(name: str, next_hops: Iterable[Any], enabled: bool, findings: Findings) -> dict[str, Any]:
    by_port: dict[int, set[Block]] = {}
    skipped = []
    for hop in next_hops:
        block = _address(name, hop, findings)
        if block is None:
            continue
        if block.version == 4:
            by_port.setdefault(hop["port"], set()).add(block)
        else:
            skipped.append({"path": hop.get("path"), "address": str(block), "port": hop["port"]})
    lines = [_line(sorted(blocks), port) for port, blocks in sorted(by_port.items())] if enabled else []
    warnings = []
    if skipped:
        warnings.append("the file takes IPv4 addresses only; the next hops in skipped stay closed there")
    if not by_port:
        warnings.append("no next hop has an IPv4 address: no line can open one")
    if not enabled:
        warnings.append("lines were not asked for")
    text = "".join(f"{line}\r\n" for line in lines)
    return {"lines": lines, "text": text, "skipped": skipped, "warnings": warnings}


def _address(name: str, hop: Any, findings: Findings) -> Block | None:
    """The address of a next hop; what is wrong with it goes to *findings*."""
    remedy = "correct the zone that the path leads to, and compile the plan again"
    if not isinstance(hop, Mapping):
        findings.error(name, "next_hops", hop, "is not a dictionary", "give what alertpath.smtp.smtp_plan returned")
        return None
    place, port = str(hop.get("path") or name), hop.get("port")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
        findings.error(place, "port", port, "is not a port", remedy)
        return None
    try:
        block = parse_block(hop.get("address"))
    except ValueError as wrong:
        findings.error(place, "address", hop.get("address"), str(wrong), remedy)
        return None
    if block == _NOT_CONFIGURED:
        findings.error(place, "address", block, "is what CyberArk writes for 'not configured'", remedy)
        return None
    return block


def _line(addresses: Iterable[Block], port: int) -> str:
    """One line, as CyberArk's checker reads it."""
    spec = f"{port}:outbound/tcp"
    line = f"AllowNonStandardFWAddresses=[{','.join(map(str, addresses))}],Yes,{spec}"
    found = _LINE.fullmatch(line)
    if not found or not _SPEC.fullmatch(found[3]):
        raise AssertionError(f"CyberArk's checker does not read {line}")
    return line
