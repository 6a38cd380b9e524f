# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's side of an SMTP session that only looks: greeting, EHLO, STARTTLS, and a polite QUIT. Sans-I/O.

Octets of the session go in by `receive`, octets to send come out by `output`. TLS is not done here: when `step` is
`Step.TLS`, the caller performs the handshake and reports it with `secured` or `refuse`.
"""

from __future__ import annotations

import enum
from dataclasses import replace
from typing import Dict, Optional, Tuple

from .model import (
    BANNER,
    BANNER_TIMEOUT,
    GREETING_REFUSED,
    IMPLICIT,
    NONE,
    NOT_SMTP,
    OPEN,
    STARTTLS,
    TLS,
    TLS_FAILED,
    TLS_MISSING,
    WRONG_SERVER,
    Evidence,
    Finding,
)
from .reply import NotSmtp, Reply, ReplyReader


class Step(enum.Enum):
    """What the session waits for."""

    GREETING = "greeting"
    EHLO = "reply to EHLO"
    STARTTLS = "reply to STARTTLS"
    TLS = "TLS handshake"
    QUIT = "reply to QUIT"
    DONE = "nothing"


# Every session ends with QUIT. Inside TLS from the start (RFC 8314), the greeting comes after the handshake.
_STEPS: Dict[Tuple[str, str], Tuple[Step, ...]] = {
    (NONE, BANNER): (Step.GREETING,),
    (NONE, TLS): (Step.GREETING,),
    (STARTTLS, BANNER): (Step.GREETING,),
    (STARTTLS, TLS): (Step.GREETING, Step.EHLO, Step.STARTTLS, Step.TLS),
    (IMPLICIT, BANNER): (Step.TLS, Step.GREETING),
    (IMPLICIT, TLS): (Step.TLS, Step.GREETING),
}


class Dialogue:
    """One session. *helo* is what EHLO says; *name* is what the server should call itself, when that is known."""

    def __init__(self, encryption: str, depth: str, helo: str, name: Optional[str]) -> None:
        self._left = list(_STEPS[encryption, depth])
        self._reader = ReplyReader()
        self._output = b""
        self._helo = helo
        self._name = name
        self._outcome = OPEN
        self._evidence = Evidence("connected")
        self.step = self._left.pop(0)

    @property
    def finding(self) -> Finding:
        """What is known so far; final once `step` is QUIT or DONE."""
        return Finding(self._outcome, self._evidence)

    def output(self) -> bytes:
        """Return the octets to send, once."""
        data, self._output = self._output, b""
        return data

    def note(self, evidence: Evidence) -> None:
        """Replace the evidence by a completed one."""
        self._evidence = evidence

    def receive(self, data: bytes) -> None:
        """Take octets from the server."""
        self._reader.feed(data)
        try:
            while self.step not in (Step.TLS, Step.DONE):
                reply = self._reader.next_reply()
                if reply is None:
                    return
                self._take(reply)
        except NotSmtp as error:
            if self.step is Step.QUIT:
                self.step = Step.DONE
            else:
                self.end(NOT_SMTP, f"no SMTP: {error}")
            return
        if self.step is Step.TLS and self._reader.pending:
            # CVE-2011-0411: what a man in the middle put behind the reply would count as said inside TLS.
            self.end(TLS_FAILED, "clear text follows the reply to STARTTLS", tls_error="injection")

    def secured(self, name_verified: bool) -> None:
        """The handshake is done; *name_verified*: the certificate proved chain and name."""
        self._evidence = replace(self._evidence, name_verified=name_verified)
        self._advance()

    def refuse(self, outcome: str, text: str, **parts: Optional[str]) -> None:
        """End the session with *outcome*, saying QUIT."""
        self._outcome = outcome
        self._evidence = replace(self._evidence, text=text, **parts)  # type: ignore[arg-type]
        self._quit()

    def end(self, outcome: str, text: str, **parts: Optional[str]) -> None:
        """End the session with *outcome*, saying nothing more."""
        self._outcome = outcome
        self._evidence = replace(self._evidence, text=text, **parts)  # type: ignore[arg-type]
        self.step = Step.DONE

    def closed(self, how: str) -> None:
        """The server closed the connection; *how* in words."""
        self._stop(f"{how} instead of the {self.step.value}")

    def expired(self, seconds: float) -> None:
        """The server said nothing for *seconds*, or not enough."""
        if self.step is Step.GREETING:
            self.end(BANNER_TIMEOUT, f"connected, but no greeting within {seconds:g} s")
        else:
            self._stop(f"no {self.step.value} within {seconds:g} s")

    def _stop(self, text: str) -> None:
        if self.step is Step.QUIT:
            self.step = Step.DONE
        elif self.step in (Step.STARTTLS, Step.TLS):
            self.end(TLS_FAILED, text, tls_error="interrupted")
        elif self.step is not Step.DONE:
            self.end(NOT_SMTP, text)

    def _take(self, reply: Reply) -> None:
        if self.step is Step.GREETING:
            self._greeted(reply)
        elif self.step is Step.EHLO:
            self._extensions(reply)
        elif self.step is Step.STARTTLS:
            if reply.code == 220:
                self._advance()
            else:
                self.refuse(TLS_MISSING, f"STARTTLS is refused: {reply.text}", reply=reply.text)
        else:
            self.step = Step.DONE

    def _greeted(self, reply: Reply) -> None:
        words = reply.lines[0].split()
        self._evidence = replace(
            self._evidence, greeting=reply.text, greeting_name=words[0] if reply.code == 220 and words else None
        )
        if reply.code >= 400:
            self.refuse(GREETING_REFUSED, f"the server refuses with its greeting: {reply.text}", reply=reply.text)
        elif reply.code != 220:
            self.end(NOT_SMTP, f"a greeting that SMTP does not know: {reply.text}", reply=reply.text)
        else:
            self._advance()

    def _extensions(self, reply: Reply) -> None:
        if reply.code == 421:
            self.refuse(GREETING_REFUSED, f"the server closes after EHLO: {reply.text}", reply=reply.text)
        elif reply.code != 250 or not any(line.strip().upper() == "STARTTLS" for line in reply.lines[1:]):
            what = "STARTTLS is not offered" if reply.code == 250 else f"EHLO is refused: {reply.text}"
            self.refuse(TLS_MISSING, what, reply=reply.text)
        else:
            self._advance()

    def _advance(self) -> None:
        if self._left:
            self.step = self._left.pop(0)
            if self.step is Step.EHLO:
                self._output += f"EHLO {self._helo}\r\n".encode("ascii")
            elif self.step is Step.STARTTLS:
                self._output += b"STARTTLS\r\n"
            return
        greeted = self._evidence.greeting_name
        if self._evidence.name_verified:
            text = f"{self._name} answers, proved by its certificate"
        elif self._name and (greeted or "").lower() != self._name.lower():
            self._outcome = WRONG_SERVER
            text = f"{greeted or 'a server without a name'} greets, not {self._name}"
        else:
            text = f"{greeted or 'an SMTP server'} greets"
        self._evidence = replace(self._evidence, text=text)
        self._quit()

    def _quit(self) -> None:
        self.step = Step.QUIT
        self._output += b"QUIT\r\n"
