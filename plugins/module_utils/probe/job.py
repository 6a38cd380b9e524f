# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that is done to answer one question about one endpoint."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import datetime
from typing import Callable, NamedTuple, Optional

from .conversation import Conversation, explain_certificate
from .limits import Limits
from .lines import Dialer, Line, Schedule
from .loop import Loop
from .model import (
    CONNECT,
    FILTERED,
    NO_ROUTE,
    NONE,
    NOT_SMTP,
    OPEN,
    REFUSED,
    SHUT,
    TLS,
    VERIFYING,
    Endpoint,
    Evidence,
    Finding,
)
from .session import Session
from .steps import NO_ERRAND, Errand

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
    interface: Optional[str] = None
    """A TCP answer counts only when a socket gets it that hears this interface alone (way_out.py)."""


class Means(NamedTuple):
    """What all jobs of a run share."""

    loop: Loop
    dialer: Dialer
    schedule: Schedule
    patient: Schedule
    limits: Limits
    verifying: ssl.SSLContext
    chain_only: ssl.SSLContext
    """Verifies the chain but no name, for servers whose name is not known."""
    describing: ssl.SSLContext
    now: datetime
    errand: Errand = NO_ERRAND
    client_certificate: bool = False
    """The contexts have a client certificate to show."""


class Answer(NamedTuple):
    """What a job found, how many attempts it took, and for how many seconds."""

    finding: Finding
    attempts: int
    seconds: float


class Job:
    """Connects, talks where that is asked for, and reports once."""

    __slots__ = ("_answered", "_attempts", "_began", "_done", "_found", "_means", "_question", "_until")

    def __init__(self, means: Means, question: Question, done: Callable[[Answer], None]) -> None:
        self._means = means
        self._question = question
        self._done = done
        self._attempts = 0
        self._began = 0.0
        self._until = 0.0
        self._answered: Optional[Finding] = None
        """An answer that came, and not by the interface alone."""
        self._found: Optional[Finding] = None
        """A finding whose certificate is still to be looked at."""

    def start(self) -> None:
        """Begin. The report may come before this returns."""
        self._began = self._means.loop.now()
        self._until = self._began + self._means.limits.overall
        if self._question.interface is None:
            self._connect()
        else:
            self._ask_outside()

    def _within(self, schedule: Schedule) -> Schedule:
        """Shorten *schedule* to the time that is left."""
        left = max(self._until - self._means.loop.now(), 0.0)
        return schedule if schedule.window <= left else schedule._replace(window=left)

    def _connect(self) -> None:
        self._attempts += 1
        patient = self._question.patient or self._attempts > 1
        schedule = self._means.patient if patient else self._means.schedule
        if self._question.interface is not None:  # neighbours are looked for since it was asked by the interface
            schedule = schedule._replace(window=schedule.window - self._means.schedule.window)
        schedule = self._within(schedule)
        self._means.dialer.dial(self._question.endpoint, schedule, self._connected)

    def _ask_outside(self) -> None:
        endpoint = self._question.endpoint._replace(interface=self._question.interface)
        self._means.dialer.dial(endpoint, self._within(self._means.schedule), self._heard_outside)

    def _heard_outside(self, finding: Finding, line: Optional[Line]) -> None:
        """Believe an answer. After silence ask anew, by any way, for a neighbour's absence is said by this host."""
        if line is not None:
            line.close()
        if finding.outcome == NOT_SMTP:
            finding = Finding(OPEN, finding.evidence)
        if finding.outcome != FILTERED:
            self._report(finding)
        elif self._answered is not None:
            self._report(Finding(FILTERED, Evidence("nothing but this host itself answers")))
        else:
            self._connect()

    def _connected(self, finding: Finding, line: Optional[Line]) -> None:
        if line is not None and self._question.depth != CONNECT:
            self._talk(line)
            return
        if line is not None:
            line.close()
        if finding.outcome == NOT_SMTP and self._question.depth == CONNECT:  # more than a connection was not asked for
            finding = Finding(OPEN, finding.evidence)
        if self._question.interface is not None and finding.outcome in (OPEN, REFUSED):
            self._answered = finding
            self._ask_outside()
            return
        retried = finding.outcome in SHUT or finding.outcome == NO_ROUTE
        left = self._until - self._means.loop.now() > _PAUSE
        if retried and left and self._question.insist and self._attempts == 1 and self._found is None:
            self._means.loop.call_later(_PAUSE, self._connect)
        else:
            self._report(self._found or finding)

    def _talk(self, line: Line) -> None:
        asked = self._question
        depth = asked.depth
        if self._found is not None or depth not in VERIFYING:
            context = self._means.describing
        else:
            context = self._means.verifying if asked.name else self._means.chain_only
        means = self._means
        errand = means.errand
        if self._found is not None:
            depth, errand = TLS, NO_ERRAND  # to see the certificate is all that is left to do
        conversation = Conversation(
            asked.encryption, depth, line.own_name(), asked.name, context, means.now, errand, means.client_certificate
        )
        Session(means.loop, line, conversation, means.limits, self._until, self._talked).start()

    def _talked(self, conversation: Conversation) -> None:
        if self._found is not None:
            self._report(_with_certificate(self._found, conversation.finding, self._question.name))
        elif conversation.certificate_rejected and conversation.finding.evidence.certificate_names is None:
            # This Python does not show a certificate that was refused: look at it once more, trusting nobody.
            self._found = conversation.finding
            schedule = self._within(self._means.schedule)
            self._means.dialer.dial(self._question.endpoint, schedule, self._connected)
        else:
            self._report(conversation.finding)

    def _report(self, finding: Finding) -> None:
        self._done(Answer(finding, self._attempts, self._means.loop.now() - self._began))


def _with_certificate(found: Finding, looked: Finding, name: Optional[str]) -> Finding:
    """Add the certificate that *looked* saw to *found*."""
    names, days = looked.evidence.certificate_names, looked.evidence.days_left
    evidence = replace(found.evidence, certificate_names=names, days_left=days)
    return Finding(found.outcome, explain_certificate(evidence, name))
