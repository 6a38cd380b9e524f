# Copyright (c) 2026 Alertpath contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carries out the profiles of a service on a message: octets in, octets or a refusal out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from alertpath_tunnel.mime.errors import Ambiguous
from alertpath_tunnel.mime.view import Located, MessageView, Unwritable
from alertpath_tunnel.mime.walk import MimeLimits
from alertpath_tunnel.rules import model
from alertpath_tunnel.rules.engine import Engine, Refused, RuleError, Tally
from alertpath_tunnel.smtp import canonical, tables
from alertpath_tunnel.smtp.reply import Reply


@dataclass(frozen=True, slots=True)
class Outcome:
    """`content` goes to the next hop, unless `refusal` goes to the client. `reason` is for the log, without content."""

    content: bytes
    refusal: Reply | None = None
    reason: str = ""
    tally: Tally = field(default_factory=Tally)


class _Policy(Exception):
    """The message holds what the rule does not let pass."""


class Processor:
    """The rules of one service, ready to run. Shared by all sessions, never changed."""

    def __init__(self, profiles: Sequence[model.Profile], engine: Engine, limits: MimeLimits) -> None:
        self._profiles = [profile for profile in profiles if profile.rules]
        self._engine = engine
        self._limits = limits

    @property
    def active(self) -> bool:
        """Whether there is any rule at all."""
        return bool(self._profiles)

    def process(self, message: bytes) -> Outcome:
        """Apply the rules to `message`. Whatever goes wrong, the outcome is a refusal, never the message in clear."""
        tally = Tally()
        if not self._profiles:
            return Outcome(message, tally=tally)
        try:
            content = self._apply(message, tally)
            canonical.check(content, tables.TEXT_LINE)
        except Refused as error:
            reply = Reply(554, (b"5.7.1 " + error.message.encode("ascii", "replace"),))
            return Outcome(b"", reply, f"rule {error.rule}", tally)
        except (Ambiguous, _Policy) as error:
            return Outcome(b"", tables.BY_RULE, str(error), tally)
        except (RuleError, Unwritable, canonical.NotCanonical) as error:
            return Outcome(b"", tables.PROCESSING, str(error), tally)
        except Exception as error:  # noqa: BLE001 - fails closed on what nobody foresaw
            return Outcome(b"", tables.PROCESSING, type(error).__name__, tally)
        return Outcome(content, tally=tally)

    def _apply(self, message: bytes, tally: Tally) -> bytes:
        view = MessageView(message, self._limits)
        texts = view.texts()
        for profile in self._profiles:
            if self._profile(profile, view, texts, tally) == "RuleSet":
                break
        if any(text.changed and text.signed for text in texts):
            raise _Policy("a rule would change a signed part")
        return view.rewritten(texts) if any(text.changed for text in texts) else message

    def _profile(self, profile: model.Profile, view: MessageView, texts: Sequence[Located], tally: Tally) -> str | None:
        """Return the scope of the Exit that ended the profile, if one did."""
        for rule in profile.rules:
            match rule:
                case model.ExtractMessage():
                    leave = self._extract(rule, view, texts, tally)
                case model.Exit():
                    leave = rule.scope
                case model.Error():
                    raise Refused(rule.name, rule.message)
                case model.Log():
                    tally.notes.append(rule.message)
                    leave = None
            if leave not in (None, "Branch"):
                return leave
        return None

    def _extract(
        self, rule: model.ExtractMessage, view: MessageView, texts: Sequence[Located], tally: Tally
    ) -> str | None:
        if rule.opaque == "refuse" and view.opaque:
            raise _Policy("an encrypted or opaque-signed part")
        if rule.attachments == "refuse" and view.attachments:
            raise _Policy("an attachment")
        for text in texts:
            if text.field not in rule.fields:
                continue
            result = self._engine.run(rule.rules, text.current, tally)
            if result.edits:
                text.change(result.edits)
            if result.leave not in (None, "Branch"):
                return result.leave
        return None
