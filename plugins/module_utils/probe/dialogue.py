# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SMTP dialogue of a probe, without sockets.

Octets of the session go in by `receive`, octets to send come out by `output`. TLS is not done here: when `step` is
`Step.TLS`, the caller performs the handshake and reports it with `secured` or `end`. No message is ever sent: the
deepest session resets after the reply to RCPT, and there is no DATA among its words.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, List, Optional

from . import classes, sasl
from .extensions import is_hidden, read_offer
from .model import (
    AUTH_FAILED,
    BANNER_TIMEOUT,
    GREETING_REFUSED,
    MAIL_REFUSED,
    NOT_SMTP,
    OPEN,
    TLS_FAILED,
    TLS_MISSING,
    WRONG_SERVER,
    Evidence,
    Finding,
)
from .reply import NotSmtp, Reply, ReplyReader
from .seen import Exchange, Smtp, Tcp
from .steps import NO_ERRAND, STAGES, Errand, Step, steps

OVER = (Step.RSET, Step.QUIT, Step.DONE)
"""What was to be found is known."""
_EXTENSIONS = (Step.EHLO, Step.EHLO_INSIDE)
_TRANSACTION = (Step.MAIL, Step.RCPT)
_PROMPT = 334


class Dialogue:
    """One session. *helo* is what EHLO says; *name* is what the server should call itself, when that is known."""

    def __init__(self, encryption: str, depth: str, helo: str, name: Optional[str], errand: Errand = NO_ERRAND) -> None:
        self._left = list(steps(encryption, depth, errand))
        self._reader = ReplyReader()
        self._output = b""
        self._helo = helo
        self._name = name
        self._errand = errand
        self._answers: List[bytes] = []
        self._cancelled = False
        self._outcome = OPEN
        self._evidence = Evidence("connected")
        self._smtp = Smtp()
        self._inside = False
        self.step = self._left.pop(0)

    @property
    def finding(self) -> Finding:
        """What is known so far; final once `step` is QUIT or DONE."""
        smtp = self._smtp if self._smtp != Smtp() else None
        return Finding(self._outcome, replace(self._evidence, smtp=smtp))

    def output(self) -> bytes:
        """Return the octets to send, once."""
        data, self._output = self._output, b""
        return data

    def note(self, evidence: Evidence) -> None:
        """Replace the evidence by a completed one."""
        self._evidence = evidence

    def took(self, step: Step, seconds: float) -> None:
        """*step* lasted *seconds*: from the moment its command was sent until its reply was there."""
        seconds = round(seconds, 3)
        if step is Step.GREETING and self._smtp.greeting_code is not None:
            self._smtp = self._smtp._replace(greeting_seconds=seconds)
        done = self._smtp.exchanges
        for index in range(len(done) - 1, -1, -1):
            if done[index].stage == STAGES.get(step) and done[index].seconds is None:
                timed = done[index]._replace(seconds=seconds)
                self._smtp = self._smtp._replace(exchanges=(*done[:index], timed, *done[index + 1 :]))
                return

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
            if self.step in OVER:
                self.step = Step.DONE
            else:
                self.end(NOT_SMTP, f"no SMTP: {self._safe(str(error))}")
            return
        if self.step is Step.TLS and self._reader.pending:
            # CVE-2011-0411: what a man in the middle put behind the reply would count as said inside TLS.
            self.end(TLS_FAILED, "clear text follows the reply to STARTTLS", tls_error="injection")

    def secured(self, name_verified: bool) -> None:
        """The handshake is done; *name_verified*: the certificate proved chain and name."""
        self._inside = True
        self._evidence = replace(self._evidence, name_verified=name_verified)
        agreed = f"{self._evidence.tls_version} {self._evidence.cipher}" if self._evidence.tls_version else "done"
        self._record(Exchange(STAGES[Step.TLS], None, None, agreed))
        self._advance()

    def refuse(self, outcome: str, text: str, **parts: Any) -> None:
        """End the session with *outcome*, saying QUIT."""
        self._conclude(outcome, text, parts)
        self._quit()

    def end(self, outcome: str, text: str, **parts: Any) -> None:
        """End the session with *outcome*, saying nothing more."""
        self._conclude(outcome, text, parts)
        self.step = Step.DONE

    def closed(self, how: str, **parts: Any) -> None:
        """The connection ended; *how* in words, *parts* of the evidence for it."""
        self._stop(f"{how} instead of the {self.step.value}", parts)

    def expired(self, seconds: float, tcp: Optional[Tcp] = None, overall: bool = False) -> None:
        """The server did not say enough within *seconds*, of all the probe when *overall*.

        *tcp*: what the kernel knew of the connection then.
        """
        limit = f"the {seconds:g} s of the whole probe" if overall else f"{seconds:g} s"
        partial = self._reader.partial
        kind = classes.of_silence(tcp, partial, at_greeting=self.step is Step.GREETING)
        parts = {"kind": kind, "tcp": tcp}
        why = classes.SILENCE.get(kind or "", "")
        if self.step is Step.GREETING:
            self.end(BANNER_TIMEOUT, f"connected, but no {'whole ' * partial}greeting within {limit}{why}", **parts)
        else:
            self._stop(f"no {self.step.value} within {limit}{why}", parts)

    def _conclude(self, outcome: str, text: str, parts: Any) -> None:
        self._outcome = outcome
        self._evidence = replace(self._evidence, text=text, **parts)

    def _stop(self, text: str, parts: Any) -> None:
        if self.step in OVER:
            self.step = Step.DONE
        elif self.step in (Step.STARTTLS, Step.TLS):
            self.end(TLS_FAILED, text, tls_error="interrupted", **parts)
        elif self.step is Step.AUTH:
            self.end(AUTH_FAILED, text, **parts)
        elif self.step in _TRANSACTION:
            self.end(MAIL_REFUSED, text, **parts)
        else:
            self.end(NOT_SMTP, text, **parts)

    def _safe(self, text: str) -> str:
        """Mask the credentials in what the server says once it has heard them."""
        return text if self._smtp.mechanism is None else sasl.mask(text, self._errand.credentials)

    def _record(self, exchange: Exchange) -> None:
        self._smtp = self._smtp._replace(exchanges=(*self._smtp.exchanges, exchange))

    def _take(self, heard: Reply) -> None:
        reply = Reply(heard.code, tuple(map(self._safe, heard.lines)))
        if self.step is not Step.QUIT and not (self.step is Step.AUTH and reply.code == _PROMPT):
            self._record(Exchange(STAGES[self.step], reply.code, reply.enhanced, reply.text))
        if self.step is Step.GREETING:
            self._greeted(reply)
        elif self.step in _EXTENSIONS:
            self._extensions(reply)
        elif self.step is Step.STARTTLS:
            if reply.code == 220:
                self._advance()
            else:
                self.refuse(
                    TLS_MISSING,
                    f"STARTTLS is refused: {reply.text}",
                    reply=reply.text,
                    kind=classes.TLS_REFUSED,
                )
        elif self.step is Step.AUTH:
            self._authenticated(reply)
        elif self.step in _TRANSACTION:
            self._transacted(reply)
        elif self.step is Step.RSET:
            self._advance()
        else:
            self.step = Step.DONE

    def _greeted(self, reply: Reply) -> None:
        words = reply.lines[0].split()
        self._smtp = self._smtp._replace(greeting_code=reply.code)
        self._evidence = replace(
            self._evidence, greeting=reply.text, greeting_name=words[0] if reply.code == 220 and words else None
        )
        if reply.code >= 400:
            self.refuse(
                GREETING_REFUSED,
                f"the server refuses with its greeting: {reply.text}",
                reply=reply.text,
                kind=classes.of_refusal("greeting", reply.code),
            )
        elif reply.code != 220:
            self.end(NOT_SMTP, f"a greeting that SMTP does not know: {reply.text}", reply=reply.text)
        else:
            self._advance()

    def _extensions(self, reply: Reply) -> None:
        upgrade = bool(self._left) and self._left[0] is Step.STARTTLS
        if reply.code == 421:
            self.refuse(
                GREETING_REFUSED,
                f"the server closes after EHLO: {reply.text}",
                reply=reply.text,
                kind=classes.GREETING_421,
            )
            return
        if reply.code != 250:
            text = f"EHLO is refused: {reply.text}"
            self.refuse(TLS_MISSING if upgrade else GREETING_REFUSED, text, reply=reply.text, kind=classes.EHLO_REFUSED)
            return
        offer = read_offer(reply)
        in_clear = bool(offer.auth) if not self._inside else self._smtp.auth_in_clear
        self._smtp = self._smtp._replace(
            extensions=offer.extensions, size=offer.size, auth=offer.auth or None, auth_in_clear=in_clear
        )
        if not upgrade or offer.starttls:
            self._advance()
        elif offer.masked:
            text = f"STARTTLS is not offered, and {offer.masked[0]} is: a device on the way overwrites extensions"
            self.refuse(TLS_MISSING, text, reply=reply.text, kind=classes.TLS_STRIPPED)
        else:
            self.refuse(TLS_MISSING, "STARTTLS is not offered", reply=reply.text, kind=classes.TLS_NOT_OFFERED)

    def _authenticated(self, reply: Reply) -> None:
        if reply.code == 235:
            self._advance()
        elif reply.code == _PROMPT and self._answers:
            self._output += self._answers.pop(0) + b"\r\n"
        elif reply.code == _PROMPT and not self._cancelled:  # a question too many: RFC 4954 section 4
            self._cancelled = True
            self._output += b"*\r\n"
        else:
            kind = classes.AUTH_DEFERRED if 400 <= reply.code < 500 else classes.AUTH_REFUSED
            text = f"the credentials are refused ({self._smtp.mechanism}): {reply.text}"
            self.refuse(AUTH_FAILED, text, reply=reply.text, kind=kind)

    def _transacted(self, reply: Reply) -> None:
        if reply.code in (250, 251, 252):
            self._advance()
            return
        who = "sender" if self.step is Step.MAIL else "recipient"
        what = f"<{self._errand.sender}>" if self.step is Step.MAIL else f"<{self._errand.recipient}>"
        self._conclude(
            MAIL_REFUSED,
            f"the {who} {what} is refused: {reply.text}",
            {"reply": reply.text, "kind": classes.of_refusal(who, reply.code)},
        )
        if reply.code == 421:  # the server closes: RFC 5321 section 3.8
            self._quit()
        else:
            self._left = [Step.RSET]
            self._advance()

    def _authenticate(self) -> None:
        credentials = self._errand.credentials
        mechanism = sasl.choose(self._smtp.auth or ())
        refused = ""
        kind = classes.AUTH_UNSAFE
        if not self._inside:
            refused = "credentials are never sent in clear text"
        elif not self._evidence.name_verified:
            refused = "credentials are sent only to a server whose certificate proves its name, and no name is given"
        elif credentials is None:
            refused = "no credentials are given"
        elif mechanism is None:
            kind = classes.AUTH_MISSING
            offered = ", ".join(self._smtp.auth or ()) or "none"
            refused = f"no common mechanism: the server offers {offered}, this probe {', '.join(sasl.MECHANISMS)}"
        if refused or credentials is None or mechanism is None:
            self.refuse(AUTH_FAILED, refused, kind=kind)
            return
        said = sasl.say(mechanism, credentials)
        self._smtp = self._smtp._replace(mechanism=mechanism)
        self._answers = list(said.answers)
        self._output += said.command + b"\r\n"

    def _advance(self) -> None:
        if not self._left:
            if self._outcome == OPEN:
                self._recognise()
            self._quit()
            return
        self.step = self._left.pop(0)
        if self.step in _EXTENSIONS:
            self._output += f"EHLO {self._helo}\r\n".encode("ascii")
        elif self.step is Step.STARTTLS:
            self._output += b"STARTTLS\r\n"
        elif self.step is Step.AUTH:
            self._authenticate()
        elif self.step is Step.MAIL:
            if not self._name_fits():
                self._recognise()
                self._quit()
                return
            self._output += f"MAIL FROM:<{self._errand.sender}>\r\n".encode("ascii")
        elif self.step is Step.RCPT:
            self._output += f"RCPT TO:<{self._errand.recipient}>\r\n".encode("ascii")
        elif self.step is Step.RSET:
            self._output += b"RSET\r\n"

    def _name_fits(self) -> bool:
        """Whether the server is who it should be, proved by its certificate or else said by its greeting."""
        if self._evidence.name_verified or not self._name:
            return True
        return (self._evidence.greeting_name or "").lower() == self._name.lower()

    def _recognise(self) -> None:
        greeted = self._evidence.greeting_name
        kind = None
        if self._evidence.name_verified:
            text = f"{self._name} answers, proved by its certificate"
            if self._evidence.common_name_only:
                text += "; that has no alternative names, so newer clients will not accept it"
        elif not self._name_fits():
            self._outcome = WRONG_SERVER
            hidden = is_hidden((self._evidence.greeting or "")[4:])
            kind = classes.HIDDEN_GREETING if hidden else classes.WRONG_GREETING
            text = f"{greeted or 'a server without a name'} greets, not {self._name}"
            text += "; a device on the way overwrites the greeting" if hidden else ""
        else:
            text = f"{greeted or 'an SMTP server'} greets"
        stages = {exchange.stage for exchange in self._smtp.exchanges}
        if self._outcome == OPEN and STAGES[Step.AUTH] in stages:
            text += f"; it accepts the credentials ({self._smtp.mechanism})"
        if self._outcome == OPEN and STAGES[Step.RCPT] in stages:
            text += f"; it accepts <{self._errand.recipient}> from <{self._errand.sender}>"
        self._evidence = replace(self._evidence, text=text, kind=kind)

    def _quit(self) -> None:
        self.step = Step.QUIT
        self._output += b"QUIT\r\n"
