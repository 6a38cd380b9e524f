# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Between the module's options and the library: options in, targets and settings out; evidence in, the result out."""

from __future__ import annotations

import ipaddress
import math
import re
from typing import Any, Dict, List, Mapping, Optional, Sequence

from ..locate.model import BUDGET
from ..ssh.model import Hop, Route
from .limits import NAMES
from .masking import is_word, words_of
from .matrix import Settings
from .model import AUTH, DEPTHS, ENCRYPTIONS, EXPECTATIONS, MAIL, Target
from .rows import LOCATE, NOTHING, Evidences, Row
from .sasl import Credentials
from .steps import Errand
from .tls import ClientCertificate, Trust
from .verdict import AS_EXPECTED, UNPROVEN, VERDICTS

HOST = "host"
SSH = "ssh"
"""Where the connections start: at the host that the module runs on, or at one that it reaches over SSH."""

ARGUMENT_SPEC: Dict[str, Any] = {
    "targets": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "destination": {"type": "str", "required": True},
            "port": {"type": "int", "required": True},
            "expect": {"type": "str", "choices": list(EXPECTATIONS), "default": "allowed"},
            "source": {"type": "str"},
            "encryption": {"type": "str"},  # the plan says null where it has none, which choices would refuse
            "name": {"type": "str"},
            "host": {"type": "str"},
            "path": {"type": "str"},
            "depth": {"type": "str"},  # null in rows that were given back
        },
    },
    "depth": {"type": "str", "choices": list(DEPTHS), "default": "tls"},
    "ca_file": {"type": "path"},
    "ca_pem": {"type": "str"},
    "window": {"type": "float", "default": 1.05},
    "timeout": {"type": "float", "default": 15.0},
    "timeouts": {"type": "dict", "options": {name: {"type": "float"} for name in NAMES}},
    "deadline": {"type": "float"},
    "client_cert": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
    "client_key_password": {"type": "str", "no_log": True},
    "username": {"type": "str", "no_log": False},
    "password": {"type": "str", "no_log": True},
    "sender": {"type": "str", "default": ""},
    "recipient": {"type": "str"},
    "control_ports": {"type": "list", "elements": "int", "default": [22]},
    "require_control": {"type": "bool", "default": True},
    "require_answer": {"type": "bool", "default": True},
    "locate": {"type": "str", "choices": list(LOCATE), "default": NOTHING},
    "locate_budget": {"type": "float", "default": BUDGET},
    "via": {"type": "str", "choices": [HOST, SSH], "default": HOST},
    "ssh": {
        "type": "list",
        "elements": "dict",
        "options": {
            "host": {"type": "str", "required": True},
            "user": {"type": "str", "required": True},
            "port": {"type": "int", "default": 22},
            "key_file": {"type": "path", "no_log": False},
            "key_passphrase": {"type": "str", "no_log": True},
            "password": {"type": "str", "no_log": True},
        },
    },
    "known_hosts": {"type": "path", "default": "~/.ssh/known_hosts"},
    "fail_on_difference": {"type": "bool", "default": True},
}
MUTUALLY_EXCLUSIVE = [("ca_file", "ca_pem")]
REQUIRED_TOGETHER = [("username", "password")]
REQUIRED_IF = [("via", SSH, ("ssh",))]
REQUIRED_BY = {"client_key": ("client_cert",), "client_key_password": ("client_cert",)}
# RFC 5321 section 4.1.2, plain forms: dot-string at a domain or an address literal. Nothing that could end the command.
_MAILBOX = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(\[[0-9A-Za-z:.]+\]|[A-Za-z0-9._-]{1,253})\Z")
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)\Z")
_SHOWN = 20


class OptionRefused(Exception):
    """An option cannot be used. The text names it, its value and the remedy."""


def targets(params: Mapping[str, Any]) -> List[Target]:
    """Return the targets the options describe. Raises OptionRefused."""
    if not params["targets"]:
        raise OptionRefused("targets: is empty, so nothing would be looked at; give at least one, or skip the task")
    made = [_target(f"targets[{index}]", entry) for index, entry in enumerate(params["targets"])]
    depths = {target.depth or params["depth"] for target in made}
    if MAIL in depths and not params["recipient"]:
        raise OptionRefused("recipient: is missing; depth mail asks whether the server takes mail for a recipient")
    if AUTH in depths and params["username"] is None:
        raise OptionRefused("username: is missing; depth auth logs in, so give username and password")
    _check_secrets(params, made)
    return made


def _check_secrets(params: Mapping[str, Any], made: Sequence[Target]) -> None:
    given = {name: params[name] for name in ("password", "client_key_password")}
    for index, hop in enumerate(params["ssh"] or []):
        given.update({f"ssh[{index}].{name}": hop.get(name) for name in ("password", "key_passphrase")})
    words = words_of(made)
    for where, secret in given.items():
        if secret and is_word(secret, words):
            raise OptionRefused(
                f"{where}: is a short number or part of a word that results are made of, such as a verdict or the name "
                "of a host; to mask it would garble them and give it away, so choose another"
            )


def settings(params: Mapping[str, Any]) -> Settings:
    """Return how the options say to probe. Raises OptionRefused."""
    for name, least, most in (("window", 0.1, 60.0), ("timeout", 0.1, 600.0), ("locate_budget", 1.0, 3600.0)):
        if not (math.isfinite(params[name]) and least <= params[name] <= most):
            raise OptionRefused(f"{name}: {params[name]} s; give a value from {least:g} to {most:g} seconds")
    single = {name: value for name, value in (params["timeouts"] or {}).items() if value is not None}
    bounds = [*((f"timeouts.{name}", value) for name, value in single.items()), ("deadline", params["deadline"])]
    for name, seconds in bounds:
        if seconds is not None and not (math.isfinite(seconds) and 0.1 <= seconds <= 3600):
            raise OptionRefused(f"{name}: {seconds} s; give a value from 0.1 to 3600 seconds")
    for port in params["control_ports"]:
        _check_port("control_ports", port)
    for name in ("sender", "recipient"):
        if params[name] and not _MAILBOX.match(params[name]):
            raise OptionRefused(f"{name}: {params[name]!r} is no address such as alerts@corp.test")
    return Settings(
        depth=params["depth"],
        window=params["window"],
        timeout=params["timeout"],
        control_ports=tuple(dict.fromkeys(params["control_ports"])),
        require_control=params["require_control"],
        require_answer=params["require_answer"],
        trust=Trust(params["ca_pem"], params["ca_file"]),
        timeouts=single,
        deadline=params["deadline"] or 0.0,
        client=_client(params),
        errand=Errand(_credentials(params), params["sender"] or "", params["recipient"]),
        route=_route(params),
    )


def _route(params: Mapping[str, Any]) -> Optional[Route]:
    hops = params["ssh"] or []
    if params["via"] == HOST:
        if hops:
            raise OptionRefused("ssh: names hosts, and via is host; give via: ssh to probe from the last of them")
        return None
    if not hops:
        raise OptionRefused("ssh: names no host; give at least the one to probe from")
    if params["locate"] != NOTHING:
        raise OptionRefused("locate: cannot be done over SSH, which shows no packets; give locate: nothing")
    for index, hop in enumerate(hops):
        _check_port(f"ssh[{index}].port", hop["port"])
        if _address(hop["host"]) is None and not is_host_name(hop["host"]):
            raise OptionRefused(f"ssh[{index}].host: {hop['host']!r} is neither an address nor a host name")
        if not hop["user"]:
            raise OptionRefused(f"ssh[{index}].user: is empty; give the name to log in with")
    return Route(tuple(Hop(**hop) for hop in hops), params["known_hosts"])


def _client(params: Mapping[str, Any]) -> Optional[ClientCertificate]:
    if params["client_cert"] is None:
        return None
    return ClientCertificate(params["client_cert"], params["client_key"], params["client_key_password"])


def _credentials(params: Mapping[str, Any]) -> Optional[Credentials]:
    if params["username"] is None:
        return None
    for name in ("username", "password"):
        if not params[name] or "\0" in params[name]:
            raise OptionRefused(f"{name}: is empty or holds a NUL, which no mechanism can send")
    return Credentials(params["username"], params["password"])


def _target(where: str, entry: Mapping[str, Any]) -> Target:
    _check_port(f"{where}.port", entry["port"])
    destination = _address(entry["destination"])
    if destination is None and not is_host_name(entry["destination"]):
        raise OptionRefused(f"{where}.destination: {entry['destination']!r} is neither an address nor a host name")
    if destination is not None and (destination.is_unspecified or destination.is_multicast):
        raise OptionRefused(f"{where}.destination: no server can have the address {destination}")
    if entry["source"] is not None and _address(entry["source"]) is None:
        raise OptionRefused(f"{where}.source: {entry['source']!r} is no address; give one of this host's addresses")
    for end in ("destination", "source"):
        _check_form(f"{where}.{end}", entry[end])
    if entry["name"] is not None and _address(entry["name"]) is None and not is_host_name(entry["name"]):
        raise OptionRefused(f"{where}.name: {entry['name']!r} is no name a certificate can carry")
    if entry["encryption"] not in (None, *ENCRYPTIONS):
        raise OptionRefused(f"{where}.encryption: {entry['encryption']!r}; give one of {', '.join(ENCRYPTIONS)}")
    if entry["depth"] not in (None, *DEPTHS):
        raise OptionRefused(f"{where}.depth: {entry['depth']!r}; give one of {', '.join(DEPTHS)}")
    name = entry["name"].rstrip(".") if entry["name"] else None
    return Target(**{**{field: entry[field] for field in Target._fields}, "name": name})


def _check_form(where: str, text: Optional[str]) -> None:
    """Refuse addresses that lead elsewhere than they say, or nowhere."""
    address = _address(text) if text is not None else None
    if address is None or address.version == 4:
        return
    if address.ipv4_mapped is not None:  # its packets are IPv4, and would stand for IPv6 in the result
        raise OptionRefused(f"{where}: {text} is IPv4 in the form of IPv6; give {address.ipv4_mapped}")
    if address.is_link_local and "%" not in str(text):
        raise OptionRefused(f"{where}: {text} is there on every link; name the interface, as in {text}%eth0")


def _check_port(where: str, port: int) -> None:
    if not 1 <= port <= 65535:
        raise OptionRefused(f"{where}: {port} is no TCP port; give a number from 1 to 65535")


def _address(text: str) -> Any:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None


def is_host_name(text: str) -> bool:
    """Whether *text* is a host name (RFC 1123 section 2.1, underscores tolerated) and not a mistyped address."""
    labels = text.rstrip(".").split(".")
    return len(text) <= 253 and all(_LABEL.match(label) for label in labels) and not labels[-1].isdigit()


def placed(evidences: Evidences, params: Mapping[str, Any]) -> Evidences:
    """Return *evidences* with where the rows stop that the options want to know it of."""
    if params["locate"] == NOTHING:
        return evidences
    from ..locate.rows import located  # costs time to load, which most runs have no use for

    return located(evidences, params["locate"], params["control_ports"], params["locate_budget"])


def differences(rows: Sequence[Row]) -> List[Row]:
    """Return the rows that are not as expected."""
    return [row for row in rows if row.judgement.verdict != AS_EXPECTED]


def result(evidences: Evidences) -> Dict[str, Any]:
    """Return the module's result."""
    counts = dict.fromkeys(VERDICTS, 0)
    for row in evidences.rows:
        counts[row.judgement.verdict] += 1
    return {
        "changed": False,
        "rows": [row.as_dict() for row in evidences.rows],
        "summary": counts,
        "controls": evidences.controls,
        "moved_names": list(evidences.moved_names),
    }


def complaint(rows: Sequence[Row]) -> Optional[str]:
    """Return what differs from the expectation, in words; None when nothing does."""
    wrong = differences(rows)
    if not wrong:
        return None
    lines = [_sentence(row) for row in wrong[:_SHOWN]]
    if len(wrong) > _SHOWN:
        lines.append(f"and {len(wrong) - _SHOWN} more, see rows")
    hint = "; require_control and require_answer say what a block needs to be believed"
    unproven = any(row.judgement.verdict == UNPROVEN for row in wrong)
    return f"{len(wrong)} of {len(rows)} rows differ: " + "; ".join(lines) + (hint if unproven else "")


def _sentence(row: Row) -> str:
    target = row.target
    where = f"[{row.address or target.destination}]:{target.port}"
    who = target.host or (target.destination if target.destination != row.address else None)
    source = f"{target.source} to " if target.source else ""
    stops = f" ({row.where.text})" if row.where is not None else ""
    return f"{source}{who + ' ' if who else ''}{where} {row.judgement.reason}{stops}"
