# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is done to answer one question about one endpoint."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from datetime import datetime
from typing import Callable, NamedTuple, Optional

from .connector import Connector, Schedule
from .conversation import Conversation
from .loop import Loop
from .model import CONNECT, NO_ROUTE, NONE, SHUT, TLS, Endpoint, Finding
from .session import Session

_PAUSE = 1.0
"""Seconds before a second attempt: what made the first one fail may be over by then."""


class Question(NamedTuple):
    """What to find out: how deep to look, at a server of which kind and name."""

    endpoint: Endpoint
    depth: str = CONNECT
    encryption: str = NONE
    name: Optional[str] = None
    patient: bool = False
    """Wait longer for an answer from the start."""
    insist: bool = False
    """It should be open: ask a second time, more patiently, before believing that it is not."""


class Means(NamedTuple):
    """What all jobs of a run share."""

    loop: Loop
    schedule: Schedule
    patient: Schedule
    timeout: float
    verifying: ssl.SSLContext
    chain_only: ssl.SSLContext
    """Verifies the chain but no name, for servers whose name is not known."""
    describing: ssl.SSLContext
    now: datetime


class Answer(NamedTuple):
    """What a job found, how many attempts it took, and for how many seconds."""

    finding: Finding
    attempts: int
    seconds: float


class Job:
    """Connects, talks where that is asked for, and reports once."""

    __slots__ = ("_attempts", "_began", "_done", "_found", "_means", "_question")

    def __init__(self, means: Means, question: Question, done: Callable[[Answer], None]) -> None:
        self._means = means
        self._question = question
        self._done = done
        self._attempts = 0
        self._began = 0.0
        self._found: Optional[Finding] = None
        """A finding whose certificate is still to be looked at."""

    def start(self) -> None:
        """Begin. The report may come before this returns."""
        self._began = self._means.loop.now()
        self._connect()

    def _connect(self) -> None:
        self._attempts += 1
        patient = self._question.patient or self._attempts > 1
        schedule = self._means.patient if patient else self._means.schedule
        Connector(self._means.loop, self._question.endpoint, schedule, self._connected).start()

    def _connected(self, finding: Finding, sock: Optional[socket.socket]) -> None:
        if sock is not None and self._question.depth != CONNECT:
            self._talk(sock)
            return
        if sock is not None:
            sock.close()
        retried = finding.outcome in SHUT or finding.outcome == NO_ROUTE
        if retried and self._question.insist and self._attempts == 1 and self._found is None:
            self._means.loop.call_later(_PAUSE, self._connect)
        else:
            self._report(self._found or finding)

    def _talk(self, sock: socket.socket) -> None:
        asked = self._question
        depth = asked.depth
        if self._found is not None or depth != TLS:
            context = self._means.describing
        else:
            context = self._means.verifying if asked.name else self._means.chain_only
        own = sock.getsockname()[0].partition("%")[0]
        helo = f"[IPv6:{own}]" if ":" in own else f"[{own}]"  # RFC 5321 section 4.1.3
        conversation = Conversation(asked.encryption, depth, helo, asked.name, context, self._means.now)
        Session(self._means.loop, sock, conversation, self._means.timeout, self._talked).start()

    def _talked(self, conversation: Conversation) -> None:
        if self._found is not None:
            self._report(_with_certificate(self._found, conversation.finding))
        elif conversation.certificate_rejected:
            # TLS libraries do not show a certificate they refuse: look at it once more, trusting nobody.
            self._found = conversation.finding
            Connector(self._means.loop, self._question.endpoint, self._means.schedule, self._connected).start()
        else:
            self._report(conversation.finding)

    def _report(self, finding: Finding) -> None:
        self._done(Answer(finding, self._attempts, self._means.loop.now() - self._began))


def _with_certificate(found: Finding, looked: Finding) -> Finding:
    """Add the certificate that *looked* saw to *found*."""
    names, days = looked.evidence.certificate_names, looked.evidence.days_left
    text = found.evidence.text
    if names:
        text = f"{text}; it names {', '.join(names[:5])}"
    if days is not None and days < 0:
        text = f"{text}; it expired {-days} days ago"
    return Finding(found.outcome, replace(found.evidence, text=text, certificate_names=names, days_left=days))
