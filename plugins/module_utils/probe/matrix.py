# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole matrix of targets, probed at once from this host, and judged."""

from __future__ import annotations

import contextlib
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import (
    Any,
    Callable,
    ContextManager,
    Deque,
    Dict,
    Iterable,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
)

from ..ssh.model import Route
from . import verdict
from .alive import Alive
from .connector import Sockets
from .job import Answer, Job, Means, Question
from .limits import limits
from .lines import Dialer, Schedule
from .loop import Loop
from .model import (
    ALLOWED,
    BLOCKED,
    CONNECT,
    LOCAL_ERROR,
    NAME_ERROR,
    NONE,
    TLS,
    VERIFYING,
    Endpoint,
    Evidence,
    Finding,
    Target,
)
from .names import Resolved, leads_home, numeric, resolve, written
from .pins import moved, pinned
from .rows import Evidences, Row
from .steps import NO_ERRAND, Errand
from .tls import HOST_AUTHORITIES, ClientCertificate, Trust, describing_context, verifying_context
from .way_out import WayOut, can_bind, way_out

PATIENCE = 4.0
"""Seconds of a second, longer look. The kernel gives up on a neighbour after 3.05 s: less would call that silence."""
_STARTS_AT_ONCE = 100
_NAME_SECONDS = 3.0
"""A host without a resolver must not hold the matrix up: names are only compared with their pins."""


@dataclass(frozen=True)
class Settings:
    """How to probe; the module's options of the same names."""

    depth: str = TLS
    window: float = 1.05
    timeout: float = 15.0
    control_ports: Tuple[int, ...] = (22,)
    require_control: bool = True
    require_answer: bool = True
    trust: Trust = HOST_AUTHORITIES
    timeouts: Mapping[str, float] = field(default_factory=dict)
    """Seconds of single steps, by the names in limits.py."""
    deadline: float = 0.0
    """Seconds for a target in all; 0: several times the longest step."""
    client: Optional[ClientCertificate] = None
    errand: Errand = NO_ERRAND
    route: Optional[Route] = None
    """The way, over SSH, to the host to probe from; None: this host."""


class _Line(NamedTuple):
    """A target at one of its addresses, or why it has none."""

    target: Target
    endpoint: Optional[Endpoint]
    finding: Optional[Finding] = None


def probe(targets: Sequence[Target], settings: Settings) -> Evidences:
    """Probe all *targets* at once and judge what was seen.

    A destination that is a name gives one row per address. Raises `TrustError` when the authorities'
    certificates cannot be used; whatever goes wrong with a target is in its row.
    """
    lines = list(_lines(targets, settings.timeout))
    alive = Alive()
    controls = _controls(alive, lines, settings)
    questions = [_question(line.target, line.endpoint, settings) for line in lines if line.endpoint is not None]
    loop = Loop()
    try:
        with _dialing(settings, loop) as dialer:
            answers = _run([*controls, *questions], _means(questions, settings, loop, dialer))
    finally:
        loop.close()
    found = iter(answers[len(controls) :])
    seen = [next(found) if line.finding is None else Answer(line.finding, 0, 0.0) for line in lines]
    _learn(alive, dict(zip(controls, answers)), lines, seen)
    evidences = _judge(lines, seen, alive, settings)
    if settings.route is not None:
        return evidences  # what names lead to here says nothing of there
    pins = pinned(targets)
    names = moved(pins, resolve(pins, min(settings.timeout, _NAME_SECONDS)))
    return evidences._replace(moved_names=names)


def _dialing(settings: Settings, loop: Loop) -> ContextManager[Dialer]:
    if settings.route is None:
        return contextlib.closing(Sockets(loop))
    from .forwarding import Forwarded  # what it needs is not on every host

    return contextlib.closing(Forwarded(loop, settings.route, settings.timeout))


def _lines(targets: Sequence[Target], timeout: float) -> Iterable[_Line]:
    names = {target.destination for target in targets if numeric(target.destination, target.port) is None}
    resolved = resolve(names, timeout)
    for target in targets:
        address = numeric(target.destination, target.port)
        if address is not None:
            yield _line(target, *address)
            continue
        yield from _named(target, resolved[target.destination])


def _named(target: Target, resolved: Resolved) -> Iterable[_Line]:
    source = numeric(target.source, 0) if target.source else None
    usable = [(family, address) for family, address in resolved.addresses if source is None or family == source[0]]
    if not usable:
        error = resolved.error or f"{target.destination} has no address of the source's family"
        yield _Line(target, None, Finding(NAME_ERROR, Evidence(error)))
    for family, address in usable:
        if target.expect == BLOCKED and leads_home(target.destination, address):
            error = f"{target.destination} leads to this host itself ({address[0]}), which shows nothing of a way there"
            yield _Line(target, None, Finding(NAME_ERROR, Evidence(error)))
        else:
            yield _line(target, family, (address[0], target.port, *address[2:]))


def _line(target: Target, family: int, address: Tuple[Any, ...]) -> _Line:
    if target.source is None:
        return _Line(target, Endpoint(family, address))
    source = numeric(target.source, 0)
    if source is None or source[0] != family:
        text = f"the source {target.source} is no address of the destination's family"
        return _Line(target, None, Finding(LOCAL_ERROR, Evidence(text, local=True)))
    return _Line(target, Endpoint(family, address, source[1]))


def _controls(alive: Alive, lines: Iterable[_Line], settings: Settings) -> List[Question]:
    """Ask every destination that should be blocked for a sign of life on other ports."""
    blocked = [line.endpoint for line in lines if line.endpoint is not None and line.target.expect == BLOCKED]
    if settings.route is not None:  # what leads to it from here says nothing of there
        return alive.controls(blocked, settings.control_ports, lambda _endpoint: WayOut(None, False))
    bound = bool(blocked) and can_bind()
    return alive.controls(blocked, settings.control_ports, lambda endpoint: way_out(endpoint, bound))


def _question(target: Target, endpoint: Endpoint, settings: Settings) -> Question:
    if target.expect == BLOCKED:
        return Question(endpoint, patient=not settings.control_ports)
    return Question(endpoint, target.depth or settings.depth, target.encryption or NONE, target.name, insist=True)


def _means(questions: Iterable[Question], settings: Settings, loop: Loop, dialer: Dialer) -> Means:
    describing = describing_context(settings.client)
    verifying = chain_only = describing
    wanted = any(asked.depth in VERIFYING and asked.encryption != NONE for asked in questions)
    if wanted or settings.trust != HOST_AUTHORITIES:
        verifying = verifying_context(settings.trust, settings.client)
        chain_only = verifying_context(settings.trust, settings.client)
        chain_only.check_hostname = False
    return Means(
        loop=loop,
        dialer=dialer,
        schedule=Schedule(dialer.attempts, settings.window),
        patient=Schedule(dialer.patient_attempts, max(PATIENCE, 2 * settings.window)),
        limits=limits(settings.timeout, settings.timeouts, settings.deadline),
        verifying=verifying,
        chain_only=chain_only,
        describing=describing,
        now=datetime.now(timezone.utc),
        errand=settings.errand,
        client_certificate=settings.client is not None,
    )


def _run(questions: Sequence[Question], means: Means) -> List[Answer]:
    """Answer all questions, as many at once as there is room for."""
    answers: List[Optional[Answer]] = [None] * len(questions)
    # What should be blocked takes the whole window, so that it had better begin before what should answer.
    waiting: Deque[int] = deque(sorted(range(len(questions)), key=lambda index: questions[index].insist))
    free = means.dialer.room
    brief, patient = means.schedule.attempts, means.patient.attempts
    costs = [patient if asked.patient or asked.insist else brief for asked in questions]
    pumping = False

    def pump() -> None:
        nonlocal free, pumping
        pumping = False
        for _start in range(_STARTS_AT_ONCE):
            if not waiting or costs[waiting[0]] > free:
                break
            index = waiting.popleft()
            free -= costs[index]
            Job(means, questions[index], receiver(index)).start()
        later()

    def later() -> None:
        nonlocal pumping
        if waiting and costs[waiting[0]] <= free and not pumping:
            pumping = True
            means.loop.call_later(0, pump)

    def receiver(index: int) -> Callable[[Answer], None]:
        def receive(answer: Answer) -> None:
            nonlocal free
            answers[index] = answer
            free += costs[index]
            later()

        return receive

    later()
    means.loop.run()
    found = [answer for answer in answers if answer is not None]
    if len(found) != len(questions):
        raise RuntimeError(f"{len(questions) - len(found)} targets were left without an answer")
    return found


def _learn(alive: Alive, controls: Dict[Question, Answer], lines: Sequence[_Line], seen: Sequence[Answer]) -> None:
    """Tell *alive* what was seen."""
    for question, answer in controls.items():
        alive.control(question, answer.finding)
    for line, answer in zip(lines, seen):
        if line.endpoint is not None:
            alive.target(line.endpoint, answer.finding)


def _judge(lines: Sequence[_Line], seen: Sequence[Answer], alive: Alive, settings: Settings) -> Evidences:
    via = settings.route.last.host if settings.route else None
    rows = []
    for line, answer in zip(lines, seen):
        level = None
        if line.endpoint is not None:
            answer = answer._replace(finding=alive.settle(line.endpoint, answer.finding))
            if line.target.expect == BLOCKED:
                answer = answer._replace(finding=alive.blocks(line.endpoint, answer.finding))
                level = alive.level(line.endpoint, answer.finding)
        depth = CONNECT if line.target.expect != ALLOWED else line.target.depth or settings.depth
        control = level or verdict.NO_CONTROL
        required = settings.require_control, settings.require_answer
        judgement = verdict.judge(line.target.expect, depth, answer.finding, control, *required)
        address = written(line.endpoint.address) if line.endpoint else None
        rows.append(Row(line.target, address, answer, level, judgement, depth, via=via))
    return Evidences(rows, alive.by_family())
