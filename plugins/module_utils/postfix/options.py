# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between the module's options and the library: options in, a satellite out; an outcome in, the result out."""

from __future__ import annotations

import re
from typing import Any, Dict, List, Mapping, Optional

from ..command import CommandError, find_tool
from ..managed_file import read
from .model import LEVELS, Credentials, NextHop, Retry, Satellite
from .store import Change
from .takeover import Outcome
from .values import ValueRefused

_RETRY = {name: {"type": "str", "default": value} for name, value in vars(Retry()).items()}
ARGUMENT_SPEC: Dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "next_hops": {
        "type": "list",
        "elements": "dict",
        "options": {
            "address": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "encryption": {"type": "str", "choices": ["starttls", "implicit", "none"], "required": True},
            "name": {"type": "str"},
            "fingerprints": {"type": "list", "elements": "str", "default": []},
            "host": {"type": "str"},
            "path": {"type": "str"},
        },
    },
    "hostname": {"type": "str"},
    "origin": {"type": "str"},
    "tls": {"type": "str", "choices": list(LEVELS), "default": "verify"},
    "ca": {"type": "str"},
    "user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "retry": {"type": "dict", "default": {}, "options": _RETRY},
    "root_recipient": {"type": "str"},
    "notice_recipient": {"type": "str"},
    "sender_rewriting": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"from": {"type": "str", "required": True}, "to": {"type": "str", "required": True}},
    },
    "loopback_smtp": {"type": "bool", "default": True},
    "config_directory": {"type": "path", "default": "/etc/postfix"},
}
_HIDDEN = "(not shown: a secret)\n"
# A foreign main.cf may hold a password in an inline or static table; our own names a file.
_PASSWORDS = re.compile(r"^(\S*password\S*[ \t]*=)(?![ \t]*texthash:\$)[^\n]*(?:\n[ \t][^\n]*)*", re.MULTILINE)


def satellite(params: Mapping[str, Any]) -> Satellite:
    """Return the satellite that the module's options describe. Raises ValueRefused."""
    credentials = Credentials(params["user"], params["password"]) if params["user"] is not None else None
    return Satellite(
        next_hops=tuple(
            NextHop(hop["address"], hop["port"], hop["encryption"], hop["name"], tuple(hop["fingerprints"]))
            for hop in params["next_hops"]
        ),
        hostname=params["hostname"],
        origin=params["origin"],
        tls=params["tls"],
        ca=_ca(params["ca"]),
        credentials=credentials,
        retry=Retry(**(params["retry"] or {})),
        root_recipient=params["root_recipient"],
        notice_recipient=params["notice_recipient"],
        sender_rewriting=tuple((rule["from"], rule["to"]) for rule in params["sender_rewriting"]),
        loopback_smtp=params["loopback_smtp"],
    )


def _ca(text: Optional[str]) -> Optional[str]:
    if text is None or not text.startswith("/"):
        return text
    content = read(text)
    if content is None:
        raise ValueRefused(f"ca: this host has no file {text}; give the path of a file on the host, or PEM text")
    return content.decode("ascii", "replace")


def postfix_installed() -> bool:
    """Return whether this host has Postfix."""
    try:
        find_tool("postconf", "")
    except CommandError:
        return False
    return True


def without_postfix(wanted: Optional[Satellite]) -> Dict[str, Any]:
    """Return what check mode can say about a host on which Postfix would be installed first."""
    return result(Outcome(changed=wanted is not None, action="start" if wanted else "none"), wanted)


def result(outcome: Outcome, wanted: Optional[Satellite]) -> Dict[str, Any]:
    """Return the module's result. No secret is in it."""
    found: Dict[str, Any] = {
        "changed": outcome.changed,
        "diff": [_diff(change) for change in outcome.changes],
        "files": [change.path for change in outcome.changes],
        "action": outcome.action,
        "postfix_version": outcome.version,
    }
    if wanted is not None:
        found["next_hops"] = _next_hops(wanted)
    if outcome.backup:
        found["backup"] = outcome.backup
    return found


def _next_hops(wanted: Satellite) -> List[Dict[str, Any]]:
    return [{"next_hop": hop.key, "tls": wanted.level(hop), "name": hop.name} for hop in wanted.next_hops]


def _diff(change: Change) -> Dict[str, str]:
    return {
        "before_header": change.path,
        "after_header": change.path,
        "before": _shown(change.before, change.secret),
        "after": _shown(change.after, change.secret, "(not shown: a secret, changed)\n"),
    }


def _shown(content: Optional[bytes], secret: bool, hidden: str = _HIDDEN) -> str:
    if content is None:
        return ""
    return hidden if secret else _PASSWORDS.sub(r"\1 (not shown)", content.decode("utf-8", "replace"))
