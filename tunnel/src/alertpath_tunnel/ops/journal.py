# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Transaction lines: JSON, one a line, for the journal. Nothing of a message's content or addresses appears in them."""

from __future__ import annotations

import datetime
import hashlib
import itertools
import json
import os
import re
import secrets
import time
from collections.abc import Mapping
from typing import Final

from alertpath_tunnel.ops.board import Counters
from alertpath_tunnel.ops.levels import classify, wanted
from alertpath_tunnel.ops.sink import Sink
from alertpath_tunnel.rules.message import Outcome
from alertpath_tunnel.smtp.reply import Reply

_encode: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_MESSAGE_ID: Final = re.compile(rb"^message-id:[ \t]*(?:\r\n[ \t]+)?([^\r\n]+)", re.IGNORECASE | re.MULTILINE)
_ENHANCED: Final = re.compile(rb"[245]\.[0-9]{1,3}\.[0-9]{1,3}")


class Journal:
    """Writes records to a sink that the service manager collects from."""

    def __init__(
        self, sink: Sink, levels: Mapping[str, str] | None = None, counters: Counters | None = None, **fixed: object
    ) -> None:
        self._sink = sink
        self._levels = levels or {}
        self._counters = counters
        self._fixed = fixed

    def child(self, levels: Mapping[str, str], counters: Counters | None, **fixed: object) -> Journal:
        """Return a journal on the same sink; every line of it bears `fixed`, and is counted in `counters`."""
        return Journal(self._sink, levels, counters, **fixed)

    def write(self, record: dict[str, object]) -> None:
        """Write one line, unless the level of its facility leaves it out. It is counted in either case."""
        if self._counters:
            self._counters.observe(record)
        facility, level = classify(record)
        if not wanted(record, facility, level, self._levels):
            return
        if self._sink.missed:
            self._confess()
        if not self._put(record, facility, level) and self._counters:
            self._counters.add("log_lines_lost")

    def forget_missed(self) -> None:
        """In a new process: the lines that the other one could not write are not ours to tell of."""
        self._sink.missed = 0

    def _confess(self) -> None:
        """Say how many lines this process could not write before; the next one tries again if this is not taken."""
        missed, self._sink.missed = self._sink.missed, 0
        if not self._put({"event": "log lines lost", "lines": missed}, *classify({"event": "log lines lost"})):
            self._sink.missed = missed

    def _put(self, record: Mapping[str, object], facility: str, level: str) -> bool:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        whole = {"time": now, "facility": facility, "level": level, **self._fixed, **record}
        return self._sink.put(_encode(whole).encode() + b"\n")


def message_id_digest(head: bytes) -> str | None:
    """Return the first 16 hexadecimal digits of SHA-256 over the Message-ID in `head`, whole lines of a header.

    By it both ends can find a message.
    """
    match = _MESSAGE_ID.search(head)
    return hashlib.sha256(match[1].strip()).hexdigest()[:16] if match else None


# Handles are unique, not secret: each process counts on from a place of its own.
_handles = itertools.count(secrets.randbits(64))


def _begin_elsewhere() -> None:
    global _handles
    _handles = itertools.count(secrets.randbits(64))


os.register_at_fork(after_in_child=_begin_elsewhere)


class Transaction:
    """Collects what one transaction did."""

    def __init__(
        self,
        session: int,
        tunnel: str,
        client: str,
        tls: tuple[str, str] | None,
        upstream: str,
        upstream_tls: tuple[str, str] | None,
    ) -> None:
        self._begun = time.monotonic()
        self._accepted = 0
        self._refused = 0
        self._verdict: tuple[Reply | None, str, bool] | None = None
        self._record: dict[str, object] = {
            "event": "transaction",
            "client_correlation_handle": f"{next(_handles) % 2**64:016x}",
            "session": session,
            "tunnel": tunnel,
            "client_ip": client,
            "client_tls": tls,
            "next_hop": upstream,
            "next_hop_tls": upstream_tls,
            "message_id_sha256": None,
        }

    def recipient(self, reply: Reply) -> None:
        if reply.positive:
            self._accepted += 1
        else:
            self._refused += 1

    def header(self, head: bytes) -> None:
        """Take lines of the message's header."""
        self._record["message_id_sha256"] = self._record["message_id_sha256"] or message_id_digest(head)

    def received(self, size: int) -> None:
        """Take the size of the complete message, in octets."""
        self._record["size_in"] = size
        self._record["seconds_receiving"] = round(time.monotonic() - self._begun, 4)

    def processed(self, outcome: Outcome) -> None:
        tally = outcome.tally
        self._record["rules"] = dict(tally.matches)
        self._record["data_elements"] = dict(tally.elements)
        self._record["notes"] = tally.notes
        self._record["changed"] = tally.touched and outcome.refusal is None

    def untouched(self) -> None:
        """Take that no rule looks at the message."""
        self._record |= {"rules": {}, "data_elements": {}, "notes": [], "changed": False}

    def sending(self, size: int) -> None:
        """Take the size of the message as the next hop, which is ready for it, gets it."""
        self._record["size_out"] = size

    def verdict(self, reply: Reply | None, reason: str, by_next_hop: bool = False) -> None:
        """Take what the client is told, and why."""
        self._verdict = (reply, reason, by_next_hop)

    def record(self, reply: Reply | None, reason: str) -> dict[str, object]:
        """Return the line; without a verdict, `reply` and `reason` stand for one.

        Of the next hop's text only the enhanced code appears: it may quote an address.
        """
        reply, reason, by_next_hop = self._verdict or (reply, reason, False)
        enhanced = _ENHANCED.match(reply.lines[0]) if reply else None
        return {
            **self._record,
            "recipients": self._accepted,
            "recipients_refused": self._refused,
            "reply": reply.code if reply else None,
            "enhanced": enhanced[0].decode() if enhanced else None,
            "reply_by": ("next hop" if by_next_hop else "tunnel") if reply else None,
            "reason": reason,
            "seconds": round(time.monotonic() - self._begun, 4),
        }
