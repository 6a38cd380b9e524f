# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read main.cf and what postconf(1) prints about master.cf, as far as a takeover must know them."""

from __future__ import annotations

import re
from typing import Dict, FrozenSet, List, Mapping

# What the package, not the administrator, decides: where Postfix lies, as whom it runs, where it logs (postconf(5)).
INSTALLATION = (
    "command_directory",
    "daemon_directory",
    "data_directory",
    "html_directory",
    "mail_owner",
    "mailq_path",
    "maillog_file",
    "maillog_file_prefixes",
    "manpage_directory",
    "meta_directory",
    "newaliases_path",
    "queue_directory",
    "readme_directory",
    "sample_directory",
    "sendmail_path",
    "setgid_group",
    "shlib_directory",
    "syslog_facility",
    "syslog_name",
)
# Overrides of these would lead mail past the next hops even though main.cf does not set all of them.
_REDIRECTS = frozenset(
    {
        "always_bcc",
        "cleanup_service_name",
        "content_filter",
        "default_transport",
        "fallback_transport",
        "header_checks",
        "milter_header_checks",
        "receive_override_options",
        "recipient_bcc_maps",
        "relay_transport",
        "relayhost",
        "sender_bcc_maps",
        "sender_dependent_default_transport_maps",
        "sender_dependent_relayhost_maps",
        "smtp_bind_address",
        "smtp_bind_address6",
        "smtp_fallback_relay",
        "smtp_header_checks",
        "smtpd_milters",
        "smtpd_proxy_filter",
        "transport_maps",
    }
)
_ON_THE_WAY = frozenset(
    {
        "bounce/unix",
        "cleanup/unix",
        "defer/unix",
        "pickup/fifo",
        "pickup/unix",
        "qmgr/fifo",
        "qmgr/unix",
        "rewrite/unix",
        "smtp/inet",
        "smtp/unix",
        "trace/unix",
    }
)
_OVERRIDE = re.compile(r"(?P<service>\S+/\S+)/(?P<name>[A-Za-z0-9_]+)\s*=\s*(?P<value>.*)\Z")
_LOOPBACK = re.compile(r"(?:localhost|127\.[0-9.]+|\[?::1\]?)\Z")


def parse(text: str) -> Dict[str, str]:
    """Return the settings of a main.cf: name to value, unexpanded; a later setting wins (postconf(5), File format)."""
    lines: List[str] = []
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace() and lines:
            lines[-1] += " " + line.strip()
        else:
            lines.append(line.strip())
    settings = {}
    for line in lines:
        name, equals, value = line.partition("=")
        if equals:
            settings[name.strip()] = value.strip()
    return settings


def kept(settings: Mapping[str, str]) -> Dict[str, str]:
    """Return those of *settings* that belong to the installation and survive a takeover."""
    return {name: settings[name] for name in INSTALLATION if name in settings}


def master_conflicts(overrides: str, services: str, owned: FrozenSet[str], listens: bool) -> List[str]:
    """Return what in master.cf would undo main.cf, one sentence each.

    *overrides* is the output of ``postconf -P``, *services* that of ``postconf -M``, *owned* the names that main.cf
    sets, *listens* whether network services run at all.
    """
    found = []
    for line in overrides.splitlines():
        match = _OVERRIDE.match(line.strip())
        if match and match["service"] in _ON_THE_WAY and match["name"] in owned | _REDIRECTS:
            found.append(f"service {match['service']} overrides {match['name']} (-o {match['name']}={match['value']})")
    for line in services.splitlines():
        fields = line.split()
        if listens and len(fields) >= 8 and fields[1] == "inet" and ":" in fields[0]:
            host = fields[0].rpartition(":")[0]
            if not _LOOPBACK.match(host):
                found.append(f"service {fields[0]}/inet listens on {host}, outside loopback")
    return found
