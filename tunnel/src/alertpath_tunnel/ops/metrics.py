# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the counts in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from alertpath_tunnel import __version__
from alertpath_tunnel.ops.board import BOUNDS, BUCKETS, CLASSES
from alertpath_tunnel.ops.levels import PROTOCOL_EVENTS

_PREFIX = "alertpath_tunnel_"
_PLAIN = (
    ("connections", "connections_total", "Connections that were accepted"),
    ("messages_changed", "messages_changed_total", "Messages that a rule changed"),
    ("values_protected", "values_protected_total", "Values that data elements protected"),
    ("bytes_received", "received_bytes_total", "Octets of messages as clients sent them"),
    ("bytes_forwarded", "forwarded_bytes_total", "Octets of messages as the next hop got them"),
    ("log_lines_lost", "log_lines_lost_total", "Lines of the journal that nobody took in time"),
    ("restarts", "process_restarts_total", "Processes of the service that ended and were begun anew"),
)


def render(totals: Mapping[str, float], workers_up: int) -> str:
    """Return the page; `totals` are the sums of the board."""
    return "\n".join(_lines(totals, workers_up)) + "\n"


def _lines(totals: Mapping[str, float], workers_up: int) -> Iterator[str]:
    yield from _head("build_info", "gauge", "The version that runs")
    yield f'{_PREFIX}build_info{{version="{__version__}"}} 1'
    for name, text, value in (
        ("workers_up", "Workers that give signs of life", workers_up),
        ("sessions", "Sessions under way", totals["sessions"]),
        ("bytes_in_flight", "Octets of messages held in memory", totals["bytes_in_flight"]),
    ):
        yield from _head(name, "gauge", text)
        yield f"{_PREFIX}{name} {_number(value)}"
    for field, name, text in _PLAIN:
        yield from _head(name, "counter", text)
        yield f"{_PREFIX}{name} {_number(totals[field])}"
    yield from _labelled(
        "refused_total",
        "Connections refused at once",
        "reason",
        totals,
        {
            "not_allowed": "refused_not_allowed",
            "too_many": "refused_too_many",
            "bad_header": "refused_bad_header",
        },
    )
    yield from _labelled(
        "recipients_total",
        "Recipients",
        "verdict",
        totals,
        {
            "accepted": "recipients_accepted",
            "refused": "recipients_refused",
        },
    )
    yield from _labelled(
        "reloads_total",
        "Configurations taken and refused on reload",
        "result",
        totals,
        {
            "taken": "reloads",
            "refused": "reloads_refused",
        },
    )
    yield from _labelled(
        "events_total",
        "What went wrong outside a message's verdict",
        "event",
        totals,
        {name.replace(" ", "_").lower(): f"event_{name.replace(' ', '_').lower()}" for name in PROTOCOL_EVENTS},
    )
    yield from _head("transactions_total", "counter", "Transactions by who decided and the reply's first digit")
    for name in CLASSES:
        by, _line, digit = name.rpartition("_")
        transactions = _number(totals[f"transactions_{name}"])
        yield f'{_PREFIX}transactions_total{{by="{by}",reply="{digit}"}} {transactions}'
    yield f'{_PREFIX}transactions_total{{by="nobody",reply="none"}} {_number(totals["transactions_unanswered"])}'
    yield from _head("transaction_seconds", "histogram", "Seconds from MAIL to the reply to the message")
    counted = 0.0
    for bucket, bound in zip(BUCKETS, (*(f"{bound:g}" for bound in BOUNDS), "+Inf"), strict=True):
        counted += totals[bucket]
        yield f'{_PREFIX}transaction_seconds_bucket{{le="{bound}"}} {_number(counted)}'
    yield f"{_PREFIX}transaction_seconds_sum {_number(totals['seconds_sum'])}"
    yield f"{_PREFIX}transaction_seconds_count {_number(counted)}"


def _labelled(
    name: str, text: str, label: str, totals: Mapping[str, float], fields: Mapping[str, str]
) -> Iterator[str]:
    yield from _head(name, "counter", text)
    for value, field in fields.items():
        yield f'{_PREFIX}{name}{{{label}="{value}"}} {_number(totals[field])}'


def _head(name: str, kind: str, text: str) -> tuple[str, str]:
    return f"# HELP {_PREFIX}{name} {text}", f"# TYPE {_PREFIX}{name} {kind}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
