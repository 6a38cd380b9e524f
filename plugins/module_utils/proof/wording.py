# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules in few words, as nft would write them. Pure."""

from __future__ import annotations

from typing import Any

from .model import Rule

_LONGEST = 240
_SYMBOLS = {"==": "", "in": ""}


def rule(item: Rule) -> str:
    """Return the text of a rule, cut when it is long."""
    text = item.raw if isinstance(item.raw, str) else " ".join(filter(None, map(statement, item.raw or ())))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def statement(item: Any) -> str:
    """Return one statement of nft's JSON as text; nothing for a counter."""
    if not isinstance(item, dict) or len(item) != 1:
        return str(item)
    ((kind, body),) = item.items()
    if kind == "counter":
        return ""
    if body is None:
        return str(kind)
    if kind == "match":
        symbol = _SYMBOLS.get(body["op"], body["op"] + " ")
        return f"{value(body['left'])} {symbol}{value(body['right'])}"
    if kind == "vmap":
        return f"{value(body['key'])} vmap {value(body['data'])}"
    if kind in ("jump", "goto"):
        return f"{kind} {body['target']}"
    if kind == "mangle":
        return f"{value(body['key'])} set {value(body['value'])}"
    if kind in ("dnat", "snat", "redirect", "masquerade"):
        return _nat(kind, body)
    if kind == "reject":
        return " ".join(
            filter(None, ("reject", "with " + str(body["type"]) if "type" in body else "", body.get("expr", "")))
        )
    if kind == "limit":
        return f"limit rate {'over ' if body.get('inv') else ''}{body.get('rate')}/{body.get('per')}"
    if kind == "log":
        return f'log prefix "{body["prefix"]}"' if "prefix" in body else "log"
    if kind == "set":
        return f"{body['op']} {body['set']} {{ {value(body['elem'])} }}"
    if kind == "xt":
        return f"xt {body.get('type', '')} {body.get('name', '')}".strip()
    return f"{kind} {value(body)}"


def _nat(kind: str, body: Any) -> str:
    where = body.get("addr")
    port = f":{value(body['port'])}" if "port" in body else ""
    shown = value(where) if where is not None else ""
    if port and ":" in shown:
        shown = f"[{shown}]"
    return f"{kind} to {shown}{port}" if shown or port else kind


def value(item: Any) -> str:
    """Return an expression of nft's JSON as text."""
    if isinstance(item, list):
        return ", ".join(map(value, item))
    if not isinstance(item, dict):
        return str(item)
    if len(item) != 1:
        return " ".join(f"{key} {value(inner)}" for key, inner in item.items())
    ((kind, body),) = item.items()
    if kind == "payload":
        return f"{body['protocol']} {body['field']}" if "protocol" in body else "@{base},{offset},{len}".format(**body)
    if kind == "meta":
        return str(body["key"]) if body["key"] in ("iifname", "oifname", "iif", "oif") else f"meta {body['key']}"
    if kind == "ct":
        return " ".join(filter(None, ("ct", body.get("dir", ""), body["key"])))
    if kind == "fib":
        flags = body.get("flags") or []
        return f"fib {' . '.join([flags] if isinstance(flags, str) else flags)} {body['result']}"
    if kind == "prefix":
        return f"{body['addr']}/{body['len']}"
    if kind == "range":
        return "-".join(map(value, body))
    if kind == "concat":
        return " . ".join(map(value, body))
    if kind == "set":
        return _elements(body)
    if kind == "elem":
        return value(body["val"])
    if kind == "map":
        return f"{value(body['key'])} map {value(body['data'])}"
    if kind in ("&", "|", "^"):
        return f" {kind} ".join(map(value, body))
    if body is None:
        return str(kind)
    if kind in ("jump", "goto"):
        return f"{kind} {body['target']}"
    return f"{kind} {value(body)}"


def _elements(body: Any) -> str:
    items = body if isinstance(body, list) else [body]
    shown = [
        f"{value(item[0])} : {value(item[1])}" if isinstance(item, list) and len(item) == 2 else value(item)
        for item in items[:12]
    ]
    return "{ " + ", ".join(shown + (["..."] if len(items) > 12 else [])) + " }"
